//! BG/NBD: orders at a personal rate, dropout after an order with a personal probability.
//!
//! Fader, Hardie & Lee, "Counting your customers" the easy way: an alternative to the Pareto/NBD model, *Marketing
//! Science* 24 (2005). Equation numbers below are theirs.

use super::{History, hypergeometric_2f1, ln_beta, ln_sum};

/// Half width of the interval around a pole in which values are interpolated, and distance of the nodes.
const NEAR: f64 = 2e-3;

/// The law: lambda ~ Gamma(`shape`, rate `scale`), p ~ Beta(`a`, `b`), independent. All above 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BgNbd {
    /// r.
    pub shape: f64,
    /// alpha, in units of time.
    pub scale: f64,
    /// a.
    pub a: f64,
    /// b.
    pub b: f64,
}

impl BgNbd {
    /// Logarithm of the likelihood of a history (equation 6).
    #[must_use]
    pub fn log_likelihood(&self, history: &History) -> f64 {
        let Self { shape, scale, a, b } = *self;
        let repeats = f64::from(history.repeats);
        let orders = libm::lgamma(shape + repeats) - libm::lgamma(shape) + shape * libm::log(scale);
        let alive = ln_beta(a, b + repeats) - ln_beta(a, b) - (shape + repeats) * libm::log(scale + history.age);
        let dead = if history.repeats == 0 {
            f64::NEG_INFINITY
        } else {
            ln_beta(a + 1.0, b + repeats - 1.0) - ln_beta(a, b) - (shape + repeats) * libm::log(scale + history.recency)
        };
        orders + ln_sum(alive, dead)
    }

    /// P(X(t) = n): n orders in a period of length `time` after the first (equation 8).
    #[must_use]
    pub fn probability_of_orders(&self, orders: u32, time: f64) -> f64 {
        let Self { shape, scale, a, b } = *self;
        let (stay, share) = (scale / (scale + time), time / (scale + time));
        // NBD terms Γ(r + j) / (Γ(r) j!) stay^r share^j, one from the other.
        let mut term = libm::pow(stay, shape);
        let mut below = 0.0;
        for j in 0..orders {
            below += term;
            term *= (shape + f64::from(j)) / (f64::from(j) + 1.0) * share;
        }
        let n = f64::from(orders);
        let alive = libm::exp(ln_beta(a, b + n) - ln_beta(a, b)) * term;
        if orders == 0 {
            return alive;
        }
        alive + libm::exp(ln_beta(a + 1.0, b + n - 1.0) - ln_beta(a, b)) * (1.0 - below)
    }

    /// E X(t): expected orders in a period of length `time` after the first (equation 9). Relative error below 1e-8
    /// (tested), near the poles a = 1 and a + b = 1 as well, for b of 0.02 and more.
    #[must_use]
    pub fn expected_orders(&self, time: f64) -> f64 {
        let Self { shape, scale, b, .. } = *self;
        let share = time / (scale + time);
        let stay = libm::pow(scale / (scale + time), shape);
        self.across_poles(|a| {
            let c = a + b - 1.0;
            c / (a - 1.0) * (1.0 - stay * hypergeometric_2f1(shape, b, c, share))
        })
    }

    /// Expected orders in the next `time` of a customer with this history (equation 10).
    #[must_use]
    pub fn conditional_expectation(&self, history: &History, time: f64) -> f64 {
        let Self { shape, scale, b, .. } = *self;
        let repeats = f64::from(history.repeats);
        let share = time / (scale + history.age + time);
        let stay = libm::pow((scale + history.age) / (scale + history.age + time), shape + repeats);
        let if_alive = self.across_poles(|a| {
            let c = a + b + repeats - 1.0;
            c / (a - 1.0) * (1.0 - stay * hypergeometric_2f1(shape + repeats, b + repeats, c, share))
        });
        if_alive * self.probability_alive(history)
    }

    /// P(alive) of a customer with this history (Fader, Hardie & Lee 2008, *Computing P(alive) using the BG/NBD model*):
    /// 1 for a customer without repeat orders, as dropout can only follow one.
    #[must_use]
    pub fn probability_alive(&self, history: &History) -> f64 {
        if history.repeats == 0 {
            return 1.0;
        }
        let repeats = f64::from(history.repeats);
        let ratio = (self.scale + history.age) / (self.scale + history.recency);
        1.0 / (1.0 + self.a / (self.b + repeats - 1.0) * libm::pow(ratio, self.shape + repeats))
    }

