//! Who gets which arm, when: drawn by address, so that nobody's arm depends on anybody else's.

use super::exposure::{Exposed, Exposure, exposure};
use crate::protocol::World;
use crate::random::{Purpose, Seed};
use std::sync::Arc;

/// Arms of a test, at most.
pub const ARMS_MAX: usize = 64;

/// The parts of an address: what is assigned.
const CONSUMER: u32 = 0;
const COMMUNITY: u32 = 1;
const PERIOD: u32 = 2;

/// What is assigned as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Randomised {
    /// Each consumer by themselves.
    Consumer,
    /// Each community of the graph: all of its members get the same arm (Ugander, Karrer, Backstrom & Kleinberg 2013).
    Community,
    /// Each stretch of time, for all consumers at once (switchback; Bojinov, Simchi-Levi & Zhao 2023). Consecutive
    /// periods, as many as there are arms, hold each arm once, in a random order.
    Period {
        /// Length of a period in ticks, at least 1.
        ticks: u32,
        /// First ticks of each period that are not counted, because what was sent before still works; fewer than `ticks`.
        washout_ticks: u32,
    },
}

/// The market knows of no communities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this market knows of no communities: only [modules.word_of_mouth] has a graph")]
pub struct NoCommunities;

/// Who gets which arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    by: By,
    /// The community of each consumer, where communities were assigned.
    communities: Option<Arc<[u32]>>,
    /// Whose friends share their arm, where that is asked for.
    exposure: Option<Arc<Exposure>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum By {
    Nothing(u8),
    Consumer(Arc<[u8]>),
    Period { first_tick: u32, ticks: u32, arms: Arc<[u8]> },
}

/// Where a test stands in the time of its market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Ticks before the test, in which nobody is assigned.
    pub first_tick: u32,
    /// The horizon of the market.
    pub end_tick: u32,
}

impl Span {
    /// Length of the test.
    #[must_use]
    pub fn ticks(&self) -> u32 {
        self.end_tick.saturating_sub(self.first_tick)
    }

    /// Whole periods of this length in the test, as many as make whole blocks of `arms`.
    #[must_use]
    pub fn periods(&self, ticks: u32, arms: usize) -> u32 {
        let periods = self.ticks() / ticks.max(1);
        periods - periods % (arms.max(1) as u32)
    }
}

impl Assignment {
    /// Everybody gets this arm, always.
    #[must_use]
    pub fn everyone(arm: usize) -> Self {
        Self { by: By::Nothing(arm as u8), communities: None, exposure: None }
    }

    /// Draws the arms of a market: a unit gets arm k where its uniform falls between the shares up to k. `seed` is that of
    /// the assignment, `market` that of the market whose communities are meant.
    ///
    /// # Errors
    /// Where communities are to be assigned and the market has none.
    pub fn draw(
        randomised: Randomised,
        shares: &[f64],
        world: &dyn World,
        span: Span,
        seed: Seed,
        market: Seed,
    ) -> Result<Self, NoCommunities> {
        let consumers = world.spec().consumers;
        Ok(match randomised {
            Randomised::Consumer => {
                let arms = (0..consumers).map(|consumer| arm_of(seed, consumer, CONSUMER, shares)).collect();
                Self { by: By::Consumer(arms), communities: None, exposure: None }
            }
            Randomised::Community => {
                let communities: Arc<[u32]> = world.communities(market).ok_or(NoCommunities)?.into();
                let count = communities.iter().max().map_or(0, |last| last + 1);
                let drawn: Vec<u8> = (0..count).map(|one| arm_of(seed, one, COMMUNITY, shares)).collect();
                let arms = communities.iter().map(|community| drawn[*community as usize]).collect();
                Self { by: By::Consumer(arms), communities: Some(communities), exposure: None }
            }
            Randomised::Period { ticks, .. } => {
                let arms = (0..span.periods(ticks, shares.len()) / shares.len().max(1) as u32)
                    .flat_map(|block| shuffled(seed, block, shares.len()))
                    .collect();
                Self { by: By::Period { first_tick: span.first_tick, ticks, arms }, communities: None, exposure: None }
            }
        })
    }

    /// The same with whose friends share their arm; nothing is added where arms change over time, or where the market knows of no
    /// friendships. `shares` and `market` are those of [`Assignment::draw`].
    #[must_use]
    pub fn with_exposure(mut self, exposed: Exposed, shares: &[f64], world: &dyn World, market: Seed) -> Self {
        if let (By::Consumer(arms), Some(friendships)) = (&self.by, world.friendships(market)) {
            // Who was assigned alone is a cluster of their own.
            let alone: Vec<u32> = (0..arms.len() as u32).collect();
            let clusters = self.communities.as_deref().unwrap_or(&alone);
            self.exposure = Some(Arc::new(exposure(exposed, &friendships, clusters, arms, shares)));
        }
        self
    }

    /// The arm of a consumer at a tick of the test. What is left after the last period goes on as the last.
    #[inline]
    #[must_use]
    pub fn arm(&self, consumer: u32, tick: u32) -> usize {
        usize::from(match &self.by {
            By::Nothing(arm) => *arm,
            By::Consumer(arms) => arms.get(consumer as usize).copied().unwrap_or(0),
            By::Period { first_tick, ticks, arms } => {
                let period = tick.saturating_sub(*first_tick) / ticks;
                arms.get(period as usize).or(arms.last()).copied().unwrap_or(0)
            }
        })
    }

    /// The arm that all consumers have at a tick, where they all have the same.
    #[inline]
    pub(super) fn shared_arm(&self, tick: u32) -> Option<usize> {
        match &self.by {
            By::Consumer(_) => None,
            By::Nothing(_) | By::Period { .. } => Some(self.arm(0, tick)),
        }
    }

