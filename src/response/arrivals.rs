//! Arrivals: not everybody is a customer from the start; the others come one by one.
//!
//! A consumer is there at the start with probability `start_share`. The others come within `arrival_days`: evenly, or
//! with a rate that grows linearly from 0 (`flow = "growing"`), each by a first order that opens their records and is
//! counted for nobody (docs/market.md 6.24). Until then they have no orders, no contacts, no value and no features. Whether and
//! when one comes depends on nobody else and on nothing that is sent.
//!
//! Source: Mercato; the cold-start problem of recommender systems (Schein, Popescul, Ungar & Pennock 2002) is why.
//!
//! Assumptions: arrival is independent of all traits; those who would come after the horizon never do. Real customers of
//! a file are there from the start.

use super::{ModuleBuild, ResponseModule};
use crate::random::{Purpose, Seed};
use crate::registry::{Entry, Parameter, Range, Value};

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "arrivals",
    summary: "part of the consumers come during the run and are unknown until then",
    source: "Mercato: cold start as in Schein, Popescul, Ungar & Pennock (2002); docs/market.md 6.24",
    parameters: &[
        Parameter::number("start_share", 0.5, Range::PROBABILITY, "share of the consumers there at the start"),
        Parameter::number("arrival_days", 90.0, Range::POSITIVE, "days within which the others come"),
        Parameter::choice("flow", "even", &["even", "growing"], "whether as many come on every day, or ever more"),
    ],
    build: ModuleBuild {
        create: |values, surroundings| {
            Ok(Box::new(Arrivals {
                start_share: values.number("start_share") as f32,
                ticks: values.number("arrival_days") / surroundings.tick_days,
                is_growing: values.text("flow") == "growing",
            }))
        },
        neutral: || vec![("start_share", Value::Number(1.0))],
    },
};

#[derive(Debug)]
struct Arrivals {
    start_share: f32,
    /// Within how many ticks the others come.
    ticks: f64,
    is_growing: bool,
}

impl ResponseModule for Arrivals {
    fn brings_arrivals(&self) -> bool {
        self.start_share < 1.0
    }

    fn arrival_tick(&self, seed: Seed, consumer: u32) -> Option<i32> {
        let [there, when, ..] = seed.uniforms(Purpose::Arrival, consumer, 0, 0);
        if there < self.start_share {
            return None;
        }
        // A rate that grows from 0 has the distribution function x^2.
        let share = if self.is_growing { f64::from(when).sqrt() } else { f64::from(when) };
        Some((share * self.ticks).min(f64::from(i32::MAX / 2)) as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(module: &Arrivals) -> Vec<Option<i32>> {
        (0..20_000).map(|consumer| module.arrival_tick(Seed::new(5), consumer)).collect()
    }

    #[test]
    fn the_share_at_the_start_and_the_flow_are_as_stated() {
        let even = ticks(&Arrivals { start_share: 0.2, ticks: 90.0, is_growing: false });
        let coming: Vec<i32> = even.iter().copied().flatten().collect();
        let share = 1.0 - coming.len() as f64 / 20_000.0;
        // Four standard errors of a share of 20,000.
        assert!((share - 0.2).abs() < 4.0 * (0.2_f64 * 0.8 / 20_000.0).sqrt(), "{share}");
        assert!(coming.iter().all(|tick| (0..90).contains(tick)));
        let within = |coming: &[i32]| coming.iter().filter(|tick| **tick < 45).count() as f64 / coming.len() as f64;
        assert!((within(&coming) - 0.5).abs() < 4.0 * (0.25 / coming.len() as f64).sqrt());
        // With a growing flow a quarter comes in the first half; the same people come, and never earlier.
        let growing = ticks(&Arrivals { start_share: 0.2, ticks: 90.0, is_growing: true });
        let later: Vec<i32> = growing.iter().copied().flatten().collect();
        assert!((within(&later) - 0.25).abs() < 4.0 * (0.1875 / later.len() as f64).sqrt());
        assert!(coming.len() == later.len() && coming.iter().zip(&later).all(|(even, growing)| growing >= even));
    }

    #[test]
    fn everybody_is_there_where_the_share_is_one() {
        let module = Arrivals { start_share: 1.0, ticks: 90.0, is_growing: false };
        assert!(!module.brings_arrivals() && ticks(&module).iter().all(Option::is_none));
    }
}
