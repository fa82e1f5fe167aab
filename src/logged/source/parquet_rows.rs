//! Parquet, row group by row group, column by column.

use super::pages::CheckedPages;
use crate::logged::cells::{Cells, Chunk};
use crate::scenario::rows::unreadable_compression;
use parquet::basic::{ConvertedType, Type as PhysicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// Rows of a Parquet file.
pub(in crate::logged) struct ParquetRows {
    file: SerializedFileReader<File>,
    /// Bytes of the file.
    length: u64,
    /// `None` where a column is left out.
    wanted: Vec<Option<Wanted>>,
    readers: Vec<Option<ColumnReader>>,
    next_group: usize,
    left_in_group: usize,
    row: usize,
    scratch: Scratch,
}

/// What a batch of one column is read into, by type; kept from batch to batch.
#[derive(Default)]
struct Scratch {
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
    booleans: Vec<bool>,
    integers: Vec<i32>,
    long_integers: Vec<i64>,
    floats: Vec<f32>,
    doubles: Vec<f64>,
    texts: Vec<ByteArray>,
}

/// A leaf of the schema.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    leaf: usize,
    is_unsigned: bool,
    is_list: bool,
    /// Definition level at which a value is there.
    present: i16,
}

impl ParquetRows {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
        let length = file.metadata().map_err(|error| format!("cannot be read: {error}"))?.len();
        if length == 0 {
            return Err("is empty".to_owned());
        }
        let file = SerializedFileReader::new(file).map_err(|error| {
            format!("is no whole Parquet file (truncated while it was written or copied?): {error}")
        })?;
        if let Some(fault) = unreadable_compression(file.metadata()) {
            return Err(fault);
        }
        Ok(Self {
            file,
            length,
            wanted: Vec::new(),
            readers: Vec::new(),
            next_group: 0,
            left_in_group: 0,
            row: 0,
            scratch: Scratch::default(),
        })
    }

    pub(super) fn header(&self) -> Vec<String> {
        let schema = self.file.metadata().file_metadata().schema_descr();
        schema.root_schema().get_fields().iter().map(|field| field.name().to_owned()).collect()
    }

    pub(super) fn metadata(&self) -> BTreeMap<String, String> {
        let pairs = self.file.metadata().file_metadata().key_value_metadata();
        pairs.into_iter().flatten().filter_map(|pair| Some((pair.key.clone(), pair.value.clone()?))).collect()
    }

    pub(super) fn want(&mut self, columns: &[Option<&str>]) -> Result<(), String> {
        let schema = self.file.metadata().file_metadata().schema_descr();
        let find = |name: &Option<&str>| {
            let Some(name) = name else { return Ok(None) };
            let mut leaves = schema
                .columns()
                .iter()
                .enumerate()
                .filter(|(_, leaf)| leaf.path().parts().first().is_some_and(|part| part == name));
            let Some((leaf, column)) = leaves.next() else { return Err(format!("has no column {name:?}")) };
            let is_list = column.max_rep_level() == 1;
            if leaves.next().is_some() || column.max_rep_level() > 1 {
                return Err(format!("has a column {name:?} of nested values, which cannot be read"));
            }
            let physical = column.physical_type();
            if matches!(physical, PhysicalType::INT96 | PhysicalType::FIXED_LEN_BYTE_ARRAY) {
                return Err(format!("has a column {name:?} of type {physical}, which cannot be read"));
            }
            if is_list && physical == PhysicalType::BYTE_ARRAY {
                return Err(format!("has a column {name:?} of lists of texts, which cannot be read"));
            }
            let converted = column.converted_type();
            let is_unsigned = matches!(
                converted,
                ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
            );
            Ok(Some(Wanted { leaf, is_unsigned, is_list, present: column.max_def_level() }))
        };
        self.wanted = columns.iter().map(find).collect::<Result<_, _>>()?;
        Ok(())
    }

    pub(super) fn next(&mut self, most: usize, chunk: &mut Chunk) -> Result<(), String> {
        chunk.columns.resize_with(self.wanted.len(), Cells::default);
        chunk.rows.clear();
        chunk.lines.clear();
        chunk.broken.clear();
        while self.left_in_group == 0 {
            if self.next_group == self.file.num_row_groups() {
                return Ok(());
            }
            self.open_group().map_err(|error| breaks(&error))?;
        }
        let rows = most.min(self.left_in_group);
        for (index, cells) in chunk.columns.iter_mut().enumerate() {
            let found = self.read(index, rows, cells).map_err(|error| breaks(&error))?;
            if found != rows {
                return Err(format!("breaks off at row {}", self.row + found + 1));
            }
        }
        self.left_in_group -= rows;
        chunk.rows.extend((1..=rows).map(|row| self.row + row));
        self.row += rows;
        Ok(())
    }

    /// Leaves out the next rows; whole row groups are not read at all.
    pub(super) fn skip(&mut self, rows: u64) -> Result<(), String> {
        let mut left = usize::try_from(rows).unwrap_or(usize::MAX);
        while left > 0 {
            if self.left_in_group == 0 {
                let Some(group) = self.file.metadata().row_groups().get(self.next_group) else {
                    return Err(format!("breaks off at row {}", self.row + 1));
                };
                let rows = usize::try_from(group.num_rows()).unwrap_or(0);
                if rows <= left {
                    left -= rows;
                    self.row += rows;
                    self.next_group += 1;
                    continue;
                }
                self.open_group().map_err(|error| breaks(&error))?;
            }
            let most = left.min(self.left_in_group);
            for reader in self.readers.iter_mut().flatten() {
                skip_records(reader, most).map_err(|error| breaks(&error))?;
            }
            left -= most;
            self.left_in_group -= most;
            self.row += most;
        }
        Ok(())
    }

    fn open_group(&mut self) -> Result<(), ParquetError> {
        let group = self.file.get_row_group(self.next_group)?;
        let broken = |what: &str| ParquetError::General(format!("row group {} {what}", self.next_group + 1));
        let rows = usize::try_from(group.metadata().num_rows()).map_err(|_| broken("has fewer than no rows"))?;
        let reader = |wanted: &Option<Wanted>| -> Result<Option<ColumnReader>, ParquetError> {
            let Some(Wanted { leaf, .. }) = *wanted else { return Ok(None) };
            let column = group.metadata().columns().get(leaf).ok_or_else(|| broken("lacks a column"))?;
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let end = start.checked_add(column.compressed_size());
            // What is asked to read beyond the file ends the program.
            let is_inside = start >= 0
                && column.compressed_size() >= 0
                && end.is_some_and(|end| end.cast_unsigned() <= self.length);
            if !is_inside {
                return Err(broken("has a column that lies outside the file"));
            }
            let pages = CheckedPages::new(group.get_column_page_reader(leaf)?, column.column_descr_ptr());
            Ok(Some(get_column_reader(column.column_descr_ptr(), Box::new(pages))))
        };
        self.readers = self.wanted.iter().map(reader).collect::<Result<_, _>>()?;
        self.left_in_group = rows;
        self.next_group += 1;
        Ok(())
    }

    /// Reads rows of a column; how many there were.
    fn read(&mut self, index: usize, rows: usize, cells: &mut Cells) -> Result<usize, ParquetError> {
        let (Some(wanted), Some(reader)) = (self.wanted[index], &mut self.readers[index]) else {
            cells.clear();
            return Ok(rows);
        };
        let Scratch { definitions, repetitions, booleans, integers, long_integers, floats, doubles, texts } =
            &mut self.scratch;
        let levels = Levels { definitions, repetitions, wanted, rows };
        match reader {
            ColumnReader::BoolColumnReader(reader) => {
                levels.read(reader, booleans, cells, |value| f64::from(u8::from(*value)))
            }
            ColumnReader::Int32ColumnReader(reader) if wanted.is_unsigned => {
                levels.read(reader, integers, cells, |value| f64::from(value.cast_unsigned()))
            }
            ColumnReader::Int32ColumnReader(reader) => levels.read(reader, integers, cells, |value| f64::from(*value)),
            ColumnReader::Int64ColumnReader(reader) if wanted.is_list => {
                levels.read(reader, long_integers, cells, |value| whole(*value, wanted.is_unsigned) as f64)
            }
            ColumnReader::Int64ColumnReader(reader) => levels.read_whole(reader, long_integers, cells),
            ColumnReader::FloatColumnReader(reader) => levels.read(reader, floats, cells, |value| f64::from(*value)),
            ColumnReader::DoubleColumnReader(reader) => levels.read(reader, doubles, cells, |value| *value),
            ColumnReader::ByteArrayColumnReader(reader) => levels.read_texts(reader, texts, cells),
            _ => Err(ParquetError::General("a column of a type that cannot be read".to_owned())),
        }
    }
}

