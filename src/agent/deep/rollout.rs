//! Experience that is learned from once, by the law that made it: advantages by generalised advantage estimation.
//!
//! Schulman et al. 2016, equation 16: `A_t = δ_t + γ λ A_{t+1}` with `δ_t = r_t + γ V(s_{t+1}) - V(s_t)`. Nothing lies beyond
//! a termination. Beyond a time limit lies `V` of what was seen there, or what records tell; the sum of δ ends there either
//! way. Frames of many consumers and shards interleave, each linked with its own consumer's next.
//!
//! The newest frame of each consumer cannot be learned from until what follows is seen; it stays for the next rollout.

use super::checkpoint::Checkpoint;
use super::frames::{Course, FrameShape, Frames, NOWHERE};
use crate::protocol::{Ending, Transitions};
use std::io;

/// Frames since the last update.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    frames: Frames,
    complete: usize,
}

/// What is learned from, frame by frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Advantages {
    /// The frames.
    pub slots: Vec<u32>,
    /// A.
    pub advantages: Vec<f32>,
    /// A + V: what the value is fitted to.
    pub returns: Vec<f32>,
}

impl Rollout {
    /// Empty.
    #[must_use]
    pub fn new(shape: FrameShape) -> Self {
        Self { frames: Frames::new(shape), complete: 0 }
    }

    /// The frames.
    #[must_use]
    pub fn frames(&self) -> &Frames {
        &self.frames
    }

    /// Frames that can be learned from.
    #[must_use]
    pub fn complete(&self) -> usize {
        self.complete
    }

    /// Stores what a shard lived in a tick.
    pub fn push(&mut self, batch: &Transitions<'_>) {
        for row in 0..batch.actions.len() {
            let slot = self.frames.len();
            self.frames.write(slot, batch.observation, row);
            self.frames.act(slot, batch, row);
            self.complete += usize::from(self.frames.previous[slot] != NOWHERE) + usize::from(batch.is_terminated(row));
        }
    }

    /// The episodes of a shard stop at the time limit.
    pub fn close(&mut self, ending: &Ending<'_>) {
        for row in 0..ending.observation.rows() {
            let slot = self.frames.len();
            self.frames.write(slot, ending.observation, row);
            if let Some(values) = ending.values {
                self.frames.value(slot, values[row]);
            }
            self.complete += usize::from(self.frames.previous[slot] != NOWHERE);
        }
    }

    /// Advantages of all frames that can be learned from, given the value of every frame.
    #[must_use]
    pub fn advantages(&self, values: &[f32], discount: f32, lambda: f32) -> Advantages {
        let mut found = Advantages::default();
        let mut of_frame = vec![0.0; self.frames.len()];
        // A frame lies before the next of its consumer, so that going backwards meets that one first.
        for slot in (0..self.frames.len()).rev() {
            let next = self.frames.next[slot];
            let (beyond, carried) = match self.frames.course(slot) {
                Course::Cut | Course::Valued => continue,
                Course::Ended => (0.0, 0.0),
                Course::Open if next == NOWHERE => continue,
                Course::Open => {
                    let next = next as usize;
                    match self.frames.course(next) {
                        Course::Valued => (self.frames.rewards[next], 0.0),
                        _ => (values[next], of_frame[next]),
                    }
                }
            };
            let surprise = self.frames.rewards[slot] + discount * beyond - values[slot];
            of_frame[slot] = surprise + discount * lambda * carried;
            found.slots.push(slot as u32);
            found.advantages.push(of_frame[slot]);
            found.returns.push(of_frame[slot] + values[slot]);
        }
        found.slots.reverse();
        found.advantages.reverse();
        found.returns.reverse();
        found
    }

    /// Forgets what can be learned from, and keeps the frames that still wait for what follows: those of the tick that was
    /// lived last, and of the one before it, which some shards may not have lived through yet. Who was not seen again by
    /// then never will be.
    pub fn clear(&mut self) {
        let newest = self.frames.ticks.last().copied().unwrap_or(0);
        let waiting = |slot: &usize| {
            self.frames.course(*slot) == Course::Open
                && self.frames.next[*slot] == NOWHERE
                && self.frames.ticks[*slot].abs_diff(newest) <= 1
        };
        let slots: Vec<usize> = (0..self.frames.len()).filter(waiting).collect();
        self.frames = self.frames.only(&slots);
        self.complete = 0;
    }

