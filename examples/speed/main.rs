//! How fast Mercato does the work of benchmarks that other tools state word for word: one JSON line per measurement.
//!
//! `cargo run --release --example speed -- eq-sim --weights-dir scenarios --rounds 5`
//! `cargo run --release --example speed -- eq-ope --folder DIR --resamples 1000`
//! `cargo run --release --example speed -- eq-rl --task ppo-cartpole|dqn-cartpole|dqn-update --seed 1`
//! `cargo run --release --example speed -- eq-cb --problem FILE --d D --mode round|batchN`
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the command line")]

mod eq_cb;
mod eq_ope;
mod eq_rl;
mod eq_sim;
mod problem;
mod stopwatch;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, rest) = arguments.split_first().map_or(("", &[][..]), |(name, rest)| (name.as_str(), rest));
    let done = match name {
        "eq-sim" => eq_sim::run(rest),
        "eq-cb" => eq_cb::run(rest),
        "eq-ope" => eq_ope::run(rest),
        "eq-rl" => eq_rl::run(rest),
        other => Err(format!("no benchmark `{other}`; there are eq-sim, eq-cb, eq-ope and eq-rl")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

/// The value that follows a flag.
fn option<'a>(arguments: &'a [String], flag: &str) -> Result<&'a str, String> {
    let place = arguments.iter().position(|argument| argument == flag);
    let value = place.and_then(|place| arguments.get(place + 1));
    value.map(String::as_str).ok_or_else(|| format!("{flag} is missing or has no value"))
}
