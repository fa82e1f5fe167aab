//! Key figures that every environment counts in integers, so that sums do not depend on their order.

use crate::units::Money;
use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// A counted quantity; money in micro-units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(usize)]
pub enum Kpi {
    /// Messages sent.
    Messages,
    /// Messages delivered.
    Delivered,
    /// Messages that bounced.
    Bounces,
    /// Messages opened or seen.
    Opens,
    /// Messages clicked.
    Clicks,
    /// Visits.
    Visits,
    /// Orders that followed a click or view of a message (session or pending).
    Conversions,
    /// Orders, organic ones included.
    Orders,
    /// Consumers who withdrew consent for a channel.
    OptOuts,
    /// Spam complaints.
    Complaints,
    /// Executed actions that the mask forbade (audit only).
    Violations,
    /// Money paid by consumers.
    Revenue,
    /// Cost of messages.
    Cost,
    /// Discount given on orders.
    Discount,
    /// Profit: margin minus costs.
    Profit,
    /// Orders in the records that a click on a message shortly before gets the credit for.
    LastClickOrders,
    /// Orders in the records that followed a message sent shortly before.
    TouchedOrders,
    /// Consumers, one for each tick, who are members of the group that fairness is judged by.
    GroupConsumers,
    /// Messages sent to members.
    GroupMessages,
    /// Members who withdrew consent for a channel.
    GroupOptOuts,
    /// Sum of the discounts of all messages sent, in millionths of the list price.
    OfferedDiscountMillionths,
    /// The same over the messages sent to members.
    GroupOfferedDiscountMillionths,
}

impl Kpi {
    /// All, in order.
    pub const ALL: [Self; 22] = [
        Self::Messages,
        Self::Delivered,
        Self::Bounces,
        Self::Opens,
        Self::Clicks,
        Self::Visits,
        Self::Conversions,
        Self::Orders,
        Self::OptOuts,
        Self::Complaints,
        Self::Violations,
        Self::Revenue,
        Self::Cost,
        Self::Discount,
        Self::Profit,
        Self::LastClickOrders,
        Self::TouchedOrders,
        Self::GroupConsumers,
        Self::GroupMessages,
        Self::GroupOptOuts,
        Self::OfferedDiscountMillionths,
        Self::GroupOfferedDiscountMillionths,
    ];

    /// What happened, in order: the first of [`Kpi::ALL`]. Those that follow are views on it (who gets the credit, whom it
    /// happened to), and are no part of the fingerprint of results.
    pub const HAPPENED: &'static [Self] = Self::ALL.split_at(15).0;

    /// Whether it speaks of members of a group, and so is counted only in a market that has one.
    #[must_use]
    pub const fn is_by_group(self) -> bool {
        matches!(
            self,
            Self::GroupConsumers
                | Self::GroupMessages
                | Self::GroupOptOuts
                | Self::OfferedDiscountMillionths
                | Self::GroupOfferedDiscountMillionths
        )
    }

    /// Whether it is money in micro-units.
    #[must_use]
    pub const fn is_money(self) -> bool {
        matches!(self, Self::Revenue | Self::Cost | Self::Discount | Self::Profit)
    }

    /// The column name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Delivered => "delivered",
            Self::Bounces => "bounces",
            Self::Opens => "opens",
            Self::Clicks => "clicks",
            Self::Visits => "visits",
            Self::Conversions => "conversions",
            Self::Orders => "orders",
            Self::OptOuts => "opt_outs",
            Self::Complaints => "complaints",
            Self::Violations => "violations",
            Self::Revenue => "revenue",
            Self::Cost => "cost",
            Self::Discount => "discount",
            Self::Profit => "profit",
            Self::LastClickOrders => "last_click_orders",
            Self::TouchedOrders => "touched_orders",
            Self::GroupConsumers => "group_consumers",
            Self::GroupMessages => "group_messages",
            Self::GroupOptOuts => "group_opt_outs",
            Self::OfferedDiscountMillionths => "offered_discount_millionths",
            Self::GroupOfferedDiscountMillionths => "group_offered_discount_millionths",
        }
    }
}

/// Sums of all KPIs over some consumers and ticks. They saturate; short of that they do not depend on the order of addition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally([i64; Kpi::ALL.len()]);

impl Tally {
    /// A count (micro-units for money).
    #[inline]
    #[must_use]
    pub const fn get(&self, kpi: Kpi) -> i64 {
        self.0[kpi as usize]
    }

    /// Adds to a count.
    #[inline]
    pub fn add(&mut self, kpi: Kpi, count: i64) {
        self.0[kpi as usize] = self.get(kpi).saturating_add(count);
    }

    /// Adds money.
    #[inline]
    pub fn add_money(&mut self, kpi: Kpi, amount: Money) {
        self.add(kpi, amount.micros());
    }

    /// A count as a number; money as an amount of currency.
    #[must_use]
    pub fn value(&self, kpi: Kpi) -> f64 {
        let raw = self.get(kpi);
        if kpi.is_money() { Money::from_micros(raw).amount() } else { raw as f64 }
    }
}

impl AddAssign<&Tally> for Tally {
    fn add_assign(&mut self, other: &Tally) {
        for (total, count) in self.0.iter_mut().zip(&other.0) {
            *total = total.saturating_add(*count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kpi_has_its_own_slot() {
        let mut tally = Tally::default();
        for (index, kpi) in Kpi::ALL.into_iter().enumerate() {
            assert_eq!(kpi as usize, index);
            tally.add(kpi, index as i64 + 1);
        }
        assert_eq!(Kpi::HAPPENED.last(), Some(&Kpi::Profit));
        let mut twice = tally;
        twice += &tally;
        assert_eq!(twice.get(Kpi::Profit), 30);
        assert_eq!(twice.value(Kpi::Profit), 30e-6);
        assert_eq!(twice.value(Kpi::Messages), 2.0);
    }

    #[test]
    fn sums_saturate() {
        let mut tally = Tally::default();
        tally.add(Kpi::Cost, i64::MAX);
        tally.add_money(Kpi::Cost, Money::from_amount(1.0));
        let most = tally;
        tally += &most;
        assert_eq!(tally.get(Kpi::Cost), i64::MAX);
    }
}
