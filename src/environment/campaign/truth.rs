//! Expected rewards in closed form: what each action would earn in this tick, in the mean over its luck.
//!
//! A message ends in one of a few ways: lost, delivered, opened, clicked; with a discount, remembered or not. For each of
//! them the modules carry their state over as they would, and the hazard of an order follows; the expectation is the sum
//! over the ways, weighted by their probabilities. What is latent is known: the state, the traits, an order that is due.
//!
//! Limits: (1) where a module draws luck of its own before the orders (`draws_in_tick`: intent stages, the inbox), the
//! expectation is conditional on that luck and no longer closed form; (2) visits of this tick move no module; (3) the mean
//! basket is that of the Gamma law, of which baskets themselves are drawn from a table within .1 %.

use super::forces::{Forces, Here, Moment};
use super::funnel::DelayedOrder;
use super::purchase::Sale;
use super::shard::CampaignShard;
use super::state::NOT_PENDING;
use crate::market::catalogue::Message;
use crate::math::{exp, sigmoid};
use crate::matrix::Matrix;
use crate::protocol::Truth;
use crate::random::Purpose;
use crate::response::{Contacts, MessagePredictors, Responses};
use crate::units::Money;

/// Largest sum that modules may add to the log-hazard of an order; as in the purchases themselves.
use super::purchase::LOG_HAZARD_MAX;

/// How a message that was delivered ends, as far as the state goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ending {
    opened: bool,
    clicked: bool,
    remembered: bool,
}

/// The state after one ending, and the order of one's own accord that follows; one value per row.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// Probability of that order.
    pub order: Vec<f32>,
    /// What it would earn.
    pub earned: Vec<f64>,
    /// The modules after they took the ending in.
    pub forces: Forces,
}

/// One message sent to every row: the funnel, and where each ending leads.
#[derive(Clone, Debug)]
pub(super) struct Prospect {
    /// Probability of being delivered.
    pub deliver: Vec<f32>,
    /// Probability of being opened, once delivered.
    pub open: Vec<f32>,
    /// Probability of a click, once opened.
    pub click: Vec<f32>,
    /// Probability of an order, now or later, once clicked.
    pub convert: Vec<f32>,
    /// Probability that the coupon is remembered, once opened.
    pub remember: Vec<f32>,
    /// Probability of withdrawing consent or complaining, once delivered: both end the channel.
    pub opt_out: Vec<f32>,
    /// Share of the orders after a click that are placed in the session.
    pub session_share: f32,
    /// What an order through the message earns.
    pub earned: Vec<f64>,
    /// Delivered and not opened.
    pub ignored: Way,
    /// Opened, and clicked: the coupon is not remembered, or there is none.
    pub forgotten: [Way; 2],
    /// The same with the coupon remembered, where there is one.
    pub remembered: Option<[Way; 2]>,
}

impl CampaignShard {
    /// Whether every expectation is exact.
    pub(super) fn is_closed_form(&self) -> bool {
        !self.model.modules.iter().any(|module| module.draws_in_tick())
    }

    /// Expected profit of this tick for every (row, action). `eventual`: orders after a click count at once, delayed or
    /// not.
    pub(super) fn expect(&self, eventual: bool, expected: &mut Matrix) {
        let rows = self.people.len();
        expected.reset(rows, self.model.catalogue.messages.len() + 1);
        let untouched = self.untouched();
        for row in 0..rows {
            expected.set(row, 0, self.without_session(&untouched, row) as f32);
        }
        for (index, message) in self.model.catalogue.messages.iter().enumerate() {
            let prospect = self.prospect(message);
            for row in 0..rows {
                let value = self.expect_of(&prospect, &untouched, row, eventual) - message.cost.amount();
                expected.set(row, index + 1, value as f32);
            }
        }
    }

