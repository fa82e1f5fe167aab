//! A fixed number of consumers of a logit market, 16 side by side.

use super::response::{Response, Worth};
use super::spend::Spend;
use crate::math;
use crate::matrix::Matrix;
use crate::protocol::{Decision, Kpi, MaskedAction, Observation, Outcome, Shard, Truth, Views};
use crate::random::{LANES, Purpose, Seed};
use crate::units::Money;
use multiversion::multiversion;
use std::ops::Range;
use std::sync::Arc;

/// Consumers of a shard: their features and what a policy makes of them fit the core's own cache.
pub(super) const SHARD_CONSUMERS: usize = 1_024;

/// Consumers of a logit market.
#[derive(Clone, Debug)]
pub(super) struct LogitShard {
    pub(super) response: Arc<Response>,
    pub(super) seed: Seed,
    pub(super) first: u32,
    pub(super) tick: u32,
    pub(super) features: Matrix,
    /// Per block of 16: fatigue of each consumer.
    pub(super) fatigue: Vec<[f32; LANES]>,
    /// Per block of 16: ticks since the last success, or since the start.
    pub(super) recency: Vec<[f32; LANES]>,
    scratch: Scratch,
}

/// What one block needs while it steps; no part of the state.
#[derive(Clone, Debug, Default)]
struct Scratch {
    design: Vec<[f32; LANES]>,
    log_odds: Vec<[f32; LANES]>,
}

impl LogitShard {
    /// Consumers `first…` with these features, at tick 0.
    pub(super) fn new(response: Arc<Response>, seed: Seed, first: u32, features: Matrix) -> Self {
        let blocks = features.blocks();
        let scratch = Scratch { design: Vec::new(), log_odds: vec![[0.0; LANES]; response.costs.len()] };
        Self {
            response,
            seed,
            first,
            tick: 0,
            features,
            fatigue: vec![[0.0; LANES]; blocks],
            recency: vec![[0.0; LANES]; blocks],
            scratch,
        }
    }
}

impl Shard for LogitShard {
    fn consumers(&self) -> Range<u32> {
        self.first..self.first + self.features.rows() as u32
    }

    fn fork(&self) -> Box<dyn Shard> {
        Box::new(self.clone())
    }

    fn observe(&mut self, views: Views, observation: &mut Observation) {
        observation.tick = self.tick;
        observation.consumer_ids.clear();
        observation.consumer_ids.extend(self.consumers());
        observation.reset_events(views, 0);
        if views.features {
            observation.features.copy_from(&self.features);
        } else {
            observation.features.reset(0, 0);
        }
        observation.allowed.reset_to_all(self.features.rows(), self.response.costs.len());
    }

    fn step(&mut self, decision: &Decision, outcome: &mut Outcome) -> Result<(), MaskedAction> {
        let actions = self.response.costs.len();
        if let Some(row) = decision.actions.iter().position(|action| usize::from(*action) >= actions) {
            return Err(MaskedAction {
                consumer: self.first + row as u32,
                action: decision.actions[row],
                tick: self.tick,
            });
        }
        outcome.reset(self.features.rows());
        step_blocks(self, &decision.actions, outcome);
        self.tick += 1;
        Ok(())
    }

    fn terminal_values(&self, values: &mut Vec<f64>) {
        values.clear();
        values.resize(self.features.rows(), 0.0);
    }

    /// Recency is 0 after a success and 1 or more after a tick without.
    fn counted_rows(&self, kpi: Kpi, rows: &mut Vec<u32>) -> bool {
        rows.clear();
        if kpi != Kpi::Orders || !self.response.counts_orders() || self.tick == 0 {
            return false;
        }
        let succeeded = |row: &u32| self.recency[*row as usize / LANES][*row as usize % LANES] == 0.0;
        rows.extend((0..self.features.rows() as u32).filter(succeeded));
        true
    }

    fn truth(&self) -> Option<&dyn Truth> {
        Some(self)
    }
}

