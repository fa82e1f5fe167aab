//! Which messages a consumer may get today: consent, quiet hours, caps, gaps, coupons, suppression.
//!
//! Every rule is a set of action words prepared once; a row's mask is the meet of a few of them.

mod reasons;

pub use reasons::Asked;

use super::state::{ARRIVED, State};
use crate::market::catalogue::Catalogue;
use crate::market::people::People;
use crate::protocol::ActionBits;
use crate::registry::{Kind, Parameter, Refusal, Values};

/// Days that the record of sent messages reaches back, today included.
pub const DAYS_MAX: i64 = 31;

const QUIET_HOURS: &[Parameter] = &[
    Parameter::of("from", Kind::Integer { default: None, minimum: 0, maximum: 23 }, "first quiet hour").required(),
    Parameter::of("to", Kind::Integer { default: None, minimum: 0, maximum: 23 }, "first hour that is not quiet")
        .required(),
    Parameter::of("channels", Kind::Texts { default: None }, "channels that it binds; all where absent"),
];

const CAP: &[Parameter] = &[
    Parameter::of("channel", Kind::Text { default: Some("any") }, "a channel, or `any` for all together"),
    Parameter::of("messages", Kind::Integer { default: None, minimum: 0, maximum: DAYS_MAX }, "most messages")
        .required(),
    Parameter::of(
        "days",
        Kind::Integer { default: None, minimum: 1, maximum: DAYS_MAX },
        "in so many days, today included",
    )
    .required(),
];

/// Keys of `[constraints]`.
pub const CONSTRAINTS: &[Parameter] = &[
    Parameter::choice("mask", "enforce", &["enforce", "audit"], "enforce the rules, or only count violations"),
    Parameter::of(
        "quiet_hours",
        Kind::Table { parameters: QUIET_HOURS },
        "hours of the consumer's clock without messages",
    ),
    Parameter::of("caps", Kind::Tables { parameters: CAP }, "most messages in a rolling window of days"),
    Parameter::integer("minimum_gap_days", 1, 1, DAYS_MAX, "days from one message to the next; 1 allows one a day"),
    Parameter::boolean("one_live_coupon", true, "no new discount while an opened one is valid"),
    Parameter::of("suppressed", Kind::Csv, "CSV file with a column `consumer`: who must never be contacted"),
];

/// A cap on messages in a rolling window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cap {
    /// `None` for all channels together.
    channel: Option<usize>,
    messages: u32,
    /// Bits of the days that count.
    days: u32,
}

/// The rules of a market, prepared for quick masks.
#[derive(Clone, Debug)]
pub struct MaskRules {
    /// Rules are counted, not enforced.
    pub audit: bool,
    /// Consumers who must never be contacted, ascending.
    pub suppressed: Vec<u32>,
    actions: usize,
    /// Actions outside the quiet hours, by hour offset of the consumer's clock (0 to 23).
    awake: Vec<Vec<u64>>,
    /// Whether the hours of a consumer's clock matter.
    has_quiet_hours: bool,
    /// Actions of each channel.
    channels: Vec<Vec<u64>>,
    /// Actions of each set of channels (as bits), the words of one set after the other.
    reachable: Vec<u64>,
    /// Actions with a discount.
    discounted: Vec<u64>,
    /// Actions of each hour of the sender's day.
    hours: Vec<Vec<u64>>,
    /// Actions that cost money.
    paid: Vec<u64>,
    /// All actions but the first.
    contacts: Vec<u64>,
    caps: Vec<Cap>,
    /// Bits of the days on which a message forbids the next.
    gap_days: u32,
    pub one_live_coupon: bool,
}

/// What the rules may not see from a row's state alone.
#[derive(Clone, Copy, Debug)]
pub struct Today {
    /// With ticks of an hour: the hour of the sender's day; only its slot can be used.
    pub hour: Option<u8>,
    /// The tick, counted from day 0.
    pub tick: i32,
}

fn low_bits(days: i64) -> u32 {
    ((1u64 << days) - 1) as u32
}

