//! `mercato tune`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `mercato tune`.
#[derive(Clone, Debug, Args)]
pub struct TuneArguments {
    /// Scenario file, or the name of an embedded scenario
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    pub scenario: Option<PathBuf>,
    /// Kind of the agent; the search starts from the first policy of that kind in the file, else from its defaults
    #[arg(long, value_name = "KIND", required_unless_present = "resume", conflicts_with = "resume")]
    pub agent: Option<String>,
    /// Number of trials, 2 or more; trial 0 is what the search starts from
    #[arg(long, value_name = "N", required_unless_present = "resume", conflicts_with = "resume")]
    pub trials: Option<u32>,
    /// Go on from the folder that an interrupted search left, to the same bytes
    #[arg(long, value_name = "DIR.partial", conflicts_with_all = ["seed", "replications", "budget", "out"])]
    pub resume: Option<PathBuf>,
    /// Seed, instead of the file's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// What grows from step to step [default: episodes for agents that look ahead, where there are 3 or more]
    #[arg(long, value_name = "WHAT")]
    pub budget: Option<BudgetName>,
    /// Markets of a trial at the last step [default: 9; 3 where episodes grow]
    #[arg(long, value_name = "R")]
    pub replications: Option<u32>,
    /// Threads; the results do not depend on them [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub threads: Option<u32>,
    /// Folder of results; results/runs/tune-SCENARIO-AGENT-SEED where none is given
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the results as JSON on standard output, all else on standard error
    #[arg(long)]
    pub json: bool,
    /// No progress bar, no table
    #[arg(long)]
    pub quiet: bool,
    /// Replace a folder of results that exists, and discard an interrupted search into it
    #[arg(long)]
    pub force: bool,
}

/// What grows from step to step of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BudgetName {
    /// Markets, each with a whole training of its own
    Replications,
    /// Training episodes
    Episodes,
}
