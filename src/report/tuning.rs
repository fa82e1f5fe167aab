//! A search for the parameters of an agent on paper: every trial, what came out best, and whether it is really better.
//!
//! The search ranks trials on markets of its own. The best of many is best partly by luck, so its score there is not
//! reported as what it earns: it is trained and judged once more, beside the values that the search started from, on the
//! markets of a run of the scenario (`mercato run` gives the same figures), and the paired difference is what counts.

mod figure;
mod ledger;
mod text;

use super::folder::{Partial, TUNING_FILE, Work};
use super::manifest::instruction_set;
use super::units::Files;
use super::{Options, Progress, RunError};
use crate::evaluation::tuning::{Budget, ETA, Found, Fresh, Level, Plan, Search, SearchError};
use crate::evaluation::{Comparison, Contender, Contestant, Metric, Results, Summary, Title, incremental, summarise};
use crate::registry::{Value, Values};
use crate::scenario::{Experiment, Tunable};
use ledger::Pieces;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use std::io;
use std::path::{Path, PathBuf};

/// What is asked for; a resumed search goes on with what was asked for then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// SHA-256 of the scenario.
    pub scenario_hash: String,
    /// Seed of the run.
    pub seed: u64,
    /// Kind of the agent.
    pub agent: String,
    /// Number of trials, the start included.
    pub trials: u32,
    /// What grows from step to step, by its name.
    pub budget: String,
    /// Markets of a trial at the last step.
    pub replications: u32,
    /// A folder that is there is replaced.
    pub force: bool,
}

impl Asked {
    /// What grows: training episodes only where it is asked for.
    #[must_use]
    pub fn budget(&self) -> Budget {
        if self.budget == Budget::Episodes.name() { Budget::Episodes } else { Budget::Replications }
    }
}

/// Reads how an interrupted search was begun.
///
/// # Errors
/// Where the folder is not one of an interrupted search.
pub fn read_tuning(partial: &Path) -> io::Result<Asked> {
    Ok(serde_json::from_slice(&std::fs::read(partial.join(TUNING_FILE))?)?)
}

/// Why a search did not finish.
#[derive(Debug, thiserror::Error)]
pub enum TuningError {
    /// The folder, the threads, the last comparison, a file.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The search stopped.
    #[error(transparent)]
    Search(#[from] SearchError),
}

impl TuningError {
    /// Whether the input is at fault, so that nothing was started or written.
    #[must_use]
    pub fn is_input(&self) -> bool {
        matches!(self, Self::Run(error) if error.is_input())
    }
}

/// A finished search.
#[derive(Debug)]
pub struct Tuned {
    /// For people.
    pub screen: String,
    /// `tuning.json` as written.
    pub json: String,
    /// Where the results are.
    pub folder: PathBuf,
}

/// All that the files of a search are made from.
pub(crate) struct Told<'a> {
    pub experiment: &'a Experiment,
    pub tunable: &'a Tunable,
    pub asked: &'a Asked,
    pub plan: &'a Plan,
    /// Of each trial.
    pub values: &'a [Values],
    pub found: &'a Found,
    /// Of the start, and of the best where that is another; on the markets of a run.
    pub held_out: &'a Summary,
    /// The best less the start on them; absent where the start is the best.
    pub gain: Option<Metric>,
}

impl Told<'_> {
    /// The best trial.
    pub(crate) fn best(&self) -> u32 {
        self.found.finalists.first().map_or(0, |one| one.trial)
    }

    /// What the start is called.
    pub(crate) fn start(&self) -> String {
        self.tunable.policy.clone().unwrap_or_else(|| "defaults".to_owned())
    }

    /// The name of the found policy: one that the scenario does not have.
    pub(crate) fn tuned(&self) -> String {
        tuned_name(self.tunable)
    }

    /// What to do, in a word and in a sentence.
    pub(crate) fn verdict(&self) -> (&'static str, String) {
        let markets = self.held_out.replications;
        let start = self.start();
        let Some(gain) = &self.gain else {
            return ("keep", format!("No trial beat the values that the search started from: keep {start}."));
        };
        let told = text::with_interval(gain);
        let on = format!("per consumer on {markets} held-out markets");
        match gain.differs_from_zero() {
            Some(true) if gain.mean > 0.0 => {
                ("take", format!("Tuned earns {told} more than {start} {on}: a real difference; take tuned.toml."))
            }
            Some(true) => ("keep", format!("Tuned earns {told} more than {start} {on}: it is worse; keep {start}.")),
            Some(false) => (
                "undecided",
                format!("Tuned and {start} cannot be told apart: {told} {on}; more `replications` would tell."),
            ),
            None => ("undecided", format!("Tuned less {start}: {told} {on}; one market cannot tell how surely.")),
        }
    }
}

