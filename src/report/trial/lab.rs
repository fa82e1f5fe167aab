//! The experiment lab: how often each analysis is right.

use super::figure::{BLUE, GREEN, Mark, Panel, VERMILION, draw};
use super::{aligned, heading, number, page, table, unit};
use crate::evaluation::trial::{Findings, Kind, Outcome, Rate, Truth, Verdict};
use crate::scenario::Trial;
use maud::html;
use serde_json::{Value, json};
use std::fmt::Write;

/// All rates, test by test.
#[must_use]
pub fn text(trial: &Trial, findings: &Findings) -> String {
    let mut text = format!("{}\n{} markets, level {}\n", heading(trial), trial.repetition.tests, trial.alpha);
    for (title, rows) in sections(trial, findings) {
        let _ = write!(text, "\n{title}\n\n{}", aligned(&rows));
    }
    if let Some(alarms) = findings.ratio_alarms {
        let _ = writeln!(text, "\nSample ratio alarms (p < .001): {}", rate(alarms));
    }
    let _ = writeln!(text, "\n{READING}");
    text
}

const READING: &str = "After ±: Monte Carlo standard errors. Truth: everybody in the arm less everybody in the control, on the same markets\n\
                       with the same luck. \"At every look\": the share of tests whose intervals held the truth all the way.";

fn rate(rate: Rate) -> String {
    format!("{} ± {}", share(rate.share), share(rate.standard_error))
}

/// Four digits, or that it is not known.
fn share(value: f64) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.4}") }
}

/// A title and a table for each kind of test, metric and arm.
fn sections(trial: &Trial, findings: &Findings) -> Vec<(String, Vec<Vec<String>>)> {
    let mut sections: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    for verdict in &findings.verdicts {
        let title = title(trial, verdict);
        if sections.last().is_none_or(|(last, _)| *last != title) {
            let found = if verdict.kind == Kind::Equals { "finds a difference" } else { "power" };
            let head =
                ["analysis", found, "mean effect", "bias", "holds the truth", "at every look", "width", "refused"];
            sections.push((title, vec![head.map(str::to_owned).to_vec()]));
        }
        let row = vec![
            verdict.analysis.clone(),
            rate(verdict.rejected),
            number(verdict.mean_effect),
            format!("{} ± {}", number(verdict.bias), number(verdict.bias_standard_error)),
            rate(verdict.covered),
            rate(verdict.covered_always),
            number(verdict.width),
            verdict.refused.to_string(),
        ];
        if let Some((_, rows)) = sections.last_mut() {
            rows.push(row);
        }
    }
    sections
}

fn title(trial: &Trial, verdict: &Verdict) -> String {
    let (control, arm) = (&trial.arms[0].name, &trial.arms[verdict.arm].name);
    let unit = unit(&verdict.outcome);
    match verdict.kind {
        Kind::Equals if trial.arms.len() == 2 => format!("{control} against itself, {unit}: no difference is there"),
        Kind::Equals => format!("{control} against itself in the place of {arm}, {unit}: no difference is there"),
        Kind::Arms => format!(
            "{arm} against {control}, {unit}: the truth is {} ± {}",
            number(verdict.truth),
            number(verdict.truth_standard_error)
        ),
    }
}

/// One line for each verdict.
#[must_use]
pub fn csv(trial: &Trial, findings: &Findings) -> String {
    let mut csv =
        "test,metric,arm,analysis,tests,refused,truth,truth_standard_error,mean_effect,bias,bias_standard_error,\
                   spread,rejected,rejected_standard_error,covered,covered_standard_error,covered_always,\
                   covered_always_standard_error,width\n"
            .to_owned();
    for verdict in &findings.verdicts {
        let _ = write!(
            csv,
            "{},{},{},{},{},{}",
            verdict.kind.name(),
            verdict.outcome.name(),
            trial.arms[verdict.arm].name,
            verdict.analysis,
            verdict.tests,
            verdict.refused
        );
        let numbers = [
            verdict.truth,
            verdict.truth_standard_error,
            verdict.mean_effect,
            verdict.bias,
            verdict.bias_standard_error,
            verdict.spread,
            verdict.rejected.share,
            verdict.rejected.standard_error,
            verdict.covered.share,
            verdict.covered.standard_error,
            verdict.covered_always.share,
            verdict.covered_always.standard_error,
            verdict.width,
        ];
        numbers.iter().for_each(|number| {
            let _ = write!(csv, ",{number:.6}");
        });
        csv.push('\n');
    }
    csv
}

fn rate_json(rate: Rate) -> Value {
    json!({ "share": rate.share, "standard_error": rate.standard_error })
}

/// The one JSON document.
#[must_use]
pub fn json(trial: &Trial, findings: &Findings) -> String {
    let verdicts: Vec<Value> = findings
        .verdicts
        .iter()
        .map(|verdict| {
            json!({
                "test": verdict.kind.name(), "metric": verdict.outcome.name(), "arm": trial.arms[verdict.arm].name,
                "analysis": verdict.analysis, "tests": verdict.tests, "refused": verdict.refused,
                "rejected": rate_json(verdict.rejected), "covered": rate_json(verdict.covered),
                "covered_always": rate_json(verdict.covered_always), "truth": verdict.truth,
                "truth_standard_error": verdict.truth_standard_error, "mean_effect": verdict.mean_effect,
                "bias": verdict.bias, "bias_standard_error": verdict.bias_standard_error,
                "spread": verdict.spread, "width": verdict.width,
            })
        })
        .collect();
    let outcomes: Vec<Outcome> = trial.questions.iter().map(|question| question.outcome).collect();
    let document = json!({
        "experiment": trial.name, "experiment_hash": trial.hash,
        "scenario": trial.scenario.name, "scenario_hash": trial.scenario.hash, "seed": trial.seed().value(),
        "consumers": trial.scenario.world.spec().consumers, "alpha": trial.alpha, "tests": trial.repetition.tests,
        "verdicts": verdicts, "truths": truths_json(trial, &findings.truths, &distinct(&outcomes)),
        "sample_ratio_alarms": findings.ratio_alarms.map(rate_json),
    });
    format!("{document:#}\n")
}

