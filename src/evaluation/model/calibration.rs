//! Whether what a model expects is what happens.

use serde::Serialize;

/// Bins of expected values.
const BINS: usize = 10;

/// Gathers predictions beside outcomes, batch by batch. Bins are cut at the deciles of the first batch.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    edges: Option<Vec<f64>>,
    bins: [Bin; BINS],
    count: f64,
    mean: [f64; 2],
    /// Central sums: predictions squared, predictions by outcomes, outcomes squared.
    spread: [f64; 3],
    error: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    count: f64,
    predicted: f64,
    observed: f64,
}

/// How good a model is on rounds that it was not fitted on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Calibrated {
    /// Expected calibration error: the mean over rounds of |mean outcome - mean prediction| of their decile of
    /// predictions (Naeini, Cooper and Hauskrecht 2015).
    pub expected_error: f64,
    /// Slope of outcomes on predictions: 1 where differences between predictions are real, below where they are too
    /// large (Cox 1958). 1 where all predictions are equal.
    pub slope: f64,
    /// Mean squared error.
    pub mean_squared_error: f64,
    /// Share of the outcomes' variance that predictions explain; below 0 where their mean would have been better.
    pub explained: f64,
}

impl Calibration {
    /// Takes a batch: what was expected, what happened.
    pub fn take(&mut self, predicted: impl Iterator<Item = (f64, f64)> + Clone) {
        let edges = self.edges.get_or_insert_with(|| {
            let mut values: Vec<f64> = predicted.clone().map(|(expected, _)| expected).collect();
            values.sort_by(f64::total_cmp);
            let mut edges: Vec<f64> =
                (1..BINS).filter_map(|bin| values.get(bin * values.len() / BINS).copied()).collect();
            edges.dedup();
            edges
        });
        for (expected, observed) in predicted {
            let bin = &mut self.bins[edges.partition_point(|edge| *edge <= expected)];
            bin.count += 1.0;
            bin.predicted += expected;
            bin.observed += observed;
            self.count += 1.0;
            let (before, after) = (expected - self.mean[0], observed - self.mean[1]);
            self.mean[0] += before / self.count;
            self.mean[1] += after / self.count;
            self.spread[0] += before * (expected - self.mean[0]);
            self.spread[1] += before * (observed - self.mean[1]);
            self.spread[2] += after * (observed - self.mean[1]);
            self.error += (observed - expected) * (observed - expected);
        }
    }

    /// The figures; `None` without a round.
    #[must_use]
    pub fn finish(&self) -> Option<Calibrated> {
        if self.count == 0.0 {
            return None;
        }
        let gaps: f64 = self.bins.iter().map(|bin| (bin.observed - bin.predicted).abs()).sum();
        // Predictions that differ by rounding alone have no slope.
        let is_flat = self.spread[0] <= 1e-24 * self.count * (1.0 + self.mean[0] * self.mean[0]);
        let explained = if self.spread[2] > 0.0 { 1.0 - self.error / self.spread[2] } else { 0.0 };
        Some(Calibrated {
            expected_error: gaps / self.count,
            slope: if is_flat { 1.0 } else { self.spread[1] / self.spread[0] },
            mean_squared_error: self.error / self.count,
            explained,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_twice_too_spread_have_slope_one_half() {
        // Outcomes 0.4 and 0.6 on average, predicted as 0.3 and 0.7: slope (0.2 / 0.4), error 0.1 in either bin.
        let rounds = (0..1_000).map(|round| {
            let high = round % 2 == 1;
            let predicted = if high { 0.7 } else { 0.3 };
            let rate = if high { 6 } else { 4 };
            (predicted, f64::from(u8::from(round / 2 % 10 < rate)))
        });
        let mut calibration = Calibration::default();
        calibration.take(rounds);
        let found = calibration.finish().unwrap();
        assert!((found.slope - 0.5).abs() < 1e-9 && (found.expected_error - 0.1).abs() < 1e-9, "{found:?}");
        // Within a bin the variance is .24 and the bias .1.
        assert!((found.mean_squared_error - 0.25).abs() < 1e-9);
        assert!((found.explained - 0.0).abs() < 1e-9);
    }

    #[test]
    fn a_perfect_model_and_a_constant_one() {
        let mut perfect = Calibration::default();
        perfect.take([(0.0, 0.0), (1.0, 1.0), (1.0, 1.0)].into_iter());
        let found = perfect.finish().unwrap();
        assert_eq!((found.expected_error, found.slope, found.explained), (0.0, 1.0, 1.0));
        let mut constant = Calibration::default();
        constant.take([(0.5, 0.0), (0.5, 1.0)].into_iter());
        let found = constant.finish().unwrap();
        assert_eq!((found.expected_error, found.slope, found.explained), (0.0, 1.0, 0.0));
        assert_eq!(Calibration::default().finish(), None);
    }
}
