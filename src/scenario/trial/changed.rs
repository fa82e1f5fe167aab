//! The scenario of a test, with the numbers that the test gives instead of its own.

use crate::registry::Values;
use crate::scenario::error::{Code, ScenarioErrors};
use crate::scenario::file::Source;
use crate::scenario::registries::REGISTRIES;
use crate::scenario::table::Reader;
use crate::scenario::{Experiment, Overrides, embedded, parse, read};
use std::path::Path;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

/// Keys of the test's file that change `[market]`.
const CHANGES: &[&str] = &["consumers", "ticks", "history_days"];

/// Reads the scenario that the test names; its faults are told in one.
pub(super) fn load_changed(
    reader: &mut Reader<'_>,
    header: &Values,
    folder: &Path,
    overrides: &Overrides,
) -> Option<Experiment> {
    let named = header.text("scenario");
    let path = folder.join(named);
    let given: Vec<(&str, i64)> =
        CHANGES.iter().filter_map(|key| Some((*key, header.optional_integer(key)?))).collect();
    let with = |changes: &[(&str, i64)]| match (std::fs::read_to_string(&path), embedded(named)) {
        (Ok(text), _) => {
            let base = path.parent().unwrap_or(Path::new(""));
            Ok(parse(&changed(&text, changes), base, &path.display().to_string(), overrides))
        }
        (Err(_), Some(scenario)) => {
            let files = scenario.files.iter().map(|(path, bytes)| ((*path).to_owned(), Arc::from(*bytes))).collect();
            let source = Source::Copy(files);
            Ok(read(&changed(scenario.text, changes), source, &format!("{named}.toml"), overrides, &REGISTRIES))
        }
        (Err(error), None) => Err(error),
    };
    let loaded: Result<Experiment, ScenarioErrors> = match with(&given) {
        Ok(loaded) => loaded,
        Err(error) => {
            let message = format!("scenario: {:?} cannot be read: {error}", path.display().to_string());
            let help = "paths are relative to this file; `mercato list scenarios` shows the embedded ones";
            reader.fault(Code::UnreadableFile, header.place("scenario"), message, help);
            return None;
        }
    };
    match loaded {
        Ok(experiment) => Some(experiment),
        Err(errors) => {
            let count = errors.errors.len();
            let told: Vec<&str> = errors.errors.iter().map(|error| error.message.as_str()).collect();
            let message = format!(
                "scenario: {named:?} has {count} {}: {}",
                if count == 1 { "fault" } else { "faults" },
                told.join("; ")
            );
            let is_whole_alone = !given.is_empty() && with(&[]).is_ok_and(|alone| alone.is_ok());
            let help = if is_whole_alone {
                let keys: Vec<&str> = given.iter().map(|(key, _)| *key).collect();
                format!("the scenario alone has none: mend what this file changes in it ({})", keys.join(", "))
            } else if path.is_file() {
                format!("`mercato validate {}` shows each in its place", path.display())
            } else {
                "mend what the command line changes in it".to_owned()
            };
            reader.fault(Code::Refused, header.place("scenario"), message, help);
            None
        }
    }
}

/// The text of a scenario with other numbers in `[market]`.
fn changed(text: &str, changes: &[(&str, i64)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (key, value)| with_market(&text, key, *value))
}

/// The text of a scenario with another number in `[market]`, all else as it is.
fn with_market(text: &str, key: &str, value: i64) -> String {
    let (document, _) = DeTable::parse_recoverable(text);
    if let Some(market) = document.get_ref().get("market") {
        if let DeValue::Table(table) = market.get_ref()
            && let Some(old) = table.get(key)
        {
            return format!("{}{value}{}", &text[..old.span().start], &text[old.span().end..]);
        }
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if let Some(header) = lines.iter().position(|line| line.split('#').next().unwrap_or("").trim() == "[market]") {
            lines.insert(header + 1, format!("{key} = {value}"));
            return lines.join("\n") + "\n";
        }
    }
    format!("{text}\n[market]\n{key} = {value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_replaced_where_it_stands_or_added() {
        let text = "name = \"x\"\n[market] # people\nconsumers = 1_000 # many\n[[policy]]\nname = \"none\"\n";
        let fewer = with_market(text, "consumers", 20);
        assert_eq!(fewer, text.replace("1_000", "20"));
        assert!(with_market(text, "ticks", 7).contains("[market] # people\nticks = 7\nconsumers"));
        assert!(with_market("name = \"x\"\n", "ticks", 7).ends_with("[market]\nticks = 7\n"));
    }
}
