//! Rows of CSV, compressed CSV and Parquet files, one way to walk them.

use csv::StringRecord;
use std::borrow::Cow;
use std::fmt;
use std::io::Read;

/// Bad rows that a message shows; the rest is counted.
const SHOWN: usize = 20;

/// A file of rows under named columns.
pub(crate) struct Rows<'a> {
    content: Content<'a>,
    /// Column names, as the file writes them.
    pub(crate) header: Vec<String>,
}

enum Content<'a> {
    Csv(Cow<'a, [u8]>),
    #[cfg(feature = "cli")]
    Parquet(parquet::file::reader::SerializedFileReader<bytes::Bytes>),
}

/// Where a row stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowPlace {
    /// From 1, the header not counted.
    pub(crate) row: usize,
    /// Line of a text file, from 1.
    pub(crate) line: Option<u64>,
}

impl fmt::Display for RowPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "row {} (line {line})", self.row),
            None => write!(formatter, "row {}", self.row),
        }
    }
}

impl<'a> Rows<'a> {
    /// Reads the header. The ending of the name says what the file is.
    pub(crate) fn open(name: &str, bytes: &'a [u8]) -> Result<Self, String> {
        let name = name.to_ascii_lowercase();
        let rows = if name.ends_with(".parquet") { Self::open_parquet(bytes) } else { Self::open_csv(&name, bytes) }?;
        let twice = rows.header.iter().enumerate().find(|(index, name)| rows.header[..*index].contains(name));
        match twice {
            Some((_, name)) => Err(format!("has two columns {name:?}")),
            None => Ok(rows),
        }
    }

    fn open_csv(name: &str, bytes: &'a [u8]) -> Result<Self, String> {
        let text: Cow<'a, [u8]> = if name.ends_with(".gz") {
            let mut text = Vec::new();
            flate2::read::MultiGzDecoder::new(bytes)
                .read_to_end(&mut text)
                .map_err(|error| format!("is not a gzip file: {error}"))?;
            Cow::Owned(text)
        } else {
            Cow::Borrowed(bytes)
        };
        let text = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)),
            Cow::Owned(mut text) => {
                if text.starts_with(b"\xef\xbb\xbf") {
                    text.drain(..3);
                }
                Cow::Owned(text)
            }
        };
        let mut reader = csv_reader(&text);
        let header = reader.headers().map_err(|error| format!("has no readable header: {error}"))?;
        let header: Vec<String> = header.iter().map(str::to_owned).collect();
        if header.is_empty() || header.iter().all(String::is_empty) {
            return Err("is empty".to_owned());
        }
        Ok(Self { content: Content::Csv(text), header })
    }

    #[cfg(feature = "cli")]
    fn open_parquet(bytes: &'a [u8]) -> Result<Self, String> {
        use parquet::file::reader::{FileReader, SerializedFileReader};
        let reader = SerializedFileReader::new(bytes::Bytes::copy_from_slice(bytes))
            .map_err(|error| format!("is not a Parquet file: {error}"))?;
        if let Some(fault) = unreadable_compression(reader.metadata()) {
            return Err(fault);
        }
        let schema = reader.metadata().file_metadata().schema();
        let header = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
        Ok(Self { content: Content::Parquet(reader), header })
    }

    #[cfg(not(feature = "cli"))]
    fn open_parquet(_bytes: &'a [u8]) -> Result<Self, String> {
        Err("is a Parquet file, which this build cannot read: build with the feature `cli`, or give CSV".to_owned())
    }

    /// Shows each row, or what is wrong with it: fields that are not one per column, text that is not UTF-8.
    pub(crate) fn visit(&self, visit: &mut dyn FnMut(RowPlace, Result<&StringRecord, String>)) -> Result<(), String> {
        match &self.content {
            Content::Csv(text) => visit_csv(text, self.header.len(), visit),
            #[cfg(feature = "cli")]
            Content::Parquet(reader) => visit_parquet(reader, visit),
        }
    }
}

