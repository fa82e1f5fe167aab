//! All allowed actions alike: the logging policy that any other can be judged on.

use super::{PolicyBuild, pick};
use crate::matrix::Matrix;
use crate::protocol::{Decision, Observation, Policy, Views};
use crate::random::{Purpose, Seed};
use crate::registry::Entry;

/// Probability 1 / n for each of the n allowed actions of a row, no contact being one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uniform;

/// `kind = "uniform"`.
pub const ENTRY: Entry<PolicyBuild> = Entry {
    name: "uniform",
    summary: "draws each allowed action, no contact included, with the same probability",
    source: "Mercato: the randomised log with full support",
    parameters: &[],
    build: |_, _| Ok(Box::new(Uniform)),
};

impl Policy for Uniform {
    fn views(&self) -> Views {
        Views::default()
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), observation.allowed.actions());
        for row in 0..observation.rows() {
            let share = 1.0 / observation.allowed.count(row) as f32;
            for action in observation.allowed.iter(row) {
                probabilities.set(row, action, share);
            }
        }
    }

    fn decide(&self, observation: &Observation, seed: Seed, decision: &mut Decision) {
        decision.reset(observation.rows());
        decision.probabilities.reset(0, 0);
        for (row, &consumer) in observation.consumer_ids.iter().enumerate() {
            let allowed = || observation.allowed.row(row).iter().copied();
            let count = pick::count(allowed());
            let u = seed.uniforms(Purpose::Policy, consumer, observation.tick, 0)[0];
            decision.actions[row] = pick::bit(allowed(), count, u);
            decision.propensities[row] = 1.0 / count as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ActionBits, draw_actions};

    #[test]
    fn the_short_way_draws_what_inverting_the_cumulative_sum_draws() {
        let rows = 2_000;
        let mut allowed = ActionBits::all(rows, 361);
        for row in 0..rows {
            // Powers of two, so that the cumulative sums are exact.
            for action in [256, 8, 1][row % 3]..361 {
                allowed.forbid(row, action);
            }
        }
        let consumer_ids = (0..rows as u32).collect();
        let observation = Observation { consumer_ids, allowed, ..Observation::default() };
        let (mut short, mut long) = (Decision::default(), Decision::default());
        Uniform.decide(&observation, Seed::new(11), &mut short);
        long.reset(rows);
        Uniform.probabilities(&observation, Seed::new(11), &mut long.probabilities);
        draw_actions(&observation, Seed::new(11), &mut long);
        assert_eq!((short.actions, short.propensities), (long.actions, long.propensities));
    }
}
