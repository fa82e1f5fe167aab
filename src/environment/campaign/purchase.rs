//! Orders of a tick: organic, in the session, pending; then what an order changes (docs/market.md 4).

use super::forces::{Forces, Here, Moment};
use super::model::{Dropout, Model};
use super::state::{NOT_PENDING, State};
use crate::math::{exp, ln};
use crate::protocol::{Kpi, Outcome, Tally};
use crate::random::{LANES, Purpose, Seed};
use crate::response::Order;
use crate::units::Money;
use multiversion::multiversion;

/// Largest sum that modules may add to the log-hazard of an order.
pub(super) const LOG_HAZARD_MAX: f32 = 3.0;

/// The draws that every consumer gets in every tick.
#[derive(Clone, Debug, Default)]
pub struct Organic {
    order: Vec<f32>,
    visit: Vec<f32>,
    dropout: Vec<f32>,
    /// Who orders of their own accord.
    pub orders: Vec<bool>,
    /// Who visits of their own accord.
    pub visits: Vec<bool>,
}

impl Organic {
    /// Draws for a shard; the same numbers for every policy.
    pub fn draw(&mut self, seed: Seed, first: u32, tick: i32, rows: usize) {
        for column in [&mut self.order, &mut self.visit, &mut self.dropout] {
            column.resize(rows.next_multiple_of(LANES), 0.0);
        }
        draw_columns(seed, first, tick as u32, &mut self.order, &mut self.visit, &mut self.dropout);
    }

    /// Marks who visits: `u < probability * alive`.
    pub fn mark_visits(&mut self, probability: &[f32], alive: &[f32]) {
        self.visits.clear();
        let chances = probability.iter().zip(alive).zip(&self.visit);
        self.visits.extend(chances.map(|((probability, alive), uniform)| *uniform < probability * alive));
    }

    /// Marks who orders: `u < 1 - exp(-rate * tick * exp(min(v, 3)))` while alive.
    pub fn mark_orders(&mut self, rate_per_tick: &[f32], alive: &[f32], log_hazard: &[f32]) {
        self.orders.resize(alive.len(), false);
        mark_orders(rate_per_tick, alive, log_hazard, &self.order, &mut self.orders);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn draw_columns(seed: Seed, first: u32, tick: u32, order: &mut [f32], visit: &mut [f32], dropout: &mut [f32]) {
    let blocks = order.chunks_exact_mut(LANES).zip(visit.chunks_exact_mut(LANES)).zip(dropout.chunks_exact_mut(LANES));
    for (block, ((order, visit), dropout)) in blocks.enumerate() {
        let entity = first.wrapping_add((block * LANES) as u32);
        let uniforms = seed.uniforms_in_lanes(Purpose::Organic, entity, tick, 0);
        order.copy_from_slice(&uniforms[0]);
        visit.copy_from_slice(&uniforms[1]);
        dropout.copy_from_slice(&uniforms[2]);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn mark_orders(rate: &[f32], alive: &[f32], log_hazard: &[f32], uniform: &[f32], orders: &mut [bool]) {
    let count = orders.len();
    let (rate, alive, log_hazard, uniform) = (&rate[..count], &alive[..count], &log_hazard[..count], &uniform[..count]);
    for row in 0..count {
        let hazard = rate[row] * alive[row] * exp(log_hazard[row].min(LOG_HAZARD_MAX));
        orders[row] = uniform[row] < 1.0 - exp(-hazard);
    }
}

/// What an order comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sale {
    /// Taken off, in currency.
    pub reduction: f64,
    /// Paid, in currency.
    pub revenue: f64,
    /// Paid, less what the goods cost.
    pub profit: Money,
}

impl Sale {
    /// Goods of this full price with a discount; `margin` is the share of the full price that is not cost.
    pub fn new(full_price: f64, discount: f32, margin: f64) -> Self {
        let reduction = full_price * f64::from(discount);
        let revenue = full_price - reduction;
        Self { reduction, revenue, profit: Money::from_amount(revenue - full_price * (1.0 - margin)) }
    }
}

/// The hazard is multiplied: 1 - (1 - p)^factor, which is p itself where nothing is added.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn lose_with_offsets(alive: &mut [f32], uniform: &[f32], at_rest: &[f32], offsets: &[f32]) {
    let count = alive.len();
    let (uniform, at_rest, offsets) = (&uniform[..count], &at_rest[..count], &offsets[..count]);
    for row in 0..count {
        let moved = 1.0 - exp(ln(1.0 - at_rest[row]) * exp(offsets[row]));
        let probability = if offsets[row] == 0.0 { at_rest[row] } else { moved };
        alive[row] = if uniform[row] < probability { 0.0 } else { alive[row] };
    }
}

/// What purchases read and write about one shard.
pub struct Till<'a> {
    /// The market.
    pub model: &'a Model,
    /// The modules of the shard.
    pub forces: &'a Forces,
    /// What is the same for all of them.
    pub moment: Moment<'a>,
    /// State of the shard.
    pub state: &'a mut State,
    /// Added to the logarithm of each row's dropout probability; empty where nothing is.
    pub dropout_offsets: &'a [f32],
    /// Receives the orders, in row order.
    pub orders: &'a mut Vec<Order>,
}

impl Till<'_> {
    /// Books at most one order per consumer: session first, then pending, then organic.
    /// Rows whose pending order is placed are added to `fallen_due`.
    pub fn book(
        &mut self,
        session_orders: &[(u32, f32)],
        organic: &Organic,
        fallen_due: &mut Vec<u32>,
        outcome: &mut Outcome,
    ) {
        let mut session = session_orders.iter().peekable();
        for row in 0..self.state.alive.len() {
            let in_session = session.next_if(|(ordering, _)| *ordering as usize == row).map(|(_, discount)| *discount);
            let due = self.state.pending_tick[row] <= self.moment.here.tick;
            if in_session.is_none() && !due && !organic.orders[row] {
                continue;
            }
            if let Some(discount) = in_session {
                self.order(row, discount, outcome);
            } else if due {
                self.state.pending_tick[row] = NOT_PENDING;
                if self.state.alive[row] > 0.0 {
                    fallen_due.push(row as u32);
                    self.order(row, self.state.pending_discount[row], outcome);
                }
            } else {
                let remembered = self.state.coupon_remembered[row] && self.state.has_coupon(row, self.moment.here.tick);
                let discount = if remembered { self.state.coupon_discount[row] } else { 0.0 };
                self.order(row, discount, outcome);
            }
        }
    }

