//! The first pass over a log: every row is checked, every name gets a number.

use super::cells::{Cells, Chunk};
use super::dictionary::{ABSENT, Dictionary};
use super::file::Evaluation;
use super::layout::Layout;
use super::log::{Faults, HELP, Log, ROWS, SUM_TOLERANCE, agrees, allows, hash, place};
use super::source::Source;
use super::stream::read;
use crate::evaluation::model::{ColumnShape, Shape};
use crate::scenario::error::{Code, ScenarioError, ScenarioErrors};
use crate::scenario::rows::BadRows;

/// Size of rewards, and of one over a propensity: squares of their products can be summed.
const LARGEST: f64 = 1e100;
/// Different values of a column that are counted as levels.
const LEVELS: usize = 4_096;
/// Actions at most.
const ACTIONS: usize = 65_536;
/// Decisions whose identifiers are compared.
const IDENTIFIERS: usize = 10_000_000;

/// Opens a log and reads it once.
///
/// # Errors
/// All that is wrong with its columns, else all that is wrong with its rows.
pub(super) fn scan(evaluation: &Evaluation) -> Result<Log, ScenarioErrors> {
    let mut faults = Faults::new(&evaluation.paths);
    let layout = match Source::open(&evaluation.paths[0]) {
        Ok(source) => Layout::find(evaluation, &source).map_err(|faults| evaluation.wrong(faults))?,
        Err(why) => {
            faults.file(0, &why);
            return Err(faults.into_errors(evaluation, HELP).unwrap_or_else(|| evaluation.wrong(Vec::new())));
        }
    };
    let mut scan = Scan::new(evaluation, &layout);
    let columns: Vec<Option<&str>> = layout.columns().into_iter().map(Some).collect();
    let hand_over = |_, chunk: &mut Chunk, batch: &mut Chunk| {
        std::mem::swap(chunk, batch);
        Ok(())
    };
    let mut take = |file, chunk: &Chunk, faults: &mut Faults| scan.take(file, chunk, faults);
    read(&evaluation.paths, &layout, &columns, ROWS, &mut faults, hand_over, &mut take);
    if scan.rows == 0 {
        faults.file(0, "has no rows: there is nothing to judge by");
    }
    scan.find_repeated(&mut faults);
    if let Some(errors) = faults.into_errors(evaluation, HELP) {
        return Err(errors);
    }
    let idle = evaluation.loggers.iter().zip(&scan.logger_rows).filter(|(_, rows)| **rows == 0);
    let idle: Vec<ScenarioError> = idle
        .map(|(logger, _)| ScenarioError {
            message: format!("{}.name: {:?} logged no row", logger.section, logger.name),
            place: logger.place.clone(),
            help: Some("leave it out, or name what stands in the column `log.logger`".to_owned()),
            code: Code::Refused,
        })
        .collect();
    if !idle.is_empty() {
        return Err(evaluation.wrong(idle));
    }
    Ok(scan.finish(evaluation, layout.clone()))
}

/// The first pass.
struct Scan<'a> {
    layout: &'a Layout,
    rows: u64,
    actions: Dictionary,
    /// Whether other actions may turn up.
    is_open: bool,
    /// Who logged, of the file's [[logger]] sections alone, and the rows of each.
    loggers: Dictionary,
    logger_rows: Vec<u64>,
    levels: Vec<Dictionary>,
    numbers: Vec<Option<Moments>>,
    rewards: Moments,
    lowest: f64,
    highest: f64,
    is_binary: bool,
    /// Hash of the identifier above the number of the row.
    identifiers: Vec<u128>,
    /// Of the batch at hand.
    codes: Vec<u32>,
    /// Where rows follow each other without a gap: number of the first, its file, its row there.
    stretches: Vec<(u64, usize, usize)>,
    list: Vec<f64>,
    scratch: String,
}

#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let before = value - self.mean;
        self.mean += before / self.count;
        self.squares += before * (value - self.mean);
    }
}

