//! Consecutive consumers of the market, living one tick at a time.

use super::budget::Gate;
use super::funnel::{Aftermath, Chances, Funnel};
use super::mask::Today;
use super::model::{Dropout, Model};
use super::observation::Seen;
use super::purchase::{Organic, Till};
use super::start;
use super::state::State;
use crate::market::people::People;
use crate::protocol::{ActionBits, Decision, Kpi, MaskedAction, Observation, Outcome, Shard, Views};
use crate::random::Seed;
use crate::response::{Contacts, MessagePredictors, Responses, View};
use crate::units::Money;
use std::ops::Range;
use std::sync::Arc;

/// Consumers of a shard; never depends on the number of threads.
pub const SHARD_CONSUMERS: u32 = 1_024;

/// About what the rates of a consumer and the buffers of a step take: a dozen columns.
pub(super) const RATES_AND_SCRATCH_BYTES: usize = 12 * size_of::<f32>();

/// Buffers of a step, kept so that a step allocates nothing.
#[derive(Clone, Debug, Default)]
struct Scratch {
    organic: Organic,
    contacts: Contacts,
    predictors: MessagePredictors,
    responses: Responses,
    aftermath: Aftermath,
    chances: Chances,
    log_hazard: Vec<f32>,
    mask: ActionBits,
    mask_tick: Option<i32>,
}

/// Probabilities and rates per tick that never change.
#[derive(Clone, Debug, Default)]
struct Rates {
    order: Vec<f32>,
    visit: Vec<f32>,
    dropout: Vec<f32>,
}

/// Consecutive consumers of the market.
#[derive(Clone, Debug)]
pub struct CampaignShard {
    model: Arc<Model>,
    seed: Seed,
    first: u32,
    tick: i32,
    people: Arc<People>,
    rates: Arc<Rates>,
    state: State,
    /// `[module][column][row]`.
    columns: Vec<Vec<Vec<f32>>>,
    scratch: Scratch,
    /// Who may use actions that cost money, while a budget is shared.
    pub(super) gate: Gate,
    /// Share of the budget left at the start of the tick.
    pub(super) budget_left: f32,
    /// Spent on messages since tick 0.
    pub(super) spent: Money,
}

impl CampaignShard {
    /// The consumers from `first` on, at tick 0, their history lived.
    pub(super) fn open(
        model: &Arc<Model>,
        seed: Seed,
        consumers: Range<u32>,
        customers: Option<&start::Customers>,
    ) -> Self {
        let (people, state) = start::people_and_state(model, seed, consumers.clone(), customers);
        let rates = rates(model, &people);
        let columns = model.modules.iter().map(|module| vec![vec![0.0; people.len()]; module.columns()]).collect();
        let mut shard = Self {
            model: Arc::clone(model),
            seed,
            first: consumers.start,
            tick: -(model.history.ticks as i32),
            people: Arc::new(people),
            rates: Arc::new(rates),
            state,
            columns,
            scratch: Scratch::default(),
            gate: Gate::Open,
            budget_left: 1.0,
            spent: Money::ZERO,
        };
        shard.live_history();
        shard
    }

    /// Lives up to tick 0 under the stated rule: the same message every so many days, staggered over the consumers.
    fn live_history(&mut self) {
        let rule = self.model.history;
        let mut decision = Decision::default();
        let mut outcome = Outcome::default();
        while self.tick < 0 {
            decision.reset(self.people.len());
            self.refresh_mask();
            let day = self.model.clock.day(self.tick);
            let first_tick_of_day = self.model.clock.hour(self.tick).is_none_or(|hour| hour == self.history_hour());
            if rule.every_days > 0 && first_tick_of_day {
                for (row, action) in decision.actions.iter_mut().enumerate() {
                    let turn = (day - (self.first as i32 + row as i32)).rem_euclid(rule.every_days as i32);
                    let days = (self.model.clock.tick_days.ceil() as i32).max(1);
                    if turn < days && self.scratch.mask.allows(row, usize::from(rule.action)) {
                        *action = rule.action;
                    }
                }
            }
            self.live(&decision, &mut outcome);
        }
        self.spent = Money::ZERO;
    }

    fn history_hour(&self) -> u8 {
        let action = usize::from(self.model.history.action);
        action
            .checked_sub(1)
            .and_then(|index| self.model.catalogue.messages.get(index))
            .map_or(0, |message| message.hour)
    }

    fn refresh_mask(&mut self) {
        if self.scratch.mask_tick == Some(self.tick) {
            return;
        }
        let today = Today { hour: self.model.clock.hour(self.tick), tick: self.tick };
        let (gate, seed, tick, first) = (self.gate, self.seed, self.tick, self.first);
        let affords = |row: usize| gate.admits(seed, tick, first + row as u32);
        let is_scarce = gate != Gate::Open;
        self.model.mask.write(&self.people, &self.state, today, is_scarce, affords, &mut self.scratch.mask);
        self.scratch.mask_tick = Some(self.tick);
    }

