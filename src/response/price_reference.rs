//! Reference price: consumers judge a price by those that they have seen, and resent a rise more than they enjoy a cut.
//!
//! R starts at 1 (the list price). After an opened message and after an order `R <- memory * R + (1 - memory) * P`,
//! with P the price that was shown or paid, a share of the list price. The log-hazard of an order gains `gain_weight *
//! max(0, (R - P) / R) - loss_weight * max(0, (P - R) / R)` at today's price; the logit of ordering after a click
//! gains the same at the price of the message (docs/market.md 6.22). Frequent deals lower R, and then the full price
//! is a loss.
//!
//! Source: Kalyanaram & Winer (1995) and Mazumdar, Raj & Sinha (2005) for the smoothed memory; Hardie, Johnson & Fader
//! (1993) for the weight of losses.
//!
//! Assumptions: `gain_weight` 0.2, small beside the elasticity; losses weigh 1.7 times as much as gains. With more, the
//! resentment of all who only saw an offer takes back more than half of what the offer sold, whatever its depth.
//!
//! Differences from the sources: (1) R forgets: its distance from 1 halves every `recovery_half_life_days`, so that no
//! promotion has an effect for ever; (2) one reference for all that is sold; (3) a message that is opened counts as a
//! price seen, whether or not its coupon is remembered.

use super::{Contacts, MessagePredictors, ModuleBuild, Order, ResponseModule, Responses, View};
use crate::math::decay;
use crate::registry::{Entry, Parameter, Range, Value};
use multiversion::multiversion;

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "price_reference",
    summary: "prices seen and paid set what a price is compared with; a rise weighs more than a cut",
    source: "Kalyanaram & Winer (1995); Mazumdar et al. (2005); Hardie et al. (1993); docs/market.md 6.22",
    parameters: &[
        Parameter::number(
            "memory",
            0.7,
            Range::half_open(0.0, 1.0),
            "share of the old reference kept when a price is seen",
        ),
        Parameter::number("gain_weight", 0.2, Range::NON_NEGATIVE, "log-hazard per share below the reference"),
        Parameter::number("loss_weight", 0.34, Range::NON_NEGATIVE, "off the log-hazard per share above the reference"),
        Parameter::number(
            "recovery_half_life_days",
            60.0,
            Range::POSITIVE,
            "time in which the reference goes back half of the way to the list price",
        ),
    ],
    build: ModuleBuild {
        create: |values, surroundings| {
            Ok(Box::new(PriceReference {
                memory: values.number("memory") as f32,
                gain: values.number("gain_weight") as f32,
                loss: values.number("loss_weight") as f32,
                kept: decay(values.number("recovery_half_life_days"), surroundings.tick_days),
            }))
        },
        neutral: || vec![("gain_weight", Value::Number(0.0)), ("loss_weight", Value::Number(0.0))],
    },
};

#[derive(Debug)]
struct PriceReference {
    memory: f32,
    gain: f32,
    loss: f32,
    kept: f32,
}

/// What a price is worth beside the reference `1 - gap`.
#[inline(always)]
fn utility(gain: f32, loss: f32, gap: f32, price: f32) -> f32 {
    let reference = 1.0 - gap;
    let below = (reference - price) / reference;
    gain * below.max(0.0) - loss * (-below).max(0.0)
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn add_utilities(gain: f32, loss: f32, gaps: &[f32], prices: &[f32], sums: &mut [f32]) {
    for ((sum, gap), price) in sums.iter_mut().zip(gaps).zip(prices) {
        *sum += utility(gain, loss, *gap, *price);
    }
}

impl PriceReference {
    /// The gap `1 - R` once a price with this discount has been seen.
    fn seen(&self, gap: f32, discount: f32) -> f32 {
        self.memory * gap + (1.0 - self.memory) * discount
    }
}

/// The one column is `1 - R`: 0 at the list price.
impl ResponseModule for PriceReference {
    fn columns(&self) -> usize {
        1
    }

    fn state(&self) -> &'static [(usize, &'static str)] {
        &[(0, "price_gap")]
    }

    fn state_after_order(&self, _column: usize, gap: f32, _quantity: f32, discount: f32) -> f32 {
        self.seen(gap, discount)
    }

    fn contribute_to_messages(&self, view: &View<'_>, contacts: &Contacts, predictors: &mut MessagePredictors) {
        for (index, &row) in contacts.rows.iter().enumerate() {
            let price = 1.0 - contacts.messages[index].discount;
            predictors.convert[index] += utility(self.gain, self.loss, view.columns[0][row as usize], price);
        }
    }

    fn advance(&self, _view: &View<'_>, contacts: &Contacts, responses: &Responses, next: &mut [Vec<f32>]) {
        for gap in &mut next[0] {
            *gap *= self.kept;
        }
        for (index, &row) in contacts.rows.iter().enumerate() {
            if responses.opened[index] {
                let gap = &mut next[0][row as usize];
                *gap = self.seen(*gap, contacts.messages[index].discount);
            }
        }
    }

    fn contribute_to_orders(&self, view: &View<'_>, log_hazard: &mut [f32]) {
        add_utilities(self.gain, self.loss, &view.columns[0], view.prices, log_hazard);
    }

    fn after_orders(&self, _view: &View<'_>, orders: &[Order], next: &mut [Vec<f32>]) {
        for order in orders {
            let gap = &mut next[0][order.row as usize];
            *gap = self.seen(*gap, order.discount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::people::People;

    fn module() -> PriceReference {
        PriceReference { memory: 0.7, gain: 0.5, loss: 0.85, kept: decay(90.0, 1.0) }
    }

    #[test]
    fn three_deals_make_the_full_price_a_loss_that_fades() {
        let people = People { order_rate: vec![0.1], ..People::default() };
        let mut columns = vec![vec![0.0]];
        let deal = Order { row: 0, discount: 0.2, quantity: 1.0, revenue: 8.0 };
        for _ in 0..3 {
            module().after_orders(&View::bare(&people, &[]), &[deal], &mut columns);
        }
        // R = 1 - 0.2 * (1 - 0.7^3) = 0.8686; the full price is 15.128 % above it.
        assert!((columns[0][0] - 0.1314).abs() < 1e-6, "{columns:?}");
        let mut log_hazard = [0.0];
        module().contribute_to_orders(&View::bare(&people, &columns), &mut log_hazard);
        assert!((log_hazard[0] + 0.85 * 0.151_278).abs() < 1e-5, "{log_hazard:?}");
        // Another fifth off is a gain of (0.8686 - 0.8) / 0.8686 only, where the first was one of 0.2.
        assert!((utility(0.5, 0.85, columns[0][0], 0.8) - 0.5 * 0.078_978).abs() < 1e-5);
        assert!((utility(0.5, 0.85, 0.0, 0.8) - 0.1).abs() < 1e-6);
        for _ in 0..90 {
            module().advance(&View::bare(&people, &[]), &Contacts::default(), &Responses::default(), &mut columns);
        }
        assert!((columns[0][0] - 0.0657).abs() < 1e-5);
    }

    #[test]
    fn losses_weigh_more_than_gains_of_the_same_size() {
        let (gap, step) = (0.2, 0.1);
        let gain = utility(0.5, 0.85, gap, 0.8 - step);
        let loss = utility(0.5, 0.85, gap, 0.8 + step);
        assert!((-loss / gain - 1.7).abs() < 1e-5);
        assert_eq!(utility(0.5, 0.85, 0.0, 1.0), 0.0);
    }
}
