//! From a checked evaluation file to judged targets, in bounded memory: the log is read two to four times.

use super::batch::{self, View};
use super::file::{EstimatorAsked, Evaluation, ModelAsked};
use super::layout::Layout;
use super::log::{Faults, HELP, Log};
use super::loggers::Loggers;
use super::logging::Logging;
use super::pass::{Pass, Seat, seats};
use super::scan::scan;
use super::sequences::SequenceAppraisal;
use super::source::Source;
use super::spread::Spread;
use super::target;
use super::twin::{self, Sampled, Twin};
use crate::evaluation::Needs;
use crate::evaluation::appraisal::{Appraisal, Settings};
use crate::evaluation::model::{Build, Calibrated, PROPENSITY_MODELS, REWARD_MODELS};
use crate::registry::{Values, find};
use crate::scenario::error::{Code, ScenarioError, ScenarioErrors};
use serde::Serialize;

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// Rows of the log.
    pub rows: u64,
    /// Independent units, or groups of them.
    pub units: usize,
    /// Whether units were pooled into groups.
    pub units_are_pooled: bool,
    /// What the logging policy earned, a row.
    pub mean_reward: f64,
    /// How the reward model does on rounds that it was not fitted on, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reward_model: Option<ModelReport>,
    /// One per target, in the order of the file.
    pub targets: Vec<Appraisal>,
    /// What targets earn over whole sequences, where the file names the time of a row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sequences: Vec<SequenceAppraisal>,
    /// How estimators do on synthetic logs of known truth, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twin: Option<Twin>,
    /// For figures: per target, how weights and propensities are spread.
    #[serde(skip)]
    pub spreads: Vec<Spread>,
}

