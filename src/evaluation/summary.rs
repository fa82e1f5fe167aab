//! From units to figures.
//!
//! | metric | meaning |
//! |---|---|
//! | `profit_per_consumer` | discounted profit within the horizon, amount of currency |
//! | `incremental_profit_per_consumer` | discounted profit plus discounted terminal value, less the twin's; the headline |
//! | `terminal_value_per_consumer` | discounted value beyond the horizon |
//! | `return_per_consumer` | discounted reward as the agent sees it (ticks, or windows that closed) |
//! | `undiscounted_profit_per_consumer` | profit as booked within the horizon |
//! | `share_of_oracle` | (V - V of the twin) / (V* - V of the twin) |
//! | `orders_`, `visits_`, `messages_`, `cost_per_consumer` | totals over the horizon |
//! | `open_`, `click_`, `conversion_`, `opt_out_`, `complaint_rate` | per message delivered (sent, where deliveries are not counted) |
//! | `discount_per_order` | discount given, per order of any kind |
//! | `incremental_orders_per_consumer` | orders less the twin's: what the messages caused |
//! | `last_click_orders_`, `touched_orders_per_consumer` | recorded orders that rules of the trade credit to messages: after a recent click, after a recent message |
//! | `contact_rate_gap` | messages per consumer and tick, members of the group less others |
//! | `discount_depth_gap` | mean discount of a message, members less others |
//! | `opt_out_gap` | opt-outs per message, members less others |

use super::metric::{Metric, mean_of, ratio_of};
use super::{BASELINE, Comparison, Contender, Guardrail, Limit, Results, Unit, hash};
use crate::episode::{CONTACT_BINS, Record, discount_weights};
use crate::protocol::{Kpi, Spec};
use crate::units::Money;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeMap;

/// Version of the layout of `summary.json`.
const FORMAT: u32 = 1;

/// What a run is called.
#[derive(Clone, Copy, Debug)]
pub struct Title<'a> {
    /// Name of the scenario.
    pub scenario: &'a str,
    /// SHA-256 of the scenario.
    pub scenario_hash: &'a str,
}

/// `summary.json`.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Summary {
    /// Version of the layout.
    pub format: u32,
    /// Version of the program.
    pub mercato: &'static str,
    /// Name of the scenario.
    pub scenario: String,
    /// SHA-256 of the scenario.
    pub scenario_hash: String,
    /// Seed of the run.
    pub seed: u64,
    /// Number of replications.
    pub replications: u32,
    /// SHA-256 over the names and hashes of all policies.
    pub result_hash: String,
    /// Number of consumers.
    pub consumers: u32,
    /// Number of ticks.
    pub ticks: u32,
    /// Name of the twin whom nobody contacts.
    pub baseline: &'static str,
    /// The twin's own figures.
    pub baseline_metrics: MetricTable,
    /// Whether the first in the table is surely ahead of the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<Lead>,
    /// In file order.
    pub policies: Vec<PolicySummary>,
}

/// One policy's figures.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PolicySummary {
    /// Name in the file.
    pub name: String,
    /// The registry's name of its kind.
    pub kind: String,
    /// SHA-256 over the integers of its records.
    pub result_hash: String,
    /// Executed actions that the mask forbade.
    pub violations: i64,
    /// The exact discounted return (mean over replications, for agents), where the environment can compute it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact_value: Option<f64>,
    /// Figures; those that the environment lacks are absent.
    pub metrics: MetricTable,
    /// Share of consumers per number of contacts.
    pub contacts: ContactShares,
    /// How learning went, for agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning: Option<LearningSummary>,
    /// What an oracle states about itself: a bound, a price, the error of its grid.
    #[serde(skip_serializing_if = "Facts::is_empty")]
    pub facts: Facts,
    /// Promises of the file.
    pub guardrails: Vec<Held>,
}

/// Named figures, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts(pub Vec<(&'static str, f64)>);

impl Facts {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// Shares of consumers per bin of [`CONTACT_BINS`], over all replications.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContactShares(pub [f64; CONTACT_BINS.len()]);

impl Serialize for ContactShares {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(CONTACT_BINS.iter().zip(&self.0))
    }
}

