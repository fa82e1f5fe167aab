//! The doubly robust estimator with sub-Gaussian errors.

use super::sub_gaussian::{CANDIDATES, LAMBDA, bent};
use super::{Build, Estimator, Terms, doubly, grid};
use crate::evaluation::evidence::{Evidence, Fit, MissingEvidence, Needs};
use crate::registry::Entry;

/// The entry of `sub_gaussian_dr`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "sub_gaussian_dr",
    summary: "doubly robust with weights bent towards 1, w / (1 - lambda + lambda w)",
    source: "Metelli, Russo and Restelli 2021",
    parameters: &[LAMBDA],
    build: |values| {
        Ok(grid::family(values, "lambda", CANDIDATES.iter().copied(), |lambda| SubGaussianDoublyRobust { lambda }))
    },
};

/// `mean(q(x, pi) + w / (1 - lambda + lambda w) (r - q(x, a)))`: as `sub_gaussian_ips`, with a bias towards the model
/// instead of the log. `lambda = 0` is `dr`.
#[derive(Debug)]
struct SubGaussianDoublyRobust {
    lambda: f64,
}

impl Estimator for SubGaussianDoublyRobust {
    fn needs(&self) -> Needs {
        Needs::model(Fit::Plain)
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        doubly::plain_terms(evidence, Fit::Plain, |round| bent(evidence.weight(round), self.lambda), terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::EightRounds;

    #[test]
    fn the_eight_rounds_from_weights_as_they_are_to_none() {
        assert!((EightRounds::new().value(&SubGaussianDoublyRobust { lambda: 0.0 }) - 0.4375).abs() < 1e-12);
        // Weights of 1: 0.38 and the mean residual, (-0.1 + 0.6 - 0.2 - 0.4 - 0.1 + 0.5 + 0.5 - 0.5) / 8.
        let value = 0.38 + 0.3 / 8.0;
        assert!((EightRounds::new().value(&SubGaussianDoublyRobust { lambda: 1.0 }) - value).abs() < 1e-12);
    }
}
