//! The doubly robust estimator for a log of several policies.

use super::{Build, Estimator, Family, Terms, doubly};
use crate::evaluation::evidence::{Evidence, Fit, MissingEvidence, Needs};
use crate::registry::Entry;

/// The entry of `balanced_dr`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "balanced_dr",
    summary: "doubly robust against the mixture of all policies that logged",
    source: "Kallus, Saito and Uehara 2021",
    parameters: &[],
    build: |_| Ok(Family::of(BalancedDoublyRobust)),
};

/// `dr` with weights against the mixture of the logging policies by their shares of the rounds: of all estimators that
/// weigh the policies' rounds, the one of least variance where the model is right. Assumes what `balanced_ips` does.
///
/// Difference from the source: its model is fitted on other folds than the round's; ours is the model of `dr`.
#[derive(Debug)]
struct BalancedDoublyRobust;

impl Estimator for BalancedDoublyRobust {
    fn needs(&self) -> Needs {
        Needs::MIXTURE.or(Needs::model(Fit::Plain))
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        evidence.mixture()?;
        let evidence = evidence.by_mixture();
        doubly::plain_terms(&evidence, Fit::Plain, |round| evidence.weight(round), terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::{EightRounds, build};

    #[test]
    fn a_single_policy_is_its_own_mixture() {
        let mut rounds = EightRounds::new();
        rounds.mixture = rounds.propensities.clone();
        assert!((rounds.value(&BalancedDoublyRobust) - 0.4375).abs() < 1e-12);
    }

    #[test]
    fn without_a_model_it_is_balanced_inverse_propensity() {
        let mut rounds = EightRounds::new();
        rounds.model.fill(0.0);
        assert!((rounds.value(&BalancedDoublyRobust) - rounds.value(&*build("balanced_ips"))).abs() < 1e-12);
    }
}
