//! The sections that are the same for every market: what the experiment is, how agents are trained, what must hold.

use super::error::Code;
use super::suggestion::way_out;
use super::table::{Reader, Section, describe};
use crate::episode::{Reward, Training};
use crate::evaluation::{Guardrail, Limit};
use crate::protocol::{Kpi, Spec};
use crate::registry::{Kind, Parameter, Range, Values};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Longest name of a scenario, policy, channel, offer or creative.
const NAME_LENGTH: usize = 64;

/// Names that some systems do not take for a folder.
const RESERVED: &[&str] = &["con", "prn", "aux", "nul"];

/// Keys of the file itself.
pub(crate) const EXPERIMENT: &[Parameter] = &[
    Parameter::of("name", Kind::Text { default: None }, "name of the scenario and of its folder of results").required(),
    Parameter::of("question", Kind::Text { default: Some("") }, "the question it asks, in a sentence"),
    Parameter::integer("seed", 1, 0, i64::MAX, "seed of the run"),
    Parameter::integer("replications", 10, 1, 1_000_000, "markets on which each policy is judged"),
];

/// Sections of the file.
pub(crate) const SECTIONS: &[&str] = &[
    "market",
    "modules",
    "channel",
    "offer",
    "creative",
    "slots",
    "constraints",
    "budget",
    "reward",
    "training",
    "policy",
    "guardrail",
];

/// Keys of `[reward]`.
pub(crate) const REWARD: &[Parameter] = &[
    Parameter::choice("kind", "tick", &["tick", "window"], "profit of the tick, or of the window that follows"),
    Parameter::optional_number("window_days", Range::POSITIVE, "length of the window in days, 14 if not given"),
    Parameter::boolean(
        "less_twin",
        false,
        "in training, the reward is counted less what the same consumer earns with the same luck where nobody is \
         contacted, which only a simulator can tell: most of the noise is gone, and policies keep their order by mean \
         reward",
    ),
    Parameter::boolean(
        "expected_orders",
        false,
        "in training, orders count by what they come to in expectation, given all else that happened, which only a simulator \
         can tell; for a market of kind \"market\"",
    ),
];

/// Keys of `[training]`.
pub(crate) const TRAINING: &[Parameter] = &[
    Parameter::integer("episodes", 3, 1, 100_000, "passes over the training seeds, the same for every agent"),
    Parameter::of(
        "seeds",
        Kind::Integers { default: Some(&[101, 102, 103]), minimum: 0, maximum: i64::MAX },
        "seeds of the training markets",
    ),
];

const METRIC_NAMES: &[&str] = &[
    "profit_per_consumer",
    "incremental_profit_per_consumer",
    "terminal_value_per_consumer",
    "return_per_consumer",
    "undiscounted_profit_per_consumer",
    "share_of_oracle",
    "orders_per_consumer",
    "visits_per_consumer",
    "messages_per_consumer",
    "cost_per_consumer",
    "open_rate",
    "click_rate",
    "conversion_rate",
    "opt_out_rate",
    "complaint_rate",
    "discount_per_order",
    "incremental_orders_per_consumer",
    "last_click_orders_per_consumer",
    "touched_orders_per_consumer",
    "contact_rate_gap",
    "discount_depth_gap",
    "opt_out_gap",
];

/// Metrics that an environment may lack, with the count that they need.
const METRIC_NEEDS: &[(&str, Kpi)] = &[
    ("orders_per_consumer", Kpi::Orders),
    ("visits_per_consumer", Kpi::Visits),
    ("messages_per_consumer", Kpi::Messages),
    ("cost_per_consumer", Kpi::Cost),
    ("open_rate", Kpi::Opens),
    ("click_rate", Kpi::Clicks),
    ("conversion_rate", Kpi::Conversions),
    ("opt_out_rate", Kpi::OptOuts),
    ("complaint_rate", Kpi::Complaints),
    ("discount_per_order", Kpi::Discount),
    ("incremental_orders_per_consumer", Kpi::LastClickOrders),
    ("last_click_orders_per_consumer", Kpi::LastClickOrders),
    ("touched_orders_per_consumer", Kpi::TouchedOrders),
    ("contact_rate_gap", Kpi::GroupConsumers),
    ("discount_depth_gap", Kpi::GroupConsumers),
    ("opt_out_gap", Kpi::GroupConsumers),
];

