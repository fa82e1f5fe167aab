//! Random numbers with an address: a draw is a pure function of (seed, purpose, entity, tick, block).
//!
//! The generator is Philox4x32-10 (Salmon, Moraes, Dror & Shaw, *Parallel random numbers: as easy as 1, 2, 3*, SC 2011).
//! Nothing is stored between draws, so threads, chunk sizes and the order of work cannot change a result, and the same
//! consumer meets the same luck under every policy (common random numbers). An event of probability `p` happens when
//! `u < p`, everywhere: raising `p` then never removes an event.

use rand_core::{Infallible, TryRng};
use serde::{Deserialize, Serialize};

/// Consumers that one lane operation handles at once.
pub const LANES: usize = 16;

const MULTIPLIER_0: u32 = 0xD251_1F53;
const MULTIPLIER_1: u32 = 0xCD9E_8D57;
const WEYL_0: u32 = 0x9E37_79B9;
const WEYL_1: u32 = 0xBB67_AE85;
const ROUNDS: usize = 10;

/// What a draw is for. Numbers are part of the file formats: never renumber, only append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Seeds of replications, training episodes and other sub-experiments.
    Derivation = 0,
    /// Static traits of a consumer.
    Traits = 1,
    /// Observable profile and customer-file sampling.
    Profile = 2,
    /// What a consumer does of their own accord in a tick: order, visit, drop out.
    Organic = 3,
    /// The funnel of the message of a tick: deliver, open, click, remember the coupon.
    Message = 4,
    /// What follows a click: conversion, session or pending, delay.
    Conversion = 5,
    /// Unsubscribe and complaint.
    OptOut = 6,
    /// Basket value.
    Basket = 7,
    /// Dropout after an order.
    Dropout = 8,
    /// The action drawn by a policy.
    Policy = 9,
    /// Posterior samples of an agent.
    Posterior = 10,
    /// Rank of a consumer in a tick with a scarce budget.
    Budget = 11,
    /// Outcomes of an environment given by a logit table.
    LogitOutcome = 12,
    /// Transitions of a finite environment.
    FiniteTransition = 13,
    /// Random assignment of consumers to arms.
    Assignment = 14,
    /// Resampling in statistics.
    Bootstrap = 15,
    /// Synthetic problems of tests, benches and examples.
    Problem = 16,
    /// What an agent draws while it learns.
    Learning = 17,
    /// The initial state of a consumer before the lived history.
    InitialState = 18,
    /// Visits to the site and offers shown there.
    Visit = 19,
    /// Market-wide series: competitors, regimes, drift.
    Series = 20,
    /// Which orders are talked about.
    WordOfMouth = 21,
    /// Who knows whom.
    Graph = 22,
    /// Changes of intent, and what they let be seen.
    Stage = 23,
    /// Whether a message reaches the inbox.
    Inbox = 24,
    /// Whether a message wakes a customer who leaves.
    Wake = 25,
    /// What the sender is told: machine opens, bot clicks, lost and late orders.
    Measurement = 26,
    /// When a consumer comes.
    Arrival = 27,
    /// Groups and their proxies.
    Group = 28,
    /// Surveys and reviews.
    Review = 29,
    /// Tastes of creatives.
    Creative = 30,
    /// Initial weights of networks.
    Weights = 31,
    /// Which transitions are learned from again.
    Replay = 32,
    /// Values that a search for parameters tries.
    Tuning = 40,
}

/// The seed of an experiment or of one part of it; the key of the generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(u64);

impl Seed {
    /// A seed from its number.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The number it was made from.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// An independent seed for a part of the experiment, addressed by two numbers (say replication and episode).
    #[must_use]
    pub fn derive(self, part: u32, index: u32) -> Self {
        let words = self.words(Purpose::Derivation, part, index, 0);
        Self(u64::from(words[0]) | u64::from(words[1]) << 32)
    }

    const fn key(self) -> [u32; 2] {
        [self.0 as u32, (self.0 >> 32) as u32]
    }

    /// Four random words.
    #[inline]
    #[must_use]
    pub fn words(self, purpose: Purpose, entity: u32, tick: u32, block: u32) -> [u32; 4] {
        philox4x32_10([block, tick, entity, purpose as u32], self.key())
    }

    /// Four uniforms, strictly inside (0, 1).
    #[inline]
    #[must_use]
    pub fn uniforms(self, purpose: Purpose, entity: u32, tick: u32, block: u32) -> [f32; 4] {
        self.words(purpose, entity, tick, block).map(uniform)
    }