fn csv_reader(text: &[u8]) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text)
}

fn visit_csv(
    text: &[u8],
    columns: usize,
    visit: &mut dyn FnMut(RowPlace, Result<&StringRecord, String>),
) -> Result<(), String> {
    let mut reader = csv_reader(text);
    let mut record = StringRecord::new();
    let mut row = 0;
    loop {
        row += 1;
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                let place = RowPlace { row, line: line_of(text, record.position()) };
                if record.len() == columns {
                    visit(place, Ok(&record));
                } else {
                    visit(place, Err(format!("{} fields under {columns} columns", record.len())));
                }
            }
            Err(error) => match error.kind() {
                csv::ErrorKind::Utf8 { pos, .. } => {
                    let place = RowPlace { row, line: line_of(text, pos.as_ref()) };
                    visit(place, Err("not UTF-8 text".to_owned()));
                }
                _ => return Err(format!("cannot be read: {error}")),
            },
        }
    }
}

/// The line on which a record starts. The position of the CSV reader stands before the blank lines that it skips.
fn line_of(text: &[u8], position: Option<&csv::Position>) -> Option<u64> {
    let position = position?;
    let rest = text.get(usize::try_from(position.byte()).ok()?..)?;
    let blank = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
    Some(position.line() + blank.filter(|byte| **byte == b'\n').count() as u64)
}

#[cfg(feature = "cli")]
fn visit_parquet(
    reader: &parquet::file::reader::SerializedFileReader<bytes::Bytes>,
    visit: &mut dyn FnMut(RowPlace, Result<&StringRecord, String>),
) -> Result<(), String> {
    use parquet::file::reader::FileReader;
    use parquet::record::Field;
    let broken = |error: parquet::errors::ParquetError| format!("cannot be read: {error}");
    let mut record = StringRecord::new();
    for (index, row) in reader.get_row_iter(None).map_err(broken)?.enumerate() {
        let place = RowPlace { row: index + 1, line: None };
        // The reader makes texts of a row as it reads it, and goes no further where one is not UTF-8.
        let row = row.map_err(|error| format!("cannot be read at {place}, where texts must be UTF-8: {error}"))?;
        record.clear();
        let mut is_text = true;
        for (_, field) in row.get_column_iter() {
            match field {
                Field::Null => record.push_field(""),
                Field::Bool(value) => record.push_field(if *value { "1" } else { "0" }),
                Field::Str(text) => record.push_field(text.trim()),
                // Whole numbers without a point, as in a log.
                Field::Float(value) => record.push_field(&value.to_string()),
                Field::Double(value) => record.push_field(&value.to_string()),
                Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
                    Ok(text) => record.push_field(text.trim()),
                    Err(_) => is_text = false,
                },
                other => record.push_field(&other.to_string()),
            }
        }
        visit(place, if is_text { Ok(&record) } else { Err("not UTF-8 text".to_owned()) });
    }
    Ok(())
}

/// Why a Parquet file whose columns are compressed in a way that this program does not know cannot be read.
#[cfg(feature = "cli")]
pub(crate) fn unreadable_compression(file: &parquet::file::metadata::ParquetMetaData) -> Option<String> {
    use parquet::basic::Compression;
    let mut columns = file.row_groups().iter().flat_map(|group| group.columns());
    columns.find_map(|column| {
        let name = match column.compression() {
            Compression::LZ4 | Compression::LZ4_RAW => "lz4",
            Compression::BROTLI(_) => "brotli",
            Compression::LZO => "lzo",
            _ => return None,
        };
        let readable = "write it with zstd, snappy or gzip, or without compression";
        Some(format!("is compressed with {name}, which is not supported: {readable}"))
    })
}

/// What is wrong with the rows of a file: the first ones in words, the rest as a count.
#[derive(Debug, Default)]
pub(crate) struct BadRows {
    shown: Vec<String>,
    count: usize,
}

