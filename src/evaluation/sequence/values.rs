//! What decisions are worth under the target, by a model fitted to the log: a table of discrete states, or linear in
//! features.

use super::chain::{Cells, Chain, Solution, Time};
use super::linear::Linear;
use super::returns::per_row;
use super::trajectories::{Horizon, StateShape, Trajectories};
use super::{Linearised, SequenceFailure};
use crate::random::{Purpose, Seed};
use crate::registry::{Parameter, Range, Values};

/// Keys of every estimator that fits values.
pub(super) const STATIONARY: Parameter = Parameter::boolean(
    "stationary",
    true,
    "what follows a state and action does not depend on the step; false: each step by itself (discrete states only)",
);
/// Key of the linear fit.
pub(super) const RIDGE: Parameter = Parameter::number(
    "ridge",
    1e-6,
    Range::NON_NEGATIVE,
    "with features: added to the diagonal of the mean squares of the regressions",
);
/// Key of the cross-fitted estimators.
pub(super) const FOLDS: Parameter = Parameter::integer(
    "folds",
    5,
    1,
    100,
    "parts of the units whose values come from a model fitted to the other parts; 1: from all, fitted to all",
);

/// How to fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recipe {
    pub time: Time,
    pub ridge: f64,
    pub folds: u32,
}

impl Recipe {
    pub fn of(values: &Values) -> Self {
        let time = if values.boolean("stationary") { Time::Pooled } else { Time::Apart };
        let folds = values.optional_integer("folds").map_or(1, |folds| folds as u32);
        Self { time, ridge: values.number("ridge"), folds }
    }
}

/// A model of values, not yet fitted.
pub(super) enum ValueModel<'a> {
    Table(Chain<'a>),
    Linear(Linear<'a>),
}

/// What a decision is worth, with all that follows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct RowValue {
    /// Of the logged action.
    pub of_action: f64,
    /// Of the state, under the target.
    pub of_state: f64,
}

/// A model with its fit.
enum Fitted<'b, 'a> {
    Table(&'b Chain<'a>, Solution),
    Linear(&'b Linear<'a>, Vec<Vec<f64>>),
}

impl Fitted<'_, '_> {
    fn value(&self, row: usize, step: usize, steps_to_go: usize) -> RowValue {
        match self {
            Self::Table(chain, solution) => {
                let values = solution.with(steps_to_go);
                RowValue { of_action: values[chain.cell(row, step)], of_state: chain.value(row, step, values) }
            }
            Self::Linear(linear, levels) => {
                let weights = &levels[if levels.len() == 1 { 0 } else { steps_to_go }];
                let action = linear.log.actions[row] as usize;
                let of_action = linear.action_value(row, action, weights);
                RowValue { of_action, of_state: linear.value(row, weights) }
            }
        }
    }
}

impl<'a> ValueModel<'a> {
    /// # Errors
    /// Where the log lacks states or laws, or asks for an average.
    pub fn new(log: &'a Trajectories, recipe: Recipe) -> Result<Self, SequenceFailure> {
        if log.shape.horizon == Horizon::Endless && log.shape.discount >= 1.0 {
            return Err(SequenceFailure::AverageReward);
        }
        let time = if log.shape.horizon == Horizon::Endless { Time::Pooled } else { recipe.time };
        match log.shape.state {
            StateShape::Hidden => Err(SequenceFailure::NeedsState),
            StateShape::Discrete(_) => Ok(Self::Table(Chain::new(log, Cells::StateAction, time)?)),
            StateShape::Features(_) if time == Time::Apart => Err(SequenceFailure::NeedsDiscreteStates),
            StateShape::Features(_) => Ok(Self::Linear(Linear::new(log, recipe.ridge)?)),
        }
    }

    /// The estimate of the model alone.
    pub fn estimate(&self, counts: &[f64]) -> f64 {
        match self {
            Self::Table(chain) => chain.estimate(counts),
            Self::Linear(linear) => linear.estimate(counts),
        }
    }

    /// The same with its influences.
    pub fn with_influences(&self) -> Result<Linearised, SequenceFailure> {
        match self {
            Self::Table(chain) => Ok(chain.linearised()),
            Self::Linear(linear) => linear.linearised(),
        }
    }

    fn log(&self) -> &'a Trajectories {
        match self {
            Self::Table(chain) => chain.log,
            Self::Linear(linear) => linear.log,
        }
    }

    /// The values of every row. Those of a fold come from the other folds, where there are several; they stay 0 where
    /// there are no others.
    pub fn row_values(&self, folds: u32) -> Result<Vec<RowValue>, SequenceFailure> {
        let log = self.log();
        let fold_of: Vec<u32> = log.units.iter().map(|unit| fold_of(*unit, folds)).collect();
        let fitted = if folds == 1 { vec![Some(self.fit()?)] } else { self.fit_without(&fold_of, folds)? };
        let mut values = vec![RowValue::default(); log.rows()];
        per_row(log, &mut values, |trajectory, own| {
            let Some(fitted) = &fitted[fold_of[trajectory] as usize] else { return };
            let window = log.window(trajectory);
            for (step, (row, value)) in log.rows_of(trajectory).zip(own).enumerate() {
                *value = fitted.value(row, step, window - step);
            }
        });
        Ok(values)
    }

    /// The fit to all trajectories.
    fn fit(&self) -> Result<Fitted<'_, 'a>, SequenceFailure> {
        let once = vec![1.0; self.log().len()];
        match self {
            Self::Table(chain) => Ok(Fitted::Table(chain, chain.solve(&chain.tables(&once)))),
            Self::Linear(linear) => Ok(Fitted::Linear(linear, linear.solve(&linear.fit(&once)?)?)),
        }
    }

    /// By fold, the fit to all trajectories but its own.
    fn fit_without(&self, fold_of: &[u32], folds: u32) -> Result<Vec<Option<Fitted<'_, 'a>>>, SequenceFailure> {
        match self {
            Self::Table(chain) => {
                let solutions = chain.solutions(fold_of, folds).into_iter();
                Ok(solutions.map(|solution| solution.map(|solution| Fitted::Table(chain, solution))).collect())
            }
            Self::Linear(linear) => {
                let levels = linear.levels_without(fold_of, folds)?.into_iter();
                Ok(levels.map(|levels| levels.map(|levels| Fitted::Linear(linear, levels))).collect())
            }
        }
    }
}

/// The fold of a unit: the same in any log.
fn fold_of(unit: u64, folds: u32) -> u32 {
    Seed::new(unit).words(Purpose::Assignment, 0, 0, 0)[0] % folds
}
