//! Deliverability: complaints spoil the sender's reputation, and messages of a bad sender land among the spam.
//!
//! Complaints of all consumers make one running rate for each channel, `Q <- k Q + (1 - k) * complaints / delivered`, k
//! being `kept_per_day` for a day, in ticks with deliveries. A message reaches the inbox with probability
//! `sigmoid(6 - slope * max(0, Q - tolerated_complaint_rate)) / sigmoid(6)`; among the spam, its logit of opening loses
//! `spam_open_penalty` (docs/market.md 6.20). The curve follows the rules for bulk senders of Google and Yahoo (2024):
//! below 0.1 % of complaints all is well, from 0.3 % on mail is no longer let in.
//!
//! Assumptions: one reputation for each channel, known to the sender a tick later, as from a postmaster's tool.
//!
//! Differences from the source: (1) the rules give two thresholds and no curve; (2) consumers complain as before about
//! what lies among the spam.

use super::{
    Commons, Contacts, Founding, MessagePredictors, ModuleBuild, Order, Published, ResponseModule, Responses,
    Surroundings, View,
};
use crate::protocol::Feature;
use crate::random::Purpose;
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Value, Values};

/// Logit of the inbox of a sender without complaints, before it is normalised to certainty.
const CLEAN_LOGIT: f64 = 6.0;

/// The channel that is covered where the file names none.
const USUAL_KIND: &str = "email";

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "deliverability",
    summary: "complaints spoil the sender's reputation, and messages land among the spam",
    source: "Google and Yahoo (2024), rules for bulk senders; docs/market.md 6.20",
    parameters: &[
        Parameter::number("kept_per_day", 0.85, Range::half_open(0.0, 1.0), "share of the complaint rate kept a day"),
        Parameter::number(
            "tolerated_complaint_rate",
            0.001,
            Range::PROBABILITY,
            "complaints of delivered up to which all reaches the inbox",
        ),
        Parameter::number("slope", 3000.0, Range::NON_NEGATIVE, "logit of the inbox lost per unit of complaint rate"),
        Parameter::number("spam_open_penalty", 3.0, Range::NON_NEGATIVE, "off the logit of opening among the spam"),
        Parameter::integer(
            "minimum_messages",
            1,
            1,
            1_000_000_000,
            "complaints of a tick are divided by at least so many messages",
        ),
        Parameter::of(
            "channels",
            Kind::Texts { default: None },
            "names of the channels with a reputation; all of kind `email` where absent",
        ),
    ],
    build: ModuleBuild {
        create: |values, surroundings| Ok(Box::new(Deliverability::new(values, surroundings)?)),
        neutral: || vec![("slope", Value::Number(0.0))],
    },
};

/// What does not change about a reputation.
#[derive(Clone, Copy, Debug)]
struct Rules {
    kept: f64,
    tolerated: f64,
    slope: f64,
    minimum_messages: i64,
}

impl Rules {
    /// Probability of the inbox at a complaint rate.
    fn inbox(&self, complaint_rate: f64) -> f64 {
        let sigmoid = |logit: f64| 1.0 / (1.0 + libm::exp(-logit));
        sigmoid(CLEAN_LOGIT - self.slope * (complaint_rate - self.tolerated).max(0.0)) / sigmoid(CLEAN_LOGIT)
    }
}

#[derive(Debug)]
struct Deliverability {
    rules: Rules,
    spam_open_penalty: f32,
    /// Which reputation each channel has, if any.
    reputation_of: Vec<Option<usize>>,
    /// Names of the channels that have one.
    names: Vec<String>,
}

impl Deliverability {
    fn new(values: &Values, surroundings: &Surroundings<'_>) -> Result<Self, Refusal> {
        let channels = &surroundings.catalogue.channels;
        let wanted = values.texts("channels");
        let is_known = |name: &String| channels.iter().any(|channel| channel.name == *name);
        if let Some(unknown) = wanted.iter().find(|name| !is_known(name)) {
            let known: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
            return Err(Refusal::new(
                values,
                "channels",
                format!("no channel is called `{unknown}`"),
                format!("any of: {}", known.join(", ")),
            ));
        }
        let is_usual = values.get("channels").is_none();
        let mut names = Vec::new();
        let mut reputation_of = Vec::new();
        for channel in channels {
            let is_covered = if is_usual { channel.kind == USUAL_KIND } else { wanted.contains(&channel.name) };
            reputation_of.push(is_covered.then_some(names.len()));
            if is_covered {
                names.push(channel.name.clone());
            }
        }
        Ok(Self {
            rules: Rules {
                kept: libm::pow(values.number("kept_per_day"), surroundings.tick_days),
                tolerated: values.number("tolerated_complaint_rate"),
                slope: values.number("slope"),
                minimum_messages: values.integer("minimum_messages"),
            },
            spam_open_penalty: values.number("spam_open_penalty") as f32,
            reputation_of,
            names,
        })
    }
}