/// The price of learning, reported beside what was learned.
#[derive(Clone, Debug, serde::Serialize)]
pub struct LearningSummary {
    /// Discounted profit per consumer while learning.
    pub return_per_consumer: Metric,
    /// See [`crate::episode::Learning::regret_per_consumer`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regret_per_consumer: Option<Metric>,
    /// Mean share of the rewards outside the range that the agent was told to expect, where it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewards_outside_range_share: Option<f64>,
    /// See [`crate::episode::Learning::metrics`]; over the replications whose agent told them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, Metric>,
}

/// Whether a promise was held.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Held {
    /// The metric.
    pub name: String,
    /// What its mean must not cross.
    pub limit: f64,
    /// Its mean; absent where the environment lacks the metric, or nothing was there to be a share of.
    pub value: Option<f64>,
    /// A rate of nothing (no message, no complaint) holds; a metric that the environment lacks does not.
    pub held: bool,
}

/// The paired difference between the two best policies.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Lead {
    /// Who is first.
    pub first: String,
    /// Who is second.
    pub second: String,
    /// Incremental profit per consumer of the first less the second's, paired.
    pub difference: Metric,
}

/// Named figures in a fixed order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricTable(pub Vec<(&'static str, Metric)>);

impl MetricTable {
    /// The figure of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Metric> {
        self.0.iter().find(|(key, _)| *key == name).map(|(_, metric)| metric)
    }
}

impl Serialize for MetricTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, metric) in &self.0 {
            map.serialize_entry(name, metric)?;
        }
        map.end()
    }
}

impl Summary {
    /// Indices of the policies, best incremental profit first; ties keep the file's order.
    #[must_use]
    pub fn ranking(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.policies.len()).collect();
        order.sort_by(|&a, &b| self.policies[b].headline().mean.total_cmp(&self.policies[a].headline().mean));
        order
    }

    /// Whether every promise was held.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.policies.iter().flat_map(|policy| &policy.guardrails).all(|guardrail| guardrail.held)
    }
}

impl PolicySummary {
    /// Incremental profit per consumer.
    #[must_use]
    pub fn headline(&self) -> Metric {
        self.metrics.get("incremental_profit_per_consumer").copied().unwrap_or_default()
    }
}

/// All figures of a comparison. `is_oracle` tells which kinds may look inside the market: the best of them is what the
/// others' share is of, where the environment does not know its optimal value.
#[must_use]
pub fn summarise(
    comparison: &Comparison<'_>,
    results: &Results,
    title: Title<'_>,
    guardrails: &[Guardrail],
    is_oracle: &dyn Fn(&str) -> bool,
) -> Summary {
    let spec = comparison.world.spec();
    let figures = Figures { comparison, results, spec };
    let oracle = figures.best_oracle(is_oracle);
    let policies: Vec<PolicySummary> = results
        .contestants
        .iter()
        .enumerate()
        .map(|(index, units)| figures.policy(index, units, oracle, guardrails))
        .collect();
    let baseline_hash = hash::of_units(&results.baseline);
    let hashes = policies.iter().map(|policy| (policy.name.as_str(), policy.result_hash.as_str()));
    let mut summary = Summary {
        format: FORMAT,
        mercato: env!("CARGO_PKG_VERSION"),
        scenario: title.scenario.to_owned(),
        scenario_hash: title.scenario_hash.to_owned(),
        seed: comparison.seed.value(),
        replications: comparison.replications,
        result_hash: hash::of_all(std::iter::once((BASELINE, baseline_hash.as_str())).chain(hashes)),
        consumers: spec.consumers,
        ticks: spec.horizon,
        baseline: BASELINE,
        baseline_metrics: figures.metrics(&results.baseline, None),
        lead: None,
        policies,
    };
    if let [first, second, ..] = summary.ranking()[..] {
        summary.lead = Some(Lead {
            first: summary.policies[first].name.clone(),
            second: summary.policies[second].name.clone(),
            difference: incremental(&results.contestants[first], &results.contestants[second]),
        });
    }
    summary
}

struct Figures<'a> {
    comparison: &'a Comparison<'a>,
    results: &'a Results,
    spec: &'a Spec,
}

