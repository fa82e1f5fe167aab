//! What is compared between arms: a quantity of each consumer over the test.

use crate::episode::Period;
use crate::protocol::{Kpi, Spec};
use crate::units::Money;

/// A quantity of a consumer, summed over the ticks of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Profit booked, organic orders included, costs taken off; not discounted, currency.
    Profit,
    /// Orders.
    Orders,
    /// Withdrawals of consent for a channel.
    OptOuts,
    /// Decisions to contact.
    Messages,
}

impl Measure {
    /// All, in order.
    pub const ALL: [Self; 4] = [Self::Profit, Self::Orders, Self::OptOuts, Self::Messages];

    /// The word in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Profit => "profit",
            Self::Orders => "orders",
            Self::OptOuts => "opt_outs",
            Self::Messages => "messages",
        }
    }

    /// Of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.name() == name)
    }

    /// Whether a market counts it at all.
    #[must_use]
    pub fn is_counted(self, spec: &Spec) -> bool {
        match self {
            Self::Profit | Self::Messages => true,
            Self::Orders => spec.kpis.contains(&Kpi::Orders),
            Self::OptOuts => spec.kpis.contains(&Kpi::OptOuts),
        }
    }

    /// One value per consumer; `None` where the market does not know it by consumer.
    #[must_use]
    pub fn values(self, period: &Period) -> Option<Vec<f64>> {
        let counts = |counts: &[u32]| counts.iter().map(|count| f64::from(*count)).collect();
        match self {
            Self::Profit => {
                Some(period.profit_micros.iter().map(|micros| Money::from_micros(*micros).amount()).collect())
            }
            Self::Orders => period.orders.as_deref().map(counts),
            Self::OptOuts => period.opt_outs.as_deref().map(counts),
            Self::Messages => Some(counts(&period.contacts)),
        }
    }

    /// The sum over consumers: of integers, so that it does not depend on their order.
    #[must_use]
    pub fn total(self, period: &Period) -> Option<f64> {
        let counts = |counts: &[u32]| counts.iter().map(|count| u64::from(*count)).sum::<u64>() as f64;
        match self {
            Self::Profit => {
                let micros = period.profit_micros.iter().map(|micros| i128::from(*micros)).sum::<i128>();
                Some(micros as f64 / 1e6)
            }
            Self::Orders => period.orders.as_deref().map(counts),
            Self::OptOuts => period.opt_outs.as_deref().map(counts),
            Self::Messages => Some(counts(&period.contacts)),
        }
    }
}

/// What is compared: a measure by consumer, or a ratio of two measures, each summed over the consumers of an arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What is summed.
    pub measure: Measure,
    /// What it is counted per, instead of per consumer.
    pub per: Option<Measure>,
}

impl Outcome {
    /// By consumer.
    #[must_use]
    pub const fn of(measure: Measure) -> Self {
        Self { measure, per: None }
    }

    /// The name in tables, such as `opt_outs` or `opt_outs/messages`.
    #[must_use]
    pub fn name(&self) -> String {
        match self.per {
            None => self.measure.name().to_owned(),
            Some(per) => format!("{}/{}", self.measure.name(), per.name()),
        }
    }

    /// From the name in tables.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name.split_once('/') {
            None => Measure::named(name).map(Self::of),
            Some((measure, per)) => Some(Self { measure: Measure::named(measure)?, per: Some(Measure::named(per)?) }),
        }
    }

    /// Whether a market counts all of it.
    #[must_use]
    pub fn is_counted(&self, spec: &Spec) -> bool {
        self.measure.is_counted(spec) && self.per.is_none_or(|per| per.is_counted(spec))
    }
}
