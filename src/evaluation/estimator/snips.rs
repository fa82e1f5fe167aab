//! Self-normalised inverse propensity scoring.

use super::{Build, Estimator, Family, Terms};
use crate::evaluation::evidence::{Evidence, MissingEvidence, Needs};
use crate::registry::Entry;

/// The entry of `snips`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "snips",
    summary: "self-normalised inverse propensity scoring: the weighted mean of the rewards",
    source: "Swaminathan and Joachims 2015",
    parameters: &[],
    build: |_| Ok(Family::of(SelfNormalised)),
};

/// `sum(w r) / sum(w)`: shifts with the rewards, stays inside their range, and is biased by the order of 1 over the
/// effective sample size.
#[derive(Debug)]
struct SelfNormalised;

impl Estimator for SelfNormalised {
    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        for round in 0..evidence.rounds() {
            let weight = evidence.weight(round);
            terms.numerator.push(weight * evidence.rewards[round]);
            terms.denominator.push(weight);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::EightRounds;

    #[test]
    fn the_eight_rounds_weighted_by_their_weights() {
        assert!((EightRounds::new().value(&SelfNormalised) - 6.0 / 13.0).abs() < 1e-12);
    }
}
