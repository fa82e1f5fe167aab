//! Estimators of what a policy would have earned in single decisions, from the log of another policy.
//!
//! An estimate over rounds is `mean(plain) + sum(numerator) / sum(denominator)`: every estimator is one of the two parts,
//! or their sum. Values, intervals and diagnostics follow from the sums of these terms by independent unit.

mod balanced_dr;
mod balanced_ips;
mod clipped_ips;
mod cross_fitted_dr;
mod dm;
mod doubly;
mod dr;
mod dros;
mod grid;
mod ips;
mod mips;
mod mrdr;
mod replay;
mod sndr;
mod snips;
mod sub_gaussian;
mod sub_gaussian_dr;
mod sub_gaussian_ips;
mod switch;
mod switch_dr;

use super::evidence::{Evidence, MissingEvidence, Needs};
use crate::registry::{Entry, Refusal, Values};
use std::fmt;

/// All estimators of single decisions.
pub const ESTIMATORS: &[Entry<Build>] = &[
    replay::ENTRY,
    ips::ENTRY,
    clipped_ips::ENTRY,
    snips::ENTRY,
    sub_gaussian_ips::ENTRY,
    mips::ENTRY,
    balanced_ips::ENTRY,
    dm::ENTRY,
    dr::ENTRY,
    sndr::ENTRY,
    switch_dr::ENTRY,
    switch::ENTRY,
    dros::ENTRY,
    mrdr::ENTRY,
    sub_gaussian_dr::ENTRY,
    cross_fitted_dr::ENTRY,
    balanced_dr::ENTRY,
];

/// Makes an estimator from the values of a file.
pub type Build = fn(&Values) -> Result<Family, Refusal>;

/// One estimator, or several that differ in one parameter, among which the data choose.
#[derive(Debug)]
pub struct Family {
    /// Name of the parameter that they differ in; `None` for an estimator without one.
    pub parameter: Option<&'static str>,
    /// In order of falling variance and rising bias; one where the file gives the parameter.
    pub members: Vec<Member>,
}

/// One of a [`Family`].
#[derive(Debug)]
pub struct Member {
    /// The value of the family's parameter; 0 without one.
    pub value: f64,
    /// The estimator.
    pub estimator: Box<dyn Estimator>,
}

impl Family {
    /// An estimator without a parameter.
    #[must_use]
    pub fn of(estimator: impl Estimator + 'static) -> Self {
        Self { parameter: None, members: vec![Member { value: 0.0, estimator: Box::new(estimator) }] }
    }
}

/// What a policy would have earned a round, from the rounds of another.
pub trait Estimator: fmt::Debug + Send + Sync {
    /// What it reads beside weights and rewards.
    fn needs(&self) -> Needs;

    /// The terms of each round of a batch.
    ///
    /// # Errors
    /// Where the evidence lacks what it [`needs`](Self::needs).
    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence>;
}

/// Per round of a batch, the terms of `mean(plain) + sum(numerator) / sum(denominator)`; a part that is not used stays empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// Averaged over rounds.
    pub plain: Vec<f64>,
    /// Summed over rounds, over the sum of `denominator`.
    pub numerator: Vec<f64>,
    /// As long as `numerator`.
    pub denominator: Vec<f64>,
}

impl Terms {
    /// Forgets the last batch.
    pub fn clear(&mut self) {
        self.plain.clear();
        self.numerator.clear();
        self.denominator.clear();
    }
}

#[cfg(test)]
pub(super) mod testing;
