//! Ratios of visits, by DualDICE.

use super::chain::{Cells, Chain, Time};
use super::linear::Linear;
use super::trajectories::{Horizon, StateShape, Trajectories};
use super::values::RIDGE;
use super::{Linearised, Prepared, SequenceBuild, SequenceEstimator, SequenceFailure};
use crate::registry::Entry;

/// The entry of `dual_dice`.
pub(super) const ENTRY: Entry<SequenceBuild> = Entry {
    name: "dual_dice",
    summary: "rewards weighted by how much more often the target comes to their state and action, endless horizon",
    source: "Nachum et al. 2019 (DualDICE, quadratic, in closed form)",
    parameters: &[RIDGE],
    build: |values| Ok(Box::new(VisitRatios { ridge: values.number("ridge") })),
};

/// `mean(zeta r) / (1 - discount)` over all rows, where zeta is the ratio of the target's discounted visits of a
/// state and action to its share of the rows: the saddle point of
/// `E_log[(nu - discount nu_target(next)) zeta - zeta^2 / 2] - (1 - discount) E_start[nu_target]`.
///
/// It needs no propensities, however the log was made, and no products of weights. nu and zeta are tables over discrete
/// states and actions, or linear in a constant and the features with weights of their own for every action; with those
/// the saddle point is a linear system: `zeta = phi' G^-1 M'^-1 (1 - discount) phi_start`. The system is the transpose of
/// that of `fqe`, so that both agree where the same rows are used (Uehara, Huang and Jiang 2020); what it adds are the
/// ratios. It fails where `fqe` does: hidden states, features that cannot represent the ratio, pairs that the log never
/// tried. It is for endless horizons and discounts below 1. A note tells the mean ratio, which is 1 where the log supports
/// the target and no unit terminates, and the effective share of the rows. Differences from the source: (1) closed form
/// instead of stochastic gradients; (2) rows without a known successor count for the rewards only, as in `fqe`.
#[derive(Debug)]
struct VisitRatios {
    ridge: f64,
}

impl SequenceEstimator for VisitRatios {
    fn weighs(&self) -> bool {
        false
    }

    fn prepare<'a>(&self, log: &'a Trajectories) -> Result<Box<dyn Prepared + 'a>, SequenceFailure> {
        if log.shape.horizon != Horizon::Endless || log.shape.discount >= 1.0 {
            return Err(SequenceFailure::NeedsEndless);
        }
        match log.shape.state {
            StateShape::Hidden => Err(SequenceFailure::NeedsState),
            StateShape::Discrete(_) => Ok(Box::new(Table(Chain::new(log, Cells::StateAction, Time::Pooled)?))),
            StateShape::Features(_) => Ok(Box::new(Features(Linear::new(log, self.ridge)?))),
        }
    }
}

/// What the reader should know of the ratios of all rows.
fn note(ratios: &[f64]) -> String {
    let (sum, squares) = ratios.iter().fold((0.0, 0.0), |(sum, squares), own| (sum + own, squares + own * own));
    let rows = ratios.len() as f64;
    let effective = if squares > 0.0 { 100.0 * sum * sum / squares / rows } else { 0.0 };
    format!("the mean ratio of visits is {:.3}; by the ratios, {effective:.0} % of the rows count", sum / rows)
}

struct Table<'a>(Chain<'a>);

impl Prepared for Table<'_> {
    fn value(&self, counts: &[f64]) -> f64 {
        let tables = self.0.tables(counts);
        let visits = self.0.all_visits(&tables, self.0.log.shape.discount);
        visits.iter().enumerate().map(|(cell, visit)| visit * self.0.reward(&tables, cell)).sum()
    }

    fn linearised(&self) -> Result<Linearised, SequenceFailure> {
        let log = self.0.log;
        let counts = vec![1.0; log.len()];
        let tables = self.0.tables(&counts);
        let visits = self.0.all_visits(&tables, log.shape.discount);
        // Ratios of shares: of the discounted visits, and of the rows.
        let scale = (1.0 - log.shape.discount) * log.rows() as f64;
        let ratio = |visits: f64, count: f64| if count > 0.0 { scale * visits / count } else { 0.0 };
        let cell_of = |row: usize| log.states[row] as usize * log.shape.action_count + log.actions[row] as usize;
        let of_rows: Vec<f64> =
            (0..log.rows()).map(cell_of).map(|cell| ratio(visits[cell], tables.counts[cell])).collect();
        let states =
            visits.chunks_exact(log.shape.action_count).zip(tables.counts.chunks_exact(log.shape.action_count));
        let ratios = states.map(|(visits, counts)| ratio(visits.iter().sum(), counts.iter().sum())).collect();
        let (value, notes) = (self.value(&counts), vec![note(&of_rows)]);
        // To first order, the value moves as that of the values: they solve the same equations.
        Ok(Linearised { value, ratios, notes, ..self.0.linearised() })
    }
}

struct Features<'a>(Linear<'a>);

impl Features<'_> {
    fn total(&self, ratios: &[f64], counts: &[f64]) -> f64 {
        let log = self.0.log;
        let of = |trajectory: usize| -> f64 {
            log.rows_of(trajectory).map(|row| ratios[row] * log.rewards[row]).sum::<f64>() * counts[trajectory]
        };
        (0..log.len()).map(of).sum()
    }
}

impl Prepared for Features<'_> {
    fn value(&self, counts: &[f64]) -> f64 {
        self.0.visit_weights(counts).map_or(f64::NAN, |ratios| self.total(&ratios, counts))
    }

    fn linearised(&self) -> Result<Linearised, SequenceFailure> {
        let log = self.0.log;
        let counts = vec![1.0; log.len()];
        let weights = self.0.visit_weights(&counts)?;
        let scale = (1.0 - log.shape.discount) * log.rows() as f64;
        let notes = vec![note(&weights.iter().map(|weight| scale * weight).collect::<Vec<f64>>())];
        Ok(Linearised { value: self.total(&weights, &counts), notes, ..self.0.linearised()? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DISCOUNT, LOGGING, TARGET, estimator, expected_log, failure, one_hot, value, with};
    use super::super::{Horizon, SequenceFailure};
    use crate::registry::Value;

    #[test]
    fn the_expected_log_gives_ratios_and_value() {
        let log = expected_log(&[0], 3).asking(DISCOUNT, Horizon::Endless);
        let linearised = estimator("dual_dice").prepare(&log).unwrap().linearised().unwrap();
        assert!((linearised.value - 7.623_225_81).abs() < 5e-9);
        // The target's discounted occupancy is (.30322581, .69677419); the log's rows have shares of their own.
        let share = |state| log.states().iter().filter(|own| **own == state).count() as f64 / log.rows() as f64;
        for (state, occupancy) in [(0, 0.303_225_81), (1, 0.696_774_19)] {
            assert!((linearised.ratios[state as usize] * share(state) - occupancy).abs() < 5e-9);
        }
    }

    #[test]
    fn one_hot_features_give_the_table() {
        let log = expected_log(&[0], 3).asking(DISCOUNT, Horizon::Endless);
        let featured = one_hot(&log);
        let linear = with("dual_dice", &[("ridge", Value::Number(1e-11))]);
        let linear = linear.prepare(&featured).unwrap().linearised().unwrap();
        assert!((linear.value - value("dual_dice", &log)).abs() < 1e-6);
        assert_ne!(TARGET, LOGGING);
    }

    #[test]
    fn a_finite_horizon_is_refused() {
        assert_eq!(failure("dual_dice", &expected_log(&[0], 2)), SequenceFailure::NeedsEndless);
    }
}