/// Keys of `[[guardrail]]`.
pub(crate) const GUARDRAIL: &[Parameter] = &[
    Parameter::of("metric", Kind::Choice { default: None, options: METRIC_NAMES }, "a metric of the summary")
        .required(),
    Parameter::optional_number("max", Range::ANY, "the mean must not be above this"),
    Parameter::optional_number("min", Range::ANY, "the mean must not be below this"),
];

/// Whether a name can be a folder, a file and a word on the command line.
#[must_use]
pub fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.len() <= NAME_LENGTH
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-')
        && !RESERVED.contains(&name.to_ascii_lowercase().as_str())
}

/// Notes a name that cannot be one, or that was seen before.
pub(crate) fn check_name(reader: &mut Reader<'_>, section: &Section<'_>, name: &str, seen: &mut Vec<String>) {
    let place = section.get("name").map(Spanned::span);
    let path = section.key("name");
    if !is_name(name) {
        let help = format!(
            "letters, digits, - and _, the first a letter or digit, at most {NAME_LENGTH} in all: it names files"
        );
        reader.fault(Code::BadName, place, format!("{path}: {name:?} cannot be a name"), help);
    } else if seen.iter().any(|other| other == name) {
        let message = format!("{path}: the name {name:?} is taken");
        reader.fault(Code::BadName, place, message, "give each its own name");
    }
    seen.push(name.to_owned());
}

/// A `[section]`, if the file has it.
pub(crate) fn table<'t>(reader: &mut Reader<'_>, parent: &Section<'t>, key: &str) -> Option<Section<'t>> {
    let given = parent.get(key)?;
    let path = parent.key(key);
    match given.get_ref() {
        DeValue::Table(table) => Some(Section { path, place: given.span(), table }),
        _ => {
            let message = format!("{path}: expected a table, found {}", reader.found(given));
            reader.fault(Code::WrongType, Some(first_place(given)), message, format!("write [{path}]"));
            None
        }
    }
}