impl BadRows {
    /// How many there are.
    #[cfg(feature = "cli")]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Notes a row that is wrong as a whole.
    pub(crate) fn add_row(&mut self, place: RowPlace, fault: &str) {
        self.add(|| format!("{place}: {fault}"));
    }

    /// Notes a wrong value.
    pub(crate) fn add_value(&mut self, place: RowPlace, column: &str, value: &str, fault: &str) {
        self.add(|| format!("{place}, column {column:?}: {value:?} {fault}"));
    }

    fn add(&mut self, describe: impl FnOnce() -> String) {
        self.count += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(describe());
        }
    }

    /// The message, if any row is bad.
    pub(crate) fn message(&self, file: &str) -> Option<String> {
        let rest = self.count - self.shown.len();
        match self.count {
            0 => None,
            1 => Some(format!("{file}, {}", self.shown[0])),
            _ => {
                let mut message = format!("{file} has {} bad values:\n{}", self.count, self.shown.join("\n"));
                if rest > 0 {
                    message += &format!("\n… and {rest} more");
                }
                Some(message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(name: &str, bytes: &[u8]) -> Vec<String> {
        let rows = Rows::open(name, bytes).unwrap();
        let mut seen = Vec::new();
        rows.visit(&mut |place, record| {
            seen.push(match record {
                Ok(record) => format!("{place}: {}", record.iter().collect::<Vec<_>>().join("|")),
                Err(fault) => format!("{place}! {fault}"),
            });
        })
        .unwrap();
        seen
    }

    #[test]
    fn rows_keep_their_line_in_the_file() {
        let text = b"\xef\xbb\xbfid,spend\n1, 2.5\n\n2\n3,\"a\nb\"\n4,\xff\n5,6\n";
        assert_eq!(
            collect("x.csv", text),
            vec![
                "row 1 (line 2): 1|2.5",
                "row 2 (line 4)! 1 fields under 2 columns",
                "row 3 (line 5): 3|a\nb",
                "row 4 (line 7)! not UTF-8 text",
                "row 5 (line 8): 5|6"
            ]
        );
    }

    #[test]
    fn compressed_rows_are_the_same_rows() {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"a\n1\n").unwrap();
        assert_eq!(collect("x.csv.gz", &encoder.finish().unwrap()), vec!["row 1 (line 2): 1"]);
        assert!(Rows::open("x.csv.gz", b"a\n1\n").is_err());
        assert!(Rows::open("x.csv", b"").is_err());
        assert!(Rows::open("x.parquet", b"PAR1").is_err());
    }

    #[cfg(feature = "cli")]
    #[test]
    fn parquet_rows_are_read_as_text() {
        use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
        use parquet::file::properties::WriterProperties;
        use parquet::file::writer::SerializedFileWriter;
        use std::sync::Arc;
        let schema = "message customers { required binary id (UTF8); optional double spend; }";
        let schema = Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
        let mut bytes = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(WriterProperties::default())).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let ids = [ByteArray::from("x"), ByteArray::from("y")];
        column.typed::<ByteArrayType>().write_batch(&ids, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&[2.5], Some(&[1, 0]), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        assert_eq!(Rows::open("x.parquet", &bytes).unwrap().header, vec!["id", "spend"]);
        assert_eq!(collect("x.parquet", &bytes), vec!["row 1: x|2.5", "row 2: y|"]);
    }

    #[test]
    fn many_bad_rows_are_counted() {
        let mut bad = BadRows::default();
        assert_eq!(bad.message("x.csv"), None);
        bad.add_value(RowPlace { row: 1, line: Some(2) }, "spend", "abc", "is not a number");
        assert_eq!(bad.message("x.csv").unwrap(), "x.csv, row 1 (line 2), column \"spend\": \"abc\" is not a number");
        for row in 2..=30 {
            bad.add_row(RowPlace { row, line: None }, "broken");
        }
        let message = bad.message("x.csv").unwrap();
        assert!(message.starts_with("x.csv has 30 bad values:") && message.ends_with("… and 10 more"), "{message}");
    }
}
