//! Quantile functions of skewed traits as tables over the standard normal score.
//!
//! A person's traits start as correlated standard normal scores. A table turns a score `z` into the quantile at
//! probability Phi(z): knots stand every 12/1024 from -6 to 6 and hold the logarithm (gamma) or the log-odds (beta) of
//! the quantile, between which it is linear. The score of one 23-bit uniform stays within 5.42, and beyond the last knots
//! the end pieces are prolonged. The interpolation error in the logarithm is at most (12/1024)² / 8 · |second
//! derivative|, where the latter is about 1 / shape: below 1e-3 of the quantile for every shape of 0.05 and more
//! (tested). Quantiles below e^-87 come out as e^-87.

use super::special::{Tails, beta_tails, gamma_tails};
use crate::math;

const INTERVALS: usize = 1024;
const HIGHEST_SCORE: f64 = 6.0;
const SCORE_STEP: f64 = 2.0 * HIGHEST_SCORE / INTERVALS as f64;
const MOST_STEPS: usize = 200;

/// A quantile function over normal scores.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct QuantileTable {
    /// Logarithm or log-odds at each knot.
    knots: Vec<f32>,
}

impl QuantileTable {
    /// Gamma with this shape and rate: `quantile` is the exponential of `value`.
    pub fn gamma(shape: f64, rate: f64) -> Self {
        let log_rate = libm::log(rate);
        let log_normaliser = libm::lgamma(shape);
        let law = |y: f64| {
            let x = libm::exp(y);
            (gamma_tails(shape, x), libm::exp(shape * y - x - log_normaliser))
        };
        Self::invert(law, log_rate)
    }

    /// Beta(a, b): `quantile` is the logistic function of `value`.
    pub fn beta(a: f64, b: f64) -> Self {
        let log_normaliser = libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
        let law = |y: f64| {
            let (x, rest) = (1.0 / (1.0 + libm::exp(-y)), 1.0 / (1.0 + libm::exp(y)));
            (beta_tails(a, b, x, rest), libm::exp(a * libm::log(x) + b * libm::log(rest) - log_normaliser))
        };
        Self::invert(law, 0.0)
    }

    /// Solves each knot, starting from the one before. `law` gives the tails and the density at y; `shift` is taken off.
    fn invert(law: impl Fn(f64) -> (Tails, f64), shift: f64) -> Self {
        let (mut before, mut last) = (0.0, 0.0);
        let knots = (0..=INTERVALS)
            .map(|index| {
                // Where the last two knots point to.
                let guess = if index < 2 { last } else { 2.0 * last - before };
                before = last;
                last = solve(&law, index as f64 * SCORE_STEP - HIGHEST_SCORE, guess);
                (last - shift) as f32
            })
            .collect();
        Self { knots }
    }

    /// The logarithm (gamma) or log-odds (beta) of the quantile at score `z`.
    #[inline(always)]
    pub fn value(&self, z: f32) -> f32 {
        let position = (z + HIGHEST_SCORE as f32) * (1.0 / SCORE_STEP as f32);
        let index = (position.max(0.0) as usize).min(INTERVALS - 1);
        let share = position - index as f32;
        let low = self.knots[index];
        low + (self.knots[index + 1] - low) * share
    }

    /// The same for several scores.
    #[inline(always)]
    pub fn values<const L: usize>(&self, scores: &[f32; L]) -> [f32; L] {
        let mut values = [0.0; L];
        for (value, z) in values.iter_mut().zip(scores) {
            *value = self.value(*z);
        }
        values
    }
}

/// The y at which the smaller tail of `law` equals that of the normal score `z`: Newton's method on the logarithm of the
/// tail, kept inside a bracket. A last step below 1e-10 leaves an error far below it, as the steps square.
fn solve(law: &impl Fn(f64) -> (Tails, f64), z: f64, guess: f64) -> f64 {
    let target = 0.5 * libm::erfc(z.abs() * std::f64::consts::FRAC_1_SQRT_2);
    let (mut low, mut high) = (-700.0, 700.0);
    let mut y = guess;
    for _ in 0..MOST_STEPS {
        let (tails, density) = law(y);
        let (tail, sign) = if z < 0.0 { (tails.lower, 1.0) } else { (tails.upper, -1.0) };
        if sign * (tail - target) > 0.0 {
            high = y;
        } else {
            low = y;
        }
        let step = sign * (libm::log(tail / target)) * tail / density;
        let newton = y - step;
        let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
        if (next - y).abs() <= 1e-10 * (1.0 + y.abs()) {
            return next;
        }
        y = next;
    }
    y
}

