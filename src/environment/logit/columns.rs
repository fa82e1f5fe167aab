//! The people of a logit market: declared columns, drawn or read from a customer file, and how they are observed.

use super::law::{DISTRIBUTIONS, Law};
use crate::market::customers::CustomerTable;
use crate::matrix::Matrix;
use crate::protocol::Feature;
use crate::random::{LANES, Purpose, Seed};
use crate::registry::{Kind, Parameter, Range, Refusal, Values};
use multiversion::multiversion;

/// Keys of `[[market.column]]`.
pub const COLUMN: &[Parameter] = &[
    Parameter::of("name", Kind::Text { default: None }, "unique name; whole words, unit last").required(),
    Parameter::integer("count", 1, 1, 10_000, "that many independent columns, named name_0, name_1, …"),
    Parameter::optional_text("unit", "unit of the value, for readers of logs"),
    Parameter::of(
        "levels",
        Kind::Texts { default: None },
        "makes the column categorical: its levels; the first is the baseline, each other one an indicator `name_level`",
    ),
    Parameter::boolean("observed", true, "whether agents see it; a column that is not observed has no coefficients"),
    Parameter::boolean("log", false, "coefficients multiply ln(value); agents see ln(1 + value)"),
    Parameter::number("centre", 0.0, Range::ANY, "subtracted from the value (after the logarithm)"),
    Parameter::number(
        "scale",
        1.0,
        Range::POSITIVE,
        "agents see the centred value divided by this; no coefficient does",
    ),
    Parameter::optional_number("minimum", Range::ANY, "smallest value a customer file may hold"),
    Parameter::optional_number("maximum", Range::ANY, "largest value a customer file may hold"),
    Parameter::choice("distribution", "normal", DISTRIBUTIONS, "what synthetic people are drawn from"),
    Parameter::optional_text(
        "given",
        "an earlier categorical column; every number of the distribution may then be one number, or one for each level",
    ),
    Parameter::of("mean", Kind::Numbers { default: None, range: Range::ANY }, "normal, log_normal: mean (of the log)"),
    Parameter::of(
        "standard_deviation",
        Kind::Numbers { default: None, range: Range::NON_NEGATIVE },
        "normal, log_normal: standard deviation (of the log)",
    ),
    Parameter::of("low", Kind::Numbers { default: None, range: Range::ANY }, "uniform, log_uniform: lower end"),
    Parameter::of("high", Kind::Numbers { default: None, range: Range::ANY }, "uniform, log_uniform: upper end"),
    Parameter::number("floor", 0.0, Range::NON_NEGATIVE, "log_normal: nothing falls below this"),
    Parameter::of(
        "floor_probability",
        Kind::Numbers { default: None, range: Range::half_open(0.0, 1.0) },
        "log_normal: share of people exactly at the floor",
    ),
    Parameter::integer("first", 0, -1_000_000, 1_000_000, "integers: value of the first probability"),
    Parameter::of(
        "probabilities",
        Kind::Numbers { default: None, range: Range::PROBABILITY },
        "integers, levels: a line of probabilities, one line for each level of `given`",
    ),
];

/// One declared column.
#[derive(Clone, Debug)]
struct Column {
    name: String,
    levels: Vec<String>,
    /// Where its features start; `None` where it is not observed.
    first_feature: Option<usize>,
    /// The earlier column that its law depends on.
    given: Option<usize>,
    law: Law,
    minimum: f64,
    maximum: f64,
}

/// All declared columns, with the features they become.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    columns: Vec<Column>,
    /// What is observed, in order.
    pub(super) features: Vec<Feature>,
    /// Features whose coefficients multiply ln(value).
    pub(super) logged: Vec<usize>,
}

impl Columns {
    /// Reads the declarations of `[[market.column]]`.
    pub(super) fn new(market: &Values) -> Result<Self, Vec<Refusal>> {
        let mut all = Self { columns: Vec::new(), features: Vec::new(), logged: Vec::new() };
        let mut refusals = Vec::new();
        for declared in market.tables("column") {
            let count = declared.integer("count");
            for index in 0..count {
                let name = declared.text("name");
                let name = if count == 1 { name.to_owned() } else { format!("{name}_{index}") };
                if let Err(refusal) = all.add(name, declared) {
                    refusals.push(refusal);
                    break;
                }
            }
        }
        if refusals.is_empty() { Ok(all) } else { Err(refusals) }
    }

