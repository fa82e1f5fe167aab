//! How the results of a test were made.

use serde_json::{Value, json};

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
