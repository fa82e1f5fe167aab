//! Ways to reach a consumer, one file each: they share one funnel and differ in its figures.
//!
//! Rates are what a marketer knows of a channel: at rest (nobody tired), at full price, averaged over the consumers who
//! can be reached. The market solves the intercepts of its logits from them.

mod direct_mail;
mod email;
mod onsite;
mod paid_ad;
mod push;
mod sms;

use crate::registry::{Entry, Kind, Parameter, Range, Values};
use crate::units::Money;

/// Most channels that one market may have.
pub const CHANNELS_MAX: usize = 8;

/// How a channel is made from its name in the file and its values.
pub type ChannelBuild = fn(&str, &Values) -> Channel;

/// All kinds of channel.
pub const CHANNELS: &[Entry<ChannelBuild>] =
    &[email::ENTRY, push::ENTRY, sms::ENTRY, paid_ad::ENTRY, onsite::ENTRY, direct_mail::ENTRY];

/// A way to reach a consumer, with the figures of its funnel.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Unique in the file.
    pub name: String,
    /// Name of its kind in [`CHANNELS`].
    pub kind: &'static str,
    /// Cost of a message.
    pub cost: Money,
    /// Share of consumers with an address and consent, by device (iOS, Android).
    pub opt_in_shares: [f32; 2],
    /// Share of messages that bounce for good: the address is lost.
    pub hard_bounce_rate: f32,
    /// Share of messages that bounce once.
    pub soft_bounce_rate: f32,
    /// Opened or seen, of delivered.
    pub open_rate: f32,
    /// Clicked, of opened.
    pub click_rate: f32,
    /// Ordered (now or later), of clicked.
    pub conversion_rate: f32,
    /// Consent withdrawn, of delivered.
    pub opt_out_rate: f32,
    /// Complained, of delivered.
    pub complaint_rate: f32,
    /// Visited without a click, of opened.
    pub view_through_rate: f32,
    /// What a delivered message adds to fatigue.
    pub intrusiveness: f32,
    /// Mean time in hours over which a message stays in sight.
    pub read_window_hours: f32,
    /// Whether it can be shown only while the consumer visits.
    pub requires_visit: bool,
    /// Names of the offers it carries; `None` for all.
    pub offers: Option<Vec<String>>,
}

/// The figures of a kind of channel where the file is silent.
#[derive(Clone, Copy, Debug)]
struct Defaults {
    cost: f64,
    opt_in_shares: [f64; 2],
    bounce_rates: [f64; 2],
    open_rate: f64,
    click_rate: f64,
    conversion_rate: f64,
    opt_out_rate: f64,
    complaint_rate: f64,
    view_through_rate: f64,
    intrusiveness: f64,
    read_window_hours: f64,
    requires_visit: bool,
}

/// The keys of every channel, with the defaults of its kind.
const fn parameters(defaults: Defaults) -> [Parameter; 15] {
    const SHARE: Range = Range::PROBABILITY;
    [
        Parameter::number("cost", defaults.cost, Range::closed(0.0, 1e6), "cost of a message, in currency"),
        Parameter::number(
            "opt_in_share_ios",
            defaults.opt_in_shares[0],
            SHARE,
            "share of iOS users with an address and consent",
        ),
        Parameter::number(
            "opt_in_share_android",
            defaults.opt_in_shares[1],
            SHARE,
            "share of Android users with an address and consent",
        ),
        Parameter::number(
            "hard_bounce_rate",
            defaults.bounce_rates[0],
            SHARE,
            "share of messages whose address is lost",
        ),
        Parameter::number("soft_bounce_rate", defaults.bounce_rates[1], SHARE, "share of messages that bounce once"),
        Parameter::number("open_rate", defaults.open_rate, SHARE, "opened or seen, of delivered, at rest"),
        Parameter::number("click_rate", defaults.click_rate, SHARE, "clicked, of opened, at rest and full price"),
        Parameter::number(
            "conversion_rate",
            defaults.conversion_rate,
            SHARE,
            "ordered now or later, of clicked, at full price",
        ),
        Parameter::number("opt_out_rate", defaults.opt_out_rate, SHARE, "consent withdrawn, of delivered, at rest"),
        Parameter::number("complaint_rate", defaults.complaint_rate, SHARE, "complained, of delivered, at rest"),
        Parameter::number("view_through_rate", defaults.view_through_rate, SHARE, "visited without a click, of opened"),
        Parameter::number(
            "intrusiveness",
            defaults.intrusiveness,
            Range::NON_NEGATIVE,
            "what a delivered message adds to fatigue; e-mail is 1",
        ),
        Parameter::number(
            "read_window_hours",
            defaults.read_window_hours,
            Range::POSITIVE,
            "mean time over which a message stays in sight",
        ),
        Parameter::boolean(
            "requires_visit",
            defaults.requires_visit,
            "whether it can be shown only while the consumer visits",
        ),
        Parameter::of("offers", Kind::Texts { default: None }, "names of the offers it carries; all where absent"),
    ]
}

fn build(kind: &'static str, name: &str, values: &Values) -> Channel {
    let share = |key| values.number(key) as f32;
    Channel {
        name: name.to_owned(),
        kind,
        cost: Money::from_amount(values.number("cost")),
        opt_in_shares: [share("opt_in_share_ios"), share("opt_in_share_android")],
        hard_bounce_rate: share("hard_bounce_rate"),
        soft_bounce_rate: share("soft_bounce_rate"),
        open_rate: share("open_rate"),
        click_rate: share("click_rate"),
        conversion_rate: share("conversion_rate"),
        opt_out_rate: share("opt_out_rate"),
        complaint_rate: share("complaint_rate"),
        view_through_rate: share("view_through_rate"),
        intrusiveness: share("intrusiveness"),
        read_window_hours: share("read_window_hours"),
        requires_visit: values.boolean("requires_visit"),
        offers: values.get("offers").map(|_| values.texts("offers").to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_builds_from_its_defaults_inside_its_ranges() {
        for entry in CHANNELS {
            for parameter in entry.parameters {
                if let Kind::Number { default: Some(default), range } = parameter.kind {
                    assert!(range.contains(default), "{}.{}", entry.name, parameter.name);
                }
            }
            let channel = (entry.build)("mine", &Values::defaults(entry.parameters));
            assert_eq!((channel.kind, channel.name.as_str()), (entry.name, "mine"));
            assert!(channel.open_rate > 0.0 && channel.offers.is_none());
        }
    }

    #[test]
    fn rates_per_delivered_message_are_those_of_the_sources() {
        // Clicks and orders per delivered message, docs/market.md 5.2.
        let expected = [
            ("email", 0.017, 0.0008),
            ("push", 0.025, 0.0005),
            ("sms", 0.09, 0.01),
            ("onsite", 0.06, 0.003),
            ("direct_mail", 0.02, 0.008),
        ];
        for (name, clicks, orders) in expected {
            let entry = crate::registry::find(CHANNELS, name).unwrap();
            let channel = (entry.build)(name, &Values::defaults(entry.parameters));
            let clicked = channel.open_rate * channel.click_rate;
            assert!((clicked / clicks - 1.0).abs() < 0.05, "{name}: {clicked}");
            assert!((clicked * channel.conversion_rate / orders - 1.0).abs() < 0.1, "{name}");
        }
    }
}
