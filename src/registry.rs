//! What can be named in a file: entries with a source, and the parameters they declare.
//!
//! One declaration of a parameter (name, kind, default, range, meaning) gives the check of a file, the JSON Schema, the
//! help text and the value that `build` reads. Nothing is written twice.

mod tuning;

pub use tuning::Tuning;

use std::collections::BTreeMap;
use std::ops::Range as Place;
use std::sync::Arc;

/// One thing that a file can name: an agent, a policy, a channel, a response module, …
#[derive(Debug)]
pub struct Entry<B: 'static> {
    /// The name in files; snake case.
    pub name: &'static str,
    /// One line: what it is.
    pub summary: &'static str,
    /// Where it comes from: paper and section, or "Mercato" with the reason.
    pub source: &'static str,
    /// The keys it takes.
    pub parameters: &'static [Parameter],
    /// How it is made.
    pub build: B,
}

/// Finds an entry by its name.
#[must_use]
pub fn find<B>(entries: &'static [Entry<B>], name: &str) -> Option<&'static Entry<B>> {
    entries.iter().find(|entry| entry.name == name)
}

/// A key that an entry or a section of a file takes.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// The key; whole words, unit last.
    pub name: &'static str,
    /// One line: meaning and unit.
    pub summary: &'static str,
    /// Type, default and range.
    pub kind: Kind,
    /// Whether the file must give it.
    pub required: bool,
    /// Where a search for good values draws them; `None` where it leaves the parameter as it is.
    pub tuning: Option<Tuning>,
}

/// Type, default and range of a parameter. Without a default and not required, the value may be absent.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A real number.
    Number {
        /// Taken where the file is silent.
        default: Option<f64>,
        /// What is allowed.
        range: Range,
    },
    /// A whole number.
    Integer {
        /// Taken where the file is silent.
        default: Option<i64>,
        /// Smallest allowed.
        minimum: i64,
        /// Largest allowed.
        maximum: i64,
    },
    /// `true` or `false`.
    Boolean {
        /// Taken where the file is silent.
        default: bool,
    },
    /// One of these words.
    Choice {
        /// Taken where the file is silent.
        default: Option<&'static str>,
        /// All that is allowed.
        options: &'static [&'static str],
    },
    /// Any text.
    Text {
        /// Taken where the file is silent.
        default: Option<&'static str>,
    },
    /// Real numbers.
    Numbers {
        /// Taken where the file is silent; `None` leaves the value absent.
        default: Option<&'static [f64]>,
        /// What each may be.
        range: Range,
    },
    /// Whole numbers.
    Integers {
        /// Taken where the file is silent; `None` leaves the value absent.
        default: Option<&'static [i64]>,
        /// Smallest allowed.
        minimum: i64,
        /// Largest allowed.
        maximum: i64,
    },
    /// Texts.
    Texts {
        /// Taken where the file is silent; `None` leaves the value absent.
        default: Option<&'static [&'static str]>,
    },
    /// A table of numbers in a CSV file (header line, then rows), its path relative to the scenario file.
    Csv,
    /// A saved agent: the path of its file, relative to the scenario file; what it was made for stands beside it.
    Saved,
    /// Numbers under free names, such as the coefficients of features.
    Coefficients,
    /// A table that names an agent by its `kind` and has the keys of that kind.
    Agent,
    /// A table of further keys; absent where the file is silent.
    Table {
        /// Its keys.
        parameters: &'static [Parameter],
    },
    /// An array of tables; empty where the file is silent.
    Tables {
        /// Keys of each.
        parameters: &'static [Parameter],
    },
}

/// An interval of real numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// The lower end itself is not allowed.
    pub low_open: bool,
    /// The upper end itself is not allowed.
    pub high_open: bool,
}

