//! TOML tables against declared parameters: every key, every value, all faults at once.

use super::error::{Code, ScenarioError};
use super::file::Files;
use super::numeric;
use super::saved;
use super::suggestion::way_out;
use crate::agent::AGENTS;
use crate::registry::{Kind, Parameter, Range, Value, Values, find};
use std::ops::Range as Place;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What kind of agent stands inside another.
const KIND_OF_AGENT: Parameter =
    Parameter::of("kind", Kind::Text { default: None }, "which agent; `mercato list agents` shows all").required();

/// A table of a file: what it says, where it stands, how messages call it.
#[derive(Clone, Debug)]
pub(crate) struct Section<'t> {
    /// Such as `policy[2]`; empty for the file itself.
    pub(crate) path: String,
    /// Byte range in the text.
    pub(crate) place: Place<usize>,
    /// Its keys.
    pub(crate) table: &'t DeTable<'t>,
}

impl<'t> Section<'t> {
    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.table.get(key)
    }

    /// How messages call a key of this table.
    pub(crate) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Keys with their values, in the order of the file.
    pub(crate) fn in_order(&self) -> Vec<(&'t str, Place<usize>, &'t Spanned<DeValue<'t>>)> {
        let mut keys: Vec<_> =
            self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span(), value)).collect();
        keys.sort_by_key(|(_, place, _)| place.start);
        keys
    }
}

/// Reads tables and gathers what is wrong with them.
#[derive(Debug)]
pub(crate) struct Reader<'t> {
    /// The text that the places point into.
    pub(crate) text: &'t str,
    /// The files that the scenario names.
    pub(crate) files: Files,
    /// What is wrong so far.
    pub(crate) faults: Vec<ScenarioError>,
}

