//! Forces that move consumers: each adds to the log-odds of opening, clicking, ordering and leaving.
//!
//! A module is a function of what it reads (the people, the message, its own columns) and writes only its own columns.
//! Modules never see each other; they meet as sums in the predictors. Taking a module out equals its neutral
//! parameters, bit for bit, because a neutral module adds exactly 0 or multiplies by exactly 1, and because the draws
//! of a consumer's tick have addresses that no module shifts.

mod channel_affinity;
mod delay_censoring;
mod fatigue;
mod persuadability;
mod price_response;
mod send_time;

use crate::market::catalogue::{Catalogue, Message};
use crate::market::people::People;
use crate::registry::{Entry, Refusal, Value, Values};
use std::fmt::Debug;

pub use delay_censoring::Timing;

/// What a module may know of the market when it is built.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// What can be sent.
    pub catalogue: &'a Catalogue,
    /// Length of a tick in days.
    pub tick_days: f64,
    /// How long a coupon lives, in ticks.
    pub coupon_ticks: u32,
}

/// How a module starts.
pub type ModuleCreate = fn(&Values, &Surroundings<'_>) -> Result<Box<dyn ResponseModule>, Refusal>;

/// How a module is made.
#[derive(Clone, Copy, Debug)]
pub struct ModuleBuild {
    /// From its values.
    pub create: ModuleCreate,
    /// The parameters under which it does nothing.
    pub neutral: fn() -> Vec<(&'static str, Value)>,
}

/// All modules, in the order in which they act.
pub const MODULES: &[Entry<ModuleBuild>] = &[
    channel_affinity::ENTRY,
    send_time::ENTRY,
    fatigue::ENTRY,
    price_response::ENTRY,
    persuadability::ENTRY,
    delay_censoring::ENTRY,
];

/// The modules that are on by default: `[modules.NAME]` of a scenario sets the parameters of one and leaves the others on;
/// only `enabled = false` drops one.
pub const CORE: &[&str] =
    &["channel_affinity", "send_time", "fatigue", "price_response", "persuadability", "delay_censoring"];

/// What a module sees of a shard.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Ticks since day 0; negative during the lived history.
    pub tick: i32,
    /// Whether this day is a Saturday or Sunday.
    pub weekend: bool,
    /// Fixed traits.
    pub people: &'a People,
    /// The module's own columns, one value per consumer each.
    pub columns: &'a [Vec<f32>],
}

/// The messages of a tick, one entry per contacted consumer, in consumer order.
#[derive(Clone, Debug, Default)]
pub struct Contacts {
    /// Row of the consumer in the shard.
    pub rows: Vec<u32>,
    /// What is sent.
    pub messages: Vec<Message>,
    /// Hour on the consumer's clock, 0 to 23.
    pub local_hours: Vec<u8>,
}

impl Contacts {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.messages.clear();
        self.local_hours.clear();
    }

    /// Number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nobody is contacted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// What moves the funnel of each message: sums of what modules add.
#[derive(Clone, Debug, Default)]
pub struct MessagePredictors {
    /// Added to the logit of opening.
    pub open: Vec<f32>,
    /// Multiplies the probability of opening (the product is capped at 1).
    pub open_factor: Vec<f32>,
    /// Added to the logit of clicking.
    pub click: Vec<f32>,
    /// Added to the logit of ordering after a click.
    pub convert: Vec<f32>,
    /// Added to the logit of withdrawing consent.
    pub opt_out: Vec<f32>,
    /// Added to the logit of complaining.
    pub complain: Vec<f32>,
    /// Probability that an opened coupon is remembered when an order comes by itself.
    pub redeem: Vec<f32>,
    /// When orders after a click are placed.
    pub timing: Timing,
}

impl MessagePredictors {
    /// Neutral values for this number of messages.
    pub fn reset(&mut self, messages: usize) {
        for column in [
            &mut self.open,
            &mut self.click,
            &mut self.convert,
            &mut self.opt_out,
            &mut self.complain,
            &mut self.redeem,
        ] {
            column.clear();
            column.resize(messages, 0.0);
        }
        self.open_factor.clear();
        self.open_factor.resize(messages, 1.0);
        self.timing = Timing::IMMEDIATE;
    }
}

/// What became of the messages of a tick, per contact.
#[derive(Clone, Debug, Default)]
pub struct Responses {
    /// Reached the device.
    pub delivered: Vec<bool>,
    /// Opened or seen.
    pub opened: Vec<bool>,
    /// Clicked.
    pub clicked: Vec<bool>,
    /// Opened with a coupon that will be remembered.
    pub redeeming: Vec<bool>,
}

impl Responses {
    /// Nothing happened to this number of messages.
    pub fn reset(&mut self, messages: usize) {
        for column in [&mut self.delivered, &mut self.opened, &mut self.clicked, &mut self.redeeming] {
            column.clear();
            column.resize(messages, false);
        }
    }
}

/// One force that moves consumers.
pub trait ResponseModule: Debug + Send + Sync {
    /// How many columns of its own it keeps per consumer; they start at 0.
    fn columns(&self) -> usize {
        0
    }

    /// What it adds to the funnel at rest, in the mean over the logit of opening: affinities that the intercepts must
    /// allow for. `None` for most modules.
    fn open_offset_at_rest(&self, _people: &People, _row: usize, _channel: usize) -> f32 {
        0.0
    }

    /// Moves the funnel of each message.
    fn contribute_to_messages(&self, _view: &View<'_>, _contacts: &Contacts, _predictors: &mut MessagePredictors) {}

    /// Carries its state over to the next tick, given what became of the messages.
    fn advance(&self, _view: &View<'_>, _contacts: &Contacts, _responses: &Responses, _next: &mut [Vec<f32>]) {}

    /// Adds to the log-hazard of an order, one value per consumer.
    fn contribute_to_orders(&self, _view: &View<'_>, _log_hazard: &mut [f32]) {}

    /// How the log-hazard of an order of this consumer moves with a discount in hand.
    fn price_utility(&self, _people: &People, _row: usize, _discount: f32) -> f32 {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_modules_exist_and_names_are_unique() {
        for name in CORE {
            assert!(crate::registry::find(MODULES, name).is_some(), "{name}");
        }
        for (index, entry) in MODULES.iter().enumerate() {
            assert!(MODULES[..index].iter().all(|other| other.name != entry.name));
        }
    }
}
