//! How a file names the one action that a rule takes: by its whole name, or by channel, hour, offer and creative.

use super::naming;
use crate::protocol::{Action, Spec};
use crate::registry::{Parameter, Refusal, Values};

/// The whole name of an action.
pub(super) const ACTION: Parameter =
    Parameter::optional_text("action", "whole name of the action, instead of channel, hour, offer and creative");
/// Level of the factor of that name.
pub(super) const CHANNEL: Parameter = Parameter::optional_text("channel", "channel; the first that fits if absent");
/// Level of the factor of that name.
pub(super) const HOUR: Parameter =
    Parameter::optional_integer("hour", 0, 23, "hour of the slot; the first that fits if absent");
/// Level of the factor of that name.
pub(super) const OFFER: Parameter = Parameter::optional_text("offer", "offer; the first that fits if absent");
/// Level of the factor of that name.
pub(super) const CREATIVE: Parameter = Parameter::optional_text("creative", "creative; the first that fits if absent");

const FACTORS: [&str; 4] = ["channel", "hour", "offer", "creative"];

/// A level that the file asks for.
struct Wish {
    factor: usize,
    level: u16,
}

/// The action that the file names: the first contact that has every level asked for.
pub(super) fn chosen_action(values: &Values, spec: &Spec) -> Result<u16, Refusal> {
    let asked: Vec<&str> = FACTORS.into_iter().filter(|key| values.get(key).is_some()).collect();
    if let Some(name) = values.optional_text("action") {
        if let Some(key) = asked.first() {
            return Err(Refusal::new(
                values,
                key,
                format!("`{key}` stands beside `action = \"{name}\"`, which says it already"),
                "keep `action` or the parts, not both",
            ));
        }
        return named_action(values, "action", name, spec);
    }
    fitting_actions(values, spec)?.first().copied().ok_or_else(|| {
        Refusal::new(values, "action", "there is nothing to send: this market has no action but no contact", {
            "give the market a channel, or use the policy `none`"
        })
    })
}

/// The contacts that have every level asked for, in order; all of them where none is.
pub(super) fn fitting_actions(values: &Values, spec: &Spec) -> Result<Vec<u16>, Refusal> {
    let mut wishes = Vec::new();
    for key in FACTORS.into_iter().filter(|key| values.get(key).is_some()) {
        wishes.push(wish(values, key, spec)?);
        if !contacts(spec).any(|(_, action)| has(action, &wishes)) {
            return Err(no_such_combination(values, key, &wishes, spec));
        }
    }
    Ok(contacts(spec).filter(|(_, action)| has(action, &wishes)).map(|(index, _)| index as u16).collect())
}

/// The action of this whole name.
pub(super) fn named_action(values: &Values, key: &str, name: &str, spec: &Spec) -> Result<u16, Refusal> {
    spec.actions.find(name).ok_or_else(|| {
        let names = spec.actions.actions.iter().map(|action| action.name.as_str());
        Refusal::new(values, key, format!("there is no action `{name}`"), naming::way_out(name, names))
    })
}

fn contacts(spec: &Spec) -> impl Iterator<Item = (usize, &Action)> {
    spec.actions.actions.iter().enumerate().skip(1)
}

fn has(action: &Action, wishes: &[Wish]) -> bool {
    let Some(levels) = &action.levels else { return false };
    wishes.iter().all(|wish| levels.get(wish.factor) == Some(&wish.level))
}

fn wish(values: &Values, key: &str, spec: &Spec) -> Result<Wish, Refusal> {
    let hour = values.optional_integer(key);
    let text = hour.map_or_else(|| values.optional_text(key).unwrap_or("").to_owned(), |hour| hour.to_string());
    let Some(factor) = spec.actions.factor(key) else {
        let names = spec.actions.actions.iter().map(|action| action.name.as_str());
        return Err(Refusal::new(
            values,
            key,
            format!("actions of this market have no {key}"),
            format!("name the whole `action` instead: {}", naming::listed(names)),
        ));
    };
    let levels = &spec.actions.factors[factor].levels;
    let same = |level: &String| *level == text || (hour.is_some() && level.parse().ok() == hour);
    match levels.iter().position(same) {
        Some(level) => Ok(Wish { factor, level: level as u16 }),
        None => Err(Refusal::new(
            values,
            key,
            format!("there is no {key} `{text}`"),
            naming::way_out(&text, levels.iter().map(String::as_str)),
        )),
    }
}