impl<'a> Scan<'a> {
    fn new(evaluation: &Evaluation, layout: &'a Layout) -> Self {
        let mut actions = Dictionary::new(ACTIONS);
        let named: Vec<String> = match (&layout.own, evaluation.log.texts("actions")) {
            (Some(own), _) => (0..own.action_names.len()).map(|action| action.to_string()).collect(),
            (None, named) => named.iter().map(|name| name.trim().to_owned()).collect(),
        };
        named.iter().for_each(|name| {
            actions.code(name);
        });
        if !named.is_empty() {
            actions.seal();
        }
        let mut loggers = Dictionary::new(evaluation.loggers.len());
        evaluation.loggers.iter().for_each(|logger| {
            loggers.code(&logger.name);
        });
        Self {
            layout,
            rows: 0,
            loggers,
            logger_rows: vec![0; evaluation.loggers.len()],
            is_open: named.is_empty(),
            actions,
            levels: layout.context.iter().map(|_| Dictionary::new(LEVELS)).collect(),
            numbers: vec![Some(Moments::default()); layout.context.len()],
            rewards: Moments::default(),
            lowest: f64::INFINITY,
            highest: f64::NEG_INFINITY,
            is_binary: true,
            identifiers: Vec::new(),
            codes: Vec::new(),
            stretches: Vec::new(),
            list: Vec::new(),
            scratch: String::new(),
        }
    }

    fn take(&mut self, file: usize, chunk: &Chunk, faults: &mut Faults) {
        let bad = faults.of(file);
        self.names(chunk, bad);
        self.actions.codes_of(&chunk.columns[self.layout.action], &mut self.codes);
        for row in 0..chunk.rows.len() {
            let action = self.action(chunk, row, bad);
            self.reward(chunk, row, bad);
            let propensity = self.propensity(chunk, row, bad);
            if let Some(action) = action {
                self.law(chunk, row, action, propensity, bad);
                self.mask(chunk, row, action, bad);
            }
            self.unit(chunk, row, bad);
            self.terminated(chunk, row, bad);
            if let Some(column) = self.layout.decision_id
                && self.identifiers.len() < IDENTIFIERS
            {
                let hash = hash(chunk.columns[column].text(row, &mut self.scratch).as_bytes());
                self.identifiers.push(u128::from(hash) << 64 | u128::from(self.rows + row as u64));
            }
        }
        if self.layout.decision_id.is_some() {
            self.stretch(file, chunk);
        }
        if let Some(column) = self.layout.logger {
            self.logger(column, chunk, bad);
        }
        for (index, column) in self.layout.context.iter().enumerate() {
            self.context(index, &chunk.columns[*column], chunk.rows.len());
        }
        self.rows += chunk.rows.len() as u64;
    }

    /// Notes names that are no text: two of them could read as one.
    fn names(&self, chunk: &Chunk, bad: &mut BadRows) {
        let Layout { action, unit, logger, decision_id, .. } = *self.layout;
        let columns = [Some(action), unit, logger, decision_id].into_iter().flatten();
        for column in columns.chain(self.layout.context.iter().copied()) {
            let Cells::Texts(texts) = &chunk.columns[column] else { continue };
            if (0..texts.count()).all(|number| std::str::from_utf8(texts.get(number)).is_ok()) {
                continue;
            }
            for row in 0..chunk.rows.len() {
                if let Err(text) = std::str::from_utf8(texts.bytes(row)).map_err(|_| texts.bytes(row)) {
                    let shown = String::from_utf8_lossy(text);
                    bad.add_value(place(chunk, row), self.layout.name(column), &shown, "is not UTF-8 text");
                }
            }
        }
    }

    fn terminated(&self, chunk: &Chunk, row: usize, bad: &mut BadRows) {
        let Some(column) = self.layout.terminated else { return };
        let fault = match chunk.columns[column].number(row) {
            Ok(number) if number == 0.0 || number == 1.0 => return,
            Ok(number) => number.to_string(),
            Err(text) => text.into_owned(),
        };
        bad.add_value(place(chunk, row), self.layout.name(column), &fault, "is neither true nor false (1 nor 0)");
    }

    fn action(&mut self, chunk: &Chunk, row: usize, bad: &mut BadRows) -> Option<u32> {
        let cells = &chunk.columns[self.layout.action];
        let name = self.layout.name(self.layout.action);
        let code = self.codes[row];
        let is_missing = cells.is_missing(row);
        if code != ABSENT && !is_missing {
            return Some(code);
        }
        let text = cells.text(row, &mut self.scratch);
        let fault = match self.is_open {
            _ if is_missing => "is missing",
            true => "is one of more than 65,536 different actions",
            false => "is an unknown action",
        };
        bad.add_value(place(chunk, row), name, text, fault);
        None
    }

