//! Limits by prices around any agent: a budget, a rate of opt-outs, parity between two groups.
//!
//! The Lagrangian relaxation of a limit puts a price on what it limits (Altman 1999, *Constrained Markov decision processes*,
//! chapter 3; Boutilier & Lu 2016 for budgets over many consumers). The inner agent learns from
//!
//! ```text
//! r - μ cost(a) - ν (o - ρ sent) - π s(x) d(a)
//! ```
//!
//! with o the withdrawals of consent that followed, ρ = `opt_outs_per_message`, s and d those of
//! `parity_constrained`. After each tick of training a price moves by `rate` times the share by which its limit was
//! exceeded: projected dual ascent, with a part proportional to the present excess that damps its swings (Stooke, Achiam &
//! Abbeel 2020, *Responsive safety in reinforcement learning by PID Lagrangian methods*, algorithm 2).
//!
//! **The prices are features of what the inner agent sees**, and while training half of the consumers have prices of their
//! own, between 0 and twice those that stand. So experience stays true when prices move, whatever remembers it, and one agent
//! knows what to do at every price. A judged policy uses that: where the market shows `budget_left_share`, its price in each
//! tick is the one at which the rest of the budget would be spent by the end (`demand`). What would be spent is seen on the
//! other half, who live every market of training under the law as it would be judged.
//!
//! Differences from the sources:
//! 1. The excess of a budget in a tick is what the frozen law of the inner agent would spend at the price that stands, by
//!    its probabilities, over `budget` / horizon less 1; not what exploration happened to spend. An excess counts at most 1.
//! 2. While exploring, paid messages are thinned out so that exploration lasts to the end of a market: each is kept with the
//!    probability that an even use of what is left allows, else nothing is sent. Recorded propensities are those of the
//!    thinned law. An agent that learns on its own law sees more waiting than it chose.
//! 3. No derivative part: rates of a tick are noisy.
//! 4. Costs are the declared costs of sending, and `coupon_costs` where given. What the market itself counts against its
//!    budget is sending alone.
//! 5. An inner agent that looks at no features has one law for all prices. It learns at `budget_price`, which stays, and its
//!    budget is held by thinning messages out; the other prices are those that stand.
//! 6. Opt-outs are those of the tick that a message was sent in. Only a market tells them: on a log nothing is charged.
//! 7. Parity and opt-outs are held at the last prices of training; nothing of them is shown while a policy is judged.

mod demand;
mod keys;
mod limits;
mod multiplier;

pub use keys::ENTRY;

use super::AGENTS;
use crate::matrix::Matrix;
use crate::protocol::{Agent, Diverged, Ending, Metrics, Observation, Policy, TrainingPlan, Transitions, Views};
use crate::random::Seed;
use crate::registry::find;
use demand::STEPS;
use limits::{Limits, Prices, is_rehearsed};
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::sync::Arc;

const NAME: &str = "lagrangian";

/// Rows of a shard on which the law is asked what it would spend.
const ASKED_ROWS: usize = 512;

/// Everything but the inner agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    /// Kind of the inner agent.
    kind: String,
    horizon: u32,
    limits: Limits,
    /// Prices that stood when the tick that is learned from was decided: budget, opt-outs, parity.
    in_force: [f64; 3],
    /// The tick that is learned from, and the consumer that its last batch began with.
    open: Option<(u32, u32)>,
}

/// Which prices and paces are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Force {
    /// Those of the next decision.
    Present,
    /// Those of the tick that is learned from.
    Past,
}

/// An agent within limits.
#[derive(Debug)]
struct Lagrangian {
    state: State,
    inner: Box<dyn Agent>,
    /// Who withdrew consent in the tick of the batch that comes next.
    opt_outs: Vec<u32>,
}

