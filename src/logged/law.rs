//! Laws over actions as tables by keys: of targets, and of logging policies.

use super::batch::Batch;
use super::cells::named;
use super::file::{Evaluation, NamedTable};
use super::log::{Log, SUM_TOLERANCE};
use crate::scenario::error::{Code, ScenarioError};
use crate::scenario::rows::{BadRows, RowPlace, Rows};
use crate::scenario::suggestion::way_out;
use std::collections::BTreeMap;

/// A law for each combination of keys.
#[derive(Clone, Debug)]
pub(super) struct LawTable {
    /// Columns of the context, with their numbers of levels.
    keys: Vec<(usize, usize)>,
    /// Row of `laws` by combination of levels in mixed radix.
    index: BTreeMap<u64, u32>,
    /// The same as an array, where there are few combinations.
    dense: Vec<u32>,
    laws: Vec<f64>,
    action_count: usize,
}

const DENSE: u64 = 1 << 20;
const ABSENT: u32 = u32::MAX;

/// One combination of keys in a file: the first row that has it, the sum, the law.
struct Group {
    place: RowPlace,
    sum: f64,
    law: Vec<f64>,
}

impl LawTable {
    /// Reads a table against a log.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) fn read(table: &NamedTable, key: &str, log: &Log) -> Result<Self, Vec<ScenarioError>> {
        let fault = |message: String, help: String| {
            vec![ScenarioError { message, place: table.place.clone(), help: Some(help), code: Code::BadTable }]
        };
        let path = &table.path;
        let rows = Rows::open(path, &table.bytes)
            .map_err(|why| fault(format!("{key}: {path} {why}"), "give a table of probabilities".to_owned()))?;
        let columns = Columns::find(&rows.header, log)
            .map_err(|(message, help)| fault(format!("{key}: {path} {message}"), help))?;
        let mut groups: BTreeMap<Vec<String>, Group> = BTreeMap::new();
        let mut bad = BadRows::default();
        let read = rows.visit(&mut |place, record| match record {
            Err(why) => bad.add_row(place, &why),
            Ok(record) => columns.take(place, record, log, &mut groups, &mut bad),
        });
        read.map_err(|why| fault(format!("{key}: {path} {why}"), "give a whole file".to_owned()))?;
        for (keys, group) in &groups {
            if (group.sum - 1.0).abs() > SUM_TOLERANCE {
                let told = columns.keys.iter().zip(keys).map(|((_, name), value)| format!("{name} {value}"));
                let told: Vec<String> = told.collect();
                let of = if told.is_empty() { String::new() } else { format!(" of {}", told.join(", ")) };
                bad.add_row(group.place, &format!("the probabilities{of} sum to {}, not to 1", group.sum));
            }
        }
        if groups.is_empty() {
            bad.add_row(RowPlace { row: 1, line: None }, "there is none: the table is empty");
        }
        match bad.message(path) {
            Some(message) => Err(fault(format!("{key}: {message}"), "mend the table; nothing is guessed".to_owned())),
            None => Ok(Self::new(&columns, groups, log)),
        }
    }

    fn new(columns: &Columns, groups: BTreeMap<Vec<String>, Group>, log: &Log) -> Self {
        let keys: Vec<(usize, usize)> =
            columns.keys.iter().map(|(index, _)| (*index, log.levels[*index].names().len())).collect();
        let size = keys.iter().fold(1_u64, |size, (_, levels)| size.saturating_mul(*levels as u64));
        let mut table = Self {
            dense: if size <= DENSE { vec![ABSENT; size as usize] } else { Vec::new() },
            keys,
            index: BTreeMap::new(),
            laws: Vec::new(),
            action_count: log.shape.action_count,
        };
        for (names, group) in groups {
            let levels: Option<Vec<u32>> =
                table.keys.iter().zip(&names).map(|((column, _), name)| log.levels[*column].find(name)).collect();
            // A combination that the log never has is of no use.
            let Some(levels) = levels else { continue };
            let cell = table
                .keys
                .iter()
                .zip(&levels)
                .fold(0, |cell, ((_, count), level)| cell * *count as u64 + u64::from(*level));
            let row = (table.laws.len() / table.action_count) as u32;
            table.laws.extend_from_slice(&group.law);
            match table.dense.get_mut(cell as usize) {
                Some(place) => *place = row,
                None => {
                    table.index.insert(cell, row);
                }
            }
        }
        table
    }

    /// The row of a round in the table; `None` where the table has no such keys.
    #[inline]
    pub(super) fn row(&self, batch: &Batch, round: usize) -> Option<usize> {
        let cell = self
            .keys
            .iter()
            .fold(0, |cell, (column, count)| cell * *count as u64 + u64::from(batch.levels[*column][round]));
        let row = match self.dense.get(cell as usize) {
            Some(row) => *row,
            None => *self.index.get(&cell)?,
        };
        (row != ABSENT).then_some(row as usize)
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.laws.len() / self.action_count
    }

    /// The law of a row.
    pub(super) fn law(&self, row: usize) -> &[f64] {
        &self.laws[row * self.action_count..][..self.action_count]
    }

    /// The keys of a round in words.
    pub(super) fn describe(&self, batch: &Batch, round: usize, log: &Log) -> String {
        let told = self.keys.iter().map(|(column, _)| {
            let level = batch.levels[*column][round] as usize;
            format!("{} {}", log.shape.columns[*column].name, log.levels[*column].names()[level])
        });
        told.collect::<Vec<_>>().join(", ")
    }
}

