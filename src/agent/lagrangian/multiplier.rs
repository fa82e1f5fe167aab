//! A price that rises while its limit is exceeded.

use serde::{Deserialize, Serialize};

/// Beyond this a limit alone decides.
const PRICE_MAX: f64 = 1e9;

/// The multiplier of one limit: projected dual ascent, with a part that answers to the present excess alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Multiplier {
    price: f64,
    /// What excess so far adds up to.
    integral: f64,
    rate: f64,
    damping: f64,
}

impl Multiplier {
    /// A price to begin with, what an excess of 1 adds to it, and how many times as much it adds for a tick only.
    pub(super) fn new(price: f64, rate: f64, damping: f64) -> Self {
        let price = price.clamp(0.0, PRICE_MAX);
        Self { price, integral: price, rate, damping }
    }

    /// Moves no more.
    pub(super) fn hold(&mut self) {
        self.rate = 0.0;
    }

    pub(super) fn price(&self) -> f64 {
        self.price
    }

    /// `I <- [I + rate e]+`, `price <- [I + damping rate e]+` (Stooke, Achiam & Abbeel 2020, algorithm 2, without the
    /// derivative). The excess e counts at most 1, either way.
    pub(super) fn ascend(&mut self, excess: f64) {
        let step = self.rate * excess.clamp(-1.0, 1.0);
        self.integral = (self.integral + step).clamp(0.0, PRICE_MAX);
        self.price = (self.integral + self.damping * step).clamp(0.0, PRICE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_rise_while_too_much_is_spent_and_fall_while_too_little() {
        let mut plain = Multiplier::new(1.0, 0.5, 0.0);
        let prices = [0.5, 5.0, 0.0, -0.5, -9.0, -9.0].map(|excess| {
            plain.ascend(excess);
            plain.price()
        });
        assert_eq!(prices, [1.25, 1.75, 1.75, 1.5, 1.0, 0.5]);
        (0..3).for_each(|_| plain.ascend(-1.0));
        assert_eq!(plain.price(), 0.0);
        // What was unspent while the price was 0 is not owed.
        plain.ascend(1.0);
        assert_eq!(plain.price(), 0.5);
    }

    #[test]
    fn damping_answers_to_the_present_only() {
        let mut damped = Multiplier::new(1.0, 0.5, 2.0);
        damped.ascend(0.5);
        assert_eq!(damped.price(), 1.75);
        damped.ascend(0.0);
        assert_eq!(damped.price(), 1.25);
    }
}
