//! Agents trained on a log: what they learned, and how.

use super::folder::{Partial, Work, write_whole};
use super::learning::learning_csv;
use super::manifest::instruction_set;
use super::table::short;
use super::trial::aligned;
use super::units::{DIVERGED, POLICIES, file_name, made_for_file};
use super::{Options, Progress, RunError};
use crate::episode::Learning;
use crate::evaluation::{Contender, Contestant, kept_note};
use crate::logged::training::{TeachingError, TrainingLog};
use crate::scenario::{Experiment, made_for_path};
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};

/// Why a training did not finish.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The folder, a file.
    #[error(transparent)]
    Run(#[from] RunError),
    /// An agent cannot learn from the log.
    #[error("policy `{policy}` {why}; {help}")]
    Unsuited {
        /// Which.
        policy: String,
        /// What it lacks.
        why: String,
        /// The way out.
        help: &'static str,
    },
    /// An agent stopped learning.
    #[error("policy `{policy}`: {source}{}", kept_note(kept.as_deref()))]
    Teaching {
        /// Which.
        policy: String,
        /// Why.
        source: TeachingError,
        /// What it had learned before it diverged.
        kept: Option<PathBuf>,
    },
}

impl TrainError {
    /// Whether the input is at fault, so that nothing was started or written.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Run(error) => error.is_input(),
            Self::Unsuited { .. } => true,
            Self::Teaching { .. } => false,
        }
    }
}

/// A finished training.
#[derive(Debug)]
pub struct Trained {
    /// For people.
    pub screen: String,
    /// `training.json` as written.
    pub json: String,
    /// Where the results are.
    pub folder: PathBuf,
}

/// One agent that was taught.
struct Taught<'a> {
    contestant: &'a Contestant,
    learning: Learning,
}

/// Teaches these agents one after the other, saves them as a run does, and puts the results in place.
///
/// # Errors
/// Where the input is wrong (nothing was written then), an agent diverges, or a file cannot be written.
pub fn train_to_folder(
    experiment: &Experiment,
    learners: &[&Contestant],
    log: &TrainingLog,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Trained, TrainError> {
    for contestant in learners {
        if let Contender::Learner(fresh) = &contestant.contender
            && let Some((why, help)) = log.refuse(fresh().as_ref())
        {
            return Err(TrainError::Unsuited { policy: contestant.name.clone(), why, help });
        }
    }
    let work = Work { out: &options.out, force: options.force, resume: false, begun: None, is_same: &|_| false };
    let folder = Partial::open(experiment, work)?;
    progress.begin(log.ticks() * learners.len() as u64, 0);
    let mut taught = Vec::new();
    for &contestant in learners {
        let Contender::Learner(fresh) = &contestant.contender else { continue };
        let mut agent = fresh();
        let learning = log.teach(agent.as_mut(), experiment.seed, &|| progress.advance());
        let diverged = matches!(learning, Err(TeachingError::Diverged(_)));
        let kept = if learning.is_ok() || diverged {
            let place = folder.path().join(if diverged { DIVERGED } else { POLICIES });
            let kept = keep(&place, contestant, experiment, |to| agent.save(to));
            Some(kept.map_err(RunError::file(folder.path()))?)
        } else {
            None
        };
        let policy = || contestant.name.clone();
        let learning = learning.map_err(|source| TrainError::Teaching { policy: policy(), source, kept })?;
        taught.push(Taught { contestant, learning });
    }
    let json = document(experiment, log, &taught);
    folder.write("training.json", json.as_bytes())?;
    let ticks = experiment.world.spec().horizon;
    let curves = taught.iter().map(|one| (one.contestant.name.as_str(), vec![&one.learning]));
    if let Some(curves) = learning_csv(curves, ticks) {
        folder.write("learning.csv", curves.as_bytes())?;
    }
    let manifest = json!({
        "mercato": env!("CARGO_PKG_VERSION"),
        "scenario": experiment.name,
        "scenario_hash": experiment.hash,
        "seed": experiment.seed.value(),
        "rows": log.rows(),
        "command": options.command,
        "instruction_set": instruction_set(),
        "operating_system": std::env::consts::OS,
        "threads": rayon::current_num_threads(),
        "started_at": progress.started_at(),
        "seconds": (progress.seconds() * 1e3).round() / 1e3,
    });
    folder.write("manifest.json", format!("{manifest:#}\n").as_bytes())?;
    let screen = screen(experiment, log, &taught);
    Ok(Trained { screen, json, folder: folder.put_in_place()? })
}

/// Saves an agent, with what it was made for beside it, and says where.
fn keep(
    folder: &Path,
    contestant: &Contestant,
    experiment: &Experiment,
    save: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let mut bytes = Vec::new();
    save(&mut bytes)?;
    let name = format!("{}.json", file_name(&contestant.name));
    let made_for = made_for_file(&contestant.kind, experiment.world.spec())?;
    write_whole(&folder.join(made_for_path(&name)), &made_for)?;
    let path = folder.join(name);
    write_whole(&path, &bytes)?;
    Ok(path)
}

/// `training.json`.
fn document(experiment: &Experiment, log: &TrainingLog, taught: &[Taught<'_>]) -> String {
    let policies: Vec<serde_json::Value> = taught
        .iter()
        .map(|Taught { contestant, learning }| {
            json!({ "name": contestant.name, "kind": contestant.kind, "rows": learning.rows,
                "metrics": learning.metrics })
        })
        .collect();
    let returns = taught.first().map(|one| &one.learning.returns_per_consumer);
    let document = json!({
        "format": 1,
        "mercato": env!("CARGO_PKG_VERSION"),
        "scenario": experiment.name,
        "scenario_hash": experiment.hash,
        "seed": experiment.seed.value(),
        "log": { "markets": log.markets(), "rows": log.rows(), "policies": log.policies(),
            "returns_per_consumer": returns, "notes": log.notes },
        "policies": policies,
    });
    format!("{document:#}\n")
}

/// For people.
fn screen(experiment: &Experiment, log: &TrainingLog, taught: &[Taught<'_>]) -> String {
    let plural = if log.markets() == 1 { "market" } else { "markets" };
    let mut text = format!(
        "{}: {} logged decisions of {} in {} {plural}, seed {}\n\n",
        experiment.name,
        log.rows(),
        log.policies().join(", "),
        log.markets(),
        experiment.seed.value()
    );
    let mut rows = vec![["policy", "kind", "rows", "told at the end"].map(str::to_owned).to_vec()];
    rows.extend(taught.iter().map(|Taught { contestant, learning }| {
        let told = learning.metrics.iter().map(|(name, value)| format!("{name} {}", short(*value)));
        let told = told.collect::<Vec<_>>().join(", ");
        vec![contestant.name.clone(), contestant.kind.clone(), learning.rows.to_string(), told]
    }));
    text += &aligned(&rows);
    text + "\nJudge them in a market with [[policy]] kind = \"saved\", or on a log with a target of kind = \"policy\".\n"
}

#[cfg(test)]
mod tests;
