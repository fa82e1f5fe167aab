//! Counts that tell members of a group from others, for the gaps that fairness is judged by (docs/market.md 6.26).

use crate::market::people::People;
use crate::protocol::{Kpi, Tally};
use crate::response::Contacts;

/// Counts members, and what is sent to them and to all.
pub fn count(people: &People, contacts: &Contacts, tally: &mut Tally) {
    tally.add(Kpi::GroupConsumers, people.group.iter().filter(|member| **member).count() as i64);
    for (&row, message) in contacts.rows.iter().zip(&contacts.messages) {
        let millionths = (f64::from(message.discount) * 1e6).round() as i64;
        tally.add(Kpi::OfferedDiscountMillionths, millionths);
        if people.group[row as usize] {
            tally.add(Kpi::GroupMessages, 1);
            tally.add(Kpi::GroupOfferedDiscountMillionths, millionths);
        }
    }
}
