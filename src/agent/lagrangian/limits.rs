//! The limits: what each charges a row, and what a finished tick does to its price.

use super::demand::{Curve, Demand, Pace, STEPS};
use super::multiplier::Multiplier;
use crate::agent::budget_paced::Share;
use crate::agent::parity_constrained::groups::Groups;
use crate::protocol::{Metrics, Observation};
use crate::random::{Purpose, Seed};
use serde::{Deserialize, Serialize};

/// Seed of the draws that spread prices over consumers while training.
const SPREAD: Seed = Seed::new(0x7072_6963_6573);
/// Share of consumers who live under the law as it would be judged, while the others are explored with.
const REHEARSED: f32 = 0.5;
/// Weight of the last tick in what the inner agent would spend by itself.
const RECENT: f64 = 0.5;

/// Whether a consumer lives training as if it were judged: there it is seen what the law spends in the states that it
/// leads to.
pub(super) fn is_rehearsed(consumer: u32) -> bool {
    SPREAD.uniforms(Purpose::Learning, consumer, 0, 0)[3] < REHEARSED
}

/// Prices of a row: of a unit of currency, of an opt-out, and of a unit of d (signed).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Prices {
    pub budget: f64,
    pub opt_outs: f64,
    pub parity: f64,
}

/// Total spending over the horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Budget {
    /// Currency per consumer, over the horizon.
    pub per_consumer: f64,
    /// Currency per action: sending, and what a coupon is expected to give away.
    pub costs: Vec<f64>,
    /// The same in micro-units, so that what is spent does not depend on the order of rows.
    pub costs_micros: Vec<i64>,
    pub consumers: u32,
    pub horizon: u32,
    pub multiplier: Multiplier,
    pub demand: Demand,
    /// The same when the tick that is learned from was decided.
    pub demand_in_force: Demand,
    /// The share that is left, where the market shows it.
    pub left: Option<Share>,
    /// What a consumer would cost in a tick of training if nothing were held back.
    pub unheld: f64,
    /// The same when the tick that is learned from was decided.
    pub unheld_in_force: f64,
    /// Of the market that is lived.
    pub spent_micros: i64,
    /// Of the tick that is lived.
    pub open: OpenDemand,
}

/// What the law would spend at some prices, summed over the sampled rows of a tick.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OpenDemand {
    top: f64,
    spending: [f64; STEPS + 1],
    sampled: u64,
    /// What was spent, and how much it would have been without throttling.
    unheld: f64,
    rows: u64,
}

impl Budget {
    /// The share of the budget that is left, as shown or else as an even pace leaves it.
    fn left_share(&self, observation: &Observation, row: usize) -> f64 {
        match self.left {
            Some(left) => f64::from(left.of(observation, row)).clamp(0.0, 1.0),
            None => f64::from(self.horizon.saturating_sub(observation.tick)) / f64::from(self.horizon),
        }
    }

    /// Whether a row is shown the same share as the one before it.
    fn shows_the_same(&self, observation: &Observation, row: usize) -> bool {
        self.left.is_none_or(|left| left.of(observation, row).to_bits() == left.of(observation, row - 1).to_bits())
    }

    /// How a row is to be paced when it is judged.
    fn pace(&self, demand: &Demand, price: f64, observation: &Observation, row: usize) -> Pace {
        let left = self.left_share(observation, row) * self.per_consumer;
        demand.pace(observation.tick, left).unwrap_or(Pace { price, keep: 1.0 })
    }

    /// The paces of all rows. A market mostly shows the same share to all of them.
    pub(super) fn paces(&self, demand: &Demand, price: f64, observation: &Observation) -> Vec<Pace> {
        let mut paces: Vec<Pace> = Vec::with_capacity(observation.rows());
        for row in 0..observation.rows() {
            let same = row > 0 && self.shows_the_same(observation, row);
            paces.push(if same { paces[row - 1] } else { self.pace(demand, price, observation, row) });
        }
        paces
    }

