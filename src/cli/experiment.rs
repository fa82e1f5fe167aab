//! `mercato experiment`: experiments planned, analysed, and carried out inside a scenario.

mod analyse;
mod lab;
mod power;
mod run;
mod trial;

use super::arguments::{Experiment, ExperimentCommand};
use super::{FAILED, WRONG_INPUT, fail};
use crate::report::RunError;
use std::path::Path;
use std::process::ExitCode;

/// One file per subcommand.
#[must_use]
pub(super) fn execute(arguments: &Experiment) -> ExitCode {
    match &arguments.command {
        ExperimentCommand::Power(arguments) => power::execute(arguments),
        ExperimentCommand::Analyse(arguments) => analyse::execute(arguments),
        ExperimentCommand::Run(arguments) => run::execute(arguments),
        ExperimentCommand::Lab(arguments) => lab::execute(arguments),
    }
}

/// Says why results cannot be put somewhere.
fn told(error: &RunError) -> ExitCode {
    fail(if error.is_input() { WRONG_INPUT } else { FAILED }, &error.to_string())
}

/// A folder that is replaced must not hold what is read.
fn refuse_inputs_inside(out: &Path, inputs: &[&Path]) -> Result<(), ExitCode> {
    let Ok(folder) = out.canonicalize() else { return Ok(()) };
    let is_inside = |input: &&&Path| input.canonicalize().is_ok_and(|input| input.starts_with(&folder));
    match inputs.iter().find(is_inside) {
        Some(input) => {
            let (out, input) = (out.display(), input.display());
            let message = format!("`{out}` holds {input}, which the experiment reads; take another folder with --out");
            Err(fail(WRONG_INPUT, &message))
        }
        None => Ok(()),
    }
}
