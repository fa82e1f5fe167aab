//! `[[estimator]]` of an evaluation file: of single decisions or of whole sequences, by the kind.

use super::sections::{kind_of, unknown_kind};
use super::{EstimatorAsked, SequenceAsked};
use crate::evaluation::estimator::{Build, ESTIMATORS, Family};
use crate::evaluation::sequence::SequenceBuild;
use crate::logged::{keys, sequence_kinds};
use crate::registry::{Entry, Value, Values, find};
use crate::scenario;
use crate::scenario::error::Code;
use crate::scenario::section::{check_name, tables};
use crate::scenario::table::{Reader, Section};
use toml::Spanned;

/// The estimator that is right for uniform logs alone, and must be asked for.
const FOR_UNIFORM_LOGS: &str = "replay";

/// What a file asks to be judged by. A sort of which it names none is judged by its defaults.
pub(super) struct Estimators {
    pub(super) of_decisions: Vec<EstimatorAsked>,
    pub(super) are_default: bool,
    /// Those that the file names; the log decides which are taken otherwise.
    pub(super) of_sequences: Vec<SequenceAsked>,
}

/// What the rest of the file has for estimators to read.
#[derive(Clone, Copy)]
pub(super) struct Has {
    pub(super) model: bool,
    pub(super) time: bool,
}

/// Those that the file names; else all that can do without what the file does not have.
pub(super) fn estimators(reader: &mut Reader<'_>, root: &Section<'_>, has: Has) -> Estimators {
    let mut seen = Vec::new();
    let mut found = Estimators { of_decisions: Vec::new(), are_default: false, of_sequences: Vec::new() };
    let mut decisions = 0;
    for section in tables(reader, root, "estimator") {
        let Some(kind) = kind_of(reader, &section) else { continue };
        if let Some(entry) = find(ESTIMATORS, &kind) {
            decisions += 1;
            found.of_decisions.extend(of_decisions(reader, &section, entry, has, &mut seen));
        } else if let Some(entry) = sequence_kinds::of_name(&kind) {
            found.of_sequences.extend(of_sequences(reader, &section, entry, has, &mut seen));
        } else if sequence_kinds::is_left_out(&kind) {
            let message =
                format!("{}: {kind:?} needs a network, and this program is built without", section.key("kind"));
            let help = "build it with the feature `deep`, or take `fqe`";
            reader.fault(Code::Refused, section.get("kind").map(Spanned::span), message, help);
        } else {
            let of_decisions = ESTIMATORS.iter().map(|entry| entry.name);
            let known: Vec<&str> = of_decisions.chain(sequence_kinds::all().map(|entry| entry.name)).collect();
            unknown_kind(reader, &section, "estimator", &kind, &known);
        }
    }
    if decisions == 0 {
        found.are_default = true;
        found.of_decisions = defaults(has);
    }
    found
}

fn defaults(has: Has) -> Vec<EstimatorAsked> {
    let all = ESTIMATORS.iter().filter(|entry| entry.name != FOR_UNIFORM_LOGS).map(|entry| EstimatorAsked {
        name: entry.name.to_owned(),
        entry,
        values: Values::defaults(entry.parameters),
    });
    all.filter(|asked| asked.family().is_ok_and(|family| has.model || !needs_model(&family))).collect()
}

fn of_decisions(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    entry: &'static Entry<Build>,
    has: Has,
    seen: &mut Vec<String>,
) -> Option<EstimatorAsked> {
    let (name, values) = name_and_values(reader, section, entry, seen)?;
    let asked = EstimatorAsked { name, entry, values };
    match asked.family() {
        Ok(family) if !has.model && needs_model(&family) => {
            let message = format!("{}: {} needs a reward model", section.key("kind"), entry.name);
            let help =
                "add [reward_model] with `kind = \"table\"` and its keys; `mercato list reward_models` shows all";
            reader.fault(Code::Refused, section.get("kind").map(Spanned::span), message, help);
            None
        }
        Ok(_) => Some(asked),
        Err(refusal) => {
            scenario::refuse(reader, &section.path, refusal);
            None
        }
    }
}

fn of_sequences(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    entry: &'static Entry<SequenceBuild>,
    has: Has,
    seen: &mut Vec<String>,
) -> Option<SequenceAsked> {
    let (name, values) = name_and_values(reader, section, entry, seen)?;
    let asked = SequenceAsked { name, entry, values };
    if !has.time {
        let message =
            format!("{}: {} judges whole sequences, and log.time is missing", section.key("kind"), entry.name);
        let help = "add `time = …` (steps of a unit) and `unit = …` to [log], or take an estimator of single decisions";
        reader.fault(Code::Refused, section.get("kind").map(Spanned::span), message, help);
        return None;
    }
    match asked.estimator() {
        Ok(_) => Some(asked),
        Err(refusal) => {
            scenario::refuse(reader, &section.path, refusal);
            None
        }
    }
}

/// The name, that of the kind if none is given, and the parameters.
fn name_and_values<B>(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    entry: &'static Entry<B>,
    seen: &mut Vec<String>,
) -> Option<(String, Values)> {
    let name = match section.get("name") {
        Some(_) => match reader.one(section, &keys::NAME) {
            Some(Value::Text(name)) => name,
            _ => return None,
        },
        None => entry.name.to_owned(),
    };
    check_name(reader, section, &name, seen);
    let values = reader.values(section, entry.parameters, &[keys::NAME.name, keys::KIND.name])?;
    Some((name, values))
}

fn needs_model(family: &Family) -> bool {
    family.members.iter().any(|member| member.estimator.needs().models.contains(&true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_of_decisions_or_of_sequences() {
        for entry in sequence_kinds::all() {
            assert!(find(ESTIMATORS, entry.name).is_none(), "{} is both", entry.name);
        }
    }
}
