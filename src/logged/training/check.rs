//! The first pass over a file: whether its market is that of the scenario, whether every row can be learned from, and where
//! the ticks of each group of shards stand.

use super::cursor::{Columns, Decision};
use crate::episode::Reward;
use crate::logged::cells::Chunk;
use crate::logged::log::place;
use crate::logged::source::Source;
use crate::protocol::{MadeFor, SeenFeature, Spec};
use crate::scenario::rows::BadRows;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rows that are in memory at a time.
const ROWS: usize = 8_192;
/// Groups of shards that are read side by side, at most: each has the file open at a place of its own.
const GROUPS_MAX: usize = 2_048;
/// Bad rows after which nothing more is looked for.
const FAULTS_MAX: usize = 1_000;

const WRITE_AGAIN: &str = "give a log that `mercato run SCENARIO --log` wrote, as it was written";
const SAME_MARKET: &str = "give the scenario that the log was written in, or a log of this market";

/// A message and its way out.
pub(super) type Told = (String, &'static str);

/// A file without faults.
pub(super) struct Checked {
    pub path: PathBuf,
    pub columns: Columns,
    /// Groups of shards in the order of the file.
    pub groups: Vec<Group>,
    pub rows: u64,
    /// One more than the last tick.
    pub ticks: u32,
    pub consumers: u32,
    pub policy: String,
    pub scenario_hash: String,
}

/// Rows that stand together, tick by tick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// Number of its first row, from 0.
    pub first: u64,
    /// Tick and number of rows, ticks ascending.
    pub ticks: Vec<(u32, usize)>,
}

impl Checked {
    /// Reads a file from end to end.
    pub(super) fn read(
        path: &Path,
        spec: &Spec,
        reward: Reward,
        numbers: &BTreeMap<String, u32>,
    ) -> Result<Self, Vec<Told>> {
        let name = path.display().to_string();
        let whole = |what: String| vec![(format!("{name} {what}"), WRITE_AGAIN)];
        if !path.is_file() {
            return Err(whole("is no file".to_owned()));
        }
        let mut source = Source::open(path).map_err(&whole)?;
        let metadata = source.metadata();
        let Some(made_for) = made_for(&metadata).filter(|_| metadata.contains_key("mercato")) else {
            return Err(whole("is no decision log".to_owned()));
        };
        let differences = made_for.differences(spec);
        if !differences.is_empty() {
            return Err(differences.into_iter().map(|one| (format!("{name}: {one}"), SAME_MARKET)).collect());
        }
        let columns =
            Columns::find(&source.header(), spec, reward, &metadata).map_err(|what| whole(what.join("; ")))?;
        source.want(&columns.names()).map_err(&whole)?;
        let text = |key: &str| metadata.get(key).cloned().unwrap_or_default();
        let mut scan =
            Scan { columns: &columns, spec, numbers, bad: BadRows::default(), groups: Vec::new(), last: None };
        let (mut chunk, mut rows) = (Chunk::default(), 0);
        loop {
            source.next(ROWS, &mut chunk).map_err(&whole)?;
            if chunk.rows.is_empty() || scan.bad.count() > FAULTS_MAX {
                break;
            }
            scan.take(&chunk, rows);
            rows += chunk.rows.len() as u64;
        }
        if let Some(message) = scan.bad.message(&name) {
            return Err(vec![(message, WRITE_AGAIN)]);
        }
        let groups = scan.groups;
        if groups.is_empty() {
            return Err(whole("has no rows".to_owned()));
        }
        if groups.len() > GROUPS_MAX {
            return Err(whole("is not in the order of a decision log: tick by tick, consumers in order".to_owned()));
        }
        let ticks = groups.iter().flat_map(|group| &group.ticks).map(|(tick, _)| tick + 1).max().unwrap_or(0);
        // Everybody who is ever there is there in the first tick of their group.
        let consumers =
            groups.iter().filter_map(|group| group.ticks.first()).map(|(_, rows)| *rows as u64).sum::<u64>();
        let consumers = u32::try_from(consumers).unwrap_or(u32::MAX);
        let (policy, scenario_hash) = (text("policy"), text("scenario_hash"));
        Ok(Self { path: path.to_owned(), columns, groups, rows, ticks, consumers, policy, scenario_hash })
    }
}

/// The market of a log, as its metadata tell it.
fn made_for(metadata: &BTreeMap<String, String>) -> Option<MadeFor> {
    #[derive(serde::Deserialize)]
    struct Named {
        name: String,
    }
    let features: Vec<SeenFeature> = serde_json::from_str(metadata.get("features")?).ok()?;
    let actions: Vec<Named> = serde_json::from_str(metadata.get("actions")?).ok()?;
    Some(MadeFor { features, actions: actions.into_iter().map(|action| action.name).collect() })
}

struct Scan<'a> {
    columns: &'a Columns,
    spec: &'a Spec,
    numbers: &'a BTreeMap<String, u32>,
    bad: BadRows,
    groups: Vec<Group>,
    /// Tick and consumer of the row before.
    last: Option<(u32, u32)>,
}

impl Scan<'_> {
    fn take(&mut self, chunk: &Chunk, first: u64) {
        let mut scratch = String::new();
        for row in 0..chunk.rows.len() {
            match self.columns.decision(chunk, row, self.spec.actions.len(), self.numbers, &mut scratch) {
                Ok(decision) => self.order(decision, first + row as u64, chunk, row),
                Err(fault) => self.bad.add_row(place(chunk, row), &fault),
            }
        }
    }

    /// Numbers ticks and groups: a tick that goes back begins the next group.
    fn order(&mut self, decision: Decision, number: u64, chunk: &Chunk, row: usize) {
        let (tick, consumer) = (decision.tick, decision.consumer);
        match self.last {
            Some((before, other)) if before == tick && consumer <= other => {
                let fault = format!(
                    "consumer number {consumer} follows number {other} in tick {tick}: rows twice, or not in order"
                );
                self.bad.add_row(place(chunk, row), &fault);
            }
            Some((before, _)) if before == tick => {}
            Some((before, _)) if before < tick => self.open(tick),
            _ => {
                self.groups.push(Group { first: number, ticks: Vec::new() });
                self.open(tick);
            }
        }
        if let Some((_, rows)) = self.groups.last_mut().and_then(|group| group.ticks.last_mut()) {
            *rows += 1;
        }
        self.last = Some((tick, consumer));
    }

    fn open(&mut self, tick: u32) {
        if let Some(group) = self.groups.last_mut() {
            group.ticks.push((tick, 0));
        }
    }
}
