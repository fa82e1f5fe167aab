//! An agent acts and learns, on markets of its own.
//!
//! Within a tick the agent is frozen, and it learns between ticks. A market of one tick has no between: all its decisions
//! would be taken by an agent that knows nothing. Where its shards do not touch each other, they are therefore written
//! to in waves of one shard each, as a mailing is rolled out: each shard is decided by the agent that has learned from
//! the shards before it. Only what has matured is learned from, so a window longer than the tick still teaches nothing.

use super::learning_series::LearningSeries;
use super::maturing::Window;
use super::{Exchange, Training, discount_weights};
use crate::matrix::Matrix;
use crate::protocol::{
    Agent, Beyond, Diverged, Ending, Environment, Kpi, MaskedAction, Metrics, Observation, Policy, Shard, World,
};
use crate::random::Seed;
use crate::units::Money;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Parts of a training seed: the market itself, the draws of the policy, the draws of learning; judged markets derive from other parts, so that equal seeds never give the same market.
const MARKET_PART: u32 = 3;
const POLICY_PART: u32 = 1;
const LEARNING_PART: u32 = 2;
/// Of the draws at the end of all training.
const CONCLUSION_PART: u32 = 4;

/// How learning went: a price paid once, reported beside what the learned policy earns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Learning {
    /// Discounted profit per consumer of each market trained on, in order: the learning curve.
    pub returns_per_consumer: Vec<f64>,
    /// What learning cost per consumer and market, amount of currency, where the truth tells it: the optimal value less
    /// the mean return where the environment knows its optimal value (finite processes); else the sum over ticks of the
    /// best allowed expected reward of the tick less the chosen one's (pseudo-regret), where the environment tells
    /// expected rewards; else absent.
    pub regret_per_consumer: Option<f64>,
    /// Rows learned from.
    pub rows: u64,
    /// What the agent told of its learning, by name: the last finite value; for `rewards_outside_range…`, the total of
    /// the counts, or the mean over rows where the name ends in `_share`.
    pub metrics: BTreeMap<String, f64>,
    /// The same tick by tick, for agents that look ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<LearningSeries>,
}

/// Metrics of this beginning count rewards outside the range that the agent was told to expect.
const OUTSIDE_RANGE: &str = "rewards_outside_range";
/// Metrics of this ending are shares of the rows instead of counts.
const SHARE: &str = "_share";

impl Learning {
    /// Nothing learned yet; with a series over markets of so many ticks, or without.
    #[must_use]
    pub fn new(with_series: bool, ticks: u32) -> Self {
        Self { series: with_series.then(|| LearningSeries::new(ticks)), ..Self::default() }
    }

    /// Adds what was told at a tick to the series, where there is one.
    pub fn note(&mut self, market: u32, tick: u32, metrics: &Metrics) {
        if let Some(series) = &mut self.series {
            series.note(market, tick, metrics);
        }
    }

    /// Share of the rewards that lay outside the range that the agent was told to expect; `None` where it tells nothing
    /// of the kind, or learned from nothing.
    #[must_use]
    pub fn share_outside_range(&self) -> Option<f64> {
        let (name, value) = self.metrics.iter().find(|(name, _)| name.starts_with(OUTSIDE_RANGE))?;
        let rows = if name.ends_with(SHARE) { 1.0 } else { self.rows as f64 };
        (rows > 0.0).then(|| value / rows)
    }

    /// Takes in what was told of one batch of so many rows.
    pub fn take_in(&mut self, rows: u64, metrics: &Metrics) {
        let before = self.rows as f64;
        self.rows += rows;
        for &(name, value) in metrics.iter().filter(|(_, value)| value.is_finite()) {
            // The name is copied when it is first heard only.
            let kept = match self.metrics.get_mut(name) {
                Some(kept) => kept,
                None => self.metrics.entry(name.to_owned()).or_insert(0.0),
            };
            *kept = match (name.starts_with(OUTSIDE_RANGE), name.ends_with(SHARE)) {
                (false, _) => value,
                (true, false) => *kept + value,
                (true, true) => (*kept * before + value * rows as f64) / (self.rows as f64).max(1.0),
            };
        }
    }

    /// Mean discounted profit per consumer while learning.
    #[must_use]
    pub fn return_per_consumer(&self) -> f64 {
        self.returns_per_consumer.iter().sum::<f64>() / self.returns_per_consumer.len().max(1) as f64
    }
}

