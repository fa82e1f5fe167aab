//! The actions of a decision log, read back column by column.

use crate::protocol::Spec;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int32Type};
use parquet::errors::Result as ParquetResult;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// What is wanted from a log.
pub(super) struct Wanted<'a> {
    pub spec: &'a Spec,
    /// What consumers are called in the log, where not by number.
    pub names: Option<&'a [String]>,
    /// Whose history.
    pub consumer: u32,
    /// Whether the actions of all others are needed.
    pub everybody: bool,
    /// Of which scenario, policy and replication the log must be, by the keys of its metadata.
    pub origin: [(&'static str, String, &'static str); 3],
}

/// A logged decision of the consumer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    pub action: u16,
    pub propensity: f32,
    pub reward: f32,
}

/// What was played.
pub(super) struct Played {
    /// The consumer's decisions, by tick, without a gap.
    pub rows: Vec<Row>,
    /// `[tick * consumers + consumer]` of all consumers; empty where they are not needed.
    everybody: Vec<u16>,
    consumers: usize,
}

impl Played {
    /// What a consumer was sent in a tick; nothing after the end of an episode.
    pub(super) fn action(&self, tick: u32, consumer: u32) -> u16 {
        self.everybody.get(tick as usize * self.consumers + consumer as usize).copied().unwrap_or(0)
    }

    /// Reads a log.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn read(path: &Path, wanted: &Wanted<'_>) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| format!("it cannot be read: {error}");
        let file = File::open(path).map_err(|error| text(&error))?;
        let reader = SerializedFileReader::new(file).map_err(|error| text(&error))?;
        check_origin(&reader, wanted)?;
        let consumers = if wanted.everybody { wanted.spec.consumers as usize } else { 0 };
        let mut everybody = vec![0; consumers * wanted.spec.horizon as usize];
        let mut rows = BTreeMap::new();
        let numbers = numbers(wanted);
        for index in 0..reader.num_row_groups() {
            let group = reader.get_row_group(index).map_err(|error| text(&error))?;
            let columns = Columns::read(group.as_ref()).map_err(|error| text(&error))?;
            columns.visit(|name, tick, row| {
                let Some(consumer) = numbers.number(name) else { return };
                if consumer == wanted.consumer {
                    rows.insert(tick, row);
                }
                let is_legal = tick < wanted.spec.horizon && (consumer as usize) < consumers;
                if is_legal {
                    everybody[tick as usize * consumers + consumer as usize] = row.action;
                }
            });
        }
        let gap = (0..).zip(rows.keys()).find(|(expected, tick)| expected != *tick).map(|(expected, _)| expected);
        match gap {
            Some(tick) => Err(format!("it has no decision of the consumer at tick {tick}")),
            None if rows.is_empty() => Err("it has no decision of the consumer".to_owned()),
            None if rows.len() > wanted.spec.horizon as usize => Err("it is longer than the run".to_owned()),
            None => Ok(Self { rows: rows.into_values().collect(), everybody, consumers }),
        }
    }
}

/// Numbers of the consumers that are wanted, by what the log calls them.
enum Numbers<'a> {
    Digits,
    Names(BTreeMap<&'a [u8], u32>),
}

fn numbers<'a>(wanted: &Wanted<'a>) -> Numbers<'a> {
    match wanted.names {
        None => Numbers::Digits,
        Some(names) => Numbers::Names((0..).zip(names).map(|(number, name)| (name.as_bytes(), number)).collect()),
    }
}

impl Numbers<'_> {
    fn number(&self, name: &[u8]) -> Option<u32> {
        match self {
            Self::Digits => std::str::from_utf8(name).ok()?.parse().ok(),
            Self::Names(names) => names.get(name).copied(),
        }
    }
}

/// Refuses the log of another run.
fn check_origin(reader: &SerializedFileReader<File>, wanted: &Wanted<'_>) -> Result<(), String> {
    let pairs = reader.metadata().file_metadata().key_value_metadata();
    for (key, expected, otherwise) in &wanted.origin {
        let value = pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == *key)?.value.as_ref());
        match value {
            Some(value) if value == expected => {}
            Some(_) => return Err((*otherwise).to_owned()),
            None => return Err("it is no decision log".to_owned()),
        }
    }
    Ok(())
}

/// The columns that a replay needs, of one row group.
struct Columns {
    consumers: Vec<ByteArray>,
    ticks: Vec<i32>,
    actions: Vec<i32>,
    propensities: Vec<f32>,
    rewards: Vec<f32>,
}

impl Columns {
    fn read(group: &dyn RowGroupReader) -> ParquetResult<Self> {
        Ok(Self {
            consumers: column::<ByteArrayType>(group, "consumer_id")?,
            ticks: column::<Int32Type>(group, "tick")?,
            actions: column::<Int32Type>(group, "action")?,
            propensities: column::<FloatType>(group, "propensity")?,
            rewards: column::<FloatType>(group, "reward")?,
        })
    }

    fn visit(&self, mut visit: impl FnMut(&[u8], u32, Row)) {
        let numbers = self.ticks.iter().zip(&self.actions).zip(&self.propensities).zip(&self.rewards);
        for (name, (((&tick, &action), &propensity), &reward)) in self.consumers.iter().zip(numbers) {
            visit(name.data(), tick.cast_unsigned(), Row { action: action as u16, propensity, reward });
        }
    }
}

fn column<T: DataType>(group: &dyn RowGroupReader, name: &str) -> ParquetResult<Vec<T::T>> {
    let missing = || parquet::errors::ParquetError::General(format!("it has no column `{name}` as the logs have it"));
    let metadata = group.metadata();
    let place = metadata.columns().iter().position(|column| column.column_path().string() == name);
    let reader = group.get_column_reader(place.ok_or_else(missing)?)?;
    let mut reader: ColumnReaderImpl<T> = T::get_column_reader(reader).ok_or_else(missing)?;
    let rows = usize::try_from(metadata.num_rows()).unwrap_or(0);
    let mut values = Vec::with_capacity(rows);
    while values.len() < rows {
        let (records, _, _) = reader.read_records(rows - values.len(), None, None, &mut values)?;
        if records == 0 {
            break;
        }
    }
    Ok(values)
}