/// The complaint rate of each covered channel.
#[derive(Clone, Debug)]
struct Reputation {
    rules: Rules,
    complaint_rates: Vec<f64>,
    /// Probability of the inbox of each.
    inbox: Vec<f32>,
}

impl Commons for Reputation {
    fn merge(&mut self, published: &[&Published]) {
        for (channel, rate) in self.complaint_rates.iter_mut().enumerate() {
            let total = |count: usize| -> i64 {
                published.iter().map(|shard| shard.counts.get(2 * channel + count).copied().unwrap_or(0)).sum()
            };
            let (delivered, complaints) = (total(0), total(1));
            if delivered > 0 {
                let today = complaints as f64 / delivered.max(self.rules.minimum_messages) as f64;
                *rate = self.rules.kept * *rate + (1.0 - self.rules.kept) * today;
                self.inbox[channel] = self.rules.inbox(*rate) as f32;
            }
        }
    }

    fn market(&self) -> &[f32] {
        &self.inbox
    }

    fn boxed_clone(&self) -> Box<dyn Commons> {
        Box::new(self.clone())
    }
}

impl ResponseModule for Deliverability {
    fn draws_in_tick(&self) -> bool {
        true
    }

    fn found(&self, _founding: &Founding<'_>) -> Option<Box<dyn Commons>> {
        let covered = self.names.len();
        self.is_coupling().then(|| -> Box<dyn Commons> {
            Box::new(Reputation {
                rules: self.rules,
                complaint_rates: vec![0.0; covered],
                inbox: vec![self.rules.inbox(0.0) as f32; covered],
            })
        })
    }

    fn is_coupling(&self) -> bool {
        !self.names.is_empty()
    }

    fn contribute_to_messages(&self, view: &View<'_>, contacts: &Contacts, predictors: &mut MessagePredictors) {
        if view.common.iter().all(|inbox| *inbox >= 1.0) {
            return;
        }
        for (index, message) in contacts.messages.iter().enumerate() {
            let Some(reputation) = self.reputation_of[usize::from(message.channel)] else { continue };
            let consumer = view.first + contacts.rows[index];
            let uniform = view.seed.uniforms(Purpose::Inbox, consumer, view.tick as u32, 0)[0];
            if uniform >= view.common[reputation] {
                predictors.open[index] -= self.spam_open_penalty;
            }
        }
    }

    /// Delivered and complaints of each covered channel.
    fn publish(
        &self,
        _view: &View<'_>,
        contacts: &Contacts,
        responses: &Responses,
        _orders: &[Order],
        published: &mut Published,
    ) {
        published.counts.resize(2 * self.names.len(), 0);
        for (index, message) in contacts.messages.iter().enumerate() {
            if let Some(reputation) = self.reputation_of[usize::from(message.channel)] {
                published.counts[2 * reputation] += i64::from(responses.delivered[index]);
                published.counts[2 * reputation + 1] += i64::from(responses.complained[index]);
            }
        }
    }

    fn features(&self) -> Vec<Feature> {
        let feature = |name: &String| Feature::raw(format!("{name}_sender_reputation"), "share of messages");
        self.names.iter().map(|name| feature(name).standardised(1.0, 0.2)).collect()
    }

