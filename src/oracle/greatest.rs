//! The allowed action of the greatest score; ties go to the lowest index.

use crate::matrix::Matrix;
use crate::protocol::{Decision, Observation};

/// The action of each row, with certainty.
pub(super) fn decide(observation: &Observation, decision: &mut Decision, score: impl Fn(usize, usize) -> f32) {
    decision.reset(observation.rows());
    decision.probabilities.reset(0, 0);
    for (row, action) in decision.actions.iter_mut().enumerate() {
        *action = best(observation, row, &score);
    }
}

/// The same as a law.
pub(super) fn write(observation: &Observation, probabilities: &mut Matrix, score: impl Fn(usize, usize) -> f32) {
    probabilities.reset(observation.rows(), observation.allowed.actions());
    for row in 0..observation.rows() {
        probabilities.set(row, usize::from(best(observation, row, &score)), 1.0);
    }
}

fn best(observation: &Observation, row: usize, score: &impl Fn(usize, usize) -> f32) -> u16 {
    let mut best = (0, f32::NEG_INFINITY);
    for action in observation.allowed.iter(row) {
        let value = score(row, action);
        if value > best.1 {
            best = (action as u16, value);
        }
    }
    best.0
}
