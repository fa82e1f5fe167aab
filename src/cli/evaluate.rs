//! `mercato evaluate`: what target policies would have earned, from the log of another.

use super::arguments::Evaluate;
use super::{FAILED, WRONG_INPUT, diagnostic, fail, print};
use crate::logged;
use crate::report::evaluation::{Written, json, refuse, screen, write};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Reads the file and its log, judges every target, and says what came out.
#[must_use]
pub fn execute(arguments: &Evaluate) -> ExitCode {
    let evaluation = match logged::load(&arguments.evaluation) {
        Ok(evaluation) => evaluation,
        Err(errors) => return diagnostic::report(&errors),
    };
    let default = || Path::new("results").join("runs").join(format!("{}-{}", evaluation.name, evaluation.seed.value()));
    let out: PathBuf = arguments.out.clone().unwrap_or_else(default);
    if let Err(error) = refuse(&out, arguments.force) {
        return fail(if error.is_input() { WRONG_INPUT } else { FAILED }, &error.to_string());
    }
    if let Some(input) = evaluation.input_inside(&out) {
        let message = format!(
            "`{}` holds {}, which the evaluation reads; take another folder with --out",
            out.display(),
            input.display()
        );
        return fail(WRONG_INPUT, &message);
    }
    let judged = match logged::judge(&evaluation, arguments.twin) {
        Ok(judged) => judged,
        Err(errors) => return diagnostic::report(&errors),
    };
    let document = match json(&judged) {
        Ok(document) => document,
        Err(error) => return fail(FAILED, &format!("the results cannot be written as JSON: {error}")),
    };
    let Written { table, files } = match screen(&evaluation, &judged, &document) {
        Ok(written) => written,
        Err(error) => return fail(FAILED, &format!("the figures cannot be drawn: {error}")),
    };
    let out = match write(&out, arguments.force, &files) {
        Ok(out) => out,
        Err(error) => return fail(if error.is_input() { WRONG_INPUT } else { FAILED }, &error.to_string()),
    };
    let place = format!("\nresults: {} (report.html, table.csv, evaluation.json)\n", out.display());
    if arguments.json {
        if !arguments.quiet {
            // Nobody may be reading; the document on standard output is what counts.
            let _ = write!(std::io::stderr().lock(), "{table}{place}");
        }
        return print(&document);
    }
    if arguments.quiet { ExitCode::SUCCESS } else { print(&format!("{table}{place}")) }
}
