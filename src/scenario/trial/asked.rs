//! What is asked of a test: metrics, analyses, guardrails.

use crate::evaluation::experiment::{ANALYSES, Better, Margin};
use crate::evaluation::trial::{Guard, Measure, Offered, Outcome, Question, Randomised};
use crate::protocol::Spec;
use crate::registry::{Kind, Parameter, Range, Values, find};
use crate::scenario::error::Code;
use crate::scenario::market::{KIND_OF_NAMED, NAME, name_and_kind};
use crate::scenario::refuse;
use crate::scenario::section::tables;
use crate::scenario::suggestion::way_out;
use crate::scenario::table::{Reader, Section};

/// Keys of `[[guardrail]]`.
pub(crate) const GUARDRAIL: &[Parameter] = &[
    Parameter::of("metric", Kind::Text { default: None }, "what no arm may harm, written as in `metrics`").required(),
    Parameter::number(
        "margin",
        0.0,
        Range::NON_NEGATIVE,
        "the greatest harm that is put up with, in units of the metric",
    ),
    Parameter::of(
        "better",
        Kind::Choice { default: None, options: &["higher", "lower"] },
        "which way is good; lower for opt_outs and messages, higher for profit and orders if not given",
    ),
];

/// An `[[analysis]]` whose values are legal.
pub(super) struct Request {
    name: String,
    kind: String,
    path: String,
    values: Values,
}

/// Every `[[analysis]]`.
pub(super) fn read_analyses(reader: &mut Reader<'_>, root: &Section<'_>) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut seen = Vec::new();
    for section in tables(reader, root, "analysis") {
        // The kind alone will do: it is the name then.
        let named = if section.get("name").is_some() {
            name_and_kind(reader, &section, &mut seen)
        } else {
            match reader.one(&section, &KIND_OF_NAMED.required()) {
                Some(crate::registry::Value::Text(kind)) => Some((kind.clone(), kind)),
                _ => None,
            }
        };
        let Some((name, kind)) = named else { continue };
        let Some(entry) = find(ANALYSES, &kind) else {
            let known: Vec<&str> = ANALYSES.iter().map(|entry| entry.name).collect();
            let place = section.get("kind").or(section.get("name")).map(toml::Spanned::span);
            let message = format!("{}: there is no analysis {kind:?}", section.key("kind"));
            reader.fault(Code::UnknownName, place, message, way_out(&kind, &known, "analyses"));
            continue;
        };
        if let Some(values) = reader.values(&section, entry.parameters, &[NAME.name, KIND_OF_NAMED.name]) {
            requests.push(Request { name, kind, path: section.path, values });
        }
    }
    requests
}

/// Every `[[guardrail]]`.
pub(super) fn read_guardrails(reader: &mut Reader<'_>, root: &Section<'_>) -> Vec<Values> {
    tables(reader, root, "guardrail").iter().filter_map(|section| reader.values(section, GUARDRAIL, &[])).collect()
}

/// The metrics of the file, each once.
pub(super) fn outcomes(reader: &mut Reader<'_>, header: &Values, spec: &Spec) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    if header.texts("metrics").is_empty() {
        reader.fault(Code::OutOfRange, header.place("metrics"), "metrics: none is given", "name at least one");
    }
    for name in header.texts("metrics") {
        match outcome(reader, name, "metrics", header.place("metrics"), spec) {
            Some(outcome) if !outcomes.contains(&outcome) => outcomes.push(outcome),
            _ => {}
        }
    }
    outcomes
}

fn outcome(
    reader: &mut Reader<'_>,
    name: &str,
    path: &str,
    place: Option<std::ops::Range<usize>>,
    spec: &Spec,
) -> Option<Outcome> {
    let known: Vec<&str> = Measure::ALL.iter().filter(|one| one.is_counted(spec)).map(|one| one.name()).collect();
    let found = Outcome::named(name).filter(|outcome| outcome.is_counted(spec));
    if found.is_none() {
        let message = format!("{path}: {name:?} is not counted by consumer in this market");
        reader.fault(
            Code::UnknownName,
            place,
            message,
            way_out(name, &known, "what is counted, alone or as a ratio a/b"),
        );
    }
    found
}

