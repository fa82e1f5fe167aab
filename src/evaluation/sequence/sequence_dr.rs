//! Doubly robust estimation of sequences.

use super::forms::Mean;
use super::returns::{Stepwise, corrections};
use super::values::{FOLDS, RIDGE, Recipe, RowValue, STATIONARY, ValueModel};
use super::{Prepared, SequenceBuild, SequenceEstimator, SequenceFailure, Trajectories};
use crate::registry::Entry;
use std::borrow::Cow;

/// The entry of `sequence_dr`.
pub(super) const ENTRY: Entry<SequenceBuild> = Entry {
    name: "sequence_dr",
    summary: "per unit, the values of fqe corrected by importance-weighted surprises",
    source: "Jiang and Li 2016; cross-fitting after Chernozhukov et al. 2018",
    parameters: &[STATIONARY, RIDGE, FOLDS],
    build: |values| Ok(Box::new(DoublyRobust(Recipe::of(values)))),
};

/// `mean over trajectories of V_0`, where `V_t = v(s_t) + rho_t (r_t + discount V_{t+1} - q(s_t, a_t))` and q, v are those
/// of `fqe`, fitted to the other folds of the units.
///
/// Unbiased where the propensities are right, whatever q is (with folds; with `folds = 1` to the order of 1 / units), and
/// consistent where q is right, whatever the propensities are. Its variance still grows with the products of weights, from
/// what q leaves unexplained: good q, many steps; none, it is `pdis`. With an endless horizon the model stands for what
/// lies beyond the last row, so there q must be right.
#[derive(Debug)]
struct DoublyRobust(Recipe);

/// The estimate with given values of every row.
pub(super) fn with_values(log: &Trajectories, values: &[RowValue]) -> Result<Mean, SequenceFailure> {
    let (additions, base) = corrections(log, values);
    let values = Stepwise::new(log, Cow::Owned(additions), base)?.by_trajectory();
    Ok(Mean { values, notes: Vec::new() })
}

impl SequenceEstimator for DoublyRobust {
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
        assert!((corrected(1.0) - 0.928_48).abs() < 1e-12);
        assert!((corrected(0.5) - 1.402_906_666_7).abs() < 1e-9);
        assert!((corrected(0.0) - value("pdis", &three_trajectories())).abs() < 1e-12);
    }
}
