//! A figure with its uncertainty, over replications or over consumers.

use crate::statistics::{Estimate, Moments, estimate, from_moments, mean_and_variance};
use serde::Serialize;

/// A mean with its 95 % interval where one can be had: over replications (Student t), or over consumers where there is
/// one replication and the figure is known per consumer; else the mean alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Metric {
    /// The mean.
    pub mean: f64,
    /// Its standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
    /// Lower end of the 95 % interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end of the 95 % interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// True where a share is of a value that only bounds the best one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub bound: bool,
}

impl Metric {
    /// A figure whose uncertainty is not known.
    #[must_use]
    pub fn alone(mean: f64) -> Self {
        Self { mean, ..Self::default() }
    }

    /// Whether the interval leaves 0 out; `None` where there is no interval.
    #[must_use]
    pub fn differs_from_zero(&self) -> Option<bool> {
        Some(self.low? > 0.0 || self.high? < 0.0)
    }
}

impl From<Estimate> for Metric {
    fn from(estimate: Estimate) -> Self {
        Self {
            mean: estimate.mean,
            standard_error: Some(estimate.standard_error),
            low: Some(estimate.low),
            high: Some(estimate.high),
            bound: false,
        }
    }
}

/// From one value per replication, and the moments over consumers for when there is one replication.
#[must_use]
pub fn mean_of(by_replication: &[f64], by_consumer: Option<Moments>) -> Metric {
    match (by_replication, by_consumer) {
        ([only], Some(moments)) if moments.count > 1.0 => from_moments(*only, moments.variance(), moments.count).into(),
        ([only], _) => Metric::alone(*only),
        (values, _) => estimate(values).into(),
    }
}

/// Ratio of sums over replications, its error by linearisation (delta method): the residuals `n_r - ratio d_r`, over the
/// mean denominator. `None` where the denominators sum to 0: there was nothing to be a share of.
#[must_use]
pub fn ratio_of(numerators: &[f64], denominators: &[f64]) -> Option<Metric> {
    let (above, below) = (numerators.iter().sum::<f64>(), denominators.iter().sum::<f64>());
    if below == 0.0 {
        return None;
    }
    let ratio = above / below;
    let count = numerators.len() as f64;
    if numerators.len() < 2 {
        return Some(Metric::alone(ratio));
    }
    let mean_below = below / count;
    let residuals: Vec<f64> =
        numerators.iter().zip(denominators).map(|(above, below)| (above - ratio * below) / mean_below).collect();
    let (_, variance) = mean_and_variance(&residuals);
    Some(from_moments(ratio, variance, count).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_no_interval_unless_consumers_give_one() {
        assert_eq!(mean_of(&[3.0], None), Metric::alone(3.0));
        let by_consumer = mean_of(&[2.0], Some(Moments::of([1.0, 2.0, 3.0].into_iter())));
        assert!((by_consumer.standard_error.unwrap() - (1f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(by_consumer.differs_from_zero(), Some(false));
        assert_eq!(Metric::alone(1.0).differs_from_zero(), None);
    }

    #[test]
    fn a_ratio_of_proportional_sums_is_certain() {
        let metric = ratio_of(&[1.0, 2.0, 3.0], &[10.0, 20.0, 30.0]).unwrap();
        assert!((metric.mean - 0.1).abs() < 1e-15 && metric.standard_error.unwrap() < 1e-12);
        assert_eq!(ratio_of(&[0.0], &[0.0]), None);
        // Equal denominators: the ratio is the mean of the shares, its error theirs.
        let metric = ratio_of(&[1.0, 3.0], &[10.0, 10.0]).unwrap();
        assert!((metric.standard_error.unwrap() - 0.1).abs() < 1e-12);
    }
}
