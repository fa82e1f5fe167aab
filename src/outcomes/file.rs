//! The experiment file: what was measured, what is asked, by which analyses.

use super::columns::{Columns, Wanted};
use crate::evaluation::experiment::{ANALYSES, Analysis, Better, Multiplicity, Reads};
use crate::registry::{Entry, Kind, Parameter, Range, Values, find};
use crate::scenario::file::{Files, Source};
use crate::scenario::section::{check_name, table, tables};
use crate::scenario::suggestion::way_out;
use crate::scenario::table::{Reader, Section};
use crate::scenario::{Code, SYNTAX_FAULTS, ScenarioError, ScenarioErrors, is_trial, note_syntax, refuse};
use serde::Serialize;
use std::ops::Range as Place;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// Keys of the file itself.
pub(super) const EXPERIMENT: &[Parameter] = &[
    Parameter::of("name", Kind::Text { default: None }, "name of the experiment and of its folder of results")
        .required(),
    Parameter::of("question", Kind::Text { default: Some("") }, "the question it asks, in a sentence"),
    Parameter::number(
        "alpha",
        0.05,
        Range { low: 0.0, high: 0.5, low_open: true, high_open: true },
        "two-sided level of the tests; intervals hold with one minus this",
    ),
    Parameter::choice(
        "multiplicity",
        "holm",
        Multiplicity::NAMES,
        "how p values are adjusted over the arms and metrics of one role",
    ),
    Parameter::integer("seed", 1, 0, i64::MAX, "seed of the halves into which [uplift] splits the units"),
];

/// Sections of the file.
const SECTIONS: &[&str] = &["data", "metric", "analysis", "uplift"];

/// Keys of `[data]`.
pub(super) const DATA: &[Parameter] = &[
    Parameter::of("path", Kind::Text { default: None }, "outcomes, one row a unit: .csv, .csv.gz or .parquet")
        .required(),
    Parameter::of("arm", Kind::Text { default: None }, "column that names the arm").required(),
    Parameter::of("control", Kind::Text { default: None }, "the arm that all others are compared with").required(),
    Parameter::of(
        "unit",
        Kind::Text { default: Some("row") },
        "column that names the unit, each once; \"row\" where there is none",
    ),
    Parameter::of("shares", Kind::Coefficients, "shares of the arms by design; equal ones where they are not given"),
    Parameter::optional_text("time", "column by which rows are ordered: numbers, or dates as YYYY-MM-DD"),
    Parameter::optional_text("cluster", "column that names whom or what a unit belongs to; clusters are independent"),
    Parameter::optional_text(
        "exposure",
        "column of 1 where all who touch the unit have its arm, 0 elsewhere; with `exposure_probability`",
    ),
    Parameter::optional_text(
        "exposure_probability",
        "column of the probability, by design, that the unit has its arm and is exposed to it alone",
    ),
    Parameter::of("strata", Kind::Texts { default: Some(&[]) }, "columns whose combinations are the strata"),
];

/// Keys of `[[metric]]`.
pub(super) const METRIC: &[Parameter] = &[
    Parameter::of("name", Kind::Text { default: None }, "name of the metric").required(),
    Parameter::optional_text("outcome", "its column; the name where it is not given"),
    Parameter::choice("role", "primary", &["primary", "secondary", "guardrail"], "what hangs on it"),
    Parameter::choice("better", "higher", &["higher", "lower"], "which way is good"),
    Parameter::optional_text("denominator", "column that the outcome is counted per: a ratio of sums"),
    Parameter::optional_text("covariate", "column known before the experiment, such as last month's outcome"),
    Parameter::optional_text("analysis", "the analysis that decides; the first that can where it is not given"),
    Parameter::optional_number(
        "margin",
        Range::NON_NEGATIVE,
        "of a guardrail: the greatest harm that is put up with, in units of the outcome",
    ),
];

/// Keys of `[uplift]`.
pub(super) const UPLIFT: &[Parameter] = &[
    Parameter::optional_text("metric", "the metric that the treatment should move; the first where it is not given"),
    Parameter::optional_text("arm", "the treated arm; the first where it is not given"),
    Parameter::of("segments", Kind::Texts { default: None }, "columns known before the experiment, numbers or words")
        .required(),
    Parameter::integer("depth", 2, 1, 4, "splits from the whole to a segment, at most"),
    Parameter::integer("least_units", 200, 10, i64::MAX, "units of each arm that a segment has at least, in each half"),
];

