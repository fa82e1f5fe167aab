//! Inverse propensity scoring for a log of several policies.

use super::{Build, Estimator, Family, Terms};
use crate::evaluation::evidence::{Evidence, MissingEvidence, Needs};
use crate::registry::Entry;

/// The entry of `balanced_ips`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "balanced_ips",
    summary: "inverse propensity scoring against the mixture of all policies that logged",
    source: "Agarwal, Basu, Schnabel and Joachims 2017",
    parameters: &[],
    build: |_| Ok(Family::of(Balanced)),
};

/// `mean(pi(a|x) r / mixture(a|x))`, the mixture of the logging policies by their shares of the rounds: one policy's rare
/// action is forgiven where another took it often, so that the variance is never above that of `ips` on the same log.
/// Unbiased where every policy's probability of the logged action is known; equal to `ips` where one policy logged.
#[derive(Debug)]
struct Balanced;

impl Estimator for Balanced {
    fn needs(&self) -> Needs {
        Needs::MIXTURE
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        evidence.mixture()?;
        let evidence = evidence.by_mixture();
        terms.plain.extend((0..evidence.rounds()).map(|round| evidence.weight(round) * evidence.rewards[round]));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::EightRounds;

    #[test]
    fn the_eight_rounds_with_a_uniform_policy_beside() {
        // Rewarded: targets 0.6, 0.8, 0.1 where the logging policy had 1/4 and the uniform one 1/3 each time.
        let value = 1.5 / ((0.25 + 1.0 / 3.0) / 2.0) / 8.0;
        assert!((EightRounds::new().value(&Balanced) - value).abs() < 1e-12);
    }

    #[test]
    fn a_single_policy_is_its_own_mixture() {
        let mut rounds = EightRounds::new();
        rounds.mixture = rounds.propensities.clone();
        assert!((rounds.value(&Balanced) - 0.75).abs() < 1e-12);
    }
}