/// One question per metric and analysis that fits it; the usual ones where the file asks for none.
pub(super) fn questions(
    reader: &mut Reader<'_>,
    header: &Values,
    outcomes: &[Outcome],
    requests: Vec<Request>,
    offered: Offered,
    spec: &Spec,
) -> Vec<Question> {
    let mut questions = Vec::new();
    let is_given = !requests.is_empty();
    let mut used = vec![false; requests.len()];
    for &outcome in outcomes {
        let offered = Offered { denominator: outcome.per.is_some(), ..offered };
        let before = questions.len();
        if is_given {
            for (request, used) in requests.iter().zip(&mut used) {
                questions.extend(question(reader, outcome, request, offered, used));
            }
        } else {
            for (name, values) in offered.usual_analyses(spec.consumers) {
                let built = find(ANALYSES, name).and_then(|entry| (entry.build)(&values).ok());
                questions.extend(built.map(|analysis| Question { outcome, name: name.to_owned(), analysis }));
            }
        }
        if questions.len() == before && reader.faults.is_empty() {
            let message = format!("metrics: no analysis of this test can read {:?}", outcome.name());
            let help = "ratios are read by `ratio`, single metrics by all others";
            reader.fault(Code::Refused, header.place("metrics"), message, help);
        }
    }
    for (request, _) in requests.iter().zip(used).filter(|(_, used)| !used) {
        let message = format!("{}: {:?} reads none of the metrics", request.path, request.kind);
        let help = "`ratio` reads ratios such as \"opt_outs/messages\", all others read single metrics";
        reader.fault(Code::Refused, request.values.place("kind"), message, help);
    }
    questions
}

/// The question, if the analysis is one for such metrics and the design offers what it reads.
fn question(
    reader: &mut Reader<'_>,
    outcome: Outcome,
    request: &Request,
    offered: Offered,
    used: &mut bool,
) -> Option<Question> {
    let entry = find(ANALYSES, &request.kind)?;
    let analysis = match (entry.build)(&request.values) {
        Ok(analysis) => analysis,
        Err(refusal) => {
            if !std::mem::replace(used, true) {
                refuse(reader, &request.path, refusal);
            }
            return None;
        }
    };
    if analysis.reads().denominator != offered.denominator {
        return None;
    }
    let first = !std::mem::replace(used, true);
    if let Some(lacking) = offered.lacks(analysis.reads()) {
        if first {
            let message = format!("{}: {:?} reads what this test does not have", request.path, request.kind);
            reader.fault(Code::Refused, request.values.place("kind"), message, format!("it needs {lacking}"));
        }
        return None;
    }
    Some(Question { outcome, name: request.name.clone(), analysis })
}

/// Each promise with the analysis that reads it: by the independent unit of the design.
pub(super) fn guards(reader: &mut Reader<'_>, guardrails: Vec<Values>, offered: Offered, spec: &Spec) -> Vec<Guard> {
    let mut guards = Vec::new();
    for values in guardrails {
        let place = values.place("metric");
        let Some(outcome) = outcome(reader, values.text("metric"), "guardrail.metric", place.clone(), spec) else {
            continue;
        };
        let kind = match (offered.randomised, outcome.per) {
            (Randomised::Consumer, None) => "welch",
            (_, Some(_)) => "ratio",
            (Randomised::Community, None) => "clustered",
            (Randomised::Period { .. }, None) => "switchback",
        };
        let better = match (values.optional_text("better"), outcome.measure) {
            (Some("lower"), _) | (None, Measure::OptOuts | Measure::Messages) => Better::Lower,
            _ => Better::Higher,
        };
        let margin = Margin { better, margin: values.number("margin") };
        if let Some(analysis) = crate::evaluation::experiment::default_analysis(kind) {
            guards.push(Guard { question: Question { outcome, name: kind.to_owned(), analysis }, margin });
        }
    }
    guards
}
