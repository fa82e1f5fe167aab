//! Forces that move consumers: each adds to the log-odds of opening, clicking, ordering and leaving.
//!
//! A module is a function of what it reads (the people, the message, its own columns) and writes only its own columns.
//! Modules meet as sums in the predictors, and in a few named [`Signal`]s (fatigue, satisfaction, …) that one of them
//! owns and others may read; where the owner is off, a signal is 0. Taking a module out equals its neutral
//! parameters, bit for bit, because a neutral module adds exactly 0 or multiplies by exactly 1, and because every draw
//! has an address that no module shifts: a module draws only under purposes of its own.
//!
//! What concerns everybody at once comes in two forms: a series that is drawn for all ticks when a market opens
//! (seasons, competitors), and [`Commons`] that shards publish into and that change only at the barrier between ticks
//! (sender reputation, word of mouth).

mod arrivals;
mod awareness;
mod channel_affinity;
mod competitor;
mod creative_relevance;
mod creative_wearout;
mod delay_censoring;
mod deliverability;
mod fairness_groups;
mod fatigue;
mod goodwill;
mod intent_stage;
mod inventory;
mod measurement_noise;
mod multichannel;
mod persuadability;
mod price_reference;
mod price_response;
mod regimes;
mod reviews;
mod satisfaction_loyalty;
mod seasonality;
mod send_time;
mod shocks;
#[cfg(test)]
mod testing;
mod two_states;
mod wake;
mod word_of_mouth;

use crate::market::catalogue::{Catalogue, Message};
use crate::market::people::People;
use crate::market::population::{Person, Population};
use crate::protocol::{Feature, Friendships};
use crate::random::Seed;
use crate::registry::{Entry, Refusal, Value, Values};
use std::fmt::Debug;
use std::ops::Range;

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
    /// Ticks lived before tick 0.
    pub history_ticks: u32,
    /// Ticks of the run.
    pub horizon: u32,
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
    word_of_mouth::ENTRY,
    seasonality::ENTRY,
    shocks::ENTRY,
    regimes::ENTRY,
    competitor::ENTRY,
    arrivals::ENTRY,
    fairness_groups::ENTRY,
    inventory::ENTRY,
    price_reference::ENTRY,
    goodwill::ENTRY,
    awareness::ENTRY,
    satisfaction_loyalty::ENTRY,
    intent_stage::ENTRY,
    creative_relevance::ENTRY,
    creative_wearout::ENTRY,
    multichannel::ENTRY,
    deliverability::ENTRY,
    wake::ENTRY,
    measurement_noise::ENTRY,
    reviews::ENTRY,
];

/// The modules that are on by default: `[modules.NAME]` of a scenario sets the parameters of one and leaves the others on;
/// only `enabled = false` drops one.
pub const CORE: &[&str] =
    &["channel_affinity", "send_time", "fatigue", "price_response", "persuadability", "delay_censoring"];

/// What one module owns and others may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Signal {
    /// Fatigue by messages, 0 or more.
    Fatigue,
    /// Satisfaction, -1 to 1.
    Satisfaction,
    /// Loyalty, 0 to 1.
    Loyalty,
    /// Orders of neighbours that were talked about yesterday, 0 or more.
    WordOfMouth,
    /// Pages of the last visit, 1 or more; 0 before the first. What is seen, not latent.
    VisitPages,
}

impl Signal {
    /// Number of signals.
    pub const COUNT: usize = 5;
}

/// The signals of a shard: one value per row, or empty where their owner is off.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signals<'a>([&'a [f32]; Signal::COUNT]);

impl<'a> Signals<'a> {
    /// From one column per signal.
    #[must_use]
    pub const fn new(columns: [&'a [f32]; Signal::COUNT]) -> Self {
        Self(columns)
    }

    /// This one alone, all others off.
    #[cfg(test)]
    pub(crate) fn only(signal: Signal, column: &'a [f32]) -> Self {
        let mut columns = [&[][..]; Signal::COUNT];
        columns[signal as usize] = column;
        Self(columns)
    }

    /// One value per row, or empty where the owner is off.
    #[inline]
    #[must_use]
    pub fn column(&self, signal: Signal) -> &'a [f32] {
        self.0[signal as usize]
    }