    fn reward(&mut self, chunk: &Chunk, row: usize, bad: &mut BadRows) {
        match chunk.columns[self.layout.reward].number(row) {
            Ok(reward) if reward.abs() <= LARGEST => {
                self.rewards.add(reward);
                self.lowest = self.lowest.min(reward);
                self.highest = self.highest.max(reward);
                self.is_binary &= reward == 0.0 || reward == 1.0;
            }
            Ok(reward) => {
                let name = self.layout.name(self.layout.reward);
                let (text, fault) = if reward.is_finite() {
                    (format!("{reward:e}"), "is beyond 1e100, so that its square cannot be summed")
                } else {
                    (reward.to_string(), "is not a finite number")
                };
                bad.add_value(place(chunk, row), name, &text, fault);
            }
            Err(text) => {
                let fault = if text.is_empty() { "is missing" } else { "is not a number" };
                bad.add_value(place(chunk, row), self.layout.name(self.layout.reward), &text, fault);
            }
        }
    }

    fn propensity(&mut self, chunk: &Chunk, row: usize, bad: &mut BadRows) -> Option<f64> {
        let column = self.layout.propensity?;
        let name = self.layout.name(column);
        let (text, fault) = match chunk.columns[column].number(row) {
            // Single precision rounds a certain choice to 1 at most.
            Ok(propensity) if (1.0 / LARGEST..=1.0).contains(&propensity) => return Some(propensity),
            Ok(propensity) if propensity > 0.0 && propensity < 1.0 => {
                (format!("{propensity:e}"), "is below 1e-100, so that no weight can be summed")
            }
            Ok(0.0) => ("0".to_owned(), "is no probability of something that was done"),
            Ok(propensity) if propensity > 1.0 => (propensity.to_string(), "is above 1"),
            Ok(propensity) => (propensity.to_string(), "is no probability"),
            Err(text) if text.is_empty() => (String::new(), "is missing"),
            Err(text) => (text.into_owned(), "is not a number"),
        };
        bad.add_value(place(chunk, row), name, &text, fault);
        None
    }

    /// The logging policy's probability of every action.
    fn law(&mut self, chunk: &Chunk, row: usize, action: u32, propensity: Option<f64>, bad: &mut BadRows) {
        let Some(column) = self.layout.probabilities else { return };
        let name = self.layout.name(column);
        let mut add = |value: &str, fault: &str| bad.add_value(place(chunk, row), name, value, fault);
        if let Err(text) = chunk.columns[column].list(row, &mut self.list) {
            return add(&text, "is not a list of numbers");
        }
        let (count, actions) = (self.list.len(), self.actions.names().len());
        if count != actions {
            return add(&format!("{count} numbers"), &format!("under {actions} actions"));
        }
        if let Some(wrong) = self.list.iter().find(|share| !(0.0..=1.0 + 1e-6).contains(*share)) {
            return add(&wrong.to_string(), "is no probability");
        }
        let sum: f64 = self.list.iter().sum();
        if (sum - 1.0).abs() > SUM_TOLERANCE {
            return add(&sum.to_string(), "is what the probabilities sum to, instead of 1");
        }
        let own = self.list[action as usize];
        if own <= 0.0 {
            return add(&own.to_string(), "is the probability of the action that was taken");
        }
        if let Some(propensity) = propensity
            && !agrees(own, propensity)
        {
            add(&own.to_string(), &format!("is the probability of the action, and its propensity is {propensity}"));
        }
    }

    fn mask(&mut self, chunk: &Chunk, row: usize, action: u32, bad: &mut BadRows) {
        let Some(column) = self.layout.allowed else { return };
        if !allows(&chunk.columns[column], row, action as usize, self.layout.own.is_some()) {
            let fault = "is not in the mask, and was taken";
            let action = &self.actions.names()[action as usize];
            bad.add_value(place(chunk, row), self.layout.name(self.layout.action), action, fault);
        }
    }

    fn unit(&mut self, chunk: &Chunk, row: usize, bad: &mut BadRows) {
        for column in [self.layout.unit, self.layout.time].into_iter().flatten() {
            if chunk.columns[column].is_missing(row) {
                bad.add_value(place(chunk, row), self.layout.name(column), "", "is missing");
            }
        }
    }

