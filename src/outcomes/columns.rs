//! The outcomes: rows of a CSV or Parquet file, by column, with all that is wrong with them.

use crate::evaluation::experiment::uplift::Segment;
use crate::registry::Values;
use crate::scenario::Code;
use crate::scenario::rows::{BadRows, RowPlace, Rows};
use crate::scenario::suggestion::way_out;
use crate::scenario::table::Reader;
use csv::StringRecord;
use std::collections::BTreeMap;
use std::ops::Range as Place;

/// More arms than this are no arms.
const MOST_ARMS: usize = 64;

/// The outcomes of an experiment, one row a unit, in the order of time where the file names one.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// Names of the arms, the control first.
    pub arm_names: Vec<String>,
    /// Shares of the arms by design; they need not sum to 1.
    pub shares: Vec<f64>,
    /// The arm of each unit.
    pub arms: Vec<u32>,
    /// Columns of numbers: outcomes, denominators, covariates.
    pub numbers: Vec<Vec<f64>>,
    /// Whom or what each unit belongs to.
    pub clusters: Option<Vec<u64>>,
    /// The stratum of each unit.
    pub strata: Option<Vec<u32>>,
    /// The period of each unit, from 0, in order.
    pub periods: Option<Vec<u32>>,
    /// Whether each unit is exposed to its arm alone.
    pub exposures: Option<Vec<bool>>,
    /// The probability of that.
    pub exposure_probabilities: Option<Vec<f64>>,
    /// What is known of each unit before the experiment.
    pub segments: Vec<Segment>,
}

/// The columns that a file asks for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    unit: Option<String>,
    numbers: Vec<String>,
    segments: Vec<String>,
    /// Each column that is named somewhere, with the place and the key.
    named: Vec<(String, Option<Place<usize>>, String)>,
}

impl Wanted {
    pub(super) fn new(data: &Values, metrics: &[(String, Values)], uplift: Option<&Values>) -> Self {
        let unit = Some(data.text("unit")).filter(|unit| *unit != "row").map(str::to_owned);
        let mut wanted = Self { unit, numbers: Vec::new(), segments: Vec::new(), named: Vec::new() };
        let mut name = |values: &Values, key: &str, path: &str, column: &str| {
            wanted.named.push((column.to_owned(), values.place(key), format!("{path}.{key}")));
        };
        for key in ["arm", "time", "cluster", "exposure", "exposure_probability"] {
            if let Some(column) = data.optional_text(key) {
                name(data, key, "data", column);
            }
        }
        if let Some(unit) = &wanted.unit {
            name(data, "unit", "data", unit);
        }
        data.texts("strata").iter().for_each(|column| name(data, "strata", "data", column));
        for (path, values) in metrics {
            let outcome = values.optional_text("outcome");
            let key = if outcome.is_some() { "outcome" } else { "name" };
            name(values, key, path, outcome.unwrap_or(values.text("name")));
            for key in ["denominator", "covariate"] {
                if let Some(column) = values.optional_text(key) {
                    name(values, key, path, column);
                }
            }
        }
        if let Some(values) = uplift {
            values.texts("segments").iter().for_each(|column| name(values, "segments", "uplift", column));
            wanted.segments = values.texts("segments").to_vec();
        }
        for (_, values) in metrics {
            let outcome = values.optional_text("outcome").unwrap_or(values.text("name"));
            let others = ["denominator", "covariate"].into_iter().filter_map(|key| values.optional_text(key));
            for column in std::iter::once(outcome).chain(others) {
                if !wanted.numbers.iter().any(|known| known == column) {
                    wanted.numbers.push(column.to_owned());
                }
            }
        }
        wanted
    }

    /// Notes columns that are asked to be two things of which one must not depend on the other.
    pub(super) fn note_clashes(&self, reader: &mut Reader<'_>) {
        for (index, (column, place, key)) in self.named.iter().enumerate() {
            let earlier = self.named[..index].iter().filter(|(other, ..)| other == column);
            for (_, _, taken) in earlier.filter(|(_, _, taken)| clash(taken, key)) {
                let message = format!("{key}: the column {column:?} is {taken} already");
                let help = "name another column: neither an arm nor an outcome explains itself";
                reader.fault(Code::Refused, place.clone(), message, help);
            }
        }
    }

