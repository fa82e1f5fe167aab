//! Importance sampling of whole trajectories.

use super::forms::Mean;
use super::returns::{cumulative_weights, notes};
use super::{Prepared, SequenceBuild, SequenceEstimator, SequenceFailure, Trajectories};
use crate::registry::Entry;

/// The entry of `tis`.
pub(super) const ENTRY: Entry<SequenceBuild> = Entry {
    name: "tis",
    summary: "the return of each trajectory weighted by the product of all its importance weights",
    source: "Precup, Sutton and Singh 2000",
    parameters: &[],
    build: |_| Ok(Box::new(WholeTrajectory)),
};

/// `mean over trajectories of rho_{0:T-1} R`, where `R = sum_t discount^t r_t`.
///
/// Unbiased where the propensities are right and the log supports the target; of all these estimators the one of greatest
/// variance, since even the first reward carries the weights of all later decisions. For teaching, and one step.
#[derive(Debug)]
struct WholeTrajectory;

/// Discounted sum of the rewards of a trajectory.
pub(super) fn discounted_return(log: &Trajectories, trajectory: usize) -> f64 {
    log.rewards()[log.rows_of(trajectory)].iter().rev().fold(0.0, |later, reward| reward + log.shape().discount * later)
}

/// Weight of each whole trajectory, and its return.
///
/// # Errors
/// Where a weight overflows.
pub(super) fn weighted_returns(log: &Trajectories) -> Result<Vec<(f64, f64)>, SequenceFailure> {
    let weights = cumulative_weights(log)?;
    let whole = |trajectory| (weights[log.rows_of(trajectory).end - 1], discounted_return(log, trajectory));
    Ok((0..log.len()).map(whole).collect())
}

impl SequenceEstimator for WholeTrajectory {
    fn prepare<'a>(&self, log: &'a Trajectories) -> Result<Box<dyn Prepared + 'a>, SequenceFailure> {
        let values = weighted_returns(log)?.into_iter().map(|(weight, earned)| weight * earned).collect();
        Ok(Box::new(Mean { values, notes: notes(log) }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{three_trajectories, value};

    #[test]
    fn three_trajectories_weighted_as_wholes() {
        // (2.88 · 1.4 + .32 · .45 + 2.56 · .95) / 3.
        assert!((value("tis", &three_trajectories()) - 2.250_666_666_7).abs() < 1e-9);
    }
}
