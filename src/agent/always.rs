//! Contacts everybody in every tick with one action, wherever the mask allows it.

use super::{PolicyBuild, certain, contact};
use crate::matrix::Matrix;
use crate::protocol::{Decision, Observation, Policy, Views};
use crate::random::Seed;
use crate::registry::Entry;

/// One action for all, no contact where it is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Always {
    action: u16,
}

/// `kind = "always"`.
pub const ENTRY: Entry<PolicyBuild> = Entry {
    name: "always",
    summary: "sends one action to everybody in every tick, wherever the mask allows it",
    source: "Mercato: blanket mailing, the naive upper end of contact pressure",
    parameters: &[contact::ACTION, contact::CHANNEL, contact::HOUR, contact::OFFER, contact::CREATIVE],
    build: |values, spec| Ok(Box::new(Always { action: contact::chosen_action(values, spec)? })),
};

impl Policy for Always {
    fn views(&self) -> Views {
        Views::default()
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        certain::write(observation, probabilities, |_| self.action);
    }

    fn decide(&self, observation: &Observation, _seed: Seed, decision: &mut Decision) {
        certain::decide(observation, decision, |_| self.action);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ActionBits;
    use crate::registry::{Value, Values};

    #[test]
    fn a_masked_row_is_not_contacted() {
        let spec = contact::tests::market();
        let values = Values::defaults(ENTRY.parameters).with("channel", Value::Text("push".into()));
        let policy = (ENTRY.build)(&values, &spec).unwrap();
        let mut allowed = ActionBits::all(3, 6);
        allowed.forbid(1, 5);
        let observation = Observation { consumer_ids: vec![0, 1, 2], allowed, ..Observation::default() };
        let mut decision = Decision::default();
        policy.decide(&observation, Seed::new(1), &mut decision);
        assert_eq!(decision.actions, vec![5, 0, 5]);
        assert_eq!(decision.propensities, vec![1.0; 3]);
        let mut law = Matrix::default();
        policy.probabilities(&observation, Seed::new(1), &mut law);
        assert_eq!(law.row(1), vec![1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