    /// Keeps it.
    ///
    /// # Errors
    /// Where the notes cannot be written.
    pub fn save(&self, name: &str, to: &mut Checkpoint) -> io::Result<()> {
        to.put(format!("{name}.complete"), &[1], &[self.complete as u64]);
        self.frames.save(&format!("{name}.frames"), to)
    }

    /// What was kept.
    ///
    /// # Errors
    /// Where something is absent or does not fit together.
    pub fn load(name: &str, from: &Checkpoint) -> io::Result<Self> {
        let complete = from.take::<u64>(&format!("{name}.complete"), 1)?[0] as usize;
        Ok(Self { frames: Frames::load(&format!("{name}.frames"), from)?, complete })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::protocol::{ActionBits, Observation};

    fn seen(tick: u32, consumers: &[u32]) -> Observation {
        Observation {
            tick,
            consumer_ids: consumers.to_vec(),
            features: Matrix::new(consumers.len(), 1),
            allowed: ActionBits::all(consumers.len(), 2),
            ..Observation::default()
        }
    }

    fn live(rollout: &mut Rollout, tick: u32, consumers: &[u32], rewards: &[f32], terminated: &[bool]) {
        let (observation, actions) = (seen(tick, consumers), vec![0; consumers.len()]);
        let propensities = vec![1.0; consumers.len()];
        rollout.push(&Transitions {
            observation: &observation,
            actions: &actions,
            propensities: &propensities,
            rewards,
            terminated,
        });
    }

    fn rollout() -> Rollout {
        Rollout::new(FrameShape { actions: 2, events: 0, indicators: vec![false] })
    }

    /// γ = 0.5, λ = 0.5: consumer 1 earns 1, 2 and ends; consumer 2 earns 3, 4 and meets the time limit.
    #[test]
    fn advantages_by_hand_with_an_end_and_a_time_limit() {
        for known in [None, Some([8.0])] {
            let mut rollout = rollout();
            live(&mut rollout, 0, &[1, 2], &[1.0, 3.0], &[]);
            assert_eq!(rollout.complete(), 0);
            live(&mut rollout, 1, &[1, 2], &[2.0, 4.0], &[true, false]);
            assert_eq!(rollout.complete(), 3);
            rollout.close(&Ending { observation: &seen(2, &[2]), values: known.as_ref().map(|values| &values[..]) });
            assert_eq!(rollout.complete(), 4);
            // V of the frames (1,0), (2,0), (1,1), (2,1), (2,2).
            let found = rollout.advantages(&[10.0, 20.0, 30.0, 40.0, 6.0], 0.5, 0.5);
            let last = 4.0 + 0.5 * if known.is_some() { 8.0 } else { 6.0 } - 40.0;
            let expected = [1.0 + 15.0 - 10.0 + 0.25 * -28.0, 3.0 + 20.0 - 20.0 + 0.25 * last, 2.0 - 30.0, last];
            assert_eq!(found.advantages, expected);
            assert_eq!(found.returns, [expected[0] + 10.0, expected[1] + 20.0, 2.0, last + 40.0]);
            assert_eq!(found.slots, [0, 1, 2, 3]);
        }
    }

    #[test]
    fn frames_that_wait_are_kept_for_the_next_rollout() {
        let mut rollout = rollout();
        live(&mut rollout, 0, &[1, 2], &[1.0, 3.0], &[]);
        live(&mut rollout, 1, &[1], &[2.0], &[]);
        assert_eq!(rollout.complete(), 1);
        rollout.clear();
        assert_eq!((rollout.frames().len(), rollout.complete()), (2, 0));
        let mut checkpoint = Checkpoint::default();
        rollout.save("rollout", &mut checkpoint).unwrap();
        assert_eq!(Rollout::load("rollout", &checkpoint).unwrap(), rollout);
        live(&mut rollout, 1, &[2], &[4.0], &[]);
        live(&mut rollout, 2, &[1], &[5.0], &[true]);
        assert_eq!(rollout.complete(), 3);
        let found = rollout.advantages(&[0.0; 4], 1.0, 1.0);
        assert_eq!((found.slots, found.advantages), (vec![0, 1, 3], vec![3.0, 7.0, 5.0]));
    }
}
