//! Consecutive consumers of the market, living one tick at a time.

mod expected;
mod story;

use super::attribution;
use super::budget::Gate;
use super::events::EventMemory;
use super::forces::{Forces, Here, Moment, Series};
use super::funnel::{Aftermath, Chances, Funnel};
use super::groups;
use super::mask::Today;
use super::model::{Dropout, Model};
use super::observation::Seen;
use super::purchase::{Organic, Till};
use super::start;
use super::state::{ARRIVED, LateOrder, State};
use crate::market::people::People;
use crate::protocol::{
    ActionBits, Decision, EventKind, Kpi, Latent, Look, MaskedAction, Observation, Outcome, Shard, Story, Truth, Views,
};
use crate::random::{Purpose, Seed};
use crate::response::{Contacts, MessagePredictors, Order, OrderReport, Reports, Responses, Signal};
use crate::units::Money;
use std::ops::Range;
use std::sync::Arc;

/// Consumers of a shard; never depends on the number of threads.
pub const SHARD_CONSUMERS: u32 = 1_024;

/// About what the rates of a consumer and the buffers of a step take: a dozen columns.
pub(super) const RATES_AND_SCRATCH_BYTES: usize = 12 * size_of::<f32>();

/// Buffers of a step, kept so that a step allocates nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    organic: Organic,
    contacts: Contacts,
    predictors: MessagePredictors,
    responses: Responses,
    aftermath: Aftermath,
    chances: Chances,
    reports: Reports,
    alive: Vec<f32>,
    visiting: Vec<bool>,
    prices: Vec<f32>,
    log_hazard: Vec<f32>,
    dropout_offsets: Vec<f32>,
    orders: Vec<Order>,
    order_reports: Vec<OrderReport>,
    leaving: Vec<u32>,
    pub(super) mask: ActionBits,
    mask_tick: Option<i32>,
}

/// Probabilities and rates per tick that never change.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates {
    pub(super) order: Vec<f32>,
    pub(super) visit: Vec<f32>,
    dropout: Vec<f32>,
}

/// Consecutive consumers of the market.
#[derive(Clone, Debug)]
pub struct CampaignShard {
    pub(super) model: Arc<Model>,
    seed: Seed,
    first: u32,
    pub(super) tick: i32,
    pub(super) people: Arc<People>,
    pub(super) rates: Arc<Rates>,
    pub(super) state: State,
    pub(super) forces: Forces,
    pub(super) scratch: Scratch,
    /// What an oracle with hindsight was told.
    best_rules: Option<Vec<u16>>,
    /// Who may use actions that cost money, while a budget is shared.
    pub(super) gate: Gate,
    /// Share of the budget left at the start of the tick.
    pub(super) budget_left: f32,
    /// Spent on messages since tick 0.
    pub(super) spent: Money,
}

impl CampaignShard {
    /// The consumers of a range where their lived history begins.
    pub(super) fn open(
        model: &Arc<Model>,
        seed: Seed,
        consumers: Range<u32>,
        customers: Option<&start::Customers>,
        series: &Arc<Series>,
    ) -> Self {
        let (people, mut state) = start::people_and_state(model, seed, consumers.clone(), customers);
        state.events = EventMemory::new(people.len(), model.events_remembered);
        let rates = rates(model, &people);
        let forces = Forces::new(&model.modules, seed, consumers.start, &people, Arc::clone(series));
        Self {
            model: Arc::clone(model),
            seed,
            first: consumers.start,
            tick: -(model.history.ticks as i32),
            people: Arc::new(people),
            rates: Arc::new(rates),
            state,
            forces,
            scratch: Scratch::default(),
            best_rules: None,
            gate: Gate::Open,
            budget_left: 1.0,
            spent: Money::ZERO,
        }
    }

    /// Rows of these traits at tick 0 without a past, reachable everywhere.
    pub(super) fn of_states(model: &Arc<Model>, people: People, series: &Arc<Series>) -> Self {
        let channels = model.catalogue.channels.len();
        let mut state = State::new(people.len(), channels);
        let everywhere = ((1u16 << channels) - 1) as u8;
        state.consent.fill(everywhere);
        state.address.fill(everywhere);
        let seed = Seed::new(0);
        Self {
            model: Arc::clone(model),
            seed,
            first: 0,
            tick: 0,
            rates: Arc::new(rates(model, &people)),
            forces: Forces::new(&model.modules, seed, 0, &people, Arc::clone(series)),
            people: Arc::new(people),
            state,
            scratch: Scratch::default(),
            best_rules: None,
            gate: Gate::Open,
            budget_left: 1.0,
            spent: Money::ZERO,
        }
    }

