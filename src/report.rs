//! What leaves a run: tables, JSON, Parquet, figures, pages.
//!
//! [`run_to_folder`] runs an experiment into `DIR.partial` and puts it in place when it is complete. Every finished unit
//! of work is stored there, so that an interrupted run goes on to the same bytes. Nothing here prints or reads a clock.

mod decisions;
pub mod evaluation;
pub mod experiment;
pub mod explain;
mod figure;
mod folder;
mod learning;
mod lock;
mod manifest;
mod page;
mod table;
pub mod training;
pub mod trap;
pub mod trial;
mod truth;
pub mod tuning;
mod units;

pub use decisions::{DecisionLog, LogHeader};
use figure::figure;
pub use folder::{RESUME_FILE, Resume, is_occupied, is_results, partial_of, read_resume};
use page::page;
use table::series_csv;
pub use table::{screen, table_csv};
pub use truth::TruthLog;

use crate::episode::{Learning, Reward};
use crate::evaluation::{Comparison, Contestant, Results, Summary, Title, Unit, summarise};
use crate::oracle::ORACLES;
use crate::scenario::Experiment;
use std::io;
use std::path::{Path, PathBuf};

/// How a run is carried out and where it goes.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of results; the work is done beside it, in `DIR.partial`.
    pub out: PathBuf,
    /// Threads; as many as the machine has where absent.
    pub threads: Option<usize>,
    /// Only these policies; all where empty.
    pub policies: Vec<String>,
    /// Write every decision to Parquet.
    pub log: bool,
    /// With the probabilities of all actions.
    pub log_probabilities: bool,
    /// Replace a folder of results that is there, and discard an interrupted run.
    pub force: bool,
    /// Go on from what `DIR.partial` holds, instead of beginning anew.
    pub resume: bool,
    /// The command line, for the manifest.
    pub command: String,
}

impl Options {
    /// A run into this folder with nothing special asked for.
    #[must_use]
    pub fn new(out: PathBuf) -> Self {
        Self {
            out,
            threads: None,
            policies: Vec::new(),
            log: false,
            log_probabilities: false,
            force: false,
            resume: false,
            command: String::new(),
        }
    }
}

/// Hears how far a run is, and is the only one with a clock.
pub trait Progress: Sync {
    /// So many pieces of work in all, so many of them restored: one for each unit and part of the market.
    fn begin(&self, units: u64, restored: u64);
    /// One more is done.
    fn advance(&self);
    /// What goes on, in a line.
    fn tell(&self, _line: &str) {}
    /// Seconds since the run began.
    fn seconds(&self) -> f64;
    /// When the run began, ISO 8601 in UTC.
    fn started_at(&self) -> String;
}

/// A finished run.
#[derive(Clone, Debug)]
pub struct Finished {
    /// All figures.
    pub summary: Summary,
    /// `summary.json` as written.
    pub json: String,
    /// Where the results are.
    pub folder: PathBuf,
    /// Consumer-ticks per second of wall clock, training and judging together, of what this call ran.
    pub consumer_ticks_per_second: f64,
}

/// Why a run did not finish.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The folder holds something.
    #[error("`{}` exists and is not empty; take another folder with --out, or --force to replace it when the run is complete", .0.display())]
    Occupied(PathBuf),
    /// The folder holds something that is not results.
    #[error("`{}` is not a folder of results: it holds neither manifest.json nor summary.json, and is left alone; take another folder with --out", .0.display())]
    NotResults(PathBuf),
    /// The folder holds something that is not an evaluation.
    #[error("`{}` is not a folder of an evaluation: it holds no evaluation.json, and is left alone; take another folder with --out", .0.display())]
    NotEvaluation(PathBuf),
    /// The folder holds something that is not results of an experiment.
    #[error("`{}` is not a folder of an experiment: it holds neither findings.json nor experiment.json nor lab.json, and is left alone; take another folder with --out", .0.display())]
    NotExperiment(PathBuf),
    /// No folder can have this name.
    #[error("`{}` cannot be a folder of results; give --out a name of its own, such as `results/mine`", .0.display())]
    NoName(PathBuf),
    /// A file stands where a folder is wanted.
    #[error("`{}` is a file, not a folder; take another name with --out", .0.display())]
    NotAFolder(PathBuf),
    /// The folder where the work is to be done cannot be made.
    #[error("no folder can be made at `{}`: {source}; take another with --out", path.display())]
    NotWritable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An earlier run was interrupted and can go on.
    #[error("`{0}` holds an interrupted {command}: go on with `mercato {command} --resume {0}`, or discard it with --force", partial.display())]
    Interrupted {
        /// Where.
        partial: PathBuf,
        /// Of which command.
        command: &'static str,
    },
    /// The folder is being written to.
    #[error("another run is writing there: `{}` is in use{}", path.display(), process.map_or_else(String::new, |id| format!(" by process {id}")))]
    Busy {
        /// Where the work is done.
        path: PathBuf,
        /// Who, if it is told.
        process: Option<u32>,
    },
    /// No contestant of this name.
    #[error("no policy is named `{name}`; the scenario has {known}")]
    UnknownPolicy {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
        /// The nearest name.
        suggestion: Option<String>,
    },
    /// What is to be resumed is of another scenario.
    #[error("`{}` was begun with another scenario, seed or other arguments; begin anew without --resume", .0.display())]
    OtherRun(PathBuf),
    /// A file or folder cannot be written or read.
    #[error("cannot write `{}`: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The comparison stopped.
    #[error(transparent)]
    Comparison(#[from] crate::evaluation::ComparisonError),
    /// The threads could not be started.
    #[error("cannot start {threads} threads: {reason}")]
    Threads {
        /// How many.
        threads: usize,
        /// Why.
        reason: String,
    },
    /// An agent refuses values that it took before.
    #[error("{0}")]
    Refused(String),
    /// The figure could not be drawn.
    #[error("cannot draw the figure: {0}")]
    Figure(String),
}

