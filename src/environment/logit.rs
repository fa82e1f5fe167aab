//! A response given by a table of logit coefficients: what a fit to one's own A/B test writes down.
//!
//! A consumer is a row of declared columns. What follows an action is a chain of stages (say a visit, then a
//! conversion given a visit), each a logit in the columns with terms of its own for every arm; the last success may
//! spend. One tick is a one-shot test; over several ticks, fatigue and the time since the last success may move the
//! first stage. Every event happens when `u < p` with a `u` addressed by (seed, consumer, tick) that is the same under
//! every arm, so that differences between arms are paired.

mod columns;
mod law;
mod response;
mod shard;
mod spend;

pub use columns::COLUMN;
pub use response::{ARM, FATIGUE, STAGE};
pub use spend::SPEND;

use crate::market::customers::CustomerTable;
use crate::matrix::Matrix;
use crate::protocol::{ActionSpace, Environment, Kpi, Observation, Shard, Spec, World};
use crate::random::{Purpose, Seed};
use crate::registry::{Kind, Parameter, Range, Refusal, Values};
use crate::units::Money;
use columns::Columns;
use response::Response;
use shard::{LogitShard, SHARD_CONSUMERS};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Consumers where neither the file nor a customer file says how many.
const DEFAULT_CONSUMERS: usize = 1_000;

/// Keys of `[market]` with `kind = "logit"`.
pub const PARAMETERS: &[Parameter] = &[
    Parameter::optional_integer(
        "consumers",
        1,
        100_000_000,
        "number of consumers; all rows of a customer file, else 1,000; fewer than the file has are a random part of it",
    ),
    Parameter::integer("ticks", 1, 1, 100_000, "number of ticks; 1 is a one-shot test"),
    Parameter::number(
        "tick_days",
        1.0,
        Range::POSITIVE,
        "length of a tick, or of the window of a one-shot test, in days",
    ),
    Parameter::number("discount", 1.0, Range { low: 0.0, high: 1.0, low_open: true, high_open: false }, "per tick"),
    Parameter::of("none", Kind::Text { default: Some("none") }, "name of action 0, no contact; it costs nothing"),
    Parameter::of("arms", Kind::Texts { default: None }, "names of the other actions").required(),
    Parameter::of(
        "arm_cost",
        Kind::Numbers { default: None, range: Range::closed(0.0, 1e6) },
        "cost of a message: one number for all arms, or one for each; 0 where absent",
    ),
    Parameter::choice(
        "reward",
        "spend_margin",
        &["spend_margin", "success"],
        "profit of a success: margin on its spend, or 1",
    ),
    Parameter::number("margin", 1.0, Range::PROBABILITY, "gross margin, share of the spend"),
    Parameter::of("column", Kind::Tables { parameters: COLUMN }, "what consumers differ in"),
    Parameter::of("stage", Kind::Tables { parameters: STAGE }, "1 to 3 stages of the outcome, in order").required(),
    Parameter::of("spend", Kind::Table { parameters: SPEND }, "what a success of the last stage spends"),
    Parameter::of("fatigue", Kind::Table { parameters: FATIGUE }, "past messages weigh on the first stage"),
    Parameter::number(
        "recency_coefficient",
        0.0,
        Range::ANY,
        "log-odds of the first stage per tick since the last success, or since the start",
    ),
];

/// A market whose response is a table of logit coefficients.
#[derive(Clone, Debug)]
pub struct LogitWorld {
    spec: Spec,
    columns: Columns,
    response: Arc<Response>,
    /// Features of real customers.
    customers: Option<Matrix>,
    /// Names of the customers, where their file gives them and all of them take part.
    names: Option<Arc<[String]>>,
}

impl LogitWorld {
    /// Builds the market, or says all that is wrong with it.
    ///
    /// With a customer file, its people replace the synthetic ones: all of them in the order of the file, or, where
    /// `consumers` is less than the file has, a part drawn from the seed without replacement, in the same order.
    ///
    /// # Errors
    /// One refusal per fault.
    pub fn new(market: &Values, customers: Option<&CustomerTable>) -> Result<Self, Vec<Refusal>> {
        let actions = actions(market).map_err(|refusal| vec![refusal])?;
        let columns = Columns::new(market)?;
        let response = Response::new(market, &columns, &actions)?;
        let names = customers.and_then(|table| table.texts.get("id"));
        let customers = customers.map(|table| columns.read(table, market)).transpose()?;
        let given = market.optional_integer("consumers").map(|consumers| consumers as usize);
        let present = customers.as_ref().map(Matrix::rows);
        let consumers = given.or(present).unwrap_or(DEFAULT_CONSUMERS);
        if let Some(present) = present
            && (consumers > present || present == 0)
        {
            return Err(vec![Refusal::new(
                market,
                "consumers",
                format!("`consumers` is {consumers}, and the customer file has {present}"),
                "leave `consumers` out to take every customer, or lower it",
            )]);
        }
        // Which row of the file a consumer of a sample is differs between markets.
        let names = names.filter(|names| names.len() == consumers).map(|names| names.as_slice().into());
        let kpis = kpis(&response);
        let spec = Spec {
            consumers: consumers as u32,
            horizon: market.integer("ticks") as u32,
            tick_days: market.number("tick_days"),
            discount: market.number("discount"),
            features: columns.features.clone(),
            actions,
            kpis,
        };
        Ok(Self { spec, columns, response: Arc::new(response), customers, names })
    }