impl Range {
    /// Any finite number.
    pub const ANY: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY, low_open: true, high_open: true };
    /// Above 0.
    pub const POSITIVE: Self = Self { low: 0.0, high: f64::INFINITY, low_open: true, high_open: true };
    /// 0 or more.
    pub const NON_NEGATIVE: Self = Self { low: 0.0, high: f64::INFINITY, low_open: false, high_open: true };
    /// From 0 to 1.
    pub const PROBABILITY: Self = Self::closed(0.0, 1.0);

    /// Both ends allowed.
    #[must_use]
    pub const fn closed(low: f64, high: f64) -> Self {
        Self { low, high, low_open: false, high_open: false }
    }

    /// Lower end allowed, upper end not.
    #[must_use]
    pub const fn half_open(low: f64, high: f64) -> Self {
        Self { low, high, low_open: false, high_open: true }
    }

    /// Neither end allowed.
    #[must_use]
    pub const fn open(low: f64, high: f64) -> Self {
        Self { low, high, low_open: true, high_open: true }
    }

    /// Whether a number lies inside. NaN and infinities never do.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        value.is_finite()
            && (value > self.low || (!self.low_open && value == self.low))
            && (value < self.high || (!self.high_open && value == self.high))
    }

    /// In words, for messages: "a number above 0", "a number from 0 to 1".
    #[must_use]
    pub fn describe(&self) -> String {
        match (self.low.is_finite(), self.high.is_finite()) {
            (false, false) => "a finite number".into(),
            (true, false) if self.low_open => format!("a number above {}", self.low),
            (true, false) => format!("a number of {} or more", self.low),
            (false, true) => format!("a number up to {}", self.high),
            (true, true) => format!(
                "a number from {}{} to {}{}",
                self.low,
                if self.low_open { " (excluded)" } else { "" },
                self.high,
                if self.high_open { " (excluded)" } else { "" }
            ),
        }
    }
}

impl Parameter {
    const fn new(name: &'static str, kind: Kind, summary: &'static str) -> Self {
        Self { name, summary, kind, required: false, tuning: None }
    }

    /// A number with a default.
    #[must_use]
    pub const fn number(name: &'static str, default: f64, range: Range, summary: &'static str) -> Self {
        Self::new(name, Kind::Number { default: Some(default), range }, summary)
    }

    /// A number that may be absent.
    #[must_use]
    pub const fn optional_number(name: &'static str, range: Range, summary: &'static str) -> Self {
        Self::new(name, Kind::Number { default: None, range }, summary)
    }

    /// A whole number with a default.
    #[must_use]
    pub const fn integer(name: &'static str, default: i64, minimum: i64, maximum: i64, summary: &'static str) -> Self {
        Self::new(name, Kind::Integer { default: Some(default), minimum, maximum }, summary)
    }

    /// A whole number that may be absent.
    #[must_use]
    pub const fn optional_integer(name: &'static str, minimum: i64, maximum: i64, summary: &'static str) -> Self {
        Self::new(name, Kind::Integer { default: None, minimum, maximum }, summary)
    }

    /// `true` or `false`.
    #[must_use]
    pub const fn boolean(name: &'static str, default: bool, summary: &'static str) -> Self {
        Self::new(name, Kind::Boolean { default }, summary)
    }

    /// One of some words.
    #[must_use]
    pub const fn choice(
        name: &'static str,
        default: &'static str,
        options: &'static [&'static str],
        summary: &'static str,
    ) -> Self {
        Self::new(name, Kind::Choice { default: Some(default), options }, summary)
    }

    /// A text that may be absent.
    #[must_use]
    pub const fn optional_text(name: &'static str, summary: &'static str) -> Self {
        Self::new(name, Kind::Text { default: None }, summary)
    }

    /// Any other kind.
    #[must_use]
    pub const fn of(name: &'static str, kind: Kind, summary: &'static str) -> Self {
        Self::new(name, kind, summary)
    }

    /// The same, but the file must give it.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

/// A checked value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of [`Kind::Number`].
    Number(f64),
    /// Of [`Kind::Integer`].
    Integer(i64),
    /// Of [`Kind::Boolean`].
    Boolean(bool),
    /// Of [`Kind::Choice`] and [`Kind::Text`].
    Text(String),
    /// Of [`Kind::Numbers`].
    Numbers(Vec<f64>),
    /// Of [`Kind::Integers`].
    Integers(Vec<i64>),
    /// Of [`Kind::Texts`].
    Texts(Vec<String>),
    /// Of [`Kind::Csv`].
    Csv(NumericTable),
    /// Of [`Kind::Saved`].
    Saved(SavedAgent),
    /// Of [`Kind::Coefficients`], in the order of the file.
    Coefficients(Vec<(String, f64)>),
    /// Of [`Kind::Agent`].
    Agent {
        /// The name of its entry.
        kind: &'static str,
        /// Its keys.
        values: Values,
    },
    /// Of [`Kind::Table`].
    Table(Values),
    /// Of [`Kind::Tables`].
    Tables(Vec<Values>),
}