    /// The arm of each consumer; empty where arms change over time or there is but one.
    #[must_use]
    pub fn by_consumer(&self) -> &[u8] {
        match &self.by {
            By::Consumer(arms) => arms,
            By::Nothing(_) | By::Period { .. } => &[],
        }
    }

    /// The arm of each period; empty where arms do not change over time.
    #[must_use]
    pub fn by_period(&self) -> &[u8] {
        match &self.by {
            By::Period { arms, .. } => arms,
            By::Nothing(_) | By::Consumer(_) => &[],
        }
    }

    /// The community of each consumer, where communities were assigned.
    #[must_use]
    pub fn communities(&self) -> Option<&[u32]> {
        self.communities.as_deref()
    }

    /// Whose friends share their arm, where that was asked for.
    #[must_use]
    pub fn exposure(&self) -> Option<&Exposure> {
        self.exposure.as_deref()
    }
}

/// The arm of one unit: the first whose cumulative share is above its uniform.
fn arm_of(seed: Seed, unit: u32, part: u32, shares: &[f64]) -> u8 {
    let word = seed.words(Purpose::Assignment, unit, part, 0)[0];
    let uniform = (f64::from(word) + 0.5) / 4_294_967_296.0;
    let mut sum = 0.0;
    let found = shares.iter().position(|share| {
        sum += share;
        uniform < sum
    });
    // Rounding may leave the sum a little under 1: the last arm that has a share.
    found.or_else(|| shares.iter().rposition(|share| *share > 0.0)).unwrap_or(0) as u8
}

/// Every arm once, in an order drawn for the block (Fisher & Yates).
fn shuffled(seed: Seed, block: u32, arms: usize) -> Vec<u8> {
    let mut order: Vec<u8> = (0..arms as u8).collect();
    let mut stream = seed.stream(Purpose::Assignment, block, PERIOD);
    for last in (1..arms).rev() {
        let other = ((u64::from(stream.word()) * (last as u64 + 1)) >> 32) as usize;
        order.swap(last, other);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::episode::toy::Toy;

    const SPAN: Span = Span { first_tick: 4, end_tick: 30 };

    fn drawn(consumers: u32, shares: &[f64], seed: u64) -> Assignment {
        let toy = Toy::new(consumers, 30);
        Assignment::draw(Randomised::Consumer, shares, &toy, SPAN, Seed::new(seed), Seed::new(1)).unwrap()
    }

    #[test]
    fn arms_have_their_shares() {
        let shares = [0.5, 0.3, 0.2];
        let assignment = drawn(40_000, &shares, 3);
        for (arm, share) in shares.iter().enumerate() {
            let count = assignment.by_consumer().iter().filter(|own| usize::from(**own) == arm).count() as f64;
            let standard_error = (40_000.0 * share * (1.0 - share)).sqrt();
            assert!((count - 40_000.0 * share).abs() < 4.0 * standard_error, "{arm}: {count}");
        }
    }

    #[test]
    fn an_arm_does_not_depend_on_who_else_is_there() {
        let (few, many) = (drawn(100, &[0.5, 0.5], 3), drawn(5_000, &[0.5, 0.5], 3));
        assert_eq!(few.by_consumer(), &many.by_consumer()[..100]);
        assert_ne!(many.by_consumer(), drawn(5_000, &[0.5, 0.5], 4).by_consumer());
        // Neighbours' arms agree as often as chance has it.
        let agree = many.by_consumer().windows(2).filter(|pair| pair[0] == pair[1]).count() as f64;
        assert!((agree - 2_499.5).abs() < 4.0 * (4_999.0f64 / 4.0).sqrt(), "{agree}");
    }

    #[test]
    fn an_arm_without_share_gets_nobody() {
        assert!(drawn(10_000, &[0.0, 1.0, 0.0], 3).by_consumer().iter().all(|arm| *arm == 1));
    }

    #[test]
    fn every_block_of_periods_holds_every_arm_once() {
        let toy = Toy::new(10, 30);
        let randomised = Randomised::Period { ticks: 2, washout_ticks: 0 };
        let third = 1.0 / 3.0;
        let draw = |seed| Assignment::draw(randomised, &[third; 3], &toy, SPAN, Seed::new(seed), Seed::new(1)).unwrap();
        let assignment = draw(1);
        assert_eq!(assignment.by_period().len(), 12);
        for block in assignment.by_period().chunks(3) {
            let mut arms = block.to_vec();
            arms.sort_unstable();
            assert_eq!(arms, [0, 1, 2]);
        }
        assert_eq!(assignment.arm(7, 4), usize::from(assignment.by_period()[0]));
        assert_eq!(assignment.arm(7, 9), usize::from(assignment.by_period()[2]));
        // 26 ticks are 13 periods: the last one, of no block, goes on as the one before.
        assert_eq!(assignment.arm(7, 29), usize::from(assignment.by_period()[11]));
        // All six orders come up alike: 3,000 blocks, each order 500 times, standard error 20.
        let mut counts = [0_u32; 6];
        for block in 0..3_000 {
            let order = shuffled(Seed::new(9), block, 3);
            let index = usize::from(order[0]) * 2 + usize::from(order[1] > order[2]);
            counts[index] += 1;
        }
        assert!(counts.iter().all(|count| (420..580).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_market_without_a_graph_has_no_communities() {
        let toy = Toy::new(10, 30);
        let drawn = Assignment::draw(Randomised::Community, &[0.5, 0.5], &toy, SPAN, Seed::new(1), Seed::new(1));
        assert_eq!(drawn, Err(NoCommunities));
    }
}
