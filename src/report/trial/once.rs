//! One simulated test: what it shows, and the truth.

use super::figure::{BLUE, GREEN, Mark, Panel, draw};
use super::{aligned, heading, number, page, table, unit};
use crate::evaluation::experiment::{Better, Effect, Promise};
use crate::evaluation::trial::{Report, Truth};
use crate::scenario::Trial;
use maud::html;
use serde_json::{Value, json};
use std::fmt::Write;

/// What the team would see, and below it the truth.
#[must_use]
pub fn text(trial: &Trial, report: &Report) -> String {
    let mut text = format!("{}\n\n{}\n", heading(trial), aligned(&split_rows(trial, report)));
    if let Some(ratio) = &report.ratio {
        let said = if ratio.is_alarm { "do NOT fit the shares: believe nothing below" } else { "fit the shares" };
        let _ = writeln!(text, "The counts {said} (p = {}).\n", number(ratio.p_value));
    }
    text += &aligned(&effect_rows(trial, report));
    let refused = refusals(trial, report);
    if !refused.is_empty() {
        let _ = writeln!(text, "\n{}", refused.join("\n"));
    }
    if !report.guards.is_empty() {
        let _ = write!(text, "\n{}", aligned(&guard_rows(trial, report)));
    }
    let _ = writeln!(text, "\n{}", reading(trial));
    text
}

fn reading(trial: &Trial) -> String {
    let level = 100.0 * (1.0 - trial.alpha);
    format!(
        "Effects against `{}`, with {level} % intervals. Truth: everybody in the arm less everybody in the control, on the\n\
         same markets with the same luck; mean of {} markets and its standard error.",
        trial.arms[0].name, trial.truth_markets
    )
}

fn split_rows(trial: &Trial, report: &Report) -> Vec<Vec<String>> {
    let units = if report.communities.is_some() { "communities" } else { "" };
    let counted = if matches!(trial.randomised, crate::evaluation::trial::Randomised::Period { .. }) {
        "periods"
    } else {
        "consumers"
    };
    let mut rows = vec![["arm", "kind", "share", counted, units].map(str::to_owned).to_vec()];
    for (index, arm) in trial.arms.iter().enumerate() {
        let communities = report.communities.as_ref().map_or(String::new(), |counts| counts[index].to_string());
        let share = format!("{:.3}", arm.share);
        rows.push(vec![arm.name.clone(), arm.kind.clone(), share, report.counts[index].to_string(), communities]);
    }
    rows
}

fn truth_of<'a>(report: &'a Report, arm: usize, outcome: &crate::evaluation::trial::Outcome) -> Option<&'a Truth> {
    let index = report.outcomes.iter().position(|own| own == outcome)?;
    report.truths.get(arm - 1)?.get(index)
}

fn effect_rows(trial: &Trial, report: &Report) -> Vec<Vec<String>> {
    let head = ["metric", "arm", "analysis", "control", "effect", "interval", "p", "truth"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for answer in &report.answers {
        for effect in answer.effects.iter().flatten() {
            let truth = truth_of(report, effect.arm, &answer.outcome).map_or(String::new(), |truth| {
                format!("{} ± {}", number(truth.mean().mean), number(truth.standard_error()))
            });
            let waits = effect.waits().is_some();
            rows.push(vec![
                answer.outcome.name(),
                trial.arms[effect.arm].name.clone(),
                answer.analysis.clone(),
                number(effect.control),
                number(effect.effect),
                if waits { "-".to_owned() } else { format!("[{}, {}]", number(effect.low), number(effect.high)) },
                if waits { "-".to_owned() } else { format!("{:.4}", effect.p_value) },
                truth,
            ]);
        }
    }
    rows
}

/// What could not be analysed, and what waits for its first look.
fn refusals(trial: &Trial, report: &Report) -> Vec<String> {
    let mut told = Vec::new();
    for answer in &report.answers {
        let (analysis, outcome) = (&answer.analysis, answer.outcome.name());
        match &answer.effects {
            Err(error) => told.push(format!("{analysis} of {outcome} cannot be had: {}", error.told(&arms(trial)))),
            Ok(effects) => told.extend(effects.iter().filter_map(|effect| {
                let arm = &trial.arms[effect.arm].name;
                Some(format!("{analysis} of {outcome} in {arm} cannot be had yet: {}", effect.waits()?))
            })),
        }
    }
    told
}

/// Names of the arms.
fn arms(trial: &Trial) -> Vec<&str> {
    trial.arms.iter().map(|arm| arm.name.as_str()).collect()
}

/// An effect; without interval and p value, and with the reason, where it waits for its first look.
fn effect_json(effect: &Effect) -> Value {
    let mut value = json!(effect);
    if let (Some(lack), Value::Object(fields)) = (effect.waits(), &mut value) {
        fields.insert("p_value".to_owned(), Value::Null);
        fields.insert("lack".to_owned(), Value::String(lack));
    }
    value
}

const fn promised(promise: Promise) -> &'static str {
    match promise {
        Promise::Held => "held",
        Promise::Unproven => "not shown to hold",
        Promise::Broken => "BROKEN",
    }
}

fn guard_rows(trial: &Trial, report: &Report) -> Vec<Vec<String>> {
    let mut rows = vec![["guardrail", "arm", "harm put up with", "interval", ""].map(str::to_owned).to_vec()];
    for guarded in &report.guards {
        let sign = if guarded.margin.better == Better::Lower { "+" } else { "-" };
        rows.push(vec![
            guarded.outcome.name(),
            trial.arms[guarded.arm].name.clone(),
            format!("{sign}{}", number(guarded.margin.margin)),
            guarded.interval.map_or("-".to_owned(), |(low, high)| format!("[{}, {}]", number(low), number(high))),
            promised(guarded.promise).to_owned(),
        ]);
    }
    rows
}

