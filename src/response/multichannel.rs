//! Several channels at once: a message seen on one makes clicks on another likelier for some days.
//!
//! The logit of clicking a message on channel `to` gains `strength * click` for each pair whose channel `from` was opened
//! within `within_days`, today not included (docs/market.md 6.14). Where the scenario names no pairs: 0.15 from each paid
//! ad to each e-mail channel, 0.10 from each e-mail to each push channel. The figures are assumptions; that contacts add up
//! over channels is in Godfrey, Seiders & Voss (2011), whose adverse side is the module fatigue.
//!
//! Difference from the source: (1) the gain does not depend on how many messages were opened, only on whether one was.

use super::{Contacts, MessagePredictors, ModuleBuild, ResponseModule, Responses, Surroundings, View};
use crate::market::channel::Channel;
use crate::market::people::People;
use crate::random::Seed;
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Value, Values};

/// Kinds of channel that help each other where the file names no pairs, and by how much.
const DEFAULTS: [(&str, &str, f32); 2] = [("paid_ad", "email", 0.15), ("email", "push", 0.10)];

/// Keys of a pair.
const PAIR: &[Parameter] = &[
    Parameter::of("from", Kind::Text { default: None }, "name of the channel that was opened").required(),
    Parameter::of("to", Kind::Text { default: None }, "name of the channel that is clicked more").required(),
    Parameter::optional_number("click", Range::closed(-10.0, 10.0), "logit of clicking").required(),
];

/// Tick of a channel that was never opened.
const NEVER: f32 = -1e9;

/// Registration.
pub(super) const ENTRY: Entry<ModuleBuild> = Entry {
    name: "multichannel",
    summary: "a message opened on one channel makes clicks on another likelier for some days",
    source: "assumed; the idea: Godfrey, Seiders & Voss (2011); docs/market.md 6.14",
    parameters: &[
        Parameter::number("strength", 1.0, Range::closed(0.0, 100.0), "multiplies all gains"),
        Parameter::number("within_days", 3.0, Range::closed(0.0, 1e4), "how long an opened message helps"),
        Parameter::of(
            "pairs",
            Kind::Tables { parameters: PAIR },
            "which channel helps which; where absent, paid ads help e-mail and e-mail helps push",
        ),
    ],
    build: ModuleBuild { create, neutral: || vec![("strength", Value::Number(0.0))] },
};

/// One channel helps another.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pair {
    /// Column of the channel that was opened.
    column: usize,
    /// Channel that is clicked.
    to: usize,
    /// Gain on the logit of clicking.
    click: f32,
}

fn create(values: &Values, surroundings: &Surroundings<'_>) -> Result<Box<dyn ResponseModule>, Refusal> {
    let channels = &surroundings.catalogue.channels;
    let strength = values.number("strength") as f32;
    let mut module = Multichannel {
        pairs: Vec::new(),
        column_of: vec![None; channels.len()],
        columns: 0,
        // Rounded up, so that a tick longer than the time still has a yesterday.
        within_ticks: (values.number("within_days") / surroundings.tick_days).ceil() as f32,
    };
    if values.get("pairs").is_some() {
        for table in values.tables("pairs") {
            let from = find(channels, table, "from")?;
            let to = find(channels, table, "to")?;
            module.join(from, to, strength * table.number("click") as f32);
        }
    } else {
        for (from_kind, to_kind, click) in DEFAULTS {
            for (from, _) in channels.iter().enumerate().filter(|(_, channel)| channel.kind == from_kind) {
                for (to, _) in channels.iter().enumerate().filter(|(_, channel)| channel.kind == to_kind) {
                    module.join(from, to, strength * click);
                }
            }
        }
    }
    Ok(Box::new(module))
}

/// The channel that a key of a pair names.
fn find(channels: &[Channel], table: &Values, key: &str) -> Result<usize, Refusal> {
    let name = table.text(key);
    channels.iter().position(|channel| channel.name == name).ok_or_else(|| {
        let known: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
        let help = format!("the channels are: {}", known.join(", "));
        Refusal::new(table, key, format!("there is no channel `{name}`"), help)
    })
}

#[derive(Debug)]
struct Multichannel {
    pairs: Vec<Pair>,
    /// By channel, the column that keeps the tick of its last open, where a pair asks for it.
    column_of: Vec<Option<usize>>,
    columns: usize,
    within_ticks: f32,
}

impl Multichannel {
    fn join(&mut self, from: usize, to: usize, click: f32) {
        let column = self.column_of[from].unwrap_or(self.columns);
        self.column_of[from] = Some(column);
        self.columns = self.columns.max(column + 1);
        self.pairs.push(Pair { column, to, click });
    }
}

impl ResponseModule for Multichannel {
    fn columns(&self) -> usize {
        self.columns
    }

