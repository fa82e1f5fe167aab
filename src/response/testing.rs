//! What the tests of modules share: a small catalogue, modules made from it, messages and what became of them.

use super::{Contacts, ModuleBuild, ResponseModule, Responses, Surroundings};
use crate::market::catalogue::{CREATIVE, Catalogue, SLOTS};
use crate::market::channel::{CHANNELS, Channel};
use crate::registry::{Entry, Refusal, Value, Values, find};

fn channel(kind: &str, name: &str) -> Channel {
    let entry = find(CHANNELS, kind).unwrap();
    (entry.build)(name, &Values::defaults(entry.parameters))
}

/// Channels by kind and name; creatives by the keys of their tables.
pub(super) fn catalogue(channels: &[(&str, &str)], creatives: &[Values]) -> Catalogue {
    let silent = Values::default();
    let channels = channels.iter().map(|(kind, name)| (channel(kind, name), &silent)).collect();
    Catalogue::new(channels, &[], creatives, &Values::defaults(SLOTS)).unwrap()
}

/// A creative by its name.
pub(super) fn creative(name: &str) -> Values {
    Values::defaults(CREATIVE).with("name", Value::Text(name.into()))
}

/// A module in a market of this catalogue, a tick being a day.
pub(super) fn build(
    entry: &Entry<ModuleBuild>,
    values: &Values,
    catalogue: &Catalogue,
) -> Result<Box<dyn ResponseModule>, Refusal> {
    let surroundings = Surroundings { catalogue, tick_days: 1.0, coupon_ticks: 7, history_ticks: 0, horizon: 365 };
    (entry.build.create)(values, &surroundings)
}

/// A module with its defaults, in a market with e-mail alone.
pub(super) fn default(entry: &Entry<ModuleBuild>) -> Box<dyn ResponseModule> {
    build(entry, &Values::defaults(entry.parameters), &catalogue(&[("email", "email")], &[])).unwrap()
}

/// The first message of a channel with a creative, to these rows.
pub(super) fn sent(catalogue: &Catalogue, channel: u8, creative: u16, rows: &[u32]) -> Contacts {
    let wanted =
        |message: &&crate::market::catalogue::Message| (message.channel, message.creative) == (channel, creative);
    let message = *catalogue.messages.iter().find(wanted).unwrap();
    Contacts { rows: rows.to_vec(), messages: vec![message; rows.len()], local_hours: vec![12; rows.len()] }
}

/// Every message was delivered and opened, and clicked or not.
pub(super) fn opened(messages: usize, clicked: bool) -> Responses {
    let mut responses = Responses::default();
    responses.reset(messages);
    responses.delivered.fill(true);
    responses.opened.fill(true);
    responses.clicked.fill(clicked);
    responses
}