/// What hangs on a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The experiment is decided by it.
    Primary,
    /// Of interest, and adjusted in a family of its own.
    Secondary,
    /// A promise: no more harm than its margin.
    Guardrail,
}

/// One metric.
#[derive(Clone, Debug)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// What hangs on it.
    pub role: Role,
    /// Which way is good.
    pub better: Better,
    /// The greatest harm that is put up with; of guardrails alone.
    pub margin: f64,
    /// Positions of its columns among [`Columns::numbers`].
    pub outcome: usize,
    /// The same.
    pub denominator: Option<usize>,
    /// The same.
    pub covariate: Option<usize>,
    /// Positions of the analyses that can be made of it.
    pub analyses: Vec<usize>,
    /// Position of the one that decides.
    pub decides: usize,
}

/// One analysis of the file.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) analysis: Box<dyn Analysis>,
    pub(super) place: Option<Place<usize>>,
}

/// Whom does the treatment help?
#[derive(Clone, Debug)]
pub(super) struct Whom {
    pub(super) metric: usize,
    pub(super) arm: usize,
    pub(super) depth: usize,
    pub(super) least_units: usize,
}

/// An experiment file with its outcomes, checked.
#[derive(Debug)]
pub struct Inquiry {
    /// Name in the file.
    pub name: String,
    /// The question, in a sentence.
    pub question: String,
    /// Two-sided level.
    pub alpha: f64,
    /// How p values are adjusted.
    pub multiplicity: Multiplicity,
    /// Seed of the halves of `[uplift]`.
    pub seed: u64,
    /// The metrics, in file order.
    pub metrics: Vec<Metric>,
    /// The outcomes.
    pub columns: Columns,
    /// The file that they stand in.
    pub data_path: PathBuf,
    pub(super) analyses: Vec<Named>,
    pub(super) whom: Option<Whom>,
    pub(super) file_name: String,
    pub(super) text: String,
}

/// Reads an experiment file and the outcomes that it names.
///
/// # Errors
/// All that is wrong with them.
pub fn load(path: &Path) -> Result<Inquiry, ScenarioErrors> {
    let file_name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) if is_trial(&text) => {
            let message = "the file is a simulated test, and has no outcomes to analyse".to_owned();
            let help =
                Some("carry it out: mercato experiment run FILE; or repeat it: mercato experiment lab FILE".to_owned());
            let fault = ScenarioError { message, place: None, help, code: Code::Refused };
            Err(ScenarioErrors::new(&file_name, &text, vec![fault]))
        }
        Ok(text) => parse(&text, path.parent().unwrap_or(Path::new("")), &file_name),
        Err(error) => {
            let message = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
                std::io::ErrorKind::InvalidData => "the file is not UTF-8 text".to_owned(),
                _ => format!("the file cannot be read: {error}"),
            };
            let help = Some("give the path of an experiment file".to_owned());
            let fault = ScenarioError { message, place: None, help, code: Code::UnreadableFile };
            Err(ScenarioErrors::new(&file_name, "", vec![fault]))
        }
    }
}

/// Reads the text of an experiment file; paths in it are relative to `base_folder`.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(text: &str, base_folder: &Path, file_name: &str) -> Result<Inquiry, ScenarioErrors> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let files = Files::new(Source::Folder(base_folder.to_owned()));
    let mut reader = Reader { text, files, faults: Vec::new() };
    let mut is_broken = false;
    for error in syntax.iter().take(SYNTAX_FAULTS) {
        is_broken |= !note_syntax(&mut reader, error);
    }
    let root = Section { path: String::new(), place: 0..text.len(), table: document.get_ref() };
    let inquiry = if is_broken { None } else { check(&mut reader, &root, base_folder, file_name) };
    match inquiry {
        Some(inquiry) if reader.faults.is_empty() => Ok(inquiry),
        _ => Err(ScenarioErrors::new(file_name, text, reader.faults)),
    }
}

