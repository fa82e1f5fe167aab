//! Pareto/NBD: orders at a personal rate until an unseen death at a personal hazard.
//!
//! Schmittlein, Morrison & Colombo, Counting your customers, *Management Science* 33 (1987); formulas as in Fader &
//! Hardie, *A note on deriving the Pareto/NBD model and related expressions* (2005).

use super::{History, hypergeometric_2f1, ln_sum};

/// The law: lambda ~ Gamma(`shape`, rate `scale`), mu ~ Gamma(`dropout_shape`, rate `dropout_scale`), independent. All
/// above 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParetoNbd {
    /// r.
    pub shape: f64,
    /// alpha, in units of time.
    pub scale: f64,
    /// s.
    pub dropout_shape: f64,
    /// beta, in units of time.
    pub dropout_scale: f64,
}

impl ParetoNbd {
    /// Logarithm of the likelihood of a history.
    #[must_use]
    pub fn log_likelihood(&self, history: &History) -> f64 {
        let Self { shape, scale, dropout_shape, dropout_scale } = *self;
        let (alive, dead) = self.log_alive_and_dead(history);
        libm::lgamma(shape + f64::from(history.repeats)) - libm::lgamma(shape)
            + shape * libm::log(scale)
            + dropout_shape * libm::log(dropout_scale)
            + ln_sum(alive, dead)
    }

    /// P(alive) of a customer with this history.
    #[must_use]
    pub fn probability_alive(&self, history: &History) -> f64 {
        let (alive, dead) = self.log_alive_and_dead(history);
        1.0 / (1.0 + libm::exp(dead - alive))
    }

    /// E X(t): expected orders in a period of length `time` after the first.
    #[must_use]
    pub fn expected_orders(&self, time: f64) -> f64 {
        self.shape / self.scale * self.expected_life(self.dropout_shape, self.dropout_scale, time)
    }

    /// Expected orders in the next `time` of a customer with this history.
    #[must_use]
    pub fn conditional_expectation(&self, history: &History, time: f64) -> f64 {
        self.conditional_rate(history) * self.conditional_life(history, time)
    }

    /// Expected order rate of a customer with this history, times P(alive): what does not depend on the time to come.
    #[must_use]
    pub fn conditional_rate(&self, history: &History) -> f64 {
        (self.shape + f64::from(history.repeats)) / (self.scale + history.age) * self.probability_alive(history)
    }

    /// Expected part of the next `time` that a customer with this history lives, if alive now.
    #[must_use]
    pub fn conditional_life(&self, history: &History, time: f64) -> f64 {
        self.expected_life(self.dropout_shape, self.dropout_scale + history.age, time)
    }

    /// Expected part of `time` that is lived where mu ~ Gamma(shape, rate scale):
    /// scale / (shape - 1) · (1 - (scale / (scale + time))^(shape - 1)), and its limit at shape 1.
    fn expected_life(&self, shape: f64, scale: f64, time: f64) -> f64 {
        let log_ratio = libm::log1p(time / scale);
        let power = shape - 1.0;
        if power == 0.0 { scale * log_ratio } else { -scale * libm::expm1(-power * log_ratio) / power }
    }