    /// Probability with which a paid message is kept while training, where so much would be spent: the inner agent explores
    /// within the budget.
    pub(super) fn keep(&self, unheld: f64, observation: &Observation, row: usize) -> f32 {
        let ticks = f64::from(self.horizon.saturating_sub(observation.tick).max(1));
        let planned = self.left_share(observation, row) * self.per_consumer / ticks;
        if unheld > planned { (planned / unheld) as f32 } else { 1.0 }
    }

    /// Prices at which spending is asked for.
    pub(super) fn asked(&self) -> [f64; STEPS + 1] {
        std::array::from_fn(|step| 2.0 * self.multiplier.price() * step as f64 / STEPS as f64)
    }

    /// Takes in what was done to a shard, where something was explored the share that was kept, and what the law would spend
    /// on some of its rows at the prices asked for.
    pub(super) fn count(
        &mut self,
        actions: &[u16],
        keeps: &[Option<f32>],
        spending: &[f64; STEPS + 1],
        sampled: usize,
    ) {
        self.open.top = 2.0 * self.multiplier.price();
        self.open.spending.iter_mut().zip(spending).for_each(|(sum, spending)| *sum += spending);
        self.open.sampled += sampled as u64;
        for (action, keep) in actions.iter().zip(keeps) {
            self.spent_micros = self.spent_micros.saturating_add(self.costs_micros[usize::from(*action)]);
            if let Some(keep) = keep {
                self.open.unheld += self.costs[usize::from(*action)] / f64::from(keep.max(1e-6));
                self.open.rows += 1;
            }
        }
    }

    /// A tick is over: what the law would have spent in it at the present price, against an even share of the budget.
    fn close(&mut self, tick: u32) {
        let open = std::mem::take(&mut self.open);
        if open.rows > 0 {
            let unheld = open.unheld / open.rows as f64;
            self.unheld += RECENT * (unheld - self.unheld);
        }
        if open.sampled > 0 {
            let seen = Curve { top: open.top, spending: open.spending.map(|sum| sum / open.sampled as f64) };
            let planned = self.per_consumer / f64::from(self.horizon);
            self.multiplier.ascend(seen.at(self.multiplier.price()) / planned - 1.0);
            self.demand.learn(tick, seen);
        }
    }

    /// What has been spent of the budget.
    pub(super) fn spent_share(&self) -> f64 {
        self.spent_micros as f64 * 1e-6 / (self.per_consumer * f64::from(self.consumers))
    }
}

/// Opt-outs per message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct OptOuts {
    pub per_message: f64,
    pub multiplier: Multiplier,
    pub messages: u64,
    pub opt_outs: u64,
    /// Of the last tick.
    pub rate: f64,
}

impl OptOuts {
    fn close(&mut self) {
        let (opt_outs, messages) = (self.opt_outs as f64, self.messages as f64);
        (self.opt_outs, self.messages) = (0, 0);
        if messages > 0.0 {
            self.rate = opt_outs / messages;
            self.multiplier.ascend(self.rate / self.per_message - 1.0);
        }
    }
}

/// How differently two groups are treated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Parity {
    pub groups: Groups,
    pub tolerance: f64,
    /// Of members getting more, and of their getting less.
    pub multipliers: [Multiplier; 2],
}

impl Parity {
    fn price(&self) -> f64 {
        self.multipliers[0].price() - self.multipliers[1].price()
    }

    fn close(&mut self) {
        if let Some(gap) = self.groups.close() {
            self.multipliers[0].ascend(gap - self.tolerance);
            self.multipliers[1].ascend(-gap - self.tolerance);
        }
    }
}

/// All limits that are set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Limits {
    pub budget: Option<Budget>,
    pub opt_outs: Option<OptOuts>,
    pub parity: Option<Parity>,
    /// Whether prices are spread over consumers while training: for inner agents that see them.
    pub spreads: bool,
}

