//! The market of the traps, and the plain treatments that it lives under.

use super::Extent;
use crate::environment::campaign::{Campaign, Sections};
use crate::episode::{Record, Recorder, judge};
use crate::market::catalogue::OFFER;
use crate::matrix::Matrix;
use crate::protocol::{Decision, MaskedAction, Observation, Policy, Views, World};
use crate::random::Seed;
use crate::registry::{Refusal, Value, Values, find};
use crate::response::{CORE, MODULES};

/// Part under which the seeds of the markets are derived.
const PART: u32 = 1;

/// A market of the preset: one e-mail list, these discounts, these forces besides the core.
pub(super) fn market(
    extent: Extent,
    days: i64,
    discounts: &[f64],
    modules: &[&'static str],
) -> Result<Campaign, Vec<Refusal>> {
    let mut sections = Sections::preset(&["email"]);
    let keys = [
        ("consumers", Value::Integer(i64::from(extent.consumers))),
        ("ticks", Value::Integer(days)),
        ("history_days", Value::Number(60.0)),
        ("history_message_every_days", Value::Integer(0)),
    ];
    for (key, value) in keys {
        sections.market.set(key, value, None);
    }
    sections.slots.set("hours", Value::Integers(vec![10]), None);
    let offer = |discount: &f64| {
        Values::defaults(OFFER)
            .with("name", Value::Text(format!("{:.1} % off", 100.0 * discount)))
            .with("discount", Value::Number(*discount))
    };
    sections.offers = discounts.iter().map(offer).collect();
    let named = CORE.iter().chain(modules).filter_map(|name| find(MODULES, name));
    sections.modules = Some(named.map(|entry| (entry.name, Values::defaults(entry.parameters))).collect());
    Campaign::new(&sections)
}

/// The seed of a market.
pub(super) fn seed(extent: Extent, market: u32) -> Seed {
    Seed::new(extent.seed).derive(PART, market)
}

/// Lives a market under a treatment; values are kept by consumer.
pub(super) fn live(campaign: &Campaign, seed: Seed, treatment: &dyn Policy) -> Record {
    let mut environment = campaign.open(seed);
    let recorder = Recorder { by_consumer: true, ..Recorder::default() };
    // The treatments send what is allowed, so that nothing is ever refused.
    judge(environment.as_mut(), treatment, seed, recorder).unwrap_or_else(|refused: MaskedAction| {
        debug_assert!(false, "{refused}");
        Record::default()
    })
}

/// One message to everybody on day 0; action 0 for nobody.
#[derive(Clone, Copy, Debug)]
pub(super) struct Once(pub u16);

/// One action so many times a week, spread over the consumers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weekly {
    pub action: u16,
    pub per_week: f64,
}

impl Weekly {
    fn is_due(self, consumer: u32, tick: u32) -> bool {
        // Messages up to a day; a step of the staircase is a message. The phase spreads consumers over the week.
        let phase = f64::from(consumer % 97) / 97.0;
        let sent_before = |day: f64| (day * self.per_week / 7.0 + phase).floor();
        sent_before(f64::from(tick) + 1.0) > sent_before(f64::from(tick))
    }
}

/// What a treatment wants for a row.
fn write(observation: &Observation, probabilities: &mut Matrix, wanted: impl Fn(usize) -> u16) {
    probabilities.reset(observation.rows(), observation.allowed.actions());
    for row in 0..observation.rows() {
        probabilities.set(row, usize::from(allowed(observation, row, wanted(row))), 1.0);
    }
}

fn decide(observation: &Observation, decision: &mut Decision, wanted: impl Fn(usize) -> u16) {
    decision.reset(observation.rows());
    decision.probabilities.reset(0, 0);
    for (row, action) in decision.actions.iter_mut().enumerate() {
        *action = allowed(observation, row, wanted(row));
    }
}

fn allowed(observation: &Observation, row: usize, action: u16) -> u16 {
    if observation.allowed.allows(row, usize::from(action)) { action } else { 0 }
}

impl Policy for Once {
    fn views(&self) -> Views {
        Views::default()
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        let action = if observation.tick == 0 { self.0 } else { 0 };
        write(observation, probabilities, |_| action);
    }

    fn decide(&self, observation: &Observation, _seed: Seed, decision: &mut Decision) {
        let action = if observation.tick == 0 { self.0 } else { 0 };
        decide(observation, decision, |_| action);
    }
}

impl Policy for Weekly {
    fn views(&self) -> Views {
        Views::default()
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        let due = |row: usize| self.is_due(observation.consumer_ids[row], observation.tick);
        write(observation, probabilities, |row| if due(row) { self.action } else { 0 });
    }

    fn decide(&self, observation: &Observation, _seed: Seed, decision: &mut Decision) {
        let due = |row: usize| self.is_due(observation.consumer_ids[row], observation.tick);
        decide(observation, decision, |row| if due(row) { self.action } else { 0 });
    }
}

/// One action on day 0, more likely to those with a feature above a threshold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Targeted {
    /// Column of the feature.
    pub column: usize,
    /// In the units of the column.
    pub above: f32,
    /// Probability of the message above and below.
    pub probabilities: [f32; 2],
}

impl Targeted {
    fn probability(&self, observation: &Observation, row: usize) -> f32 {
        let [above, below] = self.probabilities;
        if observation.features.get(row, self.column) > self.above { above } else { below }
    }
}

impl Policy for Targeted {
    fn views(&self) -> Views {
        Views::FEATURES
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), observation.allowed.actions());
        for row in 0..observation.rows() {
            let sends = observation.tick == 0 && observation.allowed.allows(row, 1);
            let probability = if sends { self.probability(observation, row) } else { 0.0 };
            probabilities.set(row, 0, 1.0 - probability);
            if probability > 0.0 {
                probabilities.set(row, 1, probability);
            }
        }
    }
}
