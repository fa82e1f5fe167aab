//! The command line: one file per command; the only place that prints.
//!
//! Exit codes: 0 done; 1 the run failed; 2 the input is wrong, nothing was started and nothing written; 3 done, but a
//! guardrail that the file declares was broken.

pub mod arguments;
pub mod diagnostic;
mod evaluate;
mod experiment;
mod explain_consumer;
mod list;
mod new;
pub mod run;
mod schema;
mod train;
mod trap;
mod tune;
mod validate;

use arguments::{Arguments, Command};
use clap::Parser;
use std::io::{self, Write};
use std::process::ExitCode;

/// The run failed.
pub const FAILED: u8 = 1;
/// The input is wrong; nothing was started, nothing written.
pub const WRONG_INPUT: u8 = 2;
/// Done, but a guardrail of the file was broken.
pub const GUARDRAIL_BROKEN: u8 = 3;

/// Reads the arguments and does what they ask for.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => run::execute(&arguments),
        Command::Validate(arguments) => validate::execute(&arguments),
        Command::List(arguments) => list::execute(&arguments),
        Command::Schema(arguments) => schema::execute(&arguments),
        Command::New(arguments) => new::execute(&arguments),
        Command::Trap(arguments) => trap::execute(&arguments),
        Command::Evaluate(arguments) => evaluate::execute(&arguments),
        Command::ExplainConsumer(arguments) => explain_consumer::execute(&arguments),
        Command::Experiment(arguments) => experiment::execute(&arguments),
        Command::Train(arguments) => train::execute(&arguments),
        Command::Tune(arguments) => tune::execute(&arguments),
    }
}

/// Writes to standard output. A reader that stops early (`mercato list | head -1`) is no failure.
#[must_use]
pub fn print(text: &str) -> ExitCode {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, &format!("standard output cannot be written: {error}")),
    }
}

/// Says on standard error what is wrong, and gives the exit code. Where nobody can read it, the code must do.
#[must_use]
pub fn fail(code: u8, message: &str) -> ExitCode {
    let _ = writeln!(io::stderr().lock(), "error: {message}");
    ExitCode::from(code)
}
