//! What a judged policy leaves behind: integers, so that no sum depends on its order.

use super::discount_weights;
use super::periods::{self, Diary, Period};
use crate::protocol::{Decision, Kpi, Outcome, Shard, Spec, Tally};
use crate::units::Money;
use serde::{Deserialize, Serialize};

/// Labels of the histogram of contacts per consumer over the horizon.
pub const CONTACT_BINS: [&str; 6] = ["0", "1", "2-3", "4-7", "8-15", "16+"];

/// What happened to all consumers of a market under one policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Number of consumers.
    pub consumers: u64,
    /// Sums over all consumers, per tick.
    pub series: Vec<Tally>,
    /// How often each action was chosen.
    pub action_counts: Vec<u64>,
    /// Number of consumers per bin of [`CONTACT_BINS`]; a contact is a decision for an action other than 0.
    pub contacts: [u64; CONTACT_BINS.len()],
    /// What the consumers are worth beyond the horizon, undiscounted, in micro-units (each rounded).
    pub terminal_value_micros: i64,
    /// The discount factor per tick.
    pub discount: f64,
    /// Per consumer, where asked for.
    pub by_consumer: Option<ConsumerRecord>,
    /// What each consumer did in each period, where asked for; never stored.
    #[serde(skip)]
    pub by_period: Option<Vec<Period>>,
}

/// What happened to each consumer, in the order of their numbers: for intervals by consumer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConsumerRecord {
    /// Discounted profit within the horizon, amount of currency.
    pub profits: Vec<f64>,
    /// Discounted terminal value, amount of currency.
    pub terminal_values: Vec<f64>,
    /// Number of contacts.
    pub contacts: Vec<u32>,
}

impl Record {
    /// Nobody yet; with values per consumer, or without.
    #[must_use]
    pub fn new(spec: &Spec, by_consumer: bool) -> Self {
        Self {
            consumers: 0,
            series: vec![Tally::default(); spec.horizon as usize],
            action_counts: vec![0; spec.actions.len()],
            contacts: [0; CONTACT_BINS.len()],
            terminal_value_micros: 0,
            discount: spec.discount,
            by_consumer: by_consumer.then(ConsumerRecord::default),
            by_period: None,
        }
    }

    /// Adds the consumers that come next in the same market. All but what is kept by consumer are sums of integers.
    pub fn append(&mut self, next: Self) {
        self.consumers += next.consumers;
        for (total, tally) in self.series.iter_mut().zip(&next.series) {
            *total += tally;
        }
        for (total, count) in self.action_counts.iter_mut().zip(&next.action_counts) {
            *total += count;
        }
        for (total, count) in self.contacts.iter_mut().zip(&next.contacts) {
            *total += count;
        }
        self.terminal_value_micros = self.terminal_value_micros.saturating_add(next.terminal_value_micros);
        if let (Some(each), Some(next)) = (&mut self.by_consumer, next.by_consumer) {
            each.profits.extend(next.profits);
            each.terminal_values.extend(next.terminal_values);
            each.contacts.extend(next.contacts);
        }
        periods::append(&mut self.by_period, next.by_period);
    }

    /// A count over the whole horizon (micro-units for money).
    #[must_use]
    pub fn total(&self, kpi: Kpi) -> i64 {
        self.series.iter().map(|tally| tally.get(kpi)).sum()
    }

    /// Discounted profit of all consumers within the horizon, amount of currency.
    #[must_use]
    pub fn discounted_profit(&self) -> f64 {
        self.windowed_return(1)
    }

    /// Profit of all consumers within the horizon, not discounted, amount of currency.
    #[must_use]
    pub fn profit(&self) -> f64 {
        Money::from_micros(self.total(Kpi::Profit)).amount()
    }

    /// Discounted value of all consumers beyond the horizon, amount of currency.
    #[must_use]
    pub fn discounted_terminal_value(&self) -> f64 {
        let ticks = self.series.len() as u32;
        let weight = discount_weights(self.discount, ticks).last().copied().unwrap_or(1.0);
        weight * Money::from_micros(self.terminal_value_micros).amount()
    }

