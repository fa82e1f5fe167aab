//! The policy that knows every probability and looks one tick ahead.

use super::state_actions::StateActions;
use super::{Inside, OracleBuild, greatest};
use crate::environment::logit::LogitWorld;
use crate::matrix::Matrix;
use crate::protocol::{Decision, Look, Observation, Policy, Views, World};
use crate::random::Seed;
use crate::registry::{Entry, Refusal, Values};

/// Greatest expected immediate reward; ties go to the lowest index. Best in a one-shot market, not in a sequence.
pub const ENTRY: Entry<OracleBuild> = Entry {
    name: "myopic",
    summary: "the action of greatest true expected reward in this tick, blind to what follows",
    source: "Mercato: what a contextual bandit converges to when it learns perfectly",
    parameters: &[],
    build,
};

fn build(values: &Values, inside: Inside<'_>) -> Result<Box<dyn Policy>, Refusal> {
    match inside {
        Inside::Finite(world) => {
            Ok(Box::new(StateActions { actions: world.myopic_actions(), width: world.spec().actions.len() }))
        }
        Inside::Logit(world) => Ok(Box::new(MyopicLogit { world: world.clone() })),
        Inside::Campaign(campaign) => {
            super::require_closed_form(values, "myopic", campaign)?;
            Ok(Box::new(MyopicCampaign))
        }
    }
}

/// Takes the greatest expected profit, orders after a click counted at once.
#[derive(Debug)]
struct MyopicCampaign;

impl Policy for MyopicCampaign {
    fn views(&self) -> Views {
        Views::default()
    }

    fn looks_inside(&self) -> Option<Look<'_>> {
        Some(Look::State)
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        greatest::write(observation, probabilities, |row, action| observation.latent.expected.get(row, action));
    }

    fn decide(&self, observation: &Observation, _seed: Seed, decision: &mut Decision) {
        greatest::decide(observation, decision, |row, action| observation.latent.expected.get(row, action));
    }
}

/// Looks up the true expected rewards of what is observed.
#[derive(Debug)]
struct MyopicLogit {
    world: LogitWorld,
}

impl MyopicLogit {
    /// Fills `scratch` with expected rewards and hands every row's best allowed action to `take`.
    fn choose(&self, observation: &Observation, scratch: &mut Matrix, mut take: impl FnMut(&mut Matrix, usize, u16)) {
        scratch.reset(observation.rows(), self.world.spec().actions.len());
        self.world.expected_rewards(observation, scratch);
        for row in 0..observation.rows() {
            let mut best = (0, f32::NEG_INFINITY);
            for action in observation.allowed.iter(row) {
                let value = scratch.get(row, action);
                if value > best.1 {
                    best = (action as u16, value);
                }
            }
            take(scratch, row, best.0);
        }
    }
}

impl Policy for MyopicLogit {
    fn views(&self) -> Views {
        Views::FEATURES
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        self.choose(observation, probabilities, |matrix, row, best| {
            for action in 0..matrix.columns() {
                matrix.set(row, action, if action == usize::from(best) { 1.0 } else { 0.0 });
            }
        });
    }

    fn decide(&self, observation: &Observation, _seed: Seed, decision: &mut Decision) {
        decision.reset(observation.rows());
        let Decision { actions, probabilities, .. } = decision;
        self.choose(observation, probabilities, |_, row, best| actions[row] = best);
        // What stands in the scratch are rewards, not probabilities.
        probabilities.reset(0, 0);
    }
}
