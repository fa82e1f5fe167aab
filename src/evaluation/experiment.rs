//! Tests of experiments: what a randomised comparison of arms shows, and how surely.
//!
//! An [`Analysis`] reads a [`Sample`], one row per unit, and gives one [`Effect`] per treated arm. What holds whatever the
//! analysis is beside it: sample sizes, the check of the split, many questions at once, promises about harm, and whom a
//! treatment helps.

mod always_valid;
mod clustered;
mod confidence_sequence;
mod cuped;
mod effect;
mod exposure;
mod margin;
mod msprt;
mod multiplicity;
mod peeking;
pub mod power;
mod ratio;
mod sample;
mod split;
mod stratified;
mod switchback;
mod t_test;
pub mod uplift;
mod welch;
mod winsorised;
mod z_test;

pub use always_valid::{half_width, mixing_ratio_tightest_at, mixture_likelihood_ratio};
pub use effect::{Effect, Sequential};
pub use margin::{Better, Margin, Promise};
pub use multiplicity::Multiplicity;
pub use sample::{Reads, Sample, Unanalysable};
pub use split::{ALARM, SampleRatio, sample_ratio};

use crate::registry::{Entry, Refusal, Values};
use std::fmt;

/// Makes an analysis from the values of a file.
pub type AnalysisBuild = fn(&Values) -> Result<Box<dyn Analysis>, Refusal>;

/// All analyses.
pub const ANALYSES: &[Entry<AnalysisBuild>] = &[
    welch::ENTRY,
    z_test::ENTRY,
    t_test::ENTRY,
    ratio::ENTRY,
    cuped::ENTRY,
    winsorised::ENTRY,
    stratified::ENTRY,
    clustered::ENTRY,
    exposure::ENTRY,
    switchback::ENTRY,
    msprt::ENTRY,
    confidence_sequence::ENTRY,
    peeking::ENTRY,
];

/// What a randomised comparison shows of the difference between arms.
pub trait Analysis: fmt::Debug + Send + Sync {
    /// The columns that it cannot do without, beside arms and outcomes.
    fn reads(&self) -> Reads;

    /// The effect of every treated arm against the control, in the order of the arms: `arm_count - 1` effects.
    ///
    /// `alpha` is the two-sided level in (0, 1): intervals hold with probability `1 - alpha`, and an effect is rejected to
    /// be 0 where its p value is at most `alpha`. Nothing is corrected for several arms here.
    ///
    /// # Errors
    /// Where the sample lacks a column, or does not vary where it must.
    fn effects(&self, sample: &Sample<'_>, alpha: f64) -> Result<Vec<Effect>, Unanalysable>;
}

/// The analysis of this name with its default parameters; `None` where there is none, or where it needs parameters.
#[must_use]
pub fn default_analysis(name: &str) -> Option<Box<dyn Analysis>> {
    let entry = crate::registry::find(ANALYSES, name)?;
    (entry.build)(&Values::defaults(entry.parameters)).ok()
}

#[cfg(test)]
mod tests;