/// All `[[sections]]` of a name; none where the file has none.
pub(crate) fn tables<'t>(reader: &mut Reader<'_>, parent: &Section<'t>, key: &str) -> Vec<Section<'t>> {
    let Some(given) = parent.get(key) else { return Vec::new() };
    let mut sections = Vec::new();
    let mut items: Vec<(String, &Spanned<DeValue<'t>>)> = Vec::new();
    match given.get_ref() {
        DeValue::Array(array) => {
            items.extend(array.iter().enumerate().map(|(index, item)| (format!("{key}[{index}]"), item)));
        }
        _ => items.push((key.to_owned(), given)),
    }
    for (path, item) in items {
        match item.get_ref() {
            DeValue::Table(table) if path != key => sections.push(Section { path, place: item.span(), table }),
            _ => {
                let message = format!("{path}: expected an array of tables, found {}", reader.found(item));
                reader.fault(Code::WrongType, Some(item.span()), message, format!("write [[{key}]] above each"));
            }
        }
    }
    sections
}

/// Where an array of tables starts: its span as a whole can be most of the file.
fn first_place(given: &Spanned<DeValue<'_>>) -> std::ops::Range<usize> {
    match given.get_ref() {
        DeValue::Array(array) => array.iter().next().map_or_else(|| given.span(), Spanned::span),
        _ => given.span(),
    }
}

/// The values of a `[section]`; the defaults where the file has none.
pub(crate) fn values(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    key: &str,
    parameters: &'static [Parameter],
) -> Option<Values> {
    reader.if_clean(|reader| match table(reader, root, key) {
        Some(section) => reader.values(&section, parameters, &[]),
        None => {
            let empty = DeTable::new();
            let mut values =
                reader.values(&Section { path: key.to_owned(), place: 0..0, table: &empty }, parameters, &[])?;
            values.set_whole(None);
            Some(values)
        }
    })
}

/// What `[reward]` asks for, before the length of a tick is known.
#[derive(Debug)]
pub(super) struct RewardRequest {
    window_days: Option<f64>,
    place: Option<std::ops::Range<usize>>,
    less_twin: bool,
    less_twin_place: Option<std::ops::Range<usize>>,
    expected_orders: bool,
    expected_orders_place: Option<std::ops::Range<usize>>,
}

/// Reads `[reward]`.
pub(super) fn reward(reader: &mut Reader<'_>, root: &Section<'_>) -> Option<RewardRequest> {
    let values = values(reader, root, "reward", REWARD)?;
    let given = values.optional_number("window_days");
    let is_window = values.text("kind") == "window";
    let request = RewardRequest {
        window_days: is_window.then(|| given.unwrap_or(14.0)),
        place: values.place("window_days"),
        less_twin: values.boolean("less_twin"),
        less_twin_place: values.place("less_twin"),
        expected_orders: values.boolean("expected_orders"),
        expected_orders_place: values.place("expected_orders"),
    };
    if given.is_some() && !is_window {
        let message = "reward.window_days: only a window has a length, and the kind is \"tick\"";
        reader.fault(Code::Refused, request.place, message, "write kind = \"window\", or drop window_days");
        return None;
    }
    Some(request)
}

impl RewardRequest {
    /// Whether orders count by their expectation, which only a campaign knows.
    pub(super) fn resolve_orders(&self, reader: &mut Reader<'_>, is_campaign: bool) -> bool {
        if self.expected_orders && !is_campaign {
            let message =
                "reward.expected_orders: only a market of kind \"market\" tells what orders come to on average";
            reader.fault(Code::Refused, self.expected_orders_place.clone(), message, "drop expected_orders");
        }
        self.expected_orders
    }

    /// Whether rewards are counted less the twin's. A finite process ends for one of the two before the other, so that
    /// what the twin still earns would be missing.
    pub(super) fn resolve_twin(&self, reader: &mut Reader<'_>, is_finite: bool) -> bool {
        if self.less_twin && is_finite {
            let message = "reward.less_twin: a finite process has no twin to count against";
            let help = "drop less_twin, or take a market of kind \"market\" or \"logit\"";
            reader.fault(Code::Refused, self.less_twin_place.clone(), message, help);
        }
        self.less_twin
    }

    /// Notes agents that count successes: a difference or an average is no success.
    pub(super) fn check_counters(&self, reader: &mut Reader<'_>, counters: &[&str]) {
        let keys = [
            ("less_twin", self.less_twin, &self.less_twin_place),
            ("expected_orders", self.expected_orders, &self.expected_orders_place),
        ];
        for (key, _, place) in keys.into_iter().filter(|(_, asked, _)| *asked && !counters.is_empty()) {
            let message = format!(
                "reward.{key}: agents that count rewards above a threshold as successes learn nothing from it: {}",
                counters.join(", ")
            );
            reader.fault(Code::Refused, place.clone(), message, "drop the key, or these agents");
        }
    }

    /// The reward in ticks; a window that outlasts the horizon never closes.
    pub(super) fn resolve(&self, reader: &mut Reader<'_>, spec: &Spec) -> Option<Reward> {
        let Some(days) = self.window_days else { return Some(Reward::Tick) };
        let ticks = (days / spec.tick_days - 1e-9).ceil().max(1.0);
        if ticks > f64::from(spec.horizon) {
            let message = format!(
                "reward.window_days: a window of {days} days is {ticks} ticks and never closes within the {} of the market",
                spec.horizon
            );
            reader.fault(Code::Refused, self.place.clone(), message, "shorten the window or lengthen market.ticks");
            return None;
        }
        Some(Reward::Window { ticks: ticks as u32 })
    }
}

/// Reads `[training]`; the reward is put in when it is known.
pub(super) fn training(reader: &mut Reader<'_>, root: &Section<'_>) -> Option<Training> {
    let values = values(reader, root, "training", TRAINING)?;
    let seeds: Vec<u64> = values.integers("seeds").iter().map(|seed| seed.unsigned_abs()).collect();
    if seeds.is_empty() {
        let help = describe(&TRAINING[1]);
        reader.fault(Code::OutOfRange, values.place("seeds"), "training.seeds: no seed is given", help);
        return None;
    }
    let episodes = u32::try_from(values.integer("episodes")).unwrap_or(u32::MAX);
    Some(Training { episodes, seeds, reward: Reward::Tick, less_twin: false, expected_orders: false })
}

/// A guardrail with its place, for the check against the market.
#[derive(Debug)]
pub(super) struct PlacedGuardrail {
    guardrail: Guardrail,
    path: String,
    place: Option<std::ops::Range<usize>>,
}

/// Reads every `[[guardrail]]`.
pub(super) fn guardrails(reader: &mut Reader<'_>, root: &Section<'_>) -> Vec<PlacedGuardrail> {
    let mut guardrails = Vec::new();
    for section in tables(reader, root, "guardrail") {
        let Some(values) = reader.values(&section, GUARDRAIL, &[]) else { continue };
        let (min, max) = (values.optional_number("min"), values.optional_number("max"));
        if min.is_none() && max.is_none() {
            let message = format!("{}: neither max nor min is given", section.path);
            reader.fault(Code::MissingKey, Some(section.place.clone()), message, "add `max = …` or `min = …`");
        }
        if let (Some(low), Some(high)) = (min, max)
            && low > high
        {
            let message = format!("{}: min {low} is above max {high}", section.path);
            reader.fault(Code::Refused, values.place("min"), message, "swap them, or drop one");
        }
        for limit in [max.map(Limit::Max), min.map(Limit::Min)].into_iter().flatten() {
            let guardrail = Guardrail { metric: values.text("metric").to_owned(), limit };
            guardrails.push(PlacedGuardrail { guardrail, path: section.key("metric"), place: values.place("metric") });
        }
    }
    guardrails
}

/// Notes guardrails on metrics that the market does not count.
pub(super) fn resolve_guardrails(
    reader: &mut Reader<'_>,
    spec: &Spec,
    guardrails: Vec<PlacedGuardrail>,
) -> Vec<Guardrail> {
    for placed in &guardrails {
        let metric = placed.guardrail.metric.as_str();
        let lacks = METRIC_NEEDS.iter().any(|(name, kpi)| *name == metric && !spec.kpis.contains(kpi));
        if lacks {
            let known: Vec<&str> = METRIC_NAMES
                .iter()
                .copied()
                .filter(|name| !METRIC_NEEDS.iter().any(|(other, kpi)| other == name && !spec.kpis.contains(kpi)))
                .collect();
            let message = format!("{}: this market has no {metric:?}", placed.path);
            let help = way_out("", &known, "metrics of this market");
            reader.fault(Code::Refused, placed.place.clone(), message, help);
        }
    }
    guardrails.into_iter().map(|placed| placed.guardrail).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_folders() {
        for name in ["hello-market", "exact-24", "a", "lin_ucb_2", "7"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-x", ".hidden", "a/b", "..", "a b", "näme", "con", "NUL", &"x".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn every_metric_with_a_need_is_a_metric() {
        assert!(METRIC_NEEDS.iter().all(|(name, _)| METRIC_NAMES.contains(name)));
    }
}
