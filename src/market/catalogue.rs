//! What can be sent: channels, offers, creatives and hours, combined into the action space.

use super::channel::{CHANNELS_MAX, Channel};
use super::population::TASTES;
use crate::protocol::{Action, ActionSpace, Factor};
use crate::registry::{Kind, Parameter, Range, Refusal, Values};
use crate::units::Money;

/// Keys of `[[offer]]`.
pub const OFFER: &[Parameter] = &[
    Parameter::of("name", Kind::Text { default: None }, "unique name").required(),
    Parameter::number("discount", 0.0, Range::half_open(0.0, 1.0), "share of the price taken off"),
];

/// Keys of `[[creative]]`.
pub const CREATIVE: &[Parameter] = &[
    Parameter::of("name", Kind::Text { default: None }, "unique name").required(),
    Parameter::of(
        "taste",
        Kind::Numbers { default: None, range: Range::closed(-1e6, 1e6) },
        "four numbers: whom it appeals to, by direction only; drawn where absent (module creative_relevance)",
    ),
    Parameter::number(
        "subject_strength",
        0.0,
        Range::closed(-10.0, 10.0),
        "logit of opening by its subject line (module creative_relevance)",
    ),
];

/// Keys of `[slots]`.
pub const SLOTS: &[Parameter] = &[Parameter::of(
    "hours",
    Kind::Integers { default: Some(&[8, 12, 16, 20]), minimum: 0, maximum: 23 },
    "hours of the day at which messages go out",
)];

/// Most actions that a space may have.
const ACTIONS_MAX: usize = 65_535;

/// A price reduction that a message may carry.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// Unique in the file.
    pub name: String,
    /// Share of the price taken off, in [0, 1).
    pub discount: f32,
}

/// What an action other than 0 sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Message {
    /// Index of the channel.
    pub channel: u8,
    /// Hour of the sender's day.
    pub hour: u8,
    /// Index of the offer.
    pub offer: u16,
    /// Index of the creative.
    pub creative: u16,
    /// Discount of the offer.
    pub discount: f32,
    /// What sending costs.
    pub cost: Money,
}

/// Everything that can be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalogue {
    /// The channels, in file order.
    pub channels: Vec<Channel>,
    /// The offers, in file order.
    pub offers: Vec<Offer>,
    /// Names of the creatives.
    pub creatives: Vec<String>,
    /// Whom each creative appeals to, where the file says so: a direction in the space of tastes.
    pub creative_tastes: Vec<Option<[f32; TASTES]>>,
    /// What the subject line of each creative adds to the logit of opening.
    pub subject_strengths: Vec<f32>,
    /// Hours at which messages go out.
    pub hours: Vec<u8>,
    /// What action a sends, at index a - 1.
    pub messages: Vec<Message>,
}

impl Catalogue {
    /// Combines the parts, or says what does not fit.
    ///
    /// # Errors
    /// One refusal per fault: too many channels or actions, names used twice, an offer that no channel carries.
    pub fn new(
        channels: Vec<(Channel, &Values)>,
        offers: &[Values],
        creatives: &[Values],
        slots: &Values,
    ) -> Result<Self, Vec<Refusal>> {
        let mut refusals = Vec::new();
        refuse_too_many_channels(&channels, &mut refusals);
        let offer_list = offers_of(offers, &mut refusals);
        let creative_list = names_of(creatives, "creative", "a", &mut refusals);
        let creative_tastes = tastes_of(creatives, &mut refusals);
        let subject_strengths = subject_strengths_of(creatives);
        refuse_offers_nobody_carries(&channels, offers, &offer_list, &mut refusals);
        let hours = hours_of(slots, &mut refusals);
        let channels: Vec<Channel> = channels.into_iter().map(|(channel, _)| channel).collect();
        let messages = messages_of(&channels, &offer_list, creative_list.len(), &hours);
        if messages.len() > ACTIONS_MAX {
            refusals.push(Refusal::new(
                slots,
                "hours",
                format!("channels x hours x offers x creatives make {} actions", messages.len()),
                format!("at most {ACTIONS_MAX} can be told apart: take fewer hours, offers or creatives"),
            ));
        }
        if refusals.is_empty() {
            Ok(Self {
                channels,
                offers: offer_list,
                creatives: creative_list,
                creative_tastes,
                subject_strengths,
                hours,
                messages,
            })
        } else {
            Err(refusals)
        }
    }

