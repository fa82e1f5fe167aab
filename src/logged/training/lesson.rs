//! One file taught: its ticks in order, each shard by shard.

use super::check::Checked;
use super::cursor::{Cursor, Decision};
use super::{Ending, TrainingLog};
use crate::episode::{Learning, discount_weights};
use crate::logged::cells::Chunk;
use crate::protocol::{Agent, Diverged, Observation, Transitions};
use crate::random::Seed;

/// Consumers that are taught together: those of one shard, as markets are cut.
const SHARD_CONSUMERS: u32 = 1_024;

/// Why a teaching stopped.
#[derive(Debug, thiserror::Error)]
pub enum TeachingError {
    /// A quantity is no longer finite.
    #[error(transparent)]
    Diverged(#[from] Diverged),
    /// The log changed since it was checked.
    #[error("{path}: {why}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        why: String,
    },
}

/// A file, and who learns from it.
pub(super) struct Lesson<'a> {
    pub log: &'a TrainingLog,
    pub file: &'a Checked,
    /// Number of the file, from 0.
    pub market: u32,
    pub seed: Seed,
    pub agent: &'a mut dyn Agent,
    pub learning: &'a mut Learning,
    /// Hears of every tick.
    pub progress: &'a dyn Fn(),
}

/// Rows of one shard.
#[derive(Default)]
struct Batch {
    observation: Observation,
    decisions: Vec<Decision>,
    actions: Vec<u16>,
    propensities: Vec<f32>,
    rewards: Vec<f32>,
    terminated: Vec<bool>,
    picked: Observation,
}

