//! `mercato validate`: all that is wrong with scenario and evaluation files.

use super::arguments::Validate;
use super::{WRONG_INPUT, diagnostic, print};
use crate::logged;
use crate::scenario::{self, Experiment, Overrides, ScenarioErrors};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Checks every file; nothing is run, nothing written.
#[must_use]
pub fn execute(arguments: &Validate) -> ExitCode {
    let mut documents = Vec::new();
    let mut lines = String::new();
    let mut is_valid = true;
    for file in &arguments.files {
        let name = file.display().to_string();
        if std::fs::read_to_string(file).is_ok_and(|text| logged::is_evaluation(&text)) {
            match logged::load(file).and_then(|evaluation| logged::check(&evaluation).map(|()| evaluation)) {
                Ok(evaluation) => {
                    documents.push(json!({
                        "file": name, "valid": true, "evaluation": evaluation.name,
                        "evaluation_hash": evaluation.hash, "errors": [],
                    }));
                    lines += &format!("{name}: valid (evaluation; its rows are checked when it is run)\n");
                }
                Err(errors) => {
                    is_valid = false;
                    documents.push(wrong(&errors));
                    if !arguments.json {
                        let _ = diagnostic::report(&errors);
                    }
                }
            }
            continue;
        }
        match scenario::load(file, &Overrides::default()) {
            Ok(experiment) => {
                documents.push(valid(&name, &experiment));
                lines += &format!("{name}: valid ({})\n", summary(&experiment));
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
