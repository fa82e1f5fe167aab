//! The words that a market and an agent share: what is seen, what is chosen, what follows.
//!
//! Everything comes in batches whose rows are the consumers of one shard. Out-parameters are reused, so that a step
//! allocates nothing. An agent sees an [`Observation`] and nothing else of a market.

mod draw;
mod events;
mod friendships;
mod kpi;
mod made_for;
mod space;
mod story;

pub use draw::{LaneDraw, policy_uniforms};
pub use events::{Event, EventKind, Events};
pub use friendships::Friendships;
pub use kpi::{Kpi, Tally};
pub use made_for::{MadeFor, SeenFeature};
pub use space::{Action, ActionSpace, Factor, Feature, Spec};
pub use story::{Forbidden, Happening, Story};

use crate::matrix::Matrix;
use crate::random::{LANES, Seed};
use crate::units::Money;
use multiversion::multiversion;
use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// A market that can be opened any number of times: the same seed gives the same people and the same luck.
pub trait World: Debug + Send + Sync {
    /// Features, actions, horizon.
    fn spec(&self) -> &Spec;
    /// The market at tick 0 of this seed, its history lived.
    fn open(&self, seed: Seed) -> Box<dyn Environment>;
    /// Consumers of each part but the last. Where consumers do not touch each other, a market of many can be opened part
    /// by part, so that memory holds one part at a time; else, and unless a market says otherwise, one part is all.
    ///
    /// A whole number of groups of 16 shards, so that a log has the same order either way.
    fn part_consumers(&self) -> u32 {
        self.spec().consumers
    }
    /// Number of parts, at least 1.
    fn parts(&self) -> u32 {
        self.spec().consumers.div_ceil(self.part_consumers().max(1)).max(1)
    }
    /// The consumers of one part, numbered from 0, as [`World::open`] of this seed has them: their numbers, their
    /// history, their luck.
    fn open_part(&self, seed: Seed, part: u32) -> Box<dyn Environment> {
        debug_assert!(part == 0 && self.parts() == 1, "a market of several parts opens each of them");
        self.open(seed)
    }
    /// One consumer of [`World::open`] by themselves: the same past, the same luck. `None` where consumers touch each
    /// other, or where a market opens only as a whole.
    fn open_consumer(&self, _seed: Seed, _consumer: u32) -> Option<Box<dyn Environment>> {
        None
    }
    /// Whether consumers touch each other: a budget, word of mouth, a shared reputation.
    fn is_coupled(&self) -> bool {
        false
    }
    /// What couples the consumers, by the names of files (`budget`, or a module); empty where nothing does.
    fn couplings(&self) -> Vec<&'static str> {
        Vec::new()
    }
    /// What the consumers are called outside, by number, where a customer file says so; else they go by their number.
    fn consumer_names(&self) -> Option<Arc<[String]>> {
        None
    }
    /// The community of each consumer in the market of this seed, from 0 on: whom to assign as one where friends touch each
    /// other. `None` where the market knows of no friendships.
    fn communities(&self, _seed: Seed) -> Option<Vec<u32>> {
        None
    }
    /// Who knows whom in the market of this seed: through whom a treatment may reach others. `None` where the market knows of
    /// no friendships.
    fn friendships(&self, _seed: Seed) -> Option<Friendships> {
        None
    }
    /// About how much memory an open market takes for each consumer; 0 where that is next to nothing.
    fn bytes_per_consumer(&self) -> usize {
        0
    }
    /// The exact discounted value of a policy from the start state, where it can be computed (finite processes).
    fn exact_value(&self, _policy: &dyn Policy, _seed: Seed) -> Option<f64> {
        None
    }
    /// The greatest exact value any policy has, where it can be computed.
    fn optimal_value(&self) -> Option<f64> {
        None
    }
}

/// An open market, driven shard by shard: 10 M consumers never stand in one matrix.
pub trait Environment: Send {
    /// Features, actions, horizon.
    fn spec(&self) -> &Spec;
    /// A copy at the same state, with the same luck ahead.
    fn fork(&self) -> Box<dyn Environment>;
    /// Whether consumers of different shards touch each other, so that all shards must finish a tick before the next.
    fn is_coupled(&self) -> bool;
    /// The shards, in order; their size never depends on the number of threads.
    fn shards_mut(&mut self) -> Vec<&mut dyn Shard>;
    /// The barrier after all shards have stepped: totals are merged in shard order. Needed only where coupled.
    fn end_tick(&mut self);
}

