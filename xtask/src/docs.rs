//! Documents that are written from the program itself, so that they cannot fall behind it.

use crate::process::{Failure, output_of, root, run};
use serde_json::Value;
use std::fmt::Write;
use std::fs;

/// Holds one table per registry.
const REGISTRY: &str = "docs/registry.md";
/// Holds one table of all that decides, between two marks.
const README: &str = "README.md";
const BEGIN: &str = "<!-- registry: begin (written by `cargo xtask docs`) -->\n";
const END: &str = "<!-- registry: end -->";

/// Holds a page for some agents, called after them, each with a table of its keys between two marks.
const PAGES: &str = "docs/agents";
const KEYS_BEGIN: &str = "<!-- keys: begin (written by `cargo xtask docs`) -->\n";
const KEYS_END: &str = "<!-- keys: end -->";

/// Sections of the registry document: the key in `mercato list --json`, the heading, a sentence.
const SECTIONS: &[(&str, &str, &str)] = &[
    ("agents", "Agents", "Learn from what their decisions earned. `kind` of a `[[policy]]`."),
    ("policies", "Policies", "Fixed from the start. `kind` of a `[[policy]]`."),
    ("oracles", "Oracles", "May look inside the market; they show what could be reached. `kind` of a `[[policy]]`."),
    ("modules", "Response modules", "Forces that move consumers. `[modules.NAME]`."),
    (
        "analyses",
        "Analyses of experiments",
        "What a randomised comparison shows. `kind` of an `[[analysis]]` in an experiment file.",
    ),
    ("channels", "Channels", "Ways to reach a consumer. `kind` of a `[[channel]]`."),
    (
        "estimators",
        "Estimators",
        "Judge a policy on the log of another. `kind` of an `[[estimator]]` in an evaluation file.",
    ),
    (
        "reward_models",
        "Reward models",
        "What an action is expected to bring. `kind` of `[reward_model]` in an evaluation file.",
    ),
    (
        "propensity_models",
        "Propensity models",
        "For logs without propensities. `kind` of `[propensity_model]` in an evaluation file.",
    ),
    (
        "targets",
        "Targets",
        "What can be judged on a log. `kind` of a `[[target]]` in an evaluation file; `table`, `uniform`, `constant` and \
         `policy` also of a `[[logger]]`: who logged, where several did.",
    ),
];

/// What the table of the README holds, in order.
const DECIDING: &[(&str, &str)] = &[("policies", "fixed"), ("agents", "learns"), ("oracles", "looks inside")];

/// Writes the documents.
pub fn write() -> Result<(), Failure> {
    for (path, text) in current()? {
        let place = root().join(&path);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).map_err(|error| Failure::Io(path.clone(), error))?;
        }
        fs::write(place, text).map_err(|error| Failure::Io(path.clone(), error))?;
        println!("wrote {path}");
    }
    Ok(())
}

/// Fails where a document differs from what would be written, or shows a scenario that is wrong.
pub fn check() -> Result<(), Failure> {
    for (path, expected) in current()? {
        if read(&path)? != expected {
            return Err(Failure::State(format!(
                "{path} is not what the program lists; run `cargo xtask docs` and commit it"
            )));
        }
        println!("{path} is current");
    }
    validate_examples()
}

/// Lets the program check the scenarios that the README shows.
fn validate_examples() -> Result<(), Failure> {
    let folder = root().join("target/xtask");
    fs::create_dir_all(&folder).map_err(|error| Failure::Io("target/xtask".into(), error))?;
    for (index, text) in scenarios(&read(README)?).iter().enumerate() {
        let path = format!("target/xtask/readme-{index}.toml");
        fs::write(root().join(&path), text).map_err(|error| Failure::Io(path.clone(), error))?;
        run("cargo", &["run", "--quiet", "--package", "mercato", "--", "validate", &path], &[])?;
    }
    Ok(())
}

/// The whole scenarios among the TOML blocks of a document: those that begin with a name.
fn scenarios(text: &str) -> Vec<&str> {
    let blocks = text.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block);
    blocks.filter(|block| block.starts_with("name = ")).collect()
}

/// Every document with the text that it should have.
fn current() -> Result<Vec<(String, String)>, Failure> {
    let printed = output_of("cargo", &["run", "--quiet", "--package", "mercato", "--", "list", "--json"])?;
    let list = serde_json::from_str(&printed)
        .map_err(|error| Failure::State(format!("`mercato list --json` is not one JSON document: {error}")))?;
    let readme = replace_table(&read(README)?, &deciding(&list)?)?;
    let mut documents = vec![(REGISTRY.to_owned(), render(&list)?), (README.to_owned(), readme)];
    for agent in pages()? {
        let path = format!("{PAGES}/{agent}.md");
        let text = replace_between(&read(&path)?, &keys(&list, &agent)?, [KEYS_BEGIN, KEYS_END], &path)?;
        documents.push((path, text));
    }
    Ok(documents)
}