    /// Four uniforms for each of 16 consecutive entities: `[word][lane]`, the same values as [`Seed::uniforms`].
    #[inline(always)]
    #[must_use]
    pub fn uniforms_in_lanes(self, purpose: Purpose, first_entity: u32, tick: u32, block: u32) -> [[f32; LANES]; 4] {
        let mut entities = [0; LANES];
        for (lane, entity) in entities.iter_mut().enumerate() {
            *entity = first_entity.wrapping_add(lane as u32);
        }
        self.uniforms_of_entities(purpose, entities, tick, block)
    }

    /// Four words for each of 16 consecutive entities: `[word][lane]`, the same as [`Seed::words`].
    #[inline(always)]
    #[must_use]
    pub fn words_in_lanes(self, purpose: Purpose, first_entity: u32, tick: u32, block: u32) -> [[u32; LANES]; 4] {
        let mut counter = [[block; LANES], [tick; LANES], [0; LANES], [purpose as u32; LANES]];
        for (lane, entity) in counter[2].iter_mut().enumerate() {
            *entity = first_entity.wrapping_add(lane as u32);
        }
        philox4x32_10_in_lanes(counter, self.key())
    }

    /// Four uniforms for each of 16 entities: `[word][lane]`, the same values as [`Seed::uniforms`].
    #[inline(always)]
    #[must_use]
    pub fn uniforms_of_entities(
        self,
        purpose: Purpose,
        entities: [u32; LANES],
        tick: u32,
        block: u32,
    ) -> [[f32; LANES]; 4] {
        let counter = [[block; LANES], [tick; LANES], entities, [purpose as u32; LANES]];
        let [a, b, c, d] = philox4x32_10_in_lanes(counter, self.key());
        [lane_uniforms(a), lane_uniforms(b), lane_uniforms(c), lane_uniforms(d)]
    }

    /// Four uniforms from each of 16 consecutive blocks of one address: `[word][lane]`, the same values as
    /// [`Seed::uniforms`] with `block = first_block + lane`.
    #[inline(always)]
    #[must_use]
    pub fn uniforms_of_blocks(self, purpose: Purpose, entity: u32, tick: u32, first_block: u32) -> [[f32; LANES]; 4] {
        let mut counter = [[0; LANES], [tick; LANES], [entity; LANES], [purpose as u32; LANES]];
        for (lane, block) in counter[0].iter_mut().enumerate() {
            *block = first_block.wrapping_add(lane as u32);
        }
        let [a, b, c, d] = philox4x32_10_in_lanes(counter, self.key());
        [lane_uniforms(a), lane_uniforms(b), lane_uniforms(c), lane_uniforms(d)]
    }

    /// A stream of words at this address, for samplers that need an unknown number of them.
    #[must_use]
    pub fn stream(self, purpose: Purpose, entity: u32, tick: u32) -> Stream {
        Stream { seed: self, purpose, entity, tick, block: 0, words: [0; 4], used: 4 }
    }
}

/// Uniform from the upper 23 bits: exact in `f32`, at least 2^-24, at most 1 - 2^-24.
#[inline(always)]
#[must_use]
pub fn uniform(word: u32) -> f32 {
    // The bits are the mantissa of a number in [1, 2); both the difference and (bits + 0.5) / 2^23 are exact, so they
    // are equal. A conversion from integers would be done lane by lane.
    f32::from_bits(0x3f80_0000 | word >> 9) - (1.0 - 1.0 / 16_777_216.0)
}

#[inline(always)]
fn lane_uniforms(words: [u32; LANES]) -> [f32; LANES] {
    let mut uniforms = [0.0; LANES];
    for lane in 0..LANES {
        uniforms[lane] = uniform(words[lane]);
    }
    uniforms
}

#[inline(always)]
fn multiply(a: u32, b: u32) -> (u32, u32) {
    let product = u64::from(a) * u64::from(b);
    ((product >> 32) as u32, product as u32)
}

/// Philox4x32 with ten rounds.
#[inline]
#[must_use]
pub fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..ROUNDS {
        let (high_0, low_0) = multiply(MULTIPLIER_0, c0);
        let (high_1, low_1) = multiply(MULTIPLIER_1, c2);
        (c0, c1, c2, c3) = (high_1 ^ c1 ^ k0, low_1, high_0 ^ c3 ^ k1, low_0);
        k0 = k0.wrapping_add(WEYL_0);
        k1 = k1.wrapping_add(WEYL_1);
    }
    [c0, c1, c2, c3]
}

#[inline(always)]
fn philox4x32_10_in_lanes(counter: [[u32; LANES]; 4], key: [u32; 2]) -> [[u32; LANES]; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..ROUNDS {
        for lane in 0..LANES {
            let (high_0, low_0) = multiply(MULTIPLIER_0, c0[lane]);
            let (high_1, low_1) = multiply(MULTIPLIER_1, c2[lane]);
            c0[lane] = high_1 ^ c1[lane] ^ k0;
            c2[lane] = high_0 ^ c3[lane] ^ k1;
            c1[lane] = low_1;
            c3[lane] = low_0;
        }
        k0 = k0.wrapping_add(WEYL_0);
        k1 = k1.wrapping_add(WEYL_1);
    }
    [c0, c1, c2, c3]
}