impl Reader<'_> {
    /// Notes a fault.
    pub(crate) fn fault(
        &mut self,
        code: Code,
        place: Option<Place<usize>>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let help = help.into();
        let help = (!help.is_empty()).then_some(help);
        self.faults.push(ScenarioError { message: message.into(), place, help, code });
    }

    /// What an action adds to the faults decides whether its result counts.
    pub(crate) fn if_clean<T>(&mut self, action: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let before = self.faults.len();
        let result = action(self);
        if self.faults.len() == before { result } else { None }
    }

    /// The values of the declared parameters, if all of them are legal. `others` are keys that someone else reads.
    pub(crate) fn values(
        &mut self,
        section: &Section<'_>,
        parameters: &'static [Parameter],
        others: &[&str],
    ) -> Option<Values> {
        self.if_clean(|reader| {
            reader.unknown_keys(section, parameters, others);
            let mut values = Values::defaults(parameters);
            values.set_whole(Some(section.place.clone()));
            for parameter in parameters {
                if let Some(value) = reader.one(section, parameter) {
                    let place = section.get(parameter.name).map(Spanned::span);
                    values.set(parameter.name, value, place);
                }
            }
            Some(values)
        })
    }

    /// The value of one key, other keys aside; `None` where it is absent or not legal.
    pub(crate) fn one(&mut self, section: &Section<'_>, parameter: &Parameter) -> Option<Value> {
        match section.get(parameter.name) {
            Some(given) => self.value(&section.key(parameter.name), given, parameter),
            None => {
                if parameter.required {
                    self.missing(section, parameter);
                }
                None
            }
        }
    }

    fn unknown_keys(&mut self, section: &Section<'_>, parameters: &'static [Parameter], others: &[&str]) {
        let known: Vec<&str> =
            others.iter().copied().chain(parameters.iter().map(|parameter| parameter.name)).collect();
        for (key, place, _) in section.in_order() {
            if !known.contains(&key) {
                let message = format!("{}: there is no such key", section.key(key));
                self.fault(Code::UnknownKey, Some(place), message, way_out(key, &known, "known keys"));
            }
        }
    }

    /// Notes a key that must be there and is not.
    pub(crate) fn missing(&mut self, section: &Section<'_>, parameter: &Parameter) {
        let place = (!section.path.is_empty()).then(|| section.place.clone());
        let help = format!("add `{} = …`: {}", parameter.name, describe(parameter));
        self.fault(Code::MissingKey, place, format!("{} is missing", section.key(parameter.name)), help);
    }

    /// A given value, if it is what the parameter asks for.
    pub(crate) fn value(&mut self, path: &str, given: &Spanned<DeValue<'_>>, parameter: &Parameter) -> Option<Value> {
        match (&parameter.kind, given.get_ref()) {
            (Kind::Number { range, .. }, _) => self.number(path, given, range, parameter).map(Value::Number),
            (Kind::Integer { minimum, maximum, .. }, _) => {
                self.integer(path, given, *minimum..=*maximum, parameter).map(Value::Integer)
            }
            (Kind::Boolean { .. }, DeValue::Boolean(value)) => Some(Value::Boolean(*value)),
            (Kind::Choice { options, .. }, DeValue::String(text)) => self.choice(path, given, text, options),
            (Kind::Text { .. }, DeValue::String(text)) => Some(Value::Text(text.to_string())),
            (Kind::Numbers { range, .. }, DeValue::Array(_)) => self
                .each(path, given, |reader, path, item| reader.number(path, item, range, parameter))
                .map(Value::Numbers),
            (Kind::Integers { minimum, maximum, .. }, DeValue::Array(_)) => self
                .each(path, given, |reader, path, item| reader.integer(path, item, *minimum..=*maximum, parameter))
                .map(Value::Integers),
            (Kind::Texts { .. }, DeValue::Array(_)) => self
                .each(path, given, |reader, path, item| match item.get_ref() {
                    DeValue::String(text) => Some(text.to_string()),
                    _ => reader.wrong_type(path, item, "a text", parameter),
                })
                .map(Value::Texts),
            (Kind::Csv, DeValue::String(file)) => numeric::read(self, path, file, given.span()).map(Value::Csv),
            (Kind::Saved, DeValue::String(file)) => saved::read(self, path, file, given.span()).map(Value::Saved),
            (Kind::Coefficients, DeValue::Table(_)) => self.coefficients(path, given, parameter),
            (Kind::Agent, DeValue::Table(table)) => self.agent(path, given, table),
            (Kind::Table { parameters }, DeValue::Table(table)) => {
                self.nested(path, given, table, parameters).map(Value::Table)
            }
            (Kind::Tables { parameters }, DeValue::Array(_)) => self
                .each(path, given, |reader, path, item| match item.get_ref() {
                    DeValue::Table(table) => reader.nested(path, item, table, parameters),
                    _ => reader.wrong_type(path, item, "a table", parameter),
                })
                .map(Value::Tables),
            (kind, _) => self.wrong_type(path, given, type_of(kind), parameter),
        }
    }

    fn nested(
        &mut self,
        path: &str,
        given: &Spanned<DeValue<'_>>,
        table: &DeTable<'_>,
        parameters: &'static [Parameter],
    ) -> Option<Values> {
        let section = Section { path: path.to_owned(), place: given.span(), table };
        self.values(&section, parameters, &[])
    }

    /// An agent inside another: its kind, and the keys of that kind.
    fn agent(&mut self, path: &str, given: &Spanned<DeValue<'_>>, table: &DeTable<'_>) -> Option<Value> {
        let section = Section { path: path.to_owned(), place: given.span(), table };
        let Some(Value::Text(kind)) = self.one(&section, &KIND_OF_AGENT) else { return None };
        let Some(entry) = find(AGENTS, &kind) else {
            let known: Vec<&str> = AGENTS.iter().map(|entry| entry.name).collect();
            let place = section.get(KIND_OF_AGENT.name).map(Spanned::span);
            let message = format!("{}: there is no agent {kind:?}", section.key(KIND_OF_AGENT.name));
            self.fault(Code::UnknownName, place, message, way_out(&kind, &known, "agents"));
            return None;
        };
        let values = self.values(&section, entry.parameters, &[KIND_OF_AGENT.name])?;
        Some(Value::Agent { kind: entry.name, values })
    }

    fn each<T>(
        &mut self,
        path: &str,
        given: &Spanned<DeValue<'_>>,
        mut read: impl FnMut(&mut Self, &str, &Spanned<DeValue<'_>>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let DeValue::Array(items) = given.get_ref() else { return None };
        self.if_clean(|reader| {
            let mut values = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                values.extend(read(reader, &format!("{path}[{index}]"), item));
            }
            Some(values)
        })
    }

    fn number(
        &mut self,
        path: &str,
        given: &Spanned<DeValue<'_>>,
        range: &Range,
        parameter: &Parameter,
    ) -> Option<f64> {
        let Some(number) = as_number(given.get_ref()) else {
            return self.wrong_type(path, given, "a number", parameter);
        };
        if range.contains(number) {
            return Some(number);
        }
        let message = format!("{path}: {} is not {}", self.shown(given), range.describe());
        self.fault(Code::OutOfRange, Some(given.span()), message, describe(parameter));
        None
    }

    fn integer(
        &mut self,
        path: &str,
        given: &Spanned<DeValue<'_>>,
        range: std::ops::RangeInclusive<i64>,
        parameter: &Parameter,
    ) -> Option<i64> {
        let DeValue::Integer(digits) = given.get_ref() else {
            return self.wrong_type(path, given, "a whole number", parameter);
        };
        let number = i64::from_str_radix(digits.as_str(), digits.radix()).ok();
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return Some(number);
        }
        let message = format!("{path}: {} is not {}", self.shown(given), whole_numbers(*range.start(), *range.end()));
        self.fault(Code::OutOfRange, Some(given.span()), message, describe(parameter));
        None
    }

    fn choice(
        &mut self,
        path: &str,
        given: &Spanned<DeValue<'_>>,
        word: &str,
        options: &'static [&'static str],
    ) -> Option<Value> {
        if options.contains(&word) {
            return Some(Value::Text(word.to_owned()));
        }
        let message = format!("{path}: {word:?} is none of the choices");
        self.fault(Code::UnknownName, Some(given.span()), message, way_out(word, options, "choices"));
        None
    }

    fn coefficients(&mut self, path: &str, given: &Spanned<DeValue<'_>>, parameter: &Parameter) -> Option<Value> {
        let DeValue::Table(table) = given.get_ref() else { return None };
        let mut keys: Vec<_> = table.iter().collect();
        keys.sort_by_key(|(key, _)| key.span().start);
        self.if_clean(|reader| {
            let mut coefficients = Vec::with_capacity(keys.len());
            for (key, value) in keys {
                let path = format!("{path}.{}", key.get_ref());
                if let Some(number) = reader.number(&path, value, &Range::ANY, parameter) {
                    coefficients.push((key.get_ref().to_string(), number));
                }
            }
            Some(Value::Coefficients(coefficients))
        })
    }

    /// Notes a value of the wrong type.
    pub(crate) fn wrong_type<T>(
        &mut self,
        path: &str,
        given: &Spanned<DeValue<'_>>,
        expected: &str,
        parameter: &Parameter,
    ) -> Option<T> {
        let message = format!("{path}: expected {expected}, found {}", self.found(given));
        self.fault(Code::WrongType, Some(given.span()), message, describe(parameter));
        None
    }

    /// A value in words, as the file writes it.
    pub(crate) fn found(&self, given: &Spanned<DeValue<'_>>) -> String {
        match given.get_ref() {
            DeValue::Table(_) => "a table".to_owned(),
            DeValue::Array(_) => "an array".to_owned(),
            DeValue::String(_) => format!("the text {}", self.shown(given)),
            _ => self.shown(given),
        }
    }

    fn shown(&self, given: &Spanned<DeValue<'_>>) -> String {
        let text = self.text.get(given.span()).unwrap_or("").trim();
        if text.chars().count() <= 60 {
            text.to_owned()
        } else {
            format!("{}…", text.chars().take(59).collect::<String>())
        }
    }
}

