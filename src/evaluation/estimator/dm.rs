//! The direct method.

use super::{Build, Estimator, Family, Terms};
use crate::evaluation::evidence::{Evidence, Fit, MissingEvidence, Needs};
use crate::registry::Entry;

/// The entry of `dm`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "dm",
    summary: "direct method: what the reward model says the target earns",
    source: "Dudik, Langford and Li 2011, section 2",
    parameters: &[],
    build: |_| Ok(Family::of(DirectMethod)),
};

/// `mean(sum over a of pi(a|x) q(x, a))`: no weights and little variance, and all of the model's bias. Its interval knows
/// how contexts vary and nothing of the error of the model, so that it is far too narrow as a rule: never judge by it alone.
#[derive(Debug)]
struct DirectMethod;

impl Estimator for DirectMethod {
    fn needs(&self) -> Needs {
        Needs::model(Fit::Plain)
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        terms.plain.extend(evidence.direct(Fit::Plain)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::EightRounds;

    #[test]
    fn the_eight_rounds_by_the_model() {
        assert!((EightRounds::new().value(&DirectMethod) - 0.38).abs() < 1e-12);
    }
}
