//! Rows of a checked log as numbers.

use super::cells::Chunk;
use super::dictionary::Dictionary;
use super::log::{self, Faults, Log};
use crate::evaluation::model::{Column, Rounds};
use crate::scenario::rows::RowPlace;

/// A batch of rounds.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    /// Number of the first round in the log, from 0.
    pub(super) first: u64,
    pub(super) file: usize,
    pub(super) places: Vec<RowPlace>,
    pub(super) actions: Vec<u32>,
    pub(super) rewards: Vec<f64>,
    /// Empty where the log has none.
    pub(super) propensities: Vec<f64>,
    /// Who logged each round; empty where the file names nobody.
    pub(super) loggers: Vec<u32>,
    pub(super) units: Vec<u64>,
    pub(super) folds: Vec<u8>,
    /// By column of the context; empty where it has no levels.
    pub(super) levels: Vec<Vec<u32>>,
    /// By column of the context; empty where it is not a number.
    pub(super) numbers: Vec<Vec<f64>>,
    /// `rounds × actions`; empty where the log has no such column.
    pub(super) probabilities: Vec<f64>,
    /// `rounds × actions`; empty where the log has no mask.
    pub(super) allowed: Vec<bool>,
    /// `feature × rounds`, where policies are to see them.
    pub(super) features: Vec<Vec<f32>>,
    /// Time within the unit; empty where the log has none.
    pub(super) times: Vec<f64>,
    /// Whether the unit's process ended with the row.
    pub(super) terminated: Vec<bool>,
    /// What the log calls the unit, where policies are to see it.
    pub(super) unit_names: Vec<String>,
}

impl Batch {
    pub(super) fn count(&self) -> usize {
        self.actions.len()
    }

    /// The context by column.
    pub(super) fn columns(&self) -> Vec<Column<'_>> {
        self.levels.iter().zip(&self.numbers).map(|(levels, numbers)| Column { levels, numbers }).collect()
    }

    /// As models see it.
    pub(super) fn rounds<'a>(&'a self, columns: &'a [Column<'a>]) -> Rounds<'a> {
        Rounds { first: self.first, actions: &self.actions, rewards: &self.rewards, columns, folds: &self.folds }
    }

    /// Some of the rounds, in this order; what only targets read is left out.
    pub(super) fn pick(&self, rounds: &[usize]) -> Self {
        fn of<T: Copy>(values: &[T], rounds: &[usize]) -> Vec<T> {
            if values.is_empty() { Vec::new() } else { rounds.iter().map(|round| values[*round]).collect() }
        }
        Self {
            first: self.first,
            file: self.file,
            actions: of(&self.actions, rounds),
            rewards: of(&self.rewards, rounds),
            units: of(&self.units, rounds),
            folds: of(&self.folds, rounds),
            levels: self.levels.iter().map(|levels| of(levels, rounds)).collect(),
            numbers: self.numbers.iter().map(|numbers| of(numbers, rounds)).collect(),
            ..Self::default()
        }
    }

    /// Appends rounds of a pick.
    pub(super) fn extend(&mut self, other: &Self) {
        self.actions.extend_from_slice(&other.actions);
        self.rewards.extend_from_slice(&other.rewards);
        self.units.extend_from_slice(&other.units);
        self.folds.extend_from_slice(&other.folds);
        self.levels.resize(other.levels.len(), Vec::new());
        self.numbers.resize(other.numbers.len(), Vec::new());
        self.levels.iter_mut().zip(&other.levels).for_each(|(all, own)| all.extend_from_slice(own));
        self.numbers.iter_mut().zip(&other.numbers).for_each(|(all, own)| all.extend_from_slice(own));
    }
}

/// Shows a checked log from its first row to its last.
pub(super) fn visit(log: &Log, faults: &mut Faults, visit: &mut dyn FnMut(&Batch, &mut Faults)) {
    let mut reader = Reader {
        log,
        actions: log.actions.clone(),
        loggers: log.loggers.clone(),
        levels: log.levels.clone(),
        batch: Batch::default(),
        next: 0,
        list: Vec::new(),
        scratch: String::new(),
    };
    log::read(&log.paths, &log.layout, log.batch_rows(), faults, &mut |file, chunk, faults| {
        reader.fill(file, chunk);
        visit(&reader.batch, faults);
    });
}