/// The observation with the prices of each row behind the features.
fn with_prices(limits: &Limits, observation: &Observation, prices: impl Fn(usize) -> Prices) -> Observation {
    let columns = observation.features.columns();
    let mut features = Matrix::new(observation.rows(), columns + limits.count());
    if columns > 0 {
        for block in 0..features.blocks() {
            features.block_mut(block)[..columns].copy_from_slice(observation.features.block(block));
        }
    }
    let mut shown = Vec::with_capacity(limits.count());
    for row in 0..observation.rows() {
        limits.shown(prices(row), observation, row, &mut shown);
        shown.iter().enumerate().for_each(|(index, price)| features.set(row, columns + index, *price));
    }
    Observation {
        tick: observation.tick,
        consumer_ids: observation.consumer_ids.clone(),
        features,
        allowed: observation.allowed.clone(),
        events: observation.events.clone(),
        ..Observation::default()
    }
}

/// Keeps each paid action with the probability of its row; else nothing is sent.
fn thin(costs: &[f64], probabilities: &mut Matrix, keep: impl Fn(usize) -> f32) {
    for row in 0..probabilities.rows() {
        let keep = keep(row);
        if keep >= 1.0 {
            continue;
        }
        let mut taken = 0.0;
        for (action, _) in costs.iter().enumerate().filter(|(_, cost)| **cost > 0.0) {
            let before = probabilities.get(row, action);
            probabilities.set(row, action, keep * before);
            taken += before - keep * before;
        }
        probabilities.set(row, 0, probabilities.get(row, 0) + taken);
    }
}

impl Lagrangian {
    /// The prices and shares kept of each row while training: paced for those who are rehearsed, spread for the others.
    fn training(&self, prices: Prices, force: Force, observation: &Observation) -> Vec<(Prices, f32)> {
        let limits = &self.state.limits;
        let paces = limits.budget.as_ref().map(|budget| match force {
            Force::Present => (budget, budget.unheld, budget.paces(&budget.demand, prices.budget, observation)),
            Force::Past => {
                (budget, budget.unheld_in_force, budget.paces(&budget.demand_in_force, prices.budget, observation))
            }
        });
        let of_row = |row: usize| match (is_rehearsed(observation.consumer_ids[row]), &paces) {
            (true, Some((_, _, paces))) => (Prices { budget: paces[row].price, ..prices }, paces[row].keep),
            (true, None) => (prices, 1.0),
            (false, paces) => {
                let keep = paces.as_ref().map_or(1.0, |(budget, unheld, _)| budget.keep(*unheld, observation, row));
                (limits.spread(prices, observation.consumer_ids[row]), keep)
            }
        };
        (0..observation.rows()).map(of_row).collect()
    }

    fn views(&self) -> Views {
        Views { features: true, ..self.inner.views() }
    }

    /// What the frozen law would spend on some rows of a shard at the prices that are asked for, in all, and on how many.
    fn spending(&self, observation: &Observation, seed: Seed) -> ([f64; STEPS + 1], usize) {
        let (mut sums, limits) = ([0.0; STEPS + 1], &self.state.limits);
        let Some(budget) = &limits.budget else { return (sums, 0) };
        let rows = (0..observation.rows()).filter(|row| is_rehearsed(observation.consumer_ids[*row]));
        let rows: Vec<usize> = rows.take(ASKED_ROWS).collect();
        let mut sample = Observation::default();
        sample.select(observation, &rows);
        let (law, mut probabilities) = (self.inner.snapshot(), Matrix::default());
        for (sum, price) in sums.iter_mut().zip(budget.asked()) {
            let prices = Prices { budget: price, ..limits.prices() };
            law.probabilities(&with_prices(limits, &sample, |_| prices), seed, &mut probabilities);
            for row in 0..rows.len() {
                let of_row = |(action, cost): (usize, &f64)| cost * f64::from(probabilities.get(row, action));
                *sum += budget.costs.iter().enumerate().map(of_row).sum::<f64>();
            }
        }
        (sums, rows.len())
    }

