//! A test of policies against each other inside a market: the same engine that compares whole markets, with a policy that
//! gives each consumer that of their arm.
//!
//! [`Protocol`] says who is assigned what; [`Assignment`] draws it by address; [`Composed`] is the policy that carries it
//! out. What an analysis of the test would have to find out is known here: the same market, with the same luck, is
//! lived with everybody in one arm and with everybody in another, and the difference is the effect of going over to it
//! (common random numbers).

mod assignment;
mod composed;
mod exposure;
mod lab;
mod lived;
mod measure;
mod once;
mod question;
mod truth;

pub use assignment::{ARMS_MAX, Assignment, NoCommunities, Randomised, Span};
pub use composed::Composed;
pub use exposure::{Exposed, Exposure};
pub use lab::{Findings, Kind, Lab, Rate, Repetition, Verdict};
pub use lived::{Lived, Protocol, Rows, TrialError};
pub use measure::{Measure, Outcome};
pub use once::{Answer, Guard, Guarded, Report, test_once};
pub use question::{Offered, Question};
pub use truth::Truth;

use super::Contender;
use crate::episode::{Training, TrainingError, train};
use crate::protocol::{Policy, World};

/// The law of a contestant as it is tested: an agent is trained first, as on the first market of a comparison, and frozen.
///
/// # Errors
/// Where training fails.
pub fn frozen<'a>(
    contender: &'a Contender,
    world: &dyn World,
    training: &Training,
) -> Result<Frozen<'a>, TrainingError> {
    match contender {
        Contender::Fixed(policy) => Ok(Frozen::Given(policy.as_ref())),
        Contender::Learner(fresh) => {
            let mut agent = fresh();
            train(world, agent.as_mut(), training, 0)?;
            Ok(Frozen::Trained(agent.snapshot()))
        }
    }
}

/// A law that learns no more.
#[derive(Debug)]
pub enum Frozen<'a> {
    /// It never learned.
    Given(&'a dyn Policy),
    /// As training left it.
    Trained(Box<dyn Policy>),
}

impl Frozen<'_> {
    /// The law.
    #[must_use]
    pub fn policy(&self) -> &dyn Policy {
        match self {
            Self::Given(policy) => *policy,
            Self::Trained(policy) => policy.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests;
