//! `mercato experiment`: experiments planned, analysed, and carried out inside a scenario.

mod analyse;
mod lab;
mod power;
mod run;
mod trial;

use super::arguments::{Experiment, ExperimentCommand};
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
