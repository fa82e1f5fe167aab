//! What can be written after `mercato experiment`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `mercato experiment`.
#[derive(Clone, Debug, Args)]
pub struct ExperimentArguments {
    /// What to do.
    #[command(subcommand)]
    pub command: ExperimentCommand,
}

/// What can be done with experiments.
#[derive(Clone, Debug, Subcommand)]
pub enum ExperimentCommand {
    /// How many units an experiment takes, what so many can show, or how surely
    Power(PowerArguments),
    /// What an experiment shows, from a file of outcomes
    Analyse(AnalyseArguments),
    /// Carry a test out once inside a scenario, and show the truth beside what it shows
    Run(TrialArguments),
    /// Repeat a test on many markets: how often is each analysis wrong, and by how much
    Lab(TrialArguments),
}

/// `mercato experiment power`.
///
/// Without --per-arm it gives the number of units; with it and without a difference, the least difference that so many
/// units find; with both, the power.
#[derive(Clone, Debug, Args)]
pub struct PowerArguments {
    /// Rate in the control, such as 0.02
    #[arg(long, value_name = "RATE", conflicts_with = "sd", required_unless_present = "sd")]
    pub baseline_rate: Option<f64>,
    /// Rate under treatment that should be found
    #[arg(long, value_name = "RATE", requires = "baseline_rate")]
    pub treated_rate: Option<f64>,
    /// Standard deviation of the outcome between units
    #[arg(long, value_name = "SD")]
    pub sd: Option<f64>,
    /// Difference of means that should be found
    #[arg(long, value_name = "D", requires = "sd", allow_negative_numbers = true)]
    pub difference: Option<f64>,
    /// Units of each treated arm, where they are given
    #[arg(long, value_name = "N")]
    pub per_arm: Option<f64>,
    /// Probability with which the difference should be found
    #[arg(long, value_name = "P", default_value_t = 0.8)]
    pub power: f64,
    /// Two-sided level of the tests together
    #[arg(long, value_name = "A", default_value_t = 0.05)]
    pub alpha: f64,
    /// Arms, the control included
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub arms: u32,
    /// Share of all units in each treated arm [default: equal shares]
    #[arg(long, value_name = "S")]
    pub share: Option<f64>,
    /// Test each arm at the whole level, without a correction for their number
    #[arg(long)]
    pub uncorrected: bool,
    /// Correlation of the outcome with a covariate from before the experiment, for CUPED
    #[arg(long, value_name = "R", default_value_t = 0.0, allow_negative_numbers = true)]
    pub covariate_correlation: f64,
    /// Units of each cluster, where clusters are randomised
    #[arg(long, value_name = "M", default_value_t = 1.0, requires = "intra_class_correlation")]
    pub cluster_size: f64,
    /// Correlation of two units of one cluster
    #[arg(long, value_name = "R", default_value_t = 0.0)]
    pub intra_class_correlation: f64,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `mercato experiment analyse`.
#[derive(Clone, Debug, Args)]
pub struct AnalyseArguments {
    /// Experiment file
    #[arg(value_name = "FILE.toml")]
    pub file: PathBuf,
    /// Print the findings as JSON on standard output
    #[arg(long)]
    pub json: bool,
    /// Folder for findings.json, table.csv, figure.svg and report.html; nothing is written without it
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write over the files of a folder that is not empty
    #[arg(long, requires = "out")]
    pub force: bool,
}

/// `mercato experiment run` and `mercato experiment lab`.
#[derive(Clone, Debug, Args)]
pub struct TrialArguments {
    /// File of a simulated test; or a scenario, whose first two policies are tested then
    #[arg(value_name = "EXPERIMENT.toml|SCENARIO")]
    pub file: PathBuf,
    /// Seed, instead of the file's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Markets on which the lab repeats the test, instead of the file's number
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub tests: Option<u32>,
    /// Threads; the results do not depend on them [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub threads: Option<u32>,
    /// Folder of results; results/runs/experiment-NAME-SEED or results/runs/lab-NAME-SEED where none is given
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print one JSON document on standard output, all else on standard error
    #[arg(long)]
    pub json: bool,
    /// No progress bars, no table
    #[arg(long)]
    pub quiet: bool,
    /// Replace a folder of results that exists
    #[arg(long)]
    pub force: bool,
}