    /// Position of a column of numbers.
    pub(super) fn number(&self, column: &str) -> usize {
        self.numbers.iter().position(|known| known == column).unwrap_or(0)
    }
}

/// Whether one column cannot be both, of keys in the order in which they are named: the arm and anything else, an
/// outcome and what it is compared by.
fn clash(earlier: &str, later: &str) -> bool {
    let section = |key: &str| key.rsplit_once('.').map(|(section, _)| section.to_owned());
    let is_outcome = earlier.starts_with("metric") && (earlier.ends_with(".outcome") || earlier.ends_with(".name"));
    earlier == "data.arm" || is_outcome && (later == "uplift.segments" || section(earlier) == section(later))
}

/// Whether a text is a day of the calendar, written YYYY-MM-DD.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_written =
        parts.iter().map(|part| part.len()).eq([4, 2, 2]) && text.bytes().all(|b| b == b'-' || b.is_ascii_digit());
    let numbers: Vec<u32> = parts.iter().filter_map(|part| part.parse().ok()).collect();
    let &[year, month, day] = numbers.as_slice() else { return false };
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    is_written && (1..=days).contains(&day)
}

/// Reads the outcomes, or notes all that is wrong: file, row, column, value.
pub(super) fn read(reader: &mut Reader<'_>, data: &Values, wanted: &Wanted) -> Option<Columns> {
    let (file, place) = (data.text("path"), data.place("path"));
    let bytes = match reader.files.read(file) {
        Ok(bytes) => bytes,
        Err((message, help)) => {
            reader.fault(Code::UnreadableFile, place, format!("data.path: {message}"), help);
            return None;
        }
    };
    let rows = match Rows::open(file, &bytes) {
        Ok(rows) => rows,
        Err(fault) => {
            let help = "give a CSV file with a header line, or a Parquet file";
            reader.fault(Code::BadTable, place, format!("data.path: {file} {fault}"), help);
            return None;
        }
    };
    find_columns(reader, file, &rows.header, wanted)?;
    let mut filling = Filling::new(&rows.header, data, wanted);
    if let Err(fault) = rows.visit(&mut |place, record| match record {
        Ok(record) => filling.take(place, record),
        Err(fault) => filling.bad.add_row(place, &fault),
    }) {
        let help = "the file may be cut short: write it anew";
        reader.fault(Code::BadTable, place, format!("data.path: {file} {fault}"), help);
        return None;
    }
    reader.if_clean(|reader| {
        if let Some(message) = filling.bad.message(file) {
            let help = "mend or drop these rows: each unit stands once, in a known arm, with a plain number for each \
                        outcome (1000.5, not 1_000,5); times are all numbers or all dates (2026-01-31); where a \
                        consumer has several rows, name it as data.cluster";
            reader.fault(Code::BadTable, place.clone(), format!("data.path: {message}"), help);
        }
        filling.finish(reader, file, data, place)
    })
}

fn find_columns(reader: &mut Reader<'_>, file: &str, header: &[String], wanted: &Wanted) -> Option<()> {
    let known: Vec<&str> = header.iter().map(String::as_str).collect();
    reader.if_clean(|reader| {
        for (column, place, key) in &wanted.named {
            if !known.contains(&column.as_str()) {
                let mut help = way_out(column, &known, "its columns");
                if known.len() == 1 && known[0].contains([';', '\t']) {
                    help = format!("{help}; columns must be separated by commas");
                }
                let message = format!("{key}: {file} has no column {column:?}");
                reader.fault(Code::UnknownName, place.clone(), message, help);
            }
        }
        Some(())
    })
}

