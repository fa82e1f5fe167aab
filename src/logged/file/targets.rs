//! `[[target]]` of an evaluation file.

use super::TargetAsked;
use super::paths::named_table;
use super::sections::kind;
use crate::logged::keys::{self, TARGETS, TargetKind};
use crate::registry::Value;
use crate::scenario::error::Code;
use crate::scenario::section::{check_name, tables};
use crate::scenario::table::{Reader, Section};
use std::path::Path;
use toml::Spanned;

pub(super) fn targets(reader: &mut Reader<'_>, root: &Section<'_>, folder: &Path) -> Vec<TargetAsked> {
    let before = reader.faults.len();
    let sections = tables(reader, root, "target");
    if sections.is_empty() && reader.faults.len() == before {
        let help = "add [[target]] with a name and a kind: table, uniform, constant, logging or policy";
        reader.fault(Code::MissingKey, None, "target: there is none to judge", help);
    }
    let (mut seen, mut targets) = (Vec::new(), Vec::new());
    for section in sections {
        let name = reader.one(&section, &keys::NAME);
        if let Some(Value::Text(name)) = &name {
            check_name(reader, &section, name, &mut seen);
        }
        let Some(entry) = kind(reader, &section, TARGETS, "target") else { continue };
        let Some(values) = reader.values(&section, entry.parameters, &[keys::NAME.name, keys::KIND.name]) else {
            continue;
        };
        let mut target = TargetAsked {
            name: match name {
                Some(Value::Text(name)) => name,
                _ => continue,
            },
            kind: entry.build,
            section: section.path.clone(),
            table: None,
            run: values.optional_text("run").map(|run| folder.join(run)),
            values,
        };
        match entry.build {
            TargetKind::Table => {
                let path = target.values.text("path").to_owned();
                target.table = named_table(reader, &section.key("path"), &path, target.values.place("path"));
            }
            TargetKind::Bundle => {
                let message = format!("{}: policy bundles are not available in this version", section.key("kind"));
                let help = "take kind = \"policy\" with the folder of a run, or export the law as a table";
                reader.fault(Code::Refused, section.get("kind").map(Spanned::span), message, help);
            }
            _ => {}
        }
        targets.push(target);
    }
    targets
}
