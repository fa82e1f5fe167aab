//! What is fixed about a market for all runs: everything a shard reads and never writes.

use super::clock::Clock;
use super::mask::MaskRules;
use super::observation::Columns;
use crate::market::catalogue::Catalogue;
use crate::market::people::People;
use crate::market::population::Population;
use crate::math::{logit, sigmoid};
use crate::protocol::Spec;
use crate::response::ResponseModule;
use crate::units::Money;

/// Logit that stands for probability 0 or, negated, 1.
const CERTAIN: f32 = 80.0;

/// Intercepts of one channel's funnel, solved from its rates at rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Intercepts {
    /// Of opening.
    pub open: f32,
    /// Of clicking once opened.
    pub click: f32,
    /// Of ordering once clicked.
    pub convert: f32,
    /// Of withdrawing consent once delivered.
    pub opt_out: f32,
    /// Of complaining once delivered.
    pub complain: f32,
}

/// How customers leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropout {
    /// With a personal probability after each order (BG/NBD).
    AfterOrders,
    /// At a personal hazard per day (Pareto/NBD).
    AtAnyTime,
}

/// The messages of the lived history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRule {
    /// Ticks lived before tick 0.
    pub ticks: u32,
    /// Days from one message to the next; 0 for none.
    pub every_days: u32,
    /// The action that is sent.
    pub action: u16,
}

/// The market, as shards read it.
#[derive(Debug)]
pub struct Model {
    /// Features, actions, horizon.
    pub spec: Spec,
    /// What can be sent.
    pub catalogue: Catalogue,
    /// The forces, in registry order.
    pub modules: Vec<Box<dyn ResponseModule>>,
    /// Their names.
    pub module_names: Vec<&'static str>,
    /// The calendar.
    pub clock: Clock,
    /// The law of the people.
    pub population: Population,
    /// How customers leave.
    pub dropout: Dropout,
    /// Gross margin, share of the full price.
    pub margin: f64,
    /// Shape of the Gamma law of baskets.
    pub basket_shape: f64,
    /// Visits per order of a consumer who visits without being asked.
    pub visits_per_order: f64,
    /// Weight of the log purchase rate in ordering after a click.
    pub conversion_frequency_weight: f32,
    /// Continuous discount rate per day.
    pub discount_rate_per_day: f64,
    /// What an alive consumer who can be reached is worth beyond the horizon.
    pub reachability_value: f64,
    /// How long a coupon lives, in ticks.
    pub coupon_ticks: u32,
    /// Added to the log-hazard of every order, so that the market orders as often as it is said to.
    pub order_offset: f32,
    /// Whether any offer has a discount.
    pub has_discounts: bool,
    /// Whether customers come during the run.
    pub has_arrivals: bool,
    /// Whether some consumers are members of a group.
    pub has_groups: bool,
    /// Intercepts per channel.
    pub intercepts: Vec<Intercepts>,
    /// What may be sent to whom.
    pub mask: MaskRules,
    /// What is observed.
    pub columns: Columns,
    /// Money for messages over the whole run.
    pub budget: Option<Money>,
    /// Whether only as many consumers may be sent to as the rest of the budget pays for.
    pub is_budget_rationed: bool,
    /// What was sent before tick 0.
    pub history: HistoryRule,
    /// Longest time since acquisition, in days before tick 0.
    pub tenure_days_max: f64,
    /// Days before an order within which messages get the credit for it.
    pub attribution_days: f32,
    /// How many events of each consumer are remembered.
    pub events_remembered: usize,
    /// Offset of the clock of each region, in hours.
    pub clock_offsets_hours: Vec<i8>,
}

/// Solves the intercepts of every channel on a sample of people: the mean over those people of each probability at rest
/// equals the channel's rate.
#[must_use]
pub fn solve_intercepts(
    catalogue: &Catalogue,
    modules: &[Box<dyn ResponseModule>],
    conversion_frequency_weight: f32,
    people: &People,
) -> Vec<Intercepts> {
    let rows = 0..people.len();
    let convert_offsets: Vec<f32> =
        rows.clone().map(|row| conversion_frequency_weight * people.rate_log_ratio[row]).collect();
    catalogue
        .channels
        .iter()
        .enumerate()
        .map(|(channel, figures)| {
            let liking =
                |row: usize| modules.iter().map(|module| module.open_offset_at_rest(people, row, channel)).sum::<f32>();
            let open_offsets: Vec<f32> = rows.clone().map(liking).collect();
            Intercepts {
                open: solve(figures.open_rate, &open_offsets),
                click: certain_logit(figures.click_rate),
                convert: solve(figures.conversion_rate, &convert_offsets),
                opt_out: certain_logit(figures.opt_out_rate),
                complain: certain_logit(figures.complaint_rate),
            }
        })
        .collect()
}

fn certain_logit(rate: f32) -> f32 {
    if rate <= 0.0 {
        -CERTAIN
    } else if rate >= 1.0 {
        CERTAIN
    } else {
        logit(rate)
    }
}

/// The intercept at which the mean of sigmoid(intercept + offset) is the rate, by bisection.
fn solve(rate: f32, offsets: &[f32]) -> f32 {
    if rate <= 0.0 || rate >= 1.0 {
        return certain_logit(rate);
    }
    let mean = |intercept: f32| {
        offsets.iter().map(|offset| f64::from(sigmoid(intercept + offset))).sum::<f64>() / offsets.len().max(1) as f64
    };
    let (mut low, mut high) = (-CERTAIN, CERTAIN);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if mean(middle) < f64::from(rate) {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intercepts_reproduce_their_rate() {
        let offsets: Vec<f32> = (0..1_000).map(|index| (index as f32 - 500.0) / 250.0).collect();
        let intercept = solve(0.24, &offsets);
        let mean = offsets.iter().map(|offset| sigmoid(intercept + offset)).sum::<f32>() / 1_000.0;
        assert!((mean - 0.24).abs() < 1e-5);
        assert!((solve(0.3, &[0.0]) - logit(0.3)).abs() < 1e-5);
        assert!(sigmoid(solve(0.0, &offsets)) < 1e-30);
    }
}