struct Levels<'a> {
    definitions: &'a mut Vec<i16>,
    repetitions: &'a mut Vec<i16>,
    wanted: Wanted,
    rows: usize,
}

impl Levels<'_> {
    /// Reads values and levels; how many rows they are.
    fn values<T: DataType>(
        &mut self,
        reader: &mut ColumnReaderImpl<T>,
        values: &mut Vec<T::T>,
    ) -> Result<usize, ParquetError> {
        self.definitions.clear();
        self.repetitions.clear();
        values.clear();
        let mut found = 0;
        while found < self.rows {
            let (records, ..) = reader.read_records(
                self.rows - found,
                Some(&mut *self.definitions),
                Some(&mut *self.repetitions),
                values,
            )?;
            if records == 0 {
                break;
            }
            found += records;
        }
        let there = self.definitions.iter().filter(|level| **level == self.wanted.present).count();
        let expected = if self.definitions.is_empty() { found } else { there };
        if expected != values.len() && !(self.definitions.is_empty() && self.wanted.is_list) {
            return Err(ParquetError::General(format!("{} values where {expected} are announced", values.len())));
        }
        Ok(found)
    }

    /// What is to be read row by row: `None` where a row has no value.
    fn by_row<'v, V>(&'v self, values: &'v [V], found: usize) -> impl Iterator<Item = Option<&'v V>> {
        let (mut values, present) = (values.iter(), self.wanted.present);
        (0..found).map(move |row| {
            let is_there = self.definitions.get(row).is_none_or(|level| *level == present);
            if is_there { values.next() } else { None }
        })
    }

    fn read<T: DataType>(
        mut self,
        reader: &mut ColumnReaderImpl<T>,
        values: &mut Vec<T::T>,
        cells: &mut Cells,
        number: impl Fn(&T::T) -> f64,
    ) -> Result<usize, ParquetError> {
        let found = self.values(reader, values)?;
        if !self.wanted.is_list {
            let mut numbers = cells.take_numbers();
            if self.definitions.is_empty() {
                numbers.extend(values.iter().map(number));
            } else {
                numbers.extend(self.by_row(values, found).map(|value| value.map_or(f64::NAN, &number)));
            }
            *cells = Cells::Numbers(numbers);
            return Ok(found);
        }
        let (mut numbers, mut ends) = cells.take_lists();
        let mut values = values.iter();
        for (position, repetition) in self.repetitions.iter().enumerate() {
            if *repetition == 0 && position > 0 {
                ends.push(numbers.len());
            }
            let is_there = self.definitions.get(position).is_none_or(|level| *level == self.wanted.present);
            if is_there {
                numbers.extend(values.next().map(&number));
            }
        }
        if !self.repetitions.is_empty() {
            ends.push(numbers.len());
        }
        let lists = ends.len();
        *cells = Cells::Lists { numbers, ends };
        Ok(lists)
    }

    /// Whole numbers; as texts where one is too great to be told from its neighbours as a float.
    fn read_whole<T: DataType<T = i64>>(
        mut self,
        reader: &mut ColumnReaderImpl<T>,
        values: &mut Vec<i64>,
        cells: &mut Cells,
    ) -> Result<usize, ParquetError> {
        let (found, is_unsigned) = (self.values(reader, values)?, self.wanted.is_unsigned);
        if values.iter().any(|value| whole(*value, is_unsigned).unsigned_abs() > EXACT) {
            let mut texts = cells.take_texts();
            for value in self.by_row(values, found) {
                let text = value.map_or_else(String::new, |value| whole(*value, is_unsigned).to_string());
                texts.push(text.as_bytes());
            }
            *cells = Cells::Texts(texts);
            return Ok(found);
        }
        let mut numbers = cells.take_numbers();
        if self.definitions.is_empty() {
            numbers.extend(values.iter().map(|value| *value as f64));
        } else {
            numbers.extend(self.by_row(values, found).map(|value| value.map_or(f64::NAN, |value| *value as f64)));
        }
        *cells = Cells::Numbers(numbers);
        Ok(found)
    }

    fn read_texts<T: DataType<T = ByteArray>>(
        mut self,
        reader: &mut ColumnReaderImpl<T>,
        values: &mut Vec<ByteArray>,
        cells: &mut Cells,
    ) -> Result<usize, ParquetError> {
        let found = self.values(reader, values)?;
        let mut texts = cells.take_texts();
        // The values stay in memory for as long as these rows are pushed.
        for value in self.by_row(values, found) {
            match value {
                Some(value) => texts.push_lying(value.data()),
                None => texts.push(b""),
            }
        }
        *cells = Cells::Texts(texts);
        Ok(found)
    }
}

