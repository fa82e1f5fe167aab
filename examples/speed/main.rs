//! One measurement of Mercato in the form that the side-by-side script reads: a JSON line per learner or pass.
//!
//! `cargo run --release --example speed -- eq-cb --problem FILE --d D --mode round|batchN`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]

mod eq_cb;
mod problem;
mod stopwatch;

use std::process::ExitCode;

/// The value that follows a flag.
fn option<'a>(arguments: &'a [String], flag: &str) -> Result<&'a str, String> {
    let place = arguments.iter().position(|argument| argument == flag);
    let value = place.and_then(|place| arguments.get(place + 1));
    value.map(String::as_str).ok_or_else(|| format!("{flag} is missing or has no value"))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        Some("eq-cb") => eq_cb::run(&arguments[1..]),
        _ => Err("usage: speed eq-cb --problem FILE --d D --mode round|batchN".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}
