//! Gamma-Gamma: how much people spend, independent of how often.
//!
//! Fader, Hardie & Lee, RFM and CLV: using iso-value curves for customer base analysis, *Journal of Marketing Research*
//! 42 (2005).

/// The law: baskets of a person ~ Gamma(`shape`, rate nu), nu ~ Gamma(`rate_shape`, rate `rate_scale`). All above 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GammaGamma {
    /// p.
    pub shape: f64,
    /// q; above 1 for a finite mean.
    pub rate_shape: f64,
    /// gamma, in currency.
    pub rate_scale: f64,
}

impl GammaGamma {
    /// Mean basket over the population: p γ / (q - 1).
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.shape * self.rate_scale / (self.rate_shape - 1.0)
    }

    /// Expected mean basket of a person whose `orders` baskets had this mean: p (γ + x z̄) / (p x + q - 1), between the
    /// population's mean and theirs.
    #[must_use]
    pub fn conditional_mean(&self, orders: u32, mean_basket: f64) -> f64 {
        let orders = f64::from(orders);
        self.shape * (self.rate_scale + orders * mean_basket) / (self.shape * orders + self.rate_shape - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CDNOW: GammaGamma = GammaGamma { shape: 6.2488, rate_shape: 3.7446, rate_scale: 15.4477 };

    #[test]
    fn known_mean_of_the_cdnow_fit() {
        assert!((CDNOW.mean() - 35.17).abs() < 5e-3);
    }

    #[test]
    fn the_conditional_mean_lies_between_the_population_and_the_person() {
        assert!((CDNOW.conditional_mean(0, 500.0) - CDNOW.mean()).abs() < 1e-12);
        assert!((CDNOW.conditional_mean(1_000_000, 500.0) - 500.0).abs() < 1e-3);
        // Weight of the population (q - 1) / (p x + q - 1).
        let weight = 2.7446 / (6.2488 * 2.0 + 2.7446);
        assert!((CDNOW.conditional_mean(2, 22.35) - (weight * CDNOW.mean() + (1.0 - weight) * 22.35)).abs() < 1e-9);
    }
}
