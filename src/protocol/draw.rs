//! Drawing actions from their probabilities, 16 consumers at a time.

use crate::random::{LANES, Purpose, Seed};

/// The uniforms of a policy's draw for up to 16 consumers, addressed by (seed, consumer, tick); lanes beyond the last
/// consumer hold uniforms that nobody uses.
#[inline(always)]
#[must_use]
pub fn policy_uniforms(seed: Seed, consumers: &[u32], tick: u32) -> [f32; LANES] {
    let mut entities = [0; LANES];
    entities[..consumers.len()].copy_from_slice(consumers);
    seed.uniforms_of_entities(Purpose::Policy, entities, tick, 0)[0]
}

/// Inverts the cumulative sums of 16 consumers at once: offered the probabilities of one action after the other, each
/// lane takes the action whose cumulative probability first exceeds its uniform.
///
/// Rounding may leave the sum of a lane a little under its uniform: the last action of positive probability is taken.
#[derive(Clone, Debug)]
pub struct LaneDraw {
    uniforms: [f32; LANES],
    cumulative: [f32; LANES],
    chosen: [u32; LANES],
    propensities: [f32; LANES],
}

impl LaneDraw {
    /// Before any action was offered: action 0, with certainty.
    #[inline(always)]
    #[must_use]
    pub fn new(uniforms: [f32; LANES]) -> Self {
        Self { uniforms, cumulative: [0.0; LANES], chosen: [0; LANES], propensities: [1.0; LANES] }
    }

    /// Offers the next action; actions come in ascending order.
    #[inline(always)]
    pub fn offer(&mut self, action: u16, probabilities: &[f32; LANES]) {
        for (lane, &probability) in probabilities.iter().enumerate() {
            let possible = probability > 0.0;
            // The sum never falls, so a lane that has passed its uniform takes nothing more.
            let taken = possible & (self.uniforms[lane] >= self.cumulative[lane]);
            self.chosen[lane] = if taken { u32::from(action) } else { self.chosen[lane] };
            self.propensities[lane] = if taken { probability } else { self.propensities[lane] };
            self.cumulative[lane] += if possible { probability } else { 0.0 };
        }
    }

    /// Writes what the first lanes took, as many as the slices are long (16 at most).
    #[inline(always)]
    pub fn finish(&self, actions: &mut [u16], propensities: &mut [f32]) {
        for (action, &chosen) in actions.iter_mut().zip(&self.chosen) {
            *action = chosen as u16;
        }
        for (propensity, &chosen) in propensities.iter_mut().zip(&self.propensities) {
            *propensity = chosen;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Decision, Observation, draw_actions};

    /// The plain statement of the draw: the action whose cumulative probability first exceeds `u`.
    fn draw_one(u: f32, probabilities: impl Iterator<Item = f32>) -> (u16, f32) {
        let mut cumulative = 0.0;
        let mut chosen = (0, 1.0);
        for (action, probability) in probabilities.enumerate() {
            if probability > 0.0 {
                chosen = (action as u16, probability);
                cumulative += probability;
                if u < cumulative {
                    break;
                }
            }
        }
        chosen
    }

    fn draw_in_lanes(u: f32, law: &[f32]) -> (u16, f32) {
        let mut draw = LaneDraw::new([u; LANES]);
        for (action, &probability) in law.iter().enumerate() {
            draw.offer(action as u16, &[probability; LANES]);
        }
        let (mut actions, mut propensities) = ([0; LANES], [0.0; LANES]);
        draw.finish(&mut actions, &mut propensities);
        (actions[LANES - 1], propensities[LANES - 1])
    }

    #[test]
    fn a_draw_inverts_the_cumulative_sum_and_never_takes_probability_zero() {
        let law = [0.0, 0.25, 0.0, 0.75, 0.0];
        for draw in [draw_in_lanes, |u, law: &[f32]| draw_one(u, law.iter().copied())] {
            assert_eq!(draw(0.1, &law), (1, 0.25));
            assert_eq!(draw(0.25, &law), (3, 0.75));
            assert_eq!(draw(1.0, &law), (3, 0.75));
        }
    }

    #[test]
    fn lanes_draw_what_the_plain_statement_draws() {
        let seed = Seed::new(5);
        for consecutive in [true, false] {
            let rows = 37;
            let step = if consecutive { 1 } else { 3 };
            let mut observation = Observation { tick: 4, ..Observation::default() };
            observation.consumer_ids = (0..rows).map(|row| 100 + row * step).collect();
            let mut decision = Decision::default();
            decision.reset(rows as usize);
            decision.probabilities.reset(rows as usize, 7);
            for row in 0..rows as usize {
                let mut stream = seed.stream(Purpose::Problem, row as u32, 0);
                let weights: Vec<f32> = (0..7).map(|_| (stream.uniform() - 0.3).max(0.0)).collect();
                let total: f32 = weights.iter().sum();
                for (action, weight) in weights.iter().enumerate() {
                    decision.probabilities.set(row, action, weight / total);
                }
            }
            draw_actions(&observation, seed, &mut decision);
            for (row, &consumer) in observation.consumer_ids.iter().enumerate() {
                let u = seed.uniforms(Purpose::Policy, consumer, 4, 0)[0];
                let (action, propensity) = draw_one(u, decision.probabilities.row(row).into_iter());
                assert_eq!(decision.actions[row], action);
                assert_eq!(decision.propensities[row].to_bits(), propensity.to_bits());
            }
        }
    }
}