    fn add(&mut self, name: String, declared: &Values) -> Result<(), Refusal> {
        if self.columns.iter().any(|column| column.name == name) {
            return Err(Refusal::new(
                declared,
                "name",
                format!("two columns are named `{name}`"),
                "give every column a name of its own",
            ));
        }
        let levels = declared.texts("levels").to_vec();
        let is_categorical = declared.text("distribution") == "levels";
        if is_categorical == levels.is_empty() {
            let (key, help) = if is_categorical {
                ("distribution", "add `levels = [\"…\", \"…\"]`, or name another distribution")
            } else {
                ("levels", "set `distribution = \"levels\"` with `probabilities`, or leave `levels` out")
            };
            let message = format!("column `{name}`: `levels` and `distribution = \"levels\"` go together");
            return Err(Refusal::new(declared, key, message, help));
        }
        let given =
            declared.optional_text("given").map(|given| self.categorical(given, &name, declared)).transpose()?;
        let cases = given.map_or(1, |column| self.columns[column].levels.len());
        let first_feature = declared.boolean("observed").then_some(self.features.len());
        if first_feature.is_some() {
            self.observe(&name, &levels, declared);
        }
        self.columns.push(Column {
            name,
            levels,
            first_feature,
            given,
            law: Law::new(declared, cases)?,
            minimum: declared.optional_number("minimum").unwrap_or(f64::NEG_INFINITY),
            maximum: declared.optional_number("maximum").unwrap_or(f64::INFINITY),
        });
        Ok(())
    }

    fn categorical(&self, given: &str, name: &str, declared: &Values) -> Result<usize, Refusal> {
        let found = self.columns.iter().position(|column| column.name == given && !column.levels.is_empty());
        found.ok_or_else(|| {
            Refusal::new(
                declared,
                "given",
                format!("column `{name}` is given `{given}`, which is no categorical column before it"),
                "name a column with `levels` that stands earlier in the file",
            )
        })
    }

    fn observe(&mut self, name: &str, levels: &[String], declared: &Values) {
        if levels.is_empty() {
            let (centre, scale) = (declared.number("centre") as f32, declared.number("scale") as f32);
            let feature = Feature::raw(name, lasting(declared.optional_text("unit").unwrap_or("")));
            if declared.boolean("log") {
                self.logged.push(self.features.len());
                self.features.push(feature.logged(centre, scale));
            } else {
                self.features.push(feature.standardised(centre, scale));
            }
        } else {
            let group = lasting(name);
            let indicators = levels.iter().skip(1).map(|level| {
                let level: String =
                    level.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
                Feature::level(group, &level)
            });
            self.features.extend(indicators);
        }
    }

    /// Draws `rows` synthetic people, the first being consumer `first`: one row of features each.
    pub(super) fn draw(&self, seed: Seed, first: u32, rows: usize, features: &mut Matrix) {
        features.reset(rows, self.features.len());
        draw_blocks(self, seed, first, features);
    }

    /// Reads all people of a customer file: one row of features each.
    pub(super) fn read(&self, table: &CustomerTable, market: &Values) -> Result<Matrix, Vec<Refusal>> {
        let mut features = Matrix::new(table.rows, self.features.len());
        let mut refusals = Vec::new();
        for column in &self.columns {
            if let Err(refusal) = self.read_column(column, table, market, &mut features) {
                refusals.push(refusal);
            }
        }
        if refusals.is_empty() { Ok(features) } else { Err(refusals) }
    }