fn distinct(outcomes: &[Outcome]) -> Vec<Outcome> {
    let mut distinct = outcomes.to_vec();
    distinct.dedup();
    distinct
}

/// The truths by arm and metric; the last is profit and future value together.
pub(super) fn truths_json(trial: &Trial, truths: &[Vec<Truth>], outcomes: &[Outcome]) -> Vec<Value> {
    let names = || outcomes.iter().map(Outcome::name).chain(["profit_and_future_value".to_owned()]);
    truths
        .iter()
        .zip(&trial.arms[1..])
        .flat_map(|(of_arm, arm)| {
            of_arm.iter().zip(names()).map(|(truth, metric)| {
                json!({ "arm": arm.name, "metric": metric, "mean": truth.mean().mean,
                        "standard_error": truth.mean().standard_error, "markets": truth.by_market.len() })
            })
        })
        .collect()
}

/// Every file of the folder but the manifest.
///
/// # Errors
/// Where the figure cannot be drawn.
pub fn files(trial: &Trial, findings: &Findings) -> Result<Vec<(&'static str, String)>, Box<dyn std::error::Error>> {
    let figure = draw(&heading(trial), &panels(trial, findings))?;
    let body = html! {
        @for (title, rows) in sections(trial, findings) {
            h2 { (title) }
            (table(&rows))
        }
        p.quiet { (READING) }
    };
    let page = page(trial, &figure, &body);
    Ok(vec![
        ("lab.json", json(trial, findings)),
        ("table.csv", csv(trial, findings)),
        ("table.md", format!("```text\n{}```\n", text(trial, findings))),
        ("figure.svg", figure),
        ("report.html", page),
    ])
}

/// Rates of wrong findings against the level, estimates against the truth, coverage against what is promised.
fn panels(trial: &Trial, findings: &Findings) -> Vec<Panel> {
    let mut panels: Vec<Panel> = Vec::new();
    let mut add = |heading: String, lines: Vec<(f64, String)>, mark: Mark| match panels
        .iter_mut()
        .find(|panel| panel.heading == heading)
    {
        Some(panel) => panel.marks.push(mark),
        None => panels.push(Panel { heading, marks: vec![mark], lines }),
    };
    let many = trial.arms.len() > 2;
    let label = |verdict: &Verdict| {
        if many { format!("{}, {}", trial.arms[verdict.arm].name, verdict.analysis) } else { verdict.analysis.clone() }
    };
    for verdict in findings.verdicts.iter().filter(|verdict| verdict.kind == Kind::Equals) {
        let heading = format!("Equal arms, {}: share of tests that find a difference", unit(&verdict.outcome));
        let lines = vec![(trial.alpha, format!("level {}", trial.alpha)), (0.0, String::new())];
        let is_wrong = verdict.rejected.share > trial.alpha + 3.0 * verdict.rejected.standard_error;
        add(heading, lines, of_rate(label(verdict), verdict.rejected, is_wrong));
    }
    for verdict in findings.verdicts.iter().filter(|verdict| verdict.kind == Kind::Arms) {
        let arm = &trial.arms[verdict.arm].name;
        let heading = format!("{arm}, {}: estimates, mean and 95 % of them", unit(&verdict.outcome));
        let lines = vec![(verdict.truth, "truth".to_owned()), (0.0, String::new())];
        let mark = Mark {
            label: verdict.analysis.clone(),
            value: verdict.mean_effect,
            low: verdict.mean_effect - 1.96 * verdict.spread,
            high: verdict.mean_effect + 1.96 * verdict.spread,
            color: if verdict.bias.abs() > 3.0 * verdict.bias_standard_error { VERMILION } else { BLUE },
            note: format!("bias {}", number(verdict.bias)),
        };
        add(heading, lines, mark);
        let heading = format!("{arm}, {}: share of intervals that hold the truth", unit(&verdict.outcome));
        let promise = 1.0 - trial.alpha;
        // One test shows no rate.
        let is_wrong =
            verdict.tests > 1 && verdict.covered.share < promise - 3.0 * verdict.covered.standard_error.max(1e-3);
        add(heading, vec![(promise, format!("{promise}"))], of_rate(label(verdict), verdict.covered, is_wrong));
    }
    panels
}

fn of_rate(label: String, rate: Rate, is_wrong: bool) -> Mark {
    Mark {
        label,
        value: rate.share,
        low: rate.share - 1.96 * rate.standard_error,
        high: rate.share + 1.96 * rate.standard_error,
        color: if is_wrong { VERMILION } else { GREEN },
        note: if rate.share.is_nan() { "-".to_owned() } else { format!("{:.3}", rate.share) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_of_a_rate_is_a_dash() {
        let told = |share: f64, standard_error: f64| rate(Rate { share, standard_error });
        assert_eq!(told(0.05, 0.011), "0.0500 ± 0.0110");
        assert_eq!(told(1.0, f64::NAN), "1.0000 ± -");
        assert_eq!(told(f64::NAN, f64::NAN), "- ± -");
    }
}
