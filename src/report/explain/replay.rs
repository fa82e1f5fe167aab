//! The consumer and the twin, tick by tick.

use super::ExplainError;
use super::played::{Played, Row};
use crate::protocol::{
    Decision, Environment, Forbidden, Happening, MaskedAction, Observation, Outcome, Shard, Spec, Views,
};
use crate::units::Money;
use serde::Serialize;
use serde_json::{Map, Value};

/// A consumer's history.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Explanation {
    /// Name of the scenario.
    pub scenario: String,
    /// Under which policy.
    pub policy: String,
    /// In which replication.
    pub replication: u32,
    /// Who, as asked for.
    pub consumer: String,
    /// Whether the consumer lived alone; else all consumers lived again, since they touch each other.
    pub is_alone: bool,
    /// Whether the mask was only audited.
    pub is_audit: bool,
    /// Length of a tick in days.
    pub tick_days: f64,
    /// Latent traits that never change; empty where the environment tells none.
    pub traits: Map<String, Value>,
    /// Every tick, until the horizon or the end of the episode.
    pub ticks: Vec<Tick>,
    /// What it came to.
    pub total: Sums,
    /// What it came to for the twin.
    pub untouched: Sums,
    /// Profit less that of the twin.
    pub effect: f64,
}

/// One tick.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tick {
    /// From 0.
    pub tick: u32,
    /// What was seen, in raw units; one-hot groups by their level.
    pub seen: Map<String, Value>,
    /// What was chosen.
    pub action: u16,
    /// Its name.
    pub action_name: String,
    /// With which probability.
    pub propensity: f32,
    /// Number of actions that were allowed, no contact included.
    pub allowed: u32,
    /// Which rules forbade what.
    pub forbidden: Vec<Forbidden>,
    /// What happened.
    #[serde(flatten)]
    pub lived: Side,
    /// What happened to the twin.
    pub untouched: Side,
    /// Profit since tick 0, this tick included, less that of the twin.
    pub effect_so_far: f64,
}

/// What happened in a tick, with or without contact.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Side {
    /// In order.
    pub events: Vec<Happening>,
    /// Profit of the tick.
    pub profit: f64,
    /// Latent state after the tick; empty where the environment tells none.
    pub state: Map<String, Value>,
}

/// Totals of a history.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sums {
    /// Messages sent.
    pub messages: u32,
    /// What they cost.
    pub cost: f64,
    /// Orders, where the environment tells them.
    pub orders: Option<u32>,
    /// Profit of all ticks.
    pub profit: f64,
    /// What the consumer is worth beyond the horizon, from latent truth.
    pub terminal_value: f64,
}

/// What a tick left behind, before it is told.
#[derive(Default)]
struct Lived {
    profit: Money,
    forbidden: Vec<Forbidden>,
    events: Option<Vec<Happening>>,
    state: Map<String, Value>,
}

/// Lives the market from tick 0, and its twin beside it.
pub(super) fn replay(
    mut market: Box<dyn Environment>,
    consumer: u32,
    played: &Played,
) -> Result<Explanation, ExplainError> {
    let spec = market.spec().clone();
    let mut twin = market.fork();
    let mut told = Explanation { tick_days: spec.tick_days, ..Explanation::default() };
    told.traits = of_row(market.as_mut(), consumer, |shard, row| {
        shard.story().map_or_else(Map::new, |story| numbers(&story.traits(row)))
    });
    told.is_audit = of_row(market.as_mut(), consumer, |shard, _| shard.story().is_some_and(|story| story.is_audited()));
    let (mut total, mut untouched) = (Balance::default(), Balance::default());
    let mut observation = Observation::default();
    for (tick, row) in (0..).zip(&played.rows) {
        let acts = |other: u32| if other == consumer { row.action } else { played.action(tick, other) };
        let allowed = of_row(market.as_mut(), consumer, |shard, row| {
            shard.observe(Views::FEATURES, &mut observation);
            observation.allowed.count(row)
        });
        let at = observation.consumer_ids.iter().position(|id| *id == consumer).unwrap_or(0);
        let seen = seen(&spec, &observation, at);
        let lived = live(market.as_mut(), consumer, acts)?;
        check(tick, row, &lived)?;
        let alone = live(twin.as_mut(), consumer, |_| 0)?;
        total.add(&spec, row.action, &lived);
        untouched.add(&spec, 0, &alone);
        let name = spec.actions.actions.get(usize::from(row.action)).map_or("", |action| action.name.as_str());
        told.ticks.push(Tick {
            tick,
            seen,
            action: row.action,
            action_name: name.to_owned(),
            propensity: row.propensity,
            allowed,
            forbidden: lived.forbidden.clone(),
            lived: lived.into(),
            untouched: alone.into(),
            effect_so_far: (total.profit - untouched.profit).amount(),
        });
    }
    let worth = |shard: &mut dyn Shard, row: usize| {
        let mut values = Vec::new();
        shard.terminal_values(&mut values);
        values.get(row).copied().unwrap_or(0.0)
    };
    told.total = total.close(of_row(market.as_mut(), consumer, worth));
    told.untouched = untouched.close(of_row(twin.as_mut(), consumer, worth));
    told.effect = (total.profit - untouched.profit).amount();
    Ok(told)
}

