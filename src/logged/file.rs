//! An evaluation file, read in one pass that never stops at a fault.

use super::keys::{self, TARGETS, TargetKind};
use crate::evaluation::estimator::{Build as EstimatorBuild, ESTIMATORS, Family};
use crate::evaluation::model::{Build as ModelBuild, PROPENSITY_MODELS, PropensityBuild, REWARD_MODELS};
use crate::evaluation::{Asked, IntervalKind};
use crate::random::Seed;
use crate::registry::{Entry, Refusal, Value, Values, find};
use crate::scenario::error::{Code, ScenarioError, ScenarioErrors};
use crate::scenario::file::{Files, Source};
use crate::scenario::section::{check_name, is_name, table, tables, values};
use crate::scenario::suggestion::way_out;
use crate::scenario::table::{Reader, Section};
use crate::scenario::{self, SYNTAX_FAULTS, note_syntax};
use std::ops::Range as Place;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;
use toml::de::DeTable;

/// What an evaluation file asks for; the log itself has not been read.
#[derive(Debug)]
pub struct Evaluation {
    /// Name of the evaluation.
    pub name: String,
    /// Where the file was read from, for messages.
    pub file_name: String,
    /// Its text.
    pub text: String,
    /// SHA-256 over the text and the tables that it names.
    pub hash: String,
    /// Seed of the bootstrap and of the twin.
    pub seed: Seed,
    pub(super) margin: Option<f64>,
    pub(super) log: Values,
    pub(super) paths: Vec<PathBuf>,
    pub(super) logging_table: Option<NamedTable>,
    pub(super) targets: Vec<TargetAsked>,
    pub(super) reward_model: Option<ModelAsked<ModelBuild>>,
    pub(super) folds: u8,
    pub(super) propensity_model: Option<ModelAsked<PropensityBuild>>,
    pub(super) estimators: Vec<EstimatorAsked>,
    pub(super) estimators_are_default: bool,
    pub(super) interval: IntervalKind,
    pub(super) confidence: f64,
    pub(super) resamples: u32,
    pub(super) twin: Values,
}

/// A table that a file names: the path as it writes it, where, and the bytes.
#[derive(Clone, Debug)]
pub(super) struct NamedTable {
    pub(super) path: String,
    pub(super) place: Option<Place<usize>>,
    pub(super) bytes: Arc<[u8]>,
}

/// One `[[target]]`.
#[derive(Clone, Debug)]
pub(super) struct TargetAsked {
    pub(super) name: String,
    pub(super) kind: TargetKind,
    pub(super) section: String,
    pub(super) values: Values,
    pub(super) table: Option<NamedTable>,
    /// Folder of the run.
    pub(super) run: Option<PathBuf>,
}

/// A model with its values.
#[derive(Debug)]
pub(super) struct ModelAsked<B: 'static> {
    pub(super) entry: &'static Entry<B>,
    pub(super) values: Values,
}

/// One `[[estimator]]`, or one of those that are taken where the file names none.
#[derive(Clone, Debug)]
pub(super) struct EstimatorAsked {
    pub(super) name: String,
    pub(super) entry: &'static Entry<EstimatorBuild>,
    pub(super) values: Values,
}

impl EstimatorAsked {
    /// Makes it, as it was made when the file was checked.
    pub(super) fn family(&self) -> Result<Family, Refusal> {
        (self.entry.build)(&self.values)
    }

    pub(super) fn asked(&self) -> Result<Asked, Refusal> {
        Ok(Asked { name: self.name.clone(), kind: self.entry.name, family: self.family()? })
    }
}

impl Evaluation {
    /// All faults of the log or of what it was held against, as faults of this file.
    pub(super) fn wrong(&self, faults: Vec<ScenarioError>) -> ScenarioErrors {
        ScenarioErrors::new(&self.file_name, &self.text, faults)
    }

    /// What a builder refused, as a fault of this file.
    pub(super) fn refused(&self, section: &str, refusal: Refusal) -> ScenarioErrors {
        let Refusal { key, place, message, help } = refusal;
        let path = if key.is_empty() { section.to_owned() } else { format!("{section}.{key}") };
        let help = (!help.is_empty()).then_some(help);
        self.wrong(vec![ScenarioError { message: format!("{path}: {message}"), place, help, code: Code::Refused }])
    }
}

/// Reads an evaluation file and the tables that it names; the log is not read.
///
/// # Errors
/// All that is wrong with it.
pub fn load(path: &Path) -> Result<Evaluation, ScenarioErrors> {
    let file_name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            std::io::ErrorKind::InvalidData => "the file is not UTF-8 text".to_owned(),
            _ => format!("the file cannot be read: {error}"),
        };
        let help = Some("give the path of an evaluation file".to_owned());
        ScenarioErrors::new(
            &file_name,
            "",
            vec![ScenarioError { message, place: None, help, code: Code::UnreadableFile }],
        )
    })?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    parse(&text, path.parent().unwrap_or(Path::new("")), &file_name, &name)
}