fn check(reader: &mut Reader<'_>, root: &Section<'_>, base_folder: &Path, file_name: &str) -> Option<Inquiry> {
    let header = reader.values(root, EXPERIMENT, SECTIONS);
    if let Some(name) = header.as_ref().and_then(|header| header.optional_text("name")) {
        check_name(reader, root, name, &mut Vec::new());
    }
    let data = match table(reader, root, "data") {
        Some(section) => reader.values(&section, DATA, &[]),
        None => {
            if root.get("data").is_none() {
                let help =
                    "add [data] with the path of the outcomes, the column of the arm and the name of the control";
                reader.fault(Code::MissingKey, None, "data is missing", help);
            }
            None
        }
    };
    let data = data.filter(|data| exposures_are_whole(reader, data));
    let metrics = metrics(reader, root);
    let mut analyses = analyses(reader, root);
    let uplift = table(reader, root, "uplift").map(|section| reader.values(&section, UPLIFT, &[]));
    let wanted = data.as_ref().zip(metrics.as_ref()).map(|(data, metrics)| {
        let wanted = Wanted::new(data, metrics, uplift.as_ref().and_then(Option::as_ref));
        wanted.note_clashes(reader);
        wanted
    });
    let (header, data, metrics, wanted) = (header?, data?, metrics?, wanted?);
    let uplift = match uplift {
        Some(values) => Some(values?),
        None => None,
    };
    let mut analyses = std::mem::take(&mut analyses)?;
    if analyses.is_empty() {
        analyses = fitting(&metrics, &data);
    }
    let columns = super::columns::read(reader, &data, &wanted)?;
    let metrics = resolve(reader, metrics, &wanted, &analyses, &data)?;
    let whom = match &uplift {
        Some(values) => Some(whom(reader, values, &metrics, &columns)?),
        None => None,
    };
    Some(Inquiry {
        name: header.text("name").to_owned(),
        question: header.text("question").to_owned(),
        alpha: header.number("alpha"),
        multiplicity: Multiplicity::named(header.text("multiplicity")).unwrap_or_default(),
        seed: header.integer("seed").unsigned_abs(),
        metrics,
        columns,
        data_path: base_folder.join(data.text("path")),
        analyses,
        whom,
        file_name: file_name.to_owned(),
        text: reader.text.to_owned(),
    })
}

/// Exposures come with their probabilities, or not at all.
fn exposures_are_whole(reader: &mut Reader<'_>, data: &Values) -> bool {
    let keys = ["exposure", "exposure_probability"];
    let given = keys.map(|key| data.optional_text(key).is_some());
    if given[0] == given[1] {
        return true;
    }
    let (there, lacking) = if given[0] { (keys[0], keys[1]) } else { (keys[1], keys[0]) };
    let message = format!("data.{there}: it says nothing without data.{lacking}");
    reader.fault(Code::MissingKey, data.place(there), message, format!("add `{lacking} = \"…\"`, or drop {there}"));
    false
}

/// The values of every `[[metric]]`, with the path that messages give it.
type MetricValues = Vec<(String, Values)>;

fn metrics(reader: &mut Reader<'_>, root: &Section<'_>) -> Option<MetricValues> {
    let sections = tables(reader, root, "metric");
    if sections.is_empty() && root.get("metric").is_none() {
        reader.fault(Code::MissingKey, None, "metric: there is none to compare", "add [[metric]] with a name");
        return None;
    }
    let mut seen: Vec<String> = Vec::new();
    reader.if_clean(|reader| {
        let mut found = Vec::new();
        for section in sections {
            let Some(values) = reader.values(&section, METRIC, &[]) else { continue };
            let name = values.text("name").to_owned();
            if seen.contains(&name) {
                let message = format!("{}: the name {name:?} is taken", section.key("name"));
                reader.fault(Code::BadName, values.place("name"), message, "give each its own name");
            }
            seen.push(name);
            let is_guardrail = values.text("role") == "guardrail";
            if is_guardrail != values.optional_number("margin").is_some() {
                let (message, help) = if is_guardrail {
                    (
                        "a guardrail takes a margin",
                        "add `margin = …`, the greatest harm that is put up with; 0 for none",
                    )
                } else {
                    ("only a guardrail takes a margin", "write role = \"guardrail\", or drop margin")
                };
                let place = values.place("margin");
                reader.fault(Code::Refused, place, format!("{}: {message}", section.key("margin")), help);
            }
            found.push((section.path.clone(), values));
        }
        Some(found)
    })
}

