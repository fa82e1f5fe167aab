//! Never contacts anybody: the twin that every profit is measured against.

use super::{PolicyBuild, certain};
use crate::matrix::Matrix;
use crate::protocol::{Decision, Observation, Policy, Views};
use crate::random::Seed;
use crate::registry::Entry;

/// No contact, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoContact;

/// `kind = "none"`.
pub const ENTRY: Entry<PolicyBuild> = Entry {
    name: "none",
    summary: "never contacts anybody",
    source: "Mercato: the baseline of incremental profit",
    parameters: &[],
    build: |_, _| Ok(Box::new(NoContact)),
};

impl Policy for NoContact {
    fn views(&self) -> Views {
        Views::default()
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        certain::write(observation, probabilities, |_| 0);
    }

    fn decide(&self, observation: &Observation, _seed: Seed, decision: &mut Decision) {
        decision.reset(observation.rows());
        decision.probabilities.reset(0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ActionBits;

    #[test]
    fn nobody_is_contacted() {
        let observation =
            Observation { consumer_ids: vec![4, 5], allowed: ActionBits::all(2, 3), ..Observation::default() };
        let mut decision = Decision::default();
        NoContact.decide(&observation, Seed::new(1), &mut decision);
        assert_eq!((decision.actions, decision.propensities), (vec![0, 0], vec![1.0, 1.0]));
    }
}