/// Whether a text is an evaluation file rather than a scenario: it has `[log]` and no `[market]`.
#[must_use]
pub fn is_evaluation(text: &str) -> bool {
    let (document, _) = DeTable::parse_recoverable(text);
    document.get_ref().contains_key("log") && !document.get_ref().contains_key("market")
}

/// Reads the text of an evaluation file; paths in it are relative to a folder.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(text: &str, folder: &Path, file_name: &str, name: &str) -> Result<Evaluation, ScenarioErrors> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, files: Files::new(Source::Folder(folder.to_owned())), faults: Vec::new() };
    let mut is_broken = false;
    for error in syntax.iter().take(SYNTAX_FAULTS) {
        is_broken |= !note_syntax(&mut reader, error);
    }
    let root = Section { path: String::new(), place: 0..text.len(), table: document.get_ref() };
    let evaluation = if is_broken { None } else { read(&mut reader, &root, folder) };
    match evaluation {
        Some(mut evaluation) if reader.faults.is_empty() => {
            let files = reader.files.into_read();
            evaluation.hash = scenario::hash(text, &files);
            evaluation.text = text.to_owned();
            evaluation.file_name = file_name.to_owned();
            if evaluation.name.is_empty() {
                evaluation.name = if is_name(name) { name.to_owned() } else { "evaluation".to_owned() };
            }
            Ok(evaluation)
        }
        _ => Err(ScenarioErrors::new(file_name, text, reader.faults)),
    }
}

fn read(reader: &mut Reader<'_>, root: &Section<'_>, folder: &Path) -> Option<Evaluation> {
    let header = reader.values(root, keys::FILE, keys::SECTIONS);
    if let Some(Value::Text(name)) = header.as_ref().and_then(|header| header.get("name")) {
        check_name(reader, root, name, &mut Vec::new());
    }
    if root.get("log").is_none() {
        let help = "add [log] with `path = …` and the columns of action, reward and propensity";
        reader.fault(Code::MissingKey, None, "log: there is none to judge by", help);
    }
    let log = if root.get("log").is_some() { values(reader, root, "log", keys::LOG) } else { None };
    let paths = log.as_ref().map(|log| log_paths(reader, log, folder)).unwrap_or_default();
    let logging_table = log.as_ref().and_then(|log| match log.optional_text("logging") {
        None | Some("uniform") => None,
        Some(path) => named_table(reader, "log.logging", path, log.place("logging")),
    });
    let targets = targets(reader, root, folder);
    let folds = folds(reader, root);
    let reward_model = model(reader, root, "reward_model", REWARD_MODELS, &[keys::FOLDS.name]);
    let propensity_model = model(reader, root, "propensity_model", PROPENSITY_MODELS, &[]);
    let has_model = root.get("reward_model").is_some();
    let (estimators, estimators_are_default) = estimators(reader, root, has_model);
    let interval = values(reader, root, "interval", keys::INTERVAL);
    let kind = interval.as_ref().and_then(|interval| interval_kind(reader, interval));
    let twin = values(reader, root, "twin", keys::TWIN);
    let (header, interval) = (header?, interval?);
    Some(Evaluation {
        name: header.optional_text("name").unwrap_or("").to_owned(),
        file_name: String::new(),
        text: String::new(),
        hash: String::new(),
        seed: Seed::new(header.integer("seed").unsigned_abs()),
        margin: header.optional_number("margin"),
        log: log?,
        paths,
        logging_table,
        targets,
        reward_model,
        folds,
        propensity_model,
        estimators,
        estimators_are_default,
        interval: kind?,
        confidence: interval.number("confidence"),
        resamples: u32::try_from(interval.integer("resamples")).unwrap_or(u32::MAX),
        twin: twin?,
    })
}

fn interval_kind(reader: &mut Reader<'_>, interval: &Values) -> Option<IntervalKind> {
    let Some(name) = interval.optional_text("kind") else { return Some(IntervalKind::default()) };
    let kind = IntervalKind::named(name);
    if kind.is_none() {
        let known: Vec<&str> = IntervalKind::NAMED.iter().map(|(name, ..)| *name).collect();
        let message = format!("interval.kind: there is no interval {name:?}");
        reader.fault(Code::UnknownName, interval.place("kind"), message, way_out(name, &known, "intervals"));
    }
    kind
}

