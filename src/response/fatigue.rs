//! Fatigue: every delivered message tires, across channels, and the tired open less and leave more.
//!
//! `F <- F * rho + intrusiveness_c * delivered * (1 + quiet_weight * in quiet hours)` with a half-life of a week;
//! `weight * iota_i * F` comes off the logits of opening and clicking and onto those of withdrawing consent and complaining
//! (docs/market.md 6.3). Godfrey, Seiders & Voss (2011): contact adds up over channels.
//!
//! Differences from the source: (1) one number for all channels, linear in the logits; (2) quiet hours are 21 to 8 on the
//! consumer's clock whether or not a scenario forbids them, so that a market punishes what a constraint would prevent.

use super::{Contacts, MessagePredictors, ModuleBuild, ResponseModule, Responses, Signal, View};
use crate::math::decay;
use crate::registry::{Entry, Parameter, Range, Value};

const QUIET_FROM: u8 = 21;
const QUIET_TO: u8 = 8;

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "fatigue",
    summary: "messages tire across channels: fewer opens and clicks, more opt-outs and complaints",
    source: "Godfrey, Seiders & Voss (2011); docs/market.md 6.3",
    parameters: &[
        Parameter::number("half_life_days", 7.0, Range::POSITIVE, "time in which fatigue halves"),
        Parameter::number("strength", 1.0, Range::closed(0.0, 1e3), "multiplies what a message adds to fatigue"),
        Parameter::number("open_weight", 0.06, Range::NON_NEGATIVE, "off the logit of opening, per unit of fatigue"),
        Parameter::number("click_weight", 0.03, Range::NON_NEGATIVE, "off the logit of clicking, per unit of fatigue"),
        Parameter::number("opt_out_weight", 0.11, Range::NON_NEGATIVE, "onto the logit of withdrawing consent"),
        Parameter::number("complaint_weight", 0.11, Range::NON_NEGATIVE, "onto the logit of complaining"),
        Parameter::number(
            "quiet_hours_weight",
            1.0,
            Range::NON_NEGATIVE,
            "extra fatigue of a message between 21 and 8 h",
        ),
    ],
    build: ModuleBuild {
        create: |values, surroundings| {
            let weight = |key| values.number(key) as f32;
            Ok(Box::new(Fatigue {
                kept: decay(values.number("half_life_days"), surroundings.tick_days),
                open: weight("open_weight"),
                click: weight("click_weight"),
                opt_out: weight("opt_out_weight"),
                complaint: weight("complaint_weight"),
                quiet: weight("quiet_hours_weight"),
                intrusiveness: (surroundings.catalogue.channels.iter())
                    .map(|channel| weight("strength") * channel.intrusiveness)
                    .collect(),
            }))
        },
        // No fatigue at all, so that other modules, which read it as a signal, meet none either.
        neutral: || vec![("strength", Value::Number(0.0))],
    },
};

#[derive(Debug)]
struct Fatigue {
    kept: f32,
    open: f32,
    click: f32,
    opt_out: f32,
    complaint: f32,
    quiet: f32,
    intrusiveness: Vec<f32>,
}

impl ResponseModule for Fatigue {
    fn state(&self) -> &'static [(usize, &'static str)] {
        &[(0, "fatigue")]
    }

    fn signals(&self) -> &[(Signal, usize)] {
        &[(Signal::Fatigue, 0)]
    }

    fn columns(&self) -> usize {
        1
    }

    fn contribute_to_messages(&self, view: &View<'_>, contacts: &Contacts, predictors: &mut MessagePredictors) {
        let fatigue = &view.columns[0];
        for (index, &row) in contacts.rows.iter().enumerate() {
            let tired = view.people.irritability[row as usize] * fatigue[row as usize];
            predictors.open[index] -= self.open * tired;
            predictors.click[index] -= self.click * tired;
            predictors.opt_out[index] += self.opt_out * tired;
            predictors.complain[index] += self.complaint * tired;
        }
    }

    fn advance(&self, _view: &View<'_>, contacts: &Contacts, responses: &Responses, next: &mut [Vec<f32>]) {
        for value in &mut next[0] {
            *value *= self.kept;
        }
        for (index, &row) in contacts.rows.iter().enumerate() {
            if responses.delivered[index] {
                let hour = contacts.local_hours[index];
                let quiet = if !(QUIET_TO..QUIET_FROM).contains(&hour) { self.quiet } else { 0.0 };
                let channel = usize::from(contacts.messages[index].channel);
                next[0][row as usize] += self.intrusiveness[channel] * (1.0 + quiet);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::people::People;
    use crate::registry::Values;

    #[test]
    fn two_messages_in_a_week_tire_as_stated() {
        let catalogue = crate::market::catalogue::Catalogue::new(
            vec![(channel("email"), &Values::default())],
            &[],
            &[],
            &Values::defaults(crate::market::catalogue::SLOTS),
        )
        .unwrap();
        let surroundings = crate::response::Surroundings {
            catalogue: &catalogue,
            tick_days: 1.0,
            coupon_ticks: 7,
            history_ticks: 0,
            horizon: 30,
        };
        let module = (ENTRY.build.create)(&Values::defaults(ENTRY.parameters), &surroundings).unwrap();
        let people = People { order_rate: vec![0.1], irritability: vec![2.0], ..People::default() };
        let contacts = Contacts { rows: vec![0], messages: vec![catalogue.messages[0]], local_hours: vec![12] };
        let mut responses = Responses::default();
        responses.reset(1);
        responses.delivered[0] = true;
        let mut columns = vec![vec![0.0]];
        let view = View::bare(&people, &[]);
        module.advance(&view, &contacts, &responses, &mut columns);
        for _ in 0..6 {
            module.advance(&view, &Contacts::default(), &Responses::default(), &mut columns);
        }
        module.advance(&view, &contacts, &responses, &mut columns);
        // A week halves the first message: 0.5 + 1.
        assert!((columns[0][0] - 1.5).abs() < 1e-5);
        let mut predictors = MessagePredictors::default();
        predictors.reset(1);
        module.contribute_to_messages(&View::bare(&people, &columns), &contacts, &mut predictors);
        assert!((predictors.open[0] + 0.06 * 3.0).abs() < 1e-5);
        assert!((predictors.opt_out[0] - 0.11 * 3.0).abs() < 1e-5);
    }

    fn channel(name: &str) -> crate::market::channel::Channel {
        let entry = crate::registry::find(crate::market::channel::CHANNELS, name).unwrap();
        (entry.build)(name, &Values::defaults(entry.parameters))
    }
}
