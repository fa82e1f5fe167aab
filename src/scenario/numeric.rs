//! Tables of numbers in CSV files.

use super::error::Code;
use super::rows::{BadRows, Rows};
use super::table::Reader;
use crate::registry::NumericTable;
use std::ops::Range;

/// Reads a table whose every value must be a finite number. Faults point at the path in the scenario.
pub(super) fn read(reader: &mut Reader<'_>, path: &str, file: &str, place: Range<usize>) -> Option<NumericTable> {
    let bytes = match reader.files.read(file) {
        Ok(bytes) => bytes,
        Err((message, help)) => {
            reader.fault(Code::UnreadableFile, Some(place), format!("{path}: {message}"), help);
            return None;
        }
    };
    match parse(file, &bytes) {
        Ok(table) => Some(table),
        Err(message) => {
            let help = "a header line, then rows of numbers, separated by commas";
            reader.fault(Code::BadTable, Some(place), format!("{path}: {message}"), help);
            None
        }
    }
}

fn parse(file: &str, bytes: &[u8]) -> Result<NumericTable, String> {
    let rows = Rows::open(file, bytes).map_err(|fault| format!("{file} {fault}"))?;
    let mut bad = BadRows::default();
    let mut table = NumericTable { header: rows.header.clone(), rows: Vec::new() };
    rows.visit(&mut |place, record| match record {
        Err(fault) => bad.add_row(place, &fault),
        Ok(record) => {
            let mut numbers = Vec::with_capacity(record.len());
            for (column, field) in rows.header.iter().zip(record) {
                match field.parse::<f64>() {
                    Ok(number) if number.is_finite() => numbers.push(number),
                    _ => bad.add_value(place, column, field, "is not a finite number"),
                }
            }
            table.rows.push(numbers);
        }
    })
    .map_err(|fault| format!("{file} {fault}"))?;
    match bad.message(file) {
        Some(message) => Err(message),
        None if table.rows.is_empty() => Err(format!("{file} has a header but no rows")),
        None => Ok(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_faults_are_placed() {
        let table = parse("p.csv", b"state,action,p\n0,1,0.25\n1,0,1e-3\n").unwrap();
        assert_eq!(table.header, vec!["state", "action", "p"]);
        assert_eq!(table.rows, vec![vec![0.0, 1.0, 0.25], vec![1.0, 0.0, 0.001]]);
        assert_eq!(
            parse("p.csv", b"state,p\n0,1\n1,x\n").unwrap_err(),
            "p.csv, row 2 (line 3), column \"p\": \"x\" is not a finite number"
        );
        let both = parse("p.csv", b"state,p\n0,nan\n1,x,2\n").unwrap_err();
        assert!(both.contains("row 1 (line 2), column \"p\": \"nan\"") && both.contains("3 fields under 2"), "{both}");
        assert_eq!(parse("p.csv", b"state,p\n").unwrap_err(), "p.csv has a header but no rows");
    }
}
