//! What the records tell of a consumer's value beyond the horizon: for agents that look ahead.
//!
//! The posterior of the market's own purchase model given what may be observed: number and recency of the orders since
//! the customer was acquired, their mean basket. Fader, Hardie & Lee 2005, *RFM and CLV: Using iso-value curves for
//! customer base analysis* (discounted expected residual transactions times expected margin), with Fader & Hardie 2013 for
//! baskets.
//!
//! `margin · E[basket] · sum over pieces of time of E[orders within | history] mean discount within + P(alive | history) ·
//! reachability value, of those whom a channel reaches`.
//!
//! Differences from the source: (1) the integral over time is a sum over fortnights, months, then years up to eighty,
//! instead of a closed form that only Pareto/NBD has; (2) influences of modules and of messages on past orders are
//! ignored: an order that a coupon bought counts as one of the customer's own, which is what records show; (3) orders per
//! person beyond 65,535 count as so many.

use super::model::Model;
use super::shard::CampaignShard;
use super::state::NEVER;
use crate::market::btyd::History;

/// Ends of the pieces of time that residual orders are summed over, in days.
const ENDS_DAYS: [f64; 20] = [
    14.0, 30.0, 60.0, 91.0, 182.0, 274.0, 365.25, 547.9, 730.5, 1_095.8, 1_461.0, 1_826.3, 2_556.8, 3_652.5, 5_478.8,
    7_305.0, 10_957.5, 14_610.0, 21_915.0, 29_220.0,
];

/// Mean of `e^(-rate t)` between two times.
fn mean_discount(rate: f64, start: f64, end: f64) -> f64 {
    let length = rate * (end - start);
    if length == 0.0 { 1.0 } else { libm::exp(-rate * start) * -libm::expm1(-length) / length }
}

/// What is observed of one consumer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Observed {
    /// Orders, the first included.
    pub orders: u32,
    /// From the first order to the last, in days.
    pub recency_days: f64,
    /// From the first order to now, in days.
    pub age_days: f64,
    /// Mean amount of the orders, in currency.
    pub basket_mean: f64,
    /// Whether any channel may and can reach them.
    pub is_reachable: bool,
}

impl Model {
    /// Expected value beyond now, in currency.
    pub(super) fn observed_value(&self, observed: &Observed) -> f64 {
        let orders = observed.orders.min(u32::from(u16::MAX));
        let history = History {
            repeats: orders.saturating_sub(1),
            recency: observed.recency_days.clamp(0.0, observed.age_days.max(0.0)),
            age: observed.age_days.max(0.0),
        };
        let (mut value, mut before, mut start) = (0.0, 0.0, 0.0);
        let residual = self.residual_orders(&history);
        for end in ENDS_DAYS {
            let until = residual(end);
            value += (until - before) * mean_discount(self.discount_rate_per_day, start, end);
            (before, start) = (until, end);
        }
        let basket = self.population.spend().conditional_mean(orders, observed.basket_mean);
        let reachable = if observed.is_reachable { self.reachability_value * self.alive(&history) } else { 0.0 };
        self.margin * basket * value + reachable
    }

    /// P(alive | history).
    fn alive(&self, history: &History) -> f64 {
        let laws = (self.population.bg_nbd(), self.population.pareto_nbd());
        match laws {
            (Some(law), _) => law.probability_alive(history),
            (_, Some(law)) => law.probability_alive(history),
            (None, None) => 1.0,
        }
    }

    /// Expected orders in the next so many days, by the law of the market's clock. The history is lived at the rate that
    /// the market is scaled to; what is to come goes by the law itself, as the value that scores does.
    fn residual_orders(&self, history: &History) -> Box<dyn Fn(f64) -> f64> {
        let speed = libm::exp(f64::from(self.order_offset));
        let history = *history;
        if let Some(law) = self.population.bg_nbd() {
            let mut law = *law;
            law.scale /= speed;
            return Box::new(move |days| law.conditional_expectation(&history, days) / speed);
        }
        if let Some(law) = self.population.pareto_nbd() {
            let mut law = *law;
            law.scale /= speed;
            let rate = law.conditional_rate(&history) / speed;
            return Box::new(move |days| rate * law.conditional_life(&history, days));
        }
        let shape = self.population.order_rate_shape();
        let scale = shape / self.population.mean_order_rate_per_day();
        let rate = (shape + f64::from(history.repeats)) / (scale / speed + history.age) / speed;
        Box::new(move |days| rate * days)
    }
}

impl CampaignShard {
    /// What the records show of a consumer now; `None` of those who have not come yet.
    fn observed(&self, row: usize) -> Option<Observed> {
        let (state, clock) = (&self.state, &self.model.clock);
        if !state.is_here(row) {
            return None;
        }
        let orders = &state.orders[row];
        let acquired = f64::from(self.people.acquired_day[row]);
        let since = |tick: i32| (clock.day(tick) as f64 - acquired).max(0.0);
        let last = orders.last_tick();
        Some(Observed {
            orders: orders.orders,
            recency_days: if last == NEVER || orders.orders < 2 { 0.0 } else { since(last) },
            age_days: since(self.tick),
            basket_mean: f64::from(orders.spend) / f64::from(orders.orders.max(1)),
            is_reachable: state.consent[row] & state.address[row] != 0,
        })
    }

    /// Writes the observed value of every row: 0 of those who have not come.
    pub(super) fn write_observed_values(&self, values: &mut Vec<f32>) {
        values.clear();
        values.extend(
            (0..self.people.len())
                .map(|row| self.observed(row).map_or(0.0, |observed| self.model.observed_value(&observed) as f32)),
        );
    }
}
