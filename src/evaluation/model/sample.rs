//! A bounded sample of a log's rounds, for models that need several passes.

use super::design::Design;
use super::{Rounds, Shape};

/// Most rounds of a sample.
const ROUNDS: u64 = 200_000;
/// Most numbers of a sample (64 MiB).
const NUMBERS: u64 = 1 << 23;

/// Rounds chosen by a hash of their number, so that the choice depends on neither batches nor threads.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) design: Design,
    /// `rounds × design.context`, row-major.
    pub(super) contexts: Vec<f64>,
    pub(super) actions: Vec<u32>,
    pub(super) rewards: Vec<f64>,
    pub(super) weights: Vec<f64>,
    pub(super) folds: Vec<u8>,
    of: u64,
    threshold: u64,
    context: Vec<f64>,
}

impl Sample {
    pub(super) fn new(shape: &Shape, most: u64) -> Self {
        let design = Design::new(shape);
        let most = most.min(ROUNDS).min(NUMBERS / design.context as u64).max(1);
        let threshold = if shape.rounds <= most {
            u64::MAX
        } else {
            // Below 2^53, so exact; a hash is below it with the probability that is wanted.
            (most as f64 / shape.rounds as f64 * u64::MAX as f64) as u64
        };
        Self {
            context: vec![0.0; design.context],
            design,
            contexts: Vec::new(),
            actions: Vec::new(),
            rewards: Vec::new(),
            weights: Vec::new(),
            folds: Vec::new(),
            of: shape.rounds,
            threshold,
        }
    }

    pub(super) fn take(&mut self, rounds: &Rounds<'_>, weights: Option<&[f64]>) {
        for round in 0..rounds.count() {
            if scattered(rounds.first + round as u64) > self.threshold {
                continue;
            }
            self.design.context_of(rounds, round, &mut self.context);
            self.contexts.extend_from_slice(&self.context);
            self.actions.push(rounds.actions[round]);
            self.rewards.push(rounds.rewards[round]);
            self.weights.push(weights.map_or(1.0, |weights| weights[round]));
            self.folds.push(rounds.folds[round]);
        }
    }

    /// The context of a round of the sample.
    pub(super) fn context(&self, round: usize) -> &[f64] {
        &self.contexts[round * self.design.context..][..self.design.context]
    }

    /// Rounds that are not of a fold.
    pub(super) fn without(&self, fold: Option<u8>) -> Vec<usize> {
        (0..self.actions.len()).filter(|round| fold != Some(self.folds[*round])).collect()
    }

    /// Says what was left out.
    pub(super) fn note(&self) -> Option<String> {
        let sampled = (self.threshold < u64::MAX).then(|| {
            format!("it is fitted on {} of {} rounds, chosen by a hash of their number", self.actions.len(), self.of)
        });
        let notes: Vec<String> = sampled.into_iter().chain(self.design.note()).collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}

/// A hash that spreads consecutive numbers (Steele, Lea and Flood 2014, the finaliser of SplitMix64).
pub(super) fn scattered(number: u64) -> u64 {
    let mut word = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::super::testing::Log;
    use super::*;

    #[test]
    fn a_sample_is_about_as_large_as_asked_for_and_whole_where_it_can_be() {
        let log = Log::drawn(4_000, 2, |_, _, _, u| u);
        let mut whole = Sample::new(&log.shape, 4_000);
        log.show(|rounds| whole.take(rounds, None));
        assert_eq!((whole.actions.len(), whole.note()), (4_000, None));
        let mut part = Sample::new(&log.shape, 1_000);
        log.show(|rounds| part.take(rounds, None));
        // Binomial(4000, 1/4) has standard deviation 27.
        assert!(part.actions.len().abs_diff(1_000) < 110, "{}", part.actions.len());
        assert!(part.note().unwrap().contains("of 4000 rounds"));
    }
}
