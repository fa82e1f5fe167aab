//! `mercato run`: every policy of a scenario on the same market; a table on screen, a folder of results.

use super::arguments::Run;
use super::{FAILED, GUARDRAIL_BROKEN, WRONG_INPUT, diagnostic, fail, print};
use crate::report::{
    Finished, Options, Progress, RESUME_FILE, RunError, partial_of, read_resume, run_to_folder, screen,
};
use crate::scenario::{self, Experiment, Overrides};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Checks the scenario, runs it, and says what came out.
#[must_use]
pub fn execute(arguments: &Run) -> ExitCode {
    let overrides =
        Overrides { seed: arguments.seed, replications: arguments.replications, policies: arguments.policies.clone() };
    let experiment = match (&arguments.resume, &arguments.scenario) {
        (Some(folder), _) => scenario::load_copy(folder),
        (None, scenario) => scenario::load(scenario.as_deref().unwrap_or(Path::new("")), &overrides),
    };
    let experiment = match experiment {
        Ok(experiment) => experiment,
        Err(errors) => return diagnostic::report(&errors),
    };
    let options = match options(arguments, &experiment) {
        Ok(options) => options,
        Err(message) => return fail(WRONG_INPUT, &message),
    };
    if let Some(message) = scenario::refuse_log(experiment.world.as_ref()).filter(|_| options.log) {
        return fail(WRONG_INPUT, &message);
    }
    let clock = Clock::new(!arguments.quiet);
    let finished = run_to_folder(&experiment, &options, &clock);
    clock.bar.finish_and_clear();
    match finished {
        Ok(finished) => tell(arguments, &finished),
        Err(error) => fail(if error.is_input() { WRONG_INPUT } else { FAILED }, &explained(&error, &options)),
    }
}

/// Where the results go and what else is asked for; a resumed run goes on as it was begun.
fn options(arguments: &Run, experiment: &Experiment) -> Result<Options, String> {
    let mut options = Options::new(PathBuf::new());
    options.threads = arguments.threads.map(|threads| threads as usize);
    options.command = std::env::args_os().map(|part| part.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    options.force = arguments.force;
    let Some(partial) = &arguments.resume else {
        options.out = arguments.out.clone().unwrap_or_else(|| default_folder(experiment));
        options.log = arguments.log;
        options.log_probabilities = arguments.log_probabilities;
        return Ok(options);
    };
    let begun = read_resume(partial)
        .map_err(|error| format!("`{}` holds no run that can be resumed: {error}", partial.display()))?;
    options.out = finished_folder(partial)?;
    options.log = begun.log;
    options.log_probabilities = begun.log_probabilities;
    options.force |= begun.force;
    options.resume = true;
    Ok(options)
}

/// `DIR` of `DIR.partial`.
pub(super) fn finished_folder(partial: &Path) -> Result<PathBuf, String> {
    let text = partial.components().collect::<PathBuf>().to_string_lossy().into_owned();
    match text.strip_suffix(".partial") {
        Some(out) => Ok(PathBuf::from(out)),
        None => Err(format!("`{text}` does not end in .partial: give the folder that an interruption left")),
    }
}

fn default_folder(experiment: &Experiment) -> PathBuf {
    Path::new("results").join("runs").join(format!("{}-{}", experiment.name, experiment.seed.value()))
}

/// The error with the way out.
fn explained(error: &RunError, options: &Options) -> String {
    match error {
        RunError::UnknownPolicy { suggestion: Some(name), .. } => format!("{error}; did you mean `{name}`?"),
        RunError::Comparison(_) | RunError::File { .. } if partial_of(&options.out).join(RESUME_FILE).exists() => {
            format!(
                "{error}\nfinished work is kept: go on with `mercato run --resume {}.partial`",
                options.out.display()
            )
        }
        _ => error.to_string(),
    }
}

/// The table, or the one JSON document; where the results are; whether the promises were held.
fn tell(arguments: &Run, finished: &Finished) -> ExitCode {
    let table = screen(&finished.summary);
    let place = format!(
        "\nresults: {} (report.html, figure.svg, summary.json); {:.1} M consumer-ticks per second\n",
        finished.folder.display(),
        finished.consumer_ticks_per_second / 1e6
    );
    let printed = match (arguments.json, arguments.quiet) {
        (true, quiet) => {
            if !quiet {
                // Nobody may be reading; the document on standard output is what counts.
                let _ = write!(io::stderr().lock(), "{table}{place}");
            }
            print(&finished.json)
        }
        (false, true) => ExitCode::SUCCESS,
        (false, false) => print(&format!("{table}{place}")),
    };
    if printed == ExitCode::SUCCESS && !finished.summary.holds() {
        return ExitCode::from(GUARDRAIL_BROKEN);
    }
    printed
}

/// The clock of a run, and its bar on standard error: only on a terminal, never where quiet is asked for.
pub(super) struct Clock {
    pub(super) bar: ProgressBar,
    begun: SystemTime,
}

#[allow(clippy::disallowed_methods, reason = "the command line is where runs are timed")]
impl Clock {
    pub(super) fn new(shown: bool) -> Self {
        let shown = shown && io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) =
            ProgressStyle::with_template("{elapsed_precise} {bar:40} {pos}/{len} done, {eta} left\n{wide_msg}")
        {
            bar.set_style(style);
        }
        Self { bar, begun: SystemTime::now() }
    }

    fn elapsed(&self) -> Duration {
        SystemTime::now().duration_since(self.begun).unwrap_or_default()
    }
}

impl Progress for Clock {
    fn begin(&self, units: u64, restored: u64) {
        self.bar.set_length(units);
        self.bar.set_position(restored);
    }

    fn advance(&self) {
        self.bar.inc(1);
    }

    fn tell(&self, line: &str) {
        self.bar.set_message(line.to_owned());
    }

    fn seconds(&self) -> f64 {
        self.elapsed().as_secs_f64()
    }

    fn started_at(&self) -> String {
        let seconds = self.begun.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        utc(seconds)
    }
}

/// ISO 8601 of seconds since 1970 (Hinnant, *chrono-compatible low-level date algorithms*, `civil_from_days`).
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(utc(1_798_761_599), "2026-12-31T23:59:59Z");
    }
}
