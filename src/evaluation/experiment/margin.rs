//! Guardrail metrics: a promise that a treatment does not harm by more than a margin.

use super::effect::Effect;
use super::sample::Sample;
use crate::statistics::normal_quantile;
use serde::Serialize;

/// Which way a metric should move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More is better.
    #[default]
    Higher,
    /// Less is better.
    Lower,
}

impl Better {
    /// The effect with a positive sign where it is good: the interval, worst end first.
    #[must_use]
    pub fn gain(self, effect: &Effect) -> (f64, f64) {
        match self {
            Self::Higher => (effect.low, effect.high),
            Self::Lower => (-effect.high, -effect.low),
        }
    }
}

/// What the data say about a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// The whole interval is better than the margin: no such harm, at half the level one-sided.
    Held,
    /// The interval reaches beyond the margin: the harm is neither shown nor ruled out.
    Unproven,
    /// The whole interval is worse than the margin.
    Broken,
}

/// The greatest harm that is put up with, in units of the outcome; 0 or more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Margin {
    /// Which way is good.
    pub better: Better,
    /// How far the other way is put up with.
    pub margin: f64,
}

impl Margin {
    /// With fewer units of an arm, or events of a rare outcome, an interval is not to be relied on.
    pub const LEAST_SEEN: usize = 20;

    /// Non-inferiority by the interval of an effect (Piaggio et al. 2012): several promises need no correction when all of
    /// them must hold. Nothing is held by an arm of which too little was seen.
    #[must_use]
    pub fn judge(&self, effect: &Effect, sample: &Sample<'_>) -> Promise {
        let has_spread = effect.standard_error > 0.0 && effect.standard_error.is_finite();
        if !has_spread {
            let is_ruled_out =
                Self::is_seen(effect) && sample.event_counts(effect.arm).is_some_and(|counts| self.rules_out(counts));
            return if is_ruled_out { Promise::Held } else { Promise::Unproven };
        }
        let (worst, best) = self.better.gain(effect);
        if worst > -self.margin {
            if self.is_enough(effect, sample) { Promise::Held } else { Promise::Unproven }
        } else if best < -self.margin {
            Promise::Broken
        } else {
            Promise::Unproven
        }
    }

    /// Whether control and arm have the units, and the events of a rare outcome, that an interval can be relied on with; or,
    /// where an outcome is yes or no, so many units without an event that the margin is beyond the exact ends of both rates.
    fn is_enough(&self, effect: &Effect, sample: &Sample<'_>) -> bool {
        let is_frequent = sample.rare_events(effect.arm).is_none_or(|events| events >= Self::LEAST_SEEN);
        Self::is_seen(effect)
            && (is_frequent || sample.event_counts(effect.arm).is_some_and(|counts| self.rules_out(counts)))
    }

    fn is_seen(effect: &Effect) -> bool {
        effect.units.iter().all(|units| *units >= Self::LEAST_SEEN)
    }

    /// Whether the worst that the ends of both rates leave room for is within the margin. Ends of a Poisson rate at 97.5 % each
    /// (Garwood 1936), by the cube root of chi-square (Wilson & Hilferty 1931), which is within 2 % from no event on.
    fn rules_out(&self, [control, treated]: [(usize, usize); 2]) -> bool {
        let end = |z: f64, half_degrees: f64| {
            let spread = 1.0 / (9.0 * half_degrees);
            half_degrees * libm::pow(1.0 - spread + z * spread.sqrt(), 3.0)
        };
        let normal = normal_quantile(0.975);
        let high = |(units, events): (usize, usize)| end(normal, events as f64 + 1.0) / units as f64;
        let low = |(units, events): (usize, usize)| {
            if events == 0 { 0.0 } else { end(-normal, events as f64).max(0.0) / units as f64 }
        };
        let harm = match self.better {
            Better::Lower => high(treated) - low(control),
            Better::Higher => high(control) - low(treated),
        };
        harm < self.margin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(low: f64, high: f64) -> Effect {
        Effect {
            arm: 1,
            units: [20, 20],
            control: 1.0,
            treated: 1.0,
            effect: 0.5 * (low + high),
            standard_error: 1.0,
            low,
            high,
            p_value: 1.0,
            is_rejected: false,
            sequential: None,
        }
    }

    /// Among 40 units an arm, every other one with an event.
    fn judged(margin: Margin, effect: &Effect) -> Promise {
        let arms: Vec<u32> = (0..80).map(|row| row / 40).collect();
        let outcomes: Vec<f64> = (0..80_u32).map(|row| f64::from(row % 2)).collect();
        margin.judge(effect, &Sample::new(&arms, 2, &outcomes))
    }

    #[test]
    fn promises_are_judged_by_the_far_end_of_the_interval() {
        let higher = Margin { better: Better::Higher, margin: 0.1 };
        assert_eq!(judged(higher, &effect(-0.05, 0.2)), Promise::Held);
        assert_eq!(judged(higher, &effect(-0.15, 0.2)), Promise::Unproven);
        assert_eq!(judged(higher, &effect(-0.4, -0.2)), Promise::Broken);
        let lower = Margin { better: Better::Lower, margin: 0.1 };
        assert_eq!(judged(lower, &effect(-0.4, 0.05)), Promise::Held);
        assert_eq!(judged(lower, &effect(0.2, 0.4)), Promise::Broken);
        // An interval without an end proves nothing.
        assert_eq!(judged(higher, &effect(f64::NEG_INFINITY, f64::INFINITY)), Promise::Unproven);
    }

    #[test]
    fn data_that_cannot_show_a_promise_have_not_shown_it() {
        let margin = Margin { better: Better::Higher, margin: 0.1 };
        let good = effect(-0.05, 0.2);
        for standard_error in [0.0, f64::NAN, f64::INFINITY] {
            for ends in [(0.0, 0.0), (-1.0, -1.0)] {
                let flat = Effect { standard_error, ..effect(ends.0, ends.1) };
                assert_eq!(judged(margin, &flat), Promise::Unproven, "{flat:?}");
            }
        }
        assert_eq!(judged(margin, &Effect { units: [20, 19], ..good.clone() }), Promise::Unproven);
        // Harm that is shown is shown, with however few.
        assert_eq!(judged(margin, &Effect { units: [20, 19], ..effect(-0.4, -0.2) }), Promise::Broken);
        let arms: Vec<u32> = (0..400).map(|row| row / 200).collect();
        let with_events = |control: usize, treated: usize| {
            let outcomes: Vec<f64> =
                (0..400_usize).map(|row| f64::from(u8::from(row % 200 < [control, treated][row / 200]))).collect();
            margin.judge(&Effect { units: [200, 200], ..good.clone() }, &Sample::new(&arms, 2, &outcomes))
        };
        assert_eq!(with_events(20, 20), Promise::Held);
        assert_eq!(with_events(25, 10), Promise::Unproven);
        // One event of two hundred in each arm leaves room for 2.8 in a hundred, which is within ten.
        assert_eq!(with_events(1, 1), Promise::Held);
        // What nearly everybody does in one arm is not rare.
        assert_eq!(with_events(0, 200), Promise::Held);
    }
}
