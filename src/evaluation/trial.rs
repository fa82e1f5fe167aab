//! A test of policies against each other inside a market: the same engine that compares whole markets, with a policy that
//! gives each consumer that of their arm.
//!
//! [`Protocol`] says who is assigned what; [`Assignment`] draws it by address; [`Composed`] is the policy that carries it
//! out. What an analysis of the test would have to find out is known here: the same market, with the same luck, is
//! lived with everybody in one arm and with everybody in another, and the difference is the effect of going over to it
//! (common random numbers).

mod assignment;
mod composed;
mod lived;
mod measure;

pub use assignment::{ARMS_MAX, Assignment, NoCommunities, Randomised, Span};
pub use composed::Composed;
pub use lived::{Lived, Protocol, Rows, TrialError};
pub use measure::Measure;

#[cfg(test)]
mod tests;
