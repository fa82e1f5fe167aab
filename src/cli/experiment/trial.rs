//! What `run` and `lab` have in common: a checked test, a place for its results, trained laws, threads.

use super::{refuse_inputs_inside, told};
use crate::cli::arguments::TrialArguments;
use crate::cli::run::Clock;
use crate::cli::{FAILED, diagnostic, fail};
use crate::evaluation::trial::{Protocol, TrialError};
use crate::outcomes::is_inquiry;
use crate::report::Progress;
use crate::report::experiment::{refuse, write};
use crate::report::trial::Made;
use crate::scenario::{Code, ScenarioError, ScenarioErrors, Trial, TrialOverrides, is_trial, load_trial};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Everything that is ready before a market is opened.
pub(super) struct Ready {
    pub trial: Trial,
    pub clock: Clock,
    out: PathBuf,
    /// Whether results that stand there may be replaced.
    is_forced: bool,
    pool: rayon::ThreadPool,
}

/// Checks the file and the place; nothing is started where either is wrong.
pub(super) fn ready(arguments: &TrialArguments, prefix: &str) -> Result<Ready, ExitCode> {
    refuse_outcomes(&arguments.file)?;
    let overrides = TrialOverrides { seed: arguments.seed, tests: arguments.tests };
    let trial = load_trial(&arguments.file, overrides).map_err(|errors| diagnostic::report(&errors))?;
    let default = || PathBuf::from(format!("results/runs/{prefix}-{}-{}", trial.name, trial.seed().value()));
    let out = arguments.out.clone().unwrap_or_else(default);
    refuse(&out, arguments.force).map_err(|error| told(&error))?;
    refuse_inputs_inside(&out, &[&arguments.file])?;
    let mut pool = rayon::ThreadPoolBuilder::new();
    if let Some(threads) = arguments.threads {
        pool = pool.num_threads(threads as usize);
    }
    let pool = pool.build().map_err(|error| fail(FAILED, &format!("the threads cannot be started: {error}")))?;
    Ok(Ready { trial, clock: Clock::new(!arguments.quiet), out, is_forced: arguments.force, pool })
}

/// A file of outcomes is neither a test nor a scenario, and would be told as a bad scenario key by key.
fn refuse_outcomes(file: &Path) -> Result<(), ExitCode> {
    let text = fs::read_to_string(file).unwrap_or_default();
    if is_trial(&text) || !is_inquiry(&text) {
        return Ok(());
    }
    let message = "the file asks about outcomes of an experiment that took place elsewhere".to_owned();
    let help = Some("analyse them: mercato experiment analyse FILE".to_owned());
    let fault = ScenarioError { message, place: None, help, code: Code::Refused };
    Err(diagnostic::report(&ScenarioErrors::new(&file.display().to_string(), &text, vec![fault])))
}

impl Ready {
    /// Trains, freezes, and carries out what is asked on the threads of the test.
    pub(super) fn carry_out<T: Send>(
        &self,
        work: impl FnOnce(Protocol<'_>) -> Result<T, TrialError> + Send,
    ) -> Result<T, ExitCode> {
        let found = self.pool.install(|| {
            let lineup =
                self.trial.train().map_err(|(policy, error)| format!("policy `{policy}`, while learning: {error}"))?;
            let policies = lineup.policies();
            work(self.trial.protocol(&lineup, &policies)).map_err(|error| error.to_string())
        });
        self.clock.bar.finish_and_clear();
        found.map_err(|message: String| fail(FAILED, &message))
    }

    /// Writes the files and the manifest; says where.
    pub(super) fn keep(&self, files: Vec<(&'static str, String)>) -> Result<String, ExitCode> {
        let command = std::env::args_os().map(|part| part.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
        let made = Made {
            command,
            threads: self.pool.current_num_threads(),
            started_at: self.clock.started_at(),
            seconds: self.clock.seconds(),
        };
        let mut files = files;
        files.push(("manifest.json", made.manifest(&self.trial)));
        let out = write(&self.out, self.is_forced, &files).map_err(|error| told(&error))?;
        let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
        Ok(format!("\nresults: {} ({})\n", out.display(), names.join(", ")))
    }
}
