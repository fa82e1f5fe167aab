//! The doubly robust estimator without the rounds of large weight.

use super::{Build, Estimator, Terms, doubly, grid};
use crate::evaluation::evidence::{Evidence, Fit, MissingEvidence, Needs};
use crate::registry::{Entry, Parameter, Range};

/// The entry of `switch_dr`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "switch_dr",
    summary: "doubly robust where the weight is at most tau, the model elsewhere",
    source: "Wang, Agarwal and Dudik 2017",
    parameters: &[Parameter::optional_number(
        "tau",
        Range::NON_NEGATIVE,
        "rounds with a larger weight are left to the model; chosen from the data where it is not given",
    )],
    build: |values| Ok(grid::family(values, "tau", grid::WEIGHTS.iter().copied(), |tau| SwitchDoublyRobust { tau })),
};

/// `mean(q(x, pi) + w 1[w <= tau] (r - q(x, a)))`: bounded weights, biased by the model's error on what is switched off.
/// `tau = 0` is the direct method, a large one is `dr`.
#[derive(Debug)]
struct SwitchDoublyRobust {
    tau: f64,
}

impl Estimator for SwitchDoublyRobust {
    fn needs(&self) -> Needs {
        Needs::model(Fit::Plain)
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        let weight = |round| {
            let weight = evidence.weight(round);
            if weight <= self.tau { weight } else { 0.0 }
        };
        doubly::plain_terms(evidence, Fit::Plain, weight, terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::EightRounds;

    #[test]
    fn the_eight_rounds_at_three_thresholds() {
        for (tau, value) in [(0.5, 0.3975), (1.0, 0.3775), (2.5, 0.4375)] {
            assert!((EightRounds::new().value(&SwitchDoublyRobust { tau }) - value).abs() < 1e-12, "{tau}");
        }
    }
}
