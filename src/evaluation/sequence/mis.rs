//! Marginalised importance sampling.

use super::chain::{Cells, Chain, Time};
use super::{Linearised, Prepared, SequenceBuild, SequenceEstimator, SequenceFailure, Trajectories};
use crate::registry::{Entry, Parameter};

mod average;

/// The entry of `mis`.
pub(super) const ENTRY: Entry<SequenceBuild> = Entry {
    name: "mis",
    summary: "rewards weighted by how much more often the target visits their state, times one importance weight",
    source: "Liu et al. 2018 (endless); Xie, Ma and Wang 2019 (finite horizons)",
    parameters: &[STATIONARY],
    build: |values| Ok(Box::new(Marginalised { stationary: values.boolean("stationary") })),
};

const STATIONARY: Parameter = Parameter::boolean(
    "stationary",
    false,
    "what follows a state does not depend on the step; false: each step by itself, as in Xie et al. (logged horizon)",
);

/// `sum over steps of discount^t sum_s d_t(s) r(s)`, where `r(s)` is the mean reward of the rows in s, weighted by one
/// importance weight each, `d_0` is how often trajectories start in s, and `d_{t+1}(s') = sum_s d_t(s) P(s' | s)` with `P`
/// from the same weighted rows. That is `mean of discount^t w(s) rho r` over rows, with the ratio `w(s)` of the target's
/// visits to the log's: weights are never multiplied along a trajectory.
///
/// Consistent where the propensities are right, the discrete state tells all that matters for what follows (Markov) and
/// the log visits every state that the target does; states that it reaches and the log never left under its actions count
/// as 0, and their share is told. A state that hides something (fatigue, say) makes it as wrong as `fqe`. With an endless
/// horizon, states are pooled over steps; with a discount of 1 on top, it is the average reward of a step, by the
/// stationary distribution.
///
/// Differences from the sources: (1) weights are normalised within a state, so that `P` is a distribution; (2) the ratio
/// is solved for in closed form, where Liu et al. learn it; (3) each ratio told is that of discounted visits of the
/// target to those of the logging policy, both from the estimated chains.
#[derive(Debug)]
struct Marginalised {
    stationary: bool,
}

impl SequenceEstimator for Marginalised {
    fn prepare<'a>(&self, log: &'a Trajectories) -> Result<Box<dyn Prepared + 'a>, SequenceFailure> {
        let endless = log.shape.horizon == super::Horizon::Endless;
        let time = if endless || self.stationary { Time::Pooled } else { Time::Apart };
        let target = Chain::new(log, Cells::State, time)?;
        if endless && log.shape.discount >= 1.0 {
            return Ok(Box::new(average::Average(target)));
        }
        Ok(Box::new(Visits { target, endless }))
    }
}

struct Visits<'a> {
    target: Chain<'a>,
    endless: bool,
}

impl Visits<'_> {
    /// Discounted visits of the target to each state over those of the logging policy; 0 where neither goes.
    fn ratios(&self) -> Result<Vec<f64>, SequenceFailure> {
        let log = self.target.log;
        let logging = Chain::of_logging(log)?;
        let counts = vec![1.0; log.len()];
        let discount = log.shape.discount;
        let of_target = self.target.all_visits(&self.target.tables(&counts), discount);
        let of_logging = logging.all_visits(&logging.tables(&counts), discount);
        let ratio = |(target, logging): (&f64, &f64)| if *logging > 0.0 { target / logging } else { 0.0 };
        Ok(of_target.iter().zip(&of_logging).map(ratio).collect())
    }
}

impl Prepared for Visits<'_> {
    fn value(&self, counts: &[f64]) -> f64 {
        self.target.estimate(counts)
    }

    fn linearised(&self) -> Result<Linearised, SequenceFailure> {
        let ratios = if self.endless { self.ratios()? } else { Vec::new() };
        Ok(Linearised { ratios, ..self.target.linearised() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DISCOUNT, drawn_log, estimator, expected_log, value, with};
    use super::super::{Horizon, tis};
    use crate::registry::Value;

    #[test]
    fn the_expected_log_gives_ratios_and_value() {
        let log = expected_log(&[0], 3).asking(DISCOUNT, Horizon::Endless);
        let linearised = estimator("mis").prepare(&log).unwrap().linearised().unwrap();
        assert!((linearised.value - 7.623_225_81).abs() < 5e-9);
        assert!((linearised.ratios[0] - 0.599_144_97).abs() < 5e-9, "{:?}", linearised.ratios);
        assert!((linearised.ratios[1] - 1.410_752_69).abs() < 5e-9);
    }

    #[test]
    fn the_expected_log_gives_finite_horizons() {
        for (steps, known) in [(2, 1.0408), (3, 1.6807)] {
            let log = expected_log(&[0], steps);
            assert!((value("mis", &log) - known).abs() < 1e-9);
            let stationary = with("mis", &[("stationary", Value::Boolean(true))]);
            assert!((stationary.prepare(&log).unwrap().linearised().unwrap().value - known).abs() < 1e-9);
        }
    }

    #[test]
    fn without_a_discount_it_is_the_average_reward() {
        let log = expected_log(&[0], 3).asking(1.0, Horizon::Endless);
        let linearised = estimator("mis").prepare(&log).unwrap().linearised().unwrap();
        assert!((linearised.value - 0.816).abs() < 1e-9);
        assert!((linearised.ratios[0] - 0.457_142_86).abs() < 5e-9, "{:?}", linearised.ratios);
        assert!((linearised.ratios[1] - 1.422_222_22).abs() < 5e-9);
    }

    #[test]
    fn the_logging_policy_is_worth_what_the_log_earned() {
        // Step by step, the weighted visits of the logging policy are the visits that were logged.
        let mut log = drawn_log(200, 4, 9);
        log.target.iter_mut().for_each(|probability| *probability = 0.5);
        let earned: f64 = (0..log.len()).map(|unit| tis::discounted_return(&log, unit)).sum();
        assert!((value("mis", &log) - earned / log.len() as f64).abs() < 1e-9);
    }
}
