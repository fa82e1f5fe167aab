//! Why a consumer may not get a message: the rules behind the mask, one by one, in words.

use super::{MaskRules, Today};
use crate::environment::campaign::state::State;
use crate::market::catalogue::Catalogue;
use crate::market::people::People;
use crate::protocol::Forbidden;

/// What is asked about one row.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What can be sent.
    pub catalogue: &'a Catalogue,
    /// Fixed traits.
    pub people: &'a People,
    /// State of the shard.
    pub state: &'a State,
    /// Now.
    pub today: Today,
    /// The row.
    pub row: usize,
    /// Whether the budget lets the row have actions that cost money.
    pub affords: bool,
}

impl MaskRules {
    /// The rules that forbid something to a row; together they forbid what [`MaskRules::write`] does.
    #[must_use]
    pub fn reasons(&self, asked: &Asked<'_>) -> Vec<Forbidden> {
        let mut reasons = Vec::new();
        let mut add = |holds: bool, words: &[u64], rule: String| {
            let actions = actions_of(words);
            if holds && !actions.is_empty() {
                reasons.push(Forbidden { rule, actions });
            }
        };
        let Asked { people, state, today, row, .. } = *asked;
        add(people.suppressed[row], &self.contacts, "on the suppression list".to_owned());
        add(people.minor[row], &self.contacts, "a minor".to_owned());
        add(!state.is_here(row), &self.contacts, "not yet a customer".to_owned());
        for (channel, (words, figures)) in self.channels.iter().zip(&asked.catalogue.channels).enumerate() {
            let name = &figures.name;
            add(state.consent[row] >> channel & 1 == 0, words, format!("no consent to {name}"));
            add(state.address[row] >> channel & 1 == 0, words, format!("no address for {name}"));
        }
        let offset = people.clock_offset_hours[row].rem_euclid(24) as usize;
        let asleep: Vec<u64> = self.awake[offset].iter().zip(&self.contacts).map(|(awake, all)| !awake & all).collect();
        add(true, &asleep, "quiet hours".to_owned());
        if let Some(hour) = today.hour {
            let slot = &self.hours[usize::from(hour)];
            let others: Vec<u64> = slot.iter().zip(&self.contacts).map(|(slot, all)| !slot & all).collect();
            add(true, &others, format!("it is {hour} o'clock, and the message is for another hour"));
        }
        let gap_days = self.gap_days.count_ones();
        let is_recent = state.sent_on_any(row) & self.gap_days != 0;
        add(is_recent, &self.contacts, format!("a message in the last {}", days(gap_days)));
        for cap in &self.caps {
            let (sent, words, channel) = match cap.channel {
                None => (state.sent_on_any(row), &self.contacts, "any channel"),
                Some(channel) => {
                    let name = asked.catalogue.channels[channel].name.as_str();
                    (state.sent_on(row, channel), &self.channels[channel], name)
                }
            };
            let is_full = (sent & cap.days).count_ones() >= cap.messages;
            let window = days(cap.days.count_ones());
            add(is_full, words, format!("cap of {} on {channel} in {window}", cap.messages));
        }
        let has_coupon = self.one_live_coupon && state.has_coupon(row, today.tick);
        add(has_coupon, &self.discounted, "an opened coupon is still valid".to_owned());
        add(!asked.affords, &self.paid, "the rest of the budget goes to others today".to_owned());
        reasons
    }
}

fn days(count: u32) -> String {
    if count == 1 { "1 day".to_owned() } else { format!("{count} days") }
}

/// The actions whose bits are set, ascending.
fn actions_of(words: &[u64]) -> Vec<u16> {
    let bits = words.iter().enumerate().flat_map(|(index, word)| {
        (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| (index * 64 + bit) as u16)
    });
    bits.collect()
}
