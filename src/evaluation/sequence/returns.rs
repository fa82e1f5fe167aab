//! Products of importance weights along trajectories, and weighted sums of what each step adds.

use super::trajectories::{Horizon, Trajectories};
use super::values::RowValue;
use super::{Linearised, Prepared, SequenceFailure};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// Trajectories that one task handles; part of every result, so it never depends on the number of threads.
pub(super) const CHUNK_TRAJECTORIES: usize = 1_024;

/// The chunks of trajectories.
pub(super) fn chunks(log: &Trajectories) -> impl IndexedParallelIterator<Item = Range<usize>> + '_ {
    let count = log.len().div_ceil(CHUNK_TRAJECTORIES);
    (0..count).into_par_iter().map(|chunk| {
        let first = chunk * CHUNK_TRAJECTORIES;
        first..(first + CHUNK_TRAJECTORIES).min(log.len())
    })
}

/// One value per trajectory, computed in parallel.
pub(super) fn per_trajectory(log: &Trajectories, value: impl Fn(usize) -> f64 + Sync) -> Vec<f64> {
    let mut values = vec![0.0; log.len()];
    values.par_chunks_mut(CHUNK_TRAJECTORIES).enumerate().for_each(|(chunk, values)| {
        for (offset, one) in values.iter_mut().enumerate() {
            *one = value(chunk * CHUNK_TRAJECTORIES + offset);
        }
    });
    values
}

/// Fills the rows of every trajectory, in parallel.
pub(super) fn per_row<T: Send>(log: &Trajectories, values: &mut [T], fill: impl Fn(usize, &mut [T]) + Sync) {
    let mut parts = Vec::new();
    let mut rest = values;
    for chunk in 0..log.len().div_ceil(CHUNK_TRAJECTORIES) {
        let first = chunk * CHUNK_TRAJECTORIES;
        let last = (first + CHUNK_TRAJECTORIES).min(log.len());
        let (part, later) = rest.split_at_mut(log.starts[last] - log.starts[first]);
        parts.push((first..last, part));
        rest = later;
    }
    parts.into_par_iter().for_each(|(trajectories, mut part)| {
        for trajectory in trajectories {
            let (own, later) = part.split_at_mut(log.rows_of(trajectory).len());
            fill(trajectory, own);
            part = later;
        }
    });
}

/// Powers of the discount factor, one per step of the longest trajectory.
pub(super) fn discounts(log: &Trajectories) -> Vec<f64> {
    std::iter::successors(Some(1.0), |weight| Some(weight * log.shape.discount)).take(log.longest).collect()
}

/// `rho_{0:t}` of every row: the product of the importance weights of its trajectory up to and with it. It may overflow.
pub(super) fn products(log: &Trajectories) -> Vec<f64> {
    let mut weights = vec![0.0; log.rows()];
    per_row(log, &mut weights, |trajectory, weights| {
        let mut product = 1.0;
        for (row, weight) in log.rows_of(trajectory).zip(weights) {
            product *= log.weight(row);
            *weight = product;
        }
    });
    weights
}

/// The [`products`], checked.
///
/// # Errors
/// Where a product is beyond the range of numbers, or where a sum of discounted rewards is not what is asked.
pub(super) fn cumulative_weights(log: &Trajectories) -> Result<Vec<f64>, SequenceFailure> {
    if log.shape.horizon == Horizon::Endless && log.shape.discount >= 1.0 {
        return Err(SequenceFailure::AverageReward);
    }
    let weights = products(log);
    let beyond = |trajectory| log.rows_of(trajectory).position(|row| !weights[row].is_finite());
    match (0..log.len()).filter_map(beyond).min() {
        Some(step) => Err(SequenceFailure::Overflow { step }),
        None => Ok(weights),
    }
}

/// What each row adds to what a model of values says (`r + discount v(next) - q(row)`), and what the model says of the
/// first state of each trajectory. Beyond a time limit nothing is asked, or, with an endless horizon, the last row stands
/// for what follows: it adds nothing to its own value.
pub(super) fn corrections(log: &Trajectories, values: &[RowValue]) -> (Vec<f64>, Vec<f64>) {
    let mut additions = vec![0.0; log.rows()];
    per_row(log, &mut additions, |trajectory, own| {
        let rows = log.rows_of(trajectory);
        for (row, addition) in rows.clone().zip(own) {
            let is_last = row + 1 == rows.end;
            let later = if is_last { 0.0 } else { values[row + 1].of_state };
            let cut = is_last && !log.terminated[trajectory] && log.shape.horizon == Horizon::Endless;
            let addition_here = log.rewards[row] + log.shape.discount * later - values[row].of_action;
            *addition = if cut { 0.0 } else { addition_here };
        }
    });
    let base = per_trajectory(log, |trajectory| values[log.rows_of(trajectory).start].of_state);
    (additions, base)
}

