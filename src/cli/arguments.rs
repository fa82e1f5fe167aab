//! What can be written after `mercato`.

mod experiment;
mod trial;

pub use experiment::{AnalyseArguments, PowerArguments};
pub use trial::TrialArguments;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// A simulated market of synthetic consumers who react to messages, and the agents that decide what to send.
#[derive(Debug, Parser)]
#[command(name = "mercato", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compare every policy of a scenario on the same market
    Run(Run),
    /// Say all that is wrong with scenario, evaluation and experiment files; nothing is run
    Validate(Validate),
    /// Show what can be named in a file: name, one line, source
    List(List),
    /// Print the JSON Schema of a file, so that editors complete and check
    Schema(Schema),
    /// Write a commented scenario to start from
    New(New),
    /// Show how marketing fools itself: the naive answer, the true one and the figure
    Trap(TrapArguments),
    /// Judge policies on the log of another: estimates, how far to trust them, and a verdict
    Evaluate(Evaluate),
    /// Tell one consumer's history, replayed from the log of a run, beside the untouched twin
    ExplainConsumer(ExplainConsumer),
    /// Plan experiments, and say what they show
    Experiment(Experiment),
}

/// `mercato run`.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// Scenario file, or the name of an embedded scenario
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    pub scenario: Option<PathBuf>,
    /// Go on from the folder that an interrupted run left, to the same bytes
    #[arg(long, value_name = "DIR.partial", conflicts_with_all = ["seed", "replications", "policies", "out", "log", "log_probabilities"])]
    pub resume: Option<PathBuf>,
    /// Seed, instead of the file's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Markets on which each policy is judged, instead of the file's number
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub replications: Option<u32>,
    /// Threads; the results do not depend on them [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub threads: Option<u32>,
    /// Only this policy of the file; can be given several times
    #[arg(long = "policy", value_name = "NAME")]
    pub policies: Vec<String>,
    /// Folder of results; results/runs/SCENARIO-SEED where none is given
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write every decision to a Parquet log, and the simulator's truth about it to another
    #[arg(long)]
    pub log: bool,
    /// Write the probability of every action to the log, too
    #[arg(long, requires = "log")]
    pub log_probabilities: bool,
    /// Print the summary as JSON on standard output, all else on standard error
    #[arg(long)]
    pub json: bool,
    /// No progress bars, no table
    #[arg(long)]
    pub quiet: bool,
    /// Replace a folder of results that exists, and discard an interrupted run into it
    #[arg(long)]
    pub force: bool,
}

/// `mercato validate`.
#[derive(Clone, Debug, Args)]
pub struct Validate {
    /// Scenario, evaluation or experiment files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `mercato list`.
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Only these
    pub what: Option<What>,
    /// Print one JSON document, parameters included
    #[arg(long)]
    pub json: bool,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Policies that learn
    Agents,
    /// Policies that never learn
    Policies,
    /// Ways to reach a consumer
    Channels,
    /// Forces that move consumers
    Modules,
    /// What agents learn from
    Rewards,
    /// Policies that look inside the market
    Oracles,
    /// Judges of policies on a log: `kind` of an `[[estimator]]`
    Estimators,
    /// Judges of whole sequences, for logs with `time`
    #[value(name = "sequence_estimators")]
    SequenceEstimators,
    /// What a judge expects of an action: `kind` of `[reward_model]`
    #[value(name = "reward_models")]
    RewardModels,
    /// How a log without propensities gets them: `kind` of `[propensity_model]`
    #[value(name = "propensity_models")]
    PropensityModels,
    /// What can be judged on a log: `kind` of a `[[target]]`
    Targets,
    /// Analyses of experiments
    Analyses,
    /// Scenarios inside the program
    Scenarios,
}

/// `mercato schema`.
#[derive(Clone, Debug, Args)]
pub struct Schema {
    /// Of which file
    #[arg(default_value = "scenario")]
    pub of: SchemaOf,
}

/// Files that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// Scenario files
    Scenario,
    /// Evaluation files
    Evaluation,
    /// Experiment files
    Experiment,
}

/// `mercato new`.
#[derive(Clone, Debug, Args)]
pub struct New {
    /// Name of the scenario; NAME.toml is written into the current folder
    pub name: String,
    /// Scenario to start from: a file, or the name of an embedded one
    #[arg(long, value_name = "SCENARIO", default_value = "hello-market")]
    pub from: String,
}

/// `mercato trap`.
#[derive(Clone, Debug, Args)]
pub struct TrapArguments {
    /// Which mistake
    pub which: TrapName,
    /// Seed of the markets
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: u64,
    /// Consumers of each market
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub consumers: u32,
    /// Markets over which means and intervals are taken
    #[arg(long, value_name = "R", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=1_000))]
    pub markets: u32,
    /// Folder for figure.svg, table.csv and finding.json; results/runs/trap-NAME-SEED where none is given
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the finding as JSON on standard output
    #[arg(long)]
    pub json: bool,
    /// Write over the files of a folder that is not empty
    #[arg(long)]
    pub force: bool,
}

/// The mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TrapName {
    /// Judging discounts by the fortnight after them
    Discount,
    /// Judging how often to write by a test of four weeks
    Frequency,
    /// Judging a targeted campaign by comparing those it reached with those it did not
    Confounding,
}

/// `mercato evaluate`.
#[derive(Clone, Debug, Args)]
pub struct Evaluate {
    /// Evaluation file
    #[arg(value_name = "EVALUATION")]
    pub evaluation: PathBuf,
    /// Try every estimator on synthetic logs of known truth, too: same contexts, same propensities, fitted rewards
    #[arg(long)]
    pub twin: bool,
    /// Print the results as JSON on standard output, all else on standard error
    #[arg(long)]
    pub json: bool,
    /// Folder of results; results/runs/NAME-SEED where none is given
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace a folder of an earlier evaluation, when the new one is complete
    #[arg(long)]
    pub force: bool,
    /// No table
    #[arg(long)]
    pub quiet: bool,
}

/// `mercato explain-consumer`.
#[derive(Clone, Debug, Args)]
pub struct ExplainConsumer {
    /// Folder of results of a run with --log
    #[arg(value_name = "RUN_DIR")]
    pub run: PathBuf,
    /// Number of the consumer, from 0; the name where a customer file gives names
    #[arg(long, value_name = "N")]
    pub consumer: String,
    /// Under which policy of the run
    #[arg(long, value_name = "NAME")]
    pub policy: String,
    /// On which of the markets of the run
    #[arg(long, value_name = "R", default_value_t = 0)]
    pub replication: u32,
    /// Print one JSON document, every tick included
    #[arg(long)]
    pub json: bool,
}

/// `mercato experiment`.
#[derive(Clone, Debug, Args)]
pub struct Experiment {
    /// What to do.
    #[command(subcommand)]
    pub command: ExperimentCommand,
}

/// The commands of `mercato experiment`.
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