/// Columns of the table.
struct Columns {
    action: usize,
    probability: usize,
    /// Column of the context and its name, in the order of `places`.
    keys: Vec<(usize, String)>,
    places: Vec<usize>,
}

impl Columns {
    fn find(header: &[String], log: &Log) -> Result<Self, (String, String)> {
        let place = |name: &str| header.iter().position(|column| column == name);
        let own = &log.shape.action_name;
        let Some(action) = place(own).or_else(|| place("action")) else {
            return Err((
                format!("has no column {own:?}"),
                "columns: the keys, the action and `probability`".to_owned(),
            ));
        };
        let Some(probability) = place("probability") else {
            let known: Vec<&str> = header.iter().map(String::as_str).collect();
            return Err(("has no column \"probability\"".to_owned(), way_out("probability", &known, "its columns")));
        };
        let (mut keys, mut places) = (Vec::new(), Vec::new());
        for (index, name) in header.iter().enumerate().filter(|(index, _)| *index != action && *index != probability) {
            let Some(column) = log.shape.columns.iter().position(|column| column.name == *name) else {
                let known: Vec<&str> = log.shape.columns.iter().map(|column| column.name.as_str()).collect();
                let help =
                    format!("add it to log.context, or take it out of the table; {}", way_out(name, &known, "context"));
                return Err((format!("has a key {name:?} that is no column of the context"), help));
            };
            if log.levels[column].is_closed() {
                return Err((
                    format!("has a key {name:?} of too many different values"),
                    "take another key".to_owned(),
                ));
            }
            keys.push((column, name.clone()));
            places.push(index);
        }
        Ok(Self { action, probability, keys, places })
    }

    fn take(
        &self,
        place: RowPlace,
        record: &csv::StringRecord,
        log: &Log,
        groups: &mut BTreeMap<Vec<String>, Group>,
        bad: &mut BadRows,
    ) {
        let field = |index: usize| record.get(index).unwrap_or("");
        let probability = match field(self.probability).parse::<f64>() {
            Ok(probability) if (0.0..=1.0 + 1e-9).contains(&probability) => probability,
            Ok(_) => return bad.add_value(place, "probability", field(self.probability), "is no probability"),
            Err(_) => return bad.add_value(place, "probability", field(self.probability), "is not a number"),
        };
        let name = named(field(self.action));
        let Some(action) = log.find_action(&name) else {
            let fault = "is an unknown action: the log never has it; name all actions in log.actions if it is one";
            return bad.add_value(place, &log.shape.action_name, &name, fault);
        };
        let keys = self.places.iter().map(|index| named(field(*index)).into_owned()).collect();
        let group =
            groups.entry(keys).or_insert_with(|| Group { place, sum: 0.0, law: vec![0.0; log.shape.action_count] });
        group.sum += probability;
        group.law[action as usize] += probability;
    }
}

/// What is known of the logging policy's probability of every action.
#[derive(Debug)]
pub(super) enum Logging {
    /// The log has it.
    Column,
    /// Every action alike, every allowed one where the log has the mask.
    Uniform,
    /// By keys.
    Table(LawTable),
    /// Estimated from the log.
    Estimated(Box<dyn crate::evaluation::model::PropensityModel>),
    /// Nothing beyond the propensities.
    Unknown,
}

impl Logging {
    /// What the file and the log say.
    pub(super) fn of(evaluation: &Evaluation, log: &Log) -> Result<Self, Vec<ScenarioError>> {
        if log.layout.probabilities.is_some() {
            return Ok(Self::Column);
        }
        match (&evaluation.logging_table, evaluation.log.optional_text("logging")) {
            (Some(table), _) => LawTable::read(table, "log.logging", log).map(Self::Table),
            (None, Some(_)) => Ok(Self::Uniform),
            (None, None) => Ok(Self::Unknown),
        }
    }

    /// Whether there is a law.
    pub(super) fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown)
    }

    /// Writes `rounds × actions`; the rows for which there is none, by their place in the batch.
    pub(super) fn write(&self, batch: &Batch, action_count: usize, law: &mut Vec<f64>) -> Vec<usize> {
        law.clear();
        let mut missing = Vec::new();
        match self {
            Self::Unknown => {}
            Self::Column => law.extend_from_slice(&batch.probabilities),
            Self::Uniform => uniform(batch, action_count, law),
            Self::Table(table) => {
                for round in 0..batch.count() {
                    match table.row(batch, round) {
                        Some(row) => law.extend_from_slice(table.law(row)),
                        None => {
                            missing.push(round);
                            law.extend(std::iter::repeat_n(0.0, action_count));
                        }
                    }
                }
            }
            Self::Estimated(model) => {
                law.resize(batch.count() * action_count, 0.0);
                model.predict(&batch.rounds(&batch.columns()), law);
            }
        }
        missing
    }
}

/// Every allowed action alike.
pub(super) fn uniform(batch: &Batch, action_count: usize, law: &mut Vec<f64>) {
    if batch.allowed.is_empty() {
        law.extend(std::iter::repeat_n(1.0 / action_count as f64, batch.count() * action_count));
        return;
    }
    for allowed in batch.allowed.chunks(action_count) {
        let share = 1.0 / allowed.iter().filter(|allowed| **allowed).count().max(1) as f64;
        law.extend(allowed.iter().map(|allowed| if *allowed { share } else { 0.0 }));
    }
}