/// What a reader of a sum over logged steps must know where more was asked.
pub(super) fn notes(log: &Trajectories) -> Vec<String> {
    match log.shape.horizon {
        Horizon::Logged => Vec::new(),
        Horizon::Endless => vec![format!(
            "sums the logged steps only: what lies beyond step {} of an endless horizon is missing",
            log.longest
        )],
    }
}

/// `base + sum over steps of discount^t × (what row t adds, weighted by rho_{0:t})`: PDIS and DR by the mean over
/// trajectories, WPDIS and WDR with the weights of each step normalised to sum to 1.
///
/// A trajectory that terminated stays in the normalisation with its last weight and adds nothing; one that the time limit
/// cut leaves it, and what a step adds counts for the share of trajectories that reach it.
pub(super) struct Stepwise<'a> {
    pub log: &'a Trajectories,
    weights: Vec<f64>,
    additions: Cow<'a, [f64]>,
    /// Per trajectory; empty for none.
    base: Vec<f64>,
    /// Discount of each step.
    pub discounts: Vec<f64>,
    notes: Vec<String>,
}

/// Sums over trajectories of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct StepSums {
    /// Counts of the trajectories that reach it.
    pub reached: f64,
    /// Their weights.
    pub weight: f64,
    /// What they add, weighted.
    pub added: f64,
}

impl StepSums {
    /// Mean of what the step adds, weighted; 0 where no weight is left.
    pub fn ratio(&self) -> f64 {
        if self.weight > 0.0 { self.added / self.weight } else { 0.0 }
    }
}

impl<'a> Stepwise<'a> {
    /// `base` is empty for none.
    pub fn new(log: &'a Trajectories, additions: Cow<'a, [f64]>, base: Vec<f64>) -> Result<Self, SequenceFailure> {
        let (weights, discounts) = (cumulative_weights(log)?, discounts(log));
        Ok(Self { log, weights, additions, base, discounts, notes: Vec::new() })
    }

