//! What can be named in a scenario, for people and programs that ask.

use super::embedded::EMBEDDED;
use super::registries::REGISTRIES;
use super::table::describe_with_tuning;
use crate::evaluation::experiment::ANALYSES;
use crate::registry::{Entry, Parameter};
use toml::de::{DeTable, DeValue};

/// Something that can be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The name in files.
    pub name: &'static str,
    /// One line: what it is.
    pub summary: String,
    /// Where it comes from.
    pub source: &'static str,
    /// Keys: name, meaning with range and default, whether it must be given.
    pub parameters: Vec<(&'static str, String, bool)>,
}

/// All items of a list: agents, policies, channels, modules, rewards, oracles, analyses or
/// scenarios; none of any other.
#[must_use]
pub fn items(list: &str) -> Vec<Item> {
    match list {
        "agents" => of(REGISTRIES.agents),
        "policies" => of(REGISTRIES.policies),
        "channels" => of(REGISTRIES.channels),
        "modules" => of(REGISTRIES.modules),
        "oracles" => of(REGISTRIES.oracles),
        "analyses" => of(ANALYSES),
        "rewards" => rewards(),
        "scenarios" => scenarios(),
        _ => Vec::new(),
    }
}

pub(crate) fn of<B>(entries: &'static [Entry<B>]) -> Vec<Item> {
    entries
        .iter()
        .map(|entry| Item {
            name: entry.name,
            summary: entry.summary.to_owned(),
            source: entry.source,
            parameters: keys(entry.parameters),
        })
        .collect()
}

fn keys(parameters: &'static [Parameter]) -> Vec<(&'static str, String, bool)> {
    parameters.iter().map(|parameter| (parameter.name, describe_with_tuning(parameter), parameter.required)).collect()
}

fn rewards() -> Vec<Item> {
    let source = "Mercato: an agent is judged by profit, so it learns from profit";
    let item = |name, summary: &str, parameters| Item { name, summary: summary.to_owned(), source, parameters };
    vec![
        item("tick", "profit booked in the tick of the decision, organic orders included", Vec::new()),
        item(
            "window",
            "the same over the window that follows, known when it closes",
            keys(&super::section::REWARD[1..]),
        ),
    ]
}

fn scenarios() -> Vec<Item> {
    EMBEDDED
        .iter()
        .map(|scenario| {
            let (document, _) = DeTable::parse_recoverable(scenario.text);
            let question = document.get_ref().get("question").and_then(|value| match value.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            });
            let summary = question.unwrap_or_default();
            Item { name: scenario.name, summary, source: "embedded", parameters: Vec::new() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewards_are_listed_with_the_keys_that_they_take() {
        let rewards = items("rewards");
        assert_eq!(rewards.iter().map(|item| item.name).collect::<Vec<_>>(), ["tick", "window"]);
        assert_eq!(rewards[1].parameters[0].0, "window_days");
        assert!(items("nothing").is_empty());
    }

    #[test]
    fn every_item_says_what_it_is_and_where_it_comes_from() {
        for list in ["agents", "policies", "channels", "modules", "rewards", "oracles", "analyses", "scenarios"] {
            for item in items(list) {
                assert!(!item.name.is_empty() && !item.summary.is_empty() && !item.source.is_empty(), "{item:?}");
            }
        }
    }
}
