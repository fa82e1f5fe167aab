//! `mercato list`: what can be named in a file.

use super::arguments::{List, What};
use super::print;
use crate::logged;
use crate::scenario::listing::{self, Item};
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::process::ExitCode;

/// Prints names, what they are, and where they come from.
#[must_use]
pub fn execute(arguments: &List) -> ExitCode {
    let wanted: Vec<What> = match arguments.what {
        Some(what) => vec![what],
        None => What::value_variants().to_vec(),
    };
    if arguments.json {
        let lists: Map<String, Value> =
            wanted.into_iter().map(|what| (word(what), items(&word(what)).iter().map(document).collect())).collect();
        return print(&format!("{:#}\n", Value::Object(lists)));
    }
    let mut text = String::new();
    for (position, &what) in wanted.iter().enumerate() {
        if wanted.len() > 1 {
            text += &format!("{}{}\n", if position > 0 { "\n" } else { "" }, word(what));
        }
        text += &lines(&items(&word(what)), wanted.len() > 1);
    }
    print(&text)
}

/// Of scenarios or of evaluations.
fn items(list: &str) -> Vec<Item> {
    let of_scenarios = listing::items(list);
    if of_scenarios.is_empty() { logged::schema::items(list) } else { of_scenarios }
}

fn word(what: What) -> String {
    what.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn lines(items: &[Item], indented: bool) -> String {
    let width = items.iter().map(|item| item.name.len()).max().unwrap_or(0);
    let margin = if indented { "  " } else { "" };
    items.iter().map(|item| format!("{margin}{:width$}  {} [{}]\n", item.name, item.summary, item.source)).collect()
}

fn document(item: &Item) -> Value {
    let keys: Vec<Value> = item
        .parameters
        .iter()
        .map(|(name, meaning, required)| json!({ "name": name, "meaning": meaning, "required": required }))
        .collect();
    json!({ "name": item.name, "summary": item.summary, "source": item.source, "parameters": keys })
}
