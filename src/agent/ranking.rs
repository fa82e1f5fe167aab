//! Actions in the order of their index, ready for any mask.

use super::pick;
use std::cmp::Ordering;

/// A ranking of all actions; the untried ones stand before all others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranking {
    /// One bit per action.
    untried: Vec<u64>,
    /// Best first; ties in action order.
    order: Vec<u16>,
}

/// What a row does under a ranking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// One of this many untried actions, with equal chances.
    Untried(u32),
    /// This action, with certainty.
    Best(u16),
}

/// Higher first; NaN last of all, so that it never wins.
fn higher_first(left: f64, right: f64) -> Ordering {
    match (left.is_nan(), right.is_nan()) {
        (false, false) => right.partial_cmp(&left).unwrap_or(Ordering::Equal),
        (left, right) => left.cmp(&right),
    }
}

/// Writes the actions of these values into `order`, the highest first, ties in action order.
pub(super) fn sort(values: &[f64], order: &mut [u16]) {
    for (action, place) in order.iter_mut().enumerate() {
        *place = action as u16;
    }
    order.sort_by(|left, right| higher_first(values[usize::from(*left)], values[usize::from(*right)]));
}

/// The first action of an order that a row allows; no contact where there is none.
#[inline]
pub(super) fn first_allowed(order: &[u16], allowed: &[u64]) -> u16 {
    let allows = |action: &&u16| allowed[usize::from(**action) / 64] >> (**action % 64) & 1 == 1;
    order.iter().find(allows).copied().unwrap_or(0)
}

impl Ranking {
    /// Ranks actions by their index; `None` for an untried one.
    #[must_use]
    pub fn new(indices: &[Option<f64>]) -> Self {
        let mut untried = vec![0; indices.len().div_ceil(64)];
        for (action, _) in indices.iter().enumerate().filter(|(_, index)| index.is_none()) {
            untried[action / 64] |= 1 << (action % 64);
        }
        let values: Vec<f64> = indices.iter().map(|index| index.unwrap_or(f64::INFINITY)).collect();
        let mut order = vec![0; indices.len()];
        sort(&values, &mut order);
        Self { untried, order }
    }

    /// The untried actions of a row.
    pub(super) fn untried<'a>(&'a self, allowed: &'a [u64]) -> impl Iterator<Item = u64> + 'a {
        self.untried.iter().zip(allowed).map(|(untried, allowed)| untried & allowed)
    }

    /// What a row with these allowed actions does.
    #[inline]
    #[must_use]
    pub fn choose(&self, allowed: &[u64]) -> Choice {
        match pick::count(self.untried(allowed)) {
            0 => Choice::Best(first_allowed(&self.order, allowed)),
            count => Choice::Untried(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untried_come_first_then_the_best_allowed_and_ties_go_to_the_lowest() {
        let ranking = Ranking::new(&[Some(1.0), Some(2.0), None, Some(2.0), None, Some(f64::NAN)]);
        assert_eq!(ranking.choose(&[0b11_1111]), Choice::Untried(2));
        assert_eq!(ranking.choose(&[0b01_0001]), Choice::Untried(1));
        assert_eq!(ranking.choose(&[0b10_1011]), Choice::Best(1));
        assert_eq!(ranking.choose(&[0b10_1001]), Choice::Best(3));
        assert_eq!(ranking.choose(&[0b10_0001]), Choice::Best(0));
        assert_eq!(ranking.choose(&[0b10_0000]), Choice::Best(5));
    }
}