    fn start(&self, _seed: Seed, _first: u32, _people: &People, columns: &mut [Vec<f32>]) {
        for column in columns {
            column.fill(NEVER);
        }
    }

    fn contribute_to_messages(&self, view: &View<'_>, contacts: &Contacts, predictors: &mut MessagePredictors) {
        for pair in &self.pairs {
            let opened_ticks = &view.columns[pair.column];
            for (index, (&row, message)) in contacts.rows.iter().zip(&contacts.messages).enumerate() {
                let passed = view.tick as f32 - opened_ticks[row as usize];
                let helps = usize::from(message.channel) == pair.to && passed <= self.within_ticks;
                predictors.click[index] += if helps { pair.click } else { 0.0 };
            }
        }
    }

    fn advance(&self, view: &View<'_>, contacts: &Contacts, responses: &Responses, next: &mut [Vec<f32>]) {
        for (index, (&row, message)) in contacts.rows.iter().zip(&contacts.messages).enumerate() {
            if let Some(column) = self.column_of[usize::from(message.channel)].filter(|_| responses.opened[index]) {
                next[column][row as usize] = view.tick as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    const CHANNELS: [(&str, &str); 3] = [("push", "app"), ("email", "news"), ("paid_ad", "ads")];

    fn pair(from: &str, to: &str, click: f64) -> Values {
        let named = |values: Values, key, name: &str| values.with(key, Value::Text(name.into()));
        named(named(Values::default(), "from", from), "to", to).with("click", Value::Number(click))
    }

    /// What a message on a channel gains some ticks after another channel was opened.
    fn gain(values: &Values, opened: u8, sent: u8, ticks: i32) -> f32 {
        let catalogue = testing::catalogue(&CHANNELS, &[]);
        let module = testing::build(&ENTRY, values, &catalogue).unwrap();
        let people = People { order_rate: vec![0.1; 2], ..People::default() };
        let mut columns = vec![vec![0.0; 2]; module.columns()];
        module.start(Seed::new(1), 0, &people, &mut columns);
        let view = View { tick: -2, ..View::bare(&people, &[]) };
        module.advance(&view, &testing::sent(&catalogue, opened, 0, &[1]), &testing::opened(1, false), &mut columns);
        let mut predictors = MessagePredictors::default();
        predictors.reset(2);
        let view = View { tick: ticks - 2, ..View::bare(&people, &columns) };
        module.contribute_to_messages(&view, &testing::sent(&catalogue, sent, 0, &[0, 1]), &mut predictors);
        assert_eq!(predictors.click[0], 0.0);
        predictors.click[1]
    }

    #[test]
    fn ads_help_email_and_email_helps_push_for_three_days() {
        let defaults = Values::defaults(ENTRY.parameters);
        // Channels: 0 push, 1 e-mail, 2 paid ad.
        assert_eq!([1, 3, 4].map(|ticks| gain(&defaults, 2, 1, ticks)), [0.15, 0.15, 0.0]);
        assert_eq!([1, 3, 4].map(|ticks| gain(&defaults, 1, 0, ticks)), [0.10, 0.10, 0.0]);
        for (opened, sent) in [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 0), (2, 2)] {
            assert_eq!(gain(&defaults, opened, sent, 1), 0.0);
        }
        let off = defaults.with("strength", Value::Number(0.0));
        assert_eq!(gain(&off, 2, 1, 1), 0.0);
    }

    #[test]
    fn named_pairs_take_the_place_of_the_defaults_and_add_up() {
        let pairs = vec![pair("app", "ads", 0.5), pair("app", "ads", 0.25), pair("news", "ads", -0.125)];
        let values = Values::defaults(ENTRY.parameters).with("pairs", Value::Tables(pairs));
        assert_eq!(gain(&values, 0, 2, 2), 0.75);
        assert_eq!(gain(&values, 1, 2, 2), -0.125);
        assert_eq!(gain(&values, 2, 1, 2), 0.0);
        let none = Values::defaults(ENTRY.parameters).with("pairs", Value::Tables(Vec::new()));
        assert_eq!(gain(&none, 2, 1, 1), 0.0);
    }

    #[test]
    fn unknown_channels_are_refused() {
        let catalogue = testing::catalogue(&CHANNELS, &[]);
        let values = Values::defaults(ENTRY.parameters);
        let faults = [pair("email", "app", 0.1), pair("news", "push", 0.1)].map(|pair| {
            let values = values.clone().with("pairs", Value::Tables(vec![pair]));
            testing::build(&ENTRY, &values, &catalogue).err().unwrap()
        });
        assert_eq!(faults[0].key, "from");
        assert_eq!(faults[0].message, "there is no channel `email`");
        assert_eq!(faults[0].help, "the channels are: app, news, ads");
        assert_eq!((faults[1].key.as_str(), faults[1].message.as_str()), ("to", "there is no channel `push`"));
    }
}
