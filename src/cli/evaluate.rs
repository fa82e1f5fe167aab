//! `mercato evaluate`: what target policies would have earned, from the log of another.

use super::arguments::Evaluate;
use super::{FAILED, WRONG_INPUT, diagnostic, fail, print};
use crate::logged;
use crate::report::evaluation::{Written, json, screen, write};
use crate::report::is_occupied;
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
    if out.exists() && !out.is_dir() {
        return fail(
            WRONG_INPUT,
            &format!("`{}` is a file, not a folder; take another name with --out", out.display()),
        );
    }
    if is_occupied(&out) && !arguments.force {
        let way_out = "take another folder with --out, or --force to write over its files";
        return fail(WRONG_INPUT, &format!("`{}` exists and is not empty; {way_out}", out.display()));
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
    if let Err(error) = write(&out, &files) {
        return fail(FAILED, &format!("{} cannot be written: {error}", out.display()));
    }
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
