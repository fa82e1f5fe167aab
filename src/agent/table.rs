//! One action per state of a finite process.

use super::{PolicyBuild, certain, contact};
use crate::matrix::Matrix;
use crate::protocol::{Decision, Observation, Policy, Spec, Views};
use crate::random::Seed;
use crate::registry::{Entry, Kind, Parameter, Refusal, Values};

/// The group of one-hot features that tell the state.
const STATE: &str = "state";

/// One action per state; no contact where it is masked or no state is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Feature column and action of each state, in state order.
    states: Vec<(usize, u16)>,
}

/// `kind = "table"`.
pub const ENTRY: Entry<PolicyBuild> = Entry {
    name: "table",
    summary: "takes one named action per state of a finite process",
    source: "Puterman 1994, Markov Decision Processes: a deterministic stationary policy",
    parameters: &[
        Parameter::of("actions", Kind::Texts { default: None }, "one action name per state, in state order").required()
    ],
    build: |values, spec| Ok(Box::new(Table::new(values, spec)?)),
};

impl Table {
    fn new(values: &Values, spec: &Spec) -> Result<Self, Refusal> {
        let columns: Vec<usize> =
            (0..spec.features.len()).filter(|column| spec.features[*column].group == Some(STATE)).collect();
        let names = values.texts("actions");
        if columns.is_empty() {
            return Err(Refusal::new(
                values,
                "actions",
                "this market does not tell a state, so that no action can be given per state",
                "use `kind = \"finite\"` in [market], or the policy `rule` with a `segment`",
            ));
        }
        if names.len() != columns.len() {
            return Err(Refusal::new(
                values,
                "actions",
                format!("{} actions are given for {} states", names.len(), columns.len()),
                "give one action name per state, in state order",
            ));
        }
        let actions = names.iter().map(|name| contact::named_action(values, "actions", name, spec));
        let states = columns.into_iter().zip(actions).map(|(column, action)| Ok((column, action?)));
        Ok(Self { states: states.collect::<Result<_, _>>()? })
    }

    fn action_of(&self, observation: &Observation, row: usize) -> u16 {
        let is_hot = |(column, _): &&(usize, u16)| observation.features.get(row, *column) > 0.5;
        self.states.iter().find(is_hot).map_or(0, |(_, action)| *action)
    }
}

impl Policy for Table {
    fn views(&self) -> Views {
        Views::FEATURES
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        certain::write(observation, probabilities, |row| self.action_of(observation, row));
    }

    fn decide(&self, observation: &Observation, _seed: Seed, decision: &mut Decision) {
        certain::decide(observation, decision, |row| self.action_of(observation, row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ActionBits, ActionSpace, Feature};
    use crate::registry::Value;

    fn spec() -> Spec {
        let mut features = vec![Feature::raw("age_years", "years")];
        features.extend(["rested", "tired", "gone"].map(|state| Feature::level(STATE, state)));
        let actions = ActionSpace::flat("action", "none", &["send", "send20"]);
        Spec { features, actions, ..contact::tests::market() }
    }

    fn with_actions(names: &[&str]) -> Values {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Values::defaults(ENTRY.parameters).with("actions", Value::Texts(names))
    }

    #[test]
    fn each_state_gets_its_action() {
        let policy = (ENTRY.build)(&with_actions(&["send20", "none", "send"]), &spec()).unwrap();
        let mut allowed = ActionBits::all(5, 3);
        allowed.forbid(3, 2);
        let features = Matrix::from_rows(&[
            &[3.0, 1.0, 0.0, 0.0],
            &[3.0, 0.0, 1.0, 0.0],
            &[3.0, 0.0, 0.0, 1.0],
            &[3.0, 1.0, 0.0, 0.0],
            &[3.0, 0.0, 0.0, 0.0],
        ]);
        let observation = Observation { consumer_ids: (0..5).collect(), features, allowed, ..Observation::default() };
        let mut decision = Decision::default();
        policy.decide(&observation, Seed::new(1), &mut decision);
        assert_eq!(decision.actions, vec![2, 0, 1, 0, 0]);
    }

    #[test]
    fn wrong_tables_are_refused() {
        let refused = |names: &[&str], spec: &Spec| (ENTRY.build)(&with_actions(names), spec).unwrap_err();
        assert_eq!(refused(&["send"], &spec()).message, "1 actions are given for 3 states");
        let help = refused(&["send", "sned20", "none"], &spec()).help;
        assert_eq!(help, "did you mean `send20`? there is none, send, send20");
        assert!(refused(&["send"], &contact::tests::market()).message.contains("does not tell a state"));
    }
}
