//! Awareness: whoever sees messages, or hears of the shop from others, keeps it in mind; else it is forgotten.
//!
//! `K <- K * rho`, half-life 60 days, then `K += learning_share * (1 - K)` for an opened message and
//! `K += word_of_mouth_share * (1 - K) * min(1, Y)` with Y what neighbours say. The log-hazard of an order gains
//! `order_weight * ln((K + floor) / (reference + floor))`, the logit of opening `open_weight * (K - reference)`
//! (docs/market.md 6.8). Source: Vidale & Wolfe (1957), the response to advertising in proportion to those not yet reached
//! and decay in proportion to those who are.
//!
//! Two e-mails a week with an open rate of a quarter hold K near the reference, 0.5. Assumptions: all figures.
//!
//! Differences from the source: (1) a share of attention of one person in place of the share of a market; (2) jumps by
//! messages in place of a rate of spending; (3) decay goes before learning within a tick, so that K never leaves [0, 1];
//! (4) orders do not refresh awareness.

use super::{Contacts, MessagePredictors, ModuleBuild, ResponseModule, Responses, Signal, View};
use crate::market::people::People;
use crate::math::{decay, ln};
use crate::random::Seed;
use crate::registry::{Entry, Parameter, Range, Value};
use multiversion::multiversion;

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "awareness",
    summary: "messages and word of mouth keep the shop in mind; who forgets it orders and opens less",
    source: "Vidale & Wolfe (1957); docs/market.md 6.8",
    parameters: &[
        Parameter::number("half_life_days", 60.0, Range::POSITIVE, "time in which awareness halves"),
        Parameter::number(
            "learning_share",
            0.15,
            Range::PROBABILITY,
            "share of the missing awareness that an opened message gives",
        ),
        Parameter::number(
            "word_of_mouth_share",
            0.1,
            Range::PROBABILITY,
            "share of the missing awareness that talk of the neighbours gives",
        ),
        Parameter::number("reference", 0.5, Range::PROBABILITY, "awareness at which nothing is added"),
        Parameter::optional_number("start", Range::PROBABILITY, "awareness at the start; the reference where absent"),
        Parameter::number("floor", 0.1, Range::closed(1e-3, 1e3), "keeps the forgotten from never ordering"),
        Parameter::number(
            "order_weight",
            0.1,
            Range::closed(0.0, 10.0),
            "log-hazard of an order per logarithm of awareness",
        ),
        Parameter::number("open_weight", 0.5, Range::closed(0.0, 10.0), "logit of opening per unit of awareness"),
    ],
    build: ModuleBuild {
        create: |values, surroundings| {
            let number = |key| values.number(key) as f32;
            let floor = number("floor");
            Ok(Box::new(Awareness {
                kept: decay(values.number("half_life_days"), surroundings.tick_days),
                learning: number("learning_share"),
                word_of_mouth: number("word_of_mouth_share"),
                reference: number("reference"),
                start: values.optional_number("start").map_or(number("reference"), |start| start as f32),
                floor,
                reference_log: ln(number("reference") + floor),
                order: number("order_weight"),
                open: number("open_weight"),
            }))
        },
        neutral: || vec![("order_weight", Value::Number(0.0)), ("open_weight", Value::Number(0.0))],
    },
};

#[derive(Debug)]
struct Awareness {
    kept: f32,
    learning: f32,
    word_of_mouth: f32,
    reference: f32,
    start: f32,
    floor: f32,
    reference_log: f32,
    order: f32,
    open: f32,
}

impl ResponseModule for Awareness {
    fn columns(&self) -> usize {
        1
    }