impl Figures<'_> {
    fn policy(&self, index: usize, units: &[Unit], oracle: Option<usize>, guardrails: &[Guardrail]) -> PolicySummary {
        let contestant = self.comparison.contestants[index];
        let exact: Option<Vec<f64>> = units.iter().map(|unit| unit.exact_value).collect();
        let metrics = self.metrics(units, oracle);
        PolicySummary {
            name: contestant.name.clone(),
            kind: contestant.kind.clone(),
            result_hash: hash::of_units(units),
            violations: units.iter().map(|unit| unit.record.total(Kpi::Violations)).sum(),
            exact_value: exact.map(|values| values.iter().sum::<f64>() / values.len() as f64),
            guardrails: guardrails.iter().map(|guardrail| self.held(guardrail, &metrics)).collect(),
            metrics,
            contacts: contact_shares(units),
            learning: learning(units),
            facts: match &contestant.contender {
                Contender::Fixed(policy) => Facts(policy.facts()),
                Contender::Learner(..) => Facts::default(),
            },
        }
    }

    fn metrics(&self, units: &[Unit], oracle: Option<usize>) -> MetricTable {
        let ticks = self.comparison.training.reward.ticks();
        let mut table = Vec::new();
        let profits = units.first().and_then(Unit::profits);
        table.push(("profit_per_consumer", mean_of(&per_consumer(units, Record::discounted_profit), profits)));
        table.push(("incremental_profit_per_consumer", incremental(units, &self.results.baseline)));
        let terminal = per_consumer(units, Record::discounted_terminal_value);
        let terminal_values = units.first().and_then(Unit::terminal_values);
        table.push(("terminal_value_per_consumer", mean_of(&terminal, terminal_values)));
        let returns = per_consumer(units, |record| record.windowed_return(ticks));
        table.push(("return_per_consumer", mean_of(&returns, profits.filter(|_| ticks == 1))));
        table.push(("undiscounted_profit_per_consumer", mean_of(&per_consumer(units, Record::profit), None)));
        if let Some(share) = self.share_of_oracle(units, oracle) {
            table.push(("share_of_oracle", share));
        }
        for (name, kpi) in [
            ("orders_per_consumer", Kpi::Orders),
            ("visits_per_consumer", Kpi::Visits),
            ("messages_per_consumer", Kpi::Messages),
            ("cost_per_consumer", Kpi::Cost),
        ] {
            if self.counts(kpi) {
                table.push((name, self.per_consumer_kpi(units, kpi)));
            }
        }
        let reach = if self.counts(Kpi::Delivered) { Kpi::Delivered } else { Kpi::Messages };
        for (name, above, below) in [
            ("open_rate", Kpi::Opens, reach),
            ("click_rate", Kpi::Clicks, reach),
            ("conversion_rate", Kpi::Conversions, reach),
            ("opt_out_rate", Kpi::OptOuts, reach),
            ("complaint_rate", Kpi::Complaints, reach),
            ("discount_per_order", Kpi::Discount, Kpi::Orders),
        ] {
            if self.counts(above) && self.counts(below) {
                table.extend(ratio_of(&totals(units, above), &totals(units, below)).map(|ratio| (name, ratio)));
            }
        }
        table.extend(self.credits(units));
        table.extend(self.gaps(units));
        MetricTable(table)
    }

    /// Orders that the messages caused, and those that rules of the trade credit them with.
    fn credits(&self, units: &[Unit]) -> Vec<(&'static str, Metric)> {
        if !self.counts(Kpi::LastClickOrders) {
            return Vec::new();
        }
        let orders = |record: &Record| record.total(Kpi::Orders) as f64;
        let twin = per_consumer(&self.results.baseline, orders);
        let caused: Vec<f64> = per_consumer(units, orders).iter().zip(twin).map(|(own, twin)| own - twin).collect();
        vec![
            ("incremental_orders_per_consumer", mean_of(&caused, None)),
            ("last_click_orders_per_consumer", self.per_consumer_kpi(units, Kpi::LastClickOrders)),
            ("touched_orders_per_consumer", self.per_consumer_kpi(units, Kpi::TouchedOrders)),
        ]
    }

    /// Members of the group less others; absent where there are none, or nothing was sent to one side.
    fn gaps(&self, units: &[Unit]) -> Vec<(&'static str, Metric)> {
        if !self.counts(Kpi::GroupConsumers) {
            return Vec::new();
        }
        let ticks = f64::from(self.spec.horizon);
        let present = |record: &Record| record.consumers as f64 * ticks;
        let count = |kpi: Kpi| move |record: &Record| record.total(kpi) as f64;
        let depth = |kpi: Kpi| move |record: &Record| record.total(kpi) as f64 / 1e6;
        let (messages, of_members) = (count(Kpi::Messages), count(Kpi::GroupMessages));
        let gaps = [
            ("contact_rate_gap", gap(units, (&of_members, &messages), (&count(Kpi::GroupConsumers), &present))),
            (
                "discount_depth_gap",
                gap(
                    units,
                    (&depth(Kpi::GroupOfferedDiscountMillionths), &depth(Kpi::OfferedDiscountMillionths)),
                    (&of_members, &messages),
                ),
            ),
            ("opt_out_gap", gap(units, (&count(Kpi::GroupOptOuts), &count(Kpi::OptOuts)), (&of_members, &messages))),
        ];
        gaps.into_iter().filter_map(|(name, gap)| Some((name, gap?))).collect()
    }

    fn counts(&self, kpi: Kpi) -> bool {
        self.spec.kpis.contains(&kpi)
    }

    fn per_consumer_kpi(&self, units: &[Unit], kpi: Kpi) -> Metric {
        let values: Vec<f64> = units
            .iter()
            .zip(totals(units, kpi))
            .map(|(unit, total)| total / unit.record.consumers.max(1) as f64)
            .collect();
        // Contacts are decisions; they speak for messages only where each became one.
        let contacts = units.first().filter(|unit| {
            let decided: u64 = unit.record.action_counts.iter().skip(1).sum();
            kpi == Kpi::Messages && decided as i64 == unit.record.total(kpi)
        });
        mean_of(&values, contacts.and_then(Unit::contacts))
    }

    /// The share of what could be gained that was gained. Against the optimal value where the environment knows it; else
    /// against the best oracle that competes, which bounds the best only from below once there is more than one tick.
    fn share_of_oracle(&self, units: &[Unit], oracle: Option<usize>) -> Option<Metric> {
        let baseline = &self.results.baseline;
        if let Some(optimum) = self.comparison.world.optimal_value() {
            // Exact where every policy's value is; else what was simulated, against what could exactly be gained.
            let exact = exact_gains(units, baseline).unwrap_or_else(|| incremental_values(units, baseline));
            let possible: Option<Vec<f64>> = baseline.iter().map(|twin| Some(optimum - twin.exact_value?)).collect();
            return ratio_of(&exact, &possible?);
        }
        let best = &self.results.contestants[oracle?];
        let share = ratio_of(&incremental_values(units, baseline), &incremental_values(best, baseline))?;
        Some(Metric { bound: self.spec.horizon > 1, ..share })
    }

    fn best_oracle(&self, is_oracle: &dyn Fn(&str) -> bool) -> Option<usize> {
        let value = |index: usize| {
            let values = incremental_values(&self.results.contestants[index], &self.results.baseline);
            values.iter().sum::<f64>()
        };
        let oracles =
            (0..self.comparison.contestants.len()).filter(|&index| is_oracle(&self.comparison.contestants[index].kind));
        // The first of equals.
        oracles.fold(None, |best, index| best.filter(|&best| value(best) >= value(index)).or(Some(index)))
    }

    fn held(&self, guardrail: &Guardrail, metrics: &MetricTable) -> Held {
        let value = metrics.get(&guardrail.metric).map(|metric| metric.mean);
        let (limit, holds): (f64, fn(f64, f64) -> bool) = match guardrail.limit {
            Limit::Max(limit) => (limit, |value, limit| value <= limit),
            Limit::Min(limit) => (limit, |value, limit| value >= limit),
        };
        let held = value.map_or_else(|| self.is_rate_of_nothing(guardrail), |value| holds(value, limit));
        Held { name: guardrail.metric.clone(), limit, value, held }
    }

    /// A maximum on a rate that is only absent because there was nothing to be a share of.
    fn is_rate_of_nothing(&self, guardrail: &Guardrail) -> bool {
        let numerator = match guardrail.metric.as_str() {
            "open_rate" => Kpi::Opens,
            "click_rate" => Kpi::Clicks,
            "conversion_rate" => Kpi::Conversions,
            "opt_out_rate" => Kpi::OptOuts,
            "complaint_rate" => Kpi::Complaints,
            "discount_per_order" => Kpi::Discount,
            "discount_depth_gap" | "opt_out_gap" => Kpi::GroupMessages,
            _ => return false,
        };
        matches!(guardrail.limit, Limit::Max(_)) && self.counts(numerator)
    }
}

