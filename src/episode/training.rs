//! An agent acts and learns, on markets of its own.
//!
//! Within a tick the agent is frozen, and it learns between ticks. A market of one tick has no between: all its decisions
//! would be taken by an agent that knows nothing. Where its shards do not touch each other, they are therefore written
//! to in waves of one shard each, as a mailing is rolled out: each shard is decided by the agent that has learned from
//! the shards before it. Only what has matured is learned from, so a window longer than the tick still teaches nothing.

use super::maturing::Window;
use super::{Exchange, Training, discount_weights};
use crate::matrix::Matrix;
use crate::protocol::{Agent, Diverged, Environment, MaskedAction, Policy, Shard, World};
use crate::random::Seed;
use crate::units::Money;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Parts of a training seed: the market itself, the draws of the policy, the draws of learning; judged markets derive from other parts, so that equal seeds never give the same market.
const MARKET_PART: u32 = 3;
const POLICY_PART: u32 = 1;
const LEARNING_PART: u32 = 2;

/// How learning went: a price paid once, reported beside what the learned policy earns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
}

impl Learning {
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
    let consumers = f64::from(world.spec().consumers.max(1));
    let mut learning = Learning { returns_per_consumer: Vec::new(), regret_per_consumer: None, rows: 0 };
    let (mut regret, mut has_regret) = (0.0, world.optimal_value().is_none());
    for episode in 0..training.episodes {
        for &seed in &training.seeds {
            let market = Seed::new(seed).derive(MARKET_PART, replication).derive(0, episode);
            let mut environment = world.open(market);
            let lived = live(environment.as_mut(), agent, training, market, has_regret)?;
            learning.returns_per_consumer.push(lived.discounted_profit / consumers);
            learning.rows += lived.rows;
            has_regret &= lived.regret.is_some();
            regret += lived.regret.unwrap_or(0.0) / consumers;
        }
    }
    let markets = learning.returns_per_consumer.len();
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
    rows: u64,
}

/// One market from tick 0 to the horizon.
fn live(
    environment: &mut dyn Environment,
    agent: &mut dyn Agent,
    training: &Training,
    market: Seed,
    with_regret: bool,
) -> Result<Lived, TrainingError> {
    let horizon = environment.spec().horizon;
    let weights = discount_weights(environment.spec().discount, horizon);
    let learning_seed = market.derive(LEARNING_PART, 0);
    let mut lanes: Vec<Lane> =
        environment.shards_mut().iter().map(|_| Lane::new(training.reward.ticks(), with_regret)).collect();
    let mut lived = Lived { discounted_profit: 0.0, regret: with_regret.then_some(0.0), rows: 0 };
    // Shards that decide under the same frozen agent: all, but where no second tick would come to use what was learned.
    let wave_shards = if horizon == 1 && !environment.is_coupled() { 1 } else { lanes.len().max(1) };
    for tick in 0..horizon {
        let tick_seed = learning_seed.derive(0, tick);
        let mut shards = environment.shards_mut();
        for (wave, (shards, lanes)) in shards.chunks_mut(wave_shards).zip(lanes.chunks_mut(wave_shards)).enumerate() {
            // Every shard of the wave sees, decides and lives the tick under the same frozen agent.
            let policy: &dyn Policy = agent;
            let steps: Vec<Result<(), MaskedAction>> = shards
                .into_par_iter()
                .zip(&mut *lanes)
                .map(|(shard, lane)| lane.step(&mut **shard, policy, market.derive(POLICY_PART, 0)))
                .collect();
            steps.into_iter().collect::<Result<(), MaskedAction>>()?;
            // The agent learns from what has matured, shard by shard.
            for (offset, lane) in lanes.iter_mut().enumerate() {
                let index = (wave * wave_shards + offset) as u32;
                if let Some(batch) = lane.window.matured().and_then(|step| step.transitions()) {
                    agent.learn(&batch, tick_seed.derive(0, index))?;
                    lived.rows += batch.actions.len() as u64;
                }
            }
        }
        // The barrier: budgets and other shared quantities, in shard order.
        environment.end_tick();
        // What the tick earned, and what better choices would have.
        let profit: Money = lanes.iter().map(|lane| lane.profit).sum();
        lived.discounted_profit += weights[tick as usize] * profit.amount();
        lived.regret = lanes.iter().try_fold(lived.regret.unwrap_or(0.0), |sum, lane| Some(sum + lane.regret?));
    }
    Ok(lived)
}

/// One shard's buffers.
struct Lane {
    exchange: Exchange,
    window: Window,
    profit: Money,
    /// Pseudo-regret of the tick, summed over the rows; `None` where it is not asked for or not known.
    regret: Option<f64>,
    expected: Matrix,
    with_regret: bool,
}

impl Lane {
    fn new(ticks: u32, with_regret: bool) -> Self {
        Self {
            exchange: Exchange::default(),
            window: Window::new(ticks),
            profit: Money::ZERO,
            regret: None,
            expected: Matrix::default(),
            with_regret,
        }
    }

    fn step(&mut self, shard: &mut dyn Shard, policy: &dyn Policy, seed: Seed) -> Result<(), MaskedAction> {
        self.exchange.observe(shard, policy.views());
        // The truth of this tick must be read before it is lived.
        let told = self.with_regret && shard.truth().map(|truth| truth.expected_rewards(&mut self.expected)).is_some();
        self.exchange.act(shard, policy, seed)?;
        self.regret = told.then(|| self.pseudo_regret());
        self.profit = self.exchange.outcome.profits.iter().copied().sum();
        self.window.push(&self.exchange, false);
        Ok(())
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
