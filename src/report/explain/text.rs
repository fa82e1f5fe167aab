//! A history as a person reads it: days with something to tell, and how long nothing happened between them.

use super::replay::{Explanation, Side, Sums, Tick};
use serde_json::{Map, Value};
use std::fmt::Write;

/// Features that say most about a consumer, where a market has them.
const KEY_FEATURES: [&str; 7] = [
    "days_since_order",
    "orders_90_days",
    "orders_ever",
    "days_since_visit",
    "coupon_days_left",
    "weekday",
    "budget_left_share",
];
/// Features of the channel that was chosen, after its name.
const KEY_OF_CHANNEL: [&str; 3] = ["_days_since_sent", "_days_since_open", "_open_share"];
/// Days that stand for never.
const NEVER_DAYS: f64 = 998.5;
/// Features that are shown where none of those is there.
const SHOWN_FEATURES: usize = 8;

impl Explanation {
    /// The timeline, the sums, and what was left out of sight.
    #[must_use]
    pub fn timeline(&self) -> String {
        let mut text = self.heading();
        let mut quiet: Vec<&Tick> = Vec::new();
        for tick in &self.ticks {
            if is_quiet(tick) {
                quiet.push(tick);
                continue;
            }
            self.tell_quiet(&mut quiet, &mut text);
            self.tell(tick, &mut text);
        }
        self.tell_quiet(&mut quiet, &mut text);
        self.tell_sums(&mut text);
        text
    }

    fn heading(&self) -> String {
        let Self { scenario, policy, replication, consumer, .. } = self;
        let mut text = format!("{scenario}: consumer {consumer} under {policy}, replication {replication}\n");
        text += if self.is_alone {
            "replayed alone from the logged actions; every reward equals that of the log\n"
        } else {
            "replayed with all consumers from their logged actions; every reward equals that of the log\n"
        };
        if !self.traits.is_empty() {
            text += &format!("latent: {}\n", listed(&self.traits));
        }
        if self.is_audit {
            text += "the rules are audited, not enforced: what they forbid can be sent, and is counted\n";
        }
        text
    }

    fn tell(&self, tick: &Tick, text: &mut String) {
        let choices = if tick.allowed == 1 { "the only choice".to_owned() } else { format!("of {}", tick.allowed) };
        let line = format!("{} (propensity {}, {choices})", tick.action_name, number(f64::from(tick.propensity)));
        part(text, &format!("\n{}", self.when(tick.tick)), "chosen", &line);
        part(text, "", "seen", &listed(&key_features(tick)));
        let rules: Vec<String> = tick
            .forbidden
            .iter()
            .map(|forbidden| {
                let count = forbidden.actions.len();
                format!("{} ({count} action{})", forbidden.rule, if count == 1 { "" } else { "s" })
            })
            .collect();
        part(text, "", "forbidden", &rules.join("; "));
        part(text, "", "happened", &happened(&tick.lived));
        part(text, "", "untouched", &happened(&tick.untouched));
        part(text, "", "state", &listed(&tick.lived.state));
        part(text, "", "effect", &format!("{} so far", money(tick.effect_so_far)));
    }

    fn tell_quiet(&self, quiet: &mut Vec<&Tick>, text: &mut String) {
        if let (Some(first), Some(last)) = (quiet.first(), quiet.last()) {
            let (first, last) = (self.when(first.tick), self.when(last.tick));
            let when = if quiet.len() == 1 { first } else { format!("{first} to {last}") };
            let why = why_shut(quiet);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n{when}: nothing sent, nothing happened{why}");
        }
        quiet.clear();
    }

    fn tell_sums(&self, text: &mut String) {
        let who = format!("\nin all, under {}", self.policy);
        let _ = writeln!(text, "{who:<34}{}", sums(&self.total));
        let _ = writeln!(text, "{:<33}{}", "untouched", sums(&self.untouched));
        let _ = writeln!(text, "{:<33}{}", "effect", money(self.effect));
    }

    /// When a tick was.
    fn when(&self, tick: u32) -> String {
        if self.tick_days == 1.0 {
            format!("day {tick}")
        } else if self.tick_days == 7.0 {
            format!("week {tick}")
        } else if self.tick_days == 1.0 / 24.0 {
            format!("day {}, {} h", tick / 24, tick % 24)
        } else {
            format!("tick {tick}")
        }
    }
}