/// A sum over the members of a group, and over everybody.
type Sums<'a> = (&'a dyn Fn(&Record) -> f64, &'a dyn Fn(&Record) -> f64);

/// A ratio among members less the ratio among the others, per replication; `None` where one has nothing below.
fn gap(units: &[Unit], above: Sums<'_>, below: Sums<'_>) -> Option<Metric> {
    let of = |record: &Record| {
        let (members, all) = (below.0(record), below.1(record));
        (members > 0.0 && all > members)
            .then(|| above.0(record) / members - (above.1(record) - above.0(record)) / (all - members))
    };
    let gaps: Option<Vec<f64>> = units.iter().map(|unit| of(&unit.record)).collect();
    gaps.map(|gaps| mean_of(&gaps, None))
}

fn totals(units: &[Unit], kpi: Kpi) -> Vec<f64> {
    let total = |unit: &Unit| {
        let total = unit.record.total(kpi);
        if kpi.is_money() { Money::from_micros(total).amount() } else { total as f64 }
    };
    units.iter().map(total).collect()
}

fn per_consumer(units: &[Unit], of: impl Fn(&Record) -> f64) -> Vec<f64> {
    units.iter().map(|unit| of(&unit.record) / unit.record.consumers.max(1) as f64).collect()
}

/// Value less the value of the same replication's counterpart, per consumer, one per replication.
fn incremental_values(units: &[Unit], others: &[Unit]) -> Vec<f64> {
    let whole = |record: &Record| record.discounted_profit() + record.discounted_terminal_value();
    per_consumer(units, whole).iter().zip(per_consumer(others, whole)).map(|(value, other)| value - other).collect()
}

