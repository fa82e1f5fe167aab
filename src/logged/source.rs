//! Files of rows, read forwards some thousand rows at a time: memory does not grow with the file.

mod pages;
mod parquet_rows;
mod text_rows;

use super::cells::Chunk;
use parquet_rows::ParquetRows;
use std::collections::BTreeMap;
use std::path::Path;
use text_rows::TextRows;

/// One file of a log.
pub(super) enum Source {
    Text(Box<TextRows>),
    Parquet(Box<ParquetRows>),
}

impl Source {
    /// Opens a file; its ending says what it is.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence that goes on after its name.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let name = path.to_string_lossy().to_ascii_lowercase();
        if name.ends_with(".parquet") {
            ParquetRows::open(path).map(|rows| Self::Parquet(Box::new(rows)))
        } else {
            TextRows::open(path).map(|rows| Self::Text(Box::new(rows)))
        }
    }

    /// Names of the columns.
    pub(super) fn header(&self) -> Vec<String> {
        match self {
            Self::Text(rows) => rows.header().to_vec(),
            Self::Parquet(rows) => rows.header(),
        }
    }

    /// Key-value metadata; none of a text file.
    pub(super) fn metadata(&self) -> BTreeMap<String, String> {
        match self {
            Self::Text(_) => BTreeMap::new(),
            Self::Parquet(rows) => rows.metadata(),
        }
    }

    /// Says which columns are read, by name; all of them are in the header. Where there is none, the chunk has an empty
    /// column.
    ///
    /// # Errors
    /// Where a column is of a type that cannot be read.
    pub(super) fn want(&mut self, columns: &[Option<&str>]) -> Result<(), String> {
        match self {
            Self::Text(rows) => rows.want(columns),
            Self::Parquet(rows) => rows.want(columns),
        }
    }

    /// The next rows, at most so many; none at the end.
    ///
    /// # Errors
    /// Where the file breaks off.
    pub(super) fn next(&mut self, most: usize, chunk: &mut Chunk) -> Result<(), String> {
        match self {
            Self::Text(rows) => rows.next(most, chunk),
            Self::Parquet(rows) => rows.next(most, chunk),
        }
    }
}
