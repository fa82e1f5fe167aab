//! The sample-ratio check: did the units fall into the arms as they were meant to?

use crate::statistics::{chi_square, chi_square_p_value};
use serde::Serialize;

/// The p value below which the split is not believed (Fabijan et al. 2019).
pub const ALARM: f64 = 0.001;

/// What the check says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SampleRatio {
    /// Units of each arm.
    pub units: Vec<usize>,
    /// Units that the design's shares would give.
    pub expected: Vec<f64>,
    /// Pearson's statistic.
    pub statistic: f64,
    /// Arms less one.
    pub degrees_of_freedom: f64,
    /// Probability of such a statistic or a greater one where the split is as designed.
    pub p_value: f64,
    /// Whether it is below [`ALARM`]: some units were lost or misplaced, and not at random; nothing else in the experiment
    /// should be believed before it is known why.
    pub is_alarm: bool,
}

/// Compares counts with the design's shares, which need not sum to 1 (Fabijan et al. 2019, by Pearson's chi-square).
///
/// Arms with a share of 0 are impossible: a unit there is an alarm.
#[must_use]
pub fn sample_ratio(units: &[usize], shares: &[f64]) -> SampleRatio {
    let total = units.iter().sum::<usize>() as f64;
    let whole: f64 = shares.iter().sum();
    let expected: Vec<f64> = shares.iter().map(|share| total * share / whole).collect();
    let observed: Vec<f64> = units.iter().map(|units| *units as f64).collect();
    let (statistic, degrees_of_freedom) = chi_square(&observed, &expected, f64::MIN_POSITIVE);
    let p_value = if statistic.is_finite() { chi_square_p_value(statistic, degrees_of_freedom) } else { 0.0 };
    SampleRatio { units: units.to_vec(), expected, statistic, degrees_of_freedom, p_value, is_alarm: p_value < ALARM }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_of_the_literature() {
        let uneven = sample_ratio(&[50_000, 50_800], &[0.5, 0.5]);
        assert!((uneven.statistic - 6.349_206).abs() < 1e-6 && (uneven.p_value - 0.011_743).abs() < 1e-6);
        assert!(!uneven.is_alarm);
        // Three arms of the e-mail test of Hillstrom (2008).
        let mail = sample_ratio(&[21_306, 21_307, 21_387], &[1.0, 1.0, 1.0]);
        assert!((mail.statistic - 0.202_531).abs() < 1e-6 && (mail.p_value - 0.903_694).abs() < 2e-6);
        assert!(!mail.is_alarm);
        assert!(sample_ratio(&[50_000, 52_000], &[1.0, 1.0]).is_alarm);
        assert!(!sample_ratio(&[10_000, 90_100], &[0.1, 0.9]).is_alarm);
        assert!(sample_ratio(&[10, 3, 10], &[0.5, 0.0, 0.5]).is_alarm);
    }
}
