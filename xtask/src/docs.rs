//! Documents that are written from the program itself, so that they cannot fall behind it.

use crate::process::{Failure, output_of, root};
use serde_json::Value;
use std::fmt::Write;
use std::fs;

/// Where the table stands, from the root.
const DOCUMENT: &str = "docs/registry.md";

/// Sections of the document: the key in `mercato list --json`, the heading, a sentence.
const SECTIONS: &[(&str, &str, &str)] = &[
    ("agents", "Agents", "Learn from what their decisions earned. `kind` of a `[[policy]]`."),
    ("policies", "Policies", "Fixed from the start. `kind` of a `[[policy]]`."),
    ("oracles", "Oracles", "May look inside the market; they show what could be reached. `kind` of a `[[policy]]`."),
    ("modules", "Response modules", "Forces that move consumers. `[modules.NAME]`."),
    ("channels", "Channels", "Ways to reach a consumer. `kind` of a `[[channel]]`."),
];

/// Writes the document.
pub fn write() -> Result<(), Failure> {
    let path = root().join(DOCUMENT);
    let text = current()?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| Failure::Io(DOCUMENT.into(), error))?;
    }
    fs::write(path, text).map_err(|error| Failure::Io(DOCUMENT.into(), error))?;
    println!("wrote {DOCUMENT}");
    Ok(())
}

/// Fails where the document differs from what would be written.
pub fn check() -> Result<(), Failure> {
    let expected = current()?;
    let found = fs::read_to_string(root().join(DOCUMENT)).unwrap_or_default();
    // A checkout may have given the lines other ends.
    if found.replace("\r\n", "\n") == expected {
        println!("{DOCUMENT} is current");
        return Ok(());
    }
    Err(Failure::State(format!("{DOCUMENT} is not what the program lists; run `cargo xtask docs` and commit it")))
}

fn current() -> Result<String, Failure> {
    let printed = output_of("cargo", &["run", "--quiet", "--package", "mercato", "--", "list", "--json"])?;
    let list = serde_json::from_str(&printed)
        .map_err(|error| Failure::State(format!("`mercato list --json` is not one JSON document: {error}")))?;
    render(&list)
}

/// The document, from `{"agents": [{"name", "summary", "source"}, …], "policies": …}`. Keys without a section here
/// (such as scenarios) are left out.
fn render(list: &Value) -> Result<String, Failure> {
    let mut text = String::from(
        "# What a scenario file can name\n\n\
         Written by `cargo xtask docs` from the program; do not edit. `mercato list` prints the same, \
         `mercato schema` has all keys with their ranges.\n",
    );
    for (key, heading, sentence) in SECTIONS {
        let Some(entries) = list.get(key).and_then(Value::as_array) else {
            return Err(Failure::State(format!("`mercato list --json` has no array `{key}`")));
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## {heading}\n\n{sentence}\n\n| name | what it is | source |\n|---|---|---|\n");
        for entry in entries {
            let cells = ["name", "summary", "source"].map(|field| cell(entry, key, field));
            let [name, summary, source] = cells;
            let _ = writeln!(text, "| `{}` | {} | {} |", name?, summary?, source?);
        }
    }
    Ok(text)
}

/// A text of an entry, fit for a cell of a table.
fn cell(entry: &Value, key: &str, field: &str) -> Result<String, Failure> {
    match entry.get(field).and_then(Value::as_str) {
        Some(text) => Ok(text.replace('|', "\\|").replace('\n', " ")),
        None => {
            Err(Failure::State(format!("`mercato list --json`: an entry of `{key}` has no text `{field}`: {entry}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn list() -> Value {
        let entry = json!([{"name": "x", "summary": "a | b", "source": "someone 1999", "parameters": []}]);
        json!({"agents": entry, "policies": [], "oracles": [], "modules": [], "channels": entry, "scenarios": []})
    }

    #[test]
    fn entries_become_rows_and_bars_are_escaped() {
        let text = render(&list()).unwrap();
        assert_eq!(text.matches("| `x` | a \\| b | someone 1999 |\n").count(), 2);
        let order: Vec<usize> = SECTIONS.iter().map(|(_, heading, _)| text.find(heading).unwrap()).collect();
        assert!(order.is_sorted());
    }

    #[test]
    fn a_list_that_lacks_something_is_refused() {
        let mut without = list();
        without["agents"][0]["source"] = Value::Null;
        assert!(render(&without).unwrap_err().to_string().contains("no text `source`"));
        assert!(render(&json!({"agents": []})).unwrap_err().to_string().contains("no array `policies`"));
    }
}
