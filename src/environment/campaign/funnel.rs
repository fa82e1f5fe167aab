//! What becomes of a message: deliver, open, click, order now or later, withdraw, complain (docs/market.md 5.3).

use super::forces::{Forces, Here, Moment};
use super::model::Model;
use super::state::{NOT_PENDING, State};
use crate::math::sigmoid;
use crate::protocol::{Kpi, Tally};
use crate::random::{LANES, Purpose, Seed};
use crate::response::{Contacts, MessagePredictors, Responses};
use multiversion::multiversion;

/// Uniforms and probabilities of the messages of a tick, drawn and computed 16 at a time.
#[derive(Clone, Debug, Default)]
pub struct Chances {
    entities: Vec<u32>,
    deliver: Vec<f32>,
    open: Vec<f32>,
    click: Vec<f32>,
    remember: Vec<f32>,
    opt_out: Vec<f32>,
    complain: Vec<f32>,
    open_probability: Vec<f32>,
    click_probability: Vec<f32>,
    opt_out_probability: Vec<f32>,
    complain_probability: Vec<f32>,
}

impl Chances {
    /// Adds the intercepts to the predictors and prepares every message.
    fn prepare(
        &mut self,
        Here { seed, first, tick, .. }: Here,
        model: &Model,
        contacts: &Contacts,
        predictors: &mut MessagePredictors,
    ) {
        for (index, message) in contacts.messages.iter().enumerate() {
            let intercepts = model.intercepts[usize::from(message.channel)];
            predictors.open[index] += intercepts.open;
            predictors.click[index] += intercepts.click;
            predictors.opt_out[index] += intercepts.opt_out;
            predictors.complain[index] += intercepts.complain;
        }
        self.entities.clear();
        self.entities.extend(contacts.rows.iter().map(|row| first + row));
        let padded = contacts.len().next_multiple_of(LANES);
        self.entities.resize(padded, 0);
        for column in [
            &mut self.deliver,
            &mut self.open,
            &mut self.click,
            &mut self.remember,
            &mut self.opt_out,
            &mut self.complain,
        ] {
            column.resize(padded, 0.0);
        }
        let message = [&mut self.deliver, &mut self.open, &mut self.click, &mut self.remember].map(Vec::as_mut_slice);
        draw(seed, Purpose::Message, tick as u32, &self.entities, message);
        let leave = [&mut self.opt_out, &mut self.complain].map(Vec::as_mut_slice);
        draw(seed, Purpose::OptOut, tick as u32, &self.entities, leave);
        probabilities(&predictors.open, &mut self.open_probability);
        for (probability, factor) in self.open_probability.iter_mut().zip(&predictors.open_factor) {
            *probability = (*probability * factor).min(1.0);
        }
        probabilities(&predictors.click, &mut self.click_probability);
        probabilities(&predictors.opt_out, &mut self.opt_out_probability);
        probabilities(&predictors.complain, &mut self.complain_probability);
    }
}

