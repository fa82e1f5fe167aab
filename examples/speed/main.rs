//! How fast Mercato does the work of benchmarks that other tools state word for word: one JSON line per round.
//!
//! `cargo run --release --example speed -- eq-sim --weights-dir scenarios --rounds 5`

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the command line")]

mod eq_sim;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, rest) = arguments.split_first().map_or(("", &[][..]), |(name, rest)| (name.as_str(), rest));
    let done = match name {
        "eq-sim" => eq_sim::run(rest),
        other => Err(format!("no benchmark `{other}`; there is eq-sim")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}
