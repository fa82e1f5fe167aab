//! `mercato run`: every policy of a scenario on the same market.

use super::arguments::Run;
use super::{diagnostic, print};
use crate::scenario::{self, Overrides};
use std::path::Path;
use std::process::ExitCode;

/// Checks the scenario.
#[must_use]
pub fn execute(arguments: &Run) -> ExitCode {
    let overrides =
        Overrides { seed: arguments.seed, replications: arguments.replications, policies: arguments.policies.clone() };
    let experiment = match (&arguments.resume, &arguments.scenario) {
        (Some(folder), _) => scenario::load_copy(folder),
        (None, scenario) => scenario::load(scenario.as_deref().unwrap_or(Path::new("")), &overrides),
    };
    match experiment {
        Ok(experiment) => print(&format!("{} policies\n", experiment.contestants.len())),
        Err(errors) => diagnostic::report(&errors),
    }
}
