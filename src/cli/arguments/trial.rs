//! What can be written after `mercato experiment run` and `mercato experiment lab`.

use clap::Args;
use std::path::PathBuf;

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