/// A reward model's quality, by cross-fitting.
#[derive(Clone, Debug, Serialize)]
pub struct ModelReport {
    /// Registry name of its kind.
    pub kind: &'static str,
    /// Out of fold.
    #[serde(flatten)]
    pub calibrated: Calibrated,
    /// Such as that it is of a sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Reads the log and judges every target; with synthetic logs where `with_twin`.
///
/// # Errors
/// All that is wrong with the log or with what is held against it; nothing is judged then.
pub fn judge(evaluation: &Evaluation, with_twin: bool) -> Result<Judged, ScenarioErrors> {
    let log = scan(evaluation)?;
    let known = Logging::of(evaluation, &log).map_err(|faults| evaluation.wrong(faults))?;
    let targets = target::all(evaluation, &log, &known).map_err(|faults| evaluation.wrong(faults))?;
    let loggers = Loggers::of(evaluation, &log).map_err(|faults| evaluation.wrong(faults))?;
    let is_estimated = log.layout.propensity.is_none() && !known.is_known();
    let logging = if is_estimated { estimated(evaluation, &log)? } else { known };
    let estimators = applicable(evaluation, &log, &logging)?;
    let settings = settings(evaluation, &log, is_estimated);
    let seats = seats(evaluation, &log, targets, &estimators, &settings)?;
    let mut pass = Pass::new(evaluation, &log, &logging, &loggers, is_estimated, seats);
    let default = default_model();
    let model = evaluation.reward_model.as_ref().or(with_twin.then_some(&default));
    let (fitted, note) = pass.fit(model)?;
    let mut sampled = if with_twin { Some(Sampled::new(evaluation, &log, &logging, &loggers)?) } else { None };
    let calibration = pass.judge(&fitted, sampled.as_mut())?;
    let seats = pass.seats;
    let twin = match (sampled, model) {
        (Some(sampled), Some(model)) => Some(twin::run(evaluation, &log, sampled, model, &estimators, &settings)?),
        _ => None,
    };
    let reward_model = evaluation.reward_model.as_ref().zip(calibration.finish());
    let mut judged = Judged {
        rows: log.shape.rounds,
        units: 0,
        units_are_pooled: false,
        mean_reward: log.reward_sum / log.shape.rounds as f64,
        reward_model: reward_model.map(|(model, calibrated)| ModelReport { kind: model.entry.name, calibrated, note }),
        targets: Vec::new(),
        sequences: Vec::new(),
        twin,
        spreads: Vec::new(),
    };
    for seat in seats {
        judged.add(seat, evaluation, &log)?;
    }
    Ok(judged)
}

impl Judged {
    /// What was found of one target.
    fn add(&mut self, mut seat: Seat, evaluation: &Evaluation, log: &Log) -> Result<(), ScenarioErrors> {
        if let Some(cells) = seat.target.unsupported(log) {
            seat.appraiser.unsupported(cells);
        }
        let borrowed = seat.borrowed / log.shape.rounds as f64;
        if borrowed > 0.0 {
            seat.appraiser.borrows();
        }
        let note = (borrowed > 0.0).then(|| {
            format!(
                "{:.2} % of what the target does was impossible for the policy that logged the row, and possible for another: \
                 estimates that do not weigh by the mixture of both leave that out",
                100.0 * borrowed
            )
        });
        if let Some(sequences) = seat.sequences {
            let coupled = log.layout.own.as_ref().map(|own| own.coupled.clone()).unwrap_or_default();
            let found = sequences.finish(&seat.target.name, evaluation, &coupled, borrowed);
            self.sequences.push(found.map_err(|fault| evaluation.wrong(vec![fault]))?);
        }
        note.into_iter().for_each(|note| seat.appraiser.note(note));
        let appraisal = seat.appraiser.finish();
        self.units = appraisal.units;
        self.units_are_pooled = appraisal.units_are_pooled;
        self.targets.push(appraisal);
        self.spreads.push(seat.spread);
        Ok(())
    }
}

fn settings(evaluation: &Evaluation, log: &Log, propensities_are_estimated: bool) -> Settings {
    let mut notes = notes(evaluation, log);
    if propensities_are_estimated {
        notes.push(
            "propensities are estimated: whatever else moved the choice and the reward is in the estimates".to_owned(),
        );
    }
    Settings {
        interval: evaluation.interval,
        confidence: evaluation.confidence,
        resamples: evaluation.resamples,
        seed: evaluation.seed,
        margin: evaluation.margin,
        propensities_are_estimated,
        notes,
    }
}

/// What the reader of the log has to say about it.
fn notes(evaluation: &Evaluation, log: &Log) -> Vec<String> {
    let mut notes = log.notes.clone();
    if let Some(own) = &log.layout.own
        && !own.coupled.is_empty()
    {
        notes.push(format!(
            "consumers of this market touch each other ({}): what a policy earns from one depends on what others get, \
             and no estimate from single decisions sees that",
            own.coupled.join(", ")
        ));
    }
    if evaluation.propensity_model.is_some() && (log.layout.propensity.is_some() || log.layout.logger.is_some()) {
        notes.push("the log has propensities: [propensity_model] is not used".to_owned());
    }
    if !evaluation.loggers.is_empty() {
        notes.push(
            "several policies logged: weights against their mixture hold where each of them met rows of the same sort"
                .to_owned(),
        );
    }
    if log.layout.time.is_some() && log.layout.unit.is_some() {
        notes.push(
            "values are per decision on the states that the logging policy led to: what a decision does to later ones is \
             not in them"
                .to_owned(),
        );
    }
    notes
}

/// The estimators that the file names; else all whose needs the log meets.
fn applicable(evaluation: &Evaluation, log: &Log, logging: &Logging) -> Result<Vec<EstimatorAsked>, ScenarioErrors> {
    let (mut kept, mut faults) = (Vec::new(), Vec::new());
    for asked in &evaluation.estimators {
        let family = asked.family().map_err(|refusal| evaluation.refused("estimator", refusal))?;
        let needs = family.members.iter().fold(Needs::NOTHING, |needs, member| needs.or(member.estimator.needs()));
        let lack = if needs.logging && !logging.is_known() {
            Some(("the logging policy's probability of every action", "give log.probabilities or log.logging"))
        } else if needs.factors && log.shape.factors.is_empty() {
            Some(("the factors of the actions", "a log of ours has them"))
        } else if needs.mixture && evaluation.loggers.is_empty() {
            Some((
                "to know which of several policies logged a row",
                "leave it out where one policy logged; else give log.logger, and a [[logger]] for each",
            ))
        } else {
            None
        };
        match lack {
            None => kept.push(asked.clone()),
            Some(_) if evaluation.estimators_are_default => {}
            Some((what, help)) => faults.push(ScenarioError {
                message: format!("estimator {:?} needs {what}", asked.name),
                place: asked.values.place(""),
                help: Some(help.to_owned()),
                code: Code::Refused,
            }),
        }
    }
    if faults.is_empty() { Ok(kept) } else { Err(evaluation.wrong(faults)) }
}

/// The propensities that the log lacks, estimated.
pub(super) fn estimated(evaluation: &Evaluation, log: &Log) -> Result<Logging, ScenarioErrors> {
    let refused = |refusal| evaluation.refused("propensity_model", refusal);
    let mut fitter = match &evaluation.propensity_model {
        Some(asked) => (asked.entry.build)(&asked.values, &log.shape).map_err(refused)?,
        None => {
            let kind = if log.shape.columns.is_empty() { "table" } else { "multinomial" };
            let Some(entry) = find(PROPENSITY_MODELS, kind) else { return Ok(Logging::Unknown) };
            (entry.build)(&Values::defaults(entry.parameters), &log.shape).map_err(refused)?
        }
    };
    let mut faults = Faults::new(&log.paths);
    batch::visit(log, View::Models, &mut faults, &mut |batch, _| fitter.take(&batch.rounds(&batch.columns())));
    if let Some(errors) = faults.into_errors(evaluation, HELP) {
        return Err(errors);
    }
    fitter.fit().map(Logging::Estimated).map_err(refused)
}

/// Means by action: what the twin earns where the file has no reward model.
fn default_model() -> ModelAsked<Build> {
    let entry = &REWARD_MODELS[0];
    ModelAsked { entry, values: Values::defaults(entry.parameters) }
}

/// Opens the log and reads its header alone: what `validate` says.
///
/// # Errors
/// All that is wrong with its columns.
pub fn check(evaluation: &Evaluation) -> Result<(), ScenarioErrors> {
    let mut faults = Faults::new(&evaluation.paths);
    match Source::open(&evaluation.paths[0]) {
        Ok(source) => {
            Layout::find(evaluation, &source).map_err(|faults| evaluation.wrong(faults))?;
        }
        Err(why) => faults.file(0, &why),
    }
    faults.into_errors(evaluation, HELP).map_or(Ok(()), Err)
}
