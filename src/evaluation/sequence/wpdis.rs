//! Weighted importance sampling by decision.

use super::returns::{Normalised, Stepwise, notes};
use super::{Prepared, SequenceBuild, SequenceEstimator, SequenceFailure, Trajectories};
use crate::registry::Entry;
use std::borrow::Cow;

/// The entry of `wpdis`.
pub(super) const ENTRY: Entry<SequenceBuild> = Entry {
    name: "wpdis",
    summary: "per step, the mean of the rewards weighted by the importance weights up to it",
    source: "Precup, Sutton and Singh 2000; Thomas and Brunskill 2016",
    parameters: &[],
    build: |_| Ok(Box::new(WeightedPerDecision)),
};

/// `sum_t discount^t sum(rho_{0:t} r_t) / sum(rho_{0:t})`, the sums over trajectories (the normalisation by step, called
/// consistent weighted per-decision importance sampling by Thomas 2015).
///
/// Consistent, and each step's part is inside the range of its rewards; biased where few trajectories carry the weight.
/// Later steps rest on ever fewer trajectories, and a step without any is refused. A trajectory that terminated keeps its
/// last weight and earns 0.
#[derive(Debug)]
struct WeightedPerDecision;

impl SequenceEstimator for WeightedPerDecision {
    fn prepare<'a>(&self, log: &'a Trajectories) -> Result<Box<dyn Prepared + 'a>, SequenceFailure> {
        let steps = Stepwise::new(log, Cow::Borrowed(log.rewards()), Vec::new())?.noting(notes(log));
        Ok(Box::new(Normalised { steps, has_model: false }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::SequenceFailure;
    use super::super::testing::{failure, never_followed, three_trajectories, value};

    #[test]
    fn three_trajectories_normalised_by_step() {
        assert!((value("wpdis", &three_trajectories()) - 1.107_602_4).abs() < 1e-7);
    }

    #[test]
    fn a_step_that_nobody_reaches_as_the_target_would_is_refused() {
        assert_eq!(failure("wpdis", &never_followed()), SequenceFailure::Exhausted { step: 1 });
    }
}