    /// Expected profit of a message before its cost: the sum over its endings.
    pub(super) fn expect_of(&self, prospect: &Prospect, untouched: &Way, row: usize, eventual: bool) -> f64 {
        let [deliver, open, click, convert, remember] =
            [&prospect.deliver, &prospect.open, &prospect.click, &prospect.convert, &prospect.remember]
                .map(|column| f64::from(column[row]));
        let share = if eventual { 1.0 } else { f64::from(prospect.session_share) };
        let in_mind = |clicked: usize| {
            let without = self.without_session(&prospect.forgotten[clicked], row);
            let with = prospect.remembered.as_ref().map_or(without, |ways| self.without_session(&ways[clicked], row));
            remember * with + (1.0 - remember) * without
        };
        let session = convert * share * f64::from(self.state.alive[row]);
        let clicked = session * prospect.earned[row] + (1.0 - session) * in_mind(1);
        let opened = click * clicked + (1.0 - click) * in_mind(0);
        let delivered = open * opened + (1.0 - open) * self.without_session(&prospect.ignored, row);
        deliver * delivered + (1.0 - deliver) * self.without_session(untouched, row)
    }

    /// Nothing sent.
    pub(super) fn untouched(&self) -> Way {
        self.way(&Contacts::default(), &Responses::default(), &self.prices_as_they_are())
    }

    /// The message sent to every row.
    pub(super) fn prospect(&self, message: &Message) -> Prospect {
        let contacts = self.everybody(message);
        let rows = self.people.len();
        let channel = usize::from(message.channel);
        let nobody = vec![false; rows];
        let moment = self.moment_of(&nobody, &[]);
        let mut predictors = MessagePredictors::default();
        predictors.reset(rows);
        self.forces.contribute_to_messages(&self.model.modules, &moment, &contacts, &mut predictors);
        let intercepts = self.model.intercepts[channel];
        let open =
            |row: usize| (sigmoid(predictors.open[row] + intercepts.open) * predictors.open_factor[row]).min(1.0);
        let frequency = |row: usize| self.model.conversion_frequency_weight * self.people.rate_log_ratio[row];
        let convert = |row: usize| sigmoid(intercepts.convert + frequency(row) + predictors.convert[row]);
        let shifted = |logits: &[f32], by: f32| logits.iter().map(|logit| sigmoid(logit + by)).collect();
        let ending =
            |opened, clicked, remembered| self.ending(message, &contacts, Ending { opened, clicked, remembered });
        let has_coupon = message.discount > 0.0;
        let leave = |row: usize| {
            let [withdraw, complain] =
                [predictors.opt_out[row] + intercepts.opt_out, predictors.complain[row] + intercepts.complain]
                    .map(sigmoid);
            withdraw + complain - withdraw * complain
        };
        Prospect {
            deliver: (0..rows).map(|row| self.delivers(channel, row)).collect(),
            open: (0..rows).map(open).collect(),
            click: shifted(&predictors.click, intercepts.click),
            convert: (0..rows).map(convert).collect(),
            opt_out: (0..rows).map(leave).collect(),
            session_share: predictors.timing.session_share,
            earned: (0..rows).map(|row| self.margin_of(&self.forces, &moment, row, message.discount)).collect(),
            ignored: ending(false, false, false),
            forgotten: [ending(true, false, false), ending(true, true, false)],
            remembered: has_coupon.then(|| [ending(true, false, true), ending(true, true, true)]),
            remember: predictors.redeem,
        }
    }

    /// Probability that a message on the channel arrives.
    fn delivers(&self, channel: usize, row: usize) -> f32 {
        let figures = &self.model.catalogue.channels[channel];
        let has_address = self.state.address[row] >> channel & 1 == 1;
        let consents = self.model.mask.audit || self.state.consent[row] >> channel & 1 == 1;
        let visits = if figures.requires_visit { self.rates.visit[row] * self.state.alive[row] } else { 1.0 };
        let arrives = (1.0 - figures.hard_bounce_rate) * (1.0 - figures.soft_bounce_rate);
        if has_address && consents { arrives * visits } else { 0.0 }
    }

    /// The message, sent to every row.
    fn everybody(&self, message: &Message) -> Contacts {
        let rows = self.people.len();
        let local = |offset: &i8| (i16::from(message.hour) + i16::from(*offset)).rem_euclid(24) as u8;
        Contacts {
            rows: (0..rows as u32).collect(),
            messages: vec![*message; rows],
            local_hours: self.people.clock_offset_hours.iter().map(local).collect(),
        }
    }

