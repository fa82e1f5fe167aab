//! Scores whose expectation is the effect on a unit.

use super::ridge::Ridge;
use super::segment::Segment;

/// Words of a segment that get a feature of their own.
const MOST_LEVELS: usize = 20;

/// `Y (W - e) / (e (1 - e))`: its expectation is the effect, where the treatment was drawn with probability `e` (Athey and
/// Imbens 2016, section 4).
#[must_use]
pub fn transformed_outcome(outcome: f64, is_treated: bool, share: f64) -> f64 {
    if is_treated { outcome / share } else { -outcome / (1.0 - share) }
}

/// Doubly robust scores of some units: `m_1(x) - m_0(x) + W (Y - m_1(x))/e - (1-W) (Y - m_0(x))/(1-e)`, by ridge models of
/// the outcome in each arm, each fitted on the other fold (Robins, Rotnitzky and Zhao 1994; Kennedy 2023).
///
/// Their mean is an unbiased effect whatever the models say, for a treatment drawn with probability `share`. Scores of
/// other units are 0. `folds` says of every unit which of two folds it is in.
#[must_use]
pub fn doubly_robust(
    features: &[Vec<f64>],
    treated: &[bool],
    outcomes: &[f64],
    units: &[usize],
    folds: &[bool],
    share: f64,
) -> Vec<f64> {
    let mut scores = vec![0.0; outcomes.len()];
    for fold in [false, true] {
        let fit = |group: bool| {
            let fitted: Vec<usize> =
                units.iter().copied().filter(|unit| folds[*unit] != fold && treated[*unit] == group).collect();
            Ridge::fit(features, outcomes, &fitted, 1.0)
        };
        let (organic, gained) = (fit(false), fit(true));
        for unit in units.iter().copied().filter(|unit| folds[*unit] == fold) {
            let (without, with) = (organic.predict(features, unit), gained.predict(features, unit));
            let rest = if treated[unit] {
                (outcomes[unit] - with) / share
            } else {
                -(outcomes[unit] - without) / (1.0 - share)
            };
            scores[unit] = with - without + rest;
        }
    }
    scores
}

impl Segment {
    /// All segments as the features of a linear model.
    #[must_use]
    pub fn all_features(segments: &[Self]) -> Vec<Vec<f64>> {
        segments.iter().flat_map(|segment| segment.features(MOST_LEVELS)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};
    use crate::statistics::estimate;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn both_scores_are_the_effect_on_average_and_the_doubly_robust_one_varies_less() {
        // y = 3 x + (1 + x) w + noise, w with probability .3: effects are 1 on average.
        let count = 4_000;
        let (mut x, mut treated, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
        for unit in 0..count {
            let mut stream = Seed::new(11).stream(Purpose::Problem, unit, 0);
            let is_treated = stream.uniform() < 0.3;
            let feature: f64 = StandardNormal.sample(&mut stream);
            let noise: f64 = StandardNormal.sample(&mut stream);
            x.push(feature);
            treated.push(is_treated);
            outcomes.push(3.0 * feature + if is_treated { 1.0 + feature } else { 0.0 } + noise);
        }
        let units: Vec<usize> = (0..count as usize).collect();
        let folds = super::super::halves(units.len(), Seed::new(1));
        let features = [x];
        let robust = doubly_robust(&features, &treated, &outcomes, &units, &folds, 0.3);
        let plain: Vec<f64> =
            units.iter().map(|unit| transformed_outcome(outcomes[*unit], treated[*unit], 0.3)).collect();
        let (robust_mean, plain_mean) = (estimate(&robust), estimate(&plain));
        assert!((robust_mean.mean - 1.0).abs() < 4.0 * robust_mean.standard_error, "{robust_mean:?}");
        assert!((plain_mean.mean - 1.0).abs() < 4.0 * plain_mean.standard_error, "{plain_mean:?}");
        assert!(robust_mean.standard_error < 0.5 * plain_mean.standard_error);
        // A ridge on the scores finds the slope of the effect, 1.
        let ridge = Ridge::fit(&features, &robust, &units, 1.0);
        let slope = (ridge.predict(&[vec![1.0]], 0) - ridge.predict(&[vec![-1.0]], 0)) / 2.0;
        assert!((slope - 1.0).abs() < 0.2, "{slope}");
    }
}