    /// Adds what the reader must know.
    pub fn noting(mut self, notes: Vec<String>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// Sum over the steps of each trajectory, plus its base.
    pub fn by_trajectory(&self) -> Vec<f64> {
        per_trajectory(self.log, |trajectory| {
            let rows = self.log.rows_of(trajectory);
            let steps = self.weights[rows.clone()].iter().zip(&self.additions[rows]).zip(&self.discounts);
            let sum: f64 = steps.map(|((weight, addition), factor)| factor * (weight * addition)).sum();
            self.base.get(trajectory).copied().unwrap_or(0.0) + sum
        })
    }

    /// Sums over trajectories, per step.
    pub fn sums(&self, counts: &[f64]) -> Vec<StepSums> {
        let parts: Vec<(Vec<StepSums>, Vec<StepSums>)> =
            chunks(self.log).map(|trajectories| self.chunk_sums(trajectories, counts)).collect();
        let mut sums = vec![StepSums::default(); self.log.longest];
        // What joins or leaves those who stay to the end, at each step.
        let mut changes = vec![StepSums::default(); self.log.longest + 1];
        for (own, own_changes) in parts {
            merge(&mut sums, &own);
            merge(&mut changes, &own_changes);
        }
        let mut staying = StepSums::default();
        for (sum, change) in sums.iter_mut().zip(&changes) {
            staying.reached += change.reached;
            staying.weight += change.weight;
            sum.reached += staying.reached;
            sum.weight += staying.weight;
        }
        sums
    }

    fn chunk_sums(&self, trajectories: Range<usize>, counts: &[f64]) -> (Vec<StepSums>, Vec<StepSums>) {
        let longest = trajectories.clone().map(|trajectory| self.log.rows_of(trajectory).len()).max().unwrap_or(0);
        let mut sums = vec![StepSums::default(); longest];
        let mut changes = vec![StepSums::default(); longest + 1];
        for trajectory in trajectories {
            let (rows, count) = (self.log.rows_of(trajectory), counts[trajectory]);
            let steps = self.weights[rows.clone()].iter().zip(&self.additions[rows.clone()]);
            for (sum, (weight, addition)) in sums.iter_mut().zip(steps) {
                let weight = count * weight;
                sum.reached += count;
                sum.weight += weight;
                sum.added += weight * addition;
            }
            if self.log.terminated[trajectory] {
                changes[rows.len()].reached += count;
                changes[rows.len()].weight += count * self.weights[rows.end - 1];
            }
        }
        (sums, changes)
    }

    /// Weighted mean of the bases.
    fn base_mean(&self, counts: &[f64], total: f64) -> f64 {
        if self.base.is_empty() { 0.0 } else { weighted_sum(&self.base, counts) / total }
    }

    /// The normalised estimate, each step times its factor.
    pub fn normalised(&self, counts: &[f64], factors: &[f64]) -> f64 {
        self.normalised_by(&self.sums(counts), counts, factors)
    }

    /// The same, with the sums of these counts at hand.
    fn normalised_by(&self, sums: &[StepSums], counts: &[f64], factors: &[f64]) -> f64 {
        let total: f64 = counts.iter().sum();
        let steps: f64 =
            sums.iter().zip(factors).map(|(sum, factor)| factor * (sum.reached / total) * sum.ratio()).sum();
        self.base_mean(counts, total) + steps
    }

    /// First step that is reached without any weight left.
    pub fn exhausted(&self, sums: &[StepSums]) -> Option<usize> {
        sums.iter().position(|sum| sum.reached > 0.0 && sum.weight <= 0.0)
    }

    /// The derivative of the normalised estimate by the share of each trajectory.
    pub fn normalised_influence(&self, sums: &[StepSums], factors: &[f64]) -> Vec<f64> {
        let log = self.log;
        let total = log.len() as f64;
        let slopes: Vec<f64> = sums
            .iter()
            .zip(factors)
            .map(|(sum, factor)| if sum.weight > 0.0 { factor * sum.reached / sum.weight } else { 0.0 })
            .collect();
        // Up to each step: what a trajectory that reaches it stands for, beside its weight.
        let mut reaching = vec![0.0; sums.len() + 1];
        for (step, sum) in sums.iter().enumerate() {
            reaching[step + 1] = reaching[step] + factors[step] * sum.ratio();
        }
        let mean: f64 =
            sums.iter().zip(factors).map(|(sum, factor)| factor * (sum.reached / total) * sum.ratio()).sum();
        // From each step on: what the weight of a trajectory that terminated takes away.
        let mut taken = vec![0.0; sums.len() + 1];
        for step in (0..sums.len()).rev() {
            taken[step] = taken[step + 1] + slopes[step] * sums[step].ratio();
        }
        let base = self.base_mean(&vec![1.0; log.len()], total);
        per_trajectory(log, |trajectory| {
            let rows = log.rows_of(trajectory);
            let mut influence = reaching[log.window(trajectory)] - mean;
            influence += self.base.get(trajectory).map_or(0.0, |own| own - base);
            for (step, row) in rows.clone().enumerate() {
                influence += slopes[step] * self.weights[row] * (self.additions[row] - sums[step].ratio());
            }
            if log.terminated[trajectory] {
                influence -= self.weights[rows.end - 1] * taken[rows.len()];
            }
            influence
        })
    }
}

fn merge(sums: &mut [StepSums], own: &[StepSums]) {
    for (sum, own) in sums.iter_mut().zip(own) {
        sum.reached += own.reached;
        sum.weight += own.weight;
        sum.added += own.added;
    }
}

/// Sum of values times counts, in order.
pub(super) fn weighted_sum(values: &[f64], counts: &[f64]) -> f64 {
    values.iter().zip(counts).map(|(value, count)| value * count).sum()
}

/// [`Stepwise`] with the weights of each step normalised.
pub(super) struct Normalised<'a> {
    /// The steps.
    pub steps: Stepwise<'a>,
    /// Whether a step without any weight left adds nothing (there is a model beneath), rather than being refused.
    pub has_model: bool,
}

impl Prepared for Normalised<'_> {
    fn value(&self, counts: &[f64]) -> f64 {
        let sums = self.steps.sums(counts);
        if !self.has_model && self.steps.exhausted(&sums).is_some() {
            return f64::NAN;
        }
        self.steps.normalised_by(&sums, counts, &self.steps.discounts)
    }

    fn linearised(&self) -> Result<Linearised, SequenceFailure> {
        let once = vec![1.0; self.steps.log.len()];
        let sums = self.steps.sums(&once);
        let mut notes = self.steps.notes.clone();
        if let Some(step) = self.steps.exhausted(&sums) {
            if !self.has_model {
                return Err(SequenceFailure::Exhausted { step });
            }
            notes.push(format!("from step {step} on, no weight is left: the model of later rewards stands alone"));
        }
        let influence = self.steps.normalised_influence(&sums, &self.steps.discounts);
        Ok(Linearised {
            value: self.steps.normalised(&once, &self.steps.discounts),
            influence,
            notes,
            ..Linearised::default()
        })
    }
}
