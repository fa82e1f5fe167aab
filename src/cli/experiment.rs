//! `mercato experiment`: experiments planned and analysed.

mod analyse;
mod power;

use super::arguments::{Experiment, ExperimentCommand};
use std::process::ExitCode;

/// One file per subcommand.
#[must_use]
pub(super) fn execute(arguments: &Experiment) -> ExitCode {
    match &arguments.command {
        ExperimentCommand::Power(arguments) => power::execute(arguments),
        ExperimentCommand::Analyse(arguments) => analyse::execute(arguments),
    }
}
