//! Persuadability: an opened or clicked message activates for a few days, and activation moves the purchase rate.
//!
//! `B <- B * rho + open_weight * opened + click_weight * clicked`, half-life 2 days; the log-hazard of an order gains
//! `beta_i * B` (docs/market.md 6.5). beta may be negative: some are put off (Ascarza 2018).

use super::{Contacts, ModuleBuild, ResponseModule, Responses, View};
use crate::math::decay;
use crate::registry::{Entry, Parameter, Range, Value};

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "persuadability",
    summary: "opened and clicked messages activate for days; persons differ in what activation does to their purchases",
    source: "Ascarza (2018); carry-over as in Sahni, Zou & Chintagunta (2017); docs/market.md 6.5",
    parameters: &[
        Parameter::number("half_life_days", 2.0, Range::POSITIVE, "time in which activation halves"),
        Parameter::number("open_weight", 0.10, Range::NON_NEGATIVE, "activation by an opened message"),
        Parameter::number("click_weight", 0.60, Range::NON_NEGATIVE, "further activation by a click"),
    ],
    build: ModuleBuild {
        create: |values, surroundings| {
            Ok(Box::new(Persuadability {
                kept: decay(values.number("half_life_days"), surroundings.tick_days),
                open: values.number("open_weight") as f32,
                click: values.number("click_weight") as f32,
            }))
        },
        neutral: || vec![("open_weight", Value::Number(0.0)), ("click_weight", Value::Number(0.0))],
    },
};

#[derive(Debug)]
struct Persuadability {
    kept: f32,
    open: f32,
    click: f32,
}

impl ResponseModule for Persuadability {
    fn columns(&self) -> usize {
        1
    }

    fn state(&self) -> &'static [(usize, &'static str)] {
        &[(0, "activation")]
    }

    fn advance(&self, _view: &View<'_>, contacts: &Contacts, responses: &Responses, next: &mut [Vec<f32>]) {
        for value in &mut next[0] {
            *value *= self.kept;
        }
        for (index, &row) in contacts.rows.iter().enumerate() {
            let opened = if responses.opened[index] { self.open } else { 0.0 };
            let clicked = if responses.clicked[index] { self.click } else { 0.0 };
            next[0][row as usize] += opened + clicked;
        }
    }

    fn contribute_to_orders(&self, view: &View<'_>, log_hazard: &mut [f32]) {
        for ((sum, beta), activation) in log_hazard.iter_mut().zip(&view.people.persuadability).zip(&view.columns[0]) {
            *sum += beta * activation;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::catalogue::Message;
    use crate::market::people::People;
    use crate::units::Money;

    #[test]
    fn a_click_raises_the_hazard_and_fades_by_half_in_its_half_life() {
        let module = Persuadability { kept: decay(7.0, 1.0), open: 0.25, click: 1.0 };
        let people = People { order_rate: vec![0.1; 2], persuadability: vec![0.4, -0.4], ..People::default() };
        let message = Message { channel: 0, hour: 12, offer: 0, creative: 0, discount: 0.0, cost: Money::ZERO };
        let contacts = Contacts { rows: vec![0, 1], messages: vec![message; 2], local_hours: vec![12; 2] };
        let mut responses = Responses::default();
        responses.reset(2);
        responses.opened = vec![true, true];
        responses.clicked = vec![true, false];
        let mut columns = vec![vec![0.0; 2]];
        module.advance(&View::bare(&people, &[]), &contacts, &responses, &mut columns);
        assert_eq!(columns[0], [1.25, 0.25]);
        for _ in 0..7 {
            module.advance(&View::bare(&people, &[]), &Contacts::default(), &Responses::default(), &mut columns);
        }
        assert!((columns[0][0] - 0.625).abs() < 1e-6, "{columns:?}");
        let mut log_hazard = vec![0.0; 2];
        module.contribute_to_orders(&View::bare(&people, &columns), &mut log_hazard);
        // Whom messages put off buys less.
        assert!(
            (log_hazard[0] - 0.4 * 0.625).abs() < 1e-6 && (log_hazard[1] + 0.4 * 0.125).abs() < 1e-6,
            "{log_hazard:?}"
        );
    }
}