impl Truth for LogitShard {
    fn expected_rewards(&self, expected: &mut Matrix) {
        expect_blocks(&self.response, &self.features, &self.fatigue, &self.recency, expected);
    }
}

/// Expected rewards of consumers in this state; a state that is shorter than the consumers' blocks is 0.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
pub(super) fn expect_blocks(
    response: &Response,
    features: &Matrix,
    fatigue: &[[f32; LANES]],
    recency: &[[f32; LANES]],
    expected: &mut Matrix,
) {
    let actions = response.costs.len();
    expected.reset(features.rows(), actions);
    let mut design = Vec::new();
    let mut log_odds = vec![[0.0; LANES]; actions];
    let none = [0.0; LANES];
    for block in 0..features.blocks() {
        let design = response.design(features.block(block), &mut design);
        let fatigue = fatigue.get(block).unwrap_or(&none);
        let recency = recency.get(block).unwrap_or(&none);
        response.expect(design, fatigue, recency, &mut log_odds, expected.block_mut(block));
    }
}

/// Counts of one tick, summed over blocks.
#[derive(Default)]
struct Counts {
    /// Who reached each stage and was written to; visits count with and without a message.
    stages: [i64; super::response::MOST_STAGES],
    /// Who passed all stages, with and without a message.
    successes: i64,
    messages: i64,
    cost: i64,
    revenue: i64,
    profit: i64,
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn step_blocks(shard: &mut LogitShard, actions: &[u16], outcome: &mut Outcome) {
    let LogitShard { response, seed, first, tick, features, fatigue, recency, scratch } = shard;
    let response: &Response = response;
    let mut counts = Counts::default();
    for (block, actions) in actions.chunks(LANES).enumerate() {
        let uniforms = seed.uniforms_in_lanes(Purpose::LogitOutcome, *first + (block * LANES) as u32, *tick, 0);
        let mut chosen = [0; LANES];
        for (lane, action) in chosen.iter_mut().zip(actions) {
            *lane = u32::from(*action);
        }
        // Lanes beyond the last consumer reach no stage.
        let mut reached = [0; LANES];
        reached[..actions.len()].fill(1);
        let contacted = chosen.map(|action| u32::from(action != 0));
        let design = response.design(features.block(block), &mut scratch.design);
        let fatigue = &mut fatigue[block];
        let recency = &mut recency[block];
        for (index, stage) in response.stages.iter().enumerate() {
            stage.log_odds.apply(design, &mut scratch.log_odds);
            let odds = if index == 0 {
                first_stage(response, &scratch.log_odds, &chosen, fatigue, recency)
            } else {
                select(&scratch.log_odds, &chosen)
            };
            let u = &uniforms[index];
            for lane in 0..LANES {
                reached[lane] &= u32::from(u[lane] < math::sigmoid(odds[lane]));
            }
            // Opens, clicks and conversions are rates of messages: what happens without one is none of them.
            let is_visit = u32::from(stage.kpi == Kpi::Visits);
            let mut counted = [0; LANES];
            for lane in 0..LANES {
                counted[lane] = reached[lane] & (contacted[lane] | is_visit);
            }
            counts.stages[index] += i64::from(counted.iter().sum::<u32>());
        }
        counts.successes += i64::from(reached.iter().sum::<u32>());
        for lane in 0..LANES {
            recency[lane] = if reached[lane] == 1 { 0.0 } else { recency[lane] + 1.0 };
        }
        let profits = &mut outcome.profits[block * LANES..block * LANES + actions.len()];
        counts.messages += i64::from(contacted.iter().sum::<u32>());
        book_successes(response, actions, &reached, profits, &mut counts);
        if let Some(spend) = &response.spend {
            book_spend(response, spend, &reached, &uniforms[3], profits, &mut counts);
        }
    }
    report(response, &counts, outcome);
}

/// Log-odds of the chosen action in the first stage; the fatigue moves on.
#[inline(always)]
fn first_stage(
    response: &Response,
    log_odds: &[[f32; LANES]],
    chosen: &[u32; LANES],
    fatigue: &mut [f32; LANES],
    recency: &[f32; LANES],
) -> [f32; LANES] {
    let mut odds = [0; LANES];
    let mut added = [0; LANES];
    for ((action, lanes), &cost) in (0..).zip(log_odds).zip(&response.fatigue_costs) {
        for lane in 0..LANES {
            let mask = equality_mask(chosen[lane], action);
            odds[lane] |= (lanes[lane] - fatigue[lane] * cost).to_bits() & mask;
            added[lane] |= cost.to_bits() & mask;
        }
    }
    let mut odds = odds.map(f32::from_bits);
    for lane in 0..LANES {
        odds[lane] += response.recency_coefficient * recency[lane];
        fatigue[lane] = response.fatigue_decay * fatigue[lane] + f32::from_bits(added[lane]);
    }
    odds
}

/// Log-odds of the chosen action.
#[inline(always)]
fn select(log_odds: &[[f32; LANES]], chosen: &[u32; LANES]) -> [f32; LANES] {
    let mut odds = [0; LANES];
    for (action, lanes) in (0..).zip(log_odds) {
        for lane in 0..LANES {
            odds[lane] |= lanes[lane].to_bits() & equality_mask(chosen[lane], action);
        }
    }
    odds.map(f32::from_bits)
}

/// All ones where equal, else 0: selecting by bits leaves the compiler nothing to branch on.
#[inline(always)]
fn equality_mask(one: u32, other: u32) -> u32 {
    u32::from(one == other).wrapping_neg()
}

/// Books costs and profit of one block where nothing is spent.
#[inline(always)]
fn book_successes(
    response: &Response,
    actions: &[u16],
    reached: &[u32; LANES],
    profits: &mut [Money],
    counts: &mut Counts,
) {
    let worth = if response.worth == Worth::One { Money::from_amount(1.0).micros() } else { 0 };
    if response.is_free {
        for (profit, &reached) in profits.iter_mut().zip(reached) {
            let earned = if reached == 1 { worth } else { 0 };
            *profit = Money::from_micros(earned);
            counts.profit += earned;
        }
        return;
    }
    for ((profit, &action), &reached) in profits.iter_mut().zip(actions).zip(reached) {
        let cost = response.costs[usize::from(action)].micros();
        let earned = i64::from(reached) * worth;
        *profit = Money::from_micros(earned - cost);
        counts.cost += cost;
        counts.profit += earned - cost;
    }
}

/// Adds what the successes of one block spend.
fn book_spend(
    response: &Response,
    spend: &Spend,
    reached: &[u32; LANES],
    uniforms: &[f32; LANES],
    profits: &mut [Money],
    counts: &mut Counts,
) {
    for (lane, profit) in profits.iter_mut().enumerate().filter(|(lane, _)| reached[*lane] == 1) {
        let paid = spend.quantile(f64::from(uniforms[lane]));
        counts.revenue += Money::from_amount(paid).micros();
        if let Worth::Margin(margin) = response.worth {
            let earned = Money::from_amount(paid * margin);
            *profit += earned;
            counts.profit += earned.micros();
        }
    }
}

fn report(response: &Response, counts: &Counts, outcome: &mut Outcome) {
    let tally = &mut outcome.tally;
    tally.add(Kpi::Messages, counts.messages);
    tally.add(Kpi::Delivered, counts.messages);
    for (stage, count) in response.stages.iter().zip(&counts.stages) {
        tally.add(stage.kpi, *count);
    }
    if response.counts_orders() {
        tally.add(Kpi::Orders, counts.successes);
    }
    tally.add(Kpi::Revenue, counts.revenue);
    tally.add(Kpi::Cost, counts.cost);
    tally.add(Kpi::Profit, counts.profit);
}
