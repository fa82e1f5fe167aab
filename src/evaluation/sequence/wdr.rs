//! Weighted doubly robust estimation of sequences.

use super::returns::{Normalised, Stepwise, corrections};
use super::values::{FOLDS, RIDGE, Recipe, RowValue, STATIONARY, ValueModel};
use super::{Prepared, SequenceBuild, SequenceEstimator, SequenceFailure, Trajectories};
use crate::registry::Entry;
use std::borrow::Cow;

/// The entry of `wdr`.
pub(super) const ENTRY: Entry<SequenceBuild> = Entry {
    name: "wdr",
    summary: "sequence_dr with the importance weights of every step normalised to sum to 1",
    source: "Thomas and Brunskill 2016",
    parameters: &[STATIONARY, RIDGE, FOLDS],
    build: |values| Ok(Box::new(WeightedDoublyRobust(Recipe::of(values)))),
};

/// `mean v(s_0) + sum_t discount^t sum(w_t (r_t + discount v(s_{t+1}) - q(s_t, a_t)))`, where `w_t` is `rho_{0:t}` over its
/// sum over trajectories, and q, v are those of `fqe`, fitted to the other folds of the units.
///
/// Consistent where the propensities or q are right; biased by the order of 1 over the effective sample size, with far
/// less variance than `sequence_dr`. A step without any weight left adds nothing: the model stands alone from there on,
/// and the estimate says so. The source writes v before q: the same sum, with its terms put with the other weights.
#[derive(Debug)]
struct WeightedDoublyRobust(Recipe);

/// The estimate with given values of every row.
pub(super) fn with_values<'a>(log: &'a Trajectories, values: &[RowValue]) -> Result<Normalised<'a>, SequenceFailure> {
    let (additions, base) = corrections(log, values);
    Ok(Normalised { steps: Stepwise::new(log, Cow::Owned(additions), base)?, has_model: true })
}

impl SequenceEstimator for WeightedDoublyRobust {
    fn prepare<'a>(&self, log: &'a Trajectories) -> Result<Box<dyn Prepared + 'a>, SequenceFailure> {
        let values = ValueModel::new(log, self.0)?.row_values(self.0.folds)?;
        Ok(Box::new(with_values(log, &values)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Prepared;
    use super::super::testing::{exact_values, three_trajectories, value};
    use super::*;

    fn corrected(share: f64) -> f64 {
        let log = three_trajectories();
        with_values(&log, &exact_values(&log, share)).unwrap().linearised().unwrap().value
    }

    #[test]
    fn three_trajectories_with_the_exact_values_half_of_them_and_none() {
        assert!((corrected(1.0) - 0.9472).abs() < 1e-12);
        assert!((corrected(0.5) - 1.027_401_169_6).abs() < 1e-9);
        assert!((corrected(0.0) - value("wpdis", &three_trajectories())).abs() < 1e-12);
    }
}
