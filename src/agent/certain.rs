//! Laws that choose one action with certainty: their decisions need no matrix of probabilities.

use crate::matrix::Matrix;
use crate::protocol::{Decision, Observation};

/// Writes the law that gives each row its action with probability 1.
pub(super) fn write(observation: &Observation, probabilities: &mut Matrix, mut action_of: impl FnMut(usize) -> u16) {
    probabilities.reset(observation.rows(), observation.allowed.actions());
    for row in 0..observation.rows() {
        probabilities.set(row, usize::from(allowed(observation, row, action_of(row))), 1.0);
    }
}

/// Carries the same law out.
pub(super) fn decide(observation: &Observation, decision: &mut Decision, mut action_of: impl FnMut(usize) -> u16) {
    decision.reset(observation.rows());
    decision.probabilities.reset(0, 0);
    for (row, action) in decision.actions.iter_mut().enumerate() {
        *action = allowed(observation, row, action_of(row));
    }
}

/// The action itself, or no contact where the row forbids it.
#[inline]
fn allowed(observation: &Observation, row: usize, action: u16) -> u16 {
    if action != 0 && observation.allowed.allows(row, usize::from(action)) { action } else { 0 }
}