    /// One tick, in the order of docs/market.md 1.2.
    fn live(&mut self, decision: &Decision, outcome: &mut Outcome) {
        let rows = self.people.len();
        outcome.reset(rows);
        self.collect_contacts(decision, outcome);
        self.scratch.organic.draw(self.seed, self.first, self.tick, rows);
        self.scratch.organic.mark_visits(&self.rates.visit, &self.state.alive);
        self.send_messages(outcome);
        self.advance_modules();
        self.take_orders(outcome);
        self.finish(outcome);
    }

    fn collect_contacts(&mut self, decision: &Decision, outcome: &mut Outcome) {
        let contacts = &mut self.scratch.contacts;
        contacts.clear();
        for (row, &action) in decision.actions.iter().enumerate() {
            let Some(index) = usize::from(action).checked_sub(1) else { continue };
            let message = self.model.catalogue.messages[index];
            contacts.rows.push(row as u32);
            contacts.messages.push(message);
            let offset = i16::from(self.people.clock_offset_hours[row]);
            contacts.local_hours.push((i16::from(message.hour) + offset).rem_euclid(24) as u8);
            outcome.profits[row] += -message.cost;
            outcome.tally.add_money(Kpi::Cost, message.cost);
            outcome.tally.add_money(Kpi::Profit, -message.cost);
            self.spent += message.cost;
        }
    }

    fn send_messages(&mut self, outcome: &mut Outcome) {
        let Scratch { organic, contacts, predictors, responses, aftermath, chances, .. } = &mut self.scratch;
        aftermath.clear();
        if contacts.is_empty() {
            return;
        }
        let mut funnel = Funnel {
            model: &self.model,
            seed: self.seed,
            first: self.first,
            tick: self.tick,
            people: &self.people,
            state: &mut self.state,
            visiting: &organic.visits,
            ignores_consent: self.model.mask.audit,
            chances,
        };
        funnel.run(&self.columns, contacts, predictors, responses, aftermath, &mut outcome.tally);
    }

    fn advance_modules(&mut self) {
        let weekend = self.model.clock.is_weekend(self.tick);
        let view = View { tick: self.tick, weekend, people: &self.people, columns: &[] };
        for (module, columns) in self.model.modules.iter().zip(&mut self.columns) {
            module.advance(&view, &self.scratch.contacts, &self.scratch.responses, columns);
        }
    }

    fn take_orders(&mut self, outcome: &mut Outcome) {
        let weekend = self.model.clock.is_weekend(self.tick);
        let Scratch { organic, aftermath, log_hazard, .. } = &mut self.scratch;
        log_hazard.clear();
        log_hazard.resize(self.people.len(), 0.0);
        for (module, columns) in self.model.modules.iter().zip(&self.columns) {
            let view = View { tick: self.tick, weekend, people: &self.people, columns };
            module.contribute_to_orders(&view, log_hazard);
        }
        organic.mark_orders(&self.rates.order, &self.state.alive, log_hazard);
        let mut till = Till {
            model: &self.model,
            seed: self.seed,
            first: self.first,
            tick: self.tick,
            people: &self.people,
            state: &mut self.state,
        };
        till.book(&aftermath.session_orders, organic, outcome);
        till.lose(organic, &self.rates.dropout);
    }

    /// Visits, opt-outs and lost addresses take effect, and the calendar turns.
    fn finish(&mut self, outcome: &mut Outcome) {
        let Scratch { organic, aftermath, .. } = &self.scratch;
        for (row, visits) in organic.visits.iter().enumerate() {
            if *visits {
                self.state.record_visit(row, self.tick);
                outcome.tally.add(Kpi::Visits, 1);
            }
        }
        for &row in &aftermath.visits {
            if !organic.visits[row as usize] {
                self.state.record_visit(row as usize, self.tick);
                outcome.tally.add(Kpi::Visits, 1);
            }
        }
        for &(row, channel) in &aftermath.opt_outs {
            // In an audit, messages reach those who have withdrawn already: nobody withdraws twice.
            let consented = self.state.consent[row as usize] >> channel & 1;
            self.state.consent[row as usize] &= !(1 << channel);
            outcome.tally.add(Kpi::OptOuts, i64::from(consented));
        }
        for &(row, channel) in &aftermath.lost_addresses {
            self.state.address[row as usize] &= !(1 << channel);
        }
        self.state.turn_page(&self.model.clock, self.tick);
        self.tick += 1;
    }

