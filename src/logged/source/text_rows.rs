//! CSV, plain or compressed.

use crate::logged::cells::{Cells, Chunk};
use csv::ByteRecord;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// Rows under a header.
pub(in crate::logged) struct TextRows {
    reader: csv::Reader<Box<dyn Read>>,
    header: Vec<String>,
    wanted: Vec<Option<usize>>,
    record: ByteRecord,
    row: usize,
}

impl TextRows {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
        let file = BufReader::with_capacity(1 << 18, file);
        let is_compressed = path.to_string_lossy().to_ascii_lowercase().ends_with(".gz");
        let plain: Box<dyn Read> =
            if is_compressed { Box::new(flate2::bufread::MultiGzDecoder::new(file)) } else { Box::new(file) };
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(plain);
        let header = reader.byte_headers().map_err(|error| broken(&error))?;
        let header: Result<Vec<String>, _> =
            header.iter().map(|name| std::str::from_utf8(name).map(str::to_owned)).collect();
        let mut header = header.map_err(|_| "has a header that is not UTF-8 text".to_owned())?;
        if let Some(first) = header.first_mut()
            && let Some(rest) = first.strip_prefix('\u{feff}')
        {
            *first = rest.to_owned();
        }
        if header.iter().all(String::is_empty) {
            return Err("is empty".to_owned());
        }
        Ok(Self { reader, header, wanted: Vec::new(), record: ByteRecord::new(), row: 0 })
    }

    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    pub(super) fn want(&mut self, columns: &[Option<&str>]) -> Result<(), String> {
        let find = |name: &Option<&str>| {
            let Some(name) = name else { return Ok(None) };
            let place = self.header.iter().position(|column| column == name);
            place.map(Some).ok_or_else(|| format!("has no column {name:?}"))
        };
        self.wanted = columns.iter().map(find).collect::<Result<_, _>>()?;
        Ok(())
    }

    pub(super) fn next(&mut self, most: usize, chunk: &mut Chunk) -> Result<(), String> {
        chunk.columns.resize_with(self.wanted.len(), Cells::texts);
        for cells in &mut chunk.columns {
            if !matches!(cells, Cells::Texts(_)) {
                *cells = Cells::texts();
            }
            cells.clear();
        }
        chunk.rows.clear();
        chunk.lines.clear();
        chunk.broken.clear();
        while chunk.rows.len() < most {
            let line_before = self.reader.position().line();
            if !self.reader.read_byte_record(&mut self.record).map_err(|error| broken(&error))? {
                break;
            }
            self.row += 1;
            let line = self.record.position().map_or(line_before, csv::Position::line);
            if self.record.len() != self.header.len() {
                let why = format!("{} fields under {} columns", self.record.len(), self.header.len());
                chunk.broken.push((self.row, Some(line), why));
                if chunk.broken.len() >= most {
                    break;
                }
                continue;
            }
            for (cells, column) in chunk.columns.iter_mut().zip(&self.wanted) {
                if let Some(column) = column {
                    cells.push_text(self.record.get(*column).unwrap_or(b""));
                }
            }
            chunk.rows.push(self.row);
            chunk.lines.push(line);
        }
        Ok(())
    }
}

fn broken(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
            "is not a gzip file".to_owned()
        }
        _ => format!("breaks off: {error}"),
    }
}