    /// The value of a row; 0 where the owner is off.
    #[inline]
    #[must_use]
    pub fn value(&self, signal: Signal, row: usize) -> f32 {
        self.column(signal).get(row).copied().unwrap_or(0.0)
    }
}

/// What a module sees of a shard in a tick.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The luck of the market: a module draws `seed.uniforms(its purpose, first + row, tick, block)`.
    pub seed: Seed,
    /// Number of the first consumer of the shard: row r is consumer `first + r`.
    pub first: u32,
    /// Ticks since day 0; negative during the lived history.
    pub tick: i32,
    /// Whether this day is a Saturday or Sunday.
    pub weekend: bool,
    /// Fixed traits.
    pub people: &'a People,
    /// 1 for customers, 0 for those who have left or not yet come, as the tick began.
    pub alive: &'a [f32],
    /// Who visits the site in this tick: of their own accord, and from `advance` on through messages, too.
    pub visiting: &'a [bool],
    /// Share of the list price that each row would pay in this tick: 1 less the discount of a remembered live coupon.
    pub prices: &'a [f32],
    /// What other modules let be read. In `advance` and `after_orders`, a module listed earlier has moved on already.
    pub signals: Signals<'a>,
    /// The module's own columns, one value per consumer each. Empty where they are being written (`next`).
    pub columns: &'a [Vec<f32>],
    /// The module's own series at this tick, one value for each.
    pub series: &'a [f32],
    /// The market-wide values of the module's own [`Commons`].
    pub common: &'a [f32],
    /// The values of the module's own [`Commons`] for the rows of this shard; empty where it has none by consumer.
    pub common_rows: &'a [f32],
    /// What the module's own [`Commons`] say of the rows of this shard for good; empty where they say nothing.
    pub common_fixed_rows: &'a [f32],
}

/// What a module shares among all consumers; founded when the market opens, changed only at the barrier between ticks.
pub trait Commons: Debug + Send + Sync {
    /// Takes what the shards published in this tick, in shard order.
    fn merge(&mut self, published: &[&Published]);
    /// Values that all consumers see in the next tick.
    fn market(&self) -> &[f32] {
        &[]
    }
    /// One value per consumer of the whole market for the next tick, or empty.
    fn by_consumer(&self) -> &[f32] {
        &[]
    }
    /// One value per consumer of the whole market that never changes, or empty; read once, when the market opens.
    fn fixed_by_consumer(&self) -> &[f32] {
        &[]
    }
    /// A copy that goes its own way.
    fn boxed_clone(&self) -> Box<dyn Commons>;
}

impl Clone for Box<dyn Commons> {
    fn clone(&self) -> Self {
        self.boxed_clone()
    }
}

/// What a shard publishes in a tick: integers, so that sums do not depend on their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Totals, as many as the module says.
    pub counts: Vec<i64>,
    /// Consumers with a weight each.
    pub marks: Vec<(u32, i32)>,
}

impl Published {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.counts.clear();
        self.marks.clear();
    }
}

/// What a module may use to found its commons.
#[derive(Clone, Copy, Debug)]
pub struct Founding<'a> {
    /// The luck of the market.
    pub seed: Seed,
    /// Consumers of the whole market.
    pub consumers: u32,
    /// The law of the people: `population.draw_lanes(seed, first, channels)`.
    pub population: &'a Population,
    /// Number of channels.
    pub channels: usize,
}

/// An order of a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Order {
    /// Row of the consumer in the shard.
    pub row: u32,
    /// Discount, share of the list price.
    pub discount: f32,
    /// How many times the usual quantity.
    pub quantity: f32,
    /// Paid, in currency.
    pub revenue: f32,
}

