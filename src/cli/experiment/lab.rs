//! `mercato experiment lab`: the same test on many markets, and how often each analysis is right.

use super::trial::ready;
use crate::cli::arguments::TrialArguments;
use crate::cli::{FAILED, fail, print};
use crate::evaluation::trial::Lab;
use crate::report::Progress;
use crate::report::trial::{lab_files, lab_json, lab_text};
use std::io::{self, Write};
use std::process::ExitCode;

/// Repeats the test and prints rates, bias and coverage.
pub(super) fn execute(arguments: &TrialArguments) -> ExitCode {
    execute_or_fail(arguments).unwrap_or_else(|code| code)
}

fn execute_or_fail(arguments: &TrialArguments) -> Result<ExitCode, ExitCode> {
    let ready = ready(arguments, "lab")?;
    let (trial, clock) = (&ready.trial, &ready.clock);
    clock.begin(u64::from(trial.repetition.tests.max(trial.repetition.truths)), 0);
    let findings = ready.carry_out(|protocol| {
        let lab = Lab { protocol, questions: &trial.questions, alpha: trial.alpha, repetition: trial.repetition };
        lab.run(&|| clock.advance())
    })?;
    let files =
        lab_files(trial, &findings).map_err(|error| fail(FAILED, &format!("the figure cannot be drawn: {error}")))?;
    let place = ready.keep(files)?;
    let told = lab_text(trial, &findings) + &place;
    Ok(match (arguments.json, arguments.quiet) {
        (true, quiet) => {
            if !quiet {
                // Nobody may be reading; the document on standard output is what counts.
                let _ = io::stderr().lock().write_all(told.as_bytes());
            }
            print(&lab_json(trial, &findings))
        }
        (false, true) => ExitCode::SUCCESS,
        (false, false) => print(&told),
    })
}
