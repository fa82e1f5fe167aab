//! A Parquet log that was cut off, or in which bytes were changed, is refused in words or read as what it says; it never
//! ends the program by a panic.

use assert_cmd::Command;
use mercato::logged;
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const SCHEMA: &str = "message log { required int64 customer; required binary arm (utf8); required double p;
    optional double sale; optional binary place (utf8); required boolean ended; required group law (LIST) {
    repeated group list { required double element; } } }";
const EVALUATION: &str = r#"
[log]
path = "log.parquet"
unit = "customer"
action = "arm"
actions = ["a", "b"]
reward = "sale"
propensity = "p"
probabilities = "law"
terminated = "ended"
context = ["place"]
[[target]]
name = "even"
kind = "uniform"
[[estimator]]
kind = "ips"
"#;

/// A small log in two row groups.
fn log(compression: Compression) -> Vec<u8> {
    let properties = WriterProperties::builder().set_compression(compression).build();
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    for group in 0..2_i64 {
        let rows: Vec<i64> = (0..12).map(|row| 12 * group + row).collect();
        let texts =
            |names: [&str; 2]| rows.iter().map(|row| ByteArray::from(names[(row % 2) as usize])).collect::<Vec<_>>();
        let halves = [0.5; 24];
        let sales: Vec<f64> = rows.iter().map(|row| (row % 3) as f64).collect();
        let mut groups = writer.next_row_group().unwrap();
        let mut number = 0;
        while let Some(mut column) = groups.next_column().unwrap() {
            let there = [1; 12];
            match number {
                0 => column.typed::<Int64Type>().write_batch(&rows, None, None),
                1 => column.typed::<ByteArrayType>().write_batch(&texts(["a", "b"]), None, None),
                2 => column.typed::<DoubleType>().write_batch(&halves[..12], None, None),
                3 => column.typed::<DoubleType>().write_batch(&sales, Some(&there), None),
                4 => column.typed::<ByteArrayType>().write_batch(&texts(["north", "south"]), Some(&there), None),
                5 => column.typed::<BoolType>().write_batch(&[false; 12], None, None),
                _ => {
                    let repeated: Vec<i16> = (0..24).map(|place| place % 2).collect();
                    column.typed::<DoubleType>().write_batch(&halves, Some(&[1; 24]), Some(&repeated))
                }
            }
            .unwrap();
            column.close().unwrap();
            number += 1;
        }
        groups.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("e.toml"), EVALUATION).unwrap();
    folder
}

/// Whether the log is judged; a panic fails the test and says what was broken.
fn is_judged(folder: &Path, bytes: &[u8], what: &str) -> bool {
    fs::write(folder.join("log.parquet"), bytes).unwrap();
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let evaluation = logged::load(&folder.join("e.toml")).unwrap();
        logged::judge(&evaluation, false).map_err(|errors| errors.to_string())
    }));
    match judged {
        Ok(Ok(_)) => true,
        Ok(Err(told)) => {
            assert!(told.contains("log"), "{what}: {told}");
            false
        }
        Err(_) => panic!("{what}: a panic"),
    }
}

#[test]
fn a_log_cut_off_anywhere_is_refused() {
    let folder = folder();
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
        let whole = log(compression);
        assert!(is_judged(folder.path(), &whole, "the whole file"));
        for length in (0..whole.len()).step_by(7) {
            assert!(!is_judged(folder.path(), &whole[..length], &format!("{compression}, {length} bytes")));
        }
    }
}

#[test]
fn changed_bytes_are_never_a_panic() {
    let folder = folder();
    let mut refused = 0;
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
        let whole = log(compression);
        for place in 0..whole.len() {
            let change = [0x01, 0x80, 0xff][place % 3];
            let mut bytes = whole.clone();
            bytes[place] ^= change;
            let what = format!("{compression}, byte {place} of {} xor {change}", whole.len());
            refused += usize::from(!is_judged(folder.path(), &bytes, &what));
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn garbage_for_a_column_chunk_is_told_with_the_file_and_ends_with_2() {
    let folder = folder();
    let whole = log(Compression::SNAPPY);
    let mut garbage = whole.clone();
    garbage[4..whole.len() / 3].iter_mut().enumerate().for_each(|(place, byte)| *byte = (37 * place) as u8);
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("an empty file", Vec::new(), "log.parquet is empty"),
        ("another file", b"place,arm\nnorth,a\n".repeat(9), "log.parquet is no whole Parquet file"),
        ("half a file", whole[..whole.len() / 2].to_vec(), "log.parquet is no whole Parquet file"),
        ("garbage", garbage, "log.parquet breaks off"),
    ];
    for (what, bytes, told) in cases {
        fs::write(folder.path().join("log.parquet"), bytes).unwrap();
        let mut command = Command::cargo_bin("mercato").unwrap();
        let output = command.current_dir(folder.path()).args(["evaluate", "e.toml", "--out", "out"]).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{what}: {error}");
        assert!(error.contains(told) && !error.contains("panicked"), "{what}: {error}");
        assert!(!folder.path().join("out").exists(), "{what}");
    }
}

#[test]
fn a_compression_that_cannot_be_read_is_named() {
    let folder = folder();
    let whole = log(Compression::SNAPPY);
    // In the metadata at the end, each column tells its codec before the number of its values: thrift's field 4, then 5.
    let footer = whole.len() - 8 - u32::from_le_bytes(whole[whole.len() - 8..][..4].try_into().unwrap()) as usize;
    for (codec, name) in [(4, "brotli"), (5, "lz4"), (7, "lz4")] {
        let mut bytes = whole.clone();
        let places = (footer..whole.len() - 2).filter(|place| whole[*place..][..3] == [0x15, 2, 0x16]);
        let changed = places.map(|place| bytes[place + 1] = 2 * codec).count();
        assert_eq!(changed, 14, "two row groups of seven columns");
        fs::write(folder.path().join("log.parquet"), &bytes).unwrap();
        let mut command = Command::cargo_bin("mercato").unwrap();
        let output = command.current_dir(folder.path()).args(["evaluate", "e.toml", "--out", "out"]).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        let told =
            format!("log.parquet is compressed with {name}, which is not supported: write it with zstd, snappy or");
        assert!(output.status.code() == Some(2) && error.contains(&told), "{error}");
    }
}