    /// Lives all of the history, where nothing is shared with other shards.
    pub(super) fn live_history(&mut self) {
        while self.tick < 0 {
            self.live_history_tick();
        }
    }

    /// Lives one tick of the history under the stated rule: the same message every so many days, staggered over the
    /// consumers. Nothing of it is counted.
    pub(super) fn live_history_tick(&mut self) {
        let rule = self.model.history;
        let mut decision = Decision::default();
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
        self.live(&decision, &mut Outcome::default());
        self.spent = Money::ZERO;
    }

    /// Number of consumers who are in the records.
    pub(super) fn present(&self) -> usize {
        (0..self.people.len()).filter(|row| self.state.is_here(*row)).count()
    }

    /// Takes what a module's commons say.
    pub(super) fn hear(&mut self, module: usize, market: &[f32], by_consumer: &[f32]) {
        let shared = &mut self.forces.shared[module];
        shared.market.clear();
        shared.market.extend_from_slice(market);
        shared.rows.clear();
        let rows = self.first as usize..self.first as usize + self.people.len();
        shared.rows.extend_from_slice(by_consumer.get(rows).unwrap_or(&[]));
    }

    /// The same people and state, with another luck ahead.
    pub(super) fn reseed(&mut self, seed: Seed) {
        self.seed = seed;
    }

    /// Takes what a module's commons say for good.
    pub(super) fn hear_for_good(&mut self, module: usize, fixed_by_consumer: &[f32]) {
        let rows = self.first as usize..self.first as usize + self.people.len();
        self.forces.shared[module].fixed_rows = fixed_by_consumer.get(rows).unwrap_or(&[]).into();
    }

    fn history_hour(&self) -> u8 {
        let action = usize::from(self.model.history.action);
        action
            .checked_sub(1)
            .and_then(|index| self.model.catalogue.messages.get(index))
            .map_or(0, |message| message.hour)
    }