/// The files of a path, those of a pattern in the order of their names.
fn log_paths(reader: &mut Reader<'_>, log: &Values, folder: &Path) -> Vec<PathBuf> {
    let Some(path) = log.optional_text("path") else { return Vec::new() };
    let full = folder.join(path);
    let place = log.place("path");
    let Some(found) = named_like(&full) else {
        if !full.is_file() {
            let (message, help) = reader.files.missing(path);
            reader.fault(Code::UnreadableFile, place, format!("log.path: {message}"), help);
        }
        return vec![full];
    };
    if found.is_empty() {
        let help = format!("looked in {}; paths are relative to the evaluation file", parent_of(&full).display());
        reader.fault(Code::UnreadableFile, place, format!("log.path: no file is named like {path:?}"), help);
    }
    found
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The files whose name is of the pattern at the end of a path, in the order of their names; `None` where it is no pattern.
pub(super) fn named_like(path: &Path) -> Option<Vec<PathBuf>> {
    let pattern = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !pattern.contains(['*', '?']) {
        return None;
    }
    let parent = parent_of(path);
    let entries = std::fs::read_dir(parent).map(|entries| entries.flatten().map(|entry| entry.file_name()).collect());
    let mut names: Vec<String> = entries
        .unwrap_or_else(|_| Vec::new())
        .iter()
        .map(|name: &std::ffi::OsString| name.to_string_lossy().into_owned())
        .filter(|name| matches(pattern.as_bytes(), name.as_bytes()))
        .collect();
    names.sort();
    Some(names.into_iter().map(|name| parent.join(name)).collect())
}

/// Whether a name is of a pattern: `*` is any letters, `?` is any one.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.first(), name.first()) {
        (None, None) => true,
        (Some(b'*'), _) => matches(&pattern[1..], name) || (!name.is_empty() && matches(pattern, &name[1..])),
        (Some(b'?'), Some(_)) => matches(&pattern[1..], &name[1..]),
        (Some(letter), Some(other)) => letter == other && matches(&pattern[1..], &name[1..]),
        _ => false,
    }
}

fn named_table(reader: &mut Reader<'_>, key: &str, path: &str, place: Option<Place<usize>>) -> Option<NamedTable> {
    match reader.files.read(path) {
        Ok(bytes) => Some(NamedTable { path: path.to_owned(), place, bytes }),
        Err((message, help)) => {
            reader.fault(Code::UnreadableFile, place, format!("{key}: {message}"), help);
            None
        }
    }
}

fn targets(reader: &mut Reader<'_>, root: &Section<'_>, folder: &Path) -> Vec<TargetAsked> {
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

/// The entry that a section's `kind` names.
fn kind<B>(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    entries: &'static [Entry<B>],
    what: &str,
) -> Option<&'static Entry<B>> {
    let Some(Value::Text(kind)) = reader.one(section, &keys::KIND) else { return None };
    let entry = find(entries, &kind);
    if entry.is_none() {
        let known: Vec<&str> = entries.iter().map(|entry| entry.name).collect();
        let message = format!("{}: there is no {what} {kind:?}", section.key("kind"));
        reader.fault(
            Code::UnknownName,
            section.get("kind").map(Spanned::span),
            message,
            way_out(&kind, &known, "kinds"),
        );
    }
    entry
}

fn folds(reader: &mut Reader<'_>, root: &Section<'_>) -> u8 {
    let section = if root.get("reward_model").is_some() { table(reader, root, "reward_model") } else { None };
    match section.and_then(|section| reader.one(&section, &keys::FOLDS)) {
        Some(Value::Integer(folds)) => u8::try_from(folds).unwrap_or(5),
        _ => 5,
    }
}

fn model<B>(
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

/// The estimator that is right for uniform logs alone, and must be asked for.
const FOR_UNIFORM_LOGS: &str = "replay";

/// Those that the file names; else all that can do without what the file does not have.
fn estimators(reader: &mut Reader<'_>, root: &Section<'_>, has_model: bool) -> (Vec<EstimatorAsked>, bool) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names() {
        for (pattern, name, expected) in [
            ("*.parquet", "a.parquet", true),
            ("log-?.csv", "log-1.csv", true),
            ("log-?.csv", "log-12.csv", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn all_faults_are_told_at_once_with_a_way_out() {
        let text = "margn = 1\n[log]\naction = \"a\"\n[[target]]\nname = \"x\"\nkind = \"tabel\"\n[[target]]\nname = \"x\"\n\
            kind = \"bundle\"\npath = \"x.mercato\"\n[[estimator]]\nkind = \"ipz\"\n[reward_model]\nkind = \"rigde\"\n\
            [interval]\nkind = \"normle\"\nconfidence = 2.0\n";
        let Err(errors) = parse(text, Path::new("."), "e.toml", "e") else { panic!("read") };
        let told = errors.to_string();
        for part in [
            "margn: there is no such key",
            "log.path is missing",
            "target[0].kind: there is no target \"tabel\"\n  help: did you mean \"table\"?",
            "the name \"x\" is taken",
            "policy bundles are not available in this version",
            "estimator[0].kind: there is no estimator \"ipz\"",
            "did you mean \"ips\"?",
            "did you mean \"ridge\"?",
            "interval.confidence: 2.0 is not a number",
        ] {
            assert!(told.contains(part), "{part:?} is not in\n{told}");
        }
    }
}
