//! Waking: a message reminds some customers that they meant to leave.
//!
//! A consumer whose persuadability is below 0 and who opens a message leaves for good with `probability`
//! (docs/market.md 6.11). Source: Ascarza, Iyengar & Schleicher (2016), where customers whom a firm wrote to in order to
//! keep them left more often (10 % against 6 %).
//!
//! Differences from the source: (1) leaving hangs on one trait, persuadability below 0; (2) it strikes on the day of the
//! opened message, after the orders of that day, at the same chance for each message. The default, .002 for each opened
//! message, is an assumption.

use super::{Contacts, ModuleBuild, ResponseModule, Responses, View};
use crate::random::Purpose;
use crate::registry::{Entry, Parameter, Range, Value};

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "wake",
    summary: "sleeping dogs: an opened message makes some who are put off by messages leave for good",
    source: "Ascarza, Iyengar & Schleicher (2016); docs/market.md 6.11",
    parameters: &[Parameter::number(
        "probability",
        0.002,
        Range::PROBABILITY,
        "probability of leaving for each opened message, where persuadability is below 0",
    )],
    build: ModuleBuild {
        create: |values, _| Ok(Box::new(Wake { probability: values.number("probability") as f32 })),
        neutral: || vec![("probability", Value::Number(0.0))],
    },
};

#[derive(Debug)]
struct Wake {
    probability: f32,
}

impl ResponseModule for Wake {
    fn lose(&self, view: &View<'_>, contacts: &Contacts, responses: &Responses, leaving: &mut Vec<u32>) {
        for (&row, opened) in contacts.rows.iter().zip(&responses.opened) {
            if *opened && view.people.persuadability[row as usize] < 0.0 {
                let uniform = view.seed.uniforms(Purpose::Wake, view.first + row, view.tick as u32, 0)[0];
                if uniform < self.probability {
                    leaving.push(row);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::market::people::People;
    use crate::registry::Values;

    #[test]
    fn only_the_put_off_who_open_leave_and_as_often_as_stated() {
        let catalogue = testing::catalogue(&[("email", "email")], &[]);
        let lost = |probability: f64, ticks: i32| {
            let values = Values::defaults(ENTRY.parameters).with("probability", Value::Number(probability));
            let module = testing::build(&ENTRY, &values, &catalogue).unwrap();
            let people = People {
                order_rate: vec![0.1; 60],
                persuadability: (0..60).map(|row| if row < 30 { -0.5 } else { 0.5 }).collect(),
                ..People::default()
            };
            let rows: Vec<u32> = (0..60).collect();
            let contacts = testing::sent(&catalogue, 0, 0, &rows);
            let mut responses = testing::opened(60, false);
            responses.opened[..10].fill(false);
            let mut leaving = Vec::new();
            for tick in 0..ticks {
                let view = View { tick, ..View::bare(&people, &[]) };
                module.lose(&view, &contacts, &responses, &mut leaving);
            }
            leaving
        };
        assert_eq!(lost(1.0, 1), (10..30).collect::<Vec<u32>>());
        assert_eq!(lost(0.0, 100), Vec::<u32>::new());
        // 20 rows x 5,000 ticks at .01: 1,000, standard error 31.
        let count = lost(0.01, 5_000).len();
        assert!((count as f64 - 1_000.0).abs() < 4.0 * 31.5, "{count}");
    }
}