/// Consecutive consumers of a market.
pub trait Shard: Send {
    /// Whom it holds.
    fn consumers(&self) -> Range<u32>;
    /// A copy at the same state, with the same luck ahead.
    fn fork(&self) -> Box<dyn Shard>;
    /// Writes what may be seen before the decision of this tick: `allowed` always, the rest as `views` asks.
    fn observe(&mut self, views: Views, observation: &mut Observation);
    /// Carries out one decision per row and lives one tick.
    ///
    /// # Errors
    /// Where an action is masked and the mask is enforced; the shard is unchanged then.
    fn step(&mut self, decision: &Decision, outcome: &mut Outcome) -> Result<(), MaskedAction>;
    /// What each consumer is still worth beyond the horizon, undiscounted to now (money amount per row, from latent
    /// truth; pending orders included). All 0 where an environment has no such value.
    fn terminal_values(&self, values: &mut Vec<f64>);
    /// What the records tell of the same, for agents: expected value beyond the horizon per row, given only what may be
    /// observed. False where the process goes on beyond the horizon as before it.
    fn observed_values(&self, values: &mut Vec<f32>) -> bool {
        values.clear();
        false
    }
    /// Profit of the tick lived last per row, in expectation over the draws that decide about orders and given all else
    /// that happened in it: what booked profit is on average, with far less noise. False where the environment does not
    /// know it, or no tick was lived yet.
    fn expected_profits(&self, _profits: &mut Vec<Money>) -> bool {
        false
    }
    /// Writes what only an oracle may see. Nothing where the environment keeps no such view.
    fn reveal(&mut self, _look: Look<'_>, _latent: &mut Latent) {}
    /// The simulator's truth: for `oracle` and `episode` only.
    fn truth(&self) -> Option<&dyn Truth> {
        None
    }
    /// Orders that the messages of the tick lived last set pending, as (row, profit when the order falls due). Asked only
    /// where truth is written; rows come in order, each at most once.
    fn delayed_profits(&self, delayed: &mut Vec<(u32, Money)>) {
        delayed.clear();
    }
    /// The rows for which the tick lived last counted [`Kpi::Orders`] or [`Kpi::OptOuts`], once for each count, in any
    /// order; false where the shard does not know whom it counted. Asked only where outcomes are kept by consumer.
    fn counted_rows(&self, _kpi: Kpi, rows: &mut Vec<u32>) -> bool {
        rows.clear();
        false
    }
    /// What can be told about one consumer: for explaining a run only.
    fn story(&self) -> Option<&dyn Story> {
        None
    }
}

/// What only the simulator knows.
pub trait Truth {
    /// Expected reward of this tick for every (row, action), masked or not: `rows × actions`.
    fn expected_rewards(&self, expected: &mut Matrix);
    /// Whether they cost far more than living the tick, so that nobody asks for them at every tick of a training.
    fn is_costly(&self) -> bool {
        false
    }
}

/// What only an oracle may see of the consumers of one shard before it decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latent {
    /// Expected profit of this tick for every (row, action), orders after a click counted at once: `rows × actions`.
    pub expected: Matrix,
    /// Latent values as the environment lists them: `rows × values`.
    pub values: Matrix,
    /// Per row, the rule of [`Look::Future`] that turns out best for this consumer; empty unless asked for.
    pub best_rules: Vec<u16>,
}

/// How far a policy looks into the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look<'a> {
    /// [`Latent::expected`] and [`Latent::values`].
    State,
    /// [`Latent::best_rules`]: which of these calendar rules, as (action, ticks from one message to the next; 0 for none),
    /// will have earned most from each consumer, by the luck that is still to come.
    Future(&'a [(u16, u32)]),
}

/// What a policy reads; nothing else is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Views {
    /// [`Observation::features`].
    pub features: bool,
    /// [`Observation::events`].
    pub events: bool,
}

impl Views {
    /// The features and nothing else.
    pub const FEATURES: Self = Self { features: true, events: false };
}

/// What an agent may see of the consumers of one shard before it decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// Tick, 0 on the first decision.
    pub tick: u32,
    /// Identifies each row for the addressed streams.
    pub consumer_ids: Vec<u32>,
    /// `rows × spec.features.len()`, standardised as the spec says; shape 0 × 0 where not asked for.
    pub features: Matrix,
    /// Which actions each row allows; action 0 always.
    pub allowed: ActionBits,
    /// What only an oracle may see; empty unless the policy looks inside.
    pub latent: Latent,
    /// The last events of each row, where asked for; of length 0 where the market remembers none.
    pub events: Option<Events>,
}

