//! What a log can say about sequences, before any estimate is believed.

use super::returns::{chunks, products};
use super::trajectories::{Horizon, LawShape, StateShape, Trajectories};
use crate::evaluation::verdict::gates::{KEPT_DIGITS, STANDARD_ERRORS, UNITS};
use rayon::prelude::*;
use serde::Serialize;

/// Below this share of the trajectories that reach a step, products of weights say little.
const WEAK_SHARE: f64 = 0.05;
/// With more steps than this, products of weights are not for judging by default.
pub const MOST_STEPS_FOR_PRODUCTS: usize = 10;
/// Share of the target's decisions without support above which values count for little.
const UNSUPPORTED_SHARE: f64 = 0.05;

/// What the weights of a log allow.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SequenceDiagnostics {
    /// Number of trajectories.
    pub trajectories: usize,
    /// Number of decisions.
    pub rows: usize,
    /// Steps of the longest trajectory.
    pub longest: usize,
    /// Per step, the effective number of trajectories: squared sum over sum of squares of the products of weights up to it.
    pub effective_sample_size: Vec<f64>,
    /// Per step, the mean product of weights over the trajectories that reach it: 1 where the propensities are right.
    pub weight_mean: Vec<f64>,
    /// First step, from 0, at which the effective number falls under 5 % of the trajectories that reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weak_from_step: Option<usize>,
    /// What the reader must know, each a sentence.
    pub warnings: Vec<String>,
}

/// Sums of one step, of weights as shares of the greatest: squares of the weights themselves would overflow.
#[derive(Clone, Copy, Default)]
struct Weights {
    reached: f64,
    greatest: f64,
    sum: f64,
    squares: f64,
}

impl Weights {
    fn effective(&self) -> f64 {
        if self.squares > 0.0 && self.greatest.is_finite() { self.sum * self.sum / self.squares } else { 0.0 }
    }

    fn mean(&self) -> f64 {
        if self.sum > 0.0 { self.sum * self.greatest / self.reached } else { 0.0 }
    }

    /// Standard errors between the mean and 1.
    fn errors_off_one(&self) -> f64 {
        let mean = self.mean();
        let variance = (self.squares * self.greatest * self.greatest / self.reached - mean * mean).max(0.0);
        let standard_error = (variance / self.reached).sqrt();
        if standard_error > 0.0 { (mean - 1.0).abs() / standard_error } else { 0.0 }
    }

    /// Says so where the mean is off 1 by more than chance and rounding do.
    fn off_one(&self) -> Option<String> {
        let (mean, errors) = (self.mean(), self.errors_off_one());
        (errors > STANDARD_ERRORS && (mean - 1.0).abs() > KEPT_DIGITS).then(|| {
            format!(
                "the mean weight of first decisions is {mean:.4}, {errors:.1} standard errors off 1: propensities or \
                 target are wrong"
            )
        })
    }
}

/// Looks at the weights of a log. `coupled_by` names what couples its units (a budget, reputation, word of mouth), which
/// is passed through as a warning.
#[must_use]
pub fn diagnose(log: &Trajectories, coupled_by: &[String]) -> SequenceDiagnostics {
    let steps = weights_by_step(log);
    let unweighted = diagnose_unweighted(log, coupled_by);
    let mut warnings = weight_warnings(log, &steps);
    warnings.splice(0..0, unweighted.warnings.iter().cloned());
    SequenceDiagnostics {
        effective_sample_size: steps.iter().map(Weights::effective).collect(),
        weight_mean: steps.iter().map(Weights::mean).collect(),
        weak_from_step: steps.iter().position(|step| step.effective() < WEAK_SHARE * step.reached),
        warnings,
        ..unweighted
    }
}

/// The same without anything about weights: where the target does what the policy of a row could not, their products leave
/// that out, and say nothing of propensities.
#[must_use]
pub fn diagnose_unweighted(log: &Trajectories, coupled_by: &[String]) -> SequenceDiagnostics {
    SequenceDiagnostics {
        trajectories: log.len(),
        rows: log.rows(),
        longest: log.longest(),
        warnings: warnings(log, coupled_by),
        ..SequenceDiagnostics::default()
    }
}