    /// Discounted sum of rewards as an agent sees them, amount of currency, all consumers: the reward of tick t is the
    /// profit of the `ticks` ticks from t on; windows that the horizon cuts never mature and do not count.
    #[must_use]
    pub fn windowed_return(&self, ticks: u32) -> f64 {
        let weights = discount_weights(self.discount, self.series.len() as u32);
        let windows = self.series.windows(ticks.max(1) as usize);
        windows
            .zip(&weights)
            .map(|(window, weight)| {
                let micros = window.iter().map(|tally| tally.get(Kpi::Profit)).sum();
                weight * Money::from_micros(micros).amount()
            })
            .sum()
    }
}

/// The running record of one shard.
#[derive(Debug)]
pub(super) struct ShardRecord {
    record: Record,
    contacts: Vec<u32>,
    profits: Vec<f64>,
    diary: Option<Diary>,
}

impl ShardRecord {
    /// With periods that end before these ticks, where any are given.
    pub(super) fn new(spec: &Spec, rows: usize, by_consumer: bool, period_ends: &[u32]) -> Self {
        let profits = if by_consumer { vec![0.0; rows] } else { Vec::new() };
        let diary = (!period_ends.is_empty()).then(|| Diary::new(period_ends, rows));
        Self { record: Record::new(spec, false), contacts: vec![0; rows], profits, diary }
    }

    /// Counts the tick that the shard has just lived.
    pub(super) fn count(
        &mut self,
        shard: &dyn Shard,
        tick: u32,
        decision: &Decision,
        outcome: &Outcome,
        weights: &[f64],
    ) {
        if let Some(diary) = &mut self.diary {
            diary.count(shard, tick, decision, outcome);
        }
        debug_assert_eq!(
            outcome.profits.iter().copied().sum::<Money>().micros(),
            outcome.tally.get(Kpi::Profit),
            "the profit of a shard is the sum over its rows"
        );
        self.record.series[tick as usize] += &outcome.tally;
        for (contacts, &action) in self.contacts.iter_mut().zip(&decision.actions) {
            *contacts += u32::from(action != 0);
            self.record.action_counts[action as usize] += 1;
        }
        let weight = weights[tick as usize];
        for (total, profit) in self.profits.iter_mut().zip(&outcome.profits) {
            *total += weight * profit.amount();
        }
    }

    /// Closes the record at the horizon.
    pub(super) fn close(mut self, terminal_values: &[f64], weights: &[f64], by_consumer: bool) -> Record {
        self.record.consumers = self.contacts.len() as u64;
        for &contacts in &self.contacts {
            self.record.contacts[bin_of(contacts)] += 1;
        }
        let whole: Money = terminal_values.iter().map(|&value| Money::from_amount(value)).sum();
        self.record.terminal_value_micros = whole.micros();
        if by_consumer {
            let weight = weights.last().copied().unwrap_or(1.0);
            let terminal_values = terminal_values.iter().map(|value| weight * value).collect();
            self.record.by_consumer =
                Some(ConsumerRecord { profits: self.profits, terminal_values, contacts: self.contacts });
        }
        self.record.by_period = self.diary.map(Diary::close);
        self.record
    }
}

/// The bin of [`CONTACT_BINS`]: powers of two.
fn bin_of(contacts: u32) -> usize {
    (u32::BITS - contacts.leading_zeros()).min(CONTACT_BINS.len() as u32 - 1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_powers_of_two() {
        let bins: Vec<usize> = [0, 1, 2, 3, 4, 7, 8, 15, 16, 400].into_iter().map(bin_of).collect();
        assert_eq!(bins, [0, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
    }

    #[test]
    fn discounting_and_windows_by_hand() {
        let series = [3, 5, 7].map(|amount| {
            let mut tally = Tally::default();
            tally.add_money(Kpi::Profit, Money::from_amount(f64::from(amount)));
            tally
        });
        let record =
            Record { series: series.to_vec(), discount: 0.5, terminal_value_micros: 8_000_000, ..Record::default() };
        assert_eq!(record.profit(), 15.0);
        assert_eq!(record.discounted_profit(), 3.0 + 2.5 + 1.75);
        assert_eq!(record.discounted_terminal_value(), 1.0);
        // Windows of two ticks: 3 + 5 from tick 0, 5 + 7 from tick 1; the window from tick 2 never closes.
        assert_eq!(record.windowed_return(2), 8.0 + 6.0);
    }
}