impl Observation {
    /// Number of consumers.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.consumer_ids.len()
    }

    /// Becomes these rows of another, in this order, of all that an agent may see; keeps its allocation.
    pub fn select(&mut self, other: &Self, rows: &[usize]) {
        self.tick = other.tick;
        self.consumer_ids.clear();
        self.consumer_ids.extend(rows.iter().map(|&row| other.consumer_ids[row]));
        self.allowed.reset_to_all(rows.len(), other.allowed.actions());
        let columns = other.features.columns();
        let mut dense = vec![0.0; columns];
        self.features.reset(if columns == 0 { 0 } else { rows.len() }, columns);
        for (to, &from) in rows.iter().enumerate() {
            self.allowed.row_mut(to).copy_from_slice(other.allowed.row(from));
            if columns > 0 {
                other.features.copy_row(from, &mut dense);
                self.features.set_row(to, &dense);
            }
        }
        self.events = other.events.as_ref().map(|events| events.select(rows));
    }

    /// Room for so many events of each row where the views ask for them, to be filled by the caller; `None` where not.
    pub fn reset_events(&mut self, views: Views, remembered: usize) -> Option<&mut Events> {
        if !views.events {
            self.events = None;
            return None;
        }
        let rows = self.consumer_ids.len();
        let events = self.events.get_or_insert_default();
        events.reset(rows, remembered);
        Some(events)
    }
}

/// One bit per (row, action).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionBits {
    rows: usize,
    actions: usize,
    words_per_row: usize,
    words: Vec<u64>,
}

impl ActionBits {
    /// All allowed.
    #[must_use]
    pub fn all(rows: usize, actions: usize) -> Self {
        let mut bits = Self::default();
        bits.reset_to_all(rows, actions);
        bits
    }

    /// Gives it this shape, all allowed, keeping its allocation.
    pub fn reset_to_all(&mut self, rows: usize, actions: usize) {
        self.rows = rows;
        self.actions = actions;
        self.words_per_row = actions.div_ceil(64);
        self.words.clear();
        self.words.resize(rows * self.words_per_row, u64::MAX);
        let rest = actions % 64;
        if rest != 0 {
            for row in 0..rows {
                self.words[(row + 1) * self.words_per_row - 1] = (1 << rest) - 1;
            }
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of actions.
    #[must_use]
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// Whether the row allows the action.
    #[inline]
    #[must_use]
    pub fn allows(&self, row: usize, action: usize) -> bool {
        self.words[row * self.words_per_row + action / 64] >> (action % 64) & 1 == 1
    }

    /// The words of a row; bit a of word a / 64 is action a.
    #[inline]
    #[must_use]
    pub fn row(&self, row: usize) -> &[u64] {
        &self.words[row * self.words_per_row..(row + 1) * self.words_per_row]
    }

    /// The words of a row, to be changed.
    #[inline]
    pub fn row_mut(&mut self, row: usize) -> &mut [u64] {
        &mut self.words[row * self.words_per_row..(row + 1) * self.words_per_row]
    }

    /// All words, row after row.
    #[inline]
    pub fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    /// Forbids an action.
    #[inline]
    pub fn forbid(&mut self, row: usize, action: usize) {
        self.words[row * self.words_per_row + action / 64] &= !(1 << (action % 64));
    }

    /// Number of allowed actions of a row.
    #[must_use]
    pub fn count(&self, row: usize) -> u32 {
        self.row(row).iter().map(|word| word.count_ones()).sum()
    }

    /// Whether every row allows every action.
    #[must_use]
    pub fn is_all(&self) -> bool {
        let rest = self.actions % 64;
        let last_word = if rest == 0 { u64::MAX } else { (1 << rest) - 1 };
        match self.words_per_row {
            0 => true,
            1 => self.words.iter().all(|word| *word == last_word),
            words => self
                .words
                .chunks_exact(words)
                .all(|row| row[words - 1] == last_word && row[..words - 1].iter().all(|word| *word == u64::MAX)),
        }
    }

    /// Allowed actions of a row, in order.
    pub fn iter(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        self.row(row).iter().enumerate().flat_map(|(index, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    index * 64 + bit
                })
            })
        })
    }
}