/// Words at one address, block after block; what `rand_distr` samples from.
#[derive(Clone, Debug)]
pub struct Stream {
    seed: Seed,
    purpose: Purpose,
    entity: u32,
    tick: u32,
    block: u32,
    words: [u32; 4],
    used: usize,
}

impl Stream {
    /// The next word.
    #[inline]
    pub fn word(&mut self) -> u32 {
        if self.used == 4 {
            self.words = self.seed.words(self.purpose, self.entity, self.tick, self.block);
            self.block = self.block.wrapping_add(1);
            self.used = 0;
        }
        let word = self.words[self.used];
        self.used += 1;
        word
    }

    /// The next uniform, strictly inside (0, 1).
    #[inline]
    pub fn uniform(&mut self) -> f32 {
        uniform(self.word())
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.word())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = u64::from(self.word());
        Ok(low | u64::from(self.word()) << 32)
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Infallible> {
        for chunk in destination.chunks_mut(4) {
            let bytes = self.word().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn philox_known_answers_of_random123() {
        assert_eq!(philox4x32_10([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32_10([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox4x32_10([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn lanes_equal_scalars() {
        let seed = Seed::new(0x0123_4567_89ab_cdef);
        let lanes = seed.uniforms_in_lanes(Purpose::Organic, u32::MAX - 3, 9, 2);
        for lane in 0..LANES {
            let scalar = seed.uniforms(Purpose::Organic, (u32::MAX - 3).wrapping_add(lane as u32), 9, 2);
            let words = seed.words(Purpose::Organic, (u32::MAX - 3).wrapping_add(lane as u32), 9, 2);
            for word in 0..4 {
                assert_eq!(lanes[word][lane].to_bits(), scalar[word].to_bits());
                assert_eq!(seed.words_in_lanes(Purpose::Organic, u32::MAX - 3, 9, 2)[word][lane], words[word]);
            }
        }
    }

    #[test]
    fn block_lanes_equal_scalars() {
        let seed = Seed::new(0x0123_4567_89ab_cdef);
        let lanes = seed.uniforms_of_blocks(Purpose::Posterior, 5, 9, u32::MAX - 3);
        for lane in 0..LANES {
            let scalar = seed.uniforms(Purpose::Posterior, 5, 9, (u32::MAX - 3).wrapping_add(lane as u32));
            for word in 0..4 {
                assert_eq!(lanes[word][lane].to_bits(), scalar[word].to_bits());
            }
        }
    }

    #[test]
    fn uniforms_stay_strictly_inside_the_unit_interval() {
        for word in (0..=u32::MAX).step_by(4_099) {
            assert_eq!(uniform(word), ((word >> 9) as f32 + 0.5) * (1.0 / 8_388_608.0));
        }
        assert!(uniform(0) > 0.0);
        assert!(uniform(u32::MAX) < 1.0);
    }

    #[test]
    fn values_are_stable() {
        let seed = Seed::new(7);
        assert_eq!(seed.words(Purpose::Traits, 3, 5, 0), philox4x32_10([0, 5, 3, 1], [7, 0]));
        let mut stream = seed.stream(Purpose::Traits, 3, 5);
        let first: Vec<u32> = (0..8).map(|_| stream.word()).collect();
        assert_eq!(first[..4], seed.words(Purpose::Traits, 3, 5, 0));
        assert_eq!(first[4..], seed.words(Purpose::Traits, 3, 5, 1));
    }

    #[test]
    fn addresses_give_independent_normals() {
        let draws = 40_000;
        let mut sum = 0.0;
        let mut squares = 0.0;
        let mut products = 0.0;
        for entity in 0..draws {
            let x: f64 = StandardNormal.sample(&mut Seed::new(1).stream(Purpose::Traits, entity, 0));
            let y: f64 = StandardNormal.sample(&mut Seed::new(1).stream(Purpose::Traits, entity, 1));
            sum += x;
            squares += x * x;
            products += x * y;
        }
        let count = f64::from(draws);
        let standard_error = 1.0 / count.sqrt();
        assert!((sum / count).abs() < 4.0 * standard_error);
        assert!((squares / count - 1.0).abs() < 4.0 * standard_error * 2f64.sqrt());
        assert!((products / count).abs() < 4.0 * standard_error);
    }

    #[test]
    fn derived_seeds_differ() {
        let seed = Seed::new(7);
        assert_ne!(seed.derive(0, 0), seed.derive(0, 1));
        assert_ne!(seed.derive(0, 0), seed.derive(1, 0));
        assert_ne!(seed.derive(0, 0), seed);
    }
}