impl MaskRules {
    /// Prepares the rules, or says what does not fit the catalogue.
    ///
    /// # Errors
    /// One refusal per fault.
    pub fn new(values: &Values, catalogue: &Catalogue) -> Result<Self, Vec<Refusal>> {
        let mut refusals = Vec::new();
        let actions = catalogue.messages.len() + 1;
        let words = |wanted: &dyn Fn(usize) -> bool| {
            let mut bits = vec![0u64; actions.div_ceil(64)];
            for action in (0..actions).filter(|&action| wanted(action)) {
                bits[action / 64] |= 1 << (action % 64);
            }
            bits
        };
        let message = |action: usize| catalogue.messages[action - 1];
        let quiet = values.table("quiet_hours");
        let quiet_channels = quiet_channels(quiet, catalogue, &mut refusals);
        let is_quiet = |action: usize, offset: usize| {
            let Some(quiet) = quiet else { return false };
            let local = (usize::from(message(action).hour) + offset) as i64 % 24;
            let (from, to) = (quiet.integer("from"), quiet.integer("to"));
            let inside = if from <= to { from <= local && local < to } else { local >= from || local < to };
            inside && quiet_channels[usize::from(message(action).channel)]
        };
        let rules = Self {
            audit: values.text("mask") == "audit",
            suppressed: suppressed(values, &mut refusals),
            actions,
            awake: (0..24).map(|offset| words(&|action| action == 0 || !is_quiet(action, offset))).collect(),
            has_quiet_hours: quiet.is_some(),
            reachable: (0..=u8::MAX)
                .flat_map(|set| words(&|action| action == 0 || set >> message(action).channel & 1 == 1))
                .collect(),
            channels: (0..catalogue.channels.len())
                .map(|channel| words(&|action| action > 0 && usize::from(message(action).channel) == channel))
                .collect(),
            discounted: words(&|action| action > 0 && message(action).discount > 0.0),
            hours: (0..24).map(|hour| words(&|action| action > 0 && message(action).hour == hour)).collect(),
            paid: words(&|action| action > 0 && message(action).cost.micros() > 0),
            contacts: words(&|action| action > 0),
            caps: caps(values, catalogue, &mut refusals),
            gap_days: low_bits(values.integer("minimum_gap_days")),
            one_live_coupon: values.boolean("one_live_coupon"),
        };
        if refusals.is_empty() { Ok(rules) } else { Err(refusals) }
    }

    /// Writes the mask of every row; `affords` says whether a row may use actions that cost money, and is asked only
    /// where `is_scarce`.
    pub fn write(
        &self,
        people: &People,
        state: &State,
        today: Today,
        is_scarce: bool,
        affords: impl Fn(usize) -> bool,
        allowed: &mut ActionBits,
    ) {
        allowed.reset_to_all(people.len(), self.actions);
        self.forbid_lasting(people, state, allowed);
        if let Some(hour) = today.hour {
            let others: Vec<u64> =
                self.hours[usize::from(hour)].iter().zip(&self.contacts).map(|(hour, all)| all & !hour).collect();
            forbid_where(allowed, &others, |_| true);
        }
        for cap in &self.caps {
            let full = |sent: u32| (sent & cap.days).count_ones() >= cap.messages;
            match cap.channel {
                None => forbid_where(allowed, &self.contacts, |row| full(state.sent_on_any(row))),
                Some(channel) => {
                    forbid_where(allowed, &self.channels[channel], |row| full(state.sent_on(row, channel)));
                }
            }
        }
        if self.one_live_coupon {
            let ends = &state.coupon_end_tick[..people.len()];
            forbid_where(allowed, &self.discounted, |row| today.tick < ends[row]);
        }
        if is_scarce {
            forbid_where(allowed, &self.paid, |row| !affords(row));
        }
        // A tick of a day begins without a message.
        if self.gap_days != 1 || today.hour.is_some() {
            forbid_where(allowed, &self.contacts, |row| state.sent_on_any(row) & self.gap_days != 0);
        }
    }

