//! Which columns of a log mean what. A log of ours says so itself; for others the evaluation file does.

use super::file::Evaluation;
use super::keys::LawKind;
use super::source::Source;
use crate::registry::Values;
use crate::scenario::error::{Code, ScenarioError};
use crate::scenario::suggestion::way_out;
use serde_json::Value;
use std::collections::BTreeMap;

/// Places in the wanted columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    /// Names of the columns that are read.
    pub(super) wanted: Vec<String>,
    pub(super) action: usize,
    pub(super) reward: usize,
    pub(super) propensity: Option<usize>,
    pub(super) context: Vec<usize>,
    pub(super) unit: Option<usize>,
    pub(super) time: Option<usize>,
    pub(super) terminated: Option<usize>,
    pub(super) decision_id: Option<usize>,
    pub(super) logger: Option<usize>,
    pub(super) probabilities: Option<usize>,
    pub(super) allowed: Option<usize>,
    /// The features of a log of ours, in the order of the market, where a policy is to see them.
    pub(super) features: Vec<usize>,
    /// What a log of ours says about itself.
    pub(super) own: Option<Own>,
}

/// The metadata of a log of ours.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    pub(super) action_names: Vec<String>,
    /// One level per factor of each action.
    pub(super) factors: Vec<Vec<u16>>,
    pub(super) features: Vec<String>,
    pub(super) seed: u64,
    pub(super) replication: u32,
    /// What couples its consumers.
    pub(super) coupled: Vec<String>,
}

impl Own {
    fn read(metadata: &BTreeMap<String, String>) -> Option<Self> {
        metadata.get("mercato")?;
        let list = |key: &str| serde_json::from_str::<Vec<Value>>(metadata.get(key)?).ok();
        let name = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
        let actions = list("actions")?;
        let number = |key: &str| metadata.get(key).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let coupled = list("coupled").unwrap_or_default();
        Some(Self {
            action_names: actions.iter().map(name).collect::<Option<_>>()?,
            factors: factors(&actions),
            features: list("features")?.iter().map(name).collect::<Option<_>>()?,
            seed: number("seed"),
            replication: u32::try_from(number("replication")).unwrap_or(0),
            coupled: coupled.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }
}

/// Levels of the factors of each action, numbered as they are met; an action without any (no contact) has levels of its
/// own.
fn factors(actions: &[Value]) -> Vec<Vec<u16>> {
    let objects: Vec<_> = actions.iter().filter_map(Value::as_object).collect();
    let mut names: Vec<&String> = Vec::new();
    for key in objects.iter().flat_map(|object| object.keys()).filter(|key| *key != "name") {
        if !names.contains(&key) {
            names.push(key);
        }
    }
    let mut levels: Vec<Vec<Option<&Value>>> = vec![Vec::new(); names.len()];
    objects
        .iter()
        .map(|object| {
            let level = |(factor, name): (usize, &&String)| {
                let value = object.get(*name);
                let known = &mut levels[factor];
                let place = known.iter().position(|other| *other == value).unwrap_or_else(|| {
                    known.push(value);
                    known.len() - 1
                });
                u16::try_from(place).unwrap_or(u16::MAX)
            };
            names.iter().enumerate().map(level).collect()
        })
        .collect()
}

/// Gathers the columns, and what is wrong with them.
struct Finder<'a> {
    evaluation: &'a Evaluation,
    header: &'a [String],
    layout: Layout,
    faults: Vec<ScenarioError>,
}

impl Layout {
    /// The columns that an evaluation needs, of a log that has these.
    ///
    /// # Errors
    /// Every column that is named and not there, and every one that is needed and not named.
    pub(super) fn find(evaluation: &Evaluation, source: &Source) -> Result<Self, Vec<ScenarioError>> {
        let header = source.header();
        let own = Own::read(&source.metadata());
        let log = &evaluation.log;
        let mut finder = Finder { evaluation, header: &header, layout: Self::default(), faults: Vec::new() };
        finder.layout.action = finder.required("action", own.is_some());
        finder.layout.reward = finder.required("reward", own.is_some());
        finder.layout.propensity = finder.optional("propensity", own.as_ref().map(|_| "propensity"));
        finder.layout.probabilities = finder.optional("probabilities", own.as_ref().map(|_| "probabilities"));
        finder.layout.allowed = finder.optional("allowed", own.as_ref().map(|_| "allowed"));
        finder.layout.time = finder.optional("time", own.as_ref().map(|_| "tick"));
        finder.layout.terminated = finder.optional("terminated", own.as_ref().map(|_| "terminated"));
        finder.layout.decision_id = finder.optional("decision_id", own.as_ref().map(|_| "decision_id"));
        if !evaluation.loggers.is_empty() {
            finder.layout.logger = finder.optional("logger", own.as_ref().map(|_| "policy"));
        }
        let is_row =
            log.optional_text("unit").is_some_and(|unit| unit == "row" && !header.iter().any(|name| name == "row"));
        if !is_row {
            finder.layout.unit = finder.optional("unit", own.as_ref().map(|_| "consumer_id"));
        }
        let context: Vec<String> = match (log.get("context"), &own) {
            (None, Some(own)) => own.features.clone(),
            _ => log.texts("context").to_vec(),
        };
        finder.layout.context = context.iter().filter_map(|name| finder.column(name, "context")).collect();
        if let (true, Some(own)) = (evaluation.laws().any(|law| law.kind == LawKind::Policy), &own) {
            finder.layout.features = own.features.iter().filter_map(|name| finder.column(name, "context")).collect();
        }
        finder.layout.own = own;
        finder.check();
        if finder.faults.is_empty() { Ok(finder.layout) } else { Err(finder.faults) }
    }

