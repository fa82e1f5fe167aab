//! Regimes: hidden good and bad times, and a slow drift of what messages achieve.
//!
//! A hidden Markov chain of two states (Hamilton 1989) adds `order_shift` to the log-hazard of an order and `open_shift` to
//! the logit of opening while it is in the second; the logits of opening and clicking of each channel walk at random, with
//! a standard deviation of so much for the square root of a day, reflected at plus and minus `walk_bound`
//! (docs/market.md 6.18). Policies must notice by what they see: no feature shows either.
//!
//! Assumptions: all consumers are in the same regime; walks begin at 0 where the lived history begins.
//!
//! Differences from the source: (1) two shifts instead of an autoregression; (2) stays are exact in continuous time, so
//! that a stay within a tick is not seen.

use super::two_states::TwoStates;
use super::{Contacts, MessagePredictors, ModuleBuild, ResponseModule, View};
use crate::math::normal_quantile;
use crate::random::{Purpose, Seed};
use crate::registry::{Entry, Parameter, Range, Value};
use std::ops::Range as Span;

/// Entity of its chain among the series of the market.
const CHAIN: u32 = 1;
/// Entity of the walk of the first channel; the others follow.
const FIRST_WALK: u32 = 16;

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "regimes",
    summary: "hidden good and bad times, and a slow drift of opening and clicking",
    source: "Hamilton (1989) for regimes; strengths and times are assumptions; docs/market.md 6.18",
    parameters: &[
        Parameter::number("first_mean_days", 90.0, Range::POSITIVE, "mean stay in the first regime"),
        Parameter::number("second_mean_days", 30.0, Range::POSITIVE, "mean stay in the second regime"),
        Parameter::number("order_shift", -0.2, Range::ANY, "onto the log-hazard of an order in the second regime"),
        Parameter::number("open_shift", -0.2, Range::ANY, "onto the logit of opening in the second regime"),
        Parameter::number(
            "open_walk_sd",
            0.02,
            Range::NON_NEGATIVE,
            "walk of the logit of opening, for the square root of a day",
        ),
        Parameter::number(
            "click_walk_sd",
            0.02,
            Range::NON_NEGATIVE,
            "walk of the logit of clicking, for the square root of a day",
        ),
        Parameter::number("walk_bound", 1.0, Range::POSITIVE, "farthest that a walk goes either way"),
        Parameter::boolean("one_walk", false, "whether all channels share one walk"),
    ],
    build: ModuleBuild {
        create: |values, surroundings| {
            let weight = |key| values.number(key) as f32;
            Ok(Box::new(Regimes {
                chain: TwoStates {
                    first_mean_days: values.number("first_mean_days"),
                    second_mean_days: values.number("second_mean_days"),
                },
                order_shift: weight("order_shift"),
                open_shift: weight("open_shift"),
                walk_sds: [values.number("open_walk_sd"), values.number("click_walk_sd")],
                bound: values.number("walk_bound"),
                walks: if values.boolean("one_walk") { 1 } else { surroundings.catalogue.channels.len() },
                tick_days: surroundings.tick_days,
            }))
        },
        neutral: || {
            ["order_shift", "open_shift", "open_walk_sd", "click_walk_sd"]
                .into_iter()
                .map(|key| (key, Value::Number(0.0)))
                .collect()
        },
    },
};

#[derive(Debug)]
struct Regimes {
    chain: TwoStates,
    order_shift: f32,
    open_shift: f32,
    /// Of opening and of clicking.
    walk_sds: [f64; 2],
    bound: f64,
    /// One for each channel, or one for all.
    walks: usize,
    tick_days: f64,
}

impl Regimes {
    fn walk(&self, seed: Seed, walk: usize, kind: usize, ticks: Span<i32>) -> Vec<f32> {
        let step = self.walk_sds[kind] * self.tick_days.sqrt();
        let mut value: f64 = 0.0;
        ticks
            .map(|tick| {
                let uniform = seed.uniforms(Purpose::Series, FIRST_WALK + walk as u32, tick as u32, 0)[kind];
                value = reflected(value + step * f64::from(normal_quantile(uniform)), self.bound);
                value as f32
            })
            .collect()
    }
}

/// Back inside by as much as it was beyond; at most to the other end.
fn reflected(value: f64, bound: f64) -> f64 {
    if value > bound {
        (2.0 * bound - value).max(-bound)
    } else if value < -bound {
        (-2.0 * bound - value).min(bound)
    } else {
        value
    }
}