impl Limits {
    /// Number of limits: of the features that show their prices.
    pub(super) fn count(&self) -> usize {
        usize::from(self.budget.is_some()) + usize::from(self.opt_outs.is_some()) + usize::from(self.parity.is_some())
    }

    /// The prices as they stand.
    pub(super) fn prices(&self) -> Prices {
        Prices {
            budget: self.budget.as_ref().map_or(0.0, |budget| budget.multiplier.price()),
            opt_outs: self.opt_outs.as_ref().map_or(0.0, |opt_outs| opt_outs.multiplier.price()),
            parity: self.parity.as_ref().map_or(0.0, Parity::price),
        }
    }

    /// The prices of a consumer while training: between 0 and twice the prices that stand, the same all through a market.
    pub(super) fn spread(&self, prices: Prices, consumer: u32) -> Prices {
        if !self.spreads {
            return prices;
        }
        let draws = SPREAD.uniforms(Purpose::Learning, consumer, 0, 0);
        let [budget, opt_outs, parity] = [0, 1, 2].map(|limit: usize| 2.0 * f64::from(draws[limit]));
        Prices { budget: prices.budget * budget, opt_outs: prices.opt_outs * opt_outs, parity: prices.parity * parity }
    }

    /// What the inner agent is shown of its prices, one number for each limit: what a unit of cost, an opt-out and a unit
    /// of d are charged in this row.
    pub(super) fn shown(&self, prices: Prices, observation: &Observation, row: usize, columns: &mut Vec<f32>) {
        columns.clear();
        columns.extend(self.budget.as_ref().map(|_| prices.budget as f32));
        columns.extend(self.opt_outs.as_ref().map(|_| prices.opt_outs as f32));
        columns.extend(self.parity.as_ref().map(|one| (prices.parity * one.groups.weight(observation, row)) as f32));
    }

    /// What a decision is charged.
    pub(super) fn charge(
        &self,
        prices: Prices,
        observation: &Observation,
        row: usize,
        action: u16,
        opt_outs: u32,
    ) -> f64 {
        let budget = self.budget.as_ref().map_or(0.0, |budget| prices.budget * budget.costs[usize::from(action)]);
        let sent = f64::from(u8::from(action != 0));
        let of_opt_outs = |limit: &OptOuts| prices.opt_outs * (f64::from(opt_outs) - limit.per_message * sent);
        let of_parity = |parity: &Parity| {
            let distance = parity.groups.distances().nth(usize::from(action)).unwrap_or(0.0);
            prices.parity * parity.groups.weight(observation, row) * f64::from(distance)
        };
        budget + self.opt_outs.as_ref().map_or(0.0, of_opt_outs) + self.parity.as_ref().map_or(0.0, of_parity)
    }

    /// A tick is over, and perhaps its market.
    pub(super) fn close(&mut self, tick: u32, market_is_over: bool) {
        if let Some(budget) = &mut self.budget {
            budget.close(tick);
            if market_is_over {
                budget.spent_micros = 0;
            }
        }
        self.opt_outs.iter_mut().for_each(OptOuts::close);
        self.parity.iter_mut().for_each(Parity::close);
    }

    /// Prices, and what they are to hold.
    pub(super) fn metrics(&self) -> Metrics {
        let prices = self.prices();
        let mut metrics = Metrics::new();
        if let Some(budget) = &self.budget {
            metrics.extend([("budget_price", prices.budget), ("budget_spent_share", budget.spent_share())]);
        }
        if let Some(opt_outs) = &self.opt_outs {
            metrics.extend([("opt_out_price", prices.opt_outs), ("opt_out_rate", opt_outs.rate)]);
        }
        if let Some(parity) = &self.parity {
            metrics.extend([("parity_price", prices.parity), ("parity_gap", parity.groups.gap())]);
        }
        metrics
    }
}
