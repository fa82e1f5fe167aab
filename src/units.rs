//! Units that must not be confused: money, and what a number may be.

use serde::{Deserialize, Serialize};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};

/// Money as whole micro-units of the scenario's currency, so that totals do not depend on the order of addition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From whole micro-units.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From an amount of currency, rounded to the nearest micro-unit (ties away from 0); saturates at ±9.2e12.
    #[inline]
    #[must_use]
    pub fn from_amount(amount: f64) -> Self {
        let scaled = amount * 1e6;
        Self((scaled + if scaled < 0.0 { -0.5 } else { 0.5 }) as i64)
    }

    /// Whole micro-units.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The amount in currency.
    #[inline]
    #[must_use]
    pub fn amount(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_round_to_the_nearest_micro_unit() {
        assert_eq!(Money::from_amount(0.000_000_5), Money::from_micros(1));
        assert_eq!(Money::from_amount(-0.000_000_5), Money::from_micros(-1));
        assert_eq!(Money::from_amount(29.99).micros(), 29_990_000);
        assert_eq!(Money::from_amount(f64::INFINITY).micros(), i64::MAX);
    }

    #[test]
    fn sums_do_not_overflow() {
        let most = Money::from_micros(i64::MAX);
        assert_eq!([most, most].into_iter().sum::<Money>(), most);
    }
}