/// What the shard of the consumer says about its row; the default where nobody has the consumer.
fn of_row<T: Default>(market: &mut dyn Environment, consumer: u32, ask: impl FnOnce(&mut dyn Shard, usize) -> T) -> T {
    let shard = market.shards_mut().into_iter().find(|shard| shard.consumers().contains(&consumer));
    shard.map_or_else(T::default, |shard| {
        let row = (consumer - shard.consumers().start) as usize;
        ask(shard, row)
    })
}

/// One tick of all that is open.
fn live(market: &mut dyn Environment, consumer: u32, acts: impl Fn(u32) -> u16) -> Result<Lived, MaskedAction> {
    let (mut decision, mut outcome) = (Decision::default(), Outcome::default());
    let mut lived = Lived::default();
    for shard in market.shards_mut() {
        let range = shard.consumers();
        decision.reset(range.len());
        for (action, other) in decision.actions.iter_mut().zip(range.clone()) {
            *action = acts(other);
        }
        let row = range.contains(&consumer).then(|| (consumer - range.start) as usize);
        if let (Some(row), Some(story)) = (row, shard.story()) {
            lived.forbidden = story.forbidden(row);
        }
        shard.step(&decision, &mut outcome)?;
        if let Some(row) = row {
            lived.profit = outcome.profits[row];
            lived.events = shard.story().map(|story| story.events(row));
            lived.state = shard.story().map_or_else(Map::new, |story| numbers(&story.state(row)));
        }
    }
    market.end_tick();
    Ok(lived)
}

/// The replay earns what the log says, bit for bit.
fn check(tick: u32, logged: &Row, lived: &Lived) -> Result<(), ExplainError> {
    let replayed = lived.profit.amount();
    if (replayed as f32).to_bits() == logged.reward.to_bits() {
        return Ok(());
    }
    Err(ExplainError::Differs { tick, replayed, logged: f64::from(logged.reward) })
}

impl From<Lived> for Side {
    fn from(lived: Lived) -> Self {
        Self { events: lived.events.unwrap_or_default(), profit: lived.profit.amount(), state: lived.state }
    }
}

#[derive(Clone, Copy, Default)]
struct Balance {
    profit: Money,
    cost: Money,
    messages: u32,
    orders: Option<u32>,
}

impl Balance {
    fn add(&mut self, spec: &Spec, action: u16, lived: &Lived) {
        self.profit += lived.profit;
        if let Some(sent) = spec.actions.actions.get(usize::from(action)).filter(|_| action > 0) {
            self.messages += 1;
            self.cost += sent.cost;
        }
        if let Some(events) = &lived.events {
            let orders = events.iter().filter(|event| event.kind == "ordered").count() as u32;
            self.orders = Some(self.orders.unwrap_or(0) + orders);
        }
    }

    fn close(self, terminal_value: f64) -> Sums {
        Sums {
            messages: self.messages,
            cost: self.cost.amount(),
            orders: self.orders,
            profit: self.profit.amount(),
            terminal_value: rounded(terminal_value),
        }
    }
}

/// The features of a row in raw units.
fn seen(spec: &Spec, observation: &Observation, row: usize) -> Map<String, Value> {
    let mut seen = Map::new();
    if observation.features.rows() <= row {
        return seen;
    }
    for (index, feature) in spec.features.iter().enumerate() {
        let observed = observation.features.get(row, index);
        match feature.group {
            None => {
                seen.insert(feature.name.clone(), rounded(feature.to_raw(observed)).into());
            }
            Some(group) if feature.to_raw(observed) > 0.5 => {
                let level =
                    feature.name.strip_prefix(group).map_or(feature.name.as_str(), |rest| rest.trim_start_matches('_'));
                seen.insert(group.to_owned(), level.into());
            }
            Some(_) => {}
        }
    }
    seen
}

fn numbers(values: &[(String, f64)]) -> Map<String, Value> {
    values.iter().map(|(name, value)| (name.clone(), rounded(*value).into())).collect()
}

/// Four decimals: more is noise of standardisation.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
