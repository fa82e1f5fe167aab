//! `mercato train`.

use clap::Args;
use std::path::PathBuf;

/// `mercato train`.
#[derive(Clone, Debug, Args)]
pub struct TrainArguments {
    /// Scenario file, or the name of an embedded scenario: its agents learn
    pub scenario: PathBuf,
    /// Decision log of `mercato run --log`, several with * and ? in the name of the file
    #[arg(long, value_name = "LOG")]
    pub from_log: PathBuf,
    /// Only this agent of the file; can be given several times
    #[arg(long = "policy", value_name = "NAME")]
    pub policies: Vec<String>,
    /// Seed of what agents draw while they learn, instead of the file's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Folder of results; results/runs/train-SCENARIO-SEED where none is given
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the results as JSON on standard output, all else on standard error
    #[arg(long)]
    pub json: bool,
    /// No progress bar, no table
    #[arg(long)]
    pub quiet: bool,
    /// Replace a folder of results that exists
    #[arg(long)]
    pub force: bool,
}