impl ResponseModule for Regimes {
    /// The regime, then the walks of opening, then those of clicking.
    fn series(&self, seed: Seed, ticks: Span<i32>) -> Vec<Vec<f32>> {
        let mut series = vec![self.chain.draw(seed, CHAIN, ticks.clone(), self.tick_days)];
        for kind in 0..self.walk_sds.len() {
            series.extend((0..self.walks).map(|walk| self.walk(seed, walk, kind, ticks.clone())));
        }
        series
    }

    fn contribute_to_messages(&self, view: &View<'_>, contacts: &Contacts, predictors: &mut MessagePredictors) {
        let Some((regime, walks)) = view.series.split_first() else { return };
        let shift = self.open_shift * regime;
        for (index, message) in contacts.messages.iter().enumerate() {
            let walk = usize::from(message.channel).min(self.walks - 1);
            predictors.open[index] += shift + walks[walk];
            predictors.click[index] += walks[self.walks + walk];
        }
    }

    fn contribute_to_orders(&self, view: &View<'_>, log_hazard: &mut [f32]) {
        let shift = self.order_shift * view.series.first().copied().unwrap_or(0.0);
        for sum in log_hazard {
            *sum += shift;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::catalogue::Message;
    use crate::market::people::People;
    use crate::units::Money;

    fn module(walks: usize) -> Regimes {
        Regimes {
            chain: TwoStates { first_mean_days: 90.0, second_mean_days: 30.0 },
            order_shift: -0.2,
            open_shift: -0.3,
            walk_sds: [0.1, 0.2],
            bound: 1.0,
            walks,
            tick_days: 1.0,
        }
    }

    fn contacts() -> Contacts {
        let message = |channel| Message { channel, hour: 8, offer: 0, creative: 0, discount: 0.0, cost: Money::ZERO };
        Contacts { rows: vec![0, 1], messages: vec![message(0), message(1)], local_hours: vec![8; 2] }
    }

    #[test]
    fn the_second_regime_and_the_walks_shift_as_stated() {
        let people = People { order_rate: vec![0.1; 2], ..People::default() };
        let view = View { series: &[1.0, 0.5, -0.25, 0.125, 1.0], ..View::bare(&people, &[]) };
        let mut predictors = MessagePredictors::default();
        predictors.reset(2);
        module(2).contribute_to_messages(&view, &contacts(), &mut predictors);
        assert!((predictors.open[0] - 0.2).abs() < 1e-6 && (predictors.open[1] + 0.55).abs() < 1e-6);
        assert_eq!(predictors.click, [0.125, 1.0]);
        let mut log_hazard = [0.0; 2];
        module(2).contribute_to_orders(&view, &mut log_hazard);
        assert_eq!(log_hazard, [-0.2; 2]);
        // One walk moves all channels.
        let shared = View { series: &[0.0, 0.5, 0.25], ..View::bare(&people, &[]) };
        predictors.reset(2);
        module(1).contribute_to_messages(&shared, &contacts(), &mut predictors);
        assert_eq!((&predictors.open[..], &predictors.click[..]), (&[0.5; 2][..], &[0.25; 2][..]));
    }

    #[test]
    fn walks_have_their_spread_and_stay_inside_their_bound() {
        let mut regimes = module(2);
        let ticks = 20_000;
        let series = regimes.series(Seed::new(3), 0..ticks);
        assert_eq!(series.len(), 5);
        assert!(series[1..].iter().flatten().all(|value| value.abs() <= 1.0));
        // A reflected walk ends up anywhere alike: variance 1/3.
        let variance = series[4].iter().map(|value| f64::from(value * value)).sum::<f64>() / f64::from(ticks);
        assert!((variance * 3.0 - 1.0).abs() < 0.3, "{variance}");
        regimes.bound = 1e9;
        let free = regimes.series(Seed::new(3), 0..ticks);
        let steps = free[1].windows(2).map(|pair| f64::from(pair[1] - pair[0]));
        let variance = steps.map(|step| step * step).sum::<f64>() / f64::from(ticks - 1);
        assert!((variance / 0.01 - 1.0).abs() < 4.0 * (2.0 / f64::from(ticks)).sqrt(), "{variance}");
        assert_ne!(free[1], free[2]);
    }
}
