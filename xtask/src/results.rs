//! The committed results: each folder says by which commands it is rebuilt.
//!
//! `results/NAME/command.txt` has one command a line; lines that are empty or start with `#` are skipped. Words are
//! separated by spaces, without quotes. `{out}` stands for a fresh folder outside the sources; of what the commands leave
//! there, [`KEPT`] is copied into `results/NAME/`. README.md and command.txt are written by hand and stay.

use crate::process::{Failure, root, run};
use std::fs;
use std::path::Path;

/// What is kept of a run, where it was made; the table always is.
const KEPT: &[&str] = &["manifest.json", "table.csv", "table.md", "peer_runs.csv", "figure.svg"];
const TABLE: &str = "table.csv";
const COMMANDS: &str = "command.txt";
/// The comparison of speed.
const SPEED: &str = "speed";
/// The folders that need other libraries, which are not installed for them.
const WITH_PEERS: &[&str] = &[SPEED, "ope-speed", "speed-deep"];

/// Rebuilds every folder that has commands, in the order of their names.
pub fn rebuild_all() -> Result<(), Failure> {
    let folder = root().join("results");
    let entries = fs::read_dir(&folder).map_err(|error| Failure::Io("results".into(), error))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Failure::Io("results".into(), error))?.path();
        if path.join(COMMANDS).is_file() {
            names.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    if names.is_empty() {
        return Err(Failure::State(format!("no folder under results/ has a {COMMANDS}")));
    }
    for name in &names {
        match require_peers() {
            Err(missing) if WITH_PEERS.contains(&name.as_str()) => println!("\nskipped results/{name}: {missing}"),
            _ => rebuild(name)?,
        }
    }
    Ok(())
}

/// Rebuilds one folder.
pub fn rebuild(name: &str) -> Result<(), Failure> {
    if name.contains(['/', '\\', '.']) {
        return Err(Failure::State(format!("`{name}` is not the name of a folder under results/")));
    }
    if WITH_PEERS.contains(&name) {
        require_peers()?;
    }
    let folder = root().join("results").join(name);
    let path = format!("results/{name}/{COMMANDS}");
    let text = fs::read_to_string(root().join(&path)).map_err(|error| Failure::Io(path.clone(), error))?;
    let out = format!("target/results/{name}");
    let commands = commands(&text, &out);
    if commands.is_empty() {
        return Err(Failure::State(format!("{path} has no command")));
    }
    println!("\n==== results/{name} ====");
    clear(&root().join(&out)).map_err(|error| Failure::Io(out.clone(), error))?;
    for words in &commands {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let [program, arguments @ ..] = words.as_slice() {
            run(program, arguments, &[])?;
        }
    }
    let kept = keep(&root().join(&out), &folder).map_err(|error| Failure::Io(out.clone(), error))?;
    if !kept.contains(&TABLE) {
        return Err(Failure::State(format!("the commands of {path} left no {TABLE} in {{out}}")));
    }
    println!("rebuilt results/{name}: {}", kept.join(", "));
    Ok(())
}

/// Rebuilds the comparison of speed with other libraries.
pub fn rebuild_speed() -> Result<(), Failure> {
    rebuild(SPEED)
}

/// The Python environment of the other libraries, or how to make it.
fn require_peers() -> Result<(), Failure> {
    if root().join("results/speed/venv/bin/python").exists() {
        return Ok(());
    }
    Err(Failure::State(
        "the other libraries are not installed; make their environment with results/speed/make_venv.sh \
         (Python 3.11 or later, downloads packages), then run this again"
            .into(),
    ))
}

/// The words of each command, with the folder in place of `{out}`.
fn commands(text: &str, out: &str) -> Vec<Vec<String>> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_whitespace().map(|word| word.replace("{out}", out)).collect())
        .collect()
}

/// An empty place: commands make the folder themselves.
fn clear(out: &Path) -> std::io::Result<()> {
    if out.exists() {
        fs::remove_dir_all(out)?;
    }
    match out.parent() {
        Some(parent) => fs::create_dir_all(parent),
        None => Ok(()),
    }
}

/// Copies what is kept and says what it was. What an earlier run left and this one did not make goes.
fn keep(out: &Path, folder: &Path) -> std::io::Result<Vec<&'static str>> {
    let mut kept = Vec::new();
    for name in KEPT {
        if out.join(name).is_file() {
            fs::copy(out.join(name), folder.join(name))?;
            kept.push(*name);
        } else if out.join(TABLE).is_file() && folder.join(name).is_file() {
            fs::remove_file(folder.join(name))?;
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_lines_with_the_folder_filled_in() {
        let text = "# why\n\ncargo run -- run scenarios/a.toml --out {out}\n  true  \n";
        let expected: Vec<Vec<&str>> =
            vec![vec!["cargo", "run", "--", "run", "scenarios/a.toml", "--out", "target/results/a"], vec!["true"]];
        assert_eq!(commands(text, "target/results/a"), expected);
    }

    #[test]
    fn only_what_is_kept_is_copied_and_nothing_stale_stays() {
        let base = root().join("target/xtask-test-keep");
        let (out, folder) = (base.join("out"), base.join("folder"));
        clear(&base).unwrap();
        fs::create_dir_all(&out).unwrap();
        fs::create_dir_all(&folder).unwrap();
        fs::write(out.join("table.csv"), "new").unwrap();
        fs::write(out.join("samples.jsonl"), "much").unwrap();
        fs::write(folder.join("table.csv"), "old").unwrap();
        fs::write(folder.join("figure.svg"), "stale").unwrap();
        fs::write(folder.join("README.md"), "by hand").unwrap();
        assert_eq!(keep(&out, &folder).unwrap(), vec!["table.csv"]);
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
        assert_eq!(read("table.csv").as_deref(), Some("new"));
        assert_eq!(read("README.md").as_deref(), Some("by hand"));
        assert_eq!((read("figure.svg"), read("samples.jsonl")), (None, None));
        fs::remove_dir_all(base).unwrap();
    }

    #[test]
    fn names_stay_inside_results() {
        assert!(rebuild("../src").unwrap_err().to_string().contains("not the name of a folder"));
    }
}
