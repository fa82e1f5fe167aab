//! Finished units of work on disk: a run that is interrupted goes on from them.
//!
//! A unit file is its SHA-256 in hexadecimal, a line feed, and JSON. A torn or changed file is as good as none: the unit
//! is run again, to the same bytes.

use super::decisions::{DecisionLog, LogHeader};
use super::folder::{UNITS, write_whole};
use super::truth::{TruthLog, WithTruth};
use super::{Options, Progress};
use crate::evaluation::{Address, Comparison, Log, Store, Unit};
use crate::protocol::{MadeFor, Spec};
use crate::scenario::{Experiment, made_for_path};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The store of a run.
pub(super) struct Files<'a> {
    comparison: &'a Comparison<'a>,
    experiment: &'a Experiment,
    options: &'a Options,
    folder: &'a Path,
    progress: &'a dyn Progress,
    /// Consumer-ticks that this call lived, training included.
    consumer_ticks: AtomicU64,
    /// Decisions that this call took while judging and learning.
    decisions: AtomicU64,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    name: String,
    replication: u32,
    /// Length of the decision log, if there is one: a shorter file is not whole.
    log_bytes: Option<u64>,
    /// Length of the truth beside it.
    #[serde(default)]
    truth_bytes: Option<u64>,
    /// SHA-256 of what the agent saved, if it did.
    agent: Option<String>,
    unit: Unit,
}

impl<'a> Files<'a> {
    pub(super) fn new(
        comparison: &'a Comparison<'a>,
        experiment: &'a Experiment,
        options: &'a Options,
        folder: &'a Path,
        progress: &'a dyn Progress,
    ) -> Self {
        let zero = || AtomicU64::new(0);
        Self { comparison, experiment, options, folder, progress, consumer_ticks: zero(), decisions: zero() }
    }

    /// Tells how much is to be done.
    pub(super) fn begin(&self) {
        let replications = self.comparison.replications;
        let units = (self.comparison.contestants.len() as u64 + 1) * u64::from(replications);
        let files = fs::read_dir(self.folder.join(UNITS)).map_or(0, |entries| entries.flatten().count() as u64);
        let parts = u64::from(self.comparison.world.parts());
        self.progress.begin(units * parts, files.min(units) * parts);
    }

    pub(super) fn consumer_ticks(&self) -> u64 {
        self.consumer_ticks.load(Ordering::Relaxed)
    }

    pub(super) fn decisions(&self) -> u64 {
        self.decisions.load(Ordering::Relaxed)
    }

    fn unit_path(&self, address: Address<'_>) -> PathBuf {
        let who = address.contestant.map_or_else(|| "twin".to_owned(), |index| format!("policy-{index:03}"));
        self.folder.join(UNITS).join(format!("{who}-{:05}.json", address.replication))
    }

    fn log_path(&self, address: Address<'_>) -> Option<PathBuf> {
        // The twin is no policy of the file, and is not logged.
        address
            .contestant
            .filter(|_| self.options.log)
            .map(|_| log_path(self.folder, address.name, address.replication))
    }

    fn truth_path(&self, address: Address<'_>) -> Option<PathBuf> {
        let log = self.log_path(address)?;
        Some(self.folder.join(TRUTH).join(log.file_name()?))
    }

    fn agent_path(&self, address: Address<'_>) -> PathBuf {
        self.folder.join(POLICIES).join(format!("{}.json", file_name(address.name)))
    }

    /// What an agent saved, with what it was made for beside it.
    fn write_agent(&self, address: Address<'_>, path: &Path, agent: &[u8]) -> io::Result<()> {
        let made_for = path.with_file_name(made_for_path(&path.file_name().unwrap_or_default().to_string_lossy()));
        let kind = address.contestant.map_or("", |index| &self.comparison.contestants[index].kind);
        write_whole(&made_for, &made_for_file(kind, self.comparison.world.spec())?)?;
        write_whole(path, agent)
    }

    fn stored(&self, address: Address<'_>) -> Option<Unit> {
        let stored: Stored = thaw(&fs::read(self.unit_path(address)).ok()?)?;
        let length = |path: PathBuf| fs::metadata(path).map_or(0, |file| file.len());
        let (log_bytes, truth_bytes) = (self.log_path(address).map(length), self.truth_path(address).map(length));
        let agent = stored.agent.as_ref().map(|_| fs::read(self.agent_path(address)).map(|bytes| hash(&bytes)));
        let whole = stored.name == address.name
            && stored.replication == address.replication
            && stored.log_bytes == log_bytes
            && stored.truth_bytes == truth_bytes
            && agent.transpose().ok()? == stored.agent;
        whole.then_some(stored.unit)
    }
}

