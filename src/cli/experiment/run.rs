//! `mercato experiment run`: one simulated test, as a team would see it, and the truth.

use super::trial::ready;
use crate::cli::arguments::TrialArguments;
use crate::cli::{FAILED, GUARDRAIL_BROKEN, fail, print};
use crate::evaluation::trial::test_once;
use crate::report::trial::{files, json, text};
use std::io::{self, Write};
use std::process::ExitCode;

/// Carries the test out once; exit code 3 where a guardrail is broken.
pub(super) fn execute(arguments: &TrialArguments) -> ExitCode {
    execute_or_fail(arguments).unwrap_or_else(|code| code)
}

fn execute_or_fail(arguments: &TrialArguments) -> Result<ExitCode, ExitCode> {
    let ready = ready(arguments, "experiment")?;
    let trial = &ready.trial;
    let report = ready.carry_out(|protocol| {
        test_once(&protocol, &trial.questions, &trial.guards, trial.alpha, trial.truth_markets)
    })?;
    let files = files(trial, &report).map_err(|error| fail(FAILED, &format!("the figure cannot be drawn: {error}")))?;
    let place = ready.keep(files)?;
    let told = text(trial, &report) + &place;
    let printed = match (arguments.json, arguments.quiet) {
        (true, quiet) => {
            if !quiet {
                // Nobody may be reading; the document on standard output is what counts.
                let _ = io::stderr().lock().write_all(told.as_bytes());
            }
            print(&json(trial, &report))
        }
        (false, true) => ExitCode::SUCCESS,
        (false, false) => print(&told),
    };
    let is_broken = printed == ExitCode::SUCCESS && !report.holds();
    Ok(if is_broken { ExitCode::from(GUARDRAIL_BROKEN) } else { printed })
}
