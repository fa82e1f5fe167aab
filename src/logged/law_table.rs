//! Laws over actions as tables by keys.

use super::batch::Batch;
use super::file::NamedTable;
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
    /// Where each action stands.
    rows: Vec<Option<RowPlace>>,
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
        // A row that could not be read leaves its law short, which says nothing of the law.
        let is_whole = bad.count() == 0;
        for (keys, group) in &groups {
            if is_whole && (group.sum - 1.0).abs() > SUM_TOLERANCE {
                let of = columns.told(keys);
                // Beyond the ninth digit stands what binary fractions make of the file's decimals.
                let sum = (group.sum * 1e9).round() / 1e9;
                bad.add_row(group.place, &format!("the probabilities{of} sum to {sum}, not to 1"));
            }
        }
        if is_whole && groups.is_empty() {
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

    /// Keys in words, as what follows a noun.
    fn told(&self, keys: &[String]) -> String {
        let told: Vec<String> =
            self.keys.iter().zip(keys).map(|((_, name), value)| format!("{name} {value}")).collect();
        if told.is_empty() { String::new() } else { format!(" of {}", told.join(", ")) }
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
        let name = log.actions.name_of(field(self.action));
        let Some(action) = log.find_action(&name) else {
            let fault = "is an unknown action: the log never has it; name all actions in log.actions if it is one";
            return bad.add_value(place, &log.shape.action_name, &name, fault);
        };
        let key = |((column, _), index): (&(usize, String), &usize)| log.levels[*column].name_of(field(*index));
        let keys: Vec<String> = self.keys.iter().zip(&self.places).map(key).collect();
        let actions = log.shape.action_count;
        let of = self.told(&keys);
        let group = groups.entry(keys).or_insert_with(|| Group {
            place,
            sum: 0.0,
            law: vec![0.0; actions],
            rows: vec![None; actions],
        });
        if let Some(first) = group.rows[action as usize] {
            return bad.add_row(place, &format!("the probability of {name:?}{of} stands in {first} already"));
        }
        group.rows[action as usize] = Some(place);
        group.sum += probability;
        group.law[action as usize] = probability;
    }
}