    /// Whether another file of a log of ours has the same actions and features; true for other logs.
    pub(super) fn is_alike(&self, source: &Source) -> bool {
        let Some(own) = &self.own else { return true };
        let other = Own::read(&source.metadata());
        other.is_some_and(|other| other.action_names == own.action_names && other.features == own.features)
    }

    /// Names of the wanted columns.
    pub(super) fn columns(&self) -> Vec<&str> {
        self.wanted.iter().map(String::as_str).collect()
    }

    /// Name of a wanted column.
    pub(super) fn name(&self, column: usize) -> &str {
        &self.wanted[column]
    }
}

impl Finder<'_> {
    fn log(&self) -> &Values {
        &self.evaluation.log
    }

    /// The place of a column among those that are read.
    fn column(&mut self, name: &str, key: &str) -> Option<usize> {
        if let Some(place) = self.layout.wanted.iter().position(|wanted| wanted == name) {
            return Some(place);
        }
        let count = self.header.iter().filter(|column| *column == name).count();
        if count > 1 {
            let help = "give each column a name of its own".to_owned();
            self.fault(Code::BadTable, key, format!("the log has {count} columns {name:?}"), help);
            return None;
        }
        if count == 0 {
            let known: Vec<&str> = self.header.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
            let help = way_out(name, &known[..known.len().min(40)], "its columns");
            self.fault(Code::UnknownName, key, format!("the log has no column {name:?}"), help);
            return None;
        }
        self.layout.wanted.push(name.to_owned());
        Some(self.layout.wanted.len() - 1)
    }

    fn fault(&mut self, code: Code, key: &str, message: String, help: String) {
        let place = self.log().place(key);
        self.faults.push(ScenarioError { message: format!("log.{key}: {message}"), place, help: Some(help), code });
    }

    fn required(&mut self, key: &str, is_own: bool) -> usize {
        let name = self.log().optional_text(key).map(str::to_owned).or_else(|| is_own.then(|| key.to_owned()));
        let Some(name) = name else {
            let help = format!("add `{key} = …`: the column of that name in the log; only a log of ours needs none");
            self.fault(Code::MissingKey, key, "is missing".to_owned(), help);
            return 0;
        };
        self.column(&name, key).unwrap_or(0)
    }

    /// A column that may be absent: the one that is named, else that of a log of ours if it has it.
    fn optional(&mut self, key: &str, own: Option<&str>) -> Option<usize> {
        match self.log().optional_text(key).map(str::to_owned) {
            Some(name) => self.column(&name, key),
            None => {
                let name = own.filter(|name| self.header.iter().any(|column| column == name))?;
                self.column(name, key)
            }
        }
    }

    /// What columns say about each other.
    fn check(&mut self) {
        let has_names = self.layout.own.is_some() || self.log().get("actions").is_some();
        for (key, column) in [("probabilities", self.layout.probabilities), ("allowed", self.layout.allowed)] {
            if column.is_some() && !has_names {
                let help = "add `actions = [\"…\", …]`: all actions, in the order of the list".to_owned();
                self.fault(Code::MissingKey, key, "the order of the actions is not told".to_owned(), help);
            }
        }
        let policy = self.evaluation.laws().find(|law| law.kind == LawKind::Policy);
        if let (None, Some(law)) = (&self.layout.own, policy) {
            let help = "write the log with `mercato run SCENARIO --log`, or give the policy as a table".to_owned();
            let message = format!("{} is of kind \"policy\" and needs a log of ours", law.section);
            self.fault(Code::Refused, "path", message, help);
        }
        if !self.evaluation.loggers.is_empty() && self.layout.logger.is_none() && !self.log().is_given("logger") {
            let help = "add `logger = …`: the column that names the policy of a row".to_owned();
            self.fault(Code::MissingKey, "logger", "is missing, and there are [[logger]] sections".to_owned(), help);
        }
        let outcome = [("reward", self.layout.reward), ("action", self.layout.action)];
        let named = self.faults.is_empty();
        for (key, column) in outcome {
            if !named || !self.layout.context.contains(&column) {
                continue;
            }
            let name = self.layout.name(column).to_owned();
            let help = "take it out of the context: what came of a decision explains nothing about it".to_owned();
            self.fault(Code::Refused, "context", format!("{name:?} is log.{key} already"), help);
        }
        let sequence = self.layout.time.is_some() && self.layout.unit.is_none() && self.log().is_given("time");
        if sequence {
            let help = "add `unit = …`: the column that names the consumer".to_owned();
            self.fault(Code::MissingKey, "time", "rows have a time and no unit to be a sequence of".to_owned(), help);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_number_their_levels_and_no_contact_stands_alone() {
        let actions: Vec<Value> = serde_json::from_str(
            r#"[{"name":"none"},{"name":"a","channel":"email","hour":"8h"},{"name":"b","channel":"email","hour":"9h"},
                {"name":"c","channel":"push","hour":"8h"}]"#,
        )
        .unwrap();
        assert_eq!(factors(&actions), [vec![0, 0], vec![1, 1], vec![1, 2], vec![2, 1]]);
    }
}
