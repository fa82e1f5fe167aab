//! Means with their uncertainty, and the tests that the suite and the reports use.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal, StudentsT};

/// A mean with its standard error and 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error; 0 where one value gives no spread.
    pub standard_error: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
}

/// Mean and Student-t interval of independent values (95 %). With one value the interval is the value itself.
#[must_use]
pub fn estimate(values: &[f64]) -> Estimate {
    let count = values.len() as f64;
    let (mean, variance) = mean_and_variance(values);
    if values.len() < 2 {
        return Estimate { mean, standard_error: 0.0, low: mean, high: mean };
    }
    from_moments(mean, variance, count)
}

/// Mean and Student-t interval from a mean, a sample variance and a count of at least 2.
#[must_use]
pub fn from_moments(mean: f64, variance: f64, count: f64) -> Estimate {
    let standard_error = (variance / count).sqrt();
    let half = standard_error * student_t_quantile(0.975, count - 1.0);
    Estimate { mean, standard_error, low: mean - half, high: mean + half }
}

/// Mean and unbiased variance (two passes); variance 0 for fewer than two values, mean 0 for none.
#[must_use]
pub fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let moments = Moments::of(values.iter().copied());
    (moments.mean, moments.variance())
}

/// Count, mean and sum of squared deviations of values that are not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Number of values.
    pub count: f64,
    /// Their mean; 0 for none.
    pub mean: f64,
    /// Sum of squared deviations from the mean.
    pub squares: f64,
}

impl Moments {
    /// Of these values: the mean first, then the deviations from it.
    #[must_use]
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let count = values.clone().count() as f64;
        let mean = if count > 0.0 { values.clone().sum::<f64>() / count } else { 0.0 };
        let squares = values.map(|value| (value - mean) * (value - mean)).sum::<f64>();
        Self { count, mean, squares }
    }

    /// Of both sets of values (Chan, Golub & LeVeque 1983, equation 2.1).
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        if self.count == 0.0 || other.count == 0.0 {
            return if self.count == 0.0 { other } else { self };
        }
        let count = self.count + other.count;
        let difference = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + difference * (other.count / count),
            squares: self.squares + other.squares + difference * difference * (self.count * other.count / count),
        }
    }

    /// Unbiased variance; 0 for fewer than two values.
    #[must_use]
    pub fn variance(&self) -> f64 {
        if self.count < 2.0 { 0.0 } else { self.squares / (self.count - 1.0) }
    }
}

/// Quantile of Student's t.
#[must_use]
pub fn student_t_quantile(probability: f64, degrees_of_freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees_of_freedom).map_or(f64::NAN, |t| t.inverse_cdf(probability))
}

/// Distribution function of the standard normal.
#[must_use]
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

/// Quantile of the standard normal.
#[must_use]
pub fn normal_quantile(probability: f64) -> f64 {
    Normal::standard().inverse_cdf(probability)
}

/// Upper tail of chi-square: the p-value of a statistic.
#[must_use]
pub fn chi_square_p_value(statistic: f64, degrees_of_freedom: f64) -> f64 {
    ChiSquared::new(degrees_of_freedom).map_or(f64::NAN, |distribution| distribution.sf(statistic))
}

/// Pearson's statistic over cells with their expected counts; cells expected below `pooled_below` are pooled into one.
/// Returns the statistic and its degrees of freedom (cells - 1).
#[must_use]
pub fn chi_square(observed: &[f64], expected: &[f64], pooled_below: f64) -> (f64, f64) {
    let mut statistic = 0.0;
    let mut cells = 0.0;
    let (mut rest_observed, mut rest_expected) = (0.0, 0.0);
    for (&seen, &wanted) in observed.iter().zip(expected) {
        if wanted < pooled_below {
            rest_observed += seen;
            rest_expected += wanted;
        } else {
            statistic += (seen - wanted) * (seen - wanted) / wanted;
            cells += 1.0;
        }
    }
    if rest_expected > 0.0 {
        statistic += (rest_observed - rest_expected) * (rest_observed - rest_expected) / rest_expected;
        cells += 1.0;
    } else if rest_observed > 0.0 {
        return (f64::INFINITY, 1.0);
    }
    (statistic, f64::max(cells - 1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn student_interval_of_a_textbook_sample() {
        // 95 % interval of ten values with mean 5.5 and variance 55/6: half width 2.262157 * sqrt(55/60).
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        let interval = estimate(&values);
        assert!((interval.mean - 5.5).abs() < 1e-12);
        assert!((interval.standard_error - (55f64 / 60.0).sqrt()).abs() < 1e-12);
        assert!((interval.high - 5.5 - 2.262_157_163 * (55f64 / 60.0).sqrt()).abs() < 1e-6);
    }

    #[test]
    fn moments_of_parts_merge_to_those_of_the_whole() {
        let values: Vec<f64> = (0..1_000).map(|index| 1e6 + f64::from(index * index % 97)).collect();
        let whole = Moments::of(values.iter().copied());
        let parts = [0..1, 1..1, 1..400, 400..1_000].map(|range| Moments::of(values[range].iter().copied()));
        let merged = parts.into_iter().fold(Moments::default(), Moments::merged);
        assert_eq!(merged.count, 1_000.0);
        assert!((merged.mean / whole.mean - 1.0).abs() < 1e-14);
        assert!((merged.variance() / whole.variance() - 1.0).abs() < 1e-10);
        // By hand: 1, 2 and 6 have mean 3 and variance (4 + 1 + 9) / 2.
        let by_hand = Moments::of([1.0, 2.0].into_iter()).merged(Moments::of([6.0].into_iter()));
        assert!((by_hand.mean - 3.0).abs() < 1e-15 && (by_hand.variance() - 7.0).abs() < 1e-14);
        assert_eq!(Moments::default().variance(), 0.0);
    }

    #[test]
    fn normal_and_chi_square_known_values() {
        assert!((normal_cdf(1.959_963_985) - 0.975).abs() < 1e-9);
        assert!((normal_quantile(0.975) - 1.959_963_985).abs() < 1e-8);
        // Sample-ratio check (Fabijan et al. 2019) of 50,000 against 50,800: 2 * 400^2 / 50,400.
        let (statistic, degrees) = chi_square(&[50_000.0, 50_800.0], &[50_400.0, 50_400.0], 5.0);
        assert!((statistic - 6.349_206).abs() < 1e-6);
        assert!((chi_square_p_value(statistic, degrees) - 0.011_743).abs() < 1e-6);
    }

    #[test]
    fn impossible_events_make_the_statistic_infinite() {
        assert_eq!(chi_square(&[9.0, 1.0], &[10.0, 0.0], 5.0).0, f64::INFINITY);
    }
}
