//! `mercato experiment`: tests of policies against each other.

mod lab;
mod run;
mod trial;

use super::arguments::{Experiment, ExperimentCommand};
use std::process::ExitCode;

/// One file per subcommand.
pub(super) fn execute(arguments: &Experiment) -> ExitCode {
    match &arguments.command {
        ExperimentCommand::Run(arguments) => run::execute(arguments),
        ExperimentCommand::Lab(arguments) => lab::execute(arguments),
    }
}
