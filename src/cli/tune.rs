//! `mercato tune`: good parameters of an agent, found without a human.

use super::arguments::{BudgetName, TuneArguments};
use super::run::{Clock, finished_folder};
use super::{FAILED, WRONG_INPUT, diagnostic, fail, print};
use crate::evaluation::tuning::{Budget, ETA};
use crate::report::tuning::{Asked, Tuned, TuningError, read_tuning, tune_to_folder};
use crate::report::{Options, partial_of};
use crate::scenario::{self, Code, Experiment, Overrides, ScenarioError, ScenarioErrors, Tunable};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Trials that a search can have: its files are numbered.
const TRIALS_MAX: u32 = 10_000;
const REPLICATIONS_MAX: u32 = 10_000;
/// Markets of a trial at the last step, where the command line does not say.
const REPLICATIONS: u32 = 9;
const REPLICATIONS_OF_EPISODES: u32 = 3;

/// Checks the scenario and the arguments, searches, and says what came out.
#[must_use]
pub fn execute(arguments: &TuneArguments) -> ExitCode {
    let begun = match &arguments.resume {
        Some(partial) => resumed(partial),
        None => begin(arguments),
    };
    let Begun { experiment, tunable, asked, mut options } = match begun {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    options.threads = arguments.threads.map(|threads| threads as usize);
    options.command = std::env::args_os().map(|part| part.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    options.force |= arguments.force;
    let clock = Clock::new(!arguments.quiet);
    let tuned = tune_to_folder(&experiment, &tunable, &asked, &options, &clock);
    clock.bar.finish_and_clear();
    match tuned {
        Ok(tuned) => tell(arguments, &tuned),
        Err(error) => fail(if error.is_input() { WRONG_INPUT } else { FAILED }, &explained(&error, &options)),
    }
}

/// Everything that is ready before a market is opened.
struct Begun {
    experiment: Experiment,
    tunable: Tunable,
    asked: Asked,
    options: Options,
}

/// A search from its beginning; all that is wrong with the scenario and the arguments is told at once.
fn begin(arguments: &TuneArguments) -> Result<Begun, ExitCode> {
    let overrides = Overrides { seed: arguments.seed, ..Overrides::default() };
    let kind = arguments.agent.as_deref().unwrap_or_default();
    let path = arguments.scenario.as_deref().unwrap_or(Path::new(""));
    let mut faults = wrong_numbers(arguments);
    let experiment = match scenario::load(path, &overrides) {
        Ok(experiment) => experiment,
        Err(mut errors) => {
            errors.errors.extend(Tunable::entry(kind).err());
            errors.errors.append(&mut faults);
            return Err(diagnostic::report(&errors));
        }
    };
    let tunable = Tunable::find(&experiment, kind).map_err(|fault| faults.push(fault));
    let Some(tunable) = tunable.ok().filter(|_| faults.is_empty()) else {
        return Err(diagnostic::report(&ScenarioErrors::new(&experiment.file_name, &experiment.text, faults)));
    };
    let budget = budget(arguments, &experiment, &tunable);
    let replications = match budget {
        Budget::Replications => REPLICATIONS,
        Budget::Episodes => REPLICATIONS_OF_EPISODES,
    };
    let asked = Asked {
        scenario_hash: experiment.hash.clone(),
        seed: experiment.seed.value(),
        agent: kind.to_owned(),
        trials: arguments.trials.unwrap_or_default(),
        budget: budget.name().to_owned(),
        replications: arguments.replications.unwrap_or(replications),
        force: arguments.force,
    };
    let default = || PathBuf::from(format!("results/runs/tune-{}-{kind}-{}", experiment.name, asked.seed));
    let out = arguments.out.clone().unwrap_or_else(default);
    Ok(Begun { options: Options::new(out), experiment, tunable, asked })
}

/// Numbers on the command line that cannot be.
fn wrong_numbers(arguments: &TuneArguments) -> Vec<ScenarioError> {
    let checked = [
        (
            "--trials",
            arguments.trials,
            2,
            TRIALS_MAX,
            "trial 0 is what the search starts from, and needs one to be beaten by",
        ),
        ("--replications", arguments.replications, 1, REPLICATIONS_MAX, "markets of a trial at the last step"),
    ];
    let mut faults = Vec::new();
    for (name, number, least, most, help) in checked {
        if let Some(number) = number.filter(|number| !(least..=most).contains(number)) {
            faults.push(ScenarioError {
                message: format!("{name}: {number} is not a whole number from {least} to {most}"),
                place: None,
                help: Some(help.to_owned()),
                code: Code::OutOfRange,
            });
        }
    }
    faults
}

/// Training is what costs for agents that look ahead, so that it is what is saved; where it is cheap, a whole training tells
/// more than a short one.
fn budget(arguments: &TuneArguments, experiment: &Experiment, tunable: &Tunable) -> Budget {
    match arguments.budget {
        Some(BudgetName::Replications) => Budget::Replications,
        Some(BudgetName::Episodes) => Budget::Episodes,
        None => {
            let agent = (tunable.entry.build.create)(&tunable.start, experiment.world.spec());
            let looks_ahead = agent.is_ok_and(|agent| agent.is_sequential());
            if looks_ahead && experiment.training.episodes >= ETA { Budget::Episodes } else { Budget::Replications }
        }
    }
}

/// A search that was interrupted, as it was begun.
fn resumed(partial: &Path) -> Result<Begun, ExitCode> {
    let asked = read_tuning(partial).map_err(|error| {
        fail(WRONG_INPUT, &format!("`{}` holds no search that can be resumed: {error}", partial.display()))
    })?;
    let experiment = scenario::load_copy(partial).map_err(|errors| diagnostic::report(&errors))?;
    let out = finished_folder(partial).map_err(|message| fail(WRONG_INPUT, &message))?;
    let tunable = Tunable::find(&experiment, &asked.agent).map_err(|fault| {
        diagnostic::report(&ScenarioErrors::new(&experiment.file_name, &experiment.text, vec![fault]))
    })?;
    let options = Options { resume: true, force: asked.force, ..Options::new(out) };
    Ok(Begun { experiment, tunable, asked, options })
}

/// The error with the way out.
fn explained(error: &TuningError, options: &Options) -> String {
    let partial = partial_of(&options.out);
    if !error.is_input() && read_tuning(&partial).is_ok() {
        return format!("{error}\nfinished work is kept: go on with `mercato tune --resume {}`", partial.display());
    }
    error.to_string()
}

/// The table, or the one JSON document; where the results are.
fn tell(arguments: &TuneArguments, tuned: &Tuned) -> ExitCode {
    let place = format!("\nresults: {} (tuned.toml, report.html, tuning.json)\n", tuned.folder.display());
    let told = format!("{}{place}", tuned.screen);
    match (arguments.json, arguments.quiet) {
        (true, quiet) => {
            if !quiet {
                // Nobody may be reading; the document on standard output is what counts.
                let _ = io::stderr().lock().write_all(told.as_bytes());
            }
            print(&tuned.json)
        }
        (false, true) => ExitCode::SUCCESS,
        (false, false) => print(&told),
    }
}