/// Why training stopped.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainingError {
    /// The agent chose what the mask forbids.
    #[error(transparent)]
    Masked(#[from] MaskedAction),
    /// A quantity is no longer finite.
    #[error(transparent)]
    Diverged(#[from] Diverged),
}

/// Lets an agent act and learn: `episodes` passes over the training seeds, each pass on markets of its own, derived from
/// (training seed, replication, pass). The agent is frozen within a tick; it then learns shard by shard, in shard order,
/// from the rows whose reward has matured. In an uncoupled market of one tick it is frozen within a shard instead, and
/// learns before the next. Rows that the horizon cuts off are never learned from.
///
/// # Errors
/// Where the agent chooses a masked action or diverges.
pub fn train(
    world: &dyn World,
    agent: &mut dyn Agent,
    training: &Training,
    replication: u32,
) -> Result<Learning, TrainingError> {
    train_heard(world, agent, training, replication, &mut |_| {})
}

/// As [`train`]; after each market, `heard` is told how learning goes.
///
/// # Errors
/// As those of [`train`].
pub fn train_heard(
    world: &dyn World,
    agent: &mut dyn Agent,
    training: &Training,
    replication: u32,
    heard: &mut dyn FnMut(&Learning),
) -> Result<Learning, TrainingError> {
    let consumers = f64::from(world.spec().consumers.max(1));
    let mut learning = Learning::new(agent.is_sequential(), world.spec().horizon);
    agent.begin_training(&training.plan(world.spec()));
    let (mut regret, mut has_regret) = (0.0, world.optimal_value().is_none());
    for episode in 0..training.episodes {
        for &seed in &training.seeds {
            let market = Seed::new(seed).derive(MARKET_PART, replication).derive(0, episode);
            let mut environment = world.open(market);
            let lived = live(environment.as_mut(), agent, training, market, has_regret, &mut learning)?;
            learning.returns_per_consumer.push(lived.discounted_profit / consumers);
            has_regret &= lived.regret.is_some();
            regret += lived.regret.unwrap_or(0.0) / consumers;
            heard(&learning);
        }
    }
    let last = Seed::new(training.seeds.last().copied().unwrap_or(0)).derive(CONCLUSION_PART, replication);
    let metrics = agent.conclude(last)?;
    learning.take_in(0, &metrics);
    let markets = learning.returns_per_consumer.len();
    learning.note(markets as u32, 0, &metrics);
    learning.regret_per_consumer = match world.optimal_value() {
        _ if markets == 0 => None,
        Some(optimum) => Some(optimum - learning.return_per_consumer()),
        None => has_regret.then(|| regret / markets as f64),
    };
    Ok(learning)
}

struct Lived {
    discounted_profit: f64,
    regret: Option<f64>,
}

/// One market from tick 0 to the horizon.
fn live(
    environment: &mut dyn Environment,
    agent: &mut dyn Agent,
    training: &Training,
    market: Seed,
    with_regret: bool,
    learning: &mut Learning,
) -> Result<Lived, TrainingError> {
    let (horizon, consumers) = (environment.spec().horizon, environment.spec().consumers);
    let weights = discount_weights(environment.spec().discount, horizon);
    let number = learning.returns_per_consumer.len() as u32;
    let learning_seed = market.derive(LEARNING_PART, 0);
    let window_ticks = if agent.is_sequential() { 1 } else { training.reward.ticks() };
    let hears = agent.learns_from_opt_outs();
    let expects = training.expected_orders;
    let lane = |_| Lane { hears, expects, ..Lane::new(window_ticks, with_regret) };
    let mut lanes: Vec<Lane> = environment.shards_mut().iter().map(lane).collect();
    // The same people with the same luck, whom nobody contacts.
    let mut twin = training.less_twin.then(|| environment.fork());
    let mut lived = Lived { discounted_profit: 0.0, regret: with_regret.then_some(0.0) };
    // Shards that decide under the same frozen agent: all, but where no second tick would come to use what was learned.
    let wave_shards = if horizon == 1 && !environment.is_coupled() { 1 } else { lanes.len().max(1) };
    for tick in 0..horizon {
        let tick_seed = learning_seed.derive(0, tick);
        let mut shards = Paired::of(environment, twin.as_deref_mut());
        for (wave, (shards, lanes)) in shards.chunks_mut(wave_shards).zip(lanes.chunks_mut(wave_shards)).enumerate() {
            // Every shard of the wave sees, decides and lives the tick under the same frozen agent.
            let policy: &dyn Policy = agent;
            let steps: Vec<Result<(), MaskedAction>> = shards
                .into_par_iter()
                .zip(&mut *lanes)
                .map(|(shards, lane)| lane.step(shards, policy, market.derive(POLICY_PART, 0)))
                .collect();
            steps.into_iter().collect::<Result<(), MaskedAction>>()?;
            // The agent learns from what has matured, shard by shard.
            for (offset, lane) in lanes.iter_mut().enumerate() {
                let index = (wave * wave_shards + offset) as u32;
                if lane.hears {
                    agent.hear_opt_outs(&lane.opt_outs);
                }
                if let Some(batch) = lane.window.matured().and_then(|step| step.transitions()) {
                    let metrics = agent.learn(&batch, tick_seed.derive(0, index))?;
                    learning.take_in(batch.actions.len() as u64, &metrics);
                    learning.note(number, tick, &metrics);
                }
            }
        }
        // The barrier: budgets and other shared quantities, in shard order.
        drop(shards);
        environment.end_tick();
        if let Some(twin) = &mut twin {
            twin.end_tick();
        }
        // What the tick earned, and what better choices would have.
        let profit: Money = lanes.iter().map(|lane| lane.profit).sum();
        lived.discounted_profit += weights[tick as usize] * profit.amount();
        learning.note(number, tick, &vec![("profit_per_consumer", profit.amount() / f64::from(consumers.max(1)))]);
        lived.regret = lanes.iter().try_fold(lived.regret.unwrap_or(0.0), |sum, lane| Some(sum + lane.regret?));
    }
    if agent.is_sequential() {
        let seed = learning_seed.derive(0, horizon);
        stop(environment, twin.as_deref_mut(), agent, &mut lanes, seed, learning)?;
    }
    Ok(lived)
}

/// Tells an agent that looks ahead where the episodes of a market stop, shard by shard.
fn stop(
    environment: &mut dyn Environment,
    twin: Option<&mut (dyn Environment + 'static)>,
    agent: &mut dyn Agent,
    lanes: &mut [Lane],
    seed: Seed,
    learning: &mut Learning,
) -> Result<(), Diverged> {
    let discount = environment.spec().discount;
    let policy: &dyn Policy = agent;
    let mut shards = Paired::of(environment, twin);
    let stops: Vec<Stop> = shards.par_iter_mut().zip(lanes).map(|(shards, lane)| lane.stop(shards, policy)).collect();
    for (index, stop) in stops.iter().enumerate().filter(|(_, stop)| stop.observation.rows() > 0) {
        let beyond = stop.values.as_deref().map(|values| Beyond { values, discount });
        let ending = Ending { observation: &stop.observation, beyond };
        let metrics = agent.end_episode(&ending, seed.derive(0, index as u32))?;
        learning.take_in(0, &metrics);
        learning.note(learning.returns_per_consumer.len() as u32, stop.observation.tick, &metrics);
    }
    Ok(())
}

/// A shard of the market that is trained on, and the same shard of its twin, where rewards are counted less the twin's.
struct Paired<'a> {
    shard: &'a mut dyn Shard,
    twin: Option<&'a mut dyn Shard>,
}

impl<'a> Paired<'a> {
    fn of(environment: &'a mut dyn Environment, twin: Option<&'a mut (dyn Environment + 'static)>) -> Vec<Self> {
        let mut twins = twin.map(Environment::shards_mut).into_iter().flatten();
        environment.shards_mut().into_iter().map(|shard| Self { shard, twin: twins.next() }).collect()
    }
}

/// Where the episodes of a shard stop.
struct Stop {
    observation: Observation,
    values: Option<Vec<f32>>,
}

/// One shard's buffers.
struct Lane {
    exchange: Exchange,
    /// Of the twin's shard.
    untouched: Exchange,
    window: Window,
    profit: Money,
    /// Pseudo-regret of the tick, summed over the rows; `None` where it is not asked for or not known.
    regret: Option<f64>,
    expected: Matrix,
    with_regret: bool,
    /// Whether orders count by their expectation.
    expects: bool,
    /// Whether the agent hears who withdrew consent.
    hears: bool,
    opt_outs: Vec<u32>,
}

impl Lane {
    fn new(ticks: u32, with_regret: bool) -> Self {
        Self {
            exchange: Exchange::default(),
            untouched: Exchange::default(),
            window: Window::new(ticks),
            profit: Money::ZERO,
            regret: None,
            expected: Matrix::default(),
            with_regret,
            expects: false,
            hears: false,
            opt_outs: Vec::new(),
        }
    }

    fn step(&mut self, shards: &mut Paired<'_>, policy: &dyn Policy, seed: Seed) -> Result<(), MaskedAction> {
        let Paired { shard, twin } = shards;
        let shard = &mut **shard;
        self.exchange.observe(shard, policy.views(), policy);
        // The truth of this tick must be read before it is lived.
        let truth = if self.with_regret { shard.truth().filter(|truth| !truth.is_costly()) } else { None };
        let told = truth.map(|truth| truth.expected_rewards(&mut self.expected)).is_some();
        self.exchange.act(shard, policy, seed)?;
        self.regret = told.then(|| self.pseudo_regret());
        self.profit = self.exchange.outcome.profits.iter().copied().sum();
        if self.hears && shard.counted_rows(Kpi::OptOuts, &mut self.opt_outs) {
            let ids = &self.exchange.observation.consumer_ids;
            self.opt_outs.iter_mut().for_each(|row| *row = ids[*row as usize]);
        }
        if self.expects {
            shard.expected_profits(&mut self.exchange.outcome.profits);
        }
        if let Some(twin) = twin {
            self.untouched.leave_alone(&mut **twin)?;
            if self.expects {
                twin.expected_profits(&mut self.untouched.outcome.profits);
            }
            let profits = self.exchange.outcome.profits.iter_mut();
            profits.zip(&self.untouched.outcome.profits).for_each(|(own, twin)| *own = *own - *twin);
        }
        self.window.push(&mut self.exchange, false);
        Ok(())
    }

    /// What those whose episode has not ended look like after the last tick, and what they are still worth.
    fn stop(&mut self, shards: &mut Paired<'_>, policy: &dyn Policy) -> Stop {
        let Paired { shard, twin } = shards;
        self.exchange.observe(&mut **shard, policy.views(), policy);
        let seen = &self.exchange.observation;
        let ended = self.window.ended();
        let live: Vec<usize> = (0..seen.rows()).filter(|&row| !ended.get(row).copied().unwrap_or(false)).collect();
        let mut observation = Observation::default();
        observation.select(seen, &live);
        let mut values = Vec::new();
        let is_over = shard.observed_values(&mut values);
        if let Some(twin) = twin {
            // Records take an order for the sign of a better customer. That a message brought it forward makes nobody better,
            // and only the truth tells the two apart.
            let (mut own, mut untouched) = (Vec::new(), Vec::new());
            shard.terminal_values(&mut own);
            twin.terminal_values(&mut untouched);
            values.clear();
            values.extend(own.iter().zip(untouched).map(|(own, twin)| (own - twin) as f32));
        }
        let values = is_over.then(|| live.iter().map(|&row| values[row]).collect());
        Stop { observation, values }
    }

    fn pseudo_regret(&self) -> f64 {
        let Exchange { observation, decision, .. } = &self.exchange;
        let of_row = |(row, &action): (usize, &u16)| {
            let expected = |action: usize| f64::from(self.expected.get(row, action));
            let best = observation.allowed.iter(row).map(expected).fold(f64::NEG_INFINITY, f64::max);
            best - expected(action as usize)
        };
        decision.actions.iter().enumerate().map(of_row).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_shares_are_weighted_and_other_metrics_keep_their_last_finite_value() {
        let mut learning = Learning::default();
        let share = "rewards_outside_range_share";
        learning.take_in(10, &vec![("loss", 3.0), ("rewards_outside_range", 4.0)]);
        learning.take_in(30, &vec![("loss", 2.0), ("rewards_outside_range", 8.0)]);
        learning.take_in(0, &vec![("loss", f64::NAN)]);
        assert_eq!((learning.metrics["loss"], learning.metrics["rewards_outside_range"]), (2.0, 12.0));
        assert_eq!((learning.rows, learning.share_outside_range()), (40, Some(0.3)));
        let mut shares = Learning::default();
        shares.take_in(10, &vec![(share, 0.5)]);
        shares.take_in(30, &vec![(share, 0.1)]);
        assert!((shares.share_outside_range().unwrap() - 0.2).abs() < 1e-12);
        assert_eq!(Learning::default().share_outside_range(), None);
    }
}
