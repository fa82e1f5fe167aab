//! The twin whom nobody contacts: what every incremental figure is measured against.

use crate::matrix::Matrix;
use crate::protocol::{Decision, Observation, Policy, Views};
use crate::random::Seed;

/// Name of the twin in results.
pub const BASELINE: &str = "none";

/// Never contacts anyone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoContact;

impl Policy for NoContact {
    fn views(&self) -> Views {
        Views::default()
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), observation.allowed.actions());
        for row in 0..observation.rows() {
            probabilities.set(row, 0, 1.0);
        }
    }

    fn decide(&self, observation: &Observation, _seed: Seed, decision: &mut Decision) {
        decision.reset(observation.rows());
    }
}
