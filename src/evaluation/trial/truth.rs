//! What an analysis would have to find out: the effect of putting everybody in an arm instead of in the control.

use super::Assignment;
use super::lived::{Lived, Protocol, TrialError};
use super::measure::Outcome;
use crate::evaluation::Metric;
use crate::evaluation::mean_of;

/// The effect of one arm on one outcome, as the mean over markets of what all consumers do in the arm less what the same
/// consumers do in the control, with the same luck.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// One difference per market; NaN where nothing is to be counted per.
    pub by_market: Vec<f64>,
}

impl Truth {
    /// The mean over markets with its uncertainty.
    #[must_use]
    pub fn mean(&self) -> Metric {
        mean_of(&self.by_market, None)
    }

    /// The standard error of the mean; not a number for one market, which tells nothing of it.
    #[must_use]
    pub fn standard_error(&self) -> f64 {
        self.mean().standard_error.unwrap_or(f64::NAN)
    }
}

/// The levels of every outcome with everybody in one arm, arm by arm; the last level of each is that of profit and future
/// value together.
pub(super) fn levels(whole: &[Lived], outcomes: &[Outcome]) -> Vec<Vec<f64>> {
    let of_arm = |lived: &Lived| {
        let own = outcomes.iter().map(|outcome| lived.level(outcome).unwrap_or(f64::NAN));
        own.chain([lived.mean_value()]).collect()
    };
    whole.iter().map(of_arm).collect()
}

/// The truth per treated arm and outcome, from the levels of each market.
pub(super) fn truths(levels: &[Vec<Vec<f64>>], arms: usize, outcomes: usize) -> Vec<Vec<Truth>> {
    let difference =
        |arm: usize, outcome: usize| levels.iter().map(|market| market[arm][outcome] - market[0][outcome]).collect();
    (1..arms).map(|arm| (0..outcomes).map(|outcome| Truth { by_market: difference(arm, outcome) }).collect()).collect()
}

impl Protocol<'_> {
    /// Everybody in each arm, on the market of a replication.
    ///
    /// # Errors
    /// Where a policy chooses what the mask forbids.
    pub fn live_whole(&self, replication: u32) -> Result<Vec<Lived>, TrialError> {
        let everyone: Vec<Assignment> = (0..self.policies.len()).map(Assignment::everyone).collect();
        self.live(replication, &everyone.iter().collect::<Vec<_>>())
    }
}
