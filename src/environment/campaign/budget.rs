//! A budget that all consumers share: who may still be sent messages that cost money.
//!
//! The mask is fixed before decisions: with `k` the number of the dearest messages that the rest of the budget pays, the
//! `k` consumers of the lowest draws of this tick keep paid actions. So nothing is overspent and propensities are true. But
//! the fewer may be sent to, the less can be chosen among them. Where the budget is not rationed, all consumers keep paid
//! actions while the rest pays for one: whoever decides must make it last, and the last tick may overspend.

use crate::random::{Purpose, Seed};
use crate::units::Money;

/// Who may use actions that cost money in a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// Everybody.
    #[default]
    Open,
    /// Those whose draw comes up to this one, inclusive.
    UpTo((u32, u32)),
    /// Nobody.
    Shut,
}

impl Gate {
    /// The gate of a tick where the budget is not rationed.
    #[must_use]
    pub fn of_everybody(remaining: Money, dearest: Money) -> Self {
        if remaining >= dearest { Self::Open } else { Self::Shut }
    }

    /// The gate of a tick, for what is left of the budget.
    #[must_use]
    pub fn new(remaining: Money, dearest: Money, seed: Seed, tick: i32, consumers: u32) -> Self {
        if dearest <= Money::ZERO {
            return Self::Open;
        }
        let affordable = remaining.micros().max(0) / dearest.micros();
        if affordable >= i64::from(consumers) {
            return Self::Open;
        }
        if affordable == 0 {
            return Self::Shut;
        }
        let mut draws: Vec<(u32, u32)> = (0..consumers).map(|consumer| draw(seed, tick, consumer)).collect();
        let (_, last, _) = draws.select_nth_unstable(affordable as usize - 1);
        Self::UpTo(*last)
    }

    /// Whether the consumer may use actions that cost money.
    #[inline]
    #[must_use]
    pub fn admits(&self, seed: Seed, tick: i32, consumer: u32) -> bool {
        match self {
            Self::Open => true,
            Self::UpTo(last) => draw(seed, tick, consumer) <= *last,
            Self::Shut => false,
        }
    }
}

/// The rank of a consumer in a tick; the id breaks ties.
fn draw(seed: Seed, tick: i32, consumer: u32) -> (u32, u32) {
    (seed.words(Purpose::Budget, consumer, tick as u32, 0)[0], consumer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_as_many_as_can_be_paid_pass() {
        let cost = Money::from_amount(0.6);
        for (remaining, expected) in [(100.0, 50), (29.9, 49), (6.0, 10), (0.6, 1), (0.5, 0), (-1.0, 0)] {
            let gate = Gate::new(Money::from_amount(remaining), cost, Seed::new(4), 3, 50);
            let passed = (0..50).filter(|&consumer| gate.admits(Seed::new(4), 3, consumer)).count();
            assert_eq!(passed, expected, "{remaining}");
        }
        assert_eq!([0.6, 0.5].map(|rest| Gate::of_everybody(Money::from_amount(rest), cost)), [Gate::Open, Gate::Shut]);
        assert_eq!(Gate::new(Money::ZERO, Money::ZERO, Seed::new(4), 0, 5), Gate::Open);
    }
}