    /// Counts actions that the rules forbid, or names the first where they are enforced.
    fn check(&self, decision: &Decision) -> Result<i64, MaskedAction> {
        let mut violations = 0;
        for (row, &action) in decision.actions.iter().enumerate() {
            let exists = usize::from(action) < self.scratch.mask.actions();
            if !exists || !self.scratch.mask.allows(row, usize::from(action)) {
                if !self.model.mask.audit || !exists {
                    return Err(MaskedAction { consumer: self.first + row as u32, action, tick: self.tick as u32 });
                }
                violations += 1;
            }
        }
        Ok(violations)
    }
}

fn rates(model: &Model, people: &People) -> Rates {
    let tick_days = model.clock.tick_days;
    let chance = |rate: f64| -libm::expm1(-rate * tick_days) as f32;
    Rates {
        order: people.order_rate.iter().map(|&rate| (f64::from(rate) * tick_days) as f32).collect(),
        visit: people.order_rate.iter().map(|&rate| chance(f64::from(rate) * model.visits_per_order)).collect(),
        dropout: match model.dropout {
            Dropout::AfterOrders => Vec::new(),
            Dropout::AtAnyTime => people.dropout.iter().map(|&hazard| chance(f64::from(hazard))).collect(),
        },
    }
}

impl Shard for CampaignShard {
    fn consumers(&self) -> Range<u32> {
        self.first..self.first + self.people.len() as u32
    }

    fn observe(&mut self, views: Views, observation: &mut Observation) {
        observation.tick = self.tick as u32;
        observation.consumer_ids.clear();
        observation.consumer_ids.extend(self.consumers());
        self.refresh_mask();
        if self.model.mask.audit {
            observation.allowed.reset_to_all(self.people.len(), self.scratch.mask.actions());
        } else {
            observation.allowed.clone_from(&self.scratch.mask);
        }
        if views.features {
            let seen = Seen {
                people: &self.people,
                state: &self.state,
                clock: &self.model.clock,
                tick: self.tick,
                horizon: self.model.spec.horizon,
                budget_left: self.budget_left,
            };
            self.model.columns.write(&seen, &mut observation.features);
        } else {
            observation.features.reset(0, 0);
        }
    }

    fn step(&mut self, decision: &Decision, outcome: &mut Outcome) -> Result<(), MaskedAction> {
        self.refresh_mask();
        let violations = self.check(decision)?;
        self.live(decision, outcome);
        outcome.tally.add(Kpi::Violations, violations);
        Ok(())
    }

    fn terminal_values(&self, values: &mut Vec<f64>) {
        values.clear();
        for row in 0..self.people.len() {
            values.push(self.terminal_value(row));
        }
    }
}

impl CampaignShard {
    /// Expected margin beyond the horizon (docs/market.md 9.2), a pending order included.
    fn terminal_value(&self, row: usize) -> f64 {
        let model = &self.model;
        if self.state.alive[row] <= 0.0 {
            return 0.0;
        }
        let basket = model.basket_shape / f64::from(self.people.spend_rate[row]);
        let rate = f64::from(self.people.order_rate[row]);
        let death_hazard = match model.dropout {
            Dropout::AfterOrders => rate * f64::from(self.people.dropout[row]),
            Dropout::AtAnyTime => f64::from(self.people.dropout[row]),
        };
        let lifetime =
            crate::market::btyd::clv(1.0, model.margin, basket, rate, death_hazard, model.discount_rate_per_day);
        let is_pending = self.state.pending_tick[row] != super::state::NOT_PENDING;
        let pending =
            if is_pending { basket * (model.margin - f64::from(self.state.pending_discount[row])) } else { 0.0 };
        let is_reachable = self.state.consent[row] & self.state.address[row] != 0;
        lifetime + pending + if is_reachable { model.reachability_value } else { 0.0 }
    }
}

#[cfg(test)]
impl CampaignShard {
    /// Turns all latent values around among the consumers, leaving everything that may be observed.
    pub(super) fn reverse_latents(&mut self) {
        let people = Arc::make_mut(&mut self.people);
        for latent in [
            &mut people.order_rate,
            &mut people.rate_log_ratio,
            &mut people.dropout,
            &mut people.spend_rate,
            &mut people.price_elasticity,
            &mut people.deal_proneness,
            &mut people.persuadability,
            &mut people.irritability,
            &mut people.chronotype_hours,
        ] {
            latent.reverse();
        }
        for affinity in &mut people.channel_affinity {
            affinity.reverse();
        }
        people.works_weekends.reverse();
        people.income_band.reverse();
        for column in self.columns.iter_mut().flatten() {
            column.reverse();
        }
        self.state.alive.reverse();
        self.state.coupon_remembered.reverse();
        self.state.pending_tick.reverse();
        self.state.pending_discount.reverse();
        let rates = Arc::make_mut(&mut self.rates);
        rates.order.reverse();
        rates.visit.reverse();
        rates.dropout.reverse();
    }
}