    fn order(&mut self, row: usize, discount: f32, outcome: &mut Outcome) {
        let Moment { here: Here { seed, first, tick, .. }, people, .. } = self.moment;
        let consumer = first + row as u32;
        let uniform = seed.uniforms(Purpose::Basket, consumer, tick as u32, 0)[0];
        let quantity = self.forces.quantity(&self.model.modules, &self.moment, row, discount);
        let full_price = f64::from(self.model.population.basket(uniform, people.spend_rate[row]) * quantity);
        let Sale { reduction, revenue, profit } = Sale::new(full_price, discount, self.model.margin);
        let tally: &mut Tally = &mut outcome.tally;
        tally.add(Kpi::Orders, 1);
        tally.add_money(Kpi::Revenue, Money::from_amount(revenue));
        tally.add_money(Kpi::Discount, Money::from_amount(reduction));
        tally.add_money(Kpi::Profit, profit);
        outcome.profits[row] += profit;
        self.orders.push(Order { row: row as u32, discount, quantity, revenue: revenue as f32 });
        if self.model.dropout == Dropout::AfterOrders {
            let uniform = seed.uniforms(Purpose::Dropout, consumer, tick as u32, 0)[0];
            let mut probability = people.dropout[row];
            if let Some(offset) = self.dropout_offsets.get(row) {
                probability *= exp(*offset);
            }
            if uniform < probability {
                self.state.alive[row] = 0.0;
            }
        }
    }

    /// With the Pareto/NBD clock: who leaves in this tick, whether or not they ordered.
    pub fn lose(&mut self, organic: &Organic, probability: &[f32]) {
        if self.model.dropout != Dropout::AtAnyTime {
            return;
        }
        let rows = self.state.alive.len();
        let (uniform, probability) = (&organic.dropout[..rows], &probability[..rows]);
        if self.dropout_offsets.is_empty() {
            for ((alive, uniform), probability) in self.state.alive.iter_mut().zip(uniform).zip(probability) {
                *alive = if uniform < probability { 0.0 } else { *alive };
            }
        } else {
            lose_with_offsets(&mut self.state.alive, uniform, probability, self.dropout_offsets);
        }
    }
}