/// The columns as they fill.
struct Filling<'a> {
    header: &'a [String],
    wanted: &'a Wanted,
    bad: BadRows,
    arm: usize,
    unit: Option<usize>,
    cluster: Option<usize>,
    time: Option<usize>,
    /// Columns of exposure and its probability.
    exposure: Option<[usize; 2]>,
    strata: Vec<usize>,
    numbers: Vec<usize>,
    segments: Vec<usize>,
    /// Whether the arms are given, so that others are wrong.
    is_closed: bool,
    arms: Levels,
    units: BTreeMap<String, String>,
    clusters: Levels,
    strata_levels: Levels,
    times: Vec<String>,
    /// Whether times are dates, once the first is read.
    are_dates: Option<bool>,
    texts: Vec<Vec<String>>,
    filled: Columns,
    cluster_of: Vec<u64>,
    stratum_of: Vec<u32>,
    exposure_of: (Vec<bool>, Vec<f64>),
    rows: usize,
}

/// Words with numbers, in the order in which they came.
#[derive(Debug, Default)]
struct Levels {
    names: Vec<String>,
    known: BTreeMap<String, usize>,
}

impl Levels {
    fn number(&mut self, name: &str) -> usize {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        self.known.insert(name.to_owned(), self.names.len());
        self.names.push(name.to_owned());
        self.names.len() - 1
    }
}

impl<'a> Filling<'a> {
    fn new(header: &'a [String], data: &Values, wanted: &'a Wanted) -> Self {
        let position = |name: &str| header.iter().position(|known| known == name).unwrap_or(0);
        let positions = |names: &[String]| names.iter().map(|name| position(name)).collect::<Vec<usize>>();
        let mut arms = Levels::default();
        arms.number(data.text("control"));
        for (name, _) in data.coefficients("shares") {
            arms.number(name);
        }
        Self {
            header,
            wanted,
            bad: BadRows::default(),
            arm: position(data.text("arm")),
            unit: wanted.unit.as_deref().map(position),
            cluster: data.optional_text("cluster").map(position),
            time: data.optional_text("time").map(position),
            exposure: data
                .optional_text("exposure")
                .zip(data.optional_text("exposure_probability"))
                .map(|(exposure, probability)| [position(exposure), position(probability)]),
            strata: positions(data.texts("strata")),
            numbers: positions(&wanted.numbers),
            segments: positions(&wanted.segments),
            is_closed: !data.coefficients("shares").is_empty(),
            arms,
            units: BTreeMap::new(),
            clusters: Levels::default(),
            strata_levels: Levels::default(),
            times: Vec::new(),
            are_dates: None,
            texts: vec![Vec::new(); wanted.segments.len()],
            filled: Columns { numbers: vec![Vec::new(); wanted.numbers.len()], ..Columns::default() },
            cluster_of: Vec::new(),
            stratum_of: Vec::new(),
            exposure_of: (Vec::new(), Vec::new()),
            rows: 0,
        }
    }

    fn take(&mut self, place: RowPlace, record: &StringRecord) {
        self.rows += 1;
        self.take_arm(place, &record[self.arm]);
        for (column, index) in self.numbers.iter().enumerate() {
            let value = &record[*index];
            match value.parse::<f64>() {
                Ok(number) if number.is_finite() => self.filled.numbers[column].push(number),
                _ if value.is_empty() => self.bad.add_value(place, &self.header[*index], value, "is missing"),
                _ => self.bad.add_value(place, &self.header[*index], value, "is not a finite number"),
            }
        }
        let words = [self.unit, self.cluster, self.time].into_iter().flatten();
        for index in words.chain(self.strata.iter().copied()).chain(self.segments.iter().copied()) {
            if record[index].is_empty() {
                self.bad.add_value(place, &self.header[index], "", "is missing");
            }
        }
        if let Some(index) = self.unit {
            let unit = &record[index];
            if let Some(first) = self.units.get(unit) {
                self.bad.add_value(place, &self.header[index], unit, &format!("stands in {first} already"));
            } else if !unit.is_empty() {
                self.units.insert(unit.to_owned(), place.to_string());
            }
        }
        if let Some(index) = self.cluster {
            self.cluster_of.push(self.clusters.number(&record[index]) as u64);
        }
        if let Some(index) = self.time {
            self.take_time(place, index, &record[index]);
        }
        if !self.strata.is_empty() {
            let name: Vec<&str> = self.strata.iter().map(|index| &record[*index]).collect();
            self.stratum_of.push(self.strata_levels.number(&name.join("\u{1f}")) as u32);
        }
        self.take_exposure(place, record);
        for (texts, index) in self.texts.iter_mut().zip(&self.segments) {
            texts.push(record[*index].to_owned());
        }
    }

