//! The judges: what policies earned, how surely, at what cost to the consumers.
//!
//! A [`Comparison`] puts every contestant on the same markets with the same luck (common random numbers), replication by
//! replication, beside a twin of the market whom nobody contacts. Its [`Unit`]s, one per contestant and replication, do
//! not depend on each other: they can be stored, restored and added to (but for the [`Spread`]s of a single replication
//! that is judged in parts: they are made together). [`summarise`] turns units into figures.

pub mod appraisal;
mod baseline;
mod comparison;
mod diagnostics;
mod entrant;
pub mod estimator;
mod evidence;
pub mod experiment;
mod hash;
mod interval;
mod metric;
pub mod model;
mod selection;
pub mod sequence;
mod spread;
mod summary;
mod tally;
pub mod trial;
pub mod tuning;
mod unmasked;
mod verdict;

pub use appraisal::{Appraiser, Asked};
pub use baseline::{BASELINE, NoContact};
pub use comparison::{
    Address, Comparison, ComparisonError, Log, Results, Store, Unit, kept_note, market_seed, policy_seed,
};
pub use evidence::{Evidence, Fit, MissingEvidence, Modelled, Needs, Saved};
pub use interval::IntervalKind;
pub use metric::{Metric, mean_of, ratio_of};
pub use spread::Spread;
pub use summary::{
    Held, Lead, LearningSummary, MetricTable, PolicySummary, Summary, Title, cumulative_incremental_profit,
    incremental, summarise,
};
pub use unmasked::Unmasked;

#[cfg(test)]
mod tests;

use crate::protocol::{Agent, Policy};

/// One line of the table.
pub struct Contestant {
    /// Unique in the file.
    pub name: String,
    /// The registry's name of its kind.
    pub kind: String,
    /// What decides.
    pub contender: Contender,
}

/// What is judged.
pub enum Contender {
    /// A law that never learns: a rule or an oracle.
    Fixed(Box<dyn Policy>),
    /// An agent, made afresh for each replication.
    Learner(Box<dyn Fn() -> Box<dyn Agent> + Send + Sync>),
}

/// A promise about a metric, checked after a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Guardrail {
    /// A name in `metrics` of the summary.
    pub metric: String,
    /// What the mean must not cross.
    pub limit: Limit,
}

/// A bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// At most this.
    Max(f64),
    /// At least this.
    Min(f64),
}
