//! What each consumer did, period by period: what an experiment is analysed from.

use crate::protocol::{Decision, Kpi, Outcome, Shard};

/// What each consumer did in one period, in the order of their numbers. Counts that a market does not know by consumer are
/// absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// Profit booked, not discounted, in micro-units.
    pub profit_micros: Vec<i64>,
    /// Decisions for an action other than 0.
    pub contacts: Vec<u32>,
    /// Orders, organic ones included.
    pub orders: Option<Vec<u32>>,
    /// Withdrawals of consent for a channel.
    pub opt_outs: Option<Vec<u32>>,
}

impl Period {
    fn new(rows: usize) -> Self {
        Self {
            profit_micros: vec![0; rows],
            contacts: vec![0; rows],
            orders: Some(vec![0; rows]),
            opt_outs: Some(vec![0; rows]),
        }
    }

    /// Adds the consumers that come next in the same market.
    fn append(&mut self, next: Self) {
        self.profit_micros.extend(next.profit_micros);
        self.contacts.extend(next.contacts);
        append_counts(&mut self.orders, next.orders);
        append_counts(&mut self.opt_outs, next.opt_outs);
    }
}

/// Counts of some consumers alone say nothing of all.
fn append_counts(counts: &mut Option<Vec<u32>>, next: Option<Vec<u32>>) {
    match (counts.as_mut(), next) {
        (Some(counts), Some(next)) => counts.extend(next),
        _ => *counts = None,
    }
}

/// Adds the periods of the consumers that come next.
pub(super) fn append(periods: &mut Option<Vec<Period>>, next: Option<Vec<Period>>) {
    match (periods.as_mut(), next) {
        (Some(periods), Some(next)) if periods.len() == next.len() => {
            periods.iter_mut().zip(next).for_each(|(period, next)| period.append(next));
        }
        (None, Some(next)) => *periods = Some(next),
        (_, None) | (Some(_), Some(_)) => {}
    }
}

/// The running periods of one shard.
#[derive(Debug)]
pub(super) struct Diary {
    /// The tick after the last one of each period, ascending.
    ends: Vec<u32>,
    periods: Vec<Period>,
    /// Scratch: whom a count is about.
    counted: Vec<u32>,
}

impl Diary {
    /// Periods that end before these ticks; what comes after the last end is not kept.
    pub(super) fn new(ends: &[u32], rows: usize) -> Self {
        Self { ends: ends.to_vec(), periods: vec![Period::new(rows); ends.len()], counted: Vec::new() }
    }

    /// Takes in the tick that the shard has just lived.
    pub(super) fn count(&mut self, shard: &dyn Shard, tick: u32, decision: &Decision, outcome: &Outcome) {
        let index = self.ends.partition_point(|end| *end <= tick);
        let Some(period) = self.periods.get_mut(index) else { return };
        for (total, profit) in period.profit_micros.iter_mut().zip(&outcome.profits) {
            *total = total.saturating_add(profit.micros());
        }
        for (contacts, &action) in period.contacts.iter_mut().zip(&decision.actions) {
            *contacts += u32::from(action != 0);
        }
        for (kpi, counts) in [(Kpi::Orders, &mut period.orders), (Kpi::OptOuts, &mut period.opt_outs)] {
            if !shard.counted_rows(kpi, &mut self.counted) {
                *counts = None;
            }
            if let Some(counts) = counts {
                self.counted.iter().for_each(|row| counts[*row as usize] += 1);
            }
        }
    }

    pub(super) fn close(self) -> Vec<Period> {
        self.periods
    }
}