/// A number or whole number.
fn as_number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(digits) => {
            i64::from_str_radix(digits.as_str(), digits.radix()).ok().map(|number| number as f64)
        }
        DeValue::Float(digits) => digits.as_str().parse().ok(),
        _ => None,
    }
}

fn type_of(kind: &Kind) -> &'static str {
    match kind {
        Kind::Number { .. } => "a number",
        Kind::Integer { .. } => "a whole number",
        Kind::Boolean { .. } => "true or false",
        Kind::Choice { .. } | Kind::Text { .. } => "a text",
        Kind::Numbers { .. } => "an array of numbers",
        Kind::Integers { .. } => "an array of whole numbers",
        Kind::Texts { .. } => "an array of texts",
        Kind::Csv => "the path of a CSV file",
        Kind::Saved => "the path of a saved agent",
        Kind::Coefficients => "a table of numbers",
        Kind::Agent => "a table with the kind and the keys of an agent",
        Kind::Table { .. } => "a table",
        Kind::Tables { .. } => "an array of tables",
    }
}

fn whole_numbers(minimum: i64, maximum: i64) -> String {
    match (minimum, maximum) {
        (i64::MIN, i64::MAX) => "a whole number".to_owned(),
        (minimum, i64::MAX) => format!("a whole number of {minimum} or more"),
        (i64::MIN, maximum) => format!("a whole number up to {maximum}"),
        (minimum, maximum) => format!("a whole number from {minimum} to {maximum}"),
    }
}

/// The same, and where `mercato tune` looks for good values.
pub(crate) fn describe_with_tuning(parameter: &Parameter) -> String {
    let tuning = parameter.tuning.map(|tuning| format!("; tuned in {}", tuning.describe())).unwrap_or_default();
    format!("{}{tuning}", describe(parameter))
}

/// A parameter in one line: meaning, what is allowed, default.
pub(crate) fn describe(parameter: &Parameter) -> String {
    let (allowed, default) = match &parameter.kind {
        Kind::Number { default, range } => (range.describe(), default.map(|number| number.to_string())),
        Kind::Integer { default, minimum, maximum } => {
            (whole_numbers(*minimum, *maximum), default.map(|number| number.to_string()))
        }
        Kind::Boolean { default } => ("true or false".to_owned(), Some(default.to_string())),
        Kind::Choice { default, options } => {
            (format!("one of {}", options.join(", ")), default.map(|word| format!("{word:?}")))
        }
        Kind::Text { default } => ("a text".to_owned(), default.map(|text| format!("{text:?}"))),
        Kind::Numbers { default, range } => {
            (format!("an array, each {}", range.describe()), default.map(|numbers| format!("{numbers:?}")))
        }
        Kind::Integers { default, minimum, maximum } => (
            format!("an array, each {}", whole_numbers(*minimum, *maximum)),
            default.map(|numbers| format!("{numbers:?}")),
        ),
        Kind::Texts { default } => ("an array of texts".to_owned(), default.map(|texts| format!("{texts:?}"))),
        kind @ (Kind::Csv
        | Kind::Saved
        | Kind::Coefficients
        | Kind::Agent
        | Kind::Table { .. }
        | Kind::Tables { .. }) => (type_of(kind).to_owned(), None),
    };
    let default = default.map(|default| format!(" (default {default})")).unwrap_or_default();
    format!("{}; {allowed}{default}", parameter.summary)
}
