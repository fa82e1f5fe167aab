//! Delay: most orders after a click come hours or days later, so that a log read today has not seen them all.
//!
//! A converting click orders in its session with probability `session_share`; the rest wait for a Weibull time, rounded
//! up to a tick (docs/market.md 6.6; the shares within 1 hour and 24 hours are near those of Chapelle 2014).
//!
//! Differences from Chapelle (2014): (1) a share in the session and a Weibull time in place of an exponential one; (2) one
//! pending order per consumer; the earliest due wins.

use super::{Contacts, MessagePredictors, ModuleBuild, ResponseModule, View};
use crate::math::{exp, ln};
use crate::registry::{Entry, Parameter, Range, Value};

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "delay_censoring",
    summary: "orders after a click come at once or days later, and a log read early misses them",
    source: "Chapelle (2014); docs/market.md 6.6",
    parameters: &[
        Parameter::number("session_share", 0.35, Range::PROBABILITY, "share of converting clicks that order at once"),
        Parameter::number("shape", 0.687, Range::POSITIVE, "Weibull shape of the delay"),
        Parameter::number("scale_days", 7.0, Range::POSITIVE, "Weibull scale of the delay"),
    ],
    build: ModuleBuild {
        create: |values, surroundings| {
            Ok(Box::new(DelayCensoring {
                timing: Timing {
                    session_share: values.number("session_share") as f32,
                    inverse_shape: (1.0 / values.number("shape")) as f32,
                    scale_ticks: (values.number("scale_days") / surroundings.tick_days) as f32,
                },
            }))
        },
        neutral: || vec![("session_share", Value::Number(1.0))],
    },
};

/// When an order after a click is placed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Probability of ordering in the session.
    pub session_share: f32,
    /// 1 / Weibull shape.
    pub inverse_shape: f32,
    /// Weibull scale in ticks.
    pub scale_ticks: f32,
}

impl Default for Timing {
    fn default() -> Self {
        Self::IMMEDIATE
    }
}

impl Timing {
    /// Every order in its session.
    pub const IMMEDIATE: Self = Self { session_share: 1.0, inverse_shape: 1.0, scale_ticks: 1.0 };

    /// Ticks until a delayed order, at least 1, by inverting the Weibull law at the uniform.
    #[must_use]
    pub fn delay_ticks(&self, uniform: f32) -> u32 {
        // Above 1e6 ticks an order is beyond every horizon; the cast saturates.
        let waited = self.scale_ticks * exp(self.inverse_shape * ln(-ln(uniform)));
        (waited.min(1e6).ceil() as u32).max(1)
    }
}

#[derive(Debug)]
struct DelayCensoring {
    timing: Timing,
}

impl ResponseModule for DelayCensoring {
    fn contribute_to_messages(&self, _view: &View<'_>, _contacts: &Contacts, predictors: &mut MessagePredictors) {
        predictors.timing = self.timing;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};

    #[test]
    fn shares_seen_after_a_day_a_week_and_a_fortnight() {
        // docs/market.md 6.6: .50 within 24 h, .76 within 7 d, .87 within 14 d, with .35 in the session.
        let timing = Timing { session_share: 0.35, inverse_shape: 1.0 / 0.687, scale_ticks: 7.0 };
        let draws = 200_000;
        let mut within = [0.0; 3];
        for entity in 0..draws {
            let [session, delay, ..] = Seed::new(5).uniforms(Purpose::Conversion, entity, 0, 0);
            let ticks = if session < timing.session_share { 0 } else { timing.delay_ticks(delay) };
            for (share, limit) in within.iter_mut().zip([1, 7, 14]) {
                *share += f64::from(u8::from(ticks <= limit)) / f64::from(draws);
            }
        }
        for (share, expected) in within.iter().zip([0.50, 0.76, 0.87]) {
            assert!((share - expected).abs() < 0.01, "{within:?}");
        }
    }
}