fn tuned_name(tunable: &Tunable) -> String {
    format!("{}_tuned", tunable.policy.as_deref().unwrap_or(tunable.entry.name))
}

/// Searches, judges what was found on held-out markets, and puts the results in place.
///
/// # Errors
/// Where the input is wrong (nothing was written then), every trial fails, or a file cannot be written.
pub fn tune_to_folder(
    experiment: &Experiment,
    tunable: &Tunable,
    asked: &Asked,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Tuned, TuningError> {
    let mut pool = rayon::ThreadPoolBuilder::new();
    if let Some(threads) = options.threads {
        pool = pool.num_threads(threads);
    }
    let pool = pool.build().map_err(|error| RunError::Threads {
        threads: options.threads.unwrap_or_default(),
        reason: error.to_string(),
    })?;
    let begun = serde_json::to_vec_pretty(asked).map_err(|error| RunError::file(&options.out)(error.into()))?;
    // Whether a folder is replaced changes no result.
    let is_same = |bytes: &[u8]| {
        serde_json::from_slice::<Asked>(bytes).is_ok_and(|begun| Asked { force: asked.force, ..begun } == *asked)
    };
    let begun = Some((TUNING_FILE, begun));
    let (out, force, resume) = (&options.out, options.force, options.resume);
    let folder = Partial::open(experiment, Work { out, force, resume, begun, is_same: &is_same })?;
    let full = Level { episodes: experiment.training.episodes, replications: asked.replications };
    let plan = Plan::new(asked.budget(), asked.trials, full);
    let spec = experiment.world.spec();
    let values: Vec<Values> = (0..asked.trials).map(|trial| tunable.values(experiment.seed, trial)).collect();
    let fresh = |values: &Values| tunable.fresh(values, spec).map_err(|refusal| refusal.to_string());
    let trials: Vec<Fresh> = values.iter().map(fresh).collect();
    let search = Search {
        world: experiment.world.as_ref(),
        training: &experiment.training,
        seed: experiment.seed,
        trials: &trials,
        plan: &plan,
    };
    let held_out_units = 3 * u64::from(experiment.replications) * u64::from(experiment.world.parts());
    let pieces = Pieces::new(folder.path(), progress);
    progress.begin(plan.pieces() + held_out_units, pieces.count());
    let found = pool.install(|| search.run(&pieces))?;
    let best = found.finalists.first().map_or(0, |one| one.trial);
    let judged = HeldOut { experiment, tunable, values: &values, best, options };
    let (held_out, gain) = pool.install(|| judged.run(folder.path(), progress))?;
    let told =
        Told { experiment, tunable, asked, plan: &plan, values: &values, found: &found, held_out: &held_out, gain };
    let json = document(&told);
    let figure = figure::draw(&told).map_err(|error| RunError::Figure(error.to_string()))?;
    folder.write("tuning.json", json.as_bytes())?;
    folder.write("table.csv", text::table_csv(&told).as_bytes())?;
    let section = tunable.section(&told.tuned(), &values[best as usize], &experiment.text);
    folder.write("tuned.toml", text::commented(&told, &section).as_bytes())?;
    folder.write("figure.svg", figure.as_bytes())?;
    folder.write("report.html", text::page(&told, &figure, &section).as_bytes())?;
    folder.write("manifest.json", manifest(&told, options, progress, pool.current_num_threads()).as_bytes())?;
    let screen = text::screen(&told);
    Ok(Tuned { screen, json, folder: folder.put_in_place()? })
}

/// The last comparison: the start and the best, trained and judged as `mercato run` does.
struct HeldOut<'a> {
    experiment: &'a Experiment,
    tunable: &'a Tunable,
    values: &'a [Values],
    best: u32,
    options: &'a Options,
}