    /// What does not change within days: who is here and may be written to, on which channels, at which hours.
    fn forbid_lasting(&self, people: &People, state: &State, allowed: &mut ActionBits) {
        let rows = people.len();
        let (consent, address) = (&state.consent[..rows], &state.address[..rows]);
        let (suppressed, minor) = (&people.suppressed[..rows], &people.minor[..rows]);
        let (arrival_tick, offsets) = (&state.arrival_tick[..rows], &people.clock_offset_hours[..rows]);
        let words = self.contacts.len();
        for (row, bits) in allowed.words_mut().chunks_exact_mut(words).enumerate() {
            let is_out = suppressed[row] | minor[row] | (arrival_tick[row] != ARRIVED);
            let channels = if is_out { 0 } else { consent[row] & address[row] };
            for (bits, reachable) in bits.iter_mut().zip(&self.reachable[usize::from(channels) * words..]) {
                *bits &= reachable;
            }
            if self.has_quiet_hours {
                for (bits, awake) in bits.iter_mut().zip(&self.awake[offsets[row].rem_euclid(24) as usize]) {
                    *bits &= awake;
                }
            }
        }
    }
}

/// Forbids these actions (never the first) in the rows of which this holds; without a branch, so that it runs over many
/// rows at once.
#[inline(always)]
fn forbid_where(allowed: &mut ActionBits, words: &[u64], holds: impl Fn(usize) -> bool) {
    let per_row = words.len();
    if let [word] = words {
        for (row, bits) in allowed.words_mut().iter_mut().enumerate() {
            *bits &= !(word & u64::from(holds(row)).wrapping_neg());
        }
        return;
    }
    for (row, bits) in allowed.words_mut().chunks_exact_mut(per_row).enumerate() {
        let everywhere = u64::from(holds(row)).wrapping_neg();
        for (bits, word) in bits.iter_mut().zip(words) {
            *bits &= !(word & everywhere);
        }
    }
}

fn channel_index(name: &str, catalogue: &Catalogue) -> Option<usize> {
    catalogue.channels.iter().position(|channel| channel.name == name)
}

fn unknown_channel(values: &Values, key: &str, name: &str, catalogue: &Catalogue) -> Refusal {
    let known: Vec<&str> = catalogue.channels.iter().map(|channel| channel.name.as_str()).collect();
    Refusal::new(
        values,
        key,
        format!("there is no channel `{name}`"),
        format!("the channels are: {}", known.join(", ")),
    )
}

fn quiet_channels(quiet: Option<&Values>, catalogue: &Catalogue, refusals: &mut Vec<Refusal>) -> Vec<bool> {
    let named = quiet.filter(|quiet| quiet.get("channels").is_some());
    let Some(quiet) = named else { return vec![true; catalogue.channels.len()] };
    for name in quiet.texts("channels") {
        if channel_index(name, catalogue).is_none() {
            refusals.push(unknown_channel(quiet, "channels", name, catalogue));
        }
    }
    catalogue.channels.iter().map(|channel| quiet.texts("channels").contains(&channel.name)).collect()
}

fn caps(values: &Values, catalogue: &Catalogue, refusals: &mut Vec<Refusal>) -> Vec<Cap> {
    let mut caps = Vec::new();
    for table in values.tables("caps") {
        let name = table.text("channel");
        let channel = channel_index(name, catalogue);
        if channel.is_none() && name != "any" {
            refusals.push(unknown_channel(table, "channel", name, catalogue));
        }
        caps.push(Cap { channel, messages: table.integer("messages") as u32, days: low_bits(table.integer("days")) });
    }
    caps
}

fn suppressed(values: &Values, refusals: &mut Vec<Refusal>) -> Vec<u32> {
    let Some(table) = values.csv("suppressed") else { return Vec::new() };
    let Some(column) = table.header.iter().position(|name| name == "consumer") else {
        refusals.push(Refusal::new(
            values,
            "suppressed",
            format!("the file has the columns {}", table.header.join(", ")),
            "it needs a column `consumer` with consumer numbers from 0",
        ));
        return Vec::new();
    };
    let mut consumers = Vec::new();
    for (index, row) in table.rows.iter().enumerate() {
        let number = row[column];
        if number < 0.0 || number.fract() != 0.0 || number > f64::from(u32::MAX) {
            refusals.push(Refusal::new(
                values,
                "suppressed",
                format!("row {} names consumer {number}", index + 1),
                "consumers are whole numbers from 0",
            ));
        } else {
            consumers.push(number as u32);
        }
    }
    consumers.sort_unstable();
    consumers
}