/// One action per row, with the probability with which it was chosen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Index into the action space; 0 is no contact.
    pub actions: Vec<u16>,
    /// Probability of the chosen action under the policy, in (0, 1].
    pub propensities: Vec<f32>,
    /// Scratch of the provided `decide`: the probabilities of all actions. A rule leaves it empty.
    pub probabilities: Matrix,
}

impl Decision {
    /// No contact for every row, with certainty.
    pub fn reset(&mut self, rows: usize) {
        self.actions.clear();
        self.actions.resize(rows, 0);
        self.propensities.clear();
        self.propensities.resize(rows, 1.0);
    }
}

/// What a tick brought, per row and in total.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Profit booked in this tick: organic orders included, costs taken off.
    pub profits: Vec<Money>,
    /// Whether the row's episode ended observably (erasure, end of a finite process); never for latent dropout.
    pub terminated: Vec<bool>,
    /// Sums over the rows.
    pub tally: Tally,
}

impl Outcome {
    /// Nothing happened to `rows` consumers.
    pub fn reset(&mut self, rows: usize) {
        self.profits.clear();
        self.profits.resize(rows, Money::ZERO);
        self.terminated.clear();
        self.terminated.resize(rows, false);
        self.tally = Tally::default();
    }
}

/// An action that the row's mask forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("consumer {consumer} is not allowed action {action} at tick {tick}")]
pub struct MaskedAction {
    /// Who.
    pub consumer: u32,
    /// What.
    pub action: u16,
    /// When.
    pub tick: u32,
}

/// A law that gives a probability to every action.
pub trait Policy: Debug + Send + Sync {
    /// Does what takes long before the first decision. Whoever lets policies decide on several threads calls it before.
    fn prepare(&self) {}

    /// What it reads.
    fn views(&self) -> Views;

    /// What it asks for in [`Observation::latent`]: oracles do, agents never (a test reads their sources).
    fn looks_inside(&self) -> Option<Look<'_>> {
        None
    }

    /// Figures that it can state about itself, for the summary: a bound, a price, an error.
    fn facts(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// pi(a | x) for every row: `rows × actions`, 0 where masked, each row summing to 1. A posterior sampler is its
    /// finite law: its probabilities are a function of (observation, seed).
    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix);

    /// Draws one action per row and records its propensity. The draw is addressed by (seed, consumer, tick), so that
    /// every policy meets the same luck.
    fn decide(&self, observation: &Observation, seed: Seed, decision: &mut Decision) {
        decision.reset(observation.rows());
        self.probabilities(observation, seed, &mut decision.probabilities);
        draw_actions(observation, seed, decision);
    }
}

/// Draws from `decision.probabilities` by inverting the cumulative sum, in action order.
///
/// Rounding may leave the sum of a row a little under the uniform: the last action of positive probability is taken.
pub fn draw_actions(observation: &Observation, seed: Seed, decision: &mut Decision) {
    draw_in_lanes(&observation.consumer_ids, observation.tick, seed, decision);
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn draw_in_lanes(consumers: &[u32], tick: u32, seed: Seed, decision: &mut Decision) {
    let Decision { actions, propensities, probabilities } = decision;
    for (block, ids) in consumers.chunks(LANES).enumerate() {
        let mut draw = LaneDraw::new(policy_uniforms(seed, ids, tick));
        for (action, lanes) in probabilities.block(block).iter().enumerate() {
            draw.offer(action as u16, lanes);
        }
        let rows = block * LANES..block * LANES + ids.len();
        draw.finish(&mut actions[rows.clone()], &mut propensities[rows]);
    }
}

/// Matured experience of one shard: row i of each part belongs together.
#[derive(Clone, Copy, Debug)]
pub struct Transitions<'a> {
    /// What was seen.
    pub observation: &'a Observation,
    /// What was chosen, per row.
    pub actions: &'a [u16],
    /// With which probability.
    pub propensities: &'a [f32],
    /// What it earned (per tick or per window, as the scenario says), in currency.
    pub rewards: &'a [f32],
    /// Whether the row's episode ended observably in the tick of the decision; empty where none did.
    pub terminated: &'a [bool],
}

impl Transitions<'_> {
    /// Whether the row's episode ended observably in the tick of the decision.
    #[inline]
    #[must_use]
    pub fn is_terminated(&self, row: usize) -> bool {
        self.terminated.get(row).copied().unwrap_or(false)
    }
}

/// The consumers of one shard where their episodes stop without having ended: the time limit.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// What is seen after the last tick, of those whose episode has not ended; `tick` is the horizon.
    pub observation: &'a Observation,
    /// What lies beyond, where the campaign is over and nobody will be written to again. `None` where the process goes on
    /// beyond the limit as before it, so that whoever looks ahead must reckon the rest by themselves.
    pub beyond: Option<Beyond<'a>>,
}