/// In how many of the ticks no message was allowed, and by which rules.
fn why_shut(quiet: &[&Tick]) -> String {
    let shut: Vec<&&Tick> = quiet.iter().filter(|tick| tick.allowed == 1).collect();
    let mut rules: Vec<&str> = Vec::new();
    for forbidden in shut.iter().flat_map(|tick| &tick.forbidden) {
        if !rules.contains(&forbidden.rule.as_str()) {
            rules.push(&forbidden.rule);
        }
    }
    let because = if rules.is_empty() { String::new() } else { format!(": {}", rules.join("; ")) };
    match shut.len() {
        0 => String::new(),
        all if all == quiet.len() => format!("; no message was allowed{because}"),
        some => format!("; no message was allowed in {some} of {}{because}", quiet.len()),
    }
}

/// Whether there is nothing to tell: a visit by itself is not.
fn is_quiet(tick: &Tick) -> bool {
    let nothing = |side: &Side| side.profit == 0.0 && side.events.iter().all(|event| event.kind == "visited");
    tick.action == 0 && nothing(&tick.lived) && nothing(&tick.untouched)
}

fn part(text: &mut String, when: &str, label: &str, told: &str) {
    if told.is_empty() {
        return;
    }
    if !when.is_empty() {
        let _ = writeln!(text, "{when}");
    }
    let _ = writeln!(text, "  {label:<10}{told}");
}

fn happened(side: &Side) -> String {
    let events: Vec<&str> = side.events.iter().map(|event| event.told.as_str()).collect();
    let told = if events.is_empty() { "nothing".to_owned() } else { events.join("; ") };
    format!("{told}: profit {}", money(side.profit))
}

/// The features that say most, and those of the channel that was chosen.
fn key_features(tick: &Tick) -> Map<String, Value> {
    let channel = tick.action_name.split('/').next().unwrap_or("");
    let is_key = |name: &String| {
        let of_channel = name.strip_prefix(channel).is_some_and(|rest| KEY_OF_CHANNEL.contains(&rest));
        KEY_FEATURES.contains(&name.as_str()) || of_channel
    };
    let keep = |(name, value): (&String, &Value)| (name.clone(), value.clone());
    let keys: Map<String, Value> = tick.seen.iter().filter(|(name, _)| is_key(name)).map(keep).collect();
    if keys.is_empty() { tick.seen.iter().take(SHOWN_FEATURES).map(keep).collect() } else { keys }
}

fn listed(values: &Map<String, Value>) -> String {
    let one = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name} {text}"),
        Value::Number(days) if name.contains("days_since") && days.as_f64().is_some_and(|days| days > NEVER_DAYS) => {
            format!("{name} never")
        }
        other => format!("{name} {}", number(other.as_f64().unwrap_or(0.0))),
    };
    values.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Four digits that count, and no idle noughts.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 1_000.0 => 0,
        hundreds if hundreds >= 100.0 => 1,
        tens if tens >= 10.0 => 2,
        ones if ones >= 1.0 => 3,
        _ => 4,
    };
    let text = format!("{value:.decimals$}");
    let short = if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

/// Two decimals, or as many as a small amount needs.
fn money(amount: f64) -> String {
    if amount == 0.0 || amount.abs() >= 0.01 { format!("{amount:.2}") } else { number_of_small(amount) }
}

fn number_of_small(amount: f64) -> String {
    format!("{amount:.6}").trim_end_matches('0').to_owned()
}

fn sums(sums: &Sums) -> String {
    let orders = sums.orders.map_or_else(String::new, |orders| format!("orders {orders}, "));
    format!(
        "messages {} (cost {}), {orders}profit {}, worth {} beyond the horizon",
        sums.messages,
        money(sums.cost),
        money(sums.profit),
        money(sums.terminal_value)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_numbers_are_short() {
        assert_eq!(
            [405.0001, 0.0, 998.96, 0.00043, -0.00001, 1.5].map(number),
            ["405", "0", "999", "0.0004", "0", "1.5"]
        );
        assert_eq!([0.0, -0.001, 12.345, -0.25].map(money), ["0.00", "-0.001", "12.35", "-0.25"]);
        let mut seen = Map::new();
        seen.insert("email_days_since_open".to_owned(), 998.9.into());
        assert_eq!(listed(&seen), "email_days_since_open never");
    }
}
