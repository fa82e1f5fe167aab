//! Weighted importance sampling of whole trajectories.

use super::forms::Ratio;
use super::returns::notes;
use super::tis::weighted_returns;
use super::{Prepared, SequenceBuild, SequenceEstimator, SequenceFailure, Trajectories};
use crate::registry::Entry;

/// The entry of `wis`.
pub(super) const ENTRY: Entry<SequenceBuild> = Entry {
    name: "wis",
    summary: "the mean of the returns, weighted by the product of all importance weights of a trajectory",
    source: "Precup, Sutton and Singh 2000",
    parameters: &[],
    build: |_| Ok(Box::new(WeightedTrajectory)),
};

/// `sum(rho_{0:T-1} R) / sum(rho_{0:T-1})`.
///
/// Consistent, and inside the range of the logged returns, but biased by the order of 1 over the effective sample size:
/// with one trajectory left that the target would have lived, it is that one's return. Where trajectories were logged
/// over different numbers of steps, a weight of many steps counts against one of few.
#[derive(Debug)]
struct WeightedTrajectory;

impl SequenceEstimator for WeightedTrajectory {
    fn prepare<'a>(&self, log: &'a Trajectories) -> Result<Box<dyn Prepared + 'a>, SequenceFailure> {
        let (denominators, returns): (Vec<f64>, Vec<f64>) = weighted_returns(log)?.into_iter().unzip();
        let numerators = denominators.iter().zip(returns).map(|(weight, earned)| weight * earned).collect();
        Ok(Box::new(Ratio { numerators, denominators, notes: notes(log), last_step: log.longest() - 1 }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::SequenceFailure;
    use super::super::testing::{failure, never_followed, three_trajectories, value};

    #[test]
    fn three_trajectories_weighted_by_their_weights() {
        assert!((value("wis", &three_trajectories()) - 1.110_526_315_8).abs() < 1e-9);
    }

    #[test]
    fn a_log_that_never_does_what_the_target_would_has_no_value() {
        assert_eq!(failure("wis", &never_followed()), SequenceFailure::Exhausted { step: 1 });
    }
}
