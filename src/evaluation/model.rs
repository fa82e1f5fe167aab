//! Models of what an action earns, and of how the logging policy chose, fitted on logged rounds as they stream by.
//!
//! A [`Fitter`] takes every round once, with the fold of the round's unit, and then gives the model fitted on all rounds
//! or on all but one fold. What can be summed (tables, ridge) is exact on any number of rounds; what cannot (logistic
//! regression, trees) is fitted on a sample whose size is stated.

mod boosted;
mod calibration;
mod design;
mod factorised;
mod logistic;
mod propensity;
mod ridge;
mod sample;
mod table;

pub use calibration::{Calibrated, Calibration};
pub use propensity::{PROPENSITY_MODELS, PropensityBuild, PropensityFitter, PropensityModel};

use crate::registry::{Entry, Refusal, Values};
use std::fmt;

/// All models of the reward.
pub const REWARD_MODELS: &[Entry<Build>] = &[table::ENTRY, ridge::ENTRY, logistic::ENTRY, boosted::ENTRY];

/// Makes a fitter from the values of a file, for a log of this shape.
pub type Build = fn(&Values, &Shape) -> Result<Box<dyn Fitter>, Refusal>;

/// What models know of a log before they see its rounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// Number of actions.
    pub action_count: usize,
    /// What the log calls the action: a key of that name, or `action`, stands for it.
    pub action_name: String,
    /// One level per factor of each action; empty where actions have no parts.
    pub factors: Vec<Vec<u16>>,
    /// The columns of the context, in order.
    pub columns: Vec<ColumnShape>,
    /// Number of rounds.
    pub rounds: u64,
    /// Number of folds, at least 2, at most 255.
    pub folds: u8,
    /// Whether every reward is 0 or 1.
    pub is_binary: bool,
    /// Smallest reward.
    pub lowest: f64,
    /// Largest reward.
    pub highest: f64,
}

/// One column of the context.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnShape {
    /// Its name in the log.
    pub name: String,
    /// Number of different values; 0 where there are too many to be counted as levels.
    pub levels: usize,
    /// Mean and standard deviation, where every value is a number.
    pub number: Option<(f64, f64)>,
}

/// Values of one column in a batch; of the two, what the shape promises is there, as long as the batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Column<'a> {
    /// Level of each round, below [`ColumnShape::levels`].
    pub levels: &'a [u32],
    /// Number of each round.
    pub numbers: &'a [f64],
}

/// A batch of logged rounds as models see them.
#[derive(Clone, Copy, Debug)]
pub struct Rounds<'a> {
    /// Number of the first round in the log.
    pub first: u64,
    /// Logged actions.
    pub actions: &'a [u32],
    /// Their rewards.
    pub rewards: &'a [f64],
    /// Context, in the order of [`Shape::columns`].
    pub columns: &'a [Column<'a>],
    /// Fold of each round.
    pub folds: &'a [u8],
}

impl Rounds<'_> {
    /// Number of rounds.
    #[must_use]
    pub fn count(&self) -> usize {
        self.actions.len()
    }
}

/// Gathers what a model is fitted on.
pub trait Fitter: fmt::Debug + Send + Sync {
    /// Takes a batch; `weights` are 1 where absent, and none is below 0.
    fn take(&mut self, rounds: &Rounds<'_>, weights: Option<&[f64]>);

    /// The model fitted on all rounds, or on those of all folds but one.
    ///
    /// # Errors
    /// Where the rounds cannot be fitted.
    fn fit(&self, without: Option<u8>) -> Result<Box<dyn RewardModel>, Refusal>;

    /// What a reader should know of the fit, such as that it is of a sample.
    fn note(&self) -> Option<String> {
        None
    }
}

/// Expected reward of every action in a context.
pub trait RewardModel: fmt::Debug + Send + Sync {
    /// Writes `rounds × actions`, row-major; actions and rewards of the rounds are not read.
    fn predict(&self, rounds: &Rounds<'_>, rewards: &mut [f64]);
}

#[cfg(test)]
mod testing;