    fn state(&self) -> &'static [(usize, &'static str)] {
        &[(0, "awareness")]
    }

    fn start(&self, _seed: Seed, _first: u32, _people: &People, columns: &mut [Vec<f32>]) {
        columns[0].fill(self.start);
    }

    fn contribute_to_messages(&self, view: &View<'_>, contacts: &Contacts, predictors: &mut MessagePredictors) {
        for (open, &row) in predictors.open.iter_mut().zip(&contacts.rows) {
            *open += self.open * (view.columns[0][row as usize] - self.reference);
        }
    }

    fn advance(&self, view: &View<'_>, contacts: &Contacts, responses: &Responses, next: &mut [Vec<f32>]) {
        let awareness = &mut next[0];
        for value in awareness.iter_mut() {
            *value *= self.kept;
        }
        for (value, talk) in awareness.iter_mut().zip(view.signals.column(Signal::WordOfMouth)) {
            *value += self.word_of_mouth * (1.0 - *value) * talk.min(1.0);
        }
        for (&row, opened) in contacts.rows.iter().zip(&responses.opened) {
            let value = &mut awareness[row as usize];
            *value += if *opened { self.learning * (1.0 - *value) } else { 0.0 };
        }
    }

    fn contribute_to_orders(&self, view: &View<'_>, log_hazard: &mut [f32]) {
        add_awareness(log_hazard, &view.columns[0], self.order, self.floor, self.reference_log);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn add_awareness(log_hazard: &mut [f32], awareness: &[f32], weight: f32, floor: f32, reference_log: f32) {
    for (sum, awareness) in log_hazard.iter_mut().zip(awareness) {
        *sum += weight * (ln(awareness + floor) - reference_log);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Signals, testing};
    use super::*;

    fn people(count: usize) -> People {
        People { order_rate: vec![0.1; count], ..People::default() }
    }

    #[test]
    fn forgetting_learning_and_talk_are_as_stated() {
        let module = testing::default(&ENTRY);
        let catalogue = testing::catalogue(&[("email", "email")], &[]);
        let people = people(3);
        let mut columns = vec![vec![0.0; 3]];
        module.start(Seed::new(1), 0, &people, &mut columns);
        assert_eq!(columns[0], [0.5; 3]);
        let quiet = View::bare(&people, &[]);
        for _ in 0..59 {
            module.advance(&quiet, &Contacts::default(), &Responses::default(), &mut columns);
        }
        let talk = [0.0, 0.0, 7.0];
        let view = View { signals: Signals::only(Signal::WordOfMouth, &talk), ..quiet };
        module.advance(&view, &testing::sent(&catalogue, 0, 0, &[1]), &testing::opened(1, false), &mut columns);
        // 60 days halve; an opened message gives 15 % of the missing, much talk 10 %.
        for (value, expected) in columns[0].iter().zip([0.25, 0.25 + 0.15 * 0.75, 0.25 + 0.10 * 0.75]) {
            assert!((value - expected).abs() < 1e-5, "{columns:?}");
        }
    }

    #[test]
    fn the_reference_adds_exactly_nothing_and_the_forgotten_order_less() {
        let module = testing::default(&ENTRY);
        let columns = [vec![0.5, 0.0, 1.0]];
        let people = people(3);
        let view = View::bare(&people, &columns);
        let mut log_hazard = [0.0; 3];
        module.contribute_to_orders(&view, &mut log_hazard);
        assert_eq!(log_hazard[0], 0.0);
        // 0.1 * ln(0.1 / 0.6); 0.1 * ln(1.1 / 0.6).
        assert!((log_hazard[1] + 0.179_176).abs() < 1e-6 && (log_hazard[2] - 0.060_614).abs() < 1e-6);
        let catalogue = testing::catalogue(&[("email", "email")], &[]);
        let mut predictors = MessagePredictors::default();
        predictors.reset(3);
        module.contribute_to_messages(&view, &testing::sent(&catalogue, 0, 0, &[0, 1, 2]), &mut predictors);
        assert_eq!(predictors.open, [0.0, -0.25, 0.25]);
    }

    #[test]
    fn awareness_stays_within_zero_and_one_and_two_emails_a_week_hold_it() {
        let module = testing::default(&ENTRY);
        let catalogue = testing::catalogue(&[("email", "email")], &[]);
        let people = people(2);
        let view = View::bare(&people, &[]);
        let mut columns = vec![vec![1.0, 0.5]];
        let (mut sum, mut days) = (0.0, 0);
        for day in 0..700 {
            // Row 0 opens every day; row 1 opens every other week, which is a quarter of two e-mails a week.
            let rows: &[u32] = if day % 14 == 0 { &[0, 1] } else { &[0] };
            let responses = testing::opened(rows.len(), false);
            module.advance(&view, &testing::sent(&catalogue, 0, 0, rows), &responses, &mut columns);
            assert!((0.0..=1.0).contains(&columns[0][0]));
            if day >= 350 {
                sum += columns[0][1];
                days += 1;
            }
        }
        // Between two jumps K falls to K * 2^(-14/60) and regains .15 of what is missing; the mean over days is .503.
        assert!((sum / days as f32 - 0.503).abs() < 0.002, "{}", sum / days as f32);
    }
}