/// Exact value less the twin's, one per replication, where all are known.
fn exact_gains(units: &[Unit], baseline: &[Unit]) -> Option<Vec<f64>> {
    units.iter().zip(baseline).map(|(unit, twin)| Some(unit.exact_value? - twin.exact_value?)).collect()
}

/// The paired difference of value per consumer: discounted profit and terminal value less the other's, on the same markets
/// with the same luck.
#[must_use]
pub fn incremental(units: &[Unit], others: &[Unit]) -> Metric {
    let gains = units.first().zip(others.first()).and_then(|(unit, other)| unit.gains_over(other));
    mean_of(&incremental_values(units, others), gains)
}

fn contact_shares(units: &[Unit]) -> ContactShares {
    let consumers: u64 = units.iter().map(|unit| unit.record.consumers).sum();
    let share = |bin: usize| units.iter().map(|unit| unit.record.contacts[bin]).sum::<u64>() as f64;
    ContactShares(std::array::from_fn(|bin| share(bin) / consumers.max(1) as f64))
}

fn learning(units: &[Unit]) -> Option<LearningSummary> {
    let learnings: Vec<_> = units.iter().map(|unit| unit.learning.as_ref()).collect::<Option<Vec<_>>>()?;
    let returns: Vec<f64> = learnings.iter().map(|learning| learning.return_per_consumer()).collect();
    let regrets: Option<Vec<f64>> = learnings.iter().map(|learning| learning.regret_per_consumer).collect();
    let mut told: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, &value) in learnings.iter().flat_map(|learning| &learning.metrics) {
        told.entry(name.clone()).or_default().push(value);
    }
    let outside: Vec<f64> = learnings.iter().filter_map(|learning| learning.share_outside_range()).collect();
    (!returns.is_empty()).then(|| LearningSummary {
        return_per_consumer: mean_of(&returns, None),
        regret_per_consumer: regrets.map(|regrets| mean_of(&regrets, None)),
        rewards_outside_range_share: (!outside.is_empty()).then(|| mean_of(&outside, None).mean),
        metrics: told.into_iter().map(|(name, values)| (name, mean_of(&values, None))).collect(),
    })
}

/// Discounted profit per consumer up to and including each tick, less the twin's; terminal value not included. The
/// interval is over replications, and absent with one.
#[must_use]
pub fn cumulative_incremental_profit(units: &[Unit], baseline: &[Unit]) -> Vec<Metric> {
    let ticks = units.first().map_or(0, |unit| unit.record.series.len());
    let mut running = vec![0.0; units.len()];
    let weights = units.first().map_or_else(Vec::new, |unit| discount_weights(unit.record.discount, ticks as u32));
    (0..ticks)
        .map(|tick| {
            for ((sum, unit), twin) in running.iter_mut().zip(units).zip(baseline) {
                let micros = unit.record.series[tick].get(Kpi::Profit) - twin.record.series[tick].get(Kpi::Profit);
                *sum += weights[tick] * Money::from_micros(micros).amount() / unit.record.consumers.max(1) as f64;
            }
            mean_of(&running, None)
        })
        .collect()
}
