//! Parquet, row group by row group, column by column.

use crate::logged::cells::{Cells, Chunk};
use parquet::basic::{ConvertedType, Type as PhysicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// Rows of a Parquet file.
pub(in crate::logged) struct ParquetRows {
    file: SerializedFileReader<File>,
    wanted: Vec<Wanted>,
    readers: Vec<ColumnReader>,
    next_group: usize,
    left_in_group: usize,
    row: usize,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

/// A leaf of the schema.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    leaf: usize,
    physical: PhysicalType,
    is_unsigned: bool,
    is_list: bool,
    /// Definition level at which a value is there.
    present: i16,
}

impl ParquetRows {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
        let is_empty = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
        if is_empty {
            return Err("is empty".to_owned());
        }
        let file = SerializedFileReader::new(file).map_err(|error| {
            format!("is no whole Parquet file (truncated while it was written or copied?): {error}")
        })?;
        Ok(Self {
            file,
            wanted: Vec::new(),
            readers: Vec::new(),
            next_group: 0,
            left_in_group: 0,
            row: 0,
            definitions: Vec::new(),
            repetitions: Vec::new(),
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

    pub(super) fn want(&mut self, columns: &[&str]) -> Result<(), String> {
        let schema = self.file.metadata().file_metadata().schema_descr();
        let find = |name: &&str| {
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
            Ok(Wanted { leaf, physical, is_unsigned, is_list, present: column.max_def_level() })
        };
        self.wanted = columns.iter().map(find).collect::<Result<_, _>>()?;
        Ok(())
    }

    pub(super) fn next(&mut self, most: usize, chunk: &mut Chunk) -> Result<(), String> {
        chunk.columns.resize_with(self.wanted.len(), Cells::default);
        chunk.rows.clear();
        chunk.lines.clear();
        chunk.broken.clear();
        for (cells, wanted) in chunk.columns.iter_mut().zip(&self.wanted) {
            *cells = match (wanted.is_list, wanted.physical) {
                (true, _) => Cells::Lists { numbers: Vec::new(), ends: Vec::new() },
                (false, PhysicalType::BYTE_ARRAY) => Cells::texts(),
                (false, _) => Cells::Numbers(Vec::with_capacity(most)),
            };
        }
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
            for reader in &mut self.readers {
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
        self.readers =
            self.wanted.iter().map(|wanted| group.get_column_reader(wanted.leaf)).collect::<Result<_, _>>()?;
        self.left_in_group = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        self.next_group += 1;
        Ok(())
    }

    /// Reads rows of a column; how many there were.
    fn read(&mut self, index: usize, rows: usize, cells: &mut Cells) -> Result<usize, ParquetError> {
        let Self { wanted, readers, definitions, repetitions, .. } = self;
        let wanted = wanted[index];
        let levels = Levels { definitions, repetitions, wanted, rows };
        match &mut readers[index] {
            ColumnReader::BoolColumnReader(reader) => levels.read(reader, cells, |value| f64::from(u8::from(*value))),
            ColumnReader::Int32ColumnReader(reader) if wanted.is_unsigned => {
                levels.read(reader, cells, |value| f64::from(value.cast_unsigned()))
            }
            ColumnReader::Int32ColumnReader(reader) => levels.read(reader, cells, |value| f64::from(*value)),
            ColumnReader::Int64ColumnReader(reader) => levels.read(reader, cells, |value| *value as f64),
            ColumnReader::FloatColumnReader(reader) => levels.read(reader, cells, |value| f64::from(*value)),
            ColumnReader::DoubleColumnReader(reader) => levels.read(reader, cells, |value| *value),
            ColumnReader::ByteArrayColumnReader(reader) => levels.read_texts(reader, cells),
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
    fn values<T: DataType>(&mut self, reader: &mut ColumnReaderImpl<T>) -> Result<(usize, Vec<T::T>), ParquetError> {
        self.definitions.clear();
        self.repetitions.clear();
        let mut values = Vec::with_capacity(self.rows);
        let mut found = 0;
        while found < self.rows {
            let (records, ..) = reader.read_records(
                self.rows - found,
                Some(&mut *self.definitions),
                Some(&mut *self.repetitions),
                &mut values,
            )?;
            if records == 0 {
                break;
            }
            found += records;
        }
        Ok((found, values))
    }

    fn read<T: DataType>(
        mut self,
        reader: &mut ColumnReaderImpl<T>,
        cells: &mut Cells,
        number: impl Fn(&T::T) -> f64,
    ) -> Result<usize, ParquetError> {
        let (found, values) = self.values(reader)?;
        match cells {
            Cells::Numbers(numbers) if self.definitions.is_empty() => numbers.extend(values.iter().map(number)),
            Cells::Numbers(numbers) => {
                let mut values = values.iter();
                let present = self.wanted.present;
                let next = |level: &i16| {
                    if *level == present { values.next().map_or(f64::NAN, &number) } else { f64::NAN }
                };
                numbers.extend(self.definitions.iter().map(next));
            }
            Cells::Lists { numbers, ends } => {
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
            }
            Cells::Texts { .. } => {}
        }
        Ok(found)
    }

    fn read_texts<T: DataType<T = ByteArray>>(
        mut self,
        reader: &mut ColumnReaderImpl<T>,
        cells: &mut Cells,
    ) -> Result<usize, ParquetError> {
        let (found, values) = self.values(reader)?;
        let mut values = values.iter();
        for row in 0..found {
            let is_there = self.definitions.get(row).is_none_or(|level| *level == self.wanted.present);
            let text = if is_there { values.next().map_or(&b""[..], ByteArray::data) } else { b"" };
            cells.push_text(text);
        }
        Ok(found)
    }
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