/// How an order reaches the records of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderReport {
    /// Index into the orders of the tick.
    pub order: u32,
    /// How often it is recorded: 0 for an order that is never linked to the consumer, 2 for a duplicate.
    pub times: u8,
    /// Ticks after which it is recorded.
    pub delay_ticks: u16,
}

/// What the sender is told of the messages of a tick, per contact; starts as what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    /// An open was recorded.
    pub opened: Vec<bool>,
    /// A click was recorded.
    pub clicked: Vec<bool>,
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
    /// Complained.
    pub complained: Vec<bool>,
    /// Withdrew consent (a complaint implies it).
    pub opted_out: Vec<bool>,
}

impl Responses {
    /// Nothing happened to this number of messages.
    pub fn reset(&mut self, messages: usize) {
        for column in [
            &mut self.delivered,
            &mut self.opened,
            &mut self.clicked,
            &mut self.redeeming,
            &mut self.complained,
            &mut self.opted_out,
        ] {
            column.clear();
            column.resize(messages, false);
        }
    }
}

/// One force that moves consumers. Within a tick, hooks are called in the order in which they stand here, each for all
/// modules in the order of [`MODULES`] before the next hook.
pub trait ResponseModule: Debug + Send + Sync {
    /// Whether it draws luck of its own before the orders of a tick, so that expectations are not closed form.
    fn draws_in_tick(&self) -> bool {
        false
    }

    /// How many columns of its own it keeps per consumer; they start at 0.
    fn columns(&self) -> usize {
        0
    }

