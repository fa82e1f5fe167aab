//! Sections of an evaluation file whose `kind` says what they are.

use super::ModelAsked;
use crate::evaluation::IntervalKind;
use crate::logged::keys;
use crate::registry::{Entry, Value, Values, find};
use crate::scenario::error::Code;
use crate::scenario::section::table;
use crate::scenario::suggestion::way_out;
use crate::scenario::table::{Reader, Section};
use toml::Spanned;

/// The entry that a section's `kind` names.
pub(super) fn kind<B>(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    entries: &'static [Entry<B>],
    what: &str,
) -> Option<&'static Entry<B>> {
    let kind = kind_of(reader, section)?;
    let entry = find(entries, &kind);
    if entry.is_none() {
        let known: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
        unknown_kind(reader, section, what, &kind, &known);
    }
    entry
}

/// What stands at `kind`.
pub(super) fn kind_of(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<String> {
    match reader.one(section, &keys::KIND) {
        Some(Value::Text(kind)) => Some(kind),
        _ => None,
    }
}

pub(super) fn unknown_kind(reader: &mut Reader<'_>, section: &Section<'_>, what: &str, kind: &str, known: &[&str]) {
    let message = format!("{}: there is no {what} {kind:?}", section.key("kind"));
    let place = section.get("kind").map(Spanned::span);
    reader.fault(Code::UnknownName, place, message, way_out(kind, known, "kinds"));
}

/// How intervals are made.
pub(super) fn interval_kind(reader: &mut Reader<'_>, interval: &Values) -> Option<IntervalKind> {
    let Some(name) = interval.optional_text("kind") else { return Some(IntervalKind::default()) };
    let kind = IntervalKind::named(name);
    if kind.is_none() {
        let known: Vec<&str> = IntervalKind::NAMED.iter().map(|(name, ..)| *name).collect();
        let message = format!("interval.kind: there is no interval {name:?}");
        reader.fault(Code::UnknownName, interval.place("kind"), message, way_out(name, &known, "intervals"));
    }
    kind
}

/// Parts of the units for cross-fitting.
pub(super) fn folds(reader: &mut Reader<'_>, root: &Section<'_>) -> u8 {
    let section = if root.get("reward_model").is_some() { table(reader, root, "reward_model") } else { None };
    match section.and_then(|section| reader.one(&section, &keys::FOLDS)) {
        Some(Value::Integer(folds)) => u8::try_from(folds).unwrap_or(5),
        _ => 5,
    }
}

/// A model, where there is one.
pub(super) fn model<B>(
    reader: &mut Reader<'_>,
    root: &Section<'_>,
    key: &str,
    entries: &'static [Entry<B>],
    others: &[&str],
) -> Option<ModelAsked<B>> {
    let before = reader.faults.len();
    let section = table(reader, root, key).filter(|_| reader.faults.len() == before)?;
    let entry = kind(reader, &section, entries, "model")?;
    let others: Vec<&str> = others.iter().copied().chain([keys::KIND.name]).collect();
    Some(ModelAsked { entry, values: reader.values(&section, entry.parameters, &others)? })
}
