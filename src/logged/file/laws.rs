//! `[[target]]` and `[[logger]]` of an evaluation file: whose law is asked for.

use super::LawAsked;
use super::paths::named_table;
use super::sections::kind;
use crate::logged::keys::{self, LOGGERS, LawKind, TARGETS};
use crate::registry::{Entry, Value, Values};
use crate::scenario::error::Code;
use crate::scenario::section::{check_name, tables};
use crate::scenario::table::{Reader, Section};
use std::path::Path;
use toml::Spanned;

/// What is to be judged; a file without is at fault.
pub(super) fn targets(reader: &mut Reader<'_>, root: &Section<'_>, folder: &Path) -> Vec<LawAsked> {
    let before = reader.faults.len();
    let sections = tables(reader, root, "target");
    if sections.is_empty() && reader.faults.len() == before {
        let help = "add [[target]] with a name and a kind: table, uniform, constant, logging or policy";
        reader.fault(Code::MissingKey, None, "target: there is none to judge", help);
    }
    let (mut seen, mut targets) = (Vec::new(), Vec::new());
    for section in sections {
        let name = reader.one(&section, &keys::NAME);
        if let Some(Value::Text(name)) = &name {
            check_name(reader, &section, name, &mut seen);
        }
        targets.extend(law(reader, &section, TARGETS, name, folder));
    }
    targets
}

/// Who logged, where several did; the column that says so and the sections stand or fall together.
pub(super) fn loggers(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    folder: &Path,
    log: Option<&Values>,
) -> Vec<LawAsked> {
    let sections = tables(reader, root, "logger");
    let place = |key: &str| log.filter(|log| log.is_given(key)).and_then(|log| log.place(key));
    match (root.get("logger"), place("logger"), place("logging")) {
        (None, Some(place), _) => {
            let help = "add [[logger]] for each of its values: name, and kind table, uniform, constant or policy";
            reader.fault(Code::MissingKey, Some(place), "log.logger: nothing says what those policies did", help);
        }
        (Some(_), _, Some(place)) => {
            let help = "leave it out: each [[logger]] says what its policy did";
            reader.fault(Code::Refused, Some(place), "log.logging: several policies logged", help);
        }
        _ => {}
    }
    let (mut seen, mut loggers): (Vec<String>, Vec<LawAsked>) = (Vec::new(), Vec::new());
    for section in sections {
        let name = match reader.one(&section, &keys::LOGGER_NAME) {
            Some(Value::Text(name)) => Some(name.trim().to_owned()),
            _ => None,
        };
        if let Some(name) = &name {
            let place = section.get("name").map(Spanned::span);
            if name.is_empty() {
                let help = "name what stands in the column `log.logger`";
                reader.fault(Code::BadName, place, format!("{}: is empty", section.key("name")), help);
            } else if seen.contains(name) {
                let help = "one [[logger]] for each value of the column `log.logger`";
                reader.fault(Code::BadName, place, format!("{}: {name:?} is there twice", section.key("name")), help);
            }
            seen.push(name.clone());
        }
        loggers.extend(law(reader, &section, LOGGERS, name.map(Value::Text), folder));
    }
    loggers
}

fn law(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    entries: &'static [Entry<LawKind>],
    name: Option<Value>,
    folder: &Path,
) -> Option<LawAsked> {
    let what = section.path.split('[').next().unwrap_or_default();
    let entry = kind(reader, section, entries, what)?;
    let values = reader.values(section, entry.parameters, &[keys::NAME.name, keys::KIND.name])?;
    let Some(Value::Text(name)) = name else { return None };
    let table = match entry.build {
        LawKind::Table => {
            named_table(reader, &section.key("path"), values.text("path"), values.place("path")).map(Some)?
        }
        LawKind::Bundle => {
            let message = format!("{}: policy bundles are not available in this version", section.key("kind"));
            let help = "take kind = \"policy\" with the folder of a run, or export the law as a table";
            reader.fault(Code::Refused, section.get("kind").map(Spanned::span), message, help);
            None
        }
        _ => None,
    };
    let run = values.optional_text("run").map(|run| folder.join(run));
    let place = section.get("name").map(Spanned::span);
    Some(LawAsked { name, place, kind: entry.build, section: section.path.clone(), table, run, values })
}