/// Numbers read from a CSV file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NumericTable {
    /// Column names.
    pub header: Vec<String>,
    /// Rows, each as long as the header.
    pub rows: Vec<Vec<f64>>,
}

/// The files of a saved agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedAgent {
    /// As the file that names it writes it.
    pub path: String,
    /// What the agent wrote.
    pub agent: Arc<[u8]>,
    /// What stands beside it: what it is and what it was made for.
    pub description: Arc<[u8]>,
}

/// The values of all declared parameters of an entry: what the file said, defaults elsewhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    entries: BTreeMap<&'static str, (Value, Option<Place<usize>>)>,
    whole: Option<Place<usize>>,
}

impl Values {
    /// All defaults of these parameters; those without default stay absent.
    #[must_use]
    pub fn defaults(parameters: &'static [Parameter]) -> Self {
        let mut values = Self::default();
        for parameter in parameters {
            if let Some(value) = default_of(&parameter.kind) {
                values.set(parameter.name, value, None);
            }
        }
        values
    }

    /// Defaults with some numbers changed: for tests and programs that build an entry without a file.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value) -> Self {
        self.set(name, value, None);
        self
    }

    /// Sets a value, with its place in the file.
    pub fn set(&mut self, name: &'static str, value: Value, place: Option<Place<usize>>) {
        self.entries.insert(name, (value, place));
    }

    /// The value, if present.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entries.get(name).map(|(value, _)| value)
    }

    /// Says where the whole table stands in the file.
    pub fn set_whole(&mut self, place: Option<Place<usize>>) {
        self.whole = place;
    }

    /// Where the file gave it (byte range); for a default, where the whole table stands.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<Place<usize>> {
        self.entries.get(name).and_then(|(_, place)| place.clone()).or_else(|| self.whole.clone())
    }

    /// Whether the file gave it, rather than a default or a program.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.entries.get(name).is_some_and(|(_, place)| place.is_some())
    }

    /// A number, if present. Whole numbers count.
    #[must_use]
    pub fn optional_number(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Some(Value::Number(number)) => Some(*number),
            Some(Value::Integer(number)) => Some(*number as f64),
            _ => None,
        }
    }

    /// A number that has a default or is required.
    ///
    /// # Panics
    /// Where it is not declared so: a mistake in the program, met by the conformance suite.
    #[must_use]
    pub fn number(&self, name: &str) -> f64 {
        self.optional_number(name).unwrap_or_else(|| undeclared(name))
    }

    /// A whole number, if present.
    #[must_use]
    pub fn optional_integer(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// A whole number that has a default or is required.
    ///
    /// # Panics
    /// Where it is not declared so.
    #[must_use]
    pub fn integer(&self, name: &str) -> i64 {
        self.optional_integer(name).unwrap_or_else(|| undeclared(name))
    }

    /// A truth value.
    ///
    /// # Panics
    /// Where it is not declared so.
    #[must_use]
    pub fn boolean(&self, name: &str) -> bool {
        match self.get(name) {
            Some(Value::Boolean(value)) => *value,
            _ => undeclared(name),
        }
    }

    /// A text or choice, if present.
    #[must_use]
    pub fn optional_text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A text or choice that has a default or is required.
    ///
    /// # Panics
    /// Where it is not declared so.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.optional_text(name).unwrap_or_else(|| undeclared(name))
    }

    /// Numbers; empty where absent.
    #[must_use]
    pub fn numbers(&self, name: &str) -> &[f64] {
        match self.get(name) {
            Some(Value::Numbers(numbers)) => numbers,
            _ => &[],
        }
    }

    /// Whole numbers; empty where absent.
    #[must_use]
    pub fn integers(&self, name: &str) -> &[i64] {
        match self.get(name) {
            Some(Value::Integers(numbers)) => numbers,
            _ => &[],
        }
    }

    /// Texts; empty where absent.
    #[must_use]
    pub fn texts(&self, name: &str) -> &[String] {
        match self.get(name) {
            Some(Value::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// Coefficients; empty where absent.
    #[must_use]
    pub fn coefficients(&self, name: &str) -> &[(String, f64)] {
        match self.get(name) {
            Some(Value::Coefficients(coefficients)) => coefficients,
            _ => &[],
        }
    }

    /// A table of numbers from a file, if present.
    #[must_use]
    pub fn csv(&self, name: &str) -> Option<&NumericTable> {
        match self.get(name) {
            Some(Value::Csv(table)) => Some(table),
            _ => None,
        }
    }

    /// A saved agent, if present.
    #[must_use]
    pub fn saved(&self, name: &str) -> Option<&SavedAgent> {
        match self.get(name) {
            Some(Value::Saved(saved)) => Some(saved),
            _ => None,
        }
    }

    /// An agent that is named inside another, if present: its kind and its keys.
    #[must_use]
    pub fn agent(&self, name: &str) -> Option<(&'static str, &Values)> {
        match self.get(name) {
            Some(Value::Agent { kind, values }) => Some((kind, values)),
            _ => None,
        }
    }

    /// A table of further keys, if present.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Values> {
        match self.get(name) {
            Some(Value::Table(table)) => Some(table),
            _ => None,
        }
    }

    /// An array of tables; empty where absent.
    #[must_use]
    pub fn tables(&self, name: &str) -> &[Values] {
        match self.get(name) {
            Some(Value::Tables(tables)) => tables,
            _ => &[],
        }
    }
}

fn default_of(kind: &Kind) -> Option<Value> {
    match kind {
        Kind::Number { default, .. } => default.map(Value::Number),
        Kind::Integer { default, .. } => default.map(Value::Integer),
        Kind::Boolean { default } => Some(Value::Boolean(*default)),
        Kind::Choice { default, .. } | Kind::Text { default } => default.map(|text| Value::Text(text.into())),
        Kind::Numbers { default, .. } => default.map(|numbers| Value::Numbers(numbers.to_vec())),
        Kind::Integers { default, .. } => default.map(|numbers| Value::Integers(numbers.to_vec())),
        Kind::Texts { default } => {
            default.map(|texts| Value::Texts(texts.iter().map(|text| (*text).to_owned()).collect()))
        }
        Kind::Csv | Kind::Saved | Kind::Coefficients | Kind::Agent | Kind::Table { .. } | Kind::Tables { .. } => None,
    }
}

#[cold]
fn undeclared<T>(name: &str) -> T {
    panic!("parameter `{name}` is read but not declared with a default or as required")
}

/// Why something cannot be built from values that each are legal: a fault of one key in its context.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The key at fault.
    pub key: String,
    /// Byte range in the file, where known.
    pub place: Option<Place<usize>>,
    /// What is wrong, with the value.
    pub message: String,
    /// The way out.
    pub help: String,
}

