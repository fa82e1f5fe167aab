//! Intervals of an estimate from its sums by independent unit.
//!
//! All of them see units, never rounds: a consumer who was written to fifty times is one unit. An estimate over units is
//! `sum(plain) / sum(rounds) + sum(numerator) / sum(denominator)`; its influences (by how much each unit moves it) have
//! mean 0, and their spread is that of the estimate (the delta method; Deng, Knoblich and Lu 2018).

mod bootstrap;
mod bounds;

use self::bootstrap::{Replicates, Resampling};
use super::tally::Sums;
use crate::random::Seed;
use crate::statistics::student_t_quantile;
use rayon::prelude::*;
use serde::Serialize;

/// How an interval is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IntervalKind {
    /// Student's t on units, by the delta method. Too narrow where few units carry the estimate.
    #[default]
    Normal,
    /// Percentiles of the estimate over resampled units (Efron 1979).
    Percentile,
    /// The same, corrected for bias and skewness (Efron 1987).
    Bca,
    /// Percentiles over Poisson(1) weights of units, which need no total count (Chamandy et al. 2012).
    Poisson,
    /// Empirical Bernstein (Maurer and Pontil 2009): holds at any number of units, and is wide.
    EmpiricalBernstein,
    /// An asymptotic confidence sequence (Waudby-Smith et al. 2021): holds at all looks at once.
    ConfidenceSequence,
}

impl IntervalKind {
    /// Names in files, each with its kind and one line of what it is.
    pub const NAMED: &[(&str, Self, &str)] = &[
        ("normal", Self::Normal, "Student's t on units, by the delta method"),
        ("percentile", Self::Percentile, "percentiles of a bootstrap over units"),
        ("bca", Self::Bca, "a bootstrap over units, corrected for bias and skewness"),
        ("poisson", Self::Poisson, "percentiles of a bootstrap with Poisson weights of units"),
        ("empirical_bernstein", Self::EmpiricalBernstein, "empirical Bernstein: for any number of units, wide"),
        ("confidence_sequence", Self::ConfidenceSequence, "an asymptotic confidence sequence: valid at every look"),
    ];

    /// The names alone.
    pub const NAMES: &[&str] =
        &["normal", "percentile", "bca", "poisson", "empirical_bernstein", "confidence_sequence"];

    /// The kind of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, ..)| *known == name).map(|(_, kind, _)| *kind)
    }
}

/// A value with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ranged {
    /// The estimate, per round; no number (`null` in JSON), like all else, where no weighted round is left to divide by.
    pub value: f64,
    /// Its standard error over units; infinite (`null` in JSON) with one unit.
    pub standard_error: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Ranged {
    /// Of an estimate that does not exist: no number in any place (`null` in JSON).
    pub const NONE: Self = Self { value: f64::NAN, standard_error: f64::NAN, low: f64::NAN, high: f64::NAN };
}

/// The sums of an estimate: `sum(plain) / sum(rounds) + sum(numerator) / sum(denominator)` by unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratio<'a> {
    pub rounds: &'a [f64],
    pub plain: &'a [f64],
    pub numerator: &'a [f64],
    pub denominator: &'a [f64],
}

impl<'a> Ratio<'a> {
    pub(super) fn of(rounds: &'a [f64], sums: &'a Sums) -> Self {
        Self { rounds, plain: &sums.plain, numerator: &sums.numerator, denominator: &sums.denominator }
    }

    /// A mean over rounds.
    pub(super) fn mean(rounds: &'a [f64], plain: &'a [f64]) -> Self {
        Self { rounds, plain, numerator: &[], denominator: &[] }
    }

    /// Standard error of the estimate. A mean has the `units - 1` of a sample variance; a ratio alone has `units`, as the
    /// delta method has it.
    pub(super) fn standard_error(&self, influence: &[f64]) -> f64 {
        let units = influence.len() as f64;
        let correction = if self.plain.is_empty() { ((units - 1.0) / units).sqrt() } else { 1.0 };
        correction * standard_error(influence)
    }

    /// In the order of [`value_of`].
    pub(super) fn columns(&self) -> [&'a [f64]; 4] {
        [self.rounds, self.plain, self.numerator, self.denominator]
    }

    /// The estimate; no number where it [does not exist](Self::exists).
    pub(super) fn value(&self) -> f64 {
        value_of(self.totals(), self.has_ratio())
    }

    fn has_ratio(&self) -> bool {
        !self.denominator.is_empty()
    }

    /// Whether there is an estimate: a ratio has none where its denominators, which are never negative, are all 0.
    pub(super) fn exists(&self) -> bool {
        !self.has_ratio() || self.denominator.iter().any(|weight| *weight != 0.0)
    }

    fn totals(&self) -> [f64; 4] {
        self.columns().map(|column| column.iter().sum())
    }

