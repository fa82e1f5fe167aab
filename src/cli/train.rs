//! `mercato train`: agents that learn from the log of another policy.

use super::arguments::TrainArguments;
use super::run::Clock;
use super::{FAILED, WRONG_INPUT, diagnostic, fail, print};
use crate::evaluation::{Contender, Contestant};
use crate::logged::training::TrainingLog;
use crate::report::Options;
use crate::report::training::{Trained, train_to_folder};
use crate::scenario::{self, Code, Experiment, Overrides, ScenarioError, ScenarioErrors};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Checks the scenario and the log, teaches, and says what came out.
#[must_use]
pub fn execute(arguments: &TrainArguments) -> ExitCode {
    let overrides = Overrides { seed: arguments.seed, replications: None, policies: arguments.policies.clone() };
    let experiment = match scenario::load(&arguments.scenario, &overrides) {
        Ok(experiment) => experiment,
        Err(errors) => return diagnostic::report(&errors),
    };
    let (learners, mut faults) = learners(&experiment, arguments);
    let world = experiment.world.as_ref();
    let log = TrainingLog::open(&arguments.from_log, world, &experiment.hash, experiment.training.reward);
    let log = log.map_err(|more| faults.extend(more)).ok().filter(|_| faults.is_empty());
    let Some(log) = log else {
        return diagnostic::report(&ScenarioErrors::new(&experiment.file_name, &experiment.text, faults));
    };
    for note in log.notes.iter().filter(|_| !arguments.quiet) {
        // Nobody may be reading.
        let _ = writeln!(io::stderr().lock(), "note: {note}");
    }
    let default = || PathBuf::from(format!("results/runs/train-{}-{}", experiment.name, experiment.seed.value()));
    let mut options = Options::new(arguments.out.clone().unwrap_or_else(default));
    options.command = std::env::args_os().map(|part| part.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    options.force = arguments.force;
    let clock = Clock::new(!arguments.quiet);
    let trained = train_to_folder(&experiment, &learners, &log, &options, &clock);
    clock.bar.finish_and_clear();
    match trained {
        Ok(trained) => tell(arguments, &trained),
        Err(error) => fail(if error.is_input() { WRONG_INPUT } else { FAILED }, &error.to_string()),
    }
}

/// The agents that are to learn; what is wrong with the choice.
fn learners<'a>(experiment: &'a Experiment, arguments: &TrainArguments) -> (Vec<&'a Contestant>, Vec<ScenarioError>) {
    let mut faults = Vec::new();
    let mut fault = |message: String, help: &str| {
        faults.push(ScenarioError { message, place: None, help: Some(help.to_owned()), code: Code::Refused });
    };
    let is_learner = |contestant: &&Contestant| matches!(contestant.contender, Contender::Learner(_));
    for fixed in experiment.contestants.iter().filter(|one| arguments.policies.contains(&one.name) && !is_learner(one))
    {
        let message = format!("--policy: {:?} is of kind {:?}, which learns nothing", fixed.name, fixed.kind);
        fault(message, "`mercato list agents` shows what learns");
    }
    let learners: Vec<&Contestant> = experiment.contestants.iter().filter(is_learner).collect();
    if learners.is_empty() && arguments.policies.is_empty() {
        let help = "add a [[policy]] of a kind that `mercato list agents` shows";
        fault("policy: none of the scenario learns".to_owned(), help);
    }
    (learners, faults)
}

/// The table, or the one JSON document; where the results are.
fn tell(arguments: &TrainArguments, trained: &Trained) -> ExitCode {
    let place = format!("\nresults: {} (policies, training.json, learning.csv)\n", trained.folder.display());
    let told = format!("{}{place}", trained.screen);
    match (arguments.json, arguments.quiet) {
        (true, quiet) => {
            if !quiet {
                // Nobody may be reading; the document on standard output is what counts.
                let _ = io::stderr().lock().write_all(told.as_bytes());
            }
            print(&trained.json)
        }
        (false, true) => ExitCode::SUCCESS,
        (false, false) => print(&told),
    }
}