    /// Logarithms of the two parts of the likelihood, without the factor they share: alive at the end of the history, or
    /// dead between the last order and then.
    fn log_alive_and_dead(&self, history: &History) -> (f64, f64) {
        let Self { shape, scale, dropout_shape, dropout_scale } = *self;
        let orders = shape + f64::from(history.repeats);
        let alive = -orders * libm::log(scale + history.age) - dropout_shape * libm::log(dropout_scale + history.age);
        let total = orders + dropout_shape;
        let larger = f64::max(scale, dropout_scale);
        let second = if scale >= dropout_scale { dropout_shape + 1.0 } else { orders };
        let part = |time: f64| {
            let z = (scale - dropout_scale).abs() / (larger + time);
            libm::log(hypergeometric_2f1(total, second, total + 1.0, z)) - total * libm::log(larger + time)
        };
        let (from, to) = (part(history.recency), part(history.age));
        // ln(e^from - e^to); nobody dies between an order and the same moment.
        let gap = if to < from { from + libm::log(-libm::expm1(to - from)) } else { f64::NEG_INFINITY };
        (alive, libm::log(dropout_shape / total) + gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CDNOW: ParetoNbd =
        ParetoNbd { shape: 0.55328, scale: 10.5776, dropout_shape: 0.60621, dropout_scale: 11.6679 };

    /// P(alive) = 1 - ∫ death density over histories, by a fine sum over the time of death.
    fn log_likelihood_by_integration(model: &ParetoNbd, history: &History) -> f64 {
        let orders = model.shape + f64::from(history.repeats);
        let front = libm::lgamma(orders) - libm::lgamma(model.shape)
            + model.shape * libm::log(model.scale)
            + model.dropout_shape * libm::log(model.dropout_scale);
        let integrand = |time: f64| {
            model.dropout_shape
                * libm::pow(model.scale + time, -orders)
                * libm::pow(model.dropout_scale + time, -model.dropout_shape - 1.0)
        };
        let pieces = 20_000;
        let step = (history.age - history.recency) / f64::from(pieces);
        let dead: f64 = (0..pieces).map(|i| integrand(history.recency + (f64::from(i) + 0.5) * step) * step).sum();
        let alive = libm::pow(model.scale + history.age, -orders)
            * libm::pow(model.dropout_scale + history.age, -model.dropout_shape);
        front + libm::log(alive + dead)
    }

    #[test]
    fn the_likelihood_is_the_integral_over_the_time_of_death() {
        let swapped = ParetoNbd { scale: 11.6679, dropout_scale: 10.5776, ..CDNOW };
        for model in [CDNOW, swapped, ParetoNbd { scale: 11.6679, ..CDNOW }] {
            for (repeats, recency) in [(0, 0.0), (2, 30.43), (26, 31.0)] {
                let history = History { repeats, recency, age: 38.86 };
                let direct = log_likelihood_by_integration(&model, &history);
                assert!((model.log_likelihood(&history) - direct).abs() < 1e-7, "{model:?} {history:?}");
            }
        }
    }

    #[test]
    fn a_customer_who_has_just_ordered_is_alive() {
        let history = History { repeats: 3, recency: 20.0, age: 20.0 };
        assert!((CDNOW.probability_alive(&history) - 1.0).abs() < 1e-12);
        let later = History { age: 60.0, ..history };
        assert!(CDNOW.probability_alive(&later) < 0.5);
    }

    #[test]
    fn expectations_agree_for_a_new_customer_and_are_smooth_where_the_dropout_shape_is_one() {
        let new = History { repeats: 0, recency: 0.0, age: 0.0 };
        assert!((CDNOW.conditional_expectation(&new, 39.0) / CDNOW.expected_orders(39.0) - 1.0).abs() < 1e-12);
        let at = |dropout_shape: f64| ParetoNbd { dropout_shape, ..CDNOW }.expected_orders(52.0);
        assert!((at(1.0) / at(1.0 + 1e-9) - 1.0).abs() < 1e-8);
    }

    #[test]
    fn expected_orders_are_those_of_a_sum_over_people() {
        // E X(t) = E λ · E[(1 - e^(-μt)) / μ], the second by a midpoint sum over u of μ = -ln(u)/β at s = 1.
        let model = ParetoNbd { dropout_shape: 1.0, ..CDNOW };
        let pieces = 400_000;
        let life: f64 = (0..pieces)
            .map(|i| -libm::log((f64::from(i) + 0.5) / f64::from(pieces)) / model.dropout_scale)
            .map(|hazard| -libm::expm1(-hazard * 39.0) / hazard)
            .sum::<f64>()
            / f64::from(pieces);
        assert!((model.expected_orders(39.0) / (model.shape / model.scale * life) - 1.0).abs() < 1e-5);
    }
}
