//! Training on a log: an agent meets what another policy lived, in the order in which it would have met it.
//!
//! Each file is one market. Its decisions come tick by tick and, within a tick, in batches of the consumers that share a
//! shard, as [`crate::episode::train`] gives them: observation, mask, action, propensity, reward. Rewards are those of the
//! tick for agents that look ahead, and those of the window for others where the scenario rewards windows; a window that the
//! horizon cut off is not learned from.
//!
//! A log ends with its last decisions: what came after them is not in it. To agents that look ahead the last decisions of a
//! file are therefore shown as the place where the episodes stop ([`Ending`]), by time limit and without a value of their
//! own, and are not learned from, unless they ended the episode. In a file of one tick nothing can follow: every decision
//! ends its episode.
//!
//! The log is read forwards, a tick of 16 shards at a time, as often as it is taught; memory does not grow with it. What an
//! agent keeps of it, and how often it goes over that, is the agent's own affair ([`Agent::conclude`]).

mod check;
mod cursor;
mod lesson;

pub use lesson::TeachingError;

use crate::episode::{Learning, Reward};
use crate::protocol::{Agent, Ending, TrainingPlan, World};
use crate::random::Seed;
use crate::scenario::error::{Code, ScenarioError};
use check::Checked;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Parts of the seed under which an agent learns from a log: its draws file by file, its draws at the end.
const FILE_PART: u32 = 1;
const CONCLUSION_PART: u32 = 2;

/// A log that has been read once from end to end, and suits the scenario.
pub struct TrainingLog {
    files: Vec<Checked>,
    /// Numbers of consumers, where a customer file gives names.
    numbers: BTreeMap<String, u32>,
    actions: usize,
    features: usize,
    discount: f64,
    /// What is worth knowing and not wrong.
    pub notes: Vec<String>,
}

impl TrainingLog {
    /// Opens the files of a path, several with `*` and `?` in the name of the file, and checks every row.
    ///
    /// # Errors
    /// All that is wrong with it: what is missing or extra against the market, and the rows that cannot be learned from.
    pub fn open(
        path: &Path,
        world: &dyn World,
        scenario_hash: &str,
        reward: Reward,
    ) -> Result<Self, Vec<ScenarioError>> {
        let fault = |message: String, help: &str| {
            let message = format!("--from-log: {message}");
            ScenarioError { message, place: None, help: Some(help.to_owned()), code: Code::BadTable }
        };
        let paths: Vec<PathBuf> = match super::file::named_like(path) {
            Some(found) => found,
            None => vec![path.to_owned()],
        };
        if paths.is_empty() {
            return Err(vec![fault(format!("no file is named like {:?}", path.display()), "looked in that folder")]);
        }
        let names = world.consumer_names();
        let numbers: BTreeMap<String, u32> = names.iter().flat_map(|names| names.iter().cloned().zip(0..)).collect();
        let spec = world.spec();
        let (mut files, mut faults, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for path in paths {
            match Checked::read(&path, spec, reward, &numbers) {
                Ok(file) => {
                    if file.scenario_hash != scenario_hash {
                        let name = path.display();
                        notes.push(format!(
                            "{name} was written by another version of the scenario; its features and actions are the same"
                        ));
                    }
                    files.push(file);
                }
                Err(told) => faults.extend(told.into_iter().map(|(message, help)| fault(message, help))),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let (actions, features, discount) = (spec.actions.len(), spec.features.len(), spec.discount);
        Ok(Self { files, numbers, actions, features, discount, notes })
    }

    /// Number of files, each a market.
    #[must_use]
    pub fn markets(&self) -> usize {
        self.files.len()
    }

    /// Decisions in all.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Names of the policies that wrote it.
    #[must_use]
    pub fn policies(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.files.iter().map(|file| file.policy.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Why an agent cannot learn from it, and the way out.
    #[must_use]
    pub fn refuse(&self, agent: &dyn Agent) -> Option<(String, &'static str)> {
        if agent.views().events {
            let help = "take an agent that reads features, or train it in the market with `mercato run`";
            return Some(("reads events, which a decision log does not have".to_owned(), help));
        }
        None
    }

    /// Ticks of all files together.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.files.iter().map(|file| u64::from(file.ticks)).sum()
    }

    /// Lets an agent learn from all of it; `progress` hears of every tick.
    ///
    /// # Errors
    /// Where the agent diverges, or the log can no longer be read.
    pub fn teach(&self, agent: &mut dyn Agent, seed: Seed, progress: &dyn Fn()) -> Result<Learning, TeachingError> {
        let ticks = self.files.iter().map(|file| file.ticks).max().unwrap_or(1);
        let consumers = self.files.iter().map(|file| file.consumers).max().unwrap_or(0);
        let markets = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        agent.begin_training(&TrainingPlan { markets, ticks, consumers });
        let mut learning = Learning::new(agent.is_sequential(), ticks);
        for (market, file) in (0..).zip(&self.files) {
            let mut lesson = lesson::Lesson {
                log: self,
                file,
                market,
                seed: seed.derive(FILE_PART, market),
                agent: &mut *agent,
                learning: &mut learning,
                progress,
            };
            let worth = lesson.teach()?;
            learning.returns_per_consumer.push(worth / f64::from(file.consumers.max(1)));
        }
        let metrics = agent.conclude(seed.derive(CONCLUSION_PART, 0))?;
        learning.take_in(0, &metrics);
        learning.note(markets, 0, &metrics);
        Ok(learning)
    }
}
