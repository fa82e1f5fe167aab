//! One policy that gives each consumer the policy of their arm, so that a test runs on the same engine as everything else.

use super::assignment::Assignment;
use crate::matrix::Matrix;
use crate::protocol::{Decision, Look, Observation, Policy, Views};
use crate::random::Seed;
use std::sync::{Mutex, PoisonError};

/// Each consumer meets the policy of their arm; before the test, everybody meets the same one.
///
/// Given the assignment it is a plain policy: its probabilities are those of the arm, with which the action was drawn.
/// Draws are addressed by (seed, consumer, tick), so a consumer decides under an arm as if everybody were in it.
#[derive(Debug)]
pub struct Composed<'a> {
    /// One policy for each arm.
    policies: &'a [&'a dyn Policy],
    /// Who decides before the test begins.
    before: &'a dyn Policy,
    first_tick: u32,
    assignment: &'a Assignment,
    /// Buffers that came back, so that a tick allocates nothing.
    spare: Mutex<Vec<Decision>>,
}

impl<'a> Composed<'a> {
    /// `before` decides up to `first_tick`, then the policy of each consumer's arm.
    #[must_use]
    pub fn new(
        policies: &'a [&'a dyn Policy],
        before: &'a dyn Policy,
        first_tick: u32,
        assignment: &'a Assignment,
    ) -> Self {
        Self { policies, before, first_tick, assignment, spare: Mutex::default() }
    }

    /// The one policy of all rows, or `None` where rows have different arms.
    fn only(&self, observation: &Observation) -> Option<&dyn Policy> {
        if observation.tick < self.first_tick {
            return Some(self.before);
        }
        if let Some(arm) = self.assignment.shared_arm(observation.tick) {
            return Some(self.policies[arm]);
        }
        let mut arms = self.arms(observation);
        let first = arms.next().unwrap_or(0);
        arms.all(|arm| arm == first).then(|| self.policies[first])
    }

    fn arms<'b>(&'b self, observation: &'b Observation) -> impl Iterator<Item = usize> + 'b {
        observation.consumer_ids.iter().map(|consumer| self.assignment.arm(*consumer, observation.tick))
    }

    /// Which arms any row has: bit k is arm k.
    fn present(&self, observation: &Observation) -> u64 {
        self.arms(observation).fold(0, |present, arm| present | 1 << arm)
    }
}

impl Policy for Composed<'_> {
    fn views(&self) -> Views {
        let every = self.policies.iter().map(|policy| policy.views()).chain([self.before.views()]);
        every.fold(Views::default(), |all, own| Views {
            features: all.features | own.features,
            events: all.events | own.events,
        })
    }

    fn looks_inside(&self) -> Option<Look<'_>> {
        self.policies.iter().find_map(|policy| policy.looks_inside()).or_else(|| self.before.looks_inside())
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        if let Some(policy) = self.only(observation) {
            policy.probabilities(observation, seed, probabilities);
            return;
        }
        let (rows, actions) = (observation.rows(), observation.allowed.actions());
        probabilities.reset(rows, actions);
        let present = self.present(observation);
        let mut own = Matrix::default();
        for (arm, policy) in self.policies.iter().enumerate().filter(|(arm, _)| present >> arm & 1 == 1) {
            policy.probabilities(observation, seed, &mut own);
            for (row, _) in self.arms(observation).enumerate().filter(|(_, of_row)| *of_row == arm) {
                (0..actions).for_each(|action| probabilities.set(row, action, own.get(row, action)));
            }
        }
    }

    fn decide(&self, observation: &Observation, seed: Seed, decision: &mut Decision) {
        if let Some(policy) = self.only(observation) {
            policy.decide(observation, seed, decision);
            return;
        }
        let mut own = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        decision.reset(observation.rows());
        decision.probabilities.reset(0, 0);
        let present = self.present(observation);
        for (arm, policy) in self.policies.iter().enumerate().filter(|(arm, _)| present >> arm & 1 == 1) {
            policy.decide(observation, seed, &mut own);
            for (row, _) in self.arms(observation).enumerate().filter(|(_, of_row)| *of_row == arm) {
                decision.actions[row] = own.actions[row];
                decision.propensities[row] = own.propensities[row];
            }
        }
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(own);
    }
}
