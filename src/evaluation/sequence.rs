//! Estimators of what a policy would have earned over whole sequences of decisions, from the log of another policy.
//!
//! The log is a set of [`Trajectories`], one per unit (a consumer, usually), and units are independent: what couples them
//! (a shared budget, reputation, word of mouth) is not seen here and biases every estimate. The quantity is the expected
//! discounted return of a unit from its first logged decision on, under the target policy; [`Horizon`] says how far it
//! reaches. `docs/judging-sequences.md` says which estimator to use when.
//!
//! An estimator is made ready for a log once ([`SequenceEstimator::prepare`]) and then gives its value for any counts of
//! the trajectories ([`Prepared::value`], for the bootstrap) and one influence per trajectory
//! ([`Prepared::linearised`], for the delta method). Sums over trajectories are taken in chunks whose size is fixed, in
//! order, so that the bytes do not depend on the number of threads.

mod chain;
mod diagnostics;
mod dual_dice;
mod forms;
mod fqe;
pub mod fqe_neural;
mod gathering;
mod interval;
mod linear;
mod magic;
mod mis;
mod pdis;
mod returns;
mod sequence_dr;
mod tis;
mod trajectories;
mod values;
mod wdr;
mod wis;
mod wpdis;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;

pub use diagnostics::{
    MOST_STEPS_FOR_PRODUCTS, SequenceDiagnostics, default_estimators, diagnose, diagnose_unweighted,
    unsupported_warning,
};
pub use gathering::{Rows, TrajectoryBuilder, TrajectoryFault};
pub use interval::{SequenceEstimate, SequenceInterval, estimate};
pub use trajectories::{Horizon, LawShape, Shape, StateShape, Trajectories};

use crate::registry::{Entry, Refusal, Values};
use std::fmt;

/// All estimators of sequences but the neural one ([`fqe_neural`]), whose network another layer brings.
pub const SEQUENCE_ESTIMATORS: &[Entry<SequenceBuild>] = &[
    tis::ENTRY,
    wis::ENTRY,
    pdis::ENTRY,
    wpdis::ENTRY,
    sequence_dr::ENTRY,
    wdr::ENTRY,
    magic::ENTRY,
    fqe::ENTRY,
    mis::ENTRY,
    dual_dice::ENTRY,
];

/// Makes an estimator from the values of a file.
pub type SequenceBuild = fn(&Values) -> Result<Box<dyn SequenceEstimator>, Refusal>;

/// What a policy would have earned over a sequence, from the sequences of another.
pub trait SequenceEstimator: fmt::Debug + Send + Sync {
    /// Everything that does not depend on how often each trajectory counts.
    ///
    /// # Errors
    /// Where the log lacks what it needs, or does not support the target.
    fn prepare<'a>(&self, log: &'a Trajectories) -> Result<Box<dyn Prepared + 'a>, SequenceFailure>;

    /// Whether it weighs rows by their propensities, so that what the target does must have been possible in every row.
    fn weighs(&self) -> bool {
        true
    }
}

/// An estimator with its log.
pub trait Prepared: Send + Sync {
    /// The estimate where trajectory i counts `counts[i]` times (0 or more, one per trajectory); no number where the
    /// trajectories that count carry none.
    fn value(&self, counts: &[f64]) -> f64;

    /// The estimate from every trajectory once, and how each moves it.
    ///
    /// # Errors
    /// Where the log turns out not to carry an estimate.
    fn linearised(&self) -> Result<Linearised, SequenceFailure>;
}

/// An estimate to first order in the trajectories.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Linearised {
    /// The estimate.
    pub value: f64,
    /// Per trajectory: by how much the estimate moves per share of the log that it is given more. Sums to 0; the standard
    /// error is that of their mean (delta method).
    pub influence: Vec<f64>,
    /// Share of the discounted decisions of the target policy that no logged decision resembles and that count as 0, where
    /// the estimator knows it.
    pub unsupported_target_mass: Option<f64>,
    /// State ratios of the target to the log, for estimators that have them: one per discrete state.
    pub ratios: Vec<f64>,
    /// What the reader must know, each a sentence.
    pub notes: Vec<String>,
}

/// Why there is no estimate. Weights and values are never invented.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SequenceFailure {
    /// No states.
    #[error("it needs discrete states or features: name context columns")]
    NeedsState,
    /// Discrete states wanted.
    #[error("it needs discrete states: name context columns with few values")]
    NeedsDiscreteStates,
    /// Not all probabilities of the target.
    #[error("it needs the target's probability of every action, not only of the logged one")]
    NeedsLaw,
    /// A finite question.
    #[error("it judges endless horizons only: ask for one, with a discount below 1")]
    NeedsEndless,
    /// A question for others.
    #[error(
        "an endless horizon with a discount of 1 asks for the average reward of a step, which only `mis` estimates"
    )]
    AverageReward,
    /// Products of weights beyond the range of numbers.
    #[error("the product of importance weights overflows at step {step}: use fqe or mis")]
    Overflow {
        /// First such step, from 0.
        step: usize,
    },
    /// Nobody left.
    #[error("from step {step} on, no logged trajectory does what the target would: use fqe or mis")]
    Exhausted {
        /// First such step, from 0.
        step: usize,
    },
    /// Too large a system.
    #[error("{unknowns} unknowns are more than {limit}: use fewer states, features or actions")]
    TooLarge {
        /// Of the linear system.
        unknowns: usize,
        /// Most that is solved.
        limit: usize,
    },
    /// A network that learned nothing.
    #[error(
        "the {quantity} of the network is no longer finite: lower `learning_rate`, and look for features that are none"
    )]
    Diverged {
        /// Which.
        quantity: &'static str,
    },
    /// No solution.
    #[error(
        "the linear system of the estimate has no single solution: raise `ridge`, or drop features that repeat others"
    )]
    Singular,
}

impl SequenceFailure {
    /// Whether the estimator does not fit what is asked, whatever the rows say.
    #[must_use]
    pub fn is_of_question(&self) -> bool {
        match self {
            Self::NeedsState
            | Self::NeedsDiscreteStates
            | Self::NeedsLaw
            | Self::NeedsEndless
            | Self::AverageReward => true,
            Self::Overflow { .. }
            | Self::Exhausted { .. }
            | Self::TooLarge { .. }
            | Self::Diverged { .. }
            | Self::Singular => false,
        }
    }
}
