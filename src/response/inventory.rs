//! Inventory: who has just bought needs nothing for a while, and a deal fills the cupboard for longer.
//!
//! `I <- I * rho`, half-life 30 days; an order adds `order_stock + (quantity - 1)`, and a discount multiplies the
//! quantity by `1 + stockpiling * d_i * discount`. `weight * I` comes off the log-hazard of an order and off the logit
//! of ordering after a click, so that part of what a promotion sells is missing later (docs/market.md 6.21).
//!
//! Source: Gupta (1988) for purchases moved in time and in quantity; van Heerde, Gupta & Wittink (2003) for the size of
//! what is paid back.
//!
//! Assumptions: the default `weight` is from a prototype; `order_stock` and `stockpiling` are set so that a promotion
//! pays back part of its bump within two months, and more of it the deeper it is. For a consumer who buys at the rate of
//! the average order, an order costs .07 of an order over days 9 to 60, and one with 20 % off .16 (see the tests). With
//! `stockpiling` 3 a discount of 20 % makes the basket of the average deal-prone consumer (d = 0.4) 24 % larger.
//!
//! Differences from the sources: (1) stock is in usual quantities, of everything at once, not of a brand or pack size;
//! (2) consumption is a constant share of the stock rather than an amount per day; (3) the stock lowers the rate of
//! buying, not the quantity.

use super::{Contacts, MessagePredictors, ModuleBuild, Order, ResponseModule, Responses, View};
use crate::math::decay;
use crate::registry::{Entry, Parameter, Range, Value};

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "inventory",
    summary: "orders fill a stock that lowers the next orders; discounts fill it further",
    source: "Gupta (1988); van Heerde, Gupta & Wittink (2003); docs/market.md 6.21",
    parameters: &[
        Parameter::number("half_life_days", 30.0, Range::POSITIVE, "time in which half of the stock is used up"),
        Parameter::number("weight", 0.9, Range::NON_NEGATIVE, "off the log-hazard of an order, per unit of stock"),
        Parameter::number("order_stock", 0.15, Range::NON_NEGATIVE, "stock left by an order of the usual quantity"),
        Parameter::number(
            "stockpiling",
            3.0,
            Range::NON_NEGATIVE,
            "further quantity per unit of discount x deal-proneness, share of the usual",
        ),
    ],
    build: ModuleBuild {
        create: |values, surroundings| {
            Ok(Box::new(Inventory {
                kept: decay(values.number("half_life_days"), surroundings.tick_days),
                weight: values.number("weight") as f32,
                order_stock: values.number("order_stock") as f32,
                stockpiling: values.number("stockpiling") as f32,
            }))
        },
        neutral: || vec![("weight", Value::Number(0.0)), ("stockpiling", Value::Number(0.0))],
    },
};

#[derive(Debug)]
struct Inventory {
    kept: f32,
    weight: f32,
    order_stock: f32,
    stockpiling: f32,
}

impl ResponseModule for Inventory {
    fn columns(&self) -> usize {
        1
    }

    fn state(&self) -> &'static [(usize, &'static str)] {
        &[(0, "stock")]
    }

    fn state_after_order(&self, _column: usize, stock: f32, quantity: f32, _discount: f32) -> f32 {
        stock + self.order_stock + (quantity - 1.0)
    }

    fn contribute_to_messages(&self, view: &View<'_>, contacts: &Contacts, predictors: &mut MessagePredictors) {
        for (convert, &row) in predictors.convert.iter_mut().zip(&contacts.rows) {
            *convert -= self.weight * view.columns[0][row as usize];
        }
    }

    fn advance(&self, _view: &View<'_>, _contacts: &Contacts, _responses: &Responses, next: &mut [Vec<f32>]) {
        for stock in &mut next[0] {
            *stock *= self.kept;
        }
    }

    fn contribute_to_orders(&self, view: &View<'_>, log_hazard: &mut [f32]) {
        for (sum, stock) in log_hazard.iter_mut().zip(&view.columns[0]) {
            *sum -= self.weight * stock;
        }
    }

    fn moves_quantity(&self) -> bool {
        true
    }

    fn quantity_factor(&self, view: &View<'_>, row: usize, discount: f32) -> f32 {
        1.0 + self.stockpiling * view.people.deal_proneness[row] * discount
    }

    fn after_orders(&self, _view: &View<'_>, orders: &[Order], next: &mut [Vec<f32>]) {
        for order in orders {
            next[0][order.row as usize] += self.order_stock + (order.quantity - 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::people::People;

    fn module() -> Inventory {
        Inventory { kept: decay(30.0, 1.0), weight: 0.9, order_stock: 0.15, stockpiling: 3.0 }
    }

    #[test]
    fn a_deal_fills_the_stock_and_a_month_halves_it() {
        let people = People { order_rate: vec![0.1], deal_proneness: vec![0.4], ..People::default() };
        // A fifth off: 1 + 3 * 0.4 * 0.2 = 1.24 usual quantities, 0.15 + 0.24 of stock.
        let quantity = module().quantity_factor(&View::bare(&people, &[]), 0, 0.2);
        assert!((quantity - 1.24).abs() < 1e-6);
        assert_eq!(module().quantity_factor(&View::bare(&people, &[]), 0, 0.0), 1.0);
        let mut columns = vec![vec![0.0]];
        let order = Order { row: 0, discount: 0.2, quantity, revenue: 10.0 };
        module().after_orders(&View::bare(&people, &[]), &[order], &mut columns);
        for _ in 0..30 {
            module().advance(&View::bare(&people, &[]), &Contacts::default(), &Responses::default(), &mut columns);
        }
        assert!((columns[0][0] - 0.195).abs() < 1e-5, "{columns:?}");
        let mut log_hazard = [0.0];
        module().contribute_to_orders(&View::bare(&people, &columns), &mut log_hazard);
        assert!((log_hazard[0] + 0.9 * 0.195).abs() < 1e-5);
    }

    #[test]
    fn an_order_brought_forward_is_paid_back_in_part() {
        // Orders are spread over consumers in proportion to their rate, so the rate behind the average order is that of
        // Gamma(r + 1, alpha): 1.55 / 10.6 a week. What it loses over days 9 to 60, by the law of the module alone.
        let rate = 1.55 / 10.6 / 7.0;
        let module = module();
        let paid_back = |discount: f32| {
            let mut stock = module.order_stock + module.stockpiling * 0.4 * discount;
            let mut lost = 0.0;
            for day in 1..=60 {
                stock *= module.kept;
                if day >= 9 {
                    lost += rate * (1.0 - libm::exp(-f64::from(module.weight * stock)));
                }
            }
            lost
        };
        assert!((paid_back(0.0) - 0.068).abs() < 0.001, "{}", paid_back(0.0));
        assert!((0.1..0.5).contains(&paid_back(0.2)) && paid_back(0.4) > paid_back(0.2), "{}", paid_back(0.2));
    }
}