    /// Who logged each row.
    fn logger(&mut self, column: usize, chunk: &Chunk, bad: &mut BadRows) {
        let (cells, name) = (&chunk.columns[column], self.layout.name(column));
        self.loggers.codes_of(cells, &mut self.codes);
        for (row, &logger) in self.codes.iter().enumerate() {
            match self.logger_rows.get_mut(logger as usize) {
                Some(rows) => *rows += 1,
                None => {
                    let text = cells.text(row, &mut self.scratch);
                    let fault = if text.is_empty() { "is missing" } else { "has no [[logger]] that says what it did" };
                    bad.add_value(place(chunk, row), name, text, fault);
                }
            }
        }
    }

    fn context(&mut self, index: usize, cells: &Cells, rows: usize) {
        for row in 0..rows {
            let Some(moments) = &mut self.numbers[index] else { break };
            match cells.number(row) {
                Ok(number) if number.is_finite() => moments.add(number),
                _ => self.numbers[index] = None,
            }
        }
        if !self.levels[index].is_closed() {
            self.levels[index].codes_of(cells, &mut self.codes);
            // A column of too many values has none that count as levels.
            if self.codes.contains(&ABSENT) {
                self.levels[index] = Dictionary::new(0);
            }
        }
    }

    /// Notes where the rows of a chunk stand; broken ones among them have no number.
    fn stretch(&mut self, file: usize, chunk: &Chunk) {
        for (number, row) in (self.rows..).zip(&chunk.rows) {
            let follows = self
                .stretches
                .last()
                .is_some_and(|(first, known, start)| *known == file && (number - first) as usize + start == *row);
            if !follows {
                self.stretches.push((number, file, *row));
            }
        }
    }

    /// The file of a row of the log, and its number there.
    fn place_of(&self, number: u64) -> Option<(usize, usize)> {
        let next = self.stretches.partition_point(|(first, ..)| *first <= number);
        let (first, file, row) = self.stretches.get(next.checked_sub(1)?)?;
        Some((*file, (number - first) as usize + row))
    }

    fn find_repeated(&mut self, faults: &mut Faults) {
        self.identifiers.sort_unstable();
        let twice = self.identifiers.windows(2).filter(|pair| pair[0] >> 64 == pair[1] >> 64);
        let twice: Vec<[u64; 2]> = twice.map(|pair| [pair[0] as u64, pair[1] as u64]).collect();
        let Some(column) = self.layout.decision_id.filter(|_| !twice.is_empty()) else { return };
        let told = |number: u64| match self.place_of(number) {
            Some((file, row)) => format!("{} row {row}", faults.name(file)),
            None => String::new(),
        };
        let shown = twice.iter().take(20).map(|[first, second]| format!("{} and {}", told(*first), told(*second)));
        let shown: Vec<String> = shown.collect();
        let more = if twice.len() > 20 { format!(" … and {} more", twice.len() - 20) } else { String::new() };
        let which = self.layout.name(column);
        faults.log(format!("decisions stand there twice, by column {which:?}: {}{more}", shown.join(", ")));
    }

    fn finish(self, evaluation: &Evaluation, layout: Layout) -> Log {
        let mut notes = Vec::new();
        if layout.decision_id.is_some() && self.rows > IDENTIFIERS as u64 {
            notes.push(format!("identifiers of decisions were compared among the first {IDENTIFIERS} rows"));
        }
        let actions = if self.is_open { self.actions.sorted() } else { self.actions };
        let action_names = layout.own.as_ref().map_or_else(|| actions.names().to_vec(), |own| own.action_names.clone());
        let columns = layout
            .context
            .iter()
            .zip(&self.levels)
            .zip(&self.numbers)
            .map(|((column, levels), numbers)| ColumnShape {
                name: layout.name(*column).to_owned(),
                levels: levels.names().len(),
                number: numbers.map(|moments| (moments.mean, (moments.squares / moments.count.max(1.0)).sqrt())),
            })
            .collect();
        let shape = Shape {
            action_count: action_names.len(),
            action_name: layout.name(layout.action).to_owned(),
            factors: layout.own.as_ref().map(|own| own.factors.clone()).unwrap_or_default(),
            columns,
            rounds: self.rows,
            folds: evaluation.folds,
            is_binary: self.is_binary,
            lowest: self.lowest,
            highest: self.highest,
        };
        Log {
            layout,
            paths: evaluation.paths.clone(),
            shape,
            action_names,
            actions,
            levels: self.levels,
            loggers: self.loggers,
            logger_rows: self.logger_rows,
            reward_sum: self.rewards.mean * self.rewards.count,
            notes,
        }
    }
}