impl Store for Files<'_> {
    fn restore(&self, address: Address<'_>) -> Option<Unit> {
        self.stored(address)
    }

    fn log(&self, address: Address<'_>) -> io::Result<Option<Box<dyn Log>>> {
        let (Some(path), Some(truth)) = (self.log_path(address), self.truth_path(address)) else { return Ok(None) };
        let header = LogHeader {
            scenario: &self.experiment.name,
            scenario_hash: &self.experiment.hash,
            seed: self.experiment.seed,
            reward: self.comparison.training.reward,
            policy: address.name,
            replication: address.replication,
            with_probabilities: self.options.log_probabilities,
            coupled: self.comparison.world.couplings(),
        };
        let world = self.comparison.world;
        let decisions = DecisionLog::create(&path, world.spec(), &header)?.with_names(world.consumer_names());
        let truth = TruthLog::create(&truth, world.spec(), &header)?;
        Ok(Some(Box::new(WithTruth { decisions: Box::new(decisions), truth: Box::new(truth) })))
    }

    fn keep(&self, address: Address<'_>, unit: &Unit) -> io::Result<()> {
        if let Some(agent) = &unit.agent {
            self.write_agent(address, &self.agent_path(address), agent)?;
        }
        let length = |path: PathBuf| fs::metadata(path).map(|file| file.len());
        let stored = Stored {
            name: address.name.to_owned(),
            replication: address.replication,
            log_bytes: self.log_path(address).map(length).transpose()?,
            truth_bytes: self.truth_path(address).map(length).transpose()?,
            agent: unit.agent.as_ref().map(|bytes| hash(bytes)),
            unit: unit.clone(),
        };
        // The unit comes last: what it speaks of is there.
        write_whole(&self.unit_path(address), &freeze(&stored)?)?;
        let lived = unit.record.consumers * unit.record.series.len() as u64;
        let markets = 1 + unit.learning.as_ref().map_or(0, |learning| learning.returns_per_consumer.len() as u64);
        self.consumer_ticks.fetch_add(lived * markets, Ordering::Relaxed);
        if address.contestant.is_some() {
            self.decisions.fetch_add(lived * markets, Ordering::Relaxed);
        }
        if self.comparison.world.parts() == 1 {
            self.progress.advance();
        }
        Ok(())
    }

    fn keep_diverged(&self, address: Address<'_>, agent: &[u8]) -> io::Result<Option<PathBuf>> {
        let name = format!("{}-{}.json", file_name(address.name), address.replication);
        let path = self.folder.join(DIVERGED).join(name);
        self.write_agent(address, &path, agent)?;
        Ok(Some(path))
    }

    fn market_learned(&self, address: Address<'_>, markets: u32, of: u32, profit_per_consumer: f64) {
        let (name, replication) = (address.name, address.replication);
        self.progress.tell(&format!(
            "{name}, replication {replication}, learned {markets} of {of} markets: {profit_per_consumer:.4} per consumer"
        ));
    }

    fn part_lived(&self, _address: Address<'_>) {
        self.progress.advance();
    }
}

/// What stands beside a saved agent: what it is, and what it was made for.
pub(super) fn made_for_file(kind: &str, spec: &Spec) -> io::Result<Vec<u8>> {
    let MadeFor { features, actions } = MadeFor::of(spec);
    let mut text = serde_json::to_vec_pretty(&json!({ "kind": kind, "features": features, "actions": actions }))?;
    text.push(b'\n');
    Ok(text)
}

/// Where what agents saved lies.
pub(super) const POLICIES: &str = "policies";
/// Where that of agents lies whose training broke down, as it was before.
pub(super) const DIVERGED: &str = "diverged";
/// Where the truth beside the logs lies.
const TRUTH: &str = "truth";

/// The decision log of a policy and replication in a folder of results.
pub(super) fn log_path(folder: &Path, policy: &str, replication: u32) -> PathBuf {
    folder.join("log").join(format!("{}-{replication}.parquet", file_name(policy)))
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn freeze(stored: &Stored) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(stored)?;
    let mut bytes = hash(&json).into_bytes();
    bytes.push(b'\n');
    bytes.extend(json);
    Ok(bytes)
}

fn thaw(bytes: &[u8]) -> Option<Stored> {
    let (sum, json) = bytes.split_at_checked(65)?;
    (sum[..64] == *hash(json).as_bytes()).then(|| serde_json::from_slice(json).ok())?
}

/// A policy's name as a file name: letters, digits, `-`, `_` and `.` stay; anything else is written as its code, so
/// that different names stay different.
pub(super) fn file_name(name: &str) -> String {
    let mut safe = String::new();
    for (index, character) in name.chars().enumerate() {
        let plain = character.is_ascii_alphanumeric() || "-_".contains(character) || (character == '.' && index > 0);
        if plain {
            safe.push(character);
        } else {
            safe.push_str(&format!("%{:x}", u32::from(character)));
        }
    }
    safe
}
