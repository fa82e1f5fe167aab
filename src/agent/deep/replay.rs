//! Experience that is learned from again and again: uniformly, or by priority.
//!
//! Mnih et al. 2015 (uniform); Schaul et al. 2016, *Prioritized experience replay*, the proportional variant of section 3.3:
//! `P(i) ∝ p_i^α`, importance weights `(N P(i))^-β` over the greatest of the batch, new frames with the greatest priority
//! so far. Returns go over n steps (Sutton 1988; Hessel et al. 2018): `Σ γ^k r` and what to multiply the value of the frame
//! after them with.
//!
//! A frame can be learned from as soon as n steps of its consumer follow, or fewer up to the end of the episode. Termination
//! has nothing beyond; a time limit does: the frame after the last action is bootstrapped from, or, where records tell what
//! lies beyond, has that value.
//!
//! The ring forgets the oldest frames. Draws are addressed by (seed, [`Purpose::Replay`], number of the update).

mod sum_tree;

use super::checkpoint::{Checkpoint, invalid};
use super::frames::{Course, FrameShape, Frames, NOWHERE};
use crate::protocol::{Ending, Transitions};
use crate::random::{Purpose, Seed};
use serde::{Deserialize, Serialize};
use std::io;
use sum_tree::SumTree;

/// Added to every error, so that nothing is never drawn.
const PRIORITY_MIN: f64 = 1e-6;

/// How replay works.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplaySettings {
    /// Frames kept.
    pub capacity: usize,
    /// Steps of a return, at least 1.
    pub steps: usize,
    /// Discount factor per tick.
    pub discount: f64,
    /// Exponent α of priorities; `None` is uniform.
    pub alpha: Option<f64>,
}

/// The ring.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    settings: ReplaySettings,
    frames: Frames,
    /// Where the next frame goes.
    head: usize,
    ready: Vec<bool>,
    ready_count: usize,
    tree: Option<SumTree>,
    priority_max: f64,
}

/// What was drawn, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Frames of the actions.
    pub slots: Vec<u32>,
    /// What was done.
    pub actions: Vec<u16>,
    /// Discounted rewards of up to n steps, and what is known to lie beyond.
    pub returns: Vec<f32>,
    /// Multiplies the value of `ends`; 0 where nothing is to be added.
    pub discounts: Vec<f32>,
    /// Frames after the n steps; the same as `slots` where there is none.
    pub ends: Vec<u32>,
    /// Importance weights, at most 1.
    pub weights: Vec<f32>,
}

impl Replay {
    /// Empty.
    #[must_use]
    pub fn new(shape: FrameShape, settings: ReplaySettings) -> Self {
        Self {
            settings,
            frames: Frames::new(shape),
            head: 0,
            ready: Vec::new(),
            ready_count: 0,
            tree: settings.alpha.map(|_| SumTree::new(settings.capacity)),
            priority_max: 1.0,
        }
    }

    /// The frames.
    #[must_use]
    pub fn frames(&self) -> &Frames {
        &self.frames
    }