    /// A function of a that is smooth, but whose formula is 0/0 at a = 1 and at a + b = 1: near those points it is
    /// interpolated by the cubic through four neighbours (error of order 1e-11).
    fn across_poles(&self, formula: impl Fn(f64) -> f64) -> f64 {
        let near = |pole: f64| (self.a - pole).abs() < NEAR;
        let Some(pole) = [1.0, 1.0 - self.b].into_iter().find(|pole| near(*pole)) else { return formula(self.a) };
        let x = (self.a - pole) / NEAR;
        let value = |step: f64| formula(pole + step * NEAR);
        let weights = [
            (-2.0, -(x + 1.0) * (x - 1.0) * (x - 2.0) / 12.0),
            (-1.0, (x + 2.0) * (x - 1.0) * (x - 2.0) / 6.0),
            (1.0, -(x + 2.0) * (x + 1.0) * (x - 2.0) / 6.0),
            (2.0, (x + 2.0) * (x + 1.0) * (x - 1.0) / 12.0),
        ];
        weights.into_iter().map(|(step, weight)| weight * value(step)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CDNOW: BgNbd = BgNbd { shape: 0.24259, scale: 4.41353, a: 0.79289, b: 2.42575 };

    #[test]
    fn known_answers_of_the_cdnow_fit() {
        assert!((CDNOW.expected_orders(39.0) - 1.1950).abs() < 5e-5);
        assert!((CDNOW.expected_orders(52.0) - 1.4440).abs() < 5e-5);
        let history = History { repeats: 2, recency: 30.43, age: 38.86 };
        assert!((CDNOW.conditional_expectation(&history, 39.0) - 1.2259).abs() < 5e-5);
        assert!((CDNOW.probability_alive(&history) - 0.7266).abs() < 5e-5);
    }

    #[test]
    fn probabilities_of_orders_sum_to_one_and_their_mean_is_the_expectation() {
        for model in [CDNOW, BgNbd { shape: 0.55, scale: 10.6, a: 1.0, b: 9.0 }] {
            let law: Vec<f64> = (0..3_000).map(|orders| model.probability_of_orders(orders, 39.0)).collect();
            let mean: f64 = law.iter().enumerate().map(|(orders, probability)| orders as f64 * probability).sum();
            assert!((law.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            assert!((mean / model.expected_orders(39.0) - 1.0).abs() < 1e-8, "{model:?}");
        }
    }

    #[test]
    fn expectation_is_smooth_across_its_poles() {
        for (pole, b) in [(1.0, 9.0), (0.4, 0.6)] {
            let at = |a: f64| BgNbd { shape: 0.55, scale: 10.6, a, b }.expected_orders(52.0);
            let around = |width: f64| (at(pole - width) + at(pole + width)) / 2.0;
            // Richardson's extrapolation of the mean of two neighbours: error of order width⁴.
            let outside = (4.0 * around(4e-3) - around(8e-3)) / 3.0;
            assert!((at(pole) / outside - 1.0).abs() < 1e-7, "{pole}");
            // The formula and the interpolation meet at the edge.
            assert!((at(pole + 0.999_999 * NEAR) / at(pole + 1.000_001 * NEAR) - 1.0).abs() < 1e-7, "{pole}");
        }
    }

    #[test]
    fn the_conditional_expectation_of_a_new_customer_is_the_unconditional_one() {
        let new = History { repeats: 0, recency: 0.0, age: 0.0 };
        assert!((CDNOW.conditional_expectation(&new, 39.0) / CDNOW.expected_orders(39.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_likelihood_of_no_repeat_is_the_probability_of_none() {
        let none = History { repeats: 0, recency: 0.0, age: 20.0 };
        let probability = CDNOW.probability_of_orders(0, 20.0);
        assert!((libm::exp(CDNOW.log_likelihood(&none)) / probability - 1.0).abs() < 1e-12);
    }
}
