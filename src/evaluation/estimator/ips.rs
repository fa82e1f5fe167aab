//! Inverse propensity scoring.

use super::{Build, Estimator, Family, Terms};
use crate::evaluation::evidence::{Evidence, MissingEvidence, Needs};
use crate::registry::Entry;

/// The entry of `ips`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "ips",
    summary: "inverse propensity scoring: rewards weighted by target over logging probability",
    source: "Horvitz and Thompson 1952; Precup, Sutton and Singh 2000",
    parameters: &[],
    build: |_| Ok(Family::of(InversePropensity)),
};

/// `mean(w r)`: unbiased where the propensities are right and the log supports the target; its variance grows with the
/// second moment of the weights, so it fails where the target prefers what the log seldom did.
#[derive(Debug)]
struct InversePropensity;

impl Estimator for InversePropensity {
    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        terms.plain.extend((0..evidence.rounds()).map(|round| evidence.weight(round) * evidence.rewards[round]));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::EightRounds;

    #[test]
    fn the_eight_rounds_are_worth_three_quarters() {
        assert!((EightRounds::new().value(&InversePropensity) - 0.75).abs() < 1e-12);
    }
}
