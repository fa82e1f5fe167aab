//! `[market.population]`: real customers from CSV, compressed CSV or Parquet.

use super::error::Code;
use super::rows::{BadRows, RowPlace, Rows};
use super::suggestion::way_out;
use super::table::{Reader, Section};
use crate::market::customers::{self, ColumnKind, CustomerTable};
use crate::registry::{Kind, Parameter};
use csv::StringRecord;
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

/// Who says what a column must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A market of the kind `market`: its columns are known.
    Market,
    /// A market whose file declares its columns; they are told by what they hold.
    Declared,
}

/// Reads the customers, or notes all that is wrong: file, row, column, value.
pub(super) fn read(reader: &mut Reader<'_>, section: &Section<'_>, meaning: Meaning) -> Option<CustomerTable> {
    let values = reader.values(section, POPULATION, &[COLUMNS.name]);
    let columns = columns(reader, section, meaning);
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
    match table(file, &rows, &wanted, meaning) {
        Ok(table) => Some(table),
        Err(message) => {
            let help = "mend or drop these rows; every value must be there, and a plain number (1000.5, not 1_000,5) \
                        where its column is numeric";
            reader.fault(Code::BadTable, place, format!("{path}: {message}"), help);
            None
        }
    }
}

type ColumnMap = Vec<(String, String, std::ops::Range<usize>)>;

/// The column map; `Some(None)` where the file has none.
fn columns(reader: &mut Reader<'_>, section: &Section<'_>, meaning: Meaning) -> Option<Option<ColumnMap>> {
    let Some(given) = section.get(COLUMNS.name) else { return Some(None) };
    let path = section.key(COLUMNS.name);
    let DeValue::Table(table) = given.get_ref() else {
        let message = format!("{path}: expected a table, found {}", reader.found(given));
        reader.fault(Code::WrongType, Some(given.span()), message, "write columns = { id = \"customer\", … }");
        return None;
    };
    if table.is_empty() {
        let known = match meaning {
            Meaning::Market => format!("{} and, for each channel, NAME_reachable", customers::COLUMNS.join(", ")),
            Meaning::Declared => "each [[market.column]] by its name, and id".to_owned(),
        };
        let help = format!("map any of: {known}; or leave `columns` out where the file uses these names");
        reader.fault(Code::Refused, Some(given.span()), format!("{path}: maps no column"), help);
        return None;
    }
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

/// What a column holds: what the market says; else numbers if at least half of its values are numbers; `id` never.
fn kinds(rows: &Rows<'_>, wanted: &[Wanted], meaning: Meaning) -> Result<Vec<ColumnKind>, String> {
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
    let told = |(column, numbers): (&Wanted, u64)| match ColumnKind::of(&column.name) {
        ColumnKind::Text => ColumnKind::Text,
        known @ (ColumnKind::Consent | ColumnKind::Number) if meaning == Meaning::Market => known,
        _ if 2 * numbers >= count => ColumnKind::Number,
        _ => ColumnKind::Text,
    };
    Ok(wanted.iter().zip(numbers).map(told).collect())
}

/// The columns as they fill; faults of all rows and values are gathered.
struct Filling<'a> {
    wanted: &'a [Wanted],
    header: &'a [String],
    kinds: Vec<ColumnKind>,
    meaning: Meaning,
    bad: BadRows,
    numbers: Vec<Vec<f64>>,
    texts: Vec<Vec<String>>,
    /// Where each id stands first.
    ids: BTreeMap<String, String>,
    /// Positions of recency and tenure among the wanted columns, where both are there.
    recency_and_tenure: Option<(usize, usize)>,
}

impl<'a> Filling<'a> {
    fn new(rows: &'a Rows<'_>, wanted: &'a [Wanted], meaning: Meaning) -> Result<Self, String> {
        let position = |name: &str| wanted.iter().position(|column| column.name == name);
        let both = position("recency_days").zip(position("tenure_days"));
        Ok(Self {
            wanted,
            header: &rows.header,
            kinds: kinds(rows, wanted, meaning)?,
            meaning,
            bad: BadRows::default(),
            numbers: vec![Vec::new(); wanted.len()],
            texts: vec![Vec::new(); wanted.len()],
            ids: BTreeMap::new(),
            recency_and_tenure: both.filter(|_| meaning == Meaning::Market),
        })
    }

    fn take(&mut self, place: RowPlace, record: &StringRecord) {
        for (position, column) in self.wanted.iter().enumerate() {
            let (value, header) = (&record[column.index], &self.header[column.index]);
            match self.kinds[position] {
                ColumnKind::Number => self.take_number(place, position, value),
                ColumnKind::Consent => match customers::consent(value) {
                    Some(consent) => self.numbers[position].push(f64::from(u8::from(consent))),
                    None => self.bad.add_value(place, header, value, customers::CONSENT),
                },
                ColumnKind::Text | ColumnKind::Unknown if value.is_empty() => {
                    self.bad.add_value(place, header, value, "is empty");
                }
                ColumnKind::Text | ColumnKind::Unknown => {
                    if column.name == "id"
                        && let Some(first) = self.ids.insert(value.to_owned(), place.to_string())
                    {
                        self.bad.add_value(place, header, value, &format!("stands already in {first}"));
                    }
                    self.texts[position].push(value.to_owned());
                }
            }
        }
        self.compare(place, record);
    }

