//! `mercato validate`: all that is wrong with scenario, evaluation and experiment files.

use super::arguments::Validate;
use super::{WRONG_INPUT, diagnostic, print};
use crate::logged;
use crate::outcomes::{self, Inquiry};
use crate::scenario::{self, Experiment, Overrides, ScenarioErrors, Trial, TrialOverrides};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// Checks every file; nothing is run, nothing written.
#[must_use]
pub fn execute(arguments: &Validate) -> ExitCode {
    let mut documents = Vec::new();
    let mut lines = String::new();
    let mut is_valid = true;
    for file in &arguments.files {
        let name = file.display().to_string();
        match check(file, &name) {
            Ok((document, summary)) => {
                documents.push(document);
                lines += &format!("{name}: valid ({summary})\n");
            }
            Err(errors) => {
                is_valid = false;
                documents.push(wrong(&errors));
                if !arguments.json {
                    let _ = diagnostic::report(&errors);
                }
            }
        }
    }
    let code = if arguments.json { print(&format!("{:#}\n", json!({ "files": documents }))) } else { print(&lines) };
    if is_valid { code } else { ExitCode::from(WRONG_INPUT) }
}

/// What a file without faults is, as a document and in words; what stands in it says what kind it is.
fn check(file: &Path, name: &str) -> Result<(Value, String), ScenarioErrors> {
    let text = fs::read_to_string(file).unwrap_or_default();
    if logged::is_evaluation(&text) {
        let evaluation = logged::load(file)?;
        logged::check(&evaluation)?;
        let document = json!({
            "file": name, "valid": true, "evaluation": evaluation.name, "evaluation_hash": evaluation.hash, "errors": [],
        });
        return Ok((document, "evaluation; its rows are checked when it is run".to_owned()));
    }
    if outcomes::is_inquiry(&text) {
        let inquiry = outcomes::load(file)?;
        return Ok((valid_inquiry(name, &inquiry), summary_of_inquiry(&inquiry)));
    }
    if scenario::is_trial(&text) {
        let trial = scenario::load_trial(file, TrialOverrides::default())?;
        return Ok((valid_trial(name, &trial), summary_of_trial(&trial)));
    }
    let experiment = scenario::load(file, &Overrides::default())?;
    Ok((valid(name, &experiment), summary(&experiment)))
}

fn summary_of_trial(trial: &Trial) -> String {
    let (arms, consumers) = (trial.arms.len(), trial.scenario.world.spec().consumers);
    format!(
        "a test of {arms} arms on {consumers} consumers of {}, {} questions",
        trial.scenario.name,
        trial.questions.len()
    )
}

fn valid_trial(file: &str, trial: &Trial) -> Value {
    let arms: Vec<&str> = trial.arms.iter().map(|arm| arm.name.as_str()).collect();
    json!({
        "file": file,
        "valid": true,
        "experiment": trial.name,
        "experiment_hash": trial.hash,
        "scenario": trial.scenario.name,
        "arms": arms,
        "errors": [],
    })
}

fn summary_of_inquiry(inquiry: &Inquiry) -> String {
    let (arms, metrics) = (inquiry.columns.arm_names.len(), inquiry.metrics.len());
    let plural = if metrics == 1 { "metric" } else { "metrics" };
    format!("{} units, {arms} arms, {metrics} {plural}", inquiry.columns.arms.len())
}

fn valid_inquiry(file: &str, inquiry: &Inquiry) -> Value {
    let metrics: Vec<&str> = inquiry.metrics.iter().map(|metric| metric.name.as_str()).collect();
    json!({
        "file": file,
        "valid": true,
        "experiment": inquiry.name,
        "units": inquiry.columns.arms.len(),
        "arms": inquiry.columns.arm_names,
        "metrics": metrics,
        "errors": [],
    })
}

fn summary(experiment: &Experiment) -> String {
    let spec = experiment.world.spec();
    format!(
        "{} consumers, {} ticks, {} actions, {} policies, {} replications",
        spec.consumers,
        spec.horizon,
        spec.actions.len(),
        experiment.contestants.len(),
        experiment.replications
    )
}

fn valid(file: &str, experiment: &Experiment) -> Value {
    let policies: Vec<&str> = experiment.contestants.iter().map(|contestant| contestant.name.as_str()).collect();
    json!({
        "file": file,
        "valid": true,
        "scenario": experiment.name,
        "scenario_hash": experiment.hash,
        "policies": policies,
        "errors": [],
    })
}

fn wrong(errors: &ScenarioErrors) -> Value {
    let list: Vec<Value> = errors
        .errors
        .iter()
        .map(|error| {
            let mut fault = json!({ "code": error.code.name(), "message": error.message, "help": error.help });
            if let Some(place) = &error.place {
                let (line, column) = errors.position(place.start);
                fault["line"] = json!(line);
                fault["column"] = json!(column);
                fault["start"] = json!(place.start);
                fault["end"] = json!(place.end);
            }
            fault
        })
        .collect();
    json!({ "file": errors.file, "valid": false, "errors": list })
}
