//! The search in words and tables.

use super::Told;
use crate::evaluation::tuning::Standing;
use crate::evaluation::{Metric, PolicySummary};
use crate::report::page::{drawn, framed};
use crate::report::table::{quoted, short};
use crate::report::trial::{aligned, table};
use crate::scenario::written;
use maud::html;
use std::fmt::Write;

/// Trials that the table on screen and the page show.
const SHOWN: usize = 10;

/// Mean and interval.
pub(super) fn with_interval(metric: &Metric) -> String {
    match (metric.low, metric.high) {
        (Some(low), Some(high)) => format!("{} [{}, {}]", short(metric.mean), short(low), short(high)),
        _ => short(metric.mean),
    }
}

/// A drawn value of a trial, as a file has it.
fn value(told: &Told<'_>, trial: u32, parameter: &str) -> String {
    told.values[trial as usize].get(parameter).and_then(written).unwrap_or_else(|| "-".to_owned())
}

/// What was searched, in a line.
fn heading(told: &Told<'_>) -> String {
    let last = told.plan.brackets.last().and_then(|bracket| bracket.steps.last());
    let (episodes, markets) = last.map_or((0, 0), |step| (step.level.episodes, step.level.replications));
    format!(
        "{} in {}: {} trials, up to {markets} {} of {episodes} training {}, seed {}",
        told.tunable.entry.name,
        told.experiment.name,
        told.asked.trials,
        if markets == 1 { "market" } else { "markets" },
        if episodes == 1 { "episode" } else { "episodes" },
        told.experiment.seed.value()
    )
}

/// The best trials, a header first.
fn ranking(told: &Told<'_>) -> Vec<Vec<String>> {
    let mut header = vec!["trial".to_owned()];
    header.extend(told.tunable.drawn.iter().map(|(parameter, _)| parameter.name.to_owned()));
    header.push("worth".to_owned());
    let mut rows = vec![header];
    for Standing { trial, worth, .. } in told.found.finalists.iter().take(SHOWN) {
        let name = if *trial == 0 { format!("0 ({})", told.start()) } else { trial.to_string() };
        let mut row = vec![name];
        row.extend(told.tunable.drawn.iter().map(|(parameter, _)| value(told, *trial, parameter.name)));
        row.push(worth.map_or_else(|| "-".to_owned(), short));
        rows.push(row);
    }
    rows
}

/// The start and the best on held-out markets, a header first.
fn held_out(told: &Told<'_>) -> Vec<Vec<String>> {
    let mut rows = vec![["policy", "incremental", "profit", "future"].map(str::to_owned).to_vec()];
    rows.extend(told.held_out.policies.iter().map(|policy: &PolicySummary| {
        let plain = |name: &str| policy.metrics.get(name).map_or_else(|| "-".to_owned(), |metric| short(metric.mean));
        let headline = with_interval(&policy.headline());
        vec![policy.name.clone(), headline, plain("profit_per_consumer"), plain("terminal_value_per_consumer")]
    }));
    rows
}

const OF_THE_SEARCH: &str = "Worth: profit and future value per consumer on the markets of the search. The best of many is \
    best partly by luck; what it earns is said below.";

/// For people.
#[must_use]
pub(super) fn screen(told: &Told<'_>) -> String {
    format!(
        "{}\n\nTrials that got the full budget, best first:\n\n{}\n{OF_THE_SEARCH}\n\nOn held-out markets:\n\n{}\n{}\n",
        heading(told),
        aligned(&ranking(told)),
        aligned(&held_out(told)),
        told.verdict().1
    )
}

/// `tuned.toml`.
pub(super) fn commented(told: &Told<'_>, section: &str) -> String {
    format!("# {}\n# {}\n{section}", heading(told), told.verdict().1)
}

/// `table.csv`: a line per step and trial, in the order of the search, best first; `worth` is empty where a trial failed.
#[must_use]
pub(super) fn table_csv(told: &Told<'_>) -> String {
    let mut text = "bracket,episodes,replications,rank,trial,worth,kept".to_owned();
    for (parameter, _) in &told.tunable.drawn {
        let _ = write!(text, ",{}", parameter.name);
    }
    text.push('\n');
    for step in &told.found.steps {
        for (rank, standing) in step.standings.iter().enumerate() {
            let worth = standing.worth.map_or_else(String::new, |worth| worth.to_string());
            let kept = standing.worth.is_some() && (rank as u32) < step.kept;
            let (episodes, replications) = (step.level.episodes, step.level.replications);
            let trial = standing.trial;
            let _ = write!(text, "{},{episodes},{replications},{},{trial},{worth},{kept}", step.bracket, rank + 1);
            for (parameter, _) in &told.tunable.drawn {
                let _ = write!(text, ",{}", quoted(value(told, trial, parameter.name).trim_matches('"')));
            }
            text.push('\n');
        }
    }
    text
}

/// `report.html`.
pub(super) fn page(told: &Told<'_>, figure: &str, section: &str) -> String {
    let title = format!("Good values for {}", told.tunable.entry.name);
    let body = html! {
        h1 { (title) }
        p.quiet { (heading(told)) }
        p { strong { (told.verdict().1) } }
        figure { (drawn(figure)) }
        h2 { "On held-out markets, per consumer" }
        (table(&held_out(told)))
        h2 { "The best trials" }
        p.quiet { (OF_THE_SEARCH) }
        (table(&ranking(told)))
        h2 { "The policy" }
        pre { (section) }
    };
    framed(&title, &body)
}