/// The last wish is the one that no longer fits: says what it could be.
fn no_such_combination(values: &Values, key: &str, wishes: &[Wish], spec: &Spec) -> Refusal {
    let factors = &spec.actions.factors;
    let level_name = |wish: &Wish| factors[wish.factor].levels[usize::from(wish.level)].as_str();
    let (Some(last), earlier) = (wishes.last(), &wishes[..wishes.len().saturating_sub(1)]) else {
        return Refusal::new(values, key, "no action fits", "name the whole `action`");
    };
    let fitting: Vec<&str> = (0..factors[last.factor].levels.len() as u16)
        .map(|level| Wish { factor: last.factor, level })
        .filter(|other| {
            contacts(spec).any(|(_, action)| has(action, earlier) && has(action, std::slice::from_ref(other)))
        })
        .map(|other| factors[other.factor].levels[usize::from(other.level)].as_str())
        .collect();
    let before: Vec<String> =
        earlier.iter().map(|wish| format!("{} `{}`", factors[wish.factor].name, level_name(wish))).collect();
    Refusal::new(
        values,
        key,
        format!("no action combines {key} `{}` with {}", level_name(last), before.join(", ")),
        format!("with these, {key} may be {}", naming::listed(fitting.into_iter())),
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::protocol::{ActionSpace, Factor};
    use crate::registry::Value;
    use crate::units::Money;

    const KEYS: &[Parameter] = &[ACTION, CHANNEL, HOUR, OFFER, CREATIVE];

    /// E-mail at 8 and 12 with and without discount, push at 12 without.
    pub(in crate::agent) fn market() -> Spec {
        let levels = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut actions = vec![Action { name: "none".into(), levels: None, cost: Money::ZERO }];
        for (channel, hour, offer) in [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 1, 0)] {
            let name = format!("{}/{}h/{}/a", ["email", "push"][channel], [8, 12][hour], ["full", "ten"][offer]);
            let levels = Some(vec![channel as u16, hour as u16, offer as u16, 0]);
            actions.push(Action { name, levels, cost: Money::ZERO });
        }
        let factors = vec![
            Factor { name: "channel", levels: levels(&["email", "push"]) },
            Factor { name: "hour", levels: levels(&["8", "12"]) },
            Factor { name: "offer", levels: levels(&["full", "ten"]) },
            Factor { name: "creative", levels: levels(&["a"]) },
        ];
        Spec {
            consumers: 100,
            horizon: 30,
            tick_days: 1.0,
            discount: 1.0,
            features: Vec::new(),
            actions: ActionSpace { factors, actions },
            kpis: Vec::new(),
        }
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn the_first_contact_that_fits_is_chosen() {
        let spec = market();
        let values = Values::defaults(KEYS);
        assert_eq!(chosen_action(&values, &spec), Ok(1));
        assert_eq!(chosen_action(&values.clone().with("hour", Value::Integer(12)), &spec), Ok(3));
        assert_eq!(chosen_action(&values.clone().with("channel", text("push")), &spec), Ok(5));
        let both = values.clone().with("offer", text("ten")).with("hour", Value::Integer(12));
        assert_eq!(chosen_action(&both, &spec), Ok(4));
        assert_eq!(chosen_action(&values.with("action", text("push/12h/full/a")), &spec), Ok(5));
    }

    #[test]
    fn what_does_not_exist_is_refused_with_the_choices() {
        let spec = market();
        let values = Values::defaults(KEYS);
        let refused = |values: Values| chosen_action(&values, &spec).unwrap_err();
        let hour = refused(values.clone().with("hour", Value::Integer(10)));
        assert_eq!((hour.key.as_str(), hour.message.as_str()), ("hour", "there is no hour `10`"));
        assert_eq!(hour.help, "there is 8, 12");
        let channel = refused(values.clone().with("channel", text("emial")));
        assert_eq!(channel.help, "did you mean `email`? there is email, push");
        let pair = refused(values.clone().with("channel", text("push")).with("hour", Value::Integer(8)));
        assert_eq!(pair.message, "no action combines hour `8` with channel `push`");
        assert_eq!(pair.help, "with these, hour may be 12");
        let twice = refused(values.clone().with("action", text("push/12h/full/a")).with("hour", Value::Integer(8)));
        assert_eq!(twice.key, "hour");
        let unknown = refused(values.clone().with("action", text("push/12h/full/b")));
        assert!(unknown.help.starts_with("did you mean `push/12h/full/a`?"), "{}", unknown.help);
        let flat = Spec { actions: ActionSpace::flat("arm", "none", &["send"]), ..market() };
        let factor = chosen_action(&values.clone().with("offer", text("ten")), &flat).unwrap_err();
        assert_eq!(factor.help, "name the whole `action` instead: none, send");
        let empty = Spec { actions: ActionSpace::flat("arm", "none", &[]), ..market() };
        assert_eq!(chosen_action(&values, &empty).unwrap_err().key, "action");
    }
}
