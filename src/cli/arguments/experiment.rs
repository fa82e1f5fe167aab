//! What can be written after `mercato experiment power` and `mercato experiment analyse`.

use clap::Args;
use std::path::PathBuf;

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
    /// Replace a folder of results of an experiment that exists
    #[arg(long, requires = "out")]
    pub force: bool,
}
