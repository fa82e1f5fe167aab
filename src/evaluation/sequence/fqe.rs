//! Fitted Q evaluation.

use super::values::{RIDGE, Recipe, STATIONARY, ValueModel};
use super::{Linearised, Prepared, SequenceBuild, SequenceEstimator, SequenceFailure, Trajectories};
use crate::registry::Entry;

/// The entry of `fqe`.
pub(super) const ENTRY: Entry<SequenceBuild> = Entry {
    name: "fqe",
    summary: "fits what every action is worth under the target, backwards from the end: a table of states, or linear",
    source: "Le, Voloshin and Yue 2019; intervals after Hao et al. 2021",
    parameters: &[STATIONARY, RIDGE],
    build: |values| Ok(Box::new(FittedValues(Recipe::of(values)))),
};

/// `mean over trajectories of sum_a pi(a | s_0) q(s_0, a)`, where q is fitted to
/// `r + discount sum_a pi(a | s') q(s', a)`: as often as there are steps to go, or, with an endless horizon, until it
/// stays (solved, not iterated, for features).
///
/// q is a table over discrete states, or linear in a constant and the features with weights of their own for every action;
/// a neural q it is not. It needs no propensities and does not suffer from many steps. It is consistent where the state
/// tells all that matters for what follows (Markov), q can be represented, and the log tried what the target does; a
/// table counts state-action pairs that were never logged as 0 and tells their share of the target's decisions. Linear q
/// off the logging policy can fail to settle; far too great values show it.
///
/// Differences from the source: (1) the reward and what follows are fitted apart, so that the last row of a trajectory
/// cut by a time limit counts for the reward, though its successor is unknown; (2) all rows are one sample for every
/// number of steps to go (`stationary`), as in the source for endless horizons; (3) intervals by influence, as well as by
/// refitting on resampled trajectories.
#[derive(Debug)]
struct FittedValues(Recipe);

impl Prepared for ValueModel<'_> {
    fn value(&self, counts: &[f64]) -> f64 {
        self.estimate(counts)
    }

    fn linearised(&self) -> Result<Linearised, SequenceFailure> {
        self.with_influences()
    }
}

impl SequenceEstimator for FittedValues {
    fn weighs(&self) -> bool {
        false
    }

    fn prepare<'a>(&self, log: &'a Trajectories) -> Result<Box<dyn Prepared + 'a>, SequenceFailure> {
        Ok(Box::new(ValueModel::new(log, self.0)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Horizon;
    use super::super::chain::{Cells, Chain, Time};
    use super::super::testing::{DISCOUNT, TARGET, expected_log, one_hot, value, values, with};
    use crate::registry::Value;

    #[test]
    fn the_expected_log_gives_the_values_of_the_target() {
        let log = expected_log(&[0, 1], 2);
        let chain = Chain::new(&log, Cells::StateAction, Time::Pooled).unwrap();
        let tables = chain.tables(&vec![1.0; log.len()]);
        for (steps, known) in [(2, 1.0408), (3, 1.6807), (10, 4.778_009_91)] {
            let solution = chain.backwards(&tables, steps);
            assert!((chain.value(0, 0, solution.with(steps)) - known).abs() < 5e-9);
            assert!((chain.value(0, 0, solution.with(steps)) - values(TARGET, steps as u32)[0]).abs() < 1e-12);
        }
        let endless = chain.start_values(&chain.fixed_point(&tables));
        assert!((endless[0] - 7.623_225_81).abs() < 5e-9);
        assert!((endless[log.len() - 1] - 8.294_193_55).abs() < 5e-9);
    }

    #[test]
    fn tables_and_one_hot_features_agree() {
        let log = expected_log(&[0], 3);
        for (horizon, known) in [(Horizon::Logged, 1.6807), (Horizon::Endless, 7.623_225_806_5)] {
            let log = log.clone().asking(DISCOUNT, horizon);
            assert!((value("fqe", &log) - known).abs() < 1e-9);
            // One feature too many, as there is a constant: `ridge` parts it evenly, at the price of a bias of its size.
            let ridge = with("fqe", &[("ridge", Value::Number(1e-11))]);
            let featured = one_hot(&log);
            let linear = ridge.prepare(&featured).unwrap().linearised().unwrap();
            assert!((linear.value - known).abs() < 1e-6, "{}", linear.value);
        }
    }

    #[test]
    fn steps_told_apart_give_the_same_on_the_expected_log() {
        let log = expected_log(&[0], 3);
        let apart = with("fqe", &[("stationary", Value::Boolean(false))]);
        assert!((apart.prepare(&log).unwrap().linearised().unwrap().value - 1.6807).abs() < 1e-9);
    }

    #[test]
    fn what_was_never_logged_is_told() {
        // Nobody logged action 1, which the target takes half the time in the first of two steps.
        use super::super::testing::{Given, log};
        let rows = (0..2).map(|tick| {
            let law = if tick == 0 { vec![0.5, 0.5] } else { vec![1.0, 0.0] };
            Given { tick, law, reward: 1.0, state: tick, ..Given::default() }
        });
        let log = log(rows.collect(), 1.0);
        let linearised = super::super::testing::estimator("fqe").prepare(&log).unwrap().linearised().unwrap();
        assert!((linearised.value - 1.0).abs() < 1e-12);
        assert!((linearised.unsupported_target_mass.unwrap() - 0.5).abs() < 1e-12);
    }
}
