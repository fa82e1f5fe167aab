//! The doubly robust estimator whose model is fitted for it.

use super::{Build, Estimator, Family, Terms, doubly};
use crate::evaluation::evidence::{Evidence, Fit, MissingEvidence, Needs};
use crate::registry::Entry;

/// The entry of `mrdr`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "mrdr",
    summary: "more robust doubly robust: the model fitted so that the estimate varies least",
    source: "Farajtabar, Chow and Ghavamzadeh 2018",
    parameters: &[],
    build: |_| Ok(Family::of(MoreRobust)),
};

/// `dr` with the model whose fit weighs each round by what its residual adds to the variance of the estimate. As unbiased
/// as `dr` where the propensities are right; the fit leans on few rounds where weights are large, and is then noisy.
/// Equal to `dr` where the model is saturated.
#[derive(Debug)]
struct MoreRobust;

impl Estimator for MoreRobust {
    fn needs(&self) -> Needs {
        Needs::model(Fit::MoreRobust)
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        doubly::plain_terms(evidence, Fit::MoreRobust, |round| evidence.weight(round), terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::{EightRounds, build};

    #[test]
    fn the_same_model_gives_the_same_estimate() {
        let rounds = EightRounds::new();
        assert_eq!(rounds.value(&MoreRobust), rounds.value(&*build("dr")));
    }

    #[test]
    fn it_reads_its_own_fit() {
        let rounds = EightRounds::new();
        let other = vec![0.0; 24];
        let mut evidence = rounds.evidence();
        evidence.models = [None, None, Some(&other)];
        assert!((EightRounds::value_of(&evidence, &MoreRobust) - 0.75).abs() < 1e-12);
    }
}
