//! Rows of a checked log as numbers.

use super::cells::{Cells, Chunk};
use super::dictionary::{ABSENT, Dictionary};
use super::layout::Layout;
use super::log::{self, Faults, Log};
use super::stream::read;
use crate::evaluation::model::{Column, Rounds};
use crate::scenario::rows::RowPlace;

/// A batch of rounds.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    /// Number of the first round in the log, from 0.
    pub(super) first: u64,
    pub(super) file: usize,
    /// Number of each row in its file, from 1, and its line in a text file.
    rows: Vec<usize>,
    lines: Vec<u64>,
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

    /// Where a round stands in its file.
    pub(super) fn place(&self, round: usize) -> RowPlace {
        RowPlace { row: self.rows[round], line: self.lines.get(round).copied() }
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
            rows: of(&self.rows, rounds),
            lines: of(&self.lines, rounds),
            actions: of(&self.actions, rounds),
            rewards: of(&self.rewards, rounds),
            units: of(&self.units, rounds),
            folds: of(&self.folds, rounds),
            times: of(&self.times, rounds),
            terminated: of(&self.terminated, rounds),
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

/// What a pass looks at: the rest is not even read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// What models are fitted to.
    Models,
    /// What targets need besides.
    Targets,
}

/// Shows a checked log from its first row to its last.
pub(super) fn visit(log: &Log, view: View, faults: &mut Faults, visit: &mut dyn FnMut(&Batch, &mut Faults)) {
    let mut reader = Reader::new(log, view);
    let columns = log.layout.columns();
    let columns: Vec<Option<&str>> =
        columns.into_iter().enumerate().map(|(column, name)| reader.reads(column).then_some(name)).collect();
    let fill = |file, chunk: &mut Chunk, batch: &mut Batch| reader.fill(file, chunk, batch);
    read(&log.paths, &log.layout, &columns, log.batch_rows(), faults, fill, &mut |_, batch, faults| {
        visit(batch, faults)
    });
}

/// Makes numbers of rows.
struct Reader<'a> {
    log: &'a Log,
    /// The columns of the view.
    layout: Layout,
    actions: Dictionary,
    loggers: Dictionary,
    levels: Vec<Dictionary>,
    next: u64,
    /// By different text: what all rows that have it share.
    hashes: Vec<u64>,
    masks: Vec<bool>,
    list: Vec<f64>,
    scratch: String,
}

impl<'a> Reader<'a> {
    fn new(log: &'a Log, view: View) -> Self {
        let mut layout = Layout { decision_id: None, ..log.layout.clone() };
        if view == View::Models {
            (layout.propensity, layout.logger, layout.time, layout.terminated) = (None, None, None, None);
            (layout.probabilities, layout.allowed) = (None, None);
            layout.features.clear();
        }
        let (mut actions, mut loggers, mut levels) = (log.actions.clone(), log.loggers.clone(), log.levels.clone());
        actions.seal();
        loggers.seal();
        levels.iter_mut().for_each(Dictionary::seal);
        let (hashes, masks, list, scratch) = (Vec::new(), Vec::new(), Vec::new(), String::new());
        Self { log, layout, actions, loggers, levels, next: 0, hashes, masks, list, scratch }
    }

    /// Whether a column of the log is in the view.
    fn reads(&self, column: usize) -> bool {
        let Layout { action, reward, propensity, logger, unit, time, terminated, probabilities, allowed, .. } =
            self.layout;
        let others = [propensity, logger, unit, time, terminated, probabilities, allowed].into_iter().flatten();
        let lists = self.layout.context.iter().chain(&self.layout.features).copied();
        [action, reward].into_iter().chain(others).chain(lists).any(|read| read == column)
    }

    fn fill(&mut self, file: usize, chunk: &Chunk, batch: &mut Batch) -> Result<(), String> {
        batch.first = self.next;
        batch.file = file;
        batch.rows.clone_from(&chunk.rows);
        batch.lines.clone_from(&chunk.lines);
        let count = batch.rows.len();
        let layout = &self.layout;
        self.actions.codes_of(&chunk.columns[layout.action], &mut batch.actions);
        numbers(chunk, Some(layout.reward), &mut batch.rewards);
        numbers(chunk, layout.propensity, &mut batch.propensities);
        batch.loggers.clear();
        if let Some(column) = layout.logger {
            self.loggers.codes_of(&chunk.columns[column], &mut batch.loggers);
        }
        numbers(chunk, layout.time, &mut batch.times);
        batch.terminated.clear();
        match layout.terminated {
            Some(column) => {
                let ended = |row| chunk.columns[column].number(row).is_ok_and(|number| number == 1.0);
                batch.terminated.extend((0..count).map(ended));
            }
            None => batch.terminated.resize(count, false),
        }
        self.units(chunk, batch);
        self.context(chunk, batch);
        self.laws(chunk, batch);
        batch.features.resize(self.layout.features.len(), Vec::new());
        for (features, column) in batch.features.iter_mut().zip(&self.layout.features) {
            let number = |row| chunk.columns[*column].number(row).unwrap_or(f64::NAN) as f32;
            features.clear();
            features.extend((0..count).map(number));
        }
        self.next += count as u64;
        // The first pass has met every name.
        let is_known = |codes: &Vec<u32>| !codes.contains(&ABSENT);
        if is_known(&batch.actions) && is_known(&batch.loggers) && batch.levels.iter().all(is_known) {
            Ok(())
        } else {
            Err("has changed while it was read".to_owned())
        }
    }