    /// By unit, how far it moves the estimate: the estimate less the truth is about the mean of these.
    pub(super) fn influence(&self) -> Vec<f64> {
        let units = self.rounds.len() as f64;
        let [rounds, plain, numerator, denominator] = self.totals();
        let (mean, ratio) = (part(plain, rounds), part(numerator, denominator));
        let mut influence = vec![0.0; self.rounds.len()];
        for (unit, plain) in self.plain.iter().enumerate() {
            influence[unit] += (plain - mean * self.rounds[unit]) * (units / rounds);
        }
        if denominator != 0.0 {
            for (unit, (numerator, weight)) in self.numerator.iter().zip(self.denominator).enumerate() {
                influence[unit] += (numerator - ratio * weight) * (units / denominator);
            }
        }
        influence
    }
}

/// The estimate from the totals of rounds, plain, numerator and denominator; no number where it has a ratio whose
/// denominator is 0.
fn value_of([rounds, plain, numerator, denominator]: [f64; 4], has_ratio: bool) -> f64 {
    match (has_ratio, denominator == 0.0) {
        (true, true) => f64::NAN,
        _ => part(plain, rounds) + part(numerator, denominator),
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

/// Student's interval from influences.
pub(super) fn student(value: f64, influence: &[f64], confidence: f64) -> Ranged {
    let method = Method { kind: IntervalKind::Normal, confidence, resamples: 0, seed: Seed::new(0) };
    method.direct(value, standard_error(influence), influence)
}

/// `first - second` of two estimates on the same units.
pub(super) fn paired(first: &[f64], second: &[f64]) -> Vec<f64> {
    first.iter().zip(second).map(|(first, second)| first - second).collect()
}

/// What is asked of an interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    pub kind: IntervalKind,
    pub confidence: f64,
    pub resamples: u32,
    pub seed: Seed,
}

impl Method {
    /// Each estimate and its difference to the mean reward, on the same units.
    pub(super) fn judge(&self, rounds: &[f64], reward: &[f64], estimates: &[Ratio<'_>]) -> Vec<[Ranged; 2]> {
        let logging = Ratio::mean(rounds, reward);
        let logged = logging.influence();
        let replicates = self.resampling().map(|resampling| {
            let columns = estimates.iter().flat_map(|ratio| ratio.columns().into_iter().skip(1));
            let columns: Vec<&[f64]> = [rounds, reward].into_iter().chain(columns).collect();
            Replicates::draw(&columns, resampling, self.resamples, self.seed)
        });
        let judged = estimates.par_iter().enumerate().map(|(index, ratio)| {
            if !ratio.exists() {
                return [Ranged::NONE; 2];
            }
            let influence = ratio.influence();
            let difference = paired(&influence, &logged);
            let (value, base) = (ratio.value(), logging.value());
            let (error, paired_error) = (ratio.standard_error(&influence), standard_error(&difference));
            let Some(replicates) = &replicates else {
                return [self.direct(value, error, &influence), self.direct(value - base, paired_error, &difference)];
            };
            let columns = [0, 2 + 3 * index, 3 + 3 * index, 4 + 3 * index];
            let values = replicates.values(columns, ratio.has_ratio());
            let bases = replicates.values([0, 1, usize::MAX, usize::MAX], false);
            let differences = paired(&values, &bases);
            [
                self.resampled(value, error, values, || bootstrap::left_out(*ratio)),
                self.resampled(value - base, paired_error, differences, || {
                    paired(&bootstrap::left_out(*ratio), &bootstrap::left_out(logging))
                }),
            ]
        });
        judged.collect()
    }

    fn resampling(&self) -> Option<Resampling> {
        match self.kind {
            IntervalKind::Percentile | IntervalKind::Bca => Some(Resampling::Multinomial),
            IntervalKind::Poisson => Some(Resampling::Poisson),
            _ => None,
        }
    }

    fn direct(&self, value: f64, standard_error: f64, influence: &[f64]) -> Ranged {
        let (units, error) = (influence.len(), 1.0 - self.confidence);
        let half = if units < 2 {
            f64::INFINITY
        } else {
            let variance = standard_error * standard_error * units as f64;
            match self.kind {
                IntervalKind::EmpiricalBernstein => {
                    bounds::empirical_bernstein(variance, bounds::range(influence), units, error / 2.0)
                }
                IntervalKind::ConfidenceSequence => {
                    bounds::confidence_sequence(variance.sqrt(), units as f64, bounds::spread_of_prior(error), error)
                }
                _ => standard_error * student_t_quantile(1.0 - error / 2.0, units as f64 - 1.0),
            }
        };
        Ranged { value, standard_error, low: value - half, high: value + half }
    }

    fn resampled(
        &self,
        value: f64,
        standard_error: f64,
        mut replicates: Vec<f64>,
        left_out: impl FnOnce() -> Vec<f64>,
    ) -> Ranged {
        let error = 1.0 - self.confidence;
        // A resample without an estimate is left out.
        replicates.retain(|replicate| !replicate.is_nan());
        replicates.sort_by(f64::total_cmp);
        let mut shares = [error / 2.0, 1.0 - error / 2.0];
        if self.kind == IntervalKind::Bca {
            shares = bootstrap::corrected(shares, value, &replicates, &left_out());
        }
        let [low, high] = shares.map(|share| bootstrap::quantile(&replicates, share));
        Ranged { value, standard_error, low, high }
    }
}

#[cfg(test)]
mod tests;
