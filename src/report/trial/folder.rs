//! The folder of a test: written beside its place, then put there whole.

use crate::report::{is_occupied, is_results, partial_of};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::path::Path;

/// How it was made: what may differ between two runs of the same bytes.
#[derive(Clone, Debug)]
pub struct Made {
    /// The command line.
    pub command: String,
    /// Threads.
    pub threads: usize,
    /// ISO 8601, UTC.
    pub started_at: String,
    /// Wall clock.
    pub seconds: f64,
}

impl Made {
    /// `manifest.json` of a test.
    #[must_use]
    pub fn manifest(&self, trial: &crate::scenario::Trial) -> String {
        let manifest: Value = json!({
            "mercato": env!("CARGO_PKG_VERSION"),
            "experiment": trial.name,
            "experiment_hash": trial.hash,
            "scenario": trial.scenario.name,
            "scenario_hash": trial.scenario.hash,
            "seed": trial.seed().value(),
            "tests": trial.repetition.tests,
            "command": self.command,
            "instruction_set": crate::report::manifest::instruction_set(),
            "operating_system": std::env::consts::OS,
            "threads": self.threads,
            "started_at": self.started_at,
            "seconds": (self.seconds * 1e3).round() / 1e3,
        });
        format!("{manifest:#}\n")
    }
}

/// Why results cannot go to a folder, with the way out.
#[must_use]
pub fn refuse_folder(out: &Path, force: bool) -> Option<String> {
    let shown = out.display();
    if out.exists() && !out.is_dir() {
        return Some(format!("`{shown}` is a file, not a folder; take another name with --out"));
    }
    if !is_occupied(out) {
        return None;
    }
    if !force {
        return Some(format!(
            "`{shown}` exists and is not empty; take another folder with --out, or --force to replace it"
        ));
    }
    (!is_results(out)).then(|| {
        format!(
            "`{shown}` is not a folder of results: it holds neither manifest.json nor summary.json, and is left alone"
        )
    })
}

/// Writes all files into `DIR.partial` and moves it to its place.
///
/// # Errors
/// Where a file or folder cannot be written.
pub fn put_in_place(out: &Path, files: &[(&str, String)]) -> io::Result<()> {
    let partial = partial_of(out);
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;
    for (name, content) in files {
        fs::write(partial.join(name), content)?;
    }
    if out.exists() {
        fs::remove_dir_all(out)?;
    }
    fs::rename(&partial, out)
}