    /// Frames that can be learned from.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready_count
    }

    /// Stores what a shard lived in a tick; `follows` says of which consumers.
    pub fn push(&mut self, batch: &Transitions<'_>, follows: impl Fn(u32) -> bool) {
        for (row, &consumer) in batch.observation.consumer_ids.iter().enumerate() {
            if !follows(consumer) {
                continue;
            }
            let slot = self.take_slot(batch.observation, row);
            self.frames.act(slot, batch, row);
            self.mature(slot);
        }
    }

    /// The episodes of a shard stop at the time limit.
    pub fn close(&mut self, ending: &Ending<'_>, follows: impl Fn(u32) -> bool) {
        let values = ending.values(self.settings.discount);
        for (row, &consumer) in ending.observation.consumer_ids.iter().enumerate() {
            if !follows(consumer) {
                continue;
            }
            let slot = self.take_slot(ending.observation, row);
            if let Some(values) = values {
                self.frames.value(slot, values[row]);
            }
            self.mature(slot);
        }
    }

    fn take_slot(&mut self, observation: &crate::protocol::Observation, row: usize) -> usize {
        let slot = self.head;
        self.head = (self.head + 1) % self.settings.capacity;
        if slot == self.frames.len() {
            self.ready.push(false);
        } else {
            // Frames that reach into this one are older, so that they are gone already.
            self.set_ready(slot, false);
        }
        self.frames.write(slot, observation, row);
        slot
    }

    fn set_ready(&mut self, slot: usize, ready: bool) {
        if self.ready[slot] == ready {
            return;
        }
        self.ready[slot] = ready;
        self.ready_count = if ready { self.ready_count + 1 } else { self.ready_count - 1 };
        if let (Some(tree), Some(alpha)) = (&mut self.tree, self.settings.alpha) {
            tree.set(slot, if ready { libm::pow(self.priority_max, alpha) } else { 0.0 });
        }
    }

    /// A new frame makes older ones of the same consumer ready: the one n steps back, or all within n steps where the
    /// episode is over.
    fn mature(&mut self, slot: usize) {
        let course = self.frames.course(slot);
        let over = course != Course::Open;
        if course == Course::Ended {
            self.set_ready(slot, true);
        }
        let mut back = slot;
        for step in 1..=self.settings.steps {
            let before = self.frames.previous[back];
            if before == NOWHERE {
                break;
            }
            back = before as usize;
            if over || step == self.settings.steps {
                self.set_ready(back, true);
            }
        }
    }

    /// Draws so many frames that can be learned from. β is the exponent of importance weights. Nothing where none is ready.
    #[must_use]
    pub fn sample(&self, rows: usize, beta: f64, seed: Seed, update: u32) -> Sample {
        let mut sample = Sample::default();
        if self.ready_count == 0 {
            return sample;
        }
        let mut stream = seed.stream(Purpose::Replay, update, 0);
        let mut weights = Vec::with_capacity(rows);
        for row in 0..rows {
            let slot = match &self.tree {
                None => loop {
                    // The product keeps all bits: each slot has its share to within 2^-32.
                    let slot = ((u64::from(stream.word()) * self.frames.len() as u64) >> 32) as usize;
                    if self.ready[slot] {
                        break slot;
                    }
                },
                Some(tree) => {
                    // One draw from each of as many equal parts of the total (Schaul et al., appendix B.2.1).
                    let part = (row as f64 + f64::from(stream.uniform())) / rows as f64;
                    tree.find(part * tree.total())
                }
            };
            let weight = self
                .tree
                .as_ref()
                .map_or(1.0, |tree| libm::pow(self.ready_count as f64 * tree.get(slot) / tree.total(), -beta));
            weights.push(weight);
            self.append(slot, &mut sample);
        }
        let greatest = weights.iter().copied().fold(0.0, f64::max);
        sample.weights = weights.into_iter().map(|weight| (weight / greatest) as f32).collect();
        sample
    }

    fn append(&self, slot: usize, sample: &mut Sample) {
        let (mut sum, mut factor, mut at, mut end) = (0.0, 1.0, slot, None);
        for _ in 0..self.settings.steps {
            sum += factor * f64::from(self.frames.rewards[at]);
            factor *= self.settings.discount;
            let next = self.frames.next[at];
            if self.frames.course(at) == Course::Ended || next == NOWHERE {
                end = None;
                break;
            }
            at = next as usize;
            end = Some(at);
            match self.frames.course(at) {
                Course::Valued => {
                    sum += factor * f64::from(self.frames.rewards[at]);
                    end = None;
                    break;
                }
                Course::Cut => break,
                Course::Open | Course::Ended => {}
            }
        }
        sample.slots.push(slot as u32);
        sample.actions.push(self.frames.actions[slot]);
        sample.returns.push(sum as f32);
        sample.discounts.push(if end.is_some() { factor as f32 } else { 0.0 });
        sample.ends.push(end.unwrap_or(slot) as u32);
    }

    /// Tells the errors with which drawn frames were learned.
    pub fn update(&mut self, slots: &[u32], errors: &[f32]) {
        let (Some(tree), Some(alpha)) = (&mut self.tree, self.settings.alpha) else { return };
        for (slot, error) in slots.iter().zip(errors) {
            let priority = f64::from(error.abs()) + PRIORITY_MIN;
            if self.ready[*slot as usize] {
                self.priority_max = self.priority_max.max(priority);
                tree.set(*slot as usize, libm::pow(priority, alpha));
            }
        }
    }

    /// Keeps all of it.
    ///
    /// # Errors
    /// Where the notes cannot be written.
    pub fn save(&self, name: &str, to: &mut Checkpoint) -> io::Result<()> {
        self.frames.save(&format!("{name}.frames"), to)?;
        to.note(&format!("{name}.settings"), &self.settings)?;
        to.put(format!("{name}.head"), &[1], &[self.head as u64]);
        let ready: Vec<u8> = self.ready.iter().map(|ready| u8::from(*ready)).collect();
        to.put(format!("{name}.ready"), &[ready.len()], &ready);
        to.put(format!("{name}.priority_max"), &[1], &[self.priority_max]);
        if let Some(tree) = &self.tree {
            let leaves: Vec<f64> = (0..self.frames.len()).map(|slot| tree.get(slot)).collect();
            to.put(format!("{name}.priorities"), &[leaves.len()], &leaves);
        }
        Ok(())
    }

    /// What was kept.
    ///
    /// # Errors
    /// Where something is absent or does not fit together.
    pub fn load(name: &str, from: &Checkpoint) -> io::Result<Self> {
        let settings: ReplaySettings = from.noted(&format!("{name}.settings"))?;
        let frames = Frames::load(&format!("{name}.frames"), from)?;
        let slots = frames.len();
        let ready: Vec<u8> = from.take(&format!("{name}.ready"), slots)?;
        let head = from.take::<u64>(&format!("{name}.head"), 1)?[0] as usize;
        if settings.capacity < slots || settings.capacity == 0 || head > slots || settings.steps == 0 {
            return Err(invalid(format!("the replay `{name}` does not fit its capacity")));
        }
        let ready: Vec<bool> = ready.into_iter().map(|ready| ready == 1).collect();
        let mut tree = settings.alpha.map(|_| SumTree::new(settings.capacity));
        if let Some(tree) = &mut tree {
            let priorities: Vec<f64> = from.take(&format!("{name}.priorities"), slots)?;
            priorities.into_iter().enumerate().for_each(|(slot, priority)| tree.set(slot, priority));
        }
        let priority_max = from.take(&format!("{name}.priority_max"), 1)?[0];
        let ready_count = ready.iter().filter(|ready| **ready).count();
        Ok(Self { settings, frames, head, ready, ready_count, tree, priority_max })
    }
}

#[cfg(test)]
mod tests;