/// One line for each effect.
#[must_use]
pub fn csv(trial: &Trial, report: &Report) -> String {
    let mut csv = "metric,arm,analysis,units_control,units_arm,control,treated,effect,standard_error,low,high,p_value,\
                   is_rejected,truth,truth_standard_error\n"
        .to_owned();
    for answer in &report.answers {
        for effect in answer.effects.iter().flatten() {
            let truth = truth_of(report, effect.arm, &answer.outcome);
            let told =
                truth.map_or(",".to_owned(), |truth| format!("{},{}", truth.mean().mean, truth.standard_error()));
            let known = |value: f64| if effect.waits().is_some() { String::new() } else { value.to_string() };
            let _ = writeln!(
                csv,
                "{},{},{},{},{},{},{},{},{},{},{},{},{},{told}",
                answer.outcome.name(),
                trial.arms[effect.arm].name,
                answer.analysis,
                effect.units[0],
                effect.units[1],
                effect.control,
                effect.treated,
                effect.effect,
                effect.standard_error,
                known(effect.low),
                known(effect.high),
                known(effect.p_value),
                effect.is_rejected,
            );
        }
    }
    csv
}

/// The one JSON document.
#[must_use]
pub fn json(trial: &Trial, report: &Report) -> String {
    let arms: Vec<Value> = trial
        .arms
        .iter()
        .enumerate()
        .map(|(index, arm)| {
            let communities = report.communities.as_ref().map(|counts| counts[index]);
            json!({ "name": arm.name, "kind": arm.kind, "share": arm.share, "units": report.counts[index], "communities": communities })
        })
        .collect();
    let names = self::arms(trial);
    let answers: Vec<Value> = report
        .answers
        .iter()
        .map(|answer| match &answer.effects {
            Ok(effects) => {
                let effects: Vec<Value> = effects.iter().map(effect_json).collect();
                json!({ "metric": answer.outcome.name(), "analysis": answer.analysis, "effects": effects })
            }
            Err(error) => {
                let refused = error.told(&names);
                json!({ "metric": answer.outcome.name(), "analysis": answer.analysis, "refused": refused })
            }
        })
        .collect();
    let guards: Vec<Value> = report
        .guards
        .iter()
        .map(|guarded| {
            let (low, high) = guarded.interval.unzip();
            json!({ "metric": guarded.outcome.name(), "arm": trial.arms[guarded.arm].name, "margin": guarded.margin.margin,
                    "better": guarded.margin.better, "low": low, "high": high, "promise": guarded.promise })
        })
        .collect();
    let document = json!({
        "experiment": trial.name, "experiment_hash": trial.hash,
        "scenario": trial.scenario.name, "scenario_hash": trial.scenario.hash, "seed": trial.seed().value(),
        "consumers": trial.scenario.world.spec().consumers, "alpha": trial.alpha,
        "arms": arms, "sample_ratio": report.ratio, "answers": answers,
        "truths": super::lab::truths_json(trial, &report.truths, &report.outcomes), "guardrails": guards,
    });
    format!("{document:#}\n")
}

/// Every file of the folder but the manifest.
///
/// # Errors
/// Where the figure cannot be drawn.
pub fn files(trial: &Trial, report: &Report) -> Result<Vec<(&'static str, String)>, Box<dyn std::error::Error>> {
    let figure = draw(&heading(trial), &panels(trial, report))?;
    let body = html! {
        h2 { "What the test shows, and the truth" }
        (table(&effect_rows(trial, report)))
        @for refused in refusals(trial, report) { p.quiet { (refused) } }
        @if !report.guards.is_empty() {
            h2 { "Guardrails" }
            (table(&guard_rows(trial, report)))
        }
        h2 { "Who was in which arm" }
        (table(&split_rows(trial, report)))
        @if let Some(ratio) = &report.ratio {
            p { "Sample ratio: p = " (number(ratio.p_value)) @if ratio.is_alarm { ": the counts do not fit the shares." } }
        }
        p.quiet { (reading(trial)) }
    };
    let page = page(trial, &figure, &body);
    Ok(vec![
        ("experiment.json", json(trial, report)),
        ("table.csv", csv(trial, report)),
        ("figure.svg", figure),
        ("report.html", page),
    ])
}

fn panels(trial: &Trial, report: &Report) -> Vec<Panel> {
    let mut panels = Vec::new();
    for outcome in &report.outcomes {
        for arm in 1..trial.arms.len() {
            let answers = report.answers.iter().filter(|answer| answer.outcome == *outcome);
            let marks = answers.flat_map(|answer| {
                let own = answer.effects.iter().flatten().filter(move |effect| effect.arm == arm);
                own.map(|effect| Mark {
                    label: answer.analysis.clone(),
                    value: effect.effect,
                    low: effect.low,
                    high: effect.high,
                    color: if effect.is_rejected { BLUE } else { GREEN },
                    note: effect
                        .waits()
                        .map_or_else(|| format!("p = {:.4}", effect.p_value), |_| "no look yet".to_owned()),
                })
            });
            let truth = truth_of(report, arm, outcome).map(|truth| (truth.mean().mean, "truth".to_owned()));
            panels.push(Panel {
                heading: format!("Effect of {} on {}", trial.arms[arm].name, unit(outcome)),
                marks: marks.collect(),
                lines: truth.filter(|truth| truth.0.is_finite()).into_iter().chain([(0.0, String::new())]).collect(),
            });
        }
    }
    panels
}
