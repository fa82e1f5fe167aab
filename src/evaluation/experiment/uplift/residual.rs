//! The R-learner: effects from what outcomes and treatments leave of their expectations.

use super::ridge::Ridge;

/// Targets and weights whose weighted least squares over a class of functions is the R-loss
/// `sum ((Y - m(x)) - (W - e) tau(x))^2` of Nie and Wager (2021): targets `(Y - m(x)) / (W - e)`, weights `(W - e)^2`,
/// which are scaled to a mean of 1 over the units.
#[derive(Clone, Debug, PartialEq)]
pub struct Residuals {
    /// Per unit; 0 for others than those that were asked for.
    pub targets: Vec<f64>,
    /// Per unit, 0 or more; 0 for others.
    pub weights: Vec<f64>,
}

/// Residuals of some units, `m` by a ridge model of the outcome in both arms together, fitted on the other fold.
///
/// `folds` says of every unit which of two folds it is in; `share` in (0, 1) is the probability of the treatment, which is
/// known and the same for all (difference from the source: nothing of it is estimated).
#[must_use]
pub fn residuals(
    features: &[Vec<f64>],
    treated: &[bool],
    outcomes: &[f64],
    units: &[usize],
    folds: &[bool],
    share: f64,
) -> Residuals {
    let mut means = vec![0.0; outcomes.len()];
    for fold in [false, true] {
        let fitted: Vec<usize> = units.iter().copied().filter(|unit| folds[*unit] != fold).collect();
        let model = Ridge::fit(features, outcomes, &fitted, 1.0);
        for unit in units.iter().copied().filter(|unit| folds[*unit] == fold) {
            means[unit] = model.predict(features, unit);
        }
    }
    of_means(&means, treated, outcomes, units, share)
}

fn of_means(means: &[f64], treated: &[bool], outcomes: &[f64], units: &[usize], share: f64) -> Residuals {
    let mut found = Residuals { targets: vec![0.0; outcomes.len()], weights: vec![0.0; outcomes.len()] };
    for unit in units {
        let left = f64::from(u8::from(treated[*unit])) - share;
        found.targets[*unit] = (outcomes[*unit] - means[*unit]) / left;
        found.weights[*unit] = left * left;
    }
    let scale = units.len() as f64 / found.weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    found.weights.iter_mut().for_each(|weight| *weight *= scale);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn a_constant_effect_is_the_ratio_of_residual_products() {
        // Y - m = 1 of a treated and -1 of an untreated unit, e = 1/4: (3/4 + 1/4) / (9/16 + 1/16) = 1.6.
        let found = of_means(&[2.0, 9.0, 2.0], &[true, true, false], &[3.0, 0.0, 1.0], &[0, 2], 0.25);
        let expected = ([4.0 / 3.0, 0.0, 4.0], [1.8, 0.0, 0.2]);
        let near = |one: &[f64], other: &[f64]| one.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near(&found.targets, &expected.0) && near(&found.weights, &expected.1), "{found:?}");
        let constant = Ridge::fit_weighted(&[], &found.targets, &found.weights, &[0, 2], 1.0);
        assert!((constant.predict(&[], 1) - 1.6).abs() < 1e-12);
    }

    #[test]
    fn the_effect_of_a_feature_is_found_where_the_feature_moves_the_outcome_far_more() {
        // y = 10 x + (1 + x) w + noise, w with probability .3. The slope of the transformed outcome, 10 x / .3 and
        // -10 x / .7, has a standard error of about 10 / sqrt(.21 * 4,000) = .35; that of residuals .035.
        let count = 4_000;
        let (mut x, mut treated, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
        for unit in 0..count {
            let mut stream = Seed::new(12).stream(Purpose::Problem, unit, 0);
            let is_treated = stream.uniform() < 0.3;
            let feature: f64 = StandardNormal.sample(&mut stream);
            let noise: f64 = StandardNormal.sample(&mut stream);
            x.push(feature);
            treated.push(is_treated);
            outcomes.push(10.0 * feature + if is_treated { 1.0 + feature } else { 0.0 } + noise);
        }
        let units: Vec<usize> = (0..count as usize).collect();
        let folds = super::super::halves(units.len(), Seed::new(1));
        let features = [x];
        let found = residuals(&features, &treated, &outcomes, &units, &folds, 0.3);
        let model = Ridge::fit_weighted(&features, &found.targets, &found.weights, &units, 1.0);
        let at = |x: f64| model.predict(&[vec![x]], 0);
        assert!((at(0.0) - 1.0).abs() < 0.15, "{}", at(0.0));
        assert!((at(1.0) - at(0.0) - 1.0).abs() < 0.15, "{}", at(1.0) - at(0.0));
    }
}
