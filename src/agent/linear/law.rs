//! From scores to probabilities: what each contextual bandit adds to the model they share.

use super::ridge::Link;
use super::{Model, Scratch};
use crate::protocol::{Metrics, Observation, Transitions};
use crate::random::{LANES, Seed};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// How a bandit turns what the model knows of a row into probabilities.
pub trait Law: Clone + Debug + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// The name in files.
    const NAME: &'static str;

    /// What a reward says about a score.
    const LINK: Link = Link::Identity;

    /// What the model learns of a reward.
    fn target(&self, reward: f32) -> f64 {
        f64::from(reward)
    }

    /// Called before a sound batch is learned: what the model knows may be weakened here.
    fn prepare(&mut self, _model: &mut Model, _batch: &Transitions<'_>) {}

    /// Called after a batch is learned: what the law itself learns, and the figures that it tells.
    fn review(&mut self, _model: &Model, _batch: &Transitions<'_>) -> Metrics {
        Metrics::new()
    }

    /// Writes the probability of every action of a row; all come in as 0.
    fn fill(&self, row: &mut Row<'_>, probabilities: &mut [f32]);

    /// The action that is taken with certainty, for a law without chance; others leave it `None` for every row.
    fn certain(&self, _row: &mut Row<'_>) -> Option<usize> {
        None
    }
}

/// One row of an observation, as a law sees it.
#[derive(Debug)]
pub struct Row<'a> {
    /// What scores the row.
    pub model: &'a Model,
    /// Scratch, with the row's features in it.
    pub scratch: &'a mut Scratch,
    /// A score per action, to be written.
    pub scores: &'a mut [[f32; LANES]],
    /// The batch.
    pub observation: &'a Observation,
    /// Place in the batch.
    pub index: usize,
    /// The seed of the decision.
    pub seed: Seed,
    /// Rows that the agent has learned from.
    pub learned: u64,
}

impl Row<'_> {
    /// Scores become expected rewards.
    pub fn score_by_mean(&mut self) {
        self.model.means(self.scratch, self.scores);
    }

    /// Scores become expected rewards plus `alpha` posterior standard deviations.
    pub fn score_by_upper_bound(&mut self, alpha: f32) {
        self.model.upper_bounds(self.scratch, alpha, self.scores);
    }

    /// The score of an action.
    pub fn score(&self, action: usize) -> f32 {
        self.scores[action / LANES][action % LANES]
    }

    /// Takes something from the score of each action.
    pub fn charge(&mut self, charges: impl Iterator<Item = f32>) {
        self.scores.as_flattened_mut().iter_mut().zip(charges).for_each(|(score, charge)| *score -= charge);
    }

    /// The allowed action of the highest score; of equals, the first.
    pub fn best(&self) -> usize {
        argmax(self.scores, self.observation.allowed.row(self.index))
    }

    /// Allowed actions, in order.
    pub fn allowed(&self) -> impl Iterator<Item = usize> + '_ {
        self.observation.allowed.iter(self.index)
    }

    /// Number of allowed actions.
    pub fn allowed_count(&self) -> u32 {
        self.observation.allowed.count(self.index)
    }
}

/// Mixes a law with the uniform law over allowed actions: `(1 - share) * p + share / count`.
pub fn mix_uniform(row: &Row<'_>, share: f32, probabilities: &mut [f32]) {
    if share > 0.0 {
        let floor = share / row.allowed_count() as f32;
        for action in row.allowed() {
            probabilities[action] = (1.0 - share) * probabilities[action] + floor;
        }
    }
}

/// The allowed action of the highest score; of equals, the first. Where no allowed score is a number, action 0.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
pub fn argmax(scores: &[[f32; LANES]], allowed: &[u64]) -> usize {
    let mut best = [f32::NEG_INFINITY; LANES];
    let mut found = [0u32; LANES];
    for (block, scores) in scores.iter().enumerate() {
        let bits = (allowed[block / 4] >> (block % 4 * LANES)) as u32;
        for lane in 0..LANES {
            let better = bits >> lane & 1 == 1 && scores[lane] > best[lane];
            best[lane] = if better { scores[lane] } else { best[lane] };
            found[lane] = if better { (block * LANES + lane) as u32 } else { found[lane] };
        }
    }
    let (mut top, mut action) = (best[0], found[0]);
    for lane in 1..LANES {
        let better = best[lane] > top || (best[lane] == top && found[lane] < action);
        top = if better { best[lane] } else { top };
        action = if better { found[lane] } else { action };
    }
    action as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ActionBits;

    #[test]
    fn the_best_allowed_action_wins_and_ties_go_to_the_first() {
        let mut scores = [[0.0; LANES]; 5];
        let mut allowed = ActionBits::all(1, 70);
        assert_eq!(argmax(&scores, allowed.row(0)), 0);
        scores[4][5] = 2.0;
        scores[1][3] = 1.0;
        scores[1][15] = 1.0;
        assert_eq!(argmax(&scores, allowed.row(0)), 69);
        allowed.forbid(0, 69);
        assert_eq!(argmax(&scores, allowed.row(0)), 19);
        allowed.forbid(0, 19);
        assert_eq!(argmax(&scores, allowed.row(0)), 31);
    }

    #[test]
    fn padding_never_wins() {
        let mut scores = [[-1.0; LANES]; 1];
        scores[0][3..].fill(9.0);
        assert_eq!(argmax(&scores, ActionBits::all(1, 3).row(0)), 0);
        assert_eq!(argmax(&[[f32::NAN; LANES]], ActionBits::all(1, 3).row(0)), 0);
    }
}
