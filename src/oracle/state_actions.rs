//! One action per observed state: the form of every oracle of a finite process.

use crate::matrix::Matrix;
use crate::protocol::{Decision, Observation, Policy, Views};
use crate::random::Seed;

/// Takes the action of the state whose one-hot feature is hot, with certainty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StateActions {
    /// One action per state, allowed there.
    pub actions: Vec<u16>,
    /// Number of actions of the process.
    pub width: usize,
}

impl StateActions {
    fn action(&self, observation: &Observation, row: usize) -> u16 {
        let hot = (0..self.actions.len()).find(|state| observation.features.get(row, *state) > 0.5);
        hot.map_or(0, |state| self.actions[state])
    }
}

impl Policy for StateActions {
    fn views(&self) -> Views {
        Views::FEATURES
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), self.width);
        for row in 0..observation.rows() {
            probabilities.set(row, usize::from(self.action(observation, row)), 1.0);
        }
    }

    fn decide(&self, observation: &Observation, _seed: Seed, decision: &mut Decision) {
        decision.reset(observation.rows());
        for (row, action) in decision.actions.iter_mut().enumerate() {
            *action = self.action(observation, row);
        }
    }
}