struct Reader<'a> {
    log: &'a Log,
    actions: Dictionary,
    loggers: Dictionary,
    levels: Vec<Dictionary>,
    batch: Batch,
    next: u64,
    list: Vec<f64>,
    scratch: String,
}

impl Reader<'_> {
    fn fill(&mut self, file: usize, chunk: &Chunk) {
        let Self { log, actions, loggers, levels, batch, next, list, scratch } = self;
        let (layout, rows) = (&log.layout, 0..chunk.rows.len());
        let numbers =
            |column: usize| rows.clone().map(move |row| chunk.columns[column].number(row).unwrap_or(f64::NAN));
        batch.first = *next;
        batch.file = file;
        batch.places = rows.clone().map(|row| log::place(chunk, row)).collect();
        batch.actions =
            rows.clone().map(|row| actions.code_of(&chunk.columns[layout.action], row).unwrap_or(0)).collect();
        batch.rewards = numbers(layout.reward).collect();
        batch.propensities = layout.propensity.map(|column| numbers(column).collect()).unwrap_or_default();
        batch.loggers = match layout.logger {
            Some(column) => rows.clone().map(|row| loggers.code_of(&chunk.columns[column], row).unwrap_or(0)).collect(),
            None => Vec::new(),
        };
        batch.times = layout.time.map(|column| numbers(column).collect()).unwrap_or_default();
        batch.terminated = match layout.terminated {
            Some(column) => numbers(column).map(|number| number == 1.0).collect(),
            None => vec![false; rows.len()],
        };
        batch.units = match layout.unit {
            None => rows.clone().map(|row| *next + row as u64).collect(),
            Some(column) => {
                let unit = |row| log::hash(chunk.columns[column].text(row, scratch).as_bytes());
                rows.clone().map(unit).collect()
            }
        };
        let folds = u64::from(log.shape.folds);
        batch.folds = batch.units.iter().map(|unit| (log::spread(*unit ^ FOLDS) % folds) as u8).collect();
        batch.levels.resize(layout.context.len(), Vec::new());
        batch.numbers.resize(layout.context.len(), Vec::new());
        for (index, &column) in layout.context.iter().enumerate() {
            batch.levels[index].clear();
            if !levels[index].is_closed() {
                let codes = rows.clone().map(|row| levels[index].code_of(&chunk.columns[column], row).unwrap_or(0));
                batch.levels[index].extend(codes);
            }
            batch.numbers[index].clear();
            if log.shape.columns[index].number.is_some() {
                batch.numbers[index].extend(numbers(column));
            }
        }
        batch.probabilities.clear();
        if let Some(column) = layout.probabilities {
            for row in rows.clone() {
                let _ = chunk.columns[column].list(row, list);
                list.resize(log.shape.action_count, 0.0);
                batch.probabilities.extend_from_slice(list);
            }
        }
        batch.allowed.clear();
        if let Some(column) = layout.allowed {
            let is_ours = layout.own.is_some();
            for row in rows.clone() {
                let allowed =
                    (0..log.shape.action_count).map(|action| log::allows(&chunk.columns[column], row, action, is_ours));
                batch.allowed.extend(allowed);
            }
        }
        batch.features =
            layout.features.iter().map(|column| numbers(*column).map(|number| number as f32).collect()).collect();
        batch.unit_names = match layout.unit {
            Some(column) if !layout.features.is_empty() => {
                rows.map(|row| chunk.columns[column].text(row, scratch).to_owned()).collect()
            }
            _ => Vec::new(),
        };
        *next += chunk.rows.len() as u64;
    }
}

/// Keeps folds apart from other uses of the hash of a unit.
const FOLDS: u64 = 0x5eed_f01d;
