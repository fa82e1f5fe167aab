//! One consumer's whole history, lived again from the logged actions, beside the twin whom nobody contacts.
//!
//! Where consumers do not touch each other, the consumer is opened alone. Elsewhere (a budget, word of mouth, a shared
//! sender reputation) all consumers live again with the actions that the log has for them, so that the history is exact
//! there, too. Every reward of the replay is compared with that of the log: what is told is what was.

mod played;
mod replay;
mod text;

pub use replay::{Explanation, Side, Sums, Tick};

use super::units::log_path;
use crate::protocol::MaskedAction;
use crate::scenario::Experiment;
use played::{Played, Wanted};
use std::path::{Path, PathBuf};

/// Whose history.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Folder of results of a run with `--log`.
    pub folder: &'a Path,
    /// Number from 0, or the name that the customer file gives.
    pub consumer: &'a str,
    /// Under which policy.
    pub policy: &'a str,
    /// In which replication.
    pub replication: u32,
}

/// Why there is no history to tell.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// No policy of the run has this name.
    #[error("the run has no policy `{name}`; it has {known}{}", suggestion.as_ref().map_or_else(String::new, |name| format!("; did you mean `{name}`?")))]
    UnknownPolicy {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
        /// The nearest name.
        suggestion: Option<String>,
    },
    /// No replication has this number.
    #[error("the run has {count} replication{}: --replication goes from 0 to {}", if *count == 1 { "" } else { "s" }, count - 1)]
    UnknownReplication {
        /// How many there are.
        count: u32,
    },
    /// Nobody has this number or name.
    #[error("there is no consumer `{consumer}`: {help}")]
    UnknownConsumer {
        /// What was asked for.
        consumer: String,
        /// What there is.
        help: String,
    },
    /// The run was not logged.
    #[error("there is no decision log `{}`: a history is replayed from logged actions; run the scenario again with --log", .0.display())]
    NoLog(PathBuf),
    /// The log cannot be used.
    #[error("`{}` cannot be replayed: {reason}; run the scenario again with --log", path.display())]
    BadLog {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The replay earned something else.
    #[error(
        "the replay differs from the log at tick {tick}: profit {replayed} instead of {logged}; the log was written by another version of the program, or changed"
    )]
    Differs {
        /// When.
        tick: u32,
        /// What the replay earned.
        replayed: f64,
        /// What the log says.
        logged: f64,
    },
    /// A logged action is not allowed now.
    #[error("the replay differs from the log: {0}; the log was written by another version of the program, or changed")]
    Masked(#[from] MaskedAction),
}

impl ExplainError {
    /// Whether the input is at fault, rather than the replay.
    #[must_use]
    pub fn is_input(&self) -> bool {
        !matches!(self, Self::Differs { .. } | Self::Masked(_))
    }
}

/// Replays a consumer of a run.
///
/// # Errors
/// Where there is no such policy, replication, consumer or log, or the replay does not give the logged rewards.
pub fn explain(experiment: &Experiment, request: &Request<'_>) -> Result<Explanation, ExplainError> {
    check_policy(experiment, request.policy)?;
    if request.replication >= experiment.replications {
        return Err(ExplainError::UnknownReplication { count: experiment.replications });
    }
    let consumer = consumer_number(experiment, request.consumer)?;
    let path = log_path(request.folder, request.policy, request.replication);
    if !path.is_file() {
        return Err(ExplainError::NoLog(path));
    }
    let seed = crate::evaluation::market_seed(experiment.seed, request.replication);
    let (market, is_alone) = match experiment.world.open_consumer(seed, consumer) {
        Some(market) => (market, true),
        None => (experiment.world.open(seed), false),
    };
    let names = experiment.world.consumer_names();
    let wanted = Wanted {
        spec: experiment.world.spec(),
        names: names.as_deref(),
        consumer,
        everybody: !is_alone,
        origin: [
            ("scenario_hash", experiment.hash.clone(), "scenario.toml in the folder is not the scenario that was run"),
            ("policy", request.policy.to_owned(), "it is the log of another policy"),
            ("replication", request.replication.to_string(), "it is the log of another replication"),
        ],
    };
    let played = Played::read(&path, &wanted).map_err(|reason| ExplainError::BadLog { path, reason })?;
    let mut told = replay::replay(market, consumer, &played)?;
    told.scenario.clone_from(&experiment.name);
    told.policy = request.policy.to_owned();
    told.replication = request.replication;
    told.consumer = request.consumer.to_owned();
    told.is_alone = is_alone;
    Ok(told)
}

fn check_policy(experiment: &Experiment, name: &str) -> Result<(), ExplainError> {
    match super::select(&experiment.contestants, &[name.to_owned()]) {
        Err(super::RunError::UnknownPolicy { name, known, suggestion }) => {
            Err(ExplainError::UnknownPolicy { name, known, suggestion })
        }
        _ => Ok(()),
    }
}

/// The number of a consumer: by name where a customer file gives names, as the log has them; else the number itself.
fn consumer_number(experiment: &Experiment, consumer: &str) -> Result<u32, ExplainError> {
    let unknown = |help: String| ExplainError::UnknownConsumer { consumer: consumer.to_owned(), help };
    if let Some(names) = experiment.world.consumer_names() {
        let place = names.iter().position(|name| name == consumer);
        let help = || format!("consumers go by the {} names of the customer file", names.len());
        return place.map(|place| place as u32).ok_or_else(|| unknown(help()));
    }
    let count = experiment.world.spec().consumers;
    let number = consumer.parse::<u32>().ok().filter(|number| *number < count);
    number.ok_or_else(|| unknown(format!("consumers are numbered from 0 to {}", count.saturating_sub(1))))
}
