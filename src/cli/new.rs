//! `mercato new`: a commented scenario to start from.

use super::arguments::New;
use super::{FAILED, WRONG_INPUT, diagnostic, fail, print};
use crate::scenario::{self, Experiment, Overrides};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Writes `NAME.toml` and the files it names; nothing that exists is overwritten.
#[must_use]
pub fn execute(arguments: &New) -> ExitCode {
    let name = &arguments.name;
    if !scenario::is_name(name) {
        return fail(WRONG_INPUT, &format!("{name:?} cannot be a name: letters, digits, - and _, at most 64 in all"));
    }
    let target = PathBuf::from(format!("{name}.toml"));
    if target.exists() {
        return fail(WRONG_INPUT, &format!("{} exists; take another name", target.display()));
    }
    let experiment = match scenario::load(Path::new(&arguments.from), &Overrides::default()) {
        Ok(experiment) => experiment,
        Err(errors) => return diagnostic::report(&errors),
    };
    let others: Vec<&str> = match missing(&experiment) {
        Ok(paths) => paths,
        Err(message) => return fail(WRONG_INPUT, &message),
    };
    let text = scenario::renamed(&experiment.text, name);
    match write(&target, &text, &experiment, &others) {
        Ok(()) => print(&format!("{} written; `mercato run {}` runs it\n", target.display(), target.display())),
        Err(error) => fail(FAILED, &format!("{} cannot be written: {error}", target.display())),
    }
}

/// Files that the scenario names and that are not here yet. One that is here with another content is in the way.
fn missing(experiment: &Experiment) -> Result<Vec<&str>, String> {
    let mut paths = Vec::new();
    for (path, bytes) in &experiment.files {
        match fs::read(path) {
            Ok(here) if here == **bytes => {}
            Ok(_) => return Err(format!("{path} exists with another content; start in another folder")),
            Err(_) => paths.push(path.as_str()),
        }
    }
    Ok(paths)
}

fn write(target: &Path, text: &str, experiment: &Experiment, others: &[&str]) -> io::Result<()> {
    for (path, bytes) in experiment.files.iter().filter(|(path, _)| others.contains(&path.as_str())) {
        if let Some(folder) = Path::new(path).parent() {
            fs::create_dir_all(folder)?;
        }
        File::create_new(path)?.write_all(bytes)?;
    }
    File::create_new(target)?.write_all(text.as_bytes())
}