/// Every `[[analysis]]`; none where the file has none.
fn analyses(reader: &mut Reader<'_>, root: &Section<'_>) -> Option<Vec<Named>> {
    const NAME: Parameter = Parameter::of("name", Kind::Text { default: None }, "unique name").required();
    const KIND: Parameter =
        Parameter::of("kind", Kind::Text { default: None }, "its kind; the name where it is not given");
    let mut seen = Vec::new();
    let sections = tables(reader, root, "analysis");
    reader.if_clean(|reader| {
        let mut found = Vec::new();
        for section in sections {
            let Some(crate::registry::Value::Text(name)) = reader.one(&section, &NAME) else { continue };
            check_name(reader, &section, &name, &mut seen);
            let kind = match reader.one(&section, &KIND) {
                Some(crate::registry::Value::Text(kind)) => kind,
                _ => name.clone(),
            };
            let Some(entry) = find(ANALYSES, &kind) else {
                let names: Vec<&str> = ANALYSES.iter().map(|entry| entry.name).collect();
                let key = if section.get("kind").is_some() { "kind" } else { "name" };
                let place = section.get(key).map(toml::Spanned::span);
                let message = format!("{}: there is no analysis {kind:?}", section.key(key));
                reader.fault(Code::UnknownName, place, message, way_out(&kind, &names, "analyses"));
                continue;
            };
            let place = section.get("name").map(toml::Spanned::span);
            let Some(values) = reader.values(&section, entry.parameters, &["name", "kind"]) else { continue };
            match (entry.build)(&values) {
                Ok(analysis) => found.push(Named { name, kind: entry.name, analysis, place }),
                Err(refusal) => refuse(reader, &section.path, refusal),
            }
        }
        Some(found)
    })
}

/// What is made where the file names no analysis: the most careful that its columns allow comes first, and decides.
fn fitting(metrics: &MetricValues, data: &Values) -> Vec<Named> {
    let has = |key: &str| metrics.iter().any(|(_, values)| values.optional_text(key).is_some());
    let mut names = Vec::new();
    if data.optional_text("exposure").is_some() {
        names.push("exposure");
    }
    names.extend(has("denominator").then_some("ratio"));
    if data.optional_text("cluster").is_some() {
        names.push("clustered");
    } else {
        names.extend(has("covariate").then_some("cuped"));
        names.push("welch");
    }
    let made = |entry: &'static Entry<crate::evaluation::experiment::AnalysisBuild>| {
        let analysis = (entry.build)(&Values::defaults(entry.parameters)).ok()?;
        Some(Named { name: entry.name.to_owned(), kind: entry.name, analysis, place: None })
    };
    names.into_iter().filter_map(|name| made(find(ANALYSES, name)?)).collect()
}

/// Whether an analysis can be made of a metric: a ratio only where it is counted per something, the rest only where not.
fn applies(reads: Reads, metric: &Values, data: &Values) -> bool {
    reads.denominator == metric.optional_text("denominator").is_some()
        && (!reads.covariate || metric.optional_text("covariate").is_some())
        && (!reads.cluster || data.optional_text("cluster").is_some())
        && (!reads.stratum || !data.texts("strata").is_empty())
        && (!reads.exposure || data.optional_text("exposure").is_some())
        && (!reads.period || data.optional_text("time").is_some())
}

/// What an analysis lacks where it can be made of no metric.
fn lacking(reads: Reads) -> &'static str {
    match reads {
        Reads { denominator: true, .. } => "a denominator: add `denominator = \"…\"` to a metric",
        Reads { covariate: true, .. } => "a covariate: add `covariate = \"…\"` to a metric",
        Reads { cluster: true, .. } => "clusters: add `cluster = \"…\"` to [data]",
        Reads { stratum: true, .. } => "strata: add `strata = [\"…\"]` to [data]",
        Reads { exposure: true, .. } => {
            "exposures: add `exposure = \"…\"` and `exposure_probability = \"…\"` to [data]"
        }
        Reads { period: true, .. } => "time: add `time = \"…\"` to [data]",
        _ => "a metric without a denominator",
    }
}

