//! Values with their intervals, by trajectory.

use super::{Linearised, Prepared, SequenceEstimator, SequenceFailure, Trajectories};
use crate::random::{Purpose, Seed};
use crate::statistics::{mean_and_variance, student_t_quantile};
use rayon::prelude::*;
use serde::Serialize;

/// How an interval is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SequenceInterval {
    /// Delta method over trajectories, with quantiles of Student's t.
    Student,
    /// Percentiles of the estimate over resampled trajectories (Efron 1979; for fitted values Hao et al. 2021). What is
    /// fitted is fitted again in every resample, but for the model beneath DR, WDR and MAGIC, which is held.
    Bootstrap {
        /// Number of resamples; at least 100 for an interval of 95 %.
        resamples: u32,
    },
}

/// What a policy would have earned a unit, and how sure that is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SequenceEstimate {
    /// Expected discounted return of a unit (average reward of a step, where that was asked).
    pub value: f64,
    /// Its standard error, by trajectory; infinite (`null` in JSON) with one, as are the ends of the interval.
    pub standard_error: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Share of the target's decisions that nothing in the log resembles, where the estimator knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsupported_target_mass: Option<f64>,
    /// State ratios of the target to the log, where the estimator has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ratios: Vec<f64>,
    /// What the reader must know, each a sentence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Runs an estimator on a log. `confidence` is that of the two-sided interval, in (0, 1); `seed` makes the resamples.
///
/// # Errors
/// Where the log lacks what the estimator needs, or does not support the target.
pub fn estimate(
    estimator: &dyn SequenceEstimator,
    log: &Trajectories,
    interval: SequenceInterval,
    confidence: f64,
    seed: Seed,
) -> Result<SequenceEstimate, SequenceFailure> {
    let prepared = estimator.prepare(log)?;
    let linearised = prepared.linearised()?;
    let tail = (1.0 - confidence) / 2.0;
    let (standard_error, low, high) = match interval {
        // One unit says nothing of how units differ.
        _ if log.len() < 2 => (f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY),
        SequenceInterval::Student => student(&linearised, tail),
        SequenceInterval::Bootstrap { resamples } => bootstrap(prepared.as_ref(), log.len(), resamples, tail, seed),
    };
    let Linearised { value, unsupported_target_mass, ratios, notes, .. } = linearised;
    Ok(SequenceEstimate { value, standard_error, low, high, unsupported_target_mass, ratios, notes })
}

/// Variance of a mean of influences; 0 of one.
pub(super) fn variance_of_mean(influence: &[f64]) -> f64 {
    mean_and_variance(influence).1 / influence.len() as f64
}

fn student(linearised: &Linearised, tail: f64) -> (f64, f64, f64) {
    let count = linearised.influence.len() as f64;
    let standard_error = variance_of_mean(&linearised.influence).sqrt();
    let half = standard_error * student_t_quantile(1.0 - tail, count - 1.0);
    (standard_error, linearised.value - half, linearised.value + half)
}

fn bootstrap(prepared: &dyn Prepared, count: usize, resamples: u32, tail: f64, seed: Seed) -> (f64, f64, f64) {
    let value = |resample| prepared.value(&drawn(count, resample, seed));
    let mut values: Vec<f64> = (0..resamples.max(2)).into_par_iter().map(value).collect();
    // A resample without a solution (a singular fit) is left out.
    values.retain(|value| value.is_finite());
    if values.len() < 2 {
        return (f64::NAN, f64::NAN, f64::NAN);
    }
    let (_, variance) = mean_and_variance(&values);
    values.sort_by(f64::total_cmp);
    (variance.sqrt(), quantile(&values, tail), quantile(&values, 1.0 - tail))
}

/// How often each of `count` trajectories is drawn, with replacement.
fn drawn(count: usize, resample: u32, seed: Seed) -> Vec<f64> {
    let mut stream = seed.stream(Purpose::Bootstrap, resample, 0);
    let mut counts = vec![0.0; count];
    for _ in 0..count {
        counts[((u64::from(stream.word()) * count as u64) >> 32) as usize] += 1.0;
    }
    counts
}

/// Quantile of sorted values, linear between them (Hyndman and Fan 1996, type 7).
fn quantile(sorted: &[f64], probability: f64) -> f64 {
    let place = probability.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = place.floor();
    let (low, high) = (sorted[below as usize], sorted[(below as usize + 1).min(sorted.len() - 1)]);
    low + (place - below) * (high - low)
}
