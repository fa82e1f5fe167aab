//! Inverse propensity scoring with sub-Gaussian errors.

use super::sub_gaussian::{CANDIDATES, LAMBDA, bent};
use super::{Build, Estimator, Terms, grid};
use crate::evaluation::evidence::{Evidence, MissingEvidence, Needs};
use crate::registry::Entry;

/// The entry of `sub_gaussian_ips`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "sub_gaussian_ips",
    summary: "inverse propensity scoring with weights bent towards 1, w / (1 - lambda + lambda w)",
    source: "Metelli, Russo and Restelli 2021",
    parameters: &[LAMBDA],
    build: |values| Ok(grid::family(values, "lambda", CANDIDATES.iter().copied(), |lambda| SubGaussian { lambda })),
};

/// `mean(w r / (1 - lambda + lambda w))`: errors with the tails of a normal variable although the weights have heavy
/// ones, at a bias of at most the order of `lambda E[w²]` towards the mean reward of the log.
///
/// Difference from the source: its `lambda` follows from the second moment of the weights and a confidence level; ours is
/// given, or chosen from candidates by the data.
#[derive(Debug)]
struct SubGaussian {
    lambda: f64,
}

impl Estimator for SubGaussian {
    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        let term = |round| bent(evidence.weight(round), self.lambda) * evidence.rewards[round];
        terms.plain.extend((0..evidence.rounds()).map(term));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::EightRounds;

    #[test]
    fn the_eight_rounds_from_weights_as_they_are_to_none() {
        assert!((EightRounds::new().value(&SubGaussian { lambda: 0.0 }) - 0.75).abs() < 1e-12);
        // Three rewards in eight rounds.
        assert!((EightRounds::new().value(&SubGaussian { lambda: 1.0 }) - 0.375).abs() < 1e-12);
        // The rewarded rounds have weights 2.4, 3.2 and 0.4: 2.4 / 1.7 + 3.2 / 2.1 + 0.4 / 0.7.
        let half = (2.4 / 1.7 + 3.2 / 2.1 + 0.4 / 0.7) / 8.0;
        assert!((EightRounds::new().value(&SubGaussian { lambda: 0.5 }) - half).abs() < 1e-12);
    }
}