/// The first words of each entity's draw, one column each.
fn draw<const WORDS: usize>(
    seed: Seed,
    purpose: Purpose,
    tick: u32,
    entities: &[u32],
    mut columns: [&mut [f32]; WORDS],
) {
    for (block, chunk) in entities.chunks_exact(LANES).enumerate() {
        let uniforms = draw_block(seed, purpose, tick, chunk);
        for (column, values) in columns.iter_mut().zip(&uniforms) {
            column[block * LANES..(block + 1) * LANES].copy_from_slice(values);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn draw_block(seed: Seed, purpose: Purpose, tick: u32, entities: &[u32]) -> [[f32; LANES]; 4] {
    let mut ids = [0; LANES];
    ids.copy_from_slice(entities);
    seed.uniforms_of_entities(purpose, ids, tick, 0)
}

fn probabilities(logits: &[f32], probabilities: &mut Vec<f32>) {
    probabilities.resize(logits.len(), 0.0);
    sigmoids(logits, probabilities);
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn sigmoids(logits: &[f32], probabilities: &mut [f32]) {
    for (probability, logit) in probabilities.iter_mut().zip(logits) {
        *probability = sigmoid(*logit);
    }
}

/// What the funnel reads and writes about one shard.
pub struct Funnel<'a> {
    /// The market.
    pub model: &'a Model,
    /// The modules of the shard.
    pub forces: &'a Forces,
    /// What is the same for all of them; who visits, visits of their own accord.
    pub moment: Moment<'a>,
    /// State of the shard.
    pub state: &'a mut State,
    /// Whether messages without consent go out (rules are only audited).
    pub ignores_consent: bool,
    /// Scratch.
    pub chances: &'a mut Chances,
}

/// Consequences that take effect later in the tick or at its end.
#[derive(Clone, Debug, Default)]
pub struct Aftermath {
    /// Orders placed in the session: row and discount.
    pub session_orders: Vec<(u32, f32)>,
    /// Clicks, whether or not an order in the session followed.
    pub session_chances: Vec<SessionChance>,
    /// Consent withdrawn: row and channel; effective from the next tick.
    pub opt_outs: Vec<(u32, u8)>,
    /// Addresses lost: row and channel.
    pub lost_addresses: Vec<(u32, u8)>,
    /// Contacts whose click or view brought the consumer to the site.
    pub visits: Vec<u32>,
    /// Orders set pending.
    pub delayed: Vec<DelayedOrder>,
    /// Rows whose pending order was placed.
    pub fallen_due: Vec<u32>,
}

/// With which chance a click becomes an order in the session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SessionChance {
    /// Row of the consumer.
    pub row: u32,
    /// Of an order at once.
    pub chance: f32,
    /// Discount that it would have.
    pub discount: f32,
}

/// An order that a click of this tick set pending.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DelayedOrder {
    /// Row of the consumer.
    pub row: u32,
    /// Tick in which it falls due.
    pub due_tick: i32,
    /// Discount that it was won with.
    pub discount: f32,
}

impl Aftermath {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.session_orders.clear();
        self.session_chances.clear();
        self.opt_outs.clear();
        self.lost_addresses.clear();
        self.visits.clear();
        self.delayed.clear();
        self.fallen_due.clear();
    }
}