    fn observe(&self, view: &View<'_>, feature: usize, _first_row: usize, cells: &mut [f32]) {
        cells.fill(view.common.get(feature).copied().unwrap_or(1.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::catalogue::{Catalogue, SLOTS};
    use crate::market::channel::{CHANNELS, Channel};
    use crate::market::people::People;
    use crate::registry::find;

    fn build(values: &Values) -> Result<Deliverability, Refusal> {
        let channel = |name: &str| -> Channel {
            let entry = find(CHANNELS, name).unwrap();
            (entry.build)(name, &Values::defaults(entry.parameters))
        };
        let none = Values::default();
        let channels = vec![(channel("push"), &none), (channel("email"), &none)];
        let catalogue = Catalogue::new(channels, &[], &[], &Values::defaults(SLOTS)).unwrap();
        Deliverability::new(
            values,
            &Surroundings { catalogue: &catalogue, tick_days: 1.0, coupon_ticks: 7, history_ticks: 0, horizon: 30 },
        )
    }

    fn standing() -> Reputation {
        let rules = build(&Values::defaults(ENTRY.parameters)).unwrap().rules;
        Reputation { rules, complaint_rates: vec![0.0], inbox: vec![1.0] }
    }

    fn day(delivered: i64, complaints: i64) -> Published {
        Published { counts: vec![delivered, complaints], marks: Vec::new() }
    }

    #[test]
    fn the_inbox_follows_the_known_curve() {
        let rules = standing().rules;
        for (rate, inbox, tolerance) in [(0.0, 1.0, 0.0), (0.001, 1.0, 0.0), (0.002, 0.955, 1e-3), (0.003, 0.501, 1e-3)]
        {
            assert!((rules.inbox(rate) - inbox).abs() <= tolerance, "{rate}: {}", rules.inbox(rate));
        }
        assert!((rules.inbox(0.004) - 0.0475).abs() < 1e-3, "{}", rules.inbox(0.004));
        assert_eq!(Rules { slope: 0.0, ..rules }.inbox(0.5), 1.0);
    }

    #[test]
    fn two_weeks_of_complaints_close_the_inbox() {
        for (complaints, below) in [(300, 0.75), (400, 0.2)] {
            let mut reputation = standing();
            for _ in 0..14 {
                // Two shards: their counts are added.
                reputation.merge(&[&day(40_000, complaints / 2), &day(60_000, complaints / 2)]);
            }
            assert!(reputation.market()[0] < below, "{:?}", reputation.market());
        }
        let mut careful = standing();
        for _ in 0..100 {
            careful.merge(&[&day(100_000, 100)]);
        }
        assert_eq!(careful.market(), [1.0]);
    }

    #[test]
    fn one_bad_day_is_forgotten_by_good_ones_only() {
        let mut reputation = standing();
        reputation.merge(&[&day(1_000, 10)]);
        assert!((reputation.complaint_rates[0] - 0.0015).abs() < 1e-12);
        let after = reputation.market()[0];
        reputation.merge(&[&day(0, 0)]);
        assert_eq!(reputation.market()[0], after);
        reputation.merge(&[&day(1_000, 0)]);
        assert!((reputation.complaint_rates[0] - 0.0015 * 0.85).abs() < 1e-12 && reputation.market()[0] > after);
    }

    #[test]
    fn what_lies_among_the_spam_is_opened_less_on_the_covered_channel_only() {
        let module = build(&Values::defaults(ENTRY.parameters)).unwrap();
        assert_eq!((module.reputation_of.clone(), module.names.len()), (vec![None, Some(0)], 1));
        let rows = 64_u32;
        let people = People { order_rate: vec![0.1; rows as usize], ..People::default() };
        let message = |channel| crate::market::catalogue::Message {
            channel,
            hour: 8,
            offer: 0,
            creative: 0,
            discount: 0.0,
            cost: crate::units::Money::ZERO,
        };
        let of = |channel| Contacts {
            rows: (0..rows).collect(),
            messages: vec![message(channel); rows as usize],
            local_hours: vec![8; rows as usize],
        };
        let mut predictors = MessagePredictors::default();
        let view = View { common: &[0.5], ..View::bare(&people, &[]) };
        predictors.reset(rows as usize);
        module.contribute_to_messages(&view, &of(1), &mut predictors);
        let spam = predictors.open.iter().filter(|logit| **logit == -3.0).count();
        assert!((16..48).contains(&spam) && predictors.open.iter().all(|logit| *logit == -3.0 || *logit == 0.0));
        predictors.reset(rows as usize);
        module.contribute_to_messages(&view, &of(0), &mut predictors);
        assert!(predictors.open.iter().all(|logit| *logit == 0.0));
        let mut published = Published::default();
        let mut responses = Responses::default();
        responses.reset(rows as usize);
        responses.delivered[..10].fill(true);
        responses.complained[3] = true;
        module.publish(&view, &of(1), &responses, &[], &mut published);
        assert_eq!(published.counts, [10, 1]);
    }

    #[test]
    fn unknown_channels_are_refused() {
        let values = Values::defaults(ENTRY.parameters).with("channels", Value::Texts(vec!["fax".into()]));
        let refusal = build(&values).unwrap_err();
        assert!(refusal.key == "channels" && refusal.help.contains("push, email"), "{refusal:?}");
        let chosen = Values::defaults(ENTRY.parameters).with("channels", Value::Texts(vec!["push".into()]));
        assert_eq!(build(&chosen).unwrap().names, ["push"]);
    }
}
