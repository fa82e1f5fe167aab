//! "Buy till you die": how often people order until they stop, unseen.
//!
//! Known answers stand in the tests of each model; the CDNOW log-likelihoods are checked on the real data. Time may be in
//! any unit, as long as the scales are in the same.

mod bg_nbd;
mod gamma_gamma;
mod hypergeometric;
mod pareto_nbd;

pub use bg_nbd::BgNbd;
pub use gamma_gamma::GammaGamma;
pub use hypergeometric::hypergeometric_2f1;
pub use pareto_nbd::ParetoNbd;

/// What is known of a customer's orders: the sufficient statistic of both models.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct History {
    /// x: repeat orders in (0, `age`].
    pub repeats: u32,
    /// t_x: time of the last repeat order, 0 where there is none.
    pub recency: f64,
    /// T: time since the first order.
    pub age: f64,
}

/// What a customer is still worth, in closed form, with continuous discounting:
/// `alive · margin · mean_spend · order_rate / (discount_rate + death_hazard)`.
///
/// The time to death is exponential and orders are Poisson at `order_rate` until then. For BG/NBD `death_hazard` is
/// order rate × dropout probability; rates share one unit of time. Infinite where the customer never dies and nothing is
/// discounted, 0 where nothing is ever ordered.
#[must_use]
pub fn clv(alive: f64, margin: f64, mean_spend: f64, order_rate: f64, death_hazard: f64, discount_rate: f64) -> f64 {
    let per_time = alive * margin * mean_spend * order_rate;
    if per_time == 0.0 { 0.0 } else { per_time / (discount_rate + death_hazard) }
}

fn ln_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b)
}

/// ln(e^a + e^b) without overflow.
fn ln_sum(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + libm::log1p(libm::exp(low - high)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clv_is_the_integral_of_discounted_margin_while_alive() {
        let (order_rate, dropout, discount_rate) = (0.02, 0.1, 0.1 / 365.25);
        let step = 0.05;
        let integral: f64 = (0..400_000)
            .map(|index| (f64::from(index) + 0.5) * step)
            .map(|time| {
                0.7 * 0.45 * 60.0 * order_rate * libm::exp(-(discount_rate + order_rate * dropout) * time) * step
            })
            .sum();
        let closed = clv(0.7, 0.45, 60.0, order_rate, order_rate * dropout, discount_rate);
        assert!((closed / integral - 1.0).abs() < 1e-6, "{closed} {integral}");
        assert_eq!(clv(1.0, 0.45, 60.0, 0.0, 0.0, 0.0), 0.0);
    }
}