    /// Whether a batch begins another tick than the one that is open, and whether that is one of another market.
    fn begins(&self, observation: &Observation) -> (bool, bool) {
        let first = observation.consumer_ids.first().copied().unwrap_or(0);
        match self.state.open {
            None => (true, false),
            Some((tick, last)) => {
                let is_other_market = observation.tick < tick || (observation.tick == tick && first <= last);
                (observation.tick != tick || is_other_market, is_other_market)
            }
        }
    }
}

impl Policy for Lagrangian {
    fn views(&self) -> Views {
        self.views()
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        let limits = &self.state.limits;
        let rows = self.training(limits.prices(), Force::Present, observation);
        let seen = with_prices(limits, observation, |row| rows[row].0);
        self.inner.probabilities(&seen, seed, probabilities);
        let mut judged = Matrix::default();
        self.inner.snapshot().probabilities(&seen, seed, &mut judged);
        for row in (0..observation.rows()).filter(|row| is_rehearsed(observation.consumer_ids[*row])) {
            (0..judged.columns()).for_each(|action| probabilities.set(row, action, judged.get(row, action)));
        }
        if let Some(budget) = &limits.budget {
            thin(&budget.costs, probabilities, |row| rows[row].1);
        }
    }
}

impl Agent for Lagrangian {
    fn learn(&mut self, batch: &Transitions<'_>, seed: Seed) -> Result<Metrics, Diverged> {
        let opt_outs = std::mem::take(&mut self.opt_outs);
        let observation = batch.observation;
        if batch.actions.is_empty() {
            return self.inner.learn(batch, seed);
        }
        let (begins, is_other_market) = self.begins(observation);
        // Within the only tick of a market, every shard is decided after the one before it was learned from.
        let is_first = begins || self.state.horizon == 1;
        let prices = if is_first {
            self.state.limits.prices()
        } else {
            let [budget, opt_outs, parity] = self.state.in_force;
            Prices { budget, opt_outs, parity }
        };
        let of_row = |row: usize| opt_outs.iter().filter(|id| **id == observation.consumer_ids[row]).count() as u32;
        let limits = &self.state.limits;
        let rows = self.training(prices, if is_first { Force::Present } else { Force::Past }, observation);
        let rewards: Vec<f32> = (0..batch.actions.len())
            .map(|row| {
                let lost = if opt_outs.is_empty() { 0 } else { of_row(row) };
                let charge = limits.charge(rows[row].0, observation, row, batch.actions[row], lost);
                (f64::from(batch.rewards[row]) - charge) as f32
            })
            .collect();
        let seen = with_prices(limits, observation, |row| rows[row].0);
        let keep = |(row, consumer): (usize, &u32)| (!is_rehearsed(*consumer)).then_some(rows[row].1);
        let keeps: Vec<Option<f32>> = observation.consumer_ids.iter().enumerate().map(keep).collect();
        let priced = Transitions { observation: &seen, rewards: &rewards, ..*batch };
        let mut metrics = self.inner.learn(&priced, seed)?;
        if begins {
            if let Some(budget) = &mut self.state.limits.budget {
                budget.unheld_in_force = budget.unheld;
                budget.demand_in_force = budget.demand.clone();
            }
            if let Some((tick, _)) = self.state.open {
                self.state.limits.close(tick, is_other_market);
            }
            self.state.in_force = [prices.budget, prices.opt_outs, prices.parity];
        }
        self.state.open = Some((observation.tick, observation.consumer_ids.first().copied().unwrap_or(0)));
        let (spending, sampled) = self.spending(observation, seed);
        let limits = &mut self.state.limits;
        if let Some(budget) = &mut limits.budget {
            budget.count(batch.actions, &keeps, &spending, sampled);
        }
        if let Some(limit) = &mut limits.opt_outs {
            limit.messages += batch.actions.iter().filter(|action| **action != 0).count() as u64;
            limit.opt_outs += opt_outs.len() as u64;
        }
        if let Some(parity) = &mut limits.parity {
            parity.groups.count(observation, batch.actions);
        }
        metrics.extend(limits.metrics());
        Ok(metrics)
    }

