//! The doubly robust estimator with normalised weights.

use super::{Build, Estimator, Family, Terms};
use crate::evaluation::evidence::{Evidence, Fit, MissingEvidence, Needs};
use crate::registry::Entry;

/// The entry of `sndr`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "sndr",
    summary: "self-normalised doubly robust: the correction divided by the sum of the weights",
    source: "Robins et al. 2007; Thomas and Brunskill 2016",
    parameters: &[],
    build: |_| Ok(Family::of(SelfNormalisedDoublyRobust)),
};

/// `mean(q(x, pi)) + sum(w (r - q(x, a))) / sum(w)`: the correction stays inside the range of the residuals. As `dr`, but
/// biased by the order of 1 over the effective sample size, and steadier where the weights' sum strays.
#[derive(Debug)]
struct SelfNormalisedDoublyRobust;

impl Estimator for SelfNormalisedDoublyRobust {
    fn needs(&self) -> Needs {
        Needs::model(Fit::Plain)
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        terms.plain.extend(evidence.direct(Fit::Plain)?);
        for (round, logged) in evidence.logged(Fit::Plain)?.enumerate() {
            let weight = evidence.weight(round);
            terms.numerator.push(weight * (evidence.rewards[round] - logged));
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
    fn the_eight_rounds_corrected_by_shares() {
        assert!((EightRounds::new().value(&SelfNormalisedDoublyRobust) - 0.415_384_615_4).abs() < 1e-10);
    }
}
