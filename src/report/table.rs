//! The table on screen, and the tables as CSV.

use super::Run;
use crate::evaluation::{Metric, Summary, Unit, cumulative_incremental_profit};
use crate::protocol::Kpi;
use std::fmt::Write;

/// A number with about four significant digits, for people.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        _ if size == 0.0 => 0,
        _ if size >= 1_000.0 => 0,
        _ if size >= 100.0 => 1,
        _ if size >= 10.0 => 2,
        _ if size >= 0.1 => 3,
        _ => 4,
    };
    format!("{value:.decimals$}")
}

/// A share as a percentage.
pub(super) fn percent(value: f64) -> String {
    format!("{:.2}%", value * 100.0)
}

fn with_interval(metric: &Metric) -> (String, String) {
    let interval = match (metric.low, metric.high) {
        (Some(low), Some(high)) => format!("[{}, {}]", short(low), short(high)),
        _ => String::new(),
    };
    (short(metric.mean), interval)
}

/// The ranked table with what separates the first two. Ends with a line feed.
#[must_use]
pub fn screen(summary: &Summary) -> String {
    let mut rows = vec![header(summary)];
    rows.extend(summary.ranking().into_iter().enumerate().map(|(rank, index)| row(summary, rank, index)));
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = format!(
        "{}: {} consumers, {} ticks, {} replication{}, seed {}\n\n",
        summary.scenario,
        summary.consumers,
        summary.ticks,
        summary.replications,
        if summary.replications == 1 { "" } else { "s" },
        summary.seed
    );
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| {
                // Names to the left, numbers to the right.
                if column == 1 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            })
            .collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    let _ =
        writeln!(text, "\nPer consumer; incremental to nobody being contacted, future value included; 95 % intervals.");
    if let Some(sentence) = lead(summary) {
        let _ = writeln!(text, "{sentence}");
    }
    for sentence in outside_range(summary) {
        let _ = writeln!(text, "{sentence}");
    }
    text.push_str(&broken(summary));
    text
}

/// One sentence per agent that met rewards which it was told not to expect.
pub(super) fn outside_range(summary: &Summary) -> impl Iterator<Item = String> {
    summary.ranking().into_iter().filter_map(|index| {
        let policy = &summary.policies[index];
        let share = policy.learning.as_ref()?.rewards_outside_range_share.filter(|share| *share > 0.0)?;
        let share = match 100.0 * share {
            share if share >= 10.0 => format!("{share:.0} %"),
            share if share >= 0.1 => format!("{share:.1} %"),
            _ => "less than 0.1 %".to_owned(),
        };
        Some(format!("{}: {share} of the rewards lie outside the declared reward range", policy.name))
    })
}

/// Columns that only some environments have.
const OPTIONAL: [(&str, &str, bool); 6] = [
    ("share_of_oracle", "of oracle", true),
    ("orders_per_consumer", "orders", false),
    ("messages_per_consumer", "messages", false),
    ("cost_per_consumer", "cost", false),
    ("opt_out_rate", "opt-out", true),
    ("complaint_rate", "complaint", true),
];

fn shown(summary: &Summary) -> impl Iterator<Item = &'static (&'static str, &'static str, bool)> {
    let has = |name: &str| summary.policies.iter().any(|policy| policy.metrics.get(name).is_some());
    OPTIONAL.iter().filter(|(name, ..)| has(name)).collect::<Vec<_>>().into_iter()
}

fn header(summary: &Summary) -> Vec<String> {
    let mut cells: Vec<String> = ["#", "policy", "incremental", "95 %", "profit", "future"].map(str::to_owned).to_vec();
    cells.extend(shown(summary).map(|(_, title, _)| (*title).to_owned()));
    if summary.policies.iter().any(|policy| policy.exact_value.is_some()) {
        cells.push("exact".to_owned());
    }
    cells
}

