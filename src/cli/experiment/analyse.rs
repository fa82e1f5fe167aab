//! `mercato experiment analyse`: what a file of outcomes shows.

use super::{refuse_inputs_inside, told};
use crate::cli::arguments::AnalyseArguments;
use crate::cli::{FAILED, GUARDRAIL_BROKEN, diagnostic, fail, print};
use crate::outcomes;
use crate::report::experiment as paper;
use std::process::ExitCode;

/// Checks the file, analyses the outcomes, says what they show.
#[must_use]
pub(super) fn execute(arguments: &AnalyseArguments) -> ExitCode {
    execute_or_fail(arguments).unwrap_or_else(|code| code)
}

fn execute_or_fail(arguments: &AnalyseArguments) -> Result<ExitCode, ExitCode> {
    if let Some(out) = &arguments.out {
        paper::refuse(out, arguments.force).map_err(|error| told(&error))?;
    }
    let inquiry = outcomes::load(&arguments.file).map_err(|errors| diagnostic::report(&errors))?;
    if let Some(out) = &arguments.out {
        refuse_inputs_inside(out, &[&arguments.file, &inquiry.data_path])?;
    }
    let findings = inquiry.analyse().map_err(|errors| diagnostic::report(&errors))?;
    let json = serde_json::to_string_pretty(&findings)
        .map_err(|error| fail(FAILED, &format!("the findings cannot be written: {error}")))?
        + "\n";
    let mut place = String::new();
    if let Some(out) = &arguments.out {
        let files = paper::files(&findings, &json)
            .map_err(|error| fail(FAILED, &format!("the figure cannot be drawn: {error}")))?;
        let out = paper::write(out, arguments.force, &files).map_err(|error| told(&error))?;
        place = format!("\nresults: {} (report.html, figure.svg)\n", out.display());
    }
    let printed = print(&if arguments.json { json } else { paper::text(&findings) + &place });
    let is_broken = printed == ExitCode::SUCCESS && !findings.guardrails_hold;
    Ok(if is_broken { ExitCode::from(GUARDRAIL_BROKEN) } else { printed })
}