    fn take_number(&mut self, place: RowPlace, position: usize, value: &str) {
        let column = &self.wanted[position];
        let header = &self.header[column.index];
        match value.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                self.numbers[position].push(number);
                if self.meaning == Meaning::Market
                    && let Some(asked) = customers::unmet(&column.name, number)
                {
                    self.bad.add_value(place, header, value, asked);
                }
            }
            _ => self.bad.add_value(place, header, value, "is not a finite number"),
        }
    }

    /// Whether the first order came before the last, where both are in range.
    fn compare(&mut self, place: RowPlace, record: &StringRecord) {
        let Some((recency, tenure)) = self.recency_and_tenure else { return };
        let legal = |position: usize| {
            let column = &self.wanted[position];
            record[column.index].parse().ok().filter(|number| customers::unmet(&column.name, *number).is_none())
        };
        if let (Some(recency_days), Some(tenure_days)) = (legal(recency), legal(tenure))
            && tenure_days < recency_days
        {
            let index = self.wanted[tenure].index;
            self.bad.add_value(place, &self.header[index], &record[index], customers::TENURE);
        }
    }
}

fn table(file: &str, rows: &Rows<'_>, wanted: &[Wanted], meaning: Meaning) -> Result<CustomerTable, String> {
    let in_file = |fault| format!("{file} {fault}");
    let mut filling = Filling::new(rows, wanted, meaning).map_err(in_file)?;
    let mut count = 0;
    rows.visit(&mut |place, record| {
        count += 1;
        match record {
            Ok(record) => filling.take(place, record),
            Err(fault) => filling.bad.add_row(place, &fault),
        }
    })
    .map_err(in_file)?;
    if let Some(message) = filling.bad.message(file) {
        return Err(message);
    }
    if count == 0 {
        return Err(format!("{file} has a header but no rows"));
    }
    let mut table = CustomerTable { rows: count, source: file.to_owned(), ..CustomerTable::default() };
    let columns = filling.numbers.into_iter().zip(filling.texts).zip(filling.kinds);
    for (column, ((numbers, texts), kind)) in wanted.iter().zip(columns) {
        match kind {
            ColumnKind::Number | ColumnKind::Consent => {
                table.numbers.insert(column.name.clone(), numbers);
            }
            ColumnKind::Text | ColumnKind::Unknown => {
                table.texts.insert(column.name.clone(), texts);
            }
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> Result<CustomerTable, String> {
        read_as(text, Meaning::Declared)
    }

    fn read_as(text: &str, meaning: Meaning) -> Result<CustomerTable, String> {
        let rows = Rows::open("c.csv", text.as_bytes()).unwrap();
        let wanted: Vec<Wanted> =
            rows.header.iter().enumerate().map(|(index, name)| Wanted { name: name.clone(), index }).collect();
        table("c.csv", &rows, &wanted, meaning)
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

    #[test]
    fn consents_may_be_words_and_all_else_is_refused() {
        let table = read_as("email_reachable,sms_reachable\nno,1\nYES,0\n", Meaning::Market).unwrap();
        assert_eq!(table.numbers["email_reachable"], vec![0.0, 1.0]);
        assert_eq!(table.numbers["sms_reachable"], vec![1.0, 0.0]);
        let message = read_as("email_reachable\n0.4\n", Meaning::Market).unwrap_err();
        assert_eq!(
            message,
            format!("c.csv, row 1 (line 2), column \"email_reachable\": \"0.4\" {}", customers::CONSENT)
        );
        // Where the file declares its columns, the name means nothing.
        assert_eq!(read_all("email_reachable\n0.4\n").unwrap().numbers["email_reachable"], vec![0.4]);
    }

    #[test]
    fn every_fault_of_every_row_of_a_market_is_told() {
        let text = "recency_days,tenure_days,orders,spend\n5,9,1_000,1_000\n-3,9,x,1\n7,6,1.5,2_000\n8,9,1,3_000\n";
        let message = read_as(text, Meaning::Market).unwrap_err();
        for part in [
            "c.csv has 8 bad values",
            "row 1 (line 2), column \"orders\": \"1_000\" is not a finite number",
            "row 1 (line 2), column \"spend\": \"1_000\" is not a finite number",
            "row 2 (line 3), column \"recency_days\": \"-3\" must be from 0 to 36,500",
            "row 2 (line 3), column \"orders\": \"x\" is not a finite number",
            "row 3 (line 4), column \"tenure_days\": \"6\" must not be less than recency_days",
            "row 3 (line 4), column \"orders\": \"1.5\" must be a whole number from 1 to 100,000",
            "row 3 (line 4), column \"spend\": \"2_000\" is not a finite number",
            "row 4 (line 5), column \"spend\": \"3_000\" is not a finite number",
        ] {
            assert!(message.contains(part), "{part} is not in\n{message}");
        }
    }
}