impl Refusal {
    /// A refusal of a key of these values, with its place in the file.
    #[must_use]
    pub fn new(values: &Values, key: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { key: key.to_owned(), place: values.place(key), message: message.into(), help: help.into() }
    }

    /// The same for a key below this path.
    #[must_use]
    pub fn within(mut self, path: &str) -> Self {
        if !self.key.is_empty() && self.message.starts_with(&self.key) {
            self.message = format!("{path}.{}", self.message);
        }
        self.key = if self.key.is_empty() { path.to_owned() } else { format!("{path}.{}", self.key) };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: &[Parameter] = &[
        Parameter::number("alpha", 1.5, Range::POSITIVE, "width"),
        Parameter::optional_integer("window_days", 1, 365, "window"),
        Parameter::choice("model", "shared", &["shared", "disjoint"], "features"),
    ];

    #[test]
    fn defaults_fill_in() {
        let values = Values::defaults(PARAMETERS);
        assert_eq!(values.number("alpha"), 1.5);
        assert_eq!(values.optional_integer("window_days"), None);
        assert_eq!(values.text("model"), "shared");
        assert_eq!(values.with("alpha", Value::Integer(2)).number("alpha"), 2.0);
    }

    #[test]
    fn ranges_know_their_ends() {
        assert!(!Range::POSITIVE.contains(0.0));
        assert!(Range::PROBABILITY.contains(0.0) && Range::PROBABILITY.contains(1.0));
        assert!(!Range::half_open(0.0, 1.0).contains(1.0));
        assert!(!Range::ANY.contains(f64::NAN) && !Range::ANY.contains(f64::INFINITY));
    }
}