    /// Times are of one kind, since numbers and dates have no order among each other.
    fn take_time(&mut self, place: RowPlace, index: usize, time: &str) {
        let is_date = is_date(time);
        let is_number = time.parse::<f64>().is_ok_and(f64::is_finite);
        self.times.push(time.to_owned());
        if time.is_empty() {
            return;
        }
        let column = &self.header[index];
        if !is_date && !is_number {
            self.bad.add_value(place, column, time, "is neither a number nor a date as YYYY-MM-DD");
        } else if *self.are_dates.get_or_insert(is_date) != is_date {
            let fault =
                if is_date { "is a date where the first is a number" } else { "is no date where the first is one" };
            self.bad.add_value(place, column, time, fault);
        }
    }

    fn take_exposure(&mut self, place: RowPlace, record: &StringRecord) {
        let Some([exposure, probability]) = self.exposure else { return };
        let is_exposed = match &record[exposure] {
            "1" | "true" => true,
            "0" | "false" => false,
            other => return self.bad.add_value(place, &self.header[exposure], other, "is not 0 or 1"),
        };
        match record[probability].parse::<f64>() {
            Ok(number) if (0.0..=1.0).contains(&number) && (number > 0.0 || !is_exposed) => {
                self.exposure_of.0.push(is_exposed);
                self.exposure_of.1.push(number);
            }
            _ => {
                let wrong = "is not a probability above 0, up to 1";
                self.bad.add_value(place, &self.header[probability], &record[probability], wrong);
            }
        }
    }

    fn take_arm(&mut self, place: RowPlace, arm: &str) {
        if arm.is_empty() {
            self.bad.add_value(place, &self.header[self.arm], arm, "is missing");
        } else if self.is_closed && !self.arms.known.contains_key(arm) {
            let known = self.arms.names.join(", ");
            self.bad.add_value(place, &self.header[self.arm], arm, &format!("is no arm of data.shares: {known}"));
        } else if self.arms.names.len() < MOST_ARMS || self.arms.known.contains_key(arm) {
            self.filled.arms.push(self.arms.number(arm) as u32);
        } else {
            self.bad.add_value(place, &self.header[self.arm], arm, "is one arm too many: does the column name arms?");
        }
    }

    /// Notes what is wrong with the whole, then hands the columns over in the order of time.
    fn finish(
        mut self,
        reader: &mut Reader<'_>,
        file: &str,
        data: &Values,
        place: Option<Place<usize>>,
    ) -> Option<Columns> {
        if self.rows == 0 {
            let message = format!("data.path: {file} has a header but no rows");
            reader.fault(Code::BadTable, place, message, "one row for each unit");
            return None;
        }
        if reader.faults.iter().any(|fault| fault.code == Code::BadTable) {
            return None;
        }
        self.filled.arm_names = std::mem::take(&mut self.arms.names);
        self.filled.shares = self.shares(data);
        self.check_arms(reader, file, data);
        if self.cluster.is_some() {
            self.filled.clusters = Some(std::mem::take(&mut self.cluster_of));
        }
        if !self.strata.is_empty() {
            self.filled.strata = Some(std::mem::take(&mut self.stratum_of));
        }
        if self.exposure.is_some() {
            let (exposures, probabilities) = std::mem::take(&mut self.exposure_of);
            self.filled.exposures = Some(exposures);
            self.filled.exposure_probabilities = Some(probabilities);
        }
        for (name, texts) in self.wanted.segments.iter().zip(std::mem::take(&mut self.texts)) {
            self.filled.segments.push(Segment::from_texts(name, &texts));
        }
        if self.time.is_some() {
            self.filled.sort_by(&self.times);
        }
        Some(self.filled)
    }

