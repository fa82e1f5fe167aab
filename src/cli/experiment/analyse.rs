//! `mercato experiment analyse`: what a file of outcomes shows.

use crate::cli::arguments::AnalyseArguments;
use crate::cli::{FAILED, GUARDRAIL_BROKEN, WRONG_INPUT, diagnostic, fail, print};
use crate::outcomes::{self, Findings};
use crate::report::experiment as paper;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// Checks the file, analyses the outcomes, says what they show.
#[must_use]
pub(super) fn execute(arguments: &AnalyseArguments) -> ExitCode {
    if let Some(out) = &arguments.out {
        let is_taken = fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
        if is_taken && !arguments.force {
            return fail(WRONG_INPUT, &format!("{} is not empty; give --force to write over its files", out.display()));
        }
        if out.exists() && !out.is_dir() {
            return fail(WRONG_INPUT, &format!("{} is a file; --out takes a folder", out.display()));
        }
    }
    let findings = match outcomes::load(&arguments.file).and_then(|inquiry| inquiry.analyse()) {
        Ok(findings) => findings,
        Err(errors) => return diagnostic::report(&errors),
    };
    let json = match serde_json::to_string_pretty(&findings) {
        Ok(json) => json + "\n",
        Err(error) => return fail(FAILED, &format!("the findings cannot be written: {error}")),
    };
    if let Some(out) = &arguments.out
        && let Err(message) = write(out, &findings, &json)
    {
        return fail(FAILED, &message);
    }
    let printed = if arguments.json {
        print(&json)
    } else {
        let place =
            arguments.out.as_ref().map(|out| format!("\nresults: {} (report.html, figure.svg)\n", out.display()));
        print(&format!("{}{}", paper::text(&findings), place.unwrap_or_default()))
    };
    if printed == ExitCode::SUCCESS && !findings.guardrails_hold {
        return ExitCode::from(GUARDRAIL_BROKEN);
    }
    printed
}

fn write(out: &Path, findings: &Findings, json: &str) -> Result<(), String> {
    let figure = paper::figure(findings).map_err(|error| format!("the figure cannot be drawn: {error}"))?;
    let page = paper::page(findings, &figure);
    let files = [
        ("findings.json", json.to_owned()),
        ("table.csv", paper::csv(findings)),
        ("figure.svg", figure),
        ("report.html", page),
    ];
    fs::create_dir_all(out)
        .and_then(|()| files.iter().try_for_each(|(file, content)| fs::write(out.join(file), content)))
        .map_err(|error| format!("{} cannot be written: {error}", out.display()))
}