    fn read_column(
        &self,
        column: &Column,
        table: &CustomerTable,
        market: &Values,
        features: &mut Matrix,
    ) -> Result<(), Refusal> {
        let Some(first_feature) = column.first_feature else { return Ok(()) };
        let refuse = |message: String, help: String| Err(Refusal::new(market, "population", message, help));
        let name = &column.name;
        let numbers = table.numbers.get(name);
        let texts = table.texts.get(name);
        for row in 0..table.rows {
            let at = format_args!("{}: row {}, column `{name}`", table.source, row + 1).to_string();
            match (numbers, texts, column.levels.is_empty()) {
                (Some(numbers), _, true) => {
                    let (value, feature) = (numbers[row], &self.features[first_feature]);
                    let lowest = if feature.log { f64::MIN_POSITIVE } else { f64::MIN };
                    if !(value >= lowest && value >= column.minimum && value <= column.maximum) {
                        return refuse(
                            format!("{at}: {value} is outside the column's range"),
                            format!("{}correct the row, or widen `minimum` and `maximum` of the column", {
                                if feature.log { "a column with `log = true` has only values above 0; " } else { "" }
                            }),
                        );
                    }
                    features.set(row, first_feature, feature.to_observed(value as f32));
                }
                (None, Some(texts), true) => {
                    let is_number = |text: &String| text.parse::<f64>().is_ok_and(f64::is_finite);
                    let first = texts.iter().position(|text| !is_number(text)).unwrap_or(0);
                    return refuse(
                        format!(
                            "{}: row {}, column `{name}`: {:?} is not a number",
                            table.source,
                            first + 1,
                            texts[first]
                        ),
                        "correct the row: every value of the column must be a finite number".to_owned(),
                    );
                }
                (None, None, true) => {
                    return refuse(
                        format!("{}: no column of numbers for `{name}`", table.source),
                        format!("add `{name} = \"…\"` to `columns`, naming a column whose every value is a number"),
                    );
                }
                (_, _, false) => {
                    let value = match (texts, numbers) {
                        (Some(texts), _) => texts[row].clone(),
                        (None, Some(numbers)) => numbers[row].to_string(),
                        (None, None) => {
                            return refuse(
                                format!("{}: no column for `{name}`", table.source),
                                format!("add `{name} = \"…\"` to `columns`"),
                            );
                        }
                    };
                    let Some(level) = column.levels.iter().position(|level| *level == value) else {
                        return refuse(
                            format!("{at}: `{value}` is not a level of the column"),
                            format!("its levels are {}", column.levels.join(", ")),
                        );
                    };
                    if level > 0 {
                        features.set(row, first_feature + level - 1, 1.0);
                    }
                }
            }
        }
        Ok(())
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn draw_blocks(columns: &Columns, seed: Seed, first: u32, features: &mut Matrix) {
    let mut values = vec![[0.0; LANES]; columns.columns.len()];
    for block in 0..features.blocks() {
        let consumer = first.wrapping_add((block * LANES) as u32);
        let mut uniforms = [[0.0; LANES]; 4];
        for (index, column) in columns.columns.iter().enumerate() {
            if index % 4 == 0 {
                uniforms = seed.uniforms_in_lanes(Purpose::Traits, consumer, 0, (index / 4) as u32);
            }
            let cases = column.given.map_or([0.0; LANES], |given| values[given]);
            column.law.draw(&uniforms[index % 4], &cases, &mut values[index]);
            let Some(feature) = column.first_feature else { continue };
            let drawn = &values[index];
            if column.levels.is_empty() {
                let shape = &columns.features[feature];
                let observed = &mut features.block_mut(block)[feature];
                for lane in 0..LANES {
                    observed[lane] = shape.to_observed(drawn[lane]);
                }
            } else {
                let observed = &mut features.block_mut(block)[feature..feature + column.levels.len() - 1];
                for (level, lanes) in observed.iter_mut().enumerate() {
                    for lane in 0..LANES {
                        lanes[lane] = if drawn[lane] == (level + 1) as f32 { 1.0 } else { 0.0 };
                    }
                }
            }
        }
    }
}

/// A name from a file for the places that hold names of the program. A scenario has a handful of them and lives as
/// long as the run, so that nothing is gained by giving them back.
pub(super) fn lasting(name: &str) -> &'static str {
    match name {
        "" => "",
        "days" => "days",
        "months" => "months",
        "indicator" => "indicator",
        other => other.to_owned().leak(),
    }
}