/// Whole numbers up to this are told apart as floats.
const EXACT: u128 = 1 << 53;

fn whole(value: i64, is_unsigned: bool) -> i128 {
    if is_unsigned { i128::from(value.cast_unsigned()) } else { i128::from(value) }
}

/// Leaves out rows of a column; fewer than asked for are told when it is read on.
fn skip_records(reader: &mut ColumnReader, rows: usize) -> Result<usize, ParquetError> {
    match reader {
        ColumnReader::BoolColumnReader(reader) => reader.skip_records(rows),
        ColumnReader::Int32ColumnReader(reader) => reader.skip_records(rows),
        ColumnReader::Int64ColumnReader(reader) => reader.skip_records(rows),
        ColumnReader::Int96ColumnReader(reader) => reader.skip_records(rows),
        ColumnReader::FloatColumnReader(reader) => reader.skip_records(rows),
        ColumnReader::DoubleColumnReader(reader) => reader.skip_records(rows),
        ColumnReader::ByteArrayColumnReader(reader) => reader.skip_records(rows),
        ColumnReader::FixedLenByteArrayColumnReader(reader) => reader.skip_records(rows),
    }
}

fn breaks(error: &ParquetError) -> String {
    format!("breaks off (truncated while it was written or copied?): {error}")
}