fn weights_by_step(log: &Trajectories) -> Vec<Weights> {
    let products = products(log);
    let mut steps = vec![Weights::default(); log.longest()];
    for trajectory in 0..log.len() {
        for (step, row) in steps.iter_mut().zip(log.rows_of(trajectory)) {
            step.reached += 1.0;
            step.greatest = f64::max(step.greatest, products[row]);
        }
    }
    let parts: Vec<Vec<(f64, f64)>> = chunks(log)
        .map(|trajectories| {
            let mut sums = vec![(0.0, 0.0); log.longest()];
            for row_and_step in trajectories.flat_map(|trajectory| log.rows_of(trajectory).zip(0..)) {
                let (row, step): (usize, usize) = row_and_step;
                let share = if steps[step].greatest > 0.0 { products[row] / steps[step].greatest } else { 0.0 };
                sums[step] = (sums[step].0 + share, sums[step].1 + share * share);
            }
            sums
        })
        .collect();
    for part in parts {
        for (step, (sum, squares)) in steps.iter_mut().zip(part) {
            step.sum += sum;
            step.squares += squares;
        }
    }
    steps
}

fn warnings(log: &Trajectories, coupled_by: &[String]) -> Vec<String> {
    let mut warnings = Vec::new();
    let units = log.len();
    if units < UNITS {
        warnings.push(format!("{units} independent units are too few for any interval ({UNITS} are the least)"));
    }
    if !coupled_by.is_empty() {
        warnings.push(format!(
            "units are coupled by {}: what one is sent changes what others do, and every estimate by unit is biased",
            coupled_by.join(", ")
        ));
    }
    warnings.extend(cut_warning(log));
    warnings
}

/// What products of weights are worth.
fn weight_warnings(log: &Trajectories, steps: &[Weights]) -> Vec<String> {
    let mut warnings = Vec::new();
    let (longest, last) = (log.longest(), steps[steps.len() - 1].effective());
    if longest > MOST_STEPS_FOR_PRODUCTS && last < WEAK_SHARE * log.len() as f64 {
        warnings.push(format!(
            "pdis is useless at horizon {longest}: an effective sample size of {last:.1} of {} trajectories; use fqe, mis",
            log.len()
        ));
    } else if let Some(step) = steps.iter().position(|step| step.effective() < WEAK_SHARE * step.reached) {
        let effective = steps[step].effective();
        warnings.push(format!(
            "from step {step} on, products of weights rest on {effective:.1} of {} trajectories: believe fqe and mis there",
            steps[step].reached
        ));
    }
    warnings.extend(steps[0].off_one());
    warnings
}

/// Says so where the log stopped looking at some before others.
fn cut_warning(log: &Trajectories) -> Option<String> {
    let longest = log.longest();
    let cut = (0..log.len()).filter(|own| !log.is_terminated(*own) && log.rows_of(*own).len() < longest).count();
    (cut > 0 && log.shape().horizon == Horizon::Logged).then(|| {
        format!(
            "{cut} of {} trajectories were cut before step {longest}: each counts as far as it was logged",
            log.len()
        )
    })
}

/// A warning where much of what the target does has nothing like it in the log; `name` is that of the estimator.
#[must_use]
pub fn unsupported_warning(name: &str, unsupported_target_mass: Option<f64>) -> Option<String> {
    let share = unsupported_target_mass.filter(|share| *share > UNSUPPORTED_SHARE)?;
    Some(format!(
        "{:.0} % of what the target does is in states and actions that the log never saw, and counts as 0 in {name}: explore \
         there, or describe states more coarsely",
        100.0 * share
    ))
}