impl HeldOut<'_> {
    fn run(&self, folder: &Path, progress: &dyn Progress) -> Result<(Summary, Option<Metric>), RunError> {
        let experiment = self.experiment;
        let start = self.tunable.policy.clone().unwrap_or_else(|| "defaults".to_owned());
        let mut named = vec![(start, 0)];
        if self.best > 0 {
            named.push((tuned_name(self.tunable), self.best));
        }
        let mut contestants = Vec::new();
        for (name, trial) in named {
            // Both were made before: the start by the scenario, the best by the search.
            let fresh = self.tunable.fresh(&self.values[trial as usize], experiment.world.spec());
            let fresh = fresh.map_err(|refusal| RunError::Refused(refusal.to_string()))?;
            let kind = self.tunable.entry.name.to_owned();
            contestants.push(Contestant { name, kind, contender: Contender::Learner(fresh) });
        }
        let contestants: Vec<&Contestant> = contestants.iter().collect();
        let comparison = Comparison {
            world: experiment.world.as_ref(),
            contestants: &contestants,
            training: &experiment.training,
            seed: experiment.seed,
            replications: experiment.replications,
        };
        let options = Options { log: false, log_probabilities: false, ..self.options.clone() };
        let store = Files::new(&comparison, experiment, &options, folder, progress);
        let results: Results = comparison.run(&store)?;
        let title = Title { scenario: &experiment.name, scenario_hash: &experiment.hash };
        let summary = summarise(&comparison, &results, title, &experiment.guardrails, &|_| false);
        let gain = match &results.contestants[..] {
            [start, tuned] => Some(incremental(tuned, start)),
            _ => None,
        };
        Ok((summary, gain))
    }
}

/// `tuning.json`.
fn document(told: &Told<'_>) -> String {
    let trials: Vec<serde_json::Value> = (0..)
        .zip(told.values)
        .map(|(trial, values): (u32, &Values)| json!({ "trial": trial, "values": drawn(told.tunable, values) }))
        .collect();
    let steps: Vec<serde_json::Value> = told
        .found
        .steps
        .iter()
        .map(|step| {
            json!({ "bracket": step.bracket, "episodes": step.level.episodes,
                "replications": step.level.replications, "standings": step.standings, "kept": step.kept })
        })
        .collect();
    let (decision, reason) = told.verdict();
    let best = told.best();
    let document = json!({
        "format": 1,
        "mercato": env!("CARGO_PKG_VERSION"),
        "scenario": told.experiment.name,
        "scenario_hash": told.experiment.hash,
        "seed": told.experiment.seed.value(),
        "agent": told.tunable.entry.name,
        "started_from": told.start(),
        "budget": told.plan.budget.name(),
        "eta": ETA,
        "trials": trials,
        "steps": steps,
        "best": { "trial": best, "values": drawn(told.tunable, &told.values[best as usize]) },
        "held_out": {
            "replications": told.held_out.replications,
            "policies": told.held_out.policies,
            "difference": told.gain,
        },
        "verdict": { "decision": decision, "reason": reason },
    });
    format!("{document:#}\n")
}

/// The drawn parameters of a trial, by name; what is absent is null.
fn drawn(tunable: &Tunable, values: &Values) -> Map<String, serde_json::Value> {
    let value = |name: &str| match values.get(name) {
        Some(Value::Number(number)) => json!(number),
        Some(Value::Integer(number)) => json!(number),
        Some(Value::Boolean(truth)) => json!(truth),
        Some(Value::Text(text)) => json!(text),
        Some(Value::Integers(numbers)) => json!(numbers),
        _ => serde_json::Value::Null,
    };
    tunable.drawn.iter().map(|(parameter, _)| (parameter.name.to_owned(), value(parameter.name))).collect()
}

fn manifest(told: &Told<'_>, options: &Options, progress: &dyn Progress, threads: usize) -> String {
    let manifest = json!({
        "mercato": env!("CARGO_PKG_VERSION"),
        "scenario": told.experiment.name,
        "scenario_hash": told.experiment.hash,
        "seed": told.experiment.seed.value(),
        "agent": told.tunable.entry.name,
        "trials": told.asked.trials,
        "replications": told.asked.replications,
        "command": options.command,
        "resumed": options.resume,
        "instruction_set": instruction_set(),
        "operating_system": std::env::consts::OS,
        "threads": threads,
        "started_at": progress.started_at(),
        "seconds": (progress.seconds() * 1e3).round() / 1e3,
    });
    format!("{manifest:#}\n")
}
