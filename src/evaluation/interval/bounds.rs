//! Intervals that hold at any number of units, or at all of them at once.

/// Units at which the confidence sequence is tightest.
const TIGHTEST_AT_UNITS: f64 = 5_000.0;

/// Half the width of the empirical Bernstein interval at error `error` on each side (Maurer and Pontil 2009, theorem 4):
/// `sqrt(2 V ln(2/error) / n) + 7 M ln(2/error) / (3 (n - 1))`.
///
/// Difference from the source: `range` is that of the influences met, since the largest possible term (the largest weight
/// times the largest residual) is not known; a log that has not met its largest weight yet gets too narrow an interval.
pub(super) fn empirical_bernstein(variance: f64, range: f64, units: usize, error: f64) -> f64 {
    let units = units as f64;
    let logarithm = libm::log(2.0 / error);
    (2.0 * variance * logarithm / units).sqrt() + 7.0 * range * logarithm / (3.0 * (units - 1.0))
}

/// Half the width of the asymptotic confidence sequence after `units` (Waudby-Smith et al. 2021, equation 8):
/// `s sqrt(2 (n p² + 1) / (n² p²) ln(sqrt(n p² + 1) / error))`.
pub(super) fn confidence_sequence(deviation: f64, units: f64, squared_spread: f64, error: f64) -> f64 {
    let grown = units * squared_spread + 1.0;
    let logarithm = libm::log(grown.sqrt() / error);
    deviation * (2.0 * grown / (units * units * squared_spread) * logarithm).sqrt()
}

/// The squared spread `p²` that is tightest at [`TIGHTEST_AT_UNITS`] (Waudby-Smith et al. 2021, appendix B.2). A constant:
/// it must not follow from the data.
pub(super) fn spread_of_prior(error: f64) -> f64 {
    let logarithm = -2.0 * libm::log(error);
    (logarithm + libm::log(logarithm) + 1.0) / TIGHTEST_AT_UNITS
}

/// Largest less smallest.
pub(super) fn range(values: &[f64]) -> f64 {
    let (low, high) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (f64::min(low, *value), f64::max(high, *value)));
    high - low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};

    #[test]
    fn known_answers() {
        // The eight rounds: rewards weighted by 0, 2.4, 0, 0, 0, 3.2, 0.4, 0.
        assert!((empirical_bernstein(1.665_714_3, 3.2, 8, 0.05) - 5.174_221_9).abs() < 1e-6);
        assert!((empirical_bernstein(1.665_714_3, 3.2, 8, 0.025) - 6.025).abs() < 1e-3);
        assert!((confidence_sequence(1.0, 1_000.0, 0.01, 0.05) - 0.096_064_0).abs() < 1e-7);
        assert_eq!(range(&[0.0, 2.4, 3.2, 0.4]), 3.2);
    }

    /// Sequences out of `sequences` that miss the truth at any of `looks` looks from 500 units on. Rewards of rate 0.3
    /// with weights of 0.5 or 3 by a fair coin of another kind: skewed, as weighted rewards are.
    fn misses(sequences: u32, looks: u32) -> f64 {
        let squared_spread = spread_of_prior(0.05);
        let missed = |sequence: &u32| {
            let (mut sum, mut squares) = (0.0, 0.0);
            for unit in 0..500 + looks {
                let uniforms = Seed::new(11).uniforms(Purpose::Problem, *sequence, unit, 0);
                let weight = if uniforms[0] < 0.2 { 3.0 } else { 0.5 };
                let term = if uniforms[1] < 0.3 { weight } else { 0.0 };
                sum += term;
                squares += term * term;
                let units = f64::from(unit + 1);
                let mean = sum / units;
                if unit >= 500 {
                    let deviation = (squares / units - mean * mean).sqrt();
                    if (mean - 0.3).abs() > confidence_sequence(deviation, units, squared_spread, 0.05) {
                        return true;
                    }
                }
            }
            false
        };
        (0..sequences).filter(missed).count() as f64 / f64::from(sequences)
    }

    #[test]
    fn looking_a_thousand_times_misses_seldom() {
        // Two standard errors of 300 trials of 0.05.
        assert!(misses(300, 1_000) <= 0.05 + 2.0 * (0.05_f64 * 0.95 / 300.0).sqrt());
    }

    #[test]
    #[ignore = "slow: ten million draws"]
    fn looking_ten_thousand_times_misses_seldom() {
        assert!(misses(1_000, 10_000) <= 0.05 + 2.0 * (0.05_f64 * 0.95 / 1_000.0).sqrt());
    }
}