    pub(super) fn refresh_mask(&mut self) {
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
    pub(super) fn live(&mut self, decision: &Decision, outcome: &mut Outcome) {
        let rows = self.people.len();
        outcome.reset(rows);
        self.welcome();
        self.collect_contacts(decision, outcome);
        self.scratch.organic.draw(self.seed, self.first, self.tick, rows);
        self.scratch.organic.mark_visits(&self.rates.visit, &self.state.alive);
        self.send_messages(outcome);
        self.gather();
        self.advance_modules();
        self.take_orders(outcome);
        self.record_visits(outcome);
        self.record_orders(outcome);
        self.finish(outcome);
    }

    /// Those who come today place the order by which they become customers; it counts for nobody.
    fn welcome(&mut self) {
        if self.model.has_arrivals {
            for row in 0..self.people.len() {
                if self.state.arrival_tick[row] != ARRIVED && self.state.arrival_tick[row] <= self.tick {
                    self.state.arrival_tick[row] = ARRIVED;
                    self.state.alive[row] = 1.0;
                    let consumer = self.first + row as u32;
                    let uniform = self.seed.uniforms(Purpose::InitialState, consumer, 0, 0)[0];
                    let basket = self.model.population.basket(uniform, self.people.spend_rate[row]);
                    self.state.orders[row].push(self.tick - 1, basket, false);
                }
            }
        }
        self.scratch.alive.clone_from(&self.state.alive);
    }

    pub(super) fn here(&self) -> Here {
        let weekend = self.model.clock.is_weekend(self.tick);
        Here { seed: self.seed, first: self.first, tick: self.tick, weekend }
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
        if self.model.has_groups {
            groups::count(&self.people, contacts, &mut outcome.tally);
        }
    }

    fn send_messages(&mut self, outcome: &mut Outcome) {
        let here = self.here();
        let Scratch { organic, contacts, predictors, responses, reports, aftermath, chances, alive, .. } =
            &mut self.scratch;
        aftermath.clear();
        responses.reset(contacts.len());
        if contacts.is_empty() {
            return;
        }
        let moment = Moment { here, people: &self.people, alive, visiting: &organic.visits, prices: &[] };
        let mut funnel = Funnel {
            model: &self.model,
            forces: &self.forces,
            moment,
            state: &mut self.state,
            ignores_consent: self.model.mask.audit,
            chances,
        };
        funnel.run(contacts, predictors, responses, aftermath, &mut outcome.tally);
        reports.opened.clone_from(&responses.opened);
        reports.clicked.clone_from(&responses.clicked);
        self.forces.measure(&self.model.modules, &moment, contacts, responses, reports);
        for (index, (&row, message)) in contacts.rows.iter().zip(&contacts.messages).enumerate() {
            let (row, channel) = (row as usize, usize::from(message.channel));
            let (tick, named, discount) = (self.tick, Some(message.channel), message.discount);
            self.state.events.record(row, EventKind::Sent, tick, named, discount);
            if reports.opened[index] {
                self.state.record_open(row, channel, tick);
                self.state.events.record(row, EventKind::Open, tick, named, discount);
            }
            if reports.clicked[index] {
                self.state.record_click(row, channel, tick);
                self.state.events.record(row, EventKind::Click, tick, named, discount);
            }
        }
    }

    /// Who visits, and what everybody would pay, now that messages have been read.
    fn gather(&mut self) {
        let Scratch { organic, aftermath, visiting, prices, .. } = &mut self.scratch;
        visiting.clone_from(&organic.visits);
        for &row in &aftermath.visits {
            visiting[row as usize] = true;
        }
        prices.resize(self.people.len(), 1.0);
        if self.model.has_discounts {
            let state = &self.state;
            for (row, price) in prices.iter_mut().enumerate() {
                let counts = state.coupon_remembered[row] & state.has_coupon(row, self.tick);
                *price = 1.0 - if counts { state.coupon_discount[row] } else { 0.0 };
            }
        }
    }

    fn advance_modules(&mut self) {
        let here = self.here();
        let Scratch { contacts, responses, alive, visiting, prices, .. } = &self.scratch;
        let moment = Moment { here, people: &self.people, alive, visiting, prices };
        self.forces.advance(&self.model.modules, &moment, contacts, responses);
    }

    fn take_orders(&mut self, outcome: &mut Outcome) {
        let here = self.here();
        let Scratch {
            organic,
            contacts,
            responses,
            aftermath,
            alive,
            visiting,
            prices,
            log_hazard,
            dropout_offsets,
            orders,
            leaving,
            ..
        } = &mut self.scratch;
        let moment = Moment { here, people: &self.people, alive, visiting, prices };
        let modules = &self.model.modules;
        log_hazard.clear();
        log_hazard.resize(self.people.len(), self.model.order_offset);
        self.forces.contribute_to_orders(modules, &moment, log_hazard);
        organic.mark_orders(&self.rates.order, &self.state.alive, log_hazard);
        orders.clear();
        self.forces.contribute_to_dropout(modules, &moment, dropout_offsets);
        let mut till =
            Till { model: &self.model, forces: &self.forces, moment, state: &mut self.state, dropout_offsets, orders };
        till.book(&aftermath.session_orders, organic, &mut aftermath.fallen_due, outcome);
        till.lose(organic, &self.rates.dropout);
        leaving.clear();
        self.forces.lose(modules, &moment, contacts, responses, leaving);
        for &row in leaving.iter() {
            self.state.alive[row as usize] = 0.0;
        }
        self.forces.after_orders(modules, &moment, orders);
        self.forces.publish(modules, &moment, contacts, responses, orders);
    }

    /// What the records show of today's orders, and of earlier ones that come late.
    fn record_orders(&mut self, outcome: &mut Outcome) {
        let here = self.here();
        let Scratch { orders, order_reports, alive, visiting, prices, .. } = &mut self.scratch;
        let moment = Moment { here, people: &self.people, alive, visiting, prices };
        order_reports.clear();
        order_reports.extend((0..orders.len() as u32).map(|order| OrderReport { order, times: 1, delay_ticks: 0 }));
        self.forces.measure_orders(&self.model.modules, &moment, orders, order_reports);
        for report in order_reports.iter() {
            let order = orders[report.order as usize];
            let window = self.model.attribution_days;
            let credit = attribution::credit(&self.state, &self.model.clock, order.row as usize, self.tick, window);
            outcome.tally.add(Kpi::LastClickOrders, i64::from(credit.last_click) * i64::from(report.times));
            outcome.tally.add(Kpi::TouchedOrders, i64::from(credit.touched) * i64::from(report.times));
            for _ in 0..report.times {
                self.state.late_orders.push(LateOrder {
                    due_tick: self.tick.saturating_add(i32::from(report.delay_ticks)),
                    row: order.row,
                    tick: self.tick,
                    amount: order.revenue,
                    discounted: order.discount > 0.0,
                });
            }
        }
        self.state.record_due_orders(self.tick);
    }

    fn record_visits(&mut self, outcome: &mut Outcome) {
        for (row, _) in self.scratch.visiting.iter().enumerate().filter(|(_, visits)| **visits) {
            self.state.record_visit(row, self.tick);
            let pages = self.forces.signal(Signal::VisitPages, row);
            self.state.events.record(row, EventKind::Visit, self.tick, None, pages);
            outcome.tally.add(Kpi::Visits, 1);
        }
    }

    /// Opt-outs and lost addresses take effect, and the calendar turns.
    fn finish(&mut self, outcome: &mut Outcome) {
        let Scratch { aftermath, .. } = &mut self.scratch;
        // In an audit, messages reach those who have withdrawn already: nobody withdraws twice.
        aftermath.opt_outs.retain(|&(row, channel)| {
            let row = row as usize;
            let consented = self.state.consent[row] >> channel & 1 == 1;
            self.state.consent[row] &= !(1 << channel);
            if consented {
                outcome.tally.add(Kpi::OptOuts, 1);
                outcome.tally.add(Kpi::GroupOptOuts, i64::from(self.people.group[row]));
                self.state.events.record(row, EventKind::OptOut, self.tick, Some(channel), 0.0);
            }
            consented
        });
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

    fn fork(&self) -> Box<dyn Shard> {
        Box::new(self.clone())
    }

    fn observe(&mut self, views: Views, observation: &mut Observation) {
        observation.tick = self.tick as u32;
        observation.consumer_ids.clear();
        observation.consumer_ids.extend(self.consumers());
        if let Some(events) = observation.reset_events(views, self.state.events.remembered()) {
            self.state.events.tell(&self.model.clock, self.tick, events);
        }
        self.refresh_mask();
        observation.allowed.clone_from(&self.scratch.mask);
        if views.features {
            let here = self.here();
            let seen = Seen {
                people: &self.people,
                state: &self.state,
                clock: &self.model.clock,
                tick: self.tick,
                horizon: self.model.spec.horizon,
                budget_left: self.budget_left,
                forces: &self.forces,
                moment: Moment { here, people: &self.people, alive: &self.state.alive, visiting: &[], prices: &[] },
                modules: &self.model.modules,
                has_absent: self.model.has_arrivals,
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

    fn reveal(&mut self, look: Look<'_>, latent: &mut Latent) {
        match look {
            Look::State => self.reveal_state(latent),
            Look::Future(rules) => {
                let best = self.best_rules.take().unwrap_or_else(|| self.best_rules_in_hindsight(rules));
                latent.best_rules.clone_from(&best);
                self.best_rules = Some(best);
            }
        }
    }

    fn truth(&self) -> Option<&dyn Truth> {
        self.is_closed_form().then_some(self as &dyn Truth)
    }

    fn delayed_profits(&self, delayed: &mut Vec<(u32, Money)>) {
        delayed.clear();
        delayed.extend(self.scratch.aftermath.delayed.iter().map(|order| (order.row, self.profit_when_due(*order))));
    }

    fn counted_rows(&self, kpi: Kpi, rows: &mut Vec<u32>) -> bool {
        rows.clear();
        match kpi {
            Kpi::Orders => rows.extend(self.scratch.orders.iter().map(|order| order.row)),
            Kpi::OptOuts => rows.extend(self.scratch.aftermath.opt_outs.iter().map(|(row, _)| *row)),
            _ => return false,
        }
        true
    }

    fn story(&self) -> Option<&dyn Story> {
        Some(self)
    }

    fn terminal_values(&self, values: &mut Vec<f64>) {
        values.clear();
        for row in 0..self.people.len() {
            values.push(self.terminal_value(row));
        }
    }

    fn expected_profits(&self, profits: &mut Vec<Money>) -> bool {
        self.write_expected_profits(profits)
    }

    fn observed_values(&self, values: &mut Vec<f32>) -> bool {
        self.write_observed_values(values);
        true
    }
}

impl CampaignShard {
    /// Expected margin beyond the horizon (docs/market.md 9.2), a pending order included.
    pub(super) fn terminal_value(&self, row: usize) -> f64 {
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
        for taste in &mut people.taste {
            taste.reverse();
        }
        people.group.reverse();
        self.forces.reverse(&self.model.modules);
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