    /// The actions, 0 being no contact.
    #[must_use]
    pub fn action_space(&self) -> ActionSpace {
        let factors = vec![
            Factor { name: "channel", levels: self.channels.iter().map(|channel| channel.name.clone()).collect() },
            Factor { name: "hour", levels: self.hours.iter().map(u8::to_string).collect() },
            Factor { name: "offer", levels: self.offers.iter().map(|offer| offer.name.clone()).collect() },
            Factor { name: "creative", levels: self.creatives.clone() },
        ];
        let mut actions = vec![Action { name: "none".into(), levels: None, cost: Money::ZERO }];
        for message in &self.messages {
            let slot = self.hours.iter().position(|&hour| hour == message.hour).unwrap_or(0);
            let levels = vec![u16::from(message.channel), slot as u16, message.offer, message.creative];
            let name = format!(
                "{}/{}h/{}/{}",
                self.channels[usize::from(message.channel)].name,
                message.hour,
                self.offers[usize::from(message.offer)].name,
                self.creatives[usize::from(message.creative)]
            );
            actions.push(Action { name, levels: Some(levels), cost: message.cost });
        }
        ActionSpace { factors, actions }
    }
}

fn refuse_too_many_channels(channels: &[(Channel, &Values)], refusals: &mut Vec<Refusal>) {
    if let Some((channel, values)) = channels.get(CHANNELS_MAX) {
        refusals.push(Refusal::new(
            values,
            "name",
            format!("channel `{}` is number {}", channel.name, CHANNELS_MAX + 1),
            format!("a market has at most {CHANNELS_MAX} channels"),
        ));
    }
    for (index, (channel, values)) in channels.iter().enumerate() {
        if channels[..index].iter().any(|(other, _)| other.name == channel.name) {
            refusals.push(twice(values, "channel", &channel.name));
        }
    }
}

fn twice(values: &Values, what: &str, name: &str) -> Refusal {
    Refusal::new(values, "name", format!("{what} `{name}` stands twice"), "give each a name of its own")
}

/// Names of offers or creatives; one with the default name where the file lists none.
fn names_of(tables: &[Values], what: &str, default: &str, refusals: &mut Vec<Refusal>) -> Vec<String> {
    if tables.is_empty() {
        return vec![default.to_owned()];
    }
    let names: Vec<String> = tables.iter().map(|table| table.text("name").to_owned()).collect();
    for (index, (name, table)) in names.iter().zip(tables).enumerate() {
        if names[..index].contains(name) {
            refusals.push(twice(table, what, name));
        }
    }
    names
}

/// The taste of each creative, where its table gives one.
fn tastes_of(tables: &[Values], refusals: &mut Vec<Refusal>) -> Vec<Option<[f32; TASTES]>> {
    let mut tastes: Vec<Option<[f32; TASTES]>> = Vec::with_capacity(tables.len().max(1));
    for table in tables {
        let given: Vec<f32> = table.numbers("taste").iter().map(|&number| number as f32).collect();
        let taste = <[f32; TASTES]>::try_from(given.as_slice()).ok();
        if taste.is_none() && table.get("taste").is_some() {
            refusals.push(Refusal::new(
                table,
                "taste",
                format!("`taste` has {} numbers", given.len()),
                format!("give {TASTES}, one for each dimension of taste, or leave it out"),
            ));
        }
        tastes.push(taste);
    }
    if tables.is_empty() {
        tastes.push(None);
    }
    tastes
}

fn subject_strengths_of(tables: &[Values]) -> Vec<f32> {
    if tables.is_empty() {
        return vec![0.0];
    }
    tables.iter().map(|table| table.optional_number("subject_strength").unwrap_or(0.0) as f32).collect()
}

fn offers_of(tables: &[Values], refusals: &mut Vec<Refusal>) -> Vec<Offer> {
    let discounts = tables.iter().map(|table| table.number("discount") as f32).chain(std::iter::once(0.0));
    names_of(tables, "offer", "full_price", refusals)
        .into_iter()
        .zip(discounts)
        .map(|(name, discount)| Offer { name, discount })
        .collect()
}

fn hours_of(slots: &Values, refusals: &mut Vec<Refusal>) -> Vec<u8> {
    let hours: Vec<u8> = slots.integers("hours").iter().map(|&hour| hour as u8).collect();
    if hours.is_empty() || hours.windows(2).any(|pair| pair[0] >= pair[1]) {
        refusals.push(Refusal::new(
            slots,
            "hours",
            format!("hours are {hours:?}"),
            "name at least one hour, each once, in ascending order",
        ));
    }
    hours
}

fn refuse_offers_nobody_carries(
    channels: &[(Channel, &Values)],
    tables: &[Values],
    offers: &[Offer],
    refusals: &mut Vec<Refusal>,
) {
    for (channel, values) in channels {
        for name in channel.offers.iter().flatten() {
            if !offers.iter().any(|offer| offer.name == *name) {
                let known: Vec<&str> = offers.iter().map(|offer| offer.name.as_str()).collect();
                refusals.push(Refusal::new(
                    values,
                    "offers",
                    format!("channel `{}` carries offer `{name}`, which does not exist", channel.name),
                    format!("the offers are: {}", known.join(", ")),
                ));
            }
        }
    }
    if channels.is_empty() {
        return;
    }
    for (offer, table) in offers.iter().zip(tables) {
        if !channels.iter().any(|(channel, _)| carries(channel, &offer.name)) {
            refusals.push(Refusal::new(
                table,
                "name",
                format!("no channel can carry offer `{}`", offer.name),
                "add it to `offers` of a channel, or take it out",
            ));
        }
    }
}

