//! Importance sampling by decision.

use super::forms::Mean;
use super::returns::{Stepwise, notes};
use super::{Prepared, SequenceBuild, SequenceEstimator, SequenceFailure, Trajectories};
use crate::registry::Entry;
use std::borrow::Cow;

/// The entry of `pdis`.
pub(super) const ENTRY: Entry<SequenceBuild> = Entry {
    name: "pdis",
    summary: "each reward weighted by the product of the importance weights up to its decision",
    source: "Precup, Sutton and Singh 2000",
    parameters: &[],
    build: |_| Ok(Box::new(PerDecision)),
};

/// `mean over trajectories of sum_t discount^t rho_{0:t} r_t`.
///
/// Unbiased where the propensities are right and the log supports the target, whatever the states: no Markov assumption.
/// Its variance grows exponentially with the number of steps; past about ten steps, judge by `fqe` or `mis`. Later weights
/// than a reward's own do not touch it, which makes it better than `tis`.
#[derive(Debug)]
struct PerDecision;

impl SequenceEstimator for PerDecision {
    fn prepare<'a>(&self, log: &'a Trajectories) -> Result<Box<dyn Prepared + 'a>, SequenceFailure> {
        let steps = Stepwise::new(log, Cow::Borrowed(log.rewards()), Vec::new())?;
        Ok(Box::new(Mean { values: steps.by_trajectory(), notes: notes(log) }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::SequenceFailure;
    use super::super::testing::{Given, failure, log, three_trajectories, value};

    #[test]
    fn three_trajectories_weighted_by_decision() {
        assert!((value("pdis", &three_trajectories()) - 1.877_333_333_3).abs() < 1e-9);
    }

    #[test]
    fn products_beyond_all_numbers_are_refused() {
        // 400 decisions that the log took with probability 1e-3 and the target with certainty.
        let rows = (0..400).map(|tick| Given { tick, propensity: 1e-3, law: vec![1.0, 0.0], ..Given::default() });
        assert_eq!(failure("pdis", &log(rows.collect(), 0.9)), SequenceFailure::Overflow { step: 102 });
    }
}
