//! Competitor: another seller's promotions take orders, less so from the loyal.
//!
//! Promotions go on and off by a Markov chain; while one is on, the log-hazard of an order loses
//! `weight * (1 - L)`, L being loyalty (docs/market.md 6.19). That promotions take orders from other brands: van Heerde,
//! Gupta & Wittink (2003).
//!
//! Assumptions: one competitor, who does not react to what the sender does; without the module that owns loyalty, L is 0.
//!
//! Differences from the source: (1) it decomposes one's own promotion; here the effect is a competitor's, and its strength
//! is an assumption.

use super::two_states::TwoStates;
use super::{ModuleBuild, ResponseModule, Signal, View};
use crate::protocol::Feature;
use crate::random::Seed;
use crate::registry::{Entry, Parameter, Range, Value};
use std::ops::Range as Span;

/// Entity of its chain among the series of the market.
const CHAIN: u32 = 2;

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "competitor",
    summary: "another seller's promotions take orders, less so from the loyal",
    source: "van Heerde, Gupta & Wittink (2003) for the direction; strength and times are assumptions; \
             docs/market.md 6.19",
    parameters: &[
        Parameter::number("weight", 0.15, Range::NON_NEGATIVE, "off the log-hazard of an order during a promotion"),
        Parameter::number("promotion_mean_days", 7.0, Range::POSITIVE, "mean length of a promotion"),
        Parameter::number("pause_mean_days", 28.0, Range::POSITIVE, "mean time between promotions"),
        Parameter::boolean("observed", true, "whether policies see that a promotion is on"),
    ],
    build: ModuleBuild {
        create: |values, surroundings| {
            Ok(Box::new(Competitor {
                weight: values.number("weight") as f32,
                chain: TwoStates {
                    first_mean_days: values.number("pause_mean_days"),
                    second_mean_days: values.number("promotion_mean_days"),
                },
                tick_days: surroundings.tick_days,
                observed: values.boolean("observed"),
            }))
        },
        neutral: || vec![("weight", Value::Number(0.0))],
    },
};

#[derive(Debug)]
struct Competitor {
    weight: f32,
    chain: TwoStates,
    tick_days: f64,
    observed: bool,
}

impl ResponseModule for Competitor {
    fn series(&self, seed: Seed, ticks: Span<i32>) -> Vec<Vec<f32>> {
        vec![self.chain.draw(seed, CHAIN, ticks, self.tick_days)]
    }

    fn contribute_to_orders(&self, view: &View<'_>, log_hazard: &mut [f32]) {
        let weight = self.weight * view.series.first().copied().unwrap_or(0.0);
        if weight == 0.0 {
            return;
        }
        let loyalty = view.signals.column(Signal::Loyalty);
        if loyalty.is_empty() {
            for sum in log_hazard {
                *sum -= weight;
            }
        } else {
            for (sum, loyalty) in log_hazard.iter_mut().zip(loyalty) {
                *sum -= weight * (1.0 - loyalty);
            }
        }
    }

    fn features(&self) -> Vec<Feature> {
        if self.observed { vec![Feature::raw("competitor_promotion", "indicator")] } else { Vec::new() }
    }

    fn observe(&self, view: &View<'_>, _feature: usize, _first_row: usize, cells: &mut [f32]) {
        cells.fill(view.series.first().copied().unwrap_or(0.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::people::People;
    use crate::response::Signals;

    #[test]
    fn a_promotion_takes_orders_from_those_who_are_not_loyal() {
        let chain = TwoStates { first_mean_days: 28.0, second_mean_days: 7.0 };
        let module = Competitor { weight: 0.15, chain, tick_days: 1.0, observed: true };
        let people = People { order_rate: vec![0.1; 3], ..People::default() };
        let loyalty = [0.0, 0.5, 1.0];
        let view =
            View { series: &[1.0], signals: Signals::only(Signal::Loyalty, &loyalty), ..View::bare(&people, &[]) };
        let mut log_hazard = [0.0_f32; 3];
        module.contribute_to_orders(&view, &mut log_hazard);
        assert!(log_hazard.iter().zip([-0.15, -0.075, 0.0]).all(|(seen, expected)| (seen - expected).abs() < 1e-7));
        let mut cells = [9.0; 2];
        module.observe(&view, 0, 0, &mut cells);
        assert_eq!(cells, [1.0; 2]);
        let pause = View { series: &[0.0], ..View::bare(&people, &[]) };
        module.contribute_to_orders(&pause, &mut log_hazard);
        assert!((log_hazard[0] + 0.15).abs() < 1e-7);
    }

    #[test]
    fn without_loyalty_everybody_is_tempted() {
        let chain = TwoStates { first_mean_days: 28.0, second_mean_days: 7.0 };
        let module = Competitor { weight: 0.15, chain, tick_days: 1.0, observed: false };
        let people = People { order_rate: vec![0.1; 2], ..People::default() };
        let mut log_hazard = [1.0_f32; 2];
        module.contribute_to_orders(&View { series: &[1.0], ..View::bare(&people, &[]) }, &mut log_hazard);
        assert_eq!(log_hazard, [1.0 - 0.15; 2]);
        assert!(module.features().is_empty());
    }
}
