//! An evaluation file, read in one pass that never stops at a fault.

mod estimators;
mod laws;
mod paths;
mod sections;

use self::estimators::{Estimators, Has, estimators};
use self::laws::{loggers, targets};
pub(super) use self::paths::named_like;
use self::paths::{log_paths, named_table};
use self::sections::{folds, interval_kind, model};
use super::keys::{self, LawKind};
use crate::evaluation::estimator::{Build as EstimatorBuild, Family};
use crate::evaluation::model::{Build as ModelBuild, PROPENSITY_MODELS, PropensityBuild, REWARD_MODELS};
use crate::evaluation::sequence::{SequenceBuild, SequenceEstimator};
use crate::evaluation::{Asked, IntervalKind};
use crate::random::Seed;
use crate::registry::{Entry, Refusal, Value, Values};
use crate::scenario::error::{Code, ScenarioError, ScenarioErrors};
use crate::scenario::file::{Files, Source};
use crate::scenario::section::{check_name, is_name, values};
use crate::scenario::table::{Reader, Section};
use crate::scenario::{self, SYNTAX_FAULTS, note_syntax};
use std::ops::Range as Place;
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    /// All files and folders that it reads.
    pub(super) inputs: Vec<PathBuf>,
    pub(super) margin: Option<f64>,
    pub(super) log: Values,
    pub(super) paths: Vec<PathBuf>,
    pub(super) logging_table: Option<NamedTable>,
    pub(super) targets: Vec<LawAsked>,
    /// The policies that logged, where there are several.
    pub(super) loggers: Vec<LawAsked>,
    pub(super) reward_model: Option<ModelAsked<ModelBuild>>,
    pub(super) folds: u8,
    pub(super) propensity_model: Option<ModelAsked<PropensityBuild>>,
    pub(super) estimators: Vec<EstimatorAsked>,
    pub(super) estimators_are_default: bool,
    /// Of sequences; empty where the log is to say which apply.
    pub(super) sequence_estimators: Vec<SequenceAsked>,
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

/// One `[[target]]` or `[[logger]]`.
#[derive(Clone, Debug)]
pub(super) struct LawAsked {
    pub(super) name: String,
    /// Where the name stands.
    pub(super) place: Option<Place<usize>>,
    pub(super) kind: LawKind,
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

/// One `[[estimator]]` of sequences.
#[derive(Clone, Debug)]
pub(super) struct SequenceAsked {
    pub(super) name: String,
    pub(super) entry: &'static Entry<SequenceBuild>,
    pub(super) values: Values,
}

impl SequenceAsked {
    /// Makes it, as it was made when the file was checked.
    pub(super) fn estimator(&self) -> Result<Box<dyn SequenceEstimator>, Refusal> {
        (self.entry.build)(&self.values)
    }
}

impl Evaluation {
    /// Of all targets and of all who logged.
    pub(super) fn laws(&self) -> impl Iterator<Item = &LawAsked> {
        self.targets.iter().chain(&self.loggers)
    }

    /// Something that it reads and that lies inside a folder, which must not be replaced then.
    #[must_use]
    pub fn input_inside(&self, folder: &Path) -> Option<&Path> {
        let folder = folder.canonicalize().ok()?;
        let is_inside = |input: &&PathBuf| input.canonicalize().is_ok_and(|input| input.starts_with(&folder));
        self.inputs.iter().find(is_inside).map(PathBuf::as_path)
    }

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
    let mut evaluation = parse(&text, path.parent().unwrap_or(Path::new("")), &file_name, &name)?;
    evaluation.inputs.push(path.to_owned());
    Ok(evaluation)
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
            evaluation.inputs = inputs(&evaluation, folder, files.iter().map(|(path, _)| path.as_str()));
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

/// Its log, its tables, and runs whose policies it asks for.
fn inputs<'a>(evaluation: &Evaluation, folder: &Path, tables: impl Iterator<Item = &'a str>) -> Vec<PathBuf> {
    let runs = evaluation.laws().filter_map(|law| law.run.clone());
    evaluation.paths.iter().cloned().chain(tables.map(|table| folder.join(table))).chain(runs).collect()
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
    if let Some(log) = &log {
        without_time(reader, log);
    }
    let paths = log.as_ref().map(|log| log_paths(reader, log, folder)).unwrap_or_default();
    let logging_table = log.as_ref().and_then(|log| match log.optional_text("logging") {
        None | Some("uniform") => None,
        Some(path) => named_table(reader, "log.logging", path, log.place("logging")),
    });
    let targets = targets(reader, root, folder);
    let loggers = loggers(reader, root, folder, log.as_ref());
    let folds = folds(reader, root);
    let reward_model = model(reader, root, "reward_model", REWARD_MODELS, &[keys::FOLDS.name]);
    let propensity_model = model(reader, root, "propensity_model", PROPENSITY_MODELS, &[]);
    let time = log.as_ref().is_none_or(|log| log.is_given("time"));
    let has = Has { model: root.get("reward_model").is_some(), time };
    let Estimators { of_decisions, are_default, of_sequences } = estimators(reader, root, has);
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
        inputs: Vec::new(),
        margin: header.optional_number("margin"),
        log: log?,
        paths,
        logging_table,
        targets,
        loggers,
        reward_model,
        folds,
        propensity_model,
        estimators: of_decisions,
        estimators_are_default: are_default,
        sequence_estimators: of_sequences,
        interval: kind?,
        confidence: interval.number("confidence"),
        resamples: u32::try_from(interval.integer("resamples")).unwrap_or(u32::MAX),
        twin: twin?,
    })
}

/// Notes what is said of sequences where rows have no time and are none.
fn without_time(reader: &mut Reader<'_>, log: &Values) {
    if log.is_given("time") {
        return;
    }
    for key in ["discount", "horizon"].into_iter().filter(|key| log.is_given(key)) {
        let message = format!("log.{key}: it is of sequences, and log.time is missing");
        let help = format!("add `time = …` (steps of a unit) and `unit = …` to [log], or leave {key} out");
        reader.fault(Code::Refused, log.place(key), message, help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
