//! Experience that is learned from once, by the law that made it: advantages by generalised advantage estimation.
//!
//! Schulman et al. 2016, equation 16: `A_t = δ_t + γ λ A_{t+1}` with `δ_t = r_t + γ V(s_{t+1}) - V(s_t)`. Nothing lies beyond
//! a termination. Beyond a time limit lies `V` of what was seen there, or what records tell; the sum of δ ends there either
//! way. Frames of many consumers and shards interleave, each linked with its own consumer's next.
//!
//! The newest frame of each consumer cannot be learned from until what follows is seen; it stays for the next rollout. Where
//! only whole episodes are learned from, all frames of an episode stay until it is over, or until there is no more room.

use super::checkpoint::Checkpoint;
use super::frames::{Course, FrameShape, Frames, NOWHERE};
use crate::protocol::{Ending, Transitions};
use std::io;

/// Frames since the last update.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    frames: Frames,
    complete: usize,
    whole: Option<usize>,
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
        Self { frames: Frames::new(shape), complete: 0, whole: None }
    }

    /// Empty; only episodes that are over will be learned from. With as many frames as this, all that there are.
    #[must_use]
    pub fn of_whole_episodes(shape: FrameShape, room: usize) -> Self {
        Self { whole: Some(room), ..Self::new(shape) }
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

    /// Whether there is no room for frames of episodes that go on.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.whole.is_some_and(|room| self.frames.len() >= room)
    }

    /// Stores what a shard lived in a tick; `follows` says of which consumers.
    pub fn push(&mut self, batch: &Transitions<'_>, follows: impl Fn(u32) -> bool) {
        for (row, &consumer) in batch.observation.consumer_ids.iter().enumerate() {
            if !follows(consumer) {
                continue;
            }
            let (slot, ended) = (self.frames.len(), batch.is_terminated(row));
            self.frames.write(slot, batch.observation, row);
            self.frames.act(slot, batch, row);
            self.complete += match self.whole {
                None => usize::from(self.frames.previous[slot] != NOWHERE) + usize::from(ended),
                Some(_) if ended => 1 + self.before(slot),
                Some(_) => 0,
            };
        }
    }

    /// The episodes of a shard stop at the time limit, in the eyes of somebody with this discount factor.
    pub fn close(&mut self, ending: &Ending<'_>, discount: f64, follows: impl Fn(u32) -> bool) {
        let values = ending.values(discount);
        for (row, &consumer) in ending.observation.consumer_ids.iter().enumerate() {
            if !follows(consumer) {
                continue;
            }
            let slot = self.frames.len();
            self.frames.write(slot, ending.observation, row);
            if let Some(values) = values {
                self.frames.value(slot, values[row]);
            }
            self.complete += match self.whole {
                None => usize::from(self.frames.previous[slot] != NOWHERE),
                Some(_) => self.before(slot),
            };
        }
    }

    /// Frames of the same episode before this one.
    fn before(&self, mut slot: usize) -> usize {
        let mut count = 0;
        while self.frames.previous[slot] != NOWHERE {
            slot = self.frames.previous[slot] as usize;
            count += 1;
        }
        count
    }

    /// Which frames belong to episodes that are over; all do where that does not matter, or where there is no more room.
    fn over(&self) -> Vec<bool> {
        let mut over = vec![self.whole.is_none() || self.is_full(); self.frames.len()];
        for slot in (0..self.frames.len()).rev() {
            over[slot] |= match (self.frames.course(slot), self.frames.next[slot]) {
                (Course::Open, NOWHERE) => self.is_lost(slot),
                (Course::Open, next) => over[next as usize],
                _ => true,
            };
        }
        over
    }

    /// Whether what follows the frame will not be seen any more: it is older than the tick that was lived last and the one
    /// before it, which some shards may not have lived through yet.
    fn is_lost(&self, slot: usize) -> bool {
        let newest = self.frames.ticks.last().copied().unwrap_or(0);
        self.frames.ticks[slot].abs_diff(newest) > 1
    }

    /// Advantages of all frames that can be learned from, given the value of every frame.
    #[must_use]
    pub fn advantages(&self, values: &[f32], discount: f32, lambda: f32) -> Advantages {
        let mut found = Advantages::default();
        let (over, mut of_frame) = (self.over(), vec![0.0; self.frames.len()]);
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
            if !over[slot] {
                continue;
            }
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

    /// Forgets what can be learned from, and keeps the frames that still wait for what follows. Who was not seen again by
    /// the tick after next never will be.
    pub fn clear(&mut self) {
        let over = self.over();
        let waits = |slot: &usize| {
            let is_last = self.frames.course(*slot) == Course::Open && self.frames.next[*slot] == NOWHERE;
            !over[*slot] || (is_last && !self.is_lost(*slot))
        };
        let slots: Vec<usize> = (0..self.frames.len()).filter(waits).collect();
        let mut kept = self.frames.only(&slots);
        // Frames of one episode that stay together stay linked.
        let mut moved = vec![NOWHERE; self.frames.len()];
        slots.iter().enumerate().for_each(|(to, from)| moved[*from] = to as u32);
        for (to, &from) in slots.iter().enumerate() {
            let place = |slot: u32| moved.get(slot as usize).copied().unwrap_or(NOWHERE);
            (kept.previous[to], kept.next[to]) = (place(self.frames.previous[from]), place(self.frames.next[from]));
        }
        self.frames = kept;
        self.complete = 0;
    }

    /// Keeps it.
    ///
    /// # Errors
    /// Where the notes cannot be written.
    pub fn save(&self, name: &str, to: &mut Checkpoint) -> io::Result<()> {
        to.put(format!("{name}.complete"), &[1], &[self.complete as u64]);
        to.note(&format!("{name}.whole"), &self.whole)?;
        self.frames.save(&format!("{name}.frames"), to)
    }

    /// What was kept.
    ///
    /// # Errors
    /// Where something is absent or does not fit together.
    pub fn load(name: &str, from: &Checkpoint) -> io::Result<Self> {
        let complete = from.take::<u64>(&format!("{name}.complete"), 1)?[0] as usize;
        let whole = from.noted(&format!("{name}.whole"))?;
        Ok(Self { frames: Frames::load(&format!("{name}.frames"), from)?, complete, whole })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::protocol::{ActionBits, Beyond, Observation};

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
        let propensities = &propensities;
        let batch = Transitions { observation: &observation, actions: &actions, propensities, rewards, terminated };
        rollout.push(&batch, |_| true);
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
            let beyond = known.as_ref().map(|values| Beyond { values, discount: 0.5 });
            rollout.close(&Ending { observation: &seen(2, &[2]), beyond }, 0.5, |_| true);
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

    /// Consumer 1 earns 1, 2 and ends; consumer 2 earns 3, 4, 5 and meets the time limit after the first is forgotten.
    #[test]
    fn whole_episodes_wait_for_their_end_or_for_want_of_room() {
        let mut rollout = Rollout::of_whole_episodes(rollout().frames.shape().clone(), 8);
        live(&mut rollout, 0, &[1, 2], &[1.0, 3.0], &[]);
        live(&mut rollout, 1, &[1, 2], &[2.0, 4.0], &[true, false]);
        assert_eq!(rollout.complete(), 2);
        let found = rollout.advantages(&[0.0; 4], 1.0, 1.0);
        assert_eq!((found.slots, found.advantages), (vec![0, 2], vec![3.0, 2.0]));
        rollout.clear();
        live(&mut rollout, 2, &[2], &[5.0], &[false]);
        let full = Rollout { whole: Some(3), ..rollout.clone() };
        assert!(full.is_full() && !rollout.is_full());
        assert_eq!(full.advantages(&[0.0, 0.0, 10.0], 1.0, 1.0).advantages, [17.0, 14.0]);
        let beyond = Some(Beyond { values: &[8.0], discount: 1.0 });
        rollout.close(&Ending { observation: &seen(3, &[2]), beyond }, 1.0, |_| true);
        assert_eq!(rollout.complete(), 3);
        assert_eq!(rollout.advantages(&[0.0; 4], 1.0, 1.0).advantages, [20.0, 17.0, 13.0]);
        rollout.clear();
        assert!(rollout.frames().is_empty());
    }

    #[test]
    fn who_is_not_followed_is_not_kept() {
        let mut rollout = rollout();
        let observation = seen(0, &[1, 2, 3]);
        let (actions, ones) = ([0; 3], [1.0; 3]);
        let batch = Transitions {
            observation: &observation,
            actions: &actions,
            propensities: &ones,
            rewards: &ones,
            terminated: &[],
        };
        rollout.push(&batch, |consumer| consumer == 2);
        rollout.close(&Ending { observation: &seen(1, &[1, 2, 3]), beyond: None }, 0.5, |consumer| consumer == 2);
        assert_eq!((rollout.frames().consumers.clone(), rollout.complete()), (vec![2, 2], 1));
    }
}