/// What records tell of the time after a campaign.
#[derive(Clone, Copy, Debug)]
pub struct Beyond<'a> {
    /// What each row is still worth, in currency, discounted to now.
    pub values: &'a [f32],
    /// The discount factor per tick that the values were reckoned with.
    pub discount: f64,
}

impl<'a> Ending<'a> {
    /// What each row is still worth to somebody with this discount factor per tick. `None` where that is not known:
    /// values that were reckoned with another factor are on another scale, many times over where it is nearer to 1.
    #[must_use]
    pub fn values(&self, discount: f64) -> Option<&'a [f32]> {
        self.beyond.filter(|beyond| (beyond.discount - discount).abs() < 1e-9).map(|beyond| beyond.values)
    }
}

/// The training that is to come, for schedules.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingPlan {
    /// Markets that will be trained on, one after the other.
    pub markets: u32,
    /// Ticks of each.
    pub ticks: u32,
    /// Consumers of each.
    pub consumers: u32,
}

impl TrainingPlan {
    /// Decisions in all, where no episode ends early.
    #[must_use]
    pub fn decisions(&self) -> u64 {
        u64::from(self.markets) * u64::from(self.ticks) * u64::from(self.consumers)
    }
}

/// Named figures of one learning step (loss, norm, …).
pub type Metrics = Vec<(&'static str, f64)>;

/// Learning broke down: a quantity is no longer finite.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{agent}: {quantity} is no longer finite; lower the learning rate or check the reward scale")]
pub struct Diverged {
    /// Who.
    pub agent: String,
    /// Which quantity.
    pub quantity: String,
}

/// A policy that learns.
pub trait Agent: Policy {
    /// Learns from matured rows; shard batches come in shard order.
    ///
    /// # Errors
    /// Where a quantity is no longer finite.
    fn learn(&mut self, batch: &Transitions<'_>, seed: Seed) -> Result<Metrics, Diverged>;
    /// Whether it looks ahead by itself: it is given the reward of each tick as soon as the tick is lived, whatever window
    /// the scenario rewards, and told where episodes stop.
    fn is_sequential(&self) -> bool {
        false
    }
    /// Hears what training is to come, before the first decision.
    fn begin_training(&mut self, _plan: &TrainingPlan) {}
    /// Whether it learns from withdrawals of consent, and is to hear of them.
    fn learns_from_opt_outs(&self) -> bool {
        false
    }
    /// Hears who withdrew consent in the tick of the batch that it learns from next, once for each withdrawal, where the
    /// market knows it.
    fn hear_opt_outs(&mut self, _consumers: &[u32]) {}
    /// Hears that the episodes of a shard stop at the time limit, after everything that they taught; told to sequential
    /// agents, in shard order, at the end of each market.
    ///
    /// # Errors
    /// Where a quantity is no longer finite.
    fn end_episode(&mut self, _ending: &Ending<'_>, _seed: Seed) -> Result<Metrics, Diverged> {
        Ok(Metrics::new())
    }
    /// Hears that training is over: what is fitted to all of the experience is fitted here.
    ///
    /// # Errors
    /// Where a quantity is no longer finite.
    fn conclude(&mut self, _seed: Seed) -> Result<Metrics, Diverged> {
        Ok(Metrics::new())
    }
    /// The law as it stands, frozen.
    fn snapshot(&self) -> Box<dyn Policy>;
    /// Writes everything that `load` of its entry needs to go on with the same bytes.
    ///
    /// # Errors
    /// Where writing fails.
    fn save(&self, to: &mut dyn io::Write) -> io::Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_beyond_the_last_action_are_never_set() {
        let bits = ActionBits::all(2, 70);
        assert_eq!(bits.count(1), 70);
        assert_eq!(bits.iter(0).collect::<Vec<_>>(), (0..70).collect::<Vec<_>>());
        assert!(bits.is_all());
    }

    #[test]
    fn forbidden_actions_are_skipped() {
        let mut bits = ActionBits::all(3, 5);
        bits.forbid(1, 4);
        bits.forbid(1, 0);
        assert_eq!(bits.iter(1).collect::<Vec<_>>(), vec![1, 2, 3]);
        assert!(bits.allows(0, 4) && !bits.allows(1, 4));
        assert!(!bits.is_all());
    }
}
