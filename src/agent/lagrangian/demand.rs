//! What would be spent at which price, from now to the end: how a budget is paced.
//!
//! Each tick shows, on a sample of its consumers, what the law as it stands would spend at each of some prices. With what is
//! left, the price for the rest of the horizon is the one at which the rest would be spent (re-solving: Jasin & Kumar 2012,
//! *A re-solving heuristic with bounded revenue loss for network revenue management with customer choice*). Where even the
//! highest price spends too much, each paid message is kept with the probability that is left over (throttling: Agarwal,
//! Ghosh, Wei & You 2014, *Budget pacing for targeted online advertisements at LinkedIn*).

use serde::{Deserialize, Serialize};

/// Prices above 0 at which spending is known.
pub(super) const STEPS: usize = 16;
/// Parts of the horizon at most that have a curve of their own.
const PARTS_MAX: u32 = 64;
/// Halvings that find a price.
const HALVINGS: u32 = 40;
/// Weight of what was known before.
const KEPT: f64 = 0.5;

/// Expected spending per consumer and tick at the prices `top k / 16`; in between in straight lines, beyond as at the ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Curve {
    pub top: f64,
    pub spending: [f64; STEPS + 1],
}

impl Curve {
    pub(super) fn at(&self, price: f64) -> f64 {
        if self.top <= 0.0 {
            return self.spending[0];
        }
        let place = (price / self.top).clamp(0.0, 1.0) * STEPS as f64;
        let below = (place as usize).min(STEPS - 1);
        let share = place - below as f64;
        self.spending[below] * (1.0 - share) + self.spending[below + 1] * share
    }
}

/// A price for the rest of the horizon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    /// Reward per unit of currency.
    pub price: f64,
    /// Probability with which a paid message is kept.
    pub keep: f32,
}

/// Curves over the horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Demand {
    horizon: u32,
    /// One for each part of the horizon; none before it was lived.
    parts: Vec<Option<Curve>>,
}

impl Demand {
    pub(super) fn new(horizon: u32) -> Self {
        let horizon = horizon.max(1);
        Self { horizon, parts: vec![None; horizon.min(PARTS_MAX) as usize] }
    }

    fn part(&self, tick: u32) -> usize {
        let parts = self.parts.len() as u64;
        (u64::from(tick.min(self.horizon - 1)) * parts / u64::from(self.horizon)) as usize
    }

    /// Takes in what a tick has shown. Half of it is believed, so that one sample is not everything.
    pub(super) fn learn(&mut self, tick: u32, seen: Curve) {
        let part = self.part(tick);
        let known = self.parts[part].get_or_insert(seen);
        let mut next = seen;
        for (step, spending) in next.spending.iter_mut().enumerate() {
            let price = seen.top * step as f64 / STEPS as f64;
            *spending = KEPT * known.at(price) + (1.0 - KEPT) * *spending;
        }
        *known = next;
    }

    /// Spending per consumer from this tick to the horizon at one price.
    pub(super) fn rest(&self, tick: u32, price: f64) -> f64 {
        (tick..self.horizon).map(|tick| self.parts[self.part(tick)].map_or(0.0, |curve| curve.at(price))).sum()
    }

    /// How to spend what is left per consumer from this tick on; `None` where nothing is known of what follows.
    pub(super) fn pace(&self, tick: u32, left: f64) -> Option<Pace> {
        let tick = tick.min(self.horizon - 1);
        let tops = self.parts[self.part(tick)..].iter().flatten().map(|curve| curve.top);
        let top = tops.fold(None, |greatest: Option<f64>, top| Some(greatest.map_or(top, |other| other.max(top))))?;
        let at_most = self.rest(tick, top);
        if at_most >= left {
            let keep = if at_most > 0.0 { (left / at_most).clamp(0.0, 1.0) } else { 1.0 };
            return Some(Pace { price: top, keep: keep as f32 });
        }
        let (mut low, mut high) = (0.0, top);
        if self.rest(tick, low) > left {
            for _ in 0..HALVINGS {
                let middle = 0.5 * (low + high);
                if self.rest(tick, middle) > left { low = middle } else { high = middle }
            }
        } else {
            high = 0.0;
        }
        Some(Pace { price: high, keep: 1.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spends 1 at the price 0 and nothing from the price 4 on, in a straight line.
    fn line() -> Curve {
        Curve { top: 4.0, spending: std::array::from_fn(|step| 1.0 - step as f64 / STEPS as f64) }
    }

    #[test]
    fn the_price_is_the_one_that_spends_what_is_left() {
        let mut demand = Demand::new(4);
        assert_eq!(demand.pace(0, 1.0), None);
        (0..4).for_each(|tick| demand.learn(tick, line()));
        // Four ticks at the price p spend 4 - p.
        for (tick, left, price) in [(0, 1.0, 3.0), (0, 3.0, 1.0), (3, 0.25, 3.0), (2, 1.0, 2.0), (0, 9.0, 0.0)] {
            let pace = demand.pace(tick, left).unwrap();
            assert!((pace.price - price).abs() < 1e-9 && pace.keep == 1.0, "{tick} {left}: {pace:?}");
        }
        assert_eq!(demand.pace(0, 0.0), Some(Pace { price: 4.0, keep: 1.0 }));
    }

    #[test]
    fn what_no_price_holds_back_is_throttled() {
        let mut demand = Demand::new(2);
        let always = Curve { top: 2.0, spending: [0.5; STEPS + 1] };
        (0..2).for_each(|tick| demand.learn(tick, always));
        assert_eq!(demand.pace(0, 0.25), Some(Pace { price: 2.0, keep: 0.25 }));
        assert_eq!(demand.pace(1, 0.0), Some(Pace { price: 2.0, keep: 0.0 }));
    }

    #[test]
    fn what_is_seen_is_half_believed_at_its_own_prices() {
        let mut demand = Demand::new(1);
        demand.learn(0, line());
        demand.learn(0, Curve { top: 2.0, spending: [0.0; STEPS + 1] });
        assert!((demand.rest(0, 1.0) - 0.375).abs() < 1e-12 && (demand.rest(0, 9.0) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn long_horizons_share_their_curves() {
        let mut demand = Demand::new(365);
        (0..365).for_each(|tick| demand.learn(tick, line()));
        assert_eq!(demand.parts.len(), 64);
        assert!((demand.rest(0, 2.0) - 182.5).abs() < 1e-9);
    }
}
