//! How the consumers of one replication differ: what intervals by consumer are made from.
//!
//! Where the whole market is judged at once, its record keeps values per consumer. Where it is judged in parts there are
//! too many of them: each part leaves its moments instead, paired between all who were judged on it.

use super::Unit;
use crate::episode::ConsumerRecord;
use crate::statistics::Moments;
use serde::{Deserialize, Serialize};

/// Moments over the consumers of a market that was judged in parts, for one contestant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Of the discounted profit within the horizon, amount of currency.
    pub profits: Moments,
    /// Of the discounted terminal value, amount of currency.
    pub terminal_values: Moments,
    /// Of the number of contacts.
    pub contacts: Moments,
    /// Of profit and terminal value, less the same consumer's under each who comes before: the twin, then the
    /// contestants in order.
    pub gains: Vec<Moments>,
}

impl Spread {
    /// Adds a part of the market: `records` holds the twin's and every contestant's, in order, as `spreads` does.
    pub(super) fn add_part(spreads: &mut Vec<Self>, records: &[ConsumerRecord]) {
        spreads.resize(records.len(), Self::default());
        for (position, (spread, record)) in spreads.iter_mut().zip(records).enumerate() {
            spread.profits = spread.profits.merged(of(&record.profits));
            spread.terminal_values = spread.terminal_values.merged(of(&record.terminal_values));
            spread.contacts =
                spread.contacts.merged(Moments::of(record.contacts.iter().map(|&count| f64::from(count))));
            spread.gains.resize(position, Moments::default());
            for (gains, other) in spread.gains.iter_mut().zip(records) {
                *gains = gains.merged(gains_over(record, other));
            }
        }
    }

    /// Moments of the paired difference of two who were judged on the same market, up to its sign.
    fn of_difference(&self, other: &Self) -> Option<Moments> {
        let (one, two) = (self.gains.len(), other.gains.len());
        if one == two {
            return Some(Moments { mean: 0.0, squares: 0.0, ..self.profits });
        }
        let later = if one > two { self } else { other };
        later.gains.get(one.min(two)).copied()
    }
}

fn of(values: &[f64]) -> Moments {
    Moments::of(values.iter().copied())
}

fn gains_over(record: &ConsumerRecord, other: &ConsumerRecord) -> Moments {
    let whole = |record: &'_ ConsumerRecord, row: usize| record.profits[row] + record.terminal_values[row];
    let rows = record.profits.len().min(other.profits.len());
    Moments::of((0..rows).map(|row| whole(record, row) - whole(other, row)))
}

/// Over consumers; `None` where nothing is known of each of them.
impl Unit {
    pub(super) fn profits(&self) -> Option<Moments> {
        let kept = self.record.by_consumer.as_ref().map(|each| of(&each.profits));
        kept.or_else(|| Some(self.spread.as_ref()?.profits))
    }

    pub(super) fn terminal_values(&self) -> Option<Moments> {
        let kept = self.record.by_consumer.as_ref().map(|each| of(&each.terminal_values));
        kept.or_else(|| Some(self.spread.as_ref()?.terminal_values))
    }

    pub(super) fn contacts(&self) -> Option<Moments> {
        let each = self.record.by_consumer.as_ref().map(|each| each.contacts.iter().map(|&count| f64::from(count)));
        each.map(Moments::of).or_else(|| Some(self.spread.as_ref()?.contacts))
    }

    /// Of profit and terminal value, less the other's on the same market.
    pub(super) fn gains_over(&self, other: &Self) -> Option<Moments> {
        match (&self.record.by_consumer, &other.record.by_consumer) {
            (Some(each), Some(others)) => Some(gains_over(each, others)),
            _ => self.spread.as_ref()?.of_difference(other.spread.as_ref()?),
        }
    }
}