    /// Those of its columns that carry the past of a consumer on, as (column, name): what an oracle knows of the state.
    fn state(&self) -> &'static [(usize, &'static str)] {
        &[]
    }

    /// Mean of a column of its state once an order of so many times the usual quantity is placed; `value` is as before.
    fn state_after_order(&self, _column: usize, value: f32, _quantity: f32, _discount: f32) -> f32 {
        value
    }

    /// Which of its columns hold nothing but what the sender may observe.
    fn observable_columns(&self) -> &[usize] {
        &[]
    }

    /// Sets the columns where they do not start at 0; `rows` consumers from number `first` on.
    fn start(&self, _seed: Seed, _first: u32, _people: &People, _columns: &mut [Vec<f32>]) {}

    /// Which of its columns others may read, as (signal, column).
    fn signals(&self) -> &[(Signal, usize)] {
        &[]
    }

    /// Market-wide series: `[series][tick - ticks.start]`, drawn when the market opens.
    fn series(&self, _seed: Seed, _ticks: Range<i32>) -> Vec<Vec<f32>> {
        Vec::new()
    }

    /// What all consumers share; a module that has some couples them.
    fn found(&self, _founding: &Founding<'_>) -> Option<Box<dyn Commons>> {
        None
    }

    /// The community of each consumer, where [`ResponseModule::found`] wires them into a graph.
    fn communities(&self, _founding: &Founding<'_>) -> Option<Vec<u32>> {
        None
    }

    /// Who knows whom, where [`ResponseModule::found`] wires consumers into a graph.
    fn friendships(&self, _founding: &Founding<'_>) -> Option<Friendships> {
        None
    }

    /// Whether [`ResponseModule::found`] gives something.
    fn is_coupling(&self) -> bool {
        false
    }

    /// About how much memory its commons take for each consumer.
    fn common_bytes_per_consumer(&self) -> usize {
        0
    }

    /// Changes who a consumer is, after the draw from the population.
    fn shape(&self, _seed: Seed, _consumer: u32, _person: &mut Person) {}

    /// Whether it puts consumers into [`People::group`], so that gaps between members and others are counted.
    fn forms_groups(&self) -> bool {
        false
    }

    /// Whether consumers come during the run.
    fn brings_arrivals(&self) -> bool {
        false
    }

    /// The tick at which a consumer first becomes a customer, where that is after the beginning.
    fn arrival_tick(&self, _seed: Seed, _consumer: u32) -> Option<i32> {
        None
    }

    /// What it adds to the funnel at rest, in the mean over the logit of opening: affinities that the intercepts must
    /// allow for. 0 for most modules.
    fn open_offset_at_rest(&self, _people: &People, _row: usize, _channel: usize) -> f32 {
        0.0
    }

    /// Moves the funnel of each message.
    fn contribute_to_messages(&self, _view: &View<'_>, _contacts: &Contacts, _predictors: &mut MessagePredictors) {}

    /// Changes what the sender is told of messages.
    fn measure(&self, _view: &View<'_>, _contacts: &Contacts, _responses: &Responses, _reports: &mut Reports) {}

    /// Carries its state over to the next tick, given what became of the messages.
    fn advance(&self, _view: &View<'_>, _contacts: &Contacts, _responses: &Responses, _next: &mut [Vec<f32>]) {}

    /// Adds to the log-hazard of an order, one value per consumer.
    fn contribute_to_orders(&self, _view: &View<'_>, _log_hazard: &mut [f32]) {}

    /// How the log-hazard of an order of this consumer moves with a discount in hand.
    fn price_utility(&self, _people: &People, _row: usize, _discount: f32) -> f32 {
        0.0
    }

    /// Whether it ever multiplies what an order buys.
    fn moves_quantity(&self) -> bool {
        false
    }

    /// Multiplies what an order with this discount buys; reads nothing that orders of the same tick change.
    fn quantity_factor(&self, _view: &View<'_>, _row: usize, _discount: f32) -> f32 {
        1.0
    }

    /// Adds to the logarithm of the probability (or hazard) of dropping out, one value per consumer.
    fn contribute_to_dropout(&self, _view: &View<'_>, _log_hazard: &mut [f32]) {}

    /// Whether [`ResponseModule::contribute_to_dropout`] ever adds anything.
    fn moves_dropout(&self) -> bool {
        false
    }

    /// Names rows that leave for good because of their message.
    fn lose(&self, _view: &View<'_>, _contacts: &Contacts, _responses: &Responses, _leaving: &mut Vec<u32>) {}

    /// Carries its state over given the orders of the tick, in row order.
    fn after_orders(&self, _view: &View<'_>, _orders: &[Order], _next: &mut [Vec<f32>]) {}

    /// Changes how orders are recorded; reports start as once and at once for every order.
    fn measure_orders(&self, _view: &View<'_>, _orders: &[Order], _reports: &mut [OrderReport]) {}

    /// Publishes what all consumers share; read in the next tick.
    fn publish(
        &self,
        _view: &View<'_>,
        _contacts: &Contacts,
        _responses: &Responses,
        _orders: &[Order],
        _published: &mut Published,
    ) {
    }

    /// What it lets the sender observe about each consumer; never a latent value.
    fn features(&self) -> Vec<Feature> {
        Vec::new()
    }

    /// Raw values of one of its features for the rows from `first_row` on, as many as there are cells.
    fn observe(&self, _view: &View<'_>, _feature: usize, _first_row: usize, _cells: &mut [f32]) {}
}

#[cfg(test)]
impl<'a> View<'a> {
    /// Tick 0 of these people: alive, not visiting, full price, no signals, nothing shared.
    pub(crate) fn bare(people: &'a People, columns: &'a [Vec<f32>]) -> Self {
        const ONES: [f32; 64] = [1.0; 64];
        const NOBODY: [bool; 64] = [false; 64];
        View {
            seed: Seed::new(1),
            first: 0,
            tick: 0,
            weekend: false,
            people,
            alive: &ONES[..people.len()],
            visiting: &NOBODY[..people.len()],
            prices: &ONES[..people.len()],
            signals: Signals::default(),
            columns,
            series: &[],
            common: &[],
            common_rows: &[],
            common_fixed_rows: &[],
        }
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
