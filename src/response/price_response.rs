//! Price response: a discount makes orders likelier, more so for the elastic and the deal-prone.
//!
//! The utility of a discount in hand is `-e_i * ln(1 - discount) + d_i * deal_weight`; it enters the logit
//! of ordering after a click and, while a remembered coupon lives, the log-hazard of an order. A discount shown in the
//! message also adds `d_i * discount * click_weight` to the logit of clicking. Redemption gate (docs/market.md 6.4): a coupon
//! changes the price of an order that comes by itself only if the consumer remembers it, with probability
//! `sigmoid(logit(redemption_rate) + redemption_deal_weight * (d_i - 0.4))` (d has mean 0.4).
//!
//! Difference from the sources: (1) the gate, for which they give no law; whether a coupon is remembered is drawn once,
//! when it is opened, so that a consumer does not change their mind from day to day.

use super::{Contacts, MessagePredictors, ModuleBuild, ResponseModule, Responses, View};
use crate::market::people::People;
use crate::math::{ln, logit, sigmoid};
use crate::registry::{Entry, Parameter, Range, Value};

/// Mean of Beta(2, 3), the default law of deal-proneness: centres the redemption gate.
const DEAL_PRONENESS_CENTRE: f32 = 0.4;

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "price_response",
    summary: "discounts lift clicks and orders by elasticity and deal-proneness; coupons must be remembered",
    source: "Bijmolt, van Heerde & Pieters (2005); Sahni, Zou & Chintagunta (2017); docs/market.md 6.4",
    parameters: &[
        Parameter::number("elasticity_scale", 1.0, Range::NON_NEGATIVE, "multiplies the drawn price elasticity"),
        Parameter::number("deal_weight", 0.3, Range::NON_NEGATIVE, "log-hazard of a deal for the fully deal-prone"),
        Parameter::number(
            "click_weight",
            2.0,
            Range::NON_NEGATIVE,
            "logit of clicking per unit of discount x deal-proneness",
        ),
        Parameter::number(
            "redemption_rate",
            0.5,
            Range::PROBABILITY,
            "mean probability that an opened coupon is remembered",
        ),
        Parameter::number(
            "redemption_deal_weight",
            2.0,
            Range::NON_NEGATIVE,
            "logit of remembering per unit of deal-proneness",
        ),
    ],
    build: ModuleBuild {
        create: |values, surroundings| {
            let weight = |key| values.number(key) as f32;
            Ok(Box::new(PriceResponse {
                elasticity_scale: weight("elasticity_scale"),
                deal: weight("deal_weight"),
                click: weight("click_weight"),
                redemption_rate: weight("redemption_rate"),
                redemption_deal: weight("redemption_deal_weight"),
                coupon_ticks: surroundings.coupon_ticks as f32,
            }))
        },
        neutral: || {
            ["elasticity_scale", "deal_weight", "click_weight", "redemption_rate"]
                .into_iter()
                .map(|key| (key, Value::Number(0.0)))
                .collect()
        },
    },
};

/// Column: utility of the remembered coupon; 0 without one.
const UTILITY: usize = 0;
/// Column: ticks for which the coupon still lives.
const TICKS_LEFT: usize = 1;

#[derive(Debug)]
struct PriceResponse {
    elasticity_scale: f32,
    deal: f32,
    click: f32,
    redemption_rate: f32,
    redemption_deal: f32,
    coupon_ticks: f32,
}

impl PriceResponse {
    fn remembers(&self, deal_proneness: f32) -> f32 {
        if self.redemption_rate <= 0.0 {
            return 0.0;
        }
        let centred = deal_proneness - DEAL_PRONENESS_CENTRE;
        sigmoid(logit(self.redemption_rate.min(0.999_999)) + self.redemption_deal * centred)
    }
}

impl ResponseModule for PriceResponse {
    fn columns(&self) -> usize {
        2
    }

    fn contribute_to_messages(&self, view: &View<'_>, contacts: &Contacts, predictors: &mut MessagePredictors) {
        for (index, &row) in contacts.rows.iter().enumerate() {
            let discount = contacts.messages[index].discount;
            if discount > 0.0 {
                let proneness = view.people.deal_proneness[row as usize];
                predictors.click[index] += self.click * proneness * discount;
                predictors.convert[index] += self.price_utility(view.people, row as usize, discount);
                predictors.redeem[index] = self.remembers(proneness);
            }
        }
    }

    fn advance(&self, view: &View<'_>, contacts: &Contacts, responses: &Responses, next: &mut [Vec<f32>]) {
        let [utility, ticks_left] = next else { return };
        for (utility, ticks_left) in utility.iter_mut().zip(ticks_left.iter_mut()) {
            *ticks_left -= 1.0;
            *utility = if *ticks_left > 0.0 { *utility } else { 0.0 };
        }
        for (index, &row) in contacts.rows.iter().enumerate() {
            let discount = contacts.messages[index].discount;
            if responses.opened[index] && discount > 0.0 {
                // The newest coupon counts; one that is not remembered takes the place of one that was.
                let row = row as usize;
                let remembered = responses.redeeming[index];
                utility[row] = if remembered { self.price_utility(view.people, row, discount) } else { 0.0 };
                ticks_left[row] = self.coupon_ticks;
            }
        }
        debug_assert!(utility.len() == ticks_left.len());
    }

    fn contribute_to_orders(&self, view: &View<'_>, log_hazard: &mut [f32]) {
        debug_assert!(view.columns.len() == TICKS_LEFT + 1);
        for (sum, utility) in log_hazard.iter_mut().zip(&view.columns[UTILITY]) {
            *sum += utility;
        }
    }

    fn price_utility(&self, people: &People, row: usize, discount: f32) -> f32 {
        if discount <= 0.0 {
            return 0.0;
        }
        let elasticity = self.elasticity_scale * people.price_elasticity[row];
        self.deal * people.deal_proneness[row] - elasticity * ln(1.0 - discount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module() -> PriceResponse {
        PriceResponse {
            elasticity_scale: 1.0,
            deal: 0.3,
            click: 2.0,
            redemption_rate: 0.5,
            redemption_deal: 2.0,
            coupon_ticks: 7.0,
        }
    }

    #[test]
    fn a_fifth_off_at_elasticity_two_is_known() {
        let people = People { price_elasticity: vec![2.0], deal_proneness: vec![0.5], ..People::default() };
        // 0.3 * 0.5 + 2 * ln(1 / 0.8) = 0.15 + 0.446287
        assert!((module().price_utility(&people, 0, 0.2) - 0.596_287).abs() < 1e-6);
        assert_eq!(module().price_utility(&people, 0, 0.0), 0.0);
    }

    #[test]
    fn the_average_consumer_remembers_half_of_the_coupons() {
        assert!((module().remembers(0.4) - 0.5).abs() < 1e-6);
        assert!(module().remembers(0.9) > module().remembers(0.1));
    }
}