    /// Who was decided for, in which fold.
    fn units(&mut self, chunk: &Chunk, batch: &mut Batch) {
        let Self { layout, hashes, scratch, .. } = self;
        let count = batch.rows.len();
        batch.units.clear();
        batch.unit_names.clear();
        match layout.unit.map(|column| &chunk.columns[column]) {
            None => batch.units.extend(self.next..self.next + count as u64),
            Some(Cells::Texts(texts)) => {
                hashes.clear();
                hashes.extend((0..texts.count()).map(|number| {
                    let text = String::from_utf8_lossy(texts.get(number));
                    log::hash(text.trim().as_bytes())
                }));
                batch.units.extend(texts.of_row().iter().map(|number| hashes[*number as usize]));
            }
            Some(Cells::Numbers(numbers)) => batch.units.extend(numbers.iter().map(|number| log::hash_number(*number))),
            Some(cells @ Cells::Lists { .. }) => {
                batch.units.extend((0..count).map(|row| log::hash(cells.text(row, scratch).as_bytes())));
            }
        }
        if let (Some(column), false) = (layout.unit, layout.features.is_empty()) {
            batch.unit_names.extend((0..count).map(|row| chunk.columns[column].text(row, scratch).to_owned()));
        }
        let folds = u64::from(self.log.shape.folds);
        batch.folds.clear();
        batch.folds.extend(batch.units.iter().map(|unit| (log::spread(*unit ^ FOLDS) % folds) as u8));
    }

    fn context(&mut self, chunk: &Chunk, batch: &mut Batch) {
        let columns = &self.layout.context;
        batch.levels.resize(columns.len(), Vec::new());
        batch.numbers.resize(columns.len(), Vec::new());
        for (index, &column) in columns.iter().enumerate() {
            batch.levels[index].clear();
            if !self.levels[index].is_closed() {
                self.levels[index].codes_of(&chunk.columns[column], &mut batch.levels[index]);
            }
            let is_number = self.log.shape.columns[index].number.is_some();
            numbers(chunk, is_number.then_some(column), &mut batch.numbers[index]);
        }
    }

    /// What the logging policy could have done.
    fn laws(&mut self, chunk: &Chunk, batch: &mut Batch) {
        let Self { layout, list, masks, .. } = self;
        let actions = self.log.shape.action_count;
        batch.probabilities.clear();
        if let Some(column) = layout.probabilities {
            for row in 0..batch.rows.len() {
                let _ = chunk.columns[column].list(row, list);
                list.resize(actions, 0.0);
                batch.probabilities.extend_from_slice(list);
            }
        }
        batch.allowed.clear();
        match layout.allowed.map(|column| &chunk.columns[column]) {
            None => {}
            Some(Cells::Texts(texts)) => {
                masks.clear();
                (0..texts.count())
                    .for_each(|number| log::unmask(texts.get(number), actions, layout.own.is_some(), masks));
                for number in texts.of_row() {
                    batch.allowed.extend_from_slice(&masks[*number as usize * actions..][..actions]);
                }
            }
            // Bits are texts; nothing else allows anything.
            Some(_) => batch.allowed.resize(batch.rows.len() * actions, false),
        }
    }
}

/// The numbers of a column, NaN where there is none; nothing without a column.
fn numbers(chunk: &Chunk, column: Option<usize>, numbers: &mut Vec<f64>) {
    numbers.clear();
    match column.map(|column| &chunk.columns[column]) {
        None => {}
        Some(Cells::Numbers(all)) => numbers.extend_from_slice(all),
        Some(cells) => numbers.extend((0..chunk.rows.len()).map(|row| cells.number(row).unwrap_or(f64::NAN))),
    }
}

/// Keeps folds apart from other uses of the hash of a unit.
const FOLDS: u64 = 0x5eed_f01d;