    fn is_sequential(&self) -> bool {
        self.inner.is_sequential() || self.state.limits.opt_outs.is_some()
    }

    fn begin_training(&mut self, plan: &TrainingPlan) {
        self.inner.begin_training(plan);
    }

    fn learns_from_opt_outs(&self) -> bool {
        self.state.limits.opt_outs.is_some()
    }

    fn hear_opt_outs(&mut self, consumers: &[u32]) {
        self.opt_outs = consumers.to_vec();
    }

    fn end_episode(&mut self, ending: &Ending<'_>, seed: Seed) -> Result<Metrics, Diverged> {
        let mut metrics = Metrics::new();
        if self.inner.is_sequential() {
            let limits = &self.state.limits;
            let [budget, opt_outs, parity] = self.state.in_force;
            let prices = Prices { budget, opt_outs, parity };
            let rows = self.training(prices, Force::Past, ending.observation);
            let seen = with_prices(limits, ending.observation, |row| rows[row].0);
            metrics = self.inner.end_episode(&Ending { observation: &seen, ..*ending }, seed)?;
        }
        metrics.extend(self.state.limits.metrics());
        Ok(metrics)
    }

    fn conclude(&mut self, seed: Seed) -> Result<Metrics, Diverged> {
        let metrics = self.inner.conclude(seed)?;
        if let Some((tick, _)) = self.state.open.take() {
            self.state.limits.close(tick, true);
        }
        Ok(metrics)
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        let limits = Arc::new(self.state.limits.clone());
        Box::new(Frozen { limits, inner: self.inner.snapshot(), views: self.views() })
    }

    fn save(&self, to: &mut dyn io::Write) -> io::Result<()> {
        let state = serde_json::to_vec(&self.state)?;
        to.write_all(&(state.len() as u64).to_le_bytes())?;
        to.write_all(&state)?;
        self.inner.save(to)
    }
}

fn load(from: &mut dyn io::Read) -> io::Result<Box<dyn Agent>> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let mut state = Vec::new();
    (&mut *from).take(u64::from_le_bytes(length)).read_to_end(&mut state)?;
    let state: State = serde_json::from_slice(&state)?;
    let unknown = || io::Error::new(io::ErrorKind::InvalidData, format!("there is no agent `{}`", state.kind));
    let entry = find(AGENTS, &state.kind).filter(|entry| entry.name != NAME).ok_or_else(unknown)?;
    let inner = (entry.build.load)(from)?;
    Ok(Box::new(Lagrangian { state, inner, opt_outs: Vec::new() }))
}

/// The law of the inner agent at the prices that its limits now need.
#[derive(Debug)]
struct Frozen {
    limits: Arc<Limits>,
    inner: Box<dyn Policy>,
    views: Views,
}

impl Policy for Frozen {
    fn prepare(&self) {
        self.inner.prepare();
    }

    fn views(&self) -> Views {
        self.views
    }

    fn facts(&self) -> Vec<(&'static str, f64)> {
        let mut facts = self.inner.facts();
        facts.extend(self.limits.metrics().into_iter().filter(|(name, _)| name.ends_with("_price")));
        facts
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        let limits = &*self.limits;
        let prices = limits.prices();
        let Some(budget) = &limits.budget else {
            return self.inner.probabilities(&with_prices(limits, observation, |_| prices), seed, probabilities);
        };
        let paces = budget.paces(&budget.demand, prices.budget, observation);
        let of_row = |row: usize| Prices { budget: paces[row].price, ..prices };
        self.inner.probabilities(&with_prices(limits, observation, of_row), seed, probabilities);
        thin(&budget.costs, probabilities, |row| paces[row].keep);
    }
}

#[cfg(test)]
mod tests;
