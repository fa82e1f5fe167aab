//! `[[estimator]]` of an evaluation file.

use super::EstimatorAsked;
use super::sections::kind;
use crate::evaluation::estimator::{ESTIMATORS, Family};
use crate::logged::keys;
use crate::registry::{Value, Values};
use crate::scenario;
use crate::scenario::error::Code;
use crate::scenario::section::{check_name, tables};
use crate::scenario::table::{Reader, Section};
use toml::Spanned;

/// The estimator that is right for uniform logs alone, and must be asked for.
const FOR_UNIFORM_LOGS: &str = "replay";

/// Those that the file names; else all that can do without what the file does not have.
pub(super) fn estimators(reader: &mut Reader<'_>, root: &Section<'_>, has_model: bool) -> (Vec<EstimatorAsked>, bool) {
    let sections = tables(reader, root, "estimator");
    if sections.is_empty() {
        let all = ESTIMATORS.iter().filter(|entry| entry.name != FOR_UNIFORM_LOGS).map(|entry| EstimatorAsked {
            name: entry.name.to_owned(),
            entry,
            values: Values::defaults(entry.parameters),
        });
        let all = all.filter(|asked| asked.family().is_ok_and(|family| has_model || !needs_model(&family)));
        return (all.collect(), true);
    }
    let (mut seen, mut asked) = (Vec::new(), Vec::new());
    for section in sections {
        let Some(entry) = kind(reader, &section, ESTIMATORS, "estimator") else { continue };
        let name = match section.get("name") {
            Some(_) => match reader.one(&section, &keys::NAME) {
                Some(Value::Text(name)) => name,
                _ => continue,
            },
            None => entry.name.to_owned(),
        };
        check_name(reader, &section, &name, &mut seen);
        let Some(values) = reader.values(&section, entry.parameters, &[keys::NAME.name, keys::KIND.name]) else {
            continue;
        };
        let estimator = EstimatorAsked { name, entry, values };
        match estimator.family() {
            Ok(family) if !has_model && needs_model(&family) => {
                let message = format!("{}: {} needs a reward model", section.key("kind"), entry.name);
                let help =
                    "add [reward_model] with `kind = \"table\"` and its keys; `mercato list reward_models` shows all";
                reader.fault(Code::Refused, section.get("kind").map(Spanned::span), message, help);
            }
            Ok(_) => asked.push(estimator),
            Err(refusal) => scenario::refuse(reader, &section.path, refusal),
        }
    }
    (asked, false)
}

fn needs_model(family: &Family) -> bool {
    family.members.iter().any(|member| member.estimator.needs().models.contains(&true))
}