    fn shares(&self, data: &Values) -> Vec<f64> {
        let given = data.coefficients("shares");
        let share = |name: &String| match given.iter().find(|(arm, _)| arm == name) {
            Some((_, share)) => *share,
            None if given.is_empty() => 1.0,
            None => 0.0,
        };
        self.filled.arm_names.iter().map(share).collect()
    }

    fn check_arms(&self, reader: &mut Reader<'_>, file: &str, data: &Values) {
        let mut counts = vec![0_usize; self.filled.arm_names.len()];
        for arm in &self.filled.arms {
            counts[*arm as usize] += 1;
        }
        let column = data.text("arm");
        let names = &self.filled.arm_names;
        let known: Vec<&str> = names[1..].iter().map(String::as_str).collect();
        if counts[0] == 0 {
            let message = format!("data.control: no row of {file} has {:?} in column {column:?}", names[0]);
            reader.fault(Code::UnknownName, data.place("control"), message, way_out(&names[0], &known, "its arms"));
        } else if names.len() < 2 {
            let message = format!("data.arm: {file} has one arm, {:?}", names[0]);
            let help = "a comparison takes a control and at least one treated arm";
            reader.fault(Code::BadTable, data.place("arm"), message, help);
        }
        for (arm, count) in counts.iter().enumerate() {
            if *count < 2 && (arm > 0 || *count > 0) {
                let message = format!("data.arm: {file} has {count} rows of {:?}, 2 are needed", names[arm]);
                reader.fault(Code::BadTable, data.place("arm"), message, "drop the arm, or wait for more of it");
            }
        }
        for (name, share) in data.coefficients("shares").iter().filter(|(_, share)| *share <= 0.0) {
            let message = format!("data.shares.{name}: {share} is not a number above 0");
            reader.fault(Code::OutOfRange, data.place("shares"), message, "the share of the units that it was to get");
        }
        if !data.coefficients("shares").is_empty() && !data.coefficients("shares").iter().any(|s| s.0 == names[0]) {
            let message = format!("data.shares: the control {:?} has no share", names[0]);
            reader.fault(Code::MissingKey, data.place("shares"), message, "give every arm its share");
        }
    }
}

impl Columns {
    /// Sorts rows by time: numbers as numbers, dates as words, which orders YYYY-MM-DD. Rows of one time keep their order.
    fn sort_by(&mut self, times: &[String]) {
        let numbers: Option<Vec<f64>> =
            times.iter().map(|time| time.parse().ok().filter(|t: &f64| t.is_finite())).collect();
        let compare = |a: usize, b: usize| match &numbers {
            Some(numbers) => numbers[a].total_cmp(&numbers[b]),
            None => times[a].cmp(&times[b]),
        };
        let mut order: Vec<usize> = (0..times.len()).collect();
        order.sort_by(|a, b| compare(*a, *b));
        let mut periods = Vec::with_capacity(order.len());
        let mut period = 0;
        for (position, row) in order.iter().enumerate() {
            if position > 0 && compare(order[position - 1], *row).is_ne() {
                period += 1;
            }
            periods.push(period);
        }
        fn sorted<T: Copy>(values: &[T], order: &[usize]) -> Vec<T> {
            order.iter().map(|row| values[*row]).collect()
        }
        self.arms = sorted(&self.arms, &order);
        self.numbers = self.numbers.iter().map(|column| sorted(column, &order)).collect();
        self.clusters = self.clusters.as_ref().map(|clusters| sorted(clusters, &order));
        self.strata = self.strata.as_ref().map(|strata| sorted(strata, &order));
        self.exposures = self.exposures.as_ref().map(|exposures| sorted(exposures, &order));
        let probabilities = self.exposure_probabilities.as_ref();
        self.exposure_probabilities = probabilities.map(|values| sorted(values, &order));
        self.segments = self.segments.iter().map(|segment| segment.of_rows(&order)).collect();
        self.periods = Some(periods);
    }
}