/// The estimators to run where a file names none: `fqe`, `mis` and `sequence_dr` by unit, as far as the log has what they
/// need, and `pdis` with `wpdis` up to ten steps.
#[must_use]
pub fn default_estimators(log: &Trajectories) -> Vec<&'static str> {
    let shape = log.shape();
    let mut names = Vec::new();
    let average = shape.horizon == Horizon::Endless && shape.discount >= 1.0;
    if shape.state != StateShape::Hidden && shape.law == LawShape::Every && !average {
        names.extend(["fqe", "sequence_dr"]);
    }
    if matches!(shape.state, StateShape::Discrete(_)) {
        names.push("mis");
    }
    if names.is_empty() || (shape.horizon == Horizon::Logged && log.longest() <= MOST_STEPS_FOR_PRODUCTS) {
        names.extend(["pdis", "wpdis"]);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DISCOUNT, Given, drawn_log, log, one_hot, three_trajectories};
    use super::*;

    #[test]
    fn effective_numbers_by_hand() {
        let found = diagnose(&three_trajectories(), &[]);
        // Weights 1.6, .4, 1.6; then 2.88, .64, 2.56.
        assert!((found.effective_sample_size[0] - 3.6 * 3.6 / (1.6 * 1.6 * 2.0 + 0.16)).abs() < 1e-12);
        let (sum, squares) = (2.88 + 0.64 + 2.56, 2.88 * 2.88 + 0.64 * 0.64 + 2.56 * 2.56);
        assert!((found.effective_sample_size[1] - sum * sum / squares).abs() < 1e-12);
        assert!((found.weight_mean[1] - sum / 3.0).abs() < 1e-12);
        assert_eq!((found.weak_from_step, found.longest, found.rows), (None, 2, 6));
    }

    #[test]
    fn long_horizons_are_warned_of() {
        let log = drawn_log(200, 60, 3);
        let found = diagnose(&log, &["budget".to_owned()]);
        assert!(found.weak_from_step.unwrap() > 3);
        assert!(found.warnings[0].contains("coupled by budget"));
        assert!(found.warnings[1].starts_with("pdis is useless at horizon 60"), "{:?}", found.warnings);
        assert_eq!(default_estimators(&log), ["fqe", "sequence_dr", "mis"]);
        assert_eq!(default_estimators(&drawn_log(5, 10, 3)), ["fqe", "sequence_dr", "mis", "pdis", "wpdis"]);
        assert_eq!(default_estimators(&one_hot(&log)), ["fqe", "sequence_dr"]);
        assert_eq!(default_estimators(&log.asking(1.0, Horizon::Endless)), ["mis"]);
    }

    #[test]
    fn products_beyond_all_numbers_leave_nobody() {
        let rows = (0..400).map(|tick| Given { tick, propensity: 1e-3, law: vec![1.0, 0.0], ..Given::default() });
        let found = diagnose(&log(rows.collect(), DISCOUNT), &[]);
        assert_eq!(found.effective_sample_size[399], 0.0);
        assert_eq!(found.effective_sample_size[9], 1.0);
    }

    #[test]
    fn wrong_propensities_show_in_the_mean_weight() {
        let mut log = drawn_log(400, 2, 6);
        assert!(!diagnose(&log, &[]).warnings.iter().any(|warning| warning.contains("off 1")));
        log.propensities.iter_mut().for_each(|propensity| *propensity = 0.7);
        assert!(diagnose(&log, &[]).warnings.iter().any(|warning| warning.contains("off 1")));
        assert_eq!(unsupported_warning("fqe", Some(0.01)), None);
        assert!(unsupported_warning("fqe", Some(0.2)).unwrap().contains("20 %"));
    }

    #[test]
    fn rounded_propensities_are_not_wrong() {
        let mut log = drawn_log(400, 2, 6);
        for row in 0..log.rows() {
            let own = log.law_of(row)[log.actions()[row] as usize];
            // The mean weight is off 1 by 6e-7: 60 standard errors.
            log.propensities[row] = own * if row % 4 < 2 { 1.0 - 4e-7 } else { 1.0 - 8e-7 };
        }
        assert!(weights_by_step(&log)[0].errors_off_one() > STANDARD_ERRORS);
        assert_eq!(diagnose(&log, &[]).warnings, Vec::<String>::new());
        log.propensities.iter_mut().for_each(|propensity| *propensity *= 1.0 - 1e-5);
        assert!(diagnose(&log, &[]).warnings[0].contains("off 1"));
    }

    #[test]
    fn few_units_are_warned_of() {
        let told = "29 independent units are too few for any interval (30 are the least)";
        assert_eq!(diagnose(&drawn_log(29, 2, 6), &[]).warnings[0], told);
        assert!(!diagnose(&drawn_log(30, 2, 6), &[]).warnings.iter().any(|warning| warning.contains("too few")));
    }
}
