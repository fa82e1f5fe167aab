//! What each consumer of the market that is being lived in has answered to each arm, and what that says about how much
//! consumers differ.
//!
//! Two markets have different people under the same numbers, so that answers are kept for one market alone: where the
//! clock goes back, or the consumers of a tick begin anew, a new market has begun and the answers are dropped. What they
//! said about how much consumers differ is kept.

use crate::protocol::Observation;
use serde::{Deserialize, Serialize};

/// Answers by consumer and arm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Persons {
    arms: usize,
    /// Tick of the latest rewards, and the last consumer they came from.
    latest: Option<(u32, u32)>,
    /// Rows, `[consumer][arm]`; grows with the consumers that are met.
    counts: Vec<u16>,
    /// Sums of rewards, `[consumer][arm]`.
    sums: Vec<f32>,
    /// The group in which a consumer was last met.
    groups: Vec<u16>,
    /// Squared distances of rewards from the mean of their consumer and arm, over all markets, and their degrees.
    within: (f64, f64),
    /// Of markets that are over: products of rewards that one consumer gave to two arms, and their number.
    across: (f64, f64),
}

impl Persons {
    /// Nobody has answered.
    pub(super) fn new(arms: usize) -> Self {
        Self { arms, ..Self::default() }
    }

    /// Tick of the latest rewards.
    pub(super) fn latest_tick(&self) -> Option<u32> {
        self.latest.map(|(tick, _)| tick)
    }

    /// Whether rows belong to another market than those before.
    pub(super) fn is_new_market(&self, observation: &Observation) -> bool {
        let first = observation.consumer_ids.first().copied().unwrap_or(0);
        self.latest.is_some_and(|(tick, last)| observation.tick < tick || (observation.tick == tick && first <= last))
    }

    /// Forgets who answered what; `expected` are the rewards that groups expect, `[group][arm]`.
    pub(super) fn leave_market(&mut self, expected: &[f64]) {
        self.across = self.products(expected);
        self.counts.clear();
        self.sums.clear();
        self.groups.clear();
    }

    /// Rows and sums of rewards of a consumer; `None` where there are none of this consumer.
    #[inline]
    pub(super) fn answers(&self, consumer: u32) -> Option<(&[u16], &[f32])> {
        let first = consumer as usize * self.arms;
        Some((self.counts.get(first..first + self.arms)?, self.sums.get(first..first + self.arms)?))
    }

    /// Takes in a reward; returns how many rows of the arm the consumer had before.
    pub(super) fn add(&mut self, consumer: u32, group: u16, arm: u16, reward: f64) -> f64 {
        let consumer = consumer as usize;
        if consumer >= self.groups.len() {
            self.groups.resize(consumer + 1, 0);
            self.counts.resize((consumer + 1) * self.arms, 0);
            self.sums.resize((consumer + 1) * self.arms, 0.0);
        }
        self.groups[consumer] = group;
        let cell = consumer * self.arms + usize::from(arm);
        let before = f64::from(self.counts[cell]);
        if self.counts[cell] < u16::MAX {
            if before > 0.0 {
                let distance = reward - f64::from(self.sums[cell]) / before;
                self.within.0 += distance * distance * before / (before + 1.0);
                self.within.1 += 1.0;
            }
            self.counts[cell] += 1;
            self.sums[cell] += reward as f32;
        }
        before
    }

    /// Remembers whose rewards were the latest.
    pub(super) fn came_to(&mut self, observation: &Observation) {
        if let Some(&last) = observation.consumer_ids.last() {
            self.latest = Some((observation.tick, last));
        }
    }

    /// Sum of squares between rewards of the same consumer and arm, and its degrees of freedom.
    pub(super) fn within(&self) -> (f64, f64) {
        self.within
    }

    /// Sum over consumers of products of rewards, each less what its group expects, over pairs of different arms, and the
    /// number of these pairs: their ratio is the variance of what consumers earn whatever is done.
    pub(super) fn products(&self, expected: &[f64]) -> (f64, f64) {
        let (mut products, mut pairs) = self.across;
        let consumers = self.counts.chunks_exact(self.arms.max(1)).zip(self.sums.chunks_exact(self.arms.max(1)));
        for ((counts, sums), &group) in consumers.zip(&self.groups) {
            let expected = &expected[usize::from(group) * self.arms..][..self.arms];
            let (mut sum, mut squares, mut rows, mut squared_rows) = (0.0, 0.0, 0.0, 0.0);
            for ((&count, &total), mean) in counts.iter().zip(sums).zip(expected) {
                let count = f64::from(count);
                let distance = f64::from(total) - count * mean;
                sum += distance;
                squares += distance * distance;
                rows += count;
                squared_rows += count * count;
            }
            products += sum * sum - squares;
            pairs += rows * rows - squared_rows;
        }
        (products, pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(tick: u32, consumers: std::ops::Range<u32>) -> Observation {
        Observation { tick, consumer_ids: consumers.collect(), ..Observation::default() }
    }

    #[test]
    fn a_market_ends_where_the_clock_goes_back() {
        let mut persons = Persons::new(2);
        assert!(!persons.is_new_market(&seen(5, 0..10)));
        persons.came_to(&seen(5, 0..10));
        for (tick, consumers, is_new) in [(5, 10..20, false), (6, 0..10, false), (5, 0..10, true), (4, 10..20, true)] {
            assert_eq!(persons.is_new_market(&seen(tick, consumers.clone())), is_new, "{tick} {consumers:?}");
        }
    }

    #[test]
    fn moments_by_hand() {
        let mut persons = Persons::new(2);
        // Consumer 1 answers 1 and 3 to arm 0 and 6 to arm 1; 1 and 2 are expected.
        assert_eq!([persons.add(1, 0, 0, 1.0), persons.add(1, 0, 0, 3.0), persons.add(1, 0, 1, 6.0)], [0.0, 1.0, 0.0]);
        assert_eq!(persons.within(), (2.0, 1.0));
        // Distances 0 + 2 and 4, in pairs: 2 (0 * 4 + 2 * 4) over 4 ordered pairs.
        assert_eq!(persons.products(&[1.0, 2.0]), (16.0, 4.0));
        assert_eq!(persons.answers(1), Some((&[2, 1][..], &[4.0, 6.0][..])));
        assert_eq!(persons.answers(0), Some((&[0, 0][..], &[0.0, 0.0][..])));
        assert_eq!(persons.answers(2), None);
        persons.leave_market(&[1.0, 2.0]);
        assert_eq!(
            (persons.answers(1), persons.products(&[0.0, 0.0]), persons.within()),
            (None, (16.0, 4.0), (2.0, 1.0))
        );
    }
}