fn resolve(
    reader: &mut Reader<'_>,
    metrics: MetricValues,
    wanted: &Wanted,
    analyses: &[Named],
    data: &Values,
) -> Option<Vec<Metric>> {
    for named in analyses.iter().filter(|named| named.place.is_some()) {
        let reads = named.analysis.reads();
        if !metrics.iter().any(|(_, values)| applies(reads, values, data)) {
            let message = format!("analysis {:?} can be made of no metric", named.name);
            let help = format!("it needs {}", lacking(reads));
            reader.fault(Code::Refused, named.place.clone(), message, help);
        }
    }
    reader.if_clean(|reader| {
        let mut resolved = Vec::new();
        for (path, values) in metrics {
            let can = |index: &usize| applies(analyses[*index].analysis.reads(), &values, data);
            let possible: Vec<usize> = (0..analyses.len()).filter(can).collect();
            let names: Vec<&str> = possible.iter().map(|index| analyses[*index].name.as_str()).collect();
            let asked = values.optional_text("analysis");
            let decides = match asked {
                Some(name) => possible.iter().copied().find(|index| analyses[*index].name == name),
                None => possible.first().copied(),
            };
            let Some(decides) = decides else {
                let (place, message, help) = match asked {
                    Some(name) => (
                        values.place("analysis"),
                        format!("{path}.analysis: {name:?} cannot decide on this metric"),
                        way_out(name, &names, "analyses that can be made of it"),
                    ),
                    None => (
                        values.place("name"),
                        format!("{path}: no analysis of the file can be made of {:?}", values.text("name")),
                        "a metric with a denominator takes an analysis of the kind \"ratio\", any other one of the \
                         other kinds"
                            .to_owned(),
                    ),
                };
                reader.fault(Code::Refused, place, message, help);
                continue;
            };
            resolved.push(metric(&values, wanted, possible, decides));
        }
        Some(resolved)
    })
}

fn metric(values: &Values, wanted: &Wanted, analyses: Vec<usize>, decides: usize) -> Metric {
    let position = |key: &str| values.optional_text(key).map(|name| wanted.number(name));
    let name = values.text("name");
    Metric {
        name: name.to_owned(),
        role: match values.text("role") {
            "guardrail" => Role::Guardrail,
            "secondary" => Role::Secondary,
            _ => Role::Primary,
        },
        better: if values.text("better") == "lower" { Better::Lower } else { Better::Higher },
        margin: values.optional_number("margin").unwrap_or(0.0),
        outcome: position("outcome").unwrap_or_else(|| wanted.number(name)),
        denominator: position("denominator"),
        covariate: position("covariate"),
        analyses,
        decides,
    }
}

fn whom(reader: &mut Reader<'_>, values: &Values, metrics: &[Metric], columns: &Columns) -> Option<Whom> {
    let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    let arms: Vec<&str> = columns.arm_names[1..].iter().map(String::as_str).collect();
    let mut position = |key: &str, known: &[&str], what: &str| match values.optional_text(key) {
        None => Some(0),
        Some(name) => known.iter().position(|known| *known == name).or_else(|| {
            let message = format!("uplift.{key}: there is no {name:?}");
            reader.fault(Code::UnknownName, values.place(key), message, way_out(name, known, what));
            None
        }),
    };
    let (metric, arm) = (position("metric", &names, "metrics"), position("arm", &arms, "treated arms"));
    let (metric, arm) = (metric?, arm?);
    if metrics[metric].denominator.is_some() {
        let message = "uplift.metric: a ratio has no effect of a single unit";
        reader.fault(Code::Refused, values.place("metric"), message, "name a metric without a denominator");
        return None;
    }
    Some(Whom {
        metric,
        arm: arm + 1,
        depth: usize::try_from(values.integer("depth")).unwrap_or(2),
        least_units: usize::try_from(values.integer("least_units")).unwrap_or(usize::MAX),
    })
}