    /// Expected reward of every action for what is observed, `rows × actions`, in closed form.
    ///
    /// Exact where [`LogitWorld::is_static`]; else that of consumers who were never written to and have just had a
    /// success, as at tick 0.
    pub fn expected_rewards(&self, observation: &Observation, expected: &mut Matrix) {
        shard::expect_blocks(&self.response, &observation.features, &[], &[], expected);
    }

    /// Whether the observation says all that the response depends on: there is neither fatigue nor recency.
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.response.is_static()
    }

    /// The customers of a seed, as rows of the file.
    fn sampled_rows(&self, customers: &Matrix, seed: Seed) -> Vec<usize> {
        let wanted = self.spec.consumers as usize;
        if wanted == customers.rows() {
            return (0..wanted).collect();
        }
        // The `wanted` smallest of one random rank per row are a sample without replacement.
        let mut ranks: Vec<(u32, usize)> =
            (0..customers.rows()).map(|row| (seed.words(Purpose::Profile, row as u32, 0, 0)[0], row)).collect();
        ranks.select_nth_unstable(wanted);
        let mut rows: Vec<usize> = ranks[..wanted].iter().map(|(_, row)| *row).collect();
        rows.sort_unstable();
        rows
    }
}

impl World for LogitWorld {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn consumer_names(&self) -> Option<Arc<[String]>> {
        self.names.clone()
    }

    fn bytes_per_consumer(&self) -> usize {
        (self.spec.features.len() + 2) * size_of::<f32>()
    }

    fn open(&self, seed: Seed) -> Box<dyn Environment> {
        let consumers = self.spec.consumers as usize;
        let sampled = self.customers.as_ref().map(|customers| (customers, self.sampled_rows(customers, seed)));
        let mut dense = vec![0.0; self.spec.features.len()];
        let shards = (0..consumers).step_by(SHARD_CONSUMERS).map(|first| {
            let rows = SHARD_CONSUMERS.min(consumers - first);
            let mut features = Matrix::default();
            match &sampled {
                None => self.columns.draw(seed, first as u32, rows, &mut features),
                Some((customers, sampled)) => {
                    features.reset(rows, dense.len());
                    for (row, &customer) in sampled[first..first + rows].iter().enumerate() {
                        customers.copy_row(customer, &mut dense);
                        features.set_row(row, &dense);
                    }
                }
            }
            LogitShard::new(Arc::clone(&self.response), seed, first as u32, features)
        });
        Box::new(LogitMarket { spec: self.spec.clone(), shards: shards.collect() })
    }
}

/// An open logit market.
#[derive(Clone)]
struct LogitMarket {
    spec: Spec,
    shards: Vec<LogitShard>,
}

impl Environment for LogitMarket {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn fork(&self) -> Box<dyn Environment> {
        Box::new(self.clone())
    }

    fn is_coupled(&self) -> bool {
        false
    }

    fn shards_mut(&mut self) -> Vec<&mut dyn Shard> {
        self.shards.iter_mut().map(|shard| shard as &mut dyn Shard).collect()
    }

    fn end_tick(&mut self) {}
}

fn actions(market: &Values) -> Result<ActionSpace, Refusal> {
    let arms: Vec<&str> = market.texts("arms").iter().map(String::as_str).collect();
    let none = market.text("none");
    let names: BTreeSet<&str> = arms.iter().copied().chain([none]).collect();
    if names.len() != arms.len() + 1 || arms.is_empty() || arms.len() >= usize::from(u16::MAX) {
        return Err(Refusal::new(
            market,
            "arms",
            format!("`arms` has {} names, not all different from each other and from `{none}`", arms.len()),
            "give at least one arm, and every arm a name of its own",
        ));
    }
    let mut actions = ActionSpace::flat("arm", none, &arms);
    let costs = market.numbers("arm_cost");
    if ![0, 1, arms.len()].contains(&costs.len()) {
        return Err(Refusal::new(
            market,
            "arm_cost",
            format!("`arm_cost` has {} numbers for {} arms", costs.len(), arms.len()),
            "give one number for all arms, or one for each",
        ));
    }
    for (index, action) in actions.actions.iter_mut().skip(1).enumerate() {
        if let Some(cost) = costs.get(index).or(costs.first()) {
            action.cost = Money::from_amount(*cost);
        }
    }
    Ok(actions)
}

fn kpis(response: &Response) -> Vec<Kpi> {
    let mut kpis = vec![Kpi::Messages, Kpi::Delivered];
    kpis.extend(response.stages.iter().map(|stage| stage.kpi));
    if response.counts_orders() {
        kpis.push(Kpi::Orders);
    }
    if response.spend.is_some() {
        kpis.push(Kpi::Revenue);
    }
    kpis.extend([Kpi::Cost, Kpi::Profit]);
    kpis.sort_unstable();
    kpis.dedup();
    kpis
}

#[cfg(test)]
mod tests;
