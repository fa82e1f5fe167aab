//! The doubly robust estimator whose model never saw the round.

use super::{Build, Estimator, Family, Terms, doubly};
use crate::evaluation::evidence::{Evidence, Fit, MissingEvidence, Needs};
use crate::registry::Entry;

/// The entry of `cross_fitted_dr`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "cross_fitted_dr",
    summary: "doubly robust with a model fitted on other folds than the round's",
    source: "Chernozhukov et al. 2018; Newey and Robins 2018",
    parameters: &[],
    build: |_| Ok(Family::of(CrossFitted)),
};

/// `dr` with the model of the folds that the round is not in: however closely the model follows its data, it cannot
/// follow the round that it corrects, so that the estimate is unbiased and its interval honest where the propensities are
/// right. Folds must keep a unit whole. Each model sees less data than that of `dr`, which matters for small logs only.
#[derive(Debug)]
struct CrossFitted;

impl Estimator for CrossFitted {
    fn needs(&self) -> Needs {
        Needs::model(Fit::CrossFitted)
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        doubly::plain_terms(evidence, Fit::CrossFitted, |round| evidence.weight(round), terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::{EightRounds, build};

    #[test]
    fn the_same_model_gives_the_same_estimate() {
        let rounds = EightRounds::new();
        assert_eq!(rounds.value(&CrossFitted), rounds.value(&*build("dr")));
    }

    #[test]
    fn it_reads_its_own_fit() {
        let rounds = EightRounds::new();
        let other = vec![0.0; 24];
        let mut evidence = rounds.evidence();
        evidence.models = [None, Some(&other), None];
        assert!((EightRounds::value_of(&evidence, &CrossFitted) - 0.75).abs() < 1e-12);
    }
}
