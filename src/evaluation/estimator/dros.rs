//! The doubly robust estimator with shrunk weights.

use super::{Build, Estimator, Terms, doubly, grid};
use crate::evaluation::evidence::{Evidence, Fit, MissingEvidence, Needs};
use crate::registry::{Entry, Parameter, Range};

/// The entry of `dros`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "dros",
    summary: "doubly robust with optimistic shrinkage of the weights",
    source: "Su, Dimakopoulou, Krishnamurthy and Dudik 2020",
    parameters: &[Parameter::optional_number(
        "lambda",
        Range::NON_NEGATIVE,
        "weights near its root are halved, larger ones fall; chosen from the data where it is not given",
    )],
    build: |values| {
        // A weight of `sqrt(lambda)` is halved: the grid is that of the weights.
        Ok(grid::family(values, "lambda", grid::WEIGHTS.iter().map(|weight| weight * weight), |lambda| Shrunk {
            lambda,
        }))
    },
};

/// `mean(q(x, pi) + lambda w / (w² + lambda) (r - q(x, a)))`: shrinkage that is least in a bound on the squared error.
/// Weights are at most `sqrt(lambda) / 2`; biased by the model's error on what is shrunk. `lambda = 0` is the direct
/// method, a large one is `dr`.
#[derive(Debug)]
struct Shrunk {
    lambda: f64,
}

impl Estimator for Shrunk {
    fn needs(&self) -> Needs {
        Needs::model(Fit::Plain)
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        let weight = |round| {
            let weight = evidence.weight(round);
            if weight == 0.0 { 0.0 } else { self.lambda * weight / (weight * weight + self.lambda) }
        };
        doubly::plain_terms(evidence, Fit::Plain, weight, terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::EightRounds;

    #[test]
    fn the_eight_rounds_shrunk() {
        for (lambda, value) in [(1.0, 0.391_518_150_9), (4.0, 0.404_104_306_3)] {
            assert!((EightRounds::new().value(&Shrunk { lambda }) - value).abs() < 1e-10, "{lambda}");
        }
    }
}
