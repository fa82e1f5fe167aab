//! Intervals of an estimate from its sums by independent unit.

use super::tally::Sums;
use crate::statistics::student_t_quantile;

/// How an interval is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IntervalKind {
    /// Student's t on units, by the delta method.
    #[default]
    Normal,
}

impl IntervalKind {
    /// Names in files, each with its kind and one line of what it is.
    pub const NAMED: &[(&str, Self, &str)] = &[("normal", Self::Normal, "Student's t on units, by the delta method")];

    /// The kind of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, ..)| *known == name).map(|(_, kind, _)| *kind)
    }
}

/// The sums of an estimate: `sum(plain) / sum(rounds) + sum(numerator) / sum(denominator)` by unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratio<'a> {
    pub rounds: &'a [f64],
    pub sums: &'a Sums,
}

impl Ratio<'_> {
    /// The estimate.
    pub(super) fn value(&self) -> f64 {
        let [plain, numerator, denominator] = self.totals();
        part(plain, self.rounds.iter().sum()) + part(numerator, denominator)
    }

    fn totals(&self) -> [f64; 3] {
        [&self.sums.plain, &self.sums.numerator, &self.sums.denominator].map(|column| column.iter().sum())
    }

    /// By unit, how far it moves the estimate: the estimate less the truth is about the mean of these.
    pub(super) fn influence(&self) -> Vec<f64> {
        let units = self.rounds.len() as f64;
        let rounds: f64 = self.rounds.iter().sum();
        let [plain, numerator, denominator] = self.totals();
        let (mean, ratio) = (part(plain, rounds), part(numerator, denominator));
        let mut influence = vec![0.0; self.rounds.len()];
        for (unit, plain) in self.sums.plain.iter().enumerate() {
            influence[unit] += (plain - mean * self.rounds[unit]) * (units / rounds);
        }
        if denominator != 0.0 {
            for (unit, (numerator, weight)) in self.sums.numerator.iter().zip(&self.sums.denominator).enumerate() {
                influence[unit] += (numerator - ratio * weight) * (units / denominator);
            }
        }
        influence
    }
}

fn part(over: f64, under: f64) -> f64 {
    if under == 0.0 { 0.0 } else { over / under }
}

/// Standard error of a mean of influences, with the `units - 1` of a sample variance.
pub(super) fn standard_error(influence: &[f64]) -> f64 {
    let units = influence.len() as f64;
    if influence.len() < 2 {
        return f64::INFINITY;
    }
    (influence.iter().map(|value| value * value).sum::<f64>() / (units * (units - 1.0))).sqrt()
}

/// Half the width of Student's interval.
pub(super) fn student_half_width(standard_error: f64, units: usize, confidence: f64) -> f64 {
    if units < 2 {
        return f64::INFINITY;
    }
    standard_error * student_t_quantile(0.5 + confidence / 2.0, units as f64 - 1.0)
}
