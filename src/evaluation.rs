//! The judges: what policies earned, how surely, at what cost to the consumers.

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