fn row(summary: &Summary, rank: usize, index: usize) -> Vec<String> {
    let policy = &summary.policies[index];
    let (mean, interval) = with_interval(&policy.headline());
    let plain = |name: &str| policy.metrics.get(name).map_or_else(|| "-".to_owned(), |metric| short(metric.mean));
    let mut cells = vec![
        (rank + 1).to_string(),
        policy.name.clone(),
        mean,
        interval,
        plain("profit_per_consumer"),
        plain("terminal_value_per_consumer"),
    ];
    cells.extend(shown(summary).map(|(name, _, is_share)| match policy.metrics.get(name) {
        Some(metric) if *is_share => percent(metric.mean),
        _ => plain(name),
    }));
    if summary.policies.iter().any(|policy| policy.exact_value.is_some()) {
        cells.push(policy.exact_value.map_or_else(|| "-".to_owned(), |value| format!("{value:.6}")));
    }
    cells
}

/// What separates the first two, in a sentence.
pub(super) fn lead(summary: &Summary) -> Option<String> {
    let lead = summary.lead.as_ref()?;
    let (mean, interval) = with_interval(&lead.difference);
    let (first, second) = (&lead.first, &lead.second);
    Some(match lead.difference.differs_from_zero() {
        Some(true) => format!("{first} is ahead of {second} by {mean} {interval} per consumer: a real difference."),
        Some(false) => {
            format!("{first} and {second} cannot be told apart: {mean} {interval} per consumer; try more replications.")
        }
        None => format!("{first} is ahead of {second} by {mean} per consumer; one market cannot tell how surely."),
    })
}

/// One line per broken promise.
fn broken(summary: &Summary) -> String {
    let mut text = String::new();
    for policy in &summary.policies {
        for guardrail in policy.guardrails.iter().filter(|guardrail| !guardrail.held) {
            let value = guardrail.value.map_or_else(|| "absent here".to_owned(), short);
            let _ = writeln!(
                text,
                "guardrail broken: {} of {} is {value}, limit {}",
                guardrail.name,
                policy.name,
                short(guardrail.limit)
            );
        }
    }
    text
}

/// `table.csv`: a line per policy and metric, best policy first.
#[must_use]
pub fn table_csv(summary: &Summary) -> String {
    let mut text = String::from("rank,policy,kind,metric,mean,standard_error,low,high\n");
    for (rank, index) in summary.ranking().into_iter().enumerate() {
        let policy = &summary.policies[index];
        for (name, metric) in &policy.metrics.0 {
            let _ = writeln!(
                text,
                "{},{},{},{name},{},{},{},{}",
                rank + 1,
                quoted(&policy.name),
                quoted(&policy.kind),
                metric.mean,
                optional(metric.standard_error),
                optional(metric.low),
                optional(metric.high)
            );
        }
    }
    text
}

/// `series.csv`: a line per policy (the twin first) and tick. KPIs are per consumer in that tick, means over the
/// replications, money in currency; `cumulative_incremental_profit` is discounted profit per consumer up to and with the
/// tick, less the twin's, without terminal value, with its interval over replications.
#[must_use]
pub(crate) fn series_csv(run: &Run<'_>) -> String {
    let spec = run.comparison.world.spec();
    let mut text = String::from("policy,tick");
    for kpi in &spec.kpis {
        let _ = write!(text, ",{}", kpi.name());
    }
    text.push_str(",cumulative_incremental_profit,low,high\n");
    let twin = (run.summary.baseline, &run.results.baseline);
    let named = run.comparison.contestants.iter().map(|contestant| contestant.name.as_str());
    // The twin is a line of its own only where no policy of the file bears its name.
    let twin = (!named.clone().any(|name| name == twin.0)).then_some(twin);
    for (name, units) in twin.into_iter().chain(named.zip(&run.results.contestants)) {
        let curve = cumulative_incremental_profit(units, &run.results.baseline);
        for (tick, metric) in curve.iter().enumerate() {
            let _ = write!(text, "{},{tick}", quoted(name));
            for &kpi in &spec.kpis {
                let _ = write!(text, ",{}", per_consumer(units, tick, kpi));
            }
            let _ = writeln!(text, ",{},{},{}", metric.mean, optional(metric.low), optional(metric.high));
        }
    }
    text
}

/// Mean over replications of a KPI of one tick, per consumer.
pub(super) fn per_consumer(units: &[Unit], tick: usize, kpi: Kpi) -> f64 {
    let values = units.iter().map(|unit| {
        let tally = &unit.record.series[tick];
        tally.value(kpi) / unit.record.consumers.max(1) as f64
    });
    values.sum::<f64>() / units.len().max(1) as f64
}

pub(super) fn optional(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

pub(super) fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