impl RunError {
    /// Whether the input is at fault, so that nothing was started or written.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Occupied(_)
            | Self::NotResults(_)
            | Self::NotEvaluation(_)
            | Self::NotExperiment(_)
            | Self::NoName(_)
            | Self::NotAFolder(_)
            | Self::NotWritable { .. }
            | Self::Interrupted { .. }
            | Self::Busy { .. }
            | Self::UnknownPolicy { .. }
            | Self::OtherRun(_) => true,
            Self::File { .. } | Self::Comparison(_) | Self::Threads { .. } | Self::Refused(_) | Self::Figure(_) => {
                false
            }
        }
    }

    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// The contestants that were asked for, in file order.
///
/// # Errors
/// Where a name is unknown.
pub fn select<'a>(contestants: &'a [Contestant], names: &[String]) -> Result<Vec<&'a Contestant>, RunError> {
    for name in names {
        if !contestants.iter().any(|contestant| contestant.name == *name) {
            let near = contestants.iter().map(|c| (strsim::damerau_levenshtein(&c.name, name), &c.name)).min();
            let known: Vec<String> = contestants.iter().map(|contestant| format!("`{}`", contestant.name)).collect();
            return Err(RunError::UnknownPolicy {
                name: name.clone(),
                known: known.join(", "),
                suggestion: near.filter(|(distance, near)| *distance <= near.len().div_ceil(3)).map(|(_, n)| n.clone()),
            });
        }
    }
    Ok(contestants.iter().filter(|c| names.is_empty() || names.contains(&c.name)).collect())
}

/// Runs an experiment and puts its results in place.
///
/// # Errors
/// Where the input is wrong (nothing was written then), a policy breaks the mask, an agent diverges, or a file cannot be
/// written.
pub fn run_to_folder(
    experiment: &Experiment,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Finished, RunError> {
    let selected = select(&experiment.contestants, &options.policies)?;
    let mut pool = rayon::ThreadPoolBuilder::new();
    if let Some(threads) = options.threads {
        pool = pool.num_threads(threads);
    }
    let pool = pool.build().map_err(|error| RunError::Threads {
        threads: options.threads.unwrap_or_default(),
        reason: error.to_string(),
    })?;
    let folder = folder::Partial::of_run(experiment, &selected, options)?;
    let comparison = Comparison {
        world: experiment.world.as_ref(),
        contestants: &selected,
        training: &experiment.training,
        seed: experiment.seed,
        replications: experiment.replications,
    };
    let store = units::Files::new(&comparison, experiment, options, folder.path(), progress);
    store.begin();
    let results = pool.install(|| comparison.run(&store))?;
    let title = Title { scenario: &experiment.name, scenario_hash: &experiment.hash };
    let is_oracle = |kind: &str| ORACLES.iter().any(|oracle| oracle.name == kind);
    let summary = summarise(&comparison, &results, title, &experiment.guardrails, &is_oracle);
    let run = Run { experiment, comparison: &comparison, results: &results, summary: &summary, options };
    let json = run.write(&folder, &store, progress, pool.current_num_threads())?;
    let rate = store.consumer_ticks() as f64 / progress.seconds().max(1e-9);
    let folder = folder.put_in_place()?;
    Ok(Finished { summary, json, folder, consumer_ticks_per_second: rate })
}

/// All that the files of a run are made from.
pub(crate) struct Run<'a> {
    pub experiment: &'a Experiment,
    pub comparison: &'a Comparison<'a>,
    pub results: &'a Results,
    pub summary: &'a Summary,
    pub options: &'a Options,
}

impl Run<'_> {
    /// Every file but those of the units; returns `summary.json`.
    fn write(
        &self,
        folder: &folder::Partial,
        store: &units::Files<'_>,
        progress: &dyn Progress,
        threads: usize,
    ) -> Result<String, RunError> {
        let mut json = serde_json::to_string_pretty(self.summary)
            .map_err(|error| RunError::File { path: folder.path().join("summary.json"), source: error.into() })?;
        json.push('\n');
        let figure = figure(self)?;
        folder.write("summary.json", json.as_bytes())?;
        folder.write("table.csv", table_csv(self.summary).as_bytes())?;
        folder.write("series.csv", series_csv(self).as_bytes())?;
        if let Some(curves) = self.learning_csv() {
            folder.write("learning.csv", curves.as_bytes())?;
        }
        folder.write("figure.svg", figure.as_bytes())?;
        folder.write("report.html", page(self, &figure).as_bytes())?;
        let manifest = manifest::manifest(self, store, progress, threads);
        folder.write("manifest.json", format!("{manifest:#}\n").as_bytes())?;
        Ok(json)
    }

    fn learning_csv(&self) -> Option<String> {
        fn learnings(units: &[Unit]) -> Vec<&Learning> {
            units.iter().filter_map(|unit| unit.learning.as_ref()).collect()
        }
        let named = self.comparison.contestants.iter().zip(&self.results.contestants);
        let policies = named.map(|(contestant, units)| (contestant.name.as_str(), learnings(units)));
        learning::learning_csv(policies, self.comparison.world.spec().horizon)
    }

    fn reward_days(&self) -> f64 {
        let ticks = match self.experiment.training.reward {
            Reward::Tick => 1,
            Reward::Window { ticks } => ticks,
        };
        f64::from(ticks) * self.experiment.world.spec().tick_days
    }
}

#[cfg(test)]
mod tests;
