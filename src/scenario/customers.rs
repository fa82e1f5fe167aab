//! `[market.population]`: real customers from CSV, compressed CSV or Parquet.

use super::error::Code;
use super::rows::{BadRows, Rows};
use super::suggestion::way_out;
use super::table::{Reader, Section};
use crate::market::customers::CustomerTable;
use crate::registry::{Kind, Parameter};
use std::collections::BTreeMap;
use toml::de::DeValue;

/// Keys of `[market.population]`.
pub(super) const POPULATION: &[Parameter] =
    &[Parameter::of("file", Kind::Text { default: None }, "customers, one row each: .csv, .csv.gz or .parquet")
        .required()];

/// `columns`, read here: its values are texts under free names.
pub(super) const COLUMNS: Parameter = Parameter::of(
    "columns",
    Kind::Coefficients,
    "name in the market = \"name in the file\"; without it, all columns under their own names",
);

/// A column to be read.
struct Wanted {
    /// Name in the market.
    name: String,
    /// Position in the file.
    index: usize,
}

/// Reads the customers, or notes all that is wrong: file, row, column, value.
pub(super) fn read(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<CustomerTable> {
    let values = reader.values(section, POPULATION, &[COLUMNS.name]);
    let columns = columns(reader, section);
    let (values, columns) = (values?, columns?);
    let (file, place) = (values.text("file"), values.place("file"));
    let path = section.key("file");
    let bytes = match reader.files.read(file) {
        Ok(bytes) => bytes,
        Err((message, help)) => {
            reader.fault(Code::UnreadableFile, place, format!("{path}: {message}"), help);
            return None;
        }
    };
    let rows = match Rows::open(file, &bytes) {
        Ok(rows) => rows,
        Err(fault) => {
            let help = "give a CSV file with a header line, or a Parquet file";
            reader.fault(Code::BadTable, place, format!("{path}: {file} {fault}"), help);
            return None;
        }
    };
    let wanted = match columns {
        Some(columns) => find_columns(reader, section, file, &rows.header, &columns)?,
        None => rows.header.iter().enumerate().map(|(index, name)| Wanted { name: name.clone(), index }).collect(),
    };
    match table(file, &rows, &wanted) {
        Ok(table) => Some(table),
        Err(message) => {
            let help = "mend or drop these rows; every value must be there, and finite where its column is numeric";
            reader.fault(Code::BadTable, place, format!("{path}: {message}"), help);
            None
        }
    }
}

type ColumnMap = Vec<(String, String, std::ops::Range<usize>)>;

/// The column map; `Some(None)` where the file has none.
fn columns(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Option<ColumnMap>> {
    let Some(given) = section.get(COLUMNS.name) else { return Some(None) };
    let path = section.key(COLUMNS.name);
    let DeValue::Table(table) = given.get_ref() else {
        let message = format!("{path}: expected a table, found {}", reader.found(given));
        reader.fault(Code::WrongType, Some(given.span()), message, "write columns = { id = \"customer\", … }");
        return None;
    };
    let map = Section { path, place: given.span(), table };
    reader.if_clean(|reader| {
        let mut columns = ColumnMap::new();
        for (name, _, value) in map.in_order() {
            match value.get_ref() {
                DeValue::String(column) => columns.push((name.to_owned(), column.to_string(), value.span())),
                _ => {
                    let found = reader.found(value);
                    let message = format!("{}: expected the name of a column, found {found}", map.key(name));
                    reader.fault(Code::WrongType, Some(value.span()), message, "");
                }
            }
        }
        Some(Some(columns))
    })
}

fn find_columns(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    file: &str,
    header: &[String],
    columns: &ColumnMap,
) -> Option<Vec<Wanted>> {
    let known: Vec<&str> = header.iter().map(String::as_str).collect();
    reader.if_clean(|reader| {
        let mut wanted = Vec::with_capacity(columns.len());
        for (name, column, place) in columns {
            match known.iter().position(|known| known == column) {
                Some(index) => wanted.push(Wanted { name: name.clone(), index }),
                None => {
                    let message = format!("{}.{name}: {file} has no column {column:?}", section.key(COLUMNS.name));
                    let mut help = way_out(column, &known, "its columns");
                    if known.len() == 1 && known[0].contains([';', '\t']) {
                        help = format!("{help}; columns must be separated by commas");
                    }
                    reader.fault(Code::UnknownName, Some(place.clone()), message, help);
                }
            }
        }
        Some(wanted)
    })
}

/// A column is numeric if at least half of its values are numbers; `id` never is.
fn numeric_columns(rows: &Rows<'_>, wanted: &[Wanted]) -> Result<Vec<bool>, String> {
    let mut numbers = vec![0_u64; wanted.len()];
    let mut count = 0_u64;
    rows.visit(&mut |_, record| {
        if let Ok(record) = record {
            count += 1;
            for (column, number) in wanted.iter().zip(&mut numbers) {
                *number += u64::from(record[column.index].parse::<f64>().is_ok());
            }
        }
    })?;
    Ok(wanted.iter().zip(numbers).map(|(column, number)| column.name != "id" && 2 * number >= count).collect())
}

fn table(file: &str, rows: &Rows<'_>, wanted: &[Wanted]) -> Result<CustomerTable, String> {
    let in_file = |fault| format!("{file} {fault}");
    let numeric = numeric_columns(rows, wanted).map_err(in_file)?;
    let mut bad = BadRows::default();
    let mut numbers: Vec<Vec<f64>> = vec![Vec::new(); wanted.len()];
    let mut texts: Vec<Vec<String>> = vec![Vec::new(); wanted.len()];
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    let mut count = 0;
    rows.visit(&mut |place, record| {
        count += 1;
        let record = match record {
            Ok(record) => record,
            Err(fault) => return bad.add_row(place, &fault),
        };
        for (position, column) in wanted.iter().enumerate() {
            let (value, header) = (&record[column.index], &rows.header[column.index]);
            if numeric[position] {
                match value.parse::<f64>() {
                    Ok(number) if number.is_finite() => numbers[position].push(number),
                    _ => bad.add_value(place, header, value, "is not a finite number"),
                }
            } else if value.is_empty() {
                bad.add_value(place, header, value, "is empty");
            } else {
                if column.name == "id"
                    && let Some(first) = ids.insert(value.to_owned(), place.to_string())
                {
                    bad.add_value(place, header, value, &format!("stands already in {first}"));
                }
                texts[position].push(value.to_owned());
            }
        }
    })
    .map_err(in_file)?;
    if let Some(message) = bad.message(file) {
        return Err(message);
    }
    if count == 0 {
        return Err(format!("{file} has a header but no rows"));
    }
    let mut table = CustomerTable { rows: count, source: file.to_owned(), ..CustomerTable::default() };
    for (position, column) in wanted.iter().enumerate() {
        if numeric[position] {
            table.numbers.insert(column.name.clone(), std::mem::take(&mut numbers[position]));
        } else {
            table.texts.insert(column.name.clone(), std::mem::take(&mut texts[position]));
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> Result<CustomerTable, String> {
        let rows = Rows::open("c.csv", text.as_bytes()).unwrap();
        let wanted: Vec<Wanted> =
            rows.header.iter().enumerate().map(|(index, name)| Wanted { name: name.clone(), index }).collect();
        table("c.csv", &rows, &wanted)
    }

    #[test]
    fn numeric_columns_are_found_and_ids_stay_texts() {
        let table = read_all("id,spend,area\n1,2.5,Rural\n2,0,Urban\n").unwrap();
        assert_eq!(table.rows, 2);
        assert_eq!(table.numbers["spend"], vec![2.5, 0.0]);
        assert_eq!(table.texts["area"], vec!["Rural", "Urban"]);
        assert_eq!(table.texts["id"], vec!["1", "2"]);
    }

    #[test]
    fn bad_values_are_named_by_row_column_and_value() {
        let message = read_all("id,spend,area\n1,2.5,Rural\n2,abc,Urban\n1,1,\n4,inf,Rural\n").unwrap_err();
        for part in [
            "c.csv has 4 bad values",
            "row 2 (line 3), column \"spend\": \"abc\" is not a finite number",
            "row 3 (line 4), column \"id\": \"1\" stands already in row 1 (line 2)",
            "row 3 (line 4), column \"area\": \"\" is empty",
            "row 4 (line 5), column \"spend\": \"inf\" is not a finite number",
        ] {
            assert!(message.contains(part), "{part} is not in\n{message}");
        }
        assert_eq!(read_all("id,spend\n").unwrap_err(), "c.csv has a header but no rows");
    }
}
