//! A market, lived under a stated treatment, and what came of it.

use mercato::environment::campaign::{Campaign, Sections};
use mercato::market::catalogue::{CREATIVE, OFFER};
use mercato::protocol::{Decision, Environment, Kpi, Observation, Outcome, Tally, Views, World};
use mercato::random::{Purpose, Seed};
use mercato::registry::{Value, Values};
use mercato::response::{CORE, MODULES};
use rayon::prelude::*;

/// Forces of the retail market besides the core.
pub const RETAIL: &[&str] =
    &["inventory", "price_reference", "goodwill", "awareness", "satisfaction_loyalty", "creative_wearout"];

/// A market of the preset: channels, offers by discount, so many creatives, one hour.
pub fn market(consumers: i64, ticks: i64, channels: &[&'static str], discounts: &[f64]) -> Sections {
    let mut sections = Sections::preset(channels);
    set(&mut sections, "consumers", Value::Integer(consumers));
    set(&mut sections, "ticks", Value::Integer(ticks));
    set(&mut sections, "history_days", Value::Number(60.0));
    set(&mut sections, "history_message_every_days", Value::Integer(0));
    sections.offers = discounts
        .iter()
        .map(|discount| {
            Values::defaults(OFFER)
                .with("name", Value::Text(format!("off_{}", (100.0 * discount) as i64)))
                .with("discount", Value::Number(*discount))
        })
        .collect();
    sections.slots = sections.slots.clone().with("hours", Value::Integers(vec![10]));
    with_modules(&mut sections, RETAIL);
    sections
}

/// Names of creatives.
pub fn creatives(sections: &mut Sections, names: &[&str]) {
    sections.creatives =
        names.iter().map(|name| Values::defaults(CREATIVE).with("name", Value::Text((*name).to_owned()))).collect();
}

/// Sets a key of the market.
pub fn set(sections: &mut Sections, key: &'static str, value: Value) {
    sections.market = std::mem::take(&mut sections.market).with(key, value);
}

/// The core and these modules, all with their defaults.
pub fn with_modules(sections: &mut Sections, names: &[&str]) {
    let on = |name: &str| CORE.contains(&name) || names.contains(&name);
    sections.modules = Some(
        MODULES
            .iter()
            .filter(|entry| on(entry.name))
            .map(|entry| (entry.name, Values::defaults(entry.parameters)))
            .collect(),
    );
    for name in names {
        assert!(MODULES.iter().any(|entry| entry.name == *name), "{name}");
    }
}

/// Sets a parameter of a module that is on.
pub fn tune(sections: &mut Sections, module: &str, key: &'static str, value: f64) {
    let listed = sections.modules.as_mut().unwrap();
    let (_, values) = listed.iter_mut().find(|(name, _)| *name == module).unwrap();
    values.set(key, Value::Number(value), None);
}

/// What happened.
pub struct Lived {
    /// Per tick.
    pub series: Vec<Tally>,
    /// Days with an order, per consumer.
    pub orders: Vec<Vec<u16>>,
    /// Profit within the horizon, per consumer, not discounted.
    pub profits: Vec<f64>,
    /// Value beyond the horizon, per consumer.
    pub terminal: Vec<f64>,
}

impl Lived {
    /// A count over ticks.
    pub fn total(&self, kpi: Kpi, ticks: std::ops::Range<usize>) -> f64 {
        self.series[ticks].iter().map(|tally| tally.value(kpi)).sum()
    }

    /// A count over all ticks.
    pub fn all(&self, kpi: Kpi) -> f64 {
        self.total(kpi, 0..self.series.len())
    }

    /// Mean profit per consumer.
    pub fn profit(&self) -> f64 {
        self.profits.iter().sum::<f64>() / self.profits.len() as f64
    }

    /// Orders per consumer in a range of days.
    pub fn orders_within(&self, days: std::ops::Range<u16>) -> Vec<f64> {
        self.orders.iter().map(|orders| orders.iter().filter(|day| days.contains(day)).count() as f64).collect()
    }
}

/// Who gets which action: a function of (consumer, tick, observation, row). What the mask forbids is not sent.
pub type Treatment<'a> = &'a (dyn Fn(u32, u32, &Observation, usize) -> u16 + Sync);

/// Nobody is contacted.
pub fn nobody(_: u32, _: u32, _: &Observation, _: usize) -> u16 {
    0
}

/// One action at this frequency a week, spread over the consumers: message k of a consumer goes out on day
/// ceil((k + phase) * 7 / frequency).
pub fn weekly(action: u16, per_week: f64) -> impl Fn(u32, u32, &Observation, usize) -> u16 {
    move |consumer, tick, _, _| {
        let phase = f64::from(consumer % 97) / 97.0;
        let count = |day: f64| (day * per_week / 7.0 + phase).floor();
        if count(f64::from(tick) + 1.0) > count(f64::from(tick)) { action } else { 0 }
    }
}

/// Lives the market of a seed under a treatment.
pub fn live(sections: &Sections, seed: u64, treatment: Treatment<'_>) -> Lived {
    let campaign = Campaign::new(sections).unwrap_or_else(|faults| panic!("{faults:?}"));
    live_in(&campaign, seed, treatment, Views::default())
}

/// The same, where the treatment reads features.
pub fn live_in(campaign: &Campaign, seed: u64, treatment: Treatment<'_>, views: Views) -> Lived {
    let mut environment = campaign.open(Seed::new(seed));
    let ticks = campaign.spec().horizon;
    let mut lived = Lived {
        series: vec![Tally::default(); ticks as usize],
        orders: vec![Vec::new(); campaign.spec().consumers as usize],
        profits: vec![0.0; campaign.spec().consumers as usize],
        terminal: Vec::new(),
    };
    for tick in 0..ticks {
        live_tick(environment.as_mut(), tick, treatment, views, &mut lived);
    }
    for shard in environment.shards_mut() {
        let mut terminal = Vec::new();
        shard.terminal_values(&mut terminal);
        lived.terminal.append(&mut terminal);
    }
    lived
}

fn live_tick(environment: &mut dyn Environment, tick: u32, treatment: Treatment<'_>, views: Views, lived: &mut Lived) {
    let costs: Vec<f64> = environment.spec().actions.actions.iter().map(|action| action.cost.amount()).collect();
    let outcomes: Vec<(u32, Decision, Outcome)> = environment
        .shards_mut()
        .into_par_iter()
        .map(|shard| {
            let (mut observation, mut decision, mut outcome): (Observation, Decision, Outcome) = Default::default();
            shard.observe(views, &mut observation);
            decision.reset(observation.rows());
            for (row, &consumer) in observation.consumer_ids.iter().enumerate() {
                let action = treatment(consumer, tick, &observation, row);
                if observation.allowed.allows(row, usize::from(action)) {
                    decision.actions[row] = action;
                }
            }
            shard.step(&decision, &mut outcome).unwrap();
            (observation.consumer_ids[0], decision, outcome)
        })
        .collect();
    environment.end_tick();
    for (first, decision, outcome) in outcomes {
        lived.series[tick as usize] += &outcome.tally;
        for (row, profit) in outcome.profits.iter().enumerate() {
            let consumer = first as usize + row;
            let profit = profit.amount();
            // An order shows as money beyond the cost of the message.
            if (profit + costs[usize::from(decision.actions[row])]).abs() > 1e-9 {
                lived.orders[consumer].push(tick as u16);
            }
            lived.profits[consumer] += profit;
        }
    }
}

/// A uniform of one's own for each (consumer, tick, block), apart from all luck of the market.
pub fn uniform(seed: u64, consumer: u32, tick: u32, block: u32) -> f32 {
    Seed::new(seed).uniforms(Purpose::Assignment, consumer, tick, block)[0]
}

/// Mean of some numbers.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Correlation of two columns.
pub fn correlation(left: &[f64], right: &[f64]) -> f64 {
    let (left_mean, right_mean) = (mean(left), mean(right));
    let product = |a: &[f64], a_mean: f64, b: &[f64], b_mean: f64| {
        a.iter().zip(b).map(|(a, b)| (a - a_mean) * (b - b_mean)).sum::<f64>()
    };
    product(left, left_mean, right, right_mean)
        / (product(left, left_mean, left, left_mean) * product(right, right_mean, right, right_mean)).sqrt()
}

/// Spearman's rank correlation; ties share no rank.
pub fn rank_correlation(left: &[f64], right: &[f64]) -> f64 {
    let ranks = |values: &[f64]| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let mut ranks = vec![0.0; values.len()];
        for (rank, index) in order.into_iter().enumerate() {
            ranks[index] = rank as f64;
        }
        ranks
    };
    correlation(&ranks(left), &ranks(right))
}