impl Funnel<'_> {
    /// Sends all messages of the tick.
    pub fn run(
        &mut self,
        contacts: &Contacts,
        predictors: &mut MessagePredictors,
        responses: &mut Responses,
        aftermath: &mut Aftermath,
        tally: &mut Tally,
    ) {
        predictors.reset(contacts.len());
        responses.reset(contacts.len());
        self.forces.contribute_to_messages(&self.model.modules, &self.moment, contacts, predictors);
        self.chances.prepare(self.moment.here, self.model, contacts, predictors);
        for index in 0..contacts.len() {
            self.send(index, contacts, predictors, responses, aftermath, tally);
        }
    }

    fn send(
        &mut self,
        index: usize,
        contacts: &Contacts,
        predictors: &MessagePredictors,
        responses: &mut Responses,
        aftermath: &mut Aftermath,
        tally: &mut Tally,
    ) {
        let row = contacts.rows[index] as usize;
        let message = contacts.messages[index];
        let channel = usize::from(message.channel);
        let figures = &self.model.catalogue.channels[channel];
        tally.add(Kpi::Messages, 1);
        self.state.record_sent(row, channel, self.moment.here.tick, message.creative);
        if !self.delivers(row, message.channel, self.chances.deliver[index], aftermath, tally) {
            return;
        }
        responses.delivered[index] = true;
        tally.add(Kpi::Delivered, 1);
        if self.chances.open[index] < self.chances.open_probability[index] {
            responses.opened[index] = true;
            self.opened(row, index, contacts, predictors, responses, tally);
            let through_view =
                figures.view_through_rate > 0.0 && self.uniforms(Purpose::Visit, row)[0] < figures.view_through_rate;
            let clicked = self.chances.click[index] < self.chances.click_probability[index];
            if clicked {
                responses.clicked[index] = true;
                tally.add(Kpi::Clicks, 1);
                self.convert(row, index, contacts, predictors, aftermath, tally);
            }
            if clicked || through_view {
                aftermath.visits.push(row as u32);
            }
        }
        let complained = self.chances.complain[index] < self.chances.complain_probability[index];
        if complained {
            responses.complained[index] = true;
            tally.add(Kpi::Complaints, 1);
        }
        if complained || self.chances.opt_out[index] < self.chances.opt_out_probability[index] {
            responses.opted_out[index] = true;
            aftermath.opt_outs.push((row as u32, message.channel));
        }
    }

    fn uniforms(&self, purpose: Purpose, row: usize) -> [f32; 4] {
        self.moment.here.seed.uniforms(purpose, self.moment.here.first + row as u32, self.moment.here.tick as u32, 0)
    }

    /// Whether the message arrives; a hard bounce loses the address, a visit channel needs the visit.
    fn delivers(&self, row: usize, channel: u8, uniform: f32, aftermath: &mut Aftermath, tally: &mut Tally) -> bool {
        let figures = &self.model.catalogue.channels[usize::from(channel)];
        let has_address = self.state.address[row] >> channel & 1 == 1;
        let consents = self.ignores_consent || self.state.consent[row] >> channel & 1 == 1;
        if !has_address || !consents || (figures.requires_visit && !self.moment.visiting[row]) {
            return false;
        }
        let arrives = (1.0 - figures.hard_bounce_rate) * (1.0 - figures.soft_bounce_rate);
        if uniform < arrives {
            return true;
        }
        tally.add(Kpi::Bounces, 1);
        if uniform >= 1.0 - figures.hard_bounce_rate {
            aftermath.lost_addresses.push((row as u32, channel));
        }
        false
    }

    fn opened(
        &mut self,
        row: usize,
        index: usize,
        contacts: &Contacts,
        predictors: &MessagePredictors,
        responses: &mut Responses,
        tally: &mut Tally,
    ) {
        let message = contacts.messages[index];
        tally.add(Kpi::Opens, 1);
        if message.discount > 0.0 {
            let remembered = self.chances.remember[index] < predictors.redeem[index];
            responses.redeeming[index] = remembered;
            self.state.coupon_discount[row] = message.discount;
            self.state.coupon_end_tick[row] = self.moment.here.tick.saturating_add_unsigned(self.model.coupon_ticks);
            self.state.coupon_remembered[row] = remembered;
        }
    }

    /// Whether a click becomes an order: in the session, or pending until a later tick (the earliest due wins).
    fn convert(
        &mut self,
        row: usize,
        index: usize,
        contacts: &Contacts,
        predictors: &MessagePredictors,
        aftermath: &mut Aftermath,
        tally: &mut Tally,
    ) {
        let message = contacts.messages[index];
        let [convert, session, delay, _] = self.uniforms(Purpose::Conversion, row);
        let frequency = self.model.conversion_frequency_weight * self.moment.people.rate_log_ratio[row];
        let intercept = self.model.intercepts[usize::from(message.channel)].convert;
        let chance = sigmoid(intercept + frequency + predictors.convert[index]) * self.state.alive[row];
        let (session_share, discount) = (predictors.timing.session_share, message.discount);
        aftermath.session_chances.push(SessionChance { row: row as u32, chance: chance * session_share, discount });
        if convert >= chance {
            return;
        }
        tally.add(Kpi::Conversions, 1);
        if session < session_share {
            aftermath.session_orders.push((row as u32, discount));
        } else {
            let due = self.moment.here.tick.saturating_add_unsigned(predictors.timing.delay_ticks(delay));
            if self.state.pending_tick[row] == NOT_PENDING || due < self.state.pending_tick[row] {
                self.state.pending_tick[row] = due;
                self.state.pending_discount[row] = discount;
                aftermath.delayed.push(DelayedOrder { row: row as u32, due_tick: due, discount });
            }
        }
    }
}