    /// What everybody would pay in this tick if nothing were sent.
    fn prices_as_they_are(&self) -> Vec<f32> {
        let price = |row: usize| {
            let counts = self.state.coupon_remembered[row] && self.state.has_coupon(row, self.tick);
            1.0 - if counts { self.state.coupon_discount[row] } else { 0.0 }
        };
        (0..self.people.len()).map(price).collect()
    }

    fn ending(&self, message: &Message, contacts: &Contacts, ending: Ending) -> Way {
        let rows = contacts.len();
        let mut responses = Responses::default();
        responses.reset(rows);
        responses.delivered.fill(true);
        responses.opened.fill(ending.opened);
        responses.clicked.fill(ending.clicked);
        responses.redeeming.fill(ending.remembered);
        let prices = if ending.opened && message.discount > 0.0 {
            vec![if ending.remembered { 1.0 - message.discount } else { 1.0 }; rows]
        } else {
            self.prices_as_they_are()
        };
        self.way(contacts, &responses, &prices)
    }

    /// Orders of one's own accord after the modules took these responses in.
    fn way(&self, contacts: &Contacts, responses: &Responses, prices: &[f32]) -> Way {
        let rows = self.people.len();
        let nobody = vec![false; rows];
        let moment = self.moment_of(&nobody, prices);
        let mut forces = self.forces.clone();
        forces.advance(&self.model.modules, &moment, contacts, responses);
        let mut log_hazard = vec![self.model.order_offset; rows];
        forces.contribute_to_orders(&self.model.modules, &moment, &mut log_hazard);
        let order = |row: usize| {
            1.0 - exp(-self.rates.order[row] * self.state.alive[row] * exp(log_hazard[row].min(LOG_HAZARD_MAX)))
        };
        let earned = (0..rows).map(|row| self.margin_of(&forces, &moment, row, 1.0 - prices[row])).collect();
        Way { order: (0..rows).map(order).collect(), earned, forces }
    }

    /// What a pending order earns when it falls due: its basket by the luck of that tick, its quantity as of now.
    pub(super) fn profit_when_due(&self, order: DelayedOrder) -> Money {
        let row = order.row as usize;
        let moment = self.moment_of(&[], &[]);
        let Here { seed, first, .. } = moment.here;
        let uniform = seed.uniforms(Purpose::Basket, first + order.row, order.due_tick as u32, 0)[0];
        let quantity = self.forces.quantity(&self.model.modules, &moment, row, order.discount);
        let full_price = f64::from(self.model.population.basket(uniform, self.people.spend_rate[row]) * quantity);
        Sale::new(full_price, order.discount, self.model.margin).profit
    }

    /// Expected profit of an order of this row with a discount.
    fn margin_of(&self, forces: &Forces, moment: &Moment<'_>, row: usize, discount: f32) -> f64 {
        let basket = self.model.basket_shape / f64::from(self.people.spend_rate[row]);
        let quantity = f64::from(forces.quantity(&self.model.modules, moment, row, discount));
        basket * quantity * (self.model.margin - f64::from(discount))
    }

    /// Expected profit of an order that is due, or else of one's own accord.
    pub(super) fn without_session(&self, way: &Way, row: usize) -> f64 {
        if self.state.pending_tick[row] != NOT_PENDING && self.state.pending_tick[row] <= self.tick {
            let moment = self.moment_of(&[], &[]);
            let discount = self.state.pending_discount[row];
            return f64::from(self.state.alive[row]) * self.margin_of(&self.forces, &moment, row, discount);
        }
        f64::from(way.order[row]) * way.earned[row]
    }

    pub(super) fn moment_of<'a>(&'a self, visiting: &'a [bool], prices: &'a [f32]) -> Moment<'a> {
        Moment { here: self.here(), people: &self.people, alive: &self.state.alive, visiting, prices }
    }
}

impl Truth for CampaignShard {
    fn expected_rewards(&self, expected: &mut Matrix) {
        self.expect(false, expected);
    }

    fn is_costly(&self) -> bool {
        true
    }
}