fn carries(channel: &Channel, offer: &str) -> bool {
    channel.offers.as_ref().is_none_or(|offers| offers.iter().any(|name| name == offer))
}

fn messages_of(channels: &[Channel], offers: &[Offer], creatives: usize, hours: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    for (channel_index, channel) in channels.iter().enumerate() {
        for &hour in hours {
            for (offer_index, offer) in offers.iter().enumerate() {
                if carries(channel, &offer.name) {
                    messages.extend((0..creatives).map(|creative| Message {
                        channel: channel_index as u8,
                        hour,
                        offer: offer_index as u16,
                        creative: creative as u16,
                        discount: offer.discount,
                        cost: channel.cost,
                    }));
                }
            }
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::super::channel::CHANNELS;
    use super::*;
    use crate::registry::Value;

    fn channel(name: &'static str, offers: Option<&[&str]>) -> (Channel, Values) {
        let entry = crate::registry::find(CHANNELS, name).unwrap();
        let mut values = Values::defaults(entry.parameters);
        if let Some(offers) = offers {
            let offers = offers.iter().map(|offer| (*offer).to_owned()).collect();
            values = values.with("offers", Value::Texts(offers));
        }
        ((entry.build)(name, &values), values)
    }

    fn named(parameters: &'static [Parameter], name: &str) -> Values {
        Values::defaults(parameters).with("name", Value::Text(name.into()))
    }

    #[test]
    fn actions_are_the_product_of_their_factors() {
        let channels = [channel("email", None), channel("push", None), channel("sms", None), channel("paid_ad", None)];
        let offers: Vec<Values> = ["o0", "o1", "o2", "o3", "o4"].iter().map(|name| named(OFFER, name)).collect();
        let creatives: Vec<Values> = ["a", "b", "c"].iter().map(|name| named(CREATIVE, name)).collect();
        let slots = Values::defaults(SLOTS).with("hours", Value::Integers(vec![0, 4, 8, 12, 16, 20]));
        let list = channels.iter().map(|(channel, values)| (channel.clone(), values)).collect();
        let catalogue = Catalogue::new(list, &offers, &creatives, &slots).unwrap();
        let space = catalogue.action_space();
        assert_eq!(space.len(), 361);
        assert_eq!(space.actions[1].name, "email/0h/o0/a");
        assert_eq!(space.actions[360].name, "paid_ad/20h/o4/c");
        assert_eq!(space.actions[360].levels, Some(vec![3, 5, 4, 2]));
    }

    #[test]
    fn tastes_of_creatives_have_four_numbers_or_are_left_out() {
        let (email, values) = channel("email", None);
        let with = |taste: &[f64]| named(CREATIVE, "b").with("taste", Value::Numbers(taste.to_vec()));
        let build = |creatives: &[Values]| {
            Catalogue::new(vec![(email.clone(), &values)], &[], creatives, &Values::defaults(SLOTS))
        };
        let strong = named(CREATIVE, "a").with("subject_strength", Value::Number(0.5));
        let catalogue = build(&[strong, with(&[1.0, 0.0, -2.0, 0.0])]).unwrap();
        assert_eq!(catalogue.creative_tastes, [None, Some([1.0, 0.0, -2.0, 0.0])]);
        assert_eq!(catalogue.subject_strengths, [0.5, 0.0]);
        let silent = build(&[]).unwrap();
        assert_eq!((silent.creative_tastes, silent.subject_strengths), (vec![None], vec![0.0]));
        let faults = build(&[with(&[1.0, 2.0])]).unwrap_err();
        assert_eq!((faults[0].key.as_str(), faults[0].message.as_str()), ("taste", "`taste` has 2 numbers"));
    }

    #[test]
    fn an_offer_that_no_channel_carries_is_refused() {
        let (email, values) = channel("email", Some(&["ten", "missing"]));
        let offers = [named(OFFER, "ten"), named(OFFER, "twenty"), named(OFFER, "twenty")];
        let faults = Catalogue::new(vec![(email, &values)], &offers, &[], &Values::defaults(SLOTS)).unwrap_err();
        let messages: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
        assert!(messages.contains(&"offer `twenty` stands twice"), "{messages:?}");
        assert!(messages.contains(&"no channel can carry offer `twenty`"), "{messages:?}");
        assert!(messages.contains(&"channel `email` carries offer `missing`, which does not exist"), "{messages:?}");
    }
}