/// The agents that have a page, by name.
fn pages() -> Result<Vec<String>, Failure> {
    let folder = fs::read_dir(root().join(PAGES)).map_err(|error| Failure::Io(PAGES.into(), error))?;
    let mut names = Vec::new();
    for file in folder {
        let name = file.map_err(|error| Failure::Io(PAGES.into(), error))?.file_name();
        names.extend(name.to_string_lossy().strip_suffix(".md").map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// The keys of an agent, a row each.
fn keys(list: &Value, agent: &str) -> Result<String, Failure> {
    let entry = entries(list, "agents")?.iter().find(|entry| entry["name"] == agent);
    let Some(entry) = entry else {
        return Err(Failure::State(format!("{PAGES}/{agent}.md is the page of no agent")));
    };
    let mut text = String::from("| key | meaning, range and default |\n|---|---|\n");
    for key in entries(entry, "parameters")? {
        let _ = writeln!(text, "| `{}` | {} |", cell(key, agent, "name")?, cell(key, agent, "meaning")?);
    }
    Ok(text)
}

/// A file of the repository, empty where there is none. A checkout may have given the lines other ends.
fn read(path: &str) -> Result<String, Failure> {
    match fs::read_to_string(root().join(path)) {
        Ok(text) => Ok(text.replace("\r\n", "\n")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Failure::Io(path.into(), error)),
    }
}

/// The README with the table between its marks.
fn replace_table(text: &str, table: &str) -> Result<String, Failure> {
    replace_between(text, table, [BEGIN, END], README)
}

/// The text of a document with a table between two marks.
fn replace_between(text: &str, table: &str, [begin, end]: [&str; 2], path: &str) -> Result<String, Failure> {
    let marks = text.split_once(begin).and_then(|(head, rest)| Some((head, rest.split_once(end)?.1)));
    match marks {
        Some((head, tail)) => Ok(format!("{head}{begin}{table}{end}{tail}")),
        None => Err(Failure::State(format!("{path} lacks the marks {} and {end}", begin.trim_end()))),
    }
}

/// One table of all that decides.
fn deciding(list: &Value) -> Result<String, Failure> {
    let mut text = String::from("| kind | | what it does | source |\n|---|---|---|---|\n");
    for (key, role) in DECIDING {
        for entry in entries(list, key)? {
            let [name, summary, source] = cells(entry, key)?;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| `{name}` | {role} | {summary} | {source} |");
        }
    }
    Ok(text)
}

/// The document, from `{"agents": [{"name", "summary", "source"}, …], "policies": …}`. Keys without a section here
/// (such as scenarios) are left out.
fn render(list: &Value) -> Result<String, Failure> {
    let mut text = String::from(
        "# What scenario and evaluation files can name\n\n\
         Written by `cargo xtask docs` from the program; do not edit. `mercato list` prints the same, \
         `mercato schema` has all keys with their ranges.\n",
    );
    for (key, heading, sentence) in SECTIONS {
        let _ = write!(text, "\n## {heading}\n\n{sentence}\n\n| name | what it is | source |\n|---|---|---|\n");
        for entry in entries(list, key)? {
            let [name, summary, source] = cells(entry, key)?;
            let _ = writeln!(text, "| `{name}` | {summary} | {source} |");
        }
    }
    Ok(text)
}

/// The entries of a registry.
fn entries<'a>(list: &'a Value, key: &str) -> Result<&'a [Value], Failure> {
    match list.get(key).and_then(Value::as_array) {
        Some(entries) => Ok(entries),
        None => Err(Failure::State(format!("`mercato list --json` has no array `{key}`"))),
    }
}

/// Name, summary and source of an entry, fit for the cells of a table.
fn cells(entry: &Value, key: &str) -> Result<[String; 3], Failure> {
    Ok([cell(entry, key, "name")?, cell(entry, key, "summary")?, cell(entry, key, "source")?])
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
        json!({"agents": entry, "policies": [], "oracles": [], "modules": [], "channels": entry, "scenarios": [],
            "estimators": [], "reward_models": [], "sequence_estimators": [], "propensity_models": [], "targets": [], "analyses": []})
    }

    #[test]
    fn entries_become_rows_and_bars_are_escaped() {
        let text = render(&list()).unwrap();
        assert_eq!(text.matches("| `x` | a \\| b | someone 1999 |\n").count(), 2);
        let order: Vec<usize> = SECTIONS.iter().map(|(_, heading, _)| text.find(heading).unwrap()).collect();
        assert!(order.is_sorted());
    }

    #[test]
    fn the_readme_keeps_all_but_its_table() {
        let table = deciding(&list()).unwrap();
        assert_eq!(table.lines().count(), 3);
        let before = format!("# A\n\n{BEGIN}old\n{END}\n\ntext\n");
        let after = replace_table(&before, &table).unwrap();
        assert_eq!(after, format!("# A\n\n{BEGIN}{table}{END}\n\ntext\n"));
        assert_eq!(replace_table(&after, &table).unwrap(), after);
        assert!(replace_table("# A\n", &table).unwrap_err().to_string().contains("lacks the marks"));
    }

    #[test]
    fn a_page_shows_the_keys_of_its_agent() {
        let mut list = list();
        list["agents"][0]["parameters"] = json!([{"name": "k", "meaning": "a | b (default 1)", "required": false}]);
        let table = "| key | meaning, range and default |\n|---|---|\n| `k` | a \\| b (default 1) |\n";
        assert_eq!(keys(&list, "x").unwrap(), table);
        assert!(keys(&list, "y").unwrap_err().to_string().contains("the page of no agent"));
    }

    #[test]
    fn every_page_has_its_marks() {
        for agent in pages().unwrap() {
            let path = format!("{PAGES}/{agent}.md");
            assert!(replace_between(&read(&path).unwrap(), "", [KEYS_BEGIN, KEYS_END], &path).is_ok());
        }
    }

    #[test]
    fn the_committed_readme_has_the_marks_and_one_whole_scenario() {
        let readme = read(README).unwrap();
        assert!(replace_table(&readme, "").is_ok());
        let scenarios = scenarios(&readme);
        assert_eq!(scenarios.len(), 1);
        assert!(scenarios[0].trim_end().ends_with("max = 0.02"));
    }

    #[test]
    fn a_list_that_lacks_something_is_refused() {
        let mut without = list();
        without["agents"][0]["source"] = Value::Null;
        assert!(render(&without).unwrap_err().to_string().contains("no text `source`"));
        assert!(render(&json!({"agents": []})).unwrap_err().to_string().contains("no array `policies`"));
    }
}