/// Quantile of the standard normal in `f32` for a uniform of [`crate::random::uniform`]: at least 2^-24, at most
/// 1 - 2^-24. Wichura, algorithm AS 241 (PPND7), *Applied Statistics* 37 (1988); its outermost region is never reached.
/// Absolute error below 3e-6 (tested).
#[inline(always)]
pub(super) fn normal_score(uniform: f32) -> f32 {
    let q = uniform - 0.5;
    let r = 0.180_625 - q * q;
    let numerator = ((59.109_375 * r + 159.291_13) * r + 50.434_27) * r + 3.387_132_7;
    let denominator = ((67.187_56 * r + 78.757_76) * r + 17.895_17) * r + 1.0;
    let central = q * numerator / denominator;
    // Both regions are computed and one is taken, so that 16 people go through without a branch.
    let tail = if q < 0.0 { uniform } else { 1.0 - uniform };
    let r = (-math::ln(tail)).sqrt() - 1.6;
    let numerator = ((0.170_238_21 * r + 1.306_728_5) * r + 2.756_815_4) * r + 1.423_437_3;
    let denominator = (0.120_211_33 * r + 0.737_001_64) * r + 1.0;
    let outer = numerator / denominator;
    let signed = if q < 0.0 { -outer } else { outer };
    if q.abs() <= 0.425 { central } else { signed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::uniform;
    use crate::statistics::{normal_cdf, normal_quantile};

    /// Relative errors between knots, where they are greatest, against tails computed at the quantile itself.
    fn scores() -> impl Iterator<Item = f64> {
        (0..1000).map(|index| -5.4 + 0.010_801 * f64::from(index))
    }

    #[test]
    fn gamma_quantiles_are_within_a_thousandth() {
        for (shape, rate) in [(0.05, 1.0), (0.24259, 4.41353), (0.55, 74.2), (3.74, 26.3), (6.25, 1.0), (90.0, 3.0)] {
            let table = QuantileTable::gamma(shape, rate);
            for z in scores() {
                let law = |y: f64| {
                    let x = libm::exp(y);
                    (gamma_tails(shape, x), libm::exp(shape * y - x - libm::lgamma(shape)))
                };
                let direct = solve(&law, z, 0.0) - libm::log(rate);
                let error = libm::expm1(f64::from(table.value(z as f32)) - direct).abs();
                assert!(error < 1e-3, "shape {shape}, score {z}: relative error {error}");
            }
        }
    }

    #[test]
    fn a_quantile_has_its_probability_below_it() {
        let table = QuantileTable::gamma(0.55, 1.0);
        for z in [-4.0, -2.0, -0.5, 0.0, 0.7, 2.0, 4.5] {
            let tails = gamma_tails(0.55, libm::exp(f64::from(table.value(z as f32))));
            assert!((tails.lower / normal_cdf(z) - 1.0).abs() < 1e-3, "{z}");
            assert!((tails.upper / normal_cdf(-z) - 1.0).abs() < 2e-3, "{z}");
        }
    }

    #[test]
    fn beta_quantiles_are_within_a_thousandth_at_both_ends() {
        for (a, b) in [(0.79289, 2.42575), (1.0, 9.0), (2.0, 3.0), (0.1, 0.1)] {
            let table = QuantileTable::beta(a, b);
            for z in scores() {
                let y = f64::from(table.value(z as f32));
                let tails = beta_tails(a, b, 1.0 / (1.0 + libm::exp(-y)), 1.0 / (1.0 + libm::exp(y)));
                // A relative error e of the quantile moves the tail by about e times the shape at that end.
                let smaller = f64::min(tails.lower / normal_cdf(z) - 1.0, tails.upper / normal_cdf(-z) - 1.0);
                assert!(smaller.abs() < 1e-3 * f64::max(a, b), "Beta({a}, {b}), score {z}: {smaller}");
            }
        }
        // Beta(1, 9) has a closed form.
        let table = QuantileTable::beta(1.0, 9.0);
        for z in scores() {
            let direct = -libm::expm1(libm::log(normal_cdf(-z)) / 9.0);
            let drawn = 1.0 / (1.0 + libm::exp(-f64::from(table.value(z as f32))));
            assert!((drawn / direct - 1.0).abs() < 1e-3, "score {z}");
        }
    }

    #[test]
    fn scores_agree_with_the_normal_quantile_at_both_ends_and_between() {
        for index in 0..=4096u32 {
            let u = uniform(if index == 4096 { u32::MAX } else { index << 20 });
            let error = (f64::from(normal_score(u)) - normal_quantile(f64::from(u))).abs();
            assert!(error < 3e-6, "score of {u}: error {error}");
        }
        for word in 0..64u32 {
            let u = uniform(word << 9);
            assert!((f64::from(normal_score(u)) - normal_quantile(f64::from(u))).abs() < 3e-6, "score of {u}");
        }
    }
}