impl Lesson<'_> {
    /// All ticks; gives the discounted reward of all consumers together, as the log has it.
    pub(super) fn teach(&mut self) -> Result<f64, TeachingError> {
        let unreadable = |why: String| TeachingError::Unreadable { path: self.file.path.display().to_string(), why };
        let open = self.file.groups.iter().map(|group| Cursor::open(self.file, group));
        let mut cursors: Vec<Cursor<'_>> = open.collect::<Result<_, _>>().map_err(unreadable)?;
        let weights = discount_weights(self.log.discount, self.file.ticks);
        let (mut chunk, mut part, mut batch) = (Chunk::default(), Chunk::default(), Batch::default());
        let mut worth = 0.0;
        for tick in 0..self.file.ticks {
            let mut earned = 0.0;
            for cursor in &mut cursors {
                let found = cursor.read(tick, &mut chunk, &mut part);
                let unreadable =
                    |why: String| TeachingError::Unreadable { path: self.file.path.display().to_string(), why };
                if !found.map_err(unreadable)? {
                    continue;
                }
                earned += self.tick(tick, &chunk, &mut batch)?;
            }
            (self.progress)();
            worth += weights[tick as usize] * earned;
            let mean = earned / f64::from(self.file.consumers.max(1));
            self.learning.note(self.market, tick, &vec![("reward_per_consumer", mean)]);
        }
        Ok(worth)
    }

    /// The rows of a tick, shard by shard; gives the sum of their rewards.
    fn tick(&mut self, tick: u32, chunk: &Chunk, batch: &mut Batch) -> Result<f64, TeachingError> {
        let (mut row, mut earned) = (0, 0.0);
        let mut scratch = String::new();
        while row < chunk.rows.len() {
            let shard = self.decision(chunk, row, &mut scratch)?.consumer / SHARD_CONSUMERS;
            batch.decisions.clear();
            let first = row;
            while row < chunk.rows.len() {
                let decision = self.decision(chunk, row, &mut scratch)?;
                if decision.consumer / SHARD_CONSUMERS != shard {
                    break;
                }
                batch.decisions.push(decision);
                row += 1;
            }
            earned += batch.decisions.iter().map(|decision| f64::from(decision.reward)).sum::<f64>();
            self.observe(tick, chunk, first, batch);
            self.shard(tick, shard, batch)?;
        }
        Ok(earned)
    }

    /// Checked before; what is wrong now has changed since.
    fn decision(&self, chunk: &Chunk, row: usize, scratch: &mut String) -> Result<Decision, TeachingError> {
        let Self { log, file, .. } = self;
        file.columns.decision(chunk, row, log.actions, &log.numbers, scratch).map_err(|why| TeachingError::Unreadable {
            path: file.path.display().to_string(),
            why: format!("has changed: {why}"),
        })
    }

    fn observe(&self, tick: u32, chunk: &Chunk, first: usize, batch: &mut Batch) {
        let (rows, columns) = (batch.decisions.len(), &self.file.columns);
        let seen = &mut batch.observation;
        seen.tick = tick;
        seen.consumer_ids.clear();
        seen.consumer_ids.extend(batch.decisions.iter().map(|decision| decision.consumer));
        seen.allowed.reset_to_all(rows, self.log.actions);
        for row in 0..rows {
            let words = seen.allowed.row_mut(row);
            words.fill(0);
            for (index, byte) in columns.mask(chunk, first + row).iter().enumerate() {
                words[index / 8] |= u64::from(*byte) << (index % 8 * 8);
            }
        }
        let features = if self.agent.views().features { self.log.features } else { 0 };
        seen.features.reset(if features == 0 { 0 } else { rows }, features);
        for row in 0..if features == 0 { 0 } else { rows } {
            for feature in 0..features {
                seen.features.set(row, feature, columns.feature(chunk, first + row, feature));
            }
        }
    }

    /// Teaches the rows of one shard in one tick.
    fn shard(&mut self, tick: u32, shard: u32, batch: &mut Batch) -> Result<(), Diverged> {
        let looks_ahead = self.agent.is_sequential();
        let is_last = looks_ahead && tick + 1 == self.file.ticks;
        let is_one_shot = looks_ahead && self.file.ticks == 1;
        let learns = |decision: &Decision| match (looks_ahead, self.file.columns.has_windows()) {
            (false, true) => decision.window_reward.is_some(),
            _ => !is_last || is_one_shot || decision.terminated,
        };
        let rows: Vec<usize> = (0..batch.decisions.len()).filter(|&row| learns(&batch.decisions[row])).collect();
        batch.pick(&rows, looks_ahead, is_one_shot);
        if !rows.is_empty() {
            let metrics = self.agent.learn(&batch.transitions(), self.seed.derive(tick, shard))?;
            self.learning.take_in(rows.len() as u64, &metrics);
            self.learning.note(self.market, tick, &metrics);
        }
        if is_last && !is_one_shot {
            let left: Vec<usize> = (0..batch.decisions.len()).filter(|row| rows.binary_search(row).is_err()).collect();
            if !left.is_empty() {
                batch.picked.select(&batch.observation, &left);
                let ending = Ending { observation: &batch.picked, beyond: None };
                let metrics = self.agent.end_episode(&ending, self.seed.derive(tick + 1, shard))?;
                self.learning.take_in(0, &metrics);
                self.learning.note(self.market, tick, &metrics);
            }
        }
        Ok(())
    }
}

impl Batch {
    /// Takes the rows to learn from.
    fn pick(&mut self, rows: &[usize], looks_ahead: bool, is_one_shot: bool) {
        let Self { observation, decisions, actions, propensities, rewards, terminated, picked } = self;
        picked.select(observation, rows);
        actions.clear();
        actions.extend(rows.iter().map(|&row| decisions[row].action));
        propensities.clear();
        propensities.extend(rows.iter().map(|&row| decisions[row].propensity));
        rewards.clear();
        let reward = |decision: &Decision| {
            if looks_ahead { decision.reward } else { decision.window_reward.unwrap_or(decision.reward) }
        };
        rewards.extend(rows.iter().map(|&row| reward(&decisions[row])));
        terminated.clear();
        terminated.extend(rows.iter().map(|&row| is_one_shot || decisions[row].terminated));
    }

    fn transitions(&self) -> Transitions<'_> {
        Transitions {
            observation: &self.picked,
            actions: &self.actions,
            propensities: &self.propensities,
            rewards: &self.rewards,
            terminated: &self.terminated,
        }
    }
}
