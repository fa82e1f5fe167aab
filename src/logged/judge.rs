//! From a checked evaluation file to judged targets, in bounded memory: the log is read two to four times.

use super::batch::{self, Batch};
use super::file::{EstimatorAsked, Evaluation, ModelAsked};
use super::fitted::{Fitted, Fitting};
use super::law::Logging;
use super::log::{Faults, HELP, Log, scan};
use super::sequences::{SequenceAppraisal, Sequences};
use super::spread::Spread;
use super::target::{self, Target, check_support};
use super::twin::{self, Sampled, Twin};
use crate::evaluation::appraisal::{Appraisal, Settings};
use crate::evaluation::model::{Build, Calibrated, Calibration, PROPENSITY_MODELS, REWARD_MODELS};
use crate::evaluation::{Appraiser, Evidence, Fit, Needs};
use crate::registry::{Values, find};
use crate::scenario::error::{Code, ScenarioError, ScenarioErrors};
use rayon::prelude::*;
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

/// A target with what judges it.
struct Seat {
    target: Target,
    appraiser: Appraiser,
    needs: Needs,
    law: Vec<f64>,
    robust: Vec<f64>,
    spread: Spread,
    sequences: Option<Sequences>,
    failure: Option<String>,
}

/// Reads the log and judges every target; with synthetic logs where `with_twin`.
///
/// # Errors
/// All that is wrong with the log or with what is held against it; nothing is judged then.
pub fn judge(evaluation: &Evaluation, with_twin: bool) -> Result<Judged, ScenarioErrors> {
    let log = scan(evaluation)?;
    let mut logging = Logging::of(evaluation, &log).map_err(|faults| evaluation.wrong(faults))?;
    let targets = target::all(evaluation, &log, &logging).map_err(|faults| evaluation.wrong(faults))?;
    let mut notes = notes(evaluation, &log);
    let is_estimated = log.layout.propensity.is_none() && !logging.is_known();
    if is_estimated {
        logging = estimated(evaluation, &log)?;
        notes.push(
            "propensities are estimated: whatever else moved the choice and the reward is in the estimates".to_owned(),
        );
    }
    let estimators = applicable(evaluation, &log, &logging)?;
    let settings = Settings {
        interval: evaluation.interval,
        confidence: evaluation.confidence,
        resamples: evaluation.resamples,
        seed: evaluation.seed,
        margin: evaluation.margin,
        propensities_are_estimated: is_estimated,
        notes,
    };
    let seats = seats(evaluation, &log, targets, &estimators, &settings)?;
    let mut pass = Pass { evaluation, log: &log, logging: &logging, is_estimated, seats, scratch: Scratch::default() };
    let default = default_model();
    let model = evaluation.reward_model.as_ref().or(with_twin.then_some(&default));
    let (fitted, note) = pass.fit(model)?;
    let mut sampled = if with_twin { Some(Sampled::new(evaluation, &log, &logging)?) } else { None };
    let calibration = pass.judge(&fitted, sampled.as_mut())?;
    let seats = pass.seats;
    let twin = match (sampled, model) {
        (Some(sampled), Some(model)) => Some(twin::run(evaluation, &log, sampled, model, &estimators, &settings)?),
        _ => None,
    };
    let mut judged = Judged {
        rows: log.shape.rounds,
        units: 0,
        units_are_pooled: false,
        mean_reward: log.reward_sum / log.shape.rounds as f64,
        reward_model: evaluation
            .reward_model
            .as_ref()
            .zip(calibration.finish())
            .map(|(model, calibrated)| ModelReport { kind: model.entry.name, calibrated, note }),
        targets: Vec::new(),
        sequences: Vec::new(),
        twin,
        spreads: Vec::new(),
    };
    for mut seat in seats {
        if let Some(cells) = seat.target.unsupported(&log) {
            seat.appraiser.unsupported(cells);
        }
        if let Some(sequences) = seat.sequences {
            let coupled = log.layout.own.as_ref().map(|own| own.coupled.clone()).unwrap_or_default();
            let found = sequences.finish(&seat.target.name, evaluation, &coupled);
            judged.sequences.push(found.map_err(|fault| evaluation.wrong(vec![fault]))?);
        }
        let appraisal = seat.appraiser.finish();
        judged.units = appraisal.units;
        judged.units_are_pooled = appraisal.units_are_pooled;
        judged.targets.push(appraisal);
        judged.spreads.push(seat.spread);
    }
    Ok(judged)
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
    if evaluation.propensity_model.is_some() && log.layout.propensity.is_some() {
        notes.push("the log has propensities: [propensity_model] is not used".to_owned());
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
        } else if needs.mixture {
            Some(("several logging policies", "leave it out: one policy logged here"))
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

fn seats(
    evaluation: &Evaluation,
    log: &Log,
    targets: Vec<Target>,
    estimators: &[EstimatorAsked],
    settings: &Settings,
) -> Result<Vec<Seat>, ScenarioErrors> {
    let seat = |target: Target| {
        let asked = estimators.iter().map(EstimatorAsked::asked).collect::<Result<_, _>>();
        let asked = asked.map_err(|refusal| evaluation.refused("estimator", refusal))?;
        let appraiser = Appraiser::new(&target.name, asked, settings, &log.action_names);
        let needs = appraiser.needs();
        let (law, robust) = (Vec::new(), Vec::new());
        Ok(Seat {
            target,
            appraiser,
            needs,
            law,
            robust,
            spread: Spread::default(),
            sequences: Sequences::new(evaluation, log),
            failure: None,
        })
    };
    targets.into_iter().map(seat).collect()
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
    batch::visit(log, &mut faults, &mut |batch, _| fitter.take(&batch.rounds(&batch.columns())));
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

/// What both passes over a checked log share.
struct Pass<'a> {
    evaluation: &'a Evaluation,
    log: &'a Log,
    logging: &'a Logging,
    is_estimated: bool,
    seats: Vec<Seat>,
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    logging: Vec<f64>,
    propensities: Vec<f64>,
    models: [Vec<f64>; 2],
}

impl Pass<'_> {
    /// Fits the reward model as the estimators need it.
    fn fit(&mut self, model: Option<&ModelAsked<Build>>) -> Result<(Fitted, Option<String>), ScenarioErrors> {
        let Some(asked) = model else { return Ok((Fitted::default(), None)) };
        let (evaluation, log) = (self.evaluation, self.log);
        let refused = |refusal| evaluation.refused("reward_model", refusal);
        let robust: Vec<bool> = self.seats.iter().map(|seat| seat.needs.models[Fit::MoreRobust as usize]).collect();
        let mut fitting = Fitting::new(asked, &log.shape, &robust).map_err(refused)?;
        let mut faults = Faults::new(&log.paths);
        batch::visit(log, &mut faults, &mut |batch, faults| {
            fitting.take(batch);
            if robust.contains(&true) {
                self.prepare(batch, faults);
                for (index, seat) in self.seats.iter().enumerate().filter(|(index, _)| robust[*index]) {
                    fitting.take_weighted(index, batch, &seat.law, &self.scratch.propensities, log.shape.action_count);
                }
            }
        });
        if let Some(errors) = faults.into_errors(evaluation, HELP) {
            return Err(errors);
        }
        for seat in &mut self.seats {
            seat.target.forget();
        }
        let note = fitting.note();
        Ok((fitting.finish(true, log.shape.folds).map_err(refused)?, note))
    }

    /// The laws of a batch: of the logging policy, of every target; the propensities.
    fn prepare(&mut self, batch: &Batch, faults: &mut Faults) {
        let actions = self.log.shape.action_count;
        let Scratch { logging, propensities, .. } = &mut self.scratch;
        for round in self.logging.write(batch, actions, logging) {
            faults.of(batch.file).add_row(batch.places[round], "log.logging has no law for the keys of this row");
        }
        propensities.clear();
        if batch.propensities.is_empty() {
            let of = |(round, action): (usize, &u32)| logging[round * actions + *action as usize];
            propensities.extend(batch.actions.iter().enumerate().map(of));
            for (round, _) in propensities.iter().enumerate().filter(|(_, propensity)| **propensity <= 0.0) {
                let fault = if self.is_estimated {
                    "the estimated propensity of the action that was taken is 0"
                } else {
                    "log.logging gives the action that was taken the probability 0"
                };
                faults.of(batch.file).add_row(batch.places[round], fault);
            }
        } else {
            propensities.extend_from_slice(&batch.propensities);
        }
        let known: &[f64] = if self.is_estimated { &[] } else { logging };
        for seat in &mut self.seats {
            seat.target.write(batch, self.log, logging, &mut seat.law, faults);
            check_support(&seat.target.name, batch, self.log, &seat.law, known, faults);
        }
    }

    /// Shows the whole log to every judge.
    fn judge(&mut self, fitted: &Fitted, mut sampled: Option<&mut Sampled>) -> Result<Calibration, ScenarioErrors> {
        let (evaluation, log) = (self.evaluation, self.log);
        let actions = log.shape.action_count;
        let mut calibration = Calibration::default();
        let mut faults = Faults::new(&log.paths);
        let mut is_broken = false;
        batch::visit(log, &mut faults, &mut |batch, faults| {
            let before = faults.count();
            self.prepare(batch, faults);
            is_broken |= faults.count() > before;
            if is_broken {
                return;
            }
            for (fit, table) in [Fit::Plain, Fit::CrossFitted].into_iter().zip(&mut self.scratch.models) {
                fitted.predict(fit, 0, batch, actions, table);
            }
            if !self.scratch.models[1].is_empty() {
                let crossed = &self.scratch.models[1];
                let of =
                    |round: usize| (crossed[round * actions + batch.actions[round] as usize], batch.rewards[round]);
                calibration.take((0..batch.count()).map(of));
            }
            if let Some(sampled) = sampled.as_deref_mut() {
                let laws: Vec<&[f64]> = self.seats.iter().map(|seat| seat.law.as_slice()).collect();
                sampled.take(batch, &self.scratch.logging, &self.scratch.models, &laws);
            }
            self.show(batch, fitted);
        });
        let failure = self.seats.iter().find_map(|seat| seat.failure.clone());
        match (faults.into_errors(evaluation, HELP), failure) {
            (Some(errors), _) => Err(errors),
            (None, Some(message)) => {
                Err(evaluation.wrong(vec![ScenarioError { message, place: None, help: None, code: Code::Refused }]))
            }
            (None, None) => Ok(calibration),
        }
    }

    fn show(&mut self, batch: &Batch, fitted: &Fitted) {
        let actions = self.log.shape.action_count;
        let Scratch { logging, propensities, models } = &self.scratch;
        let there = |table: &'_ [f64]| !table.is_empty();
        let factors = &self.log.shape.factors;
        self.seats.par_iter_mut().enumerate().for_each(|(index, seat)| {
            if seat.failure.is_some() {
                return;
            }
            if seat.needs.models[Fit::MoreRobust as usize] {
                fitted.predict(Fit::MoreRobust, index, batch, actions, &mut seat.robust);
            }
            let models = [models[0].as_slice(), models[1].as_slice(), seat.robust.as_slice()];
            let evidence = Evidence {
                action_count: actions,
                actions: &batch.actions,
                rewards: &batch.rewards,
                propensities,
                target: &seat.law,
                logging: there(logging).then_some(logging.as_slice()),
                models: models.map(|table| there(table).then_some(table)),
                direct: [None; 3],
                factors,
                mixture: None,
            };
            seat.spread.take(&evidence);
            if let Some(sequences) = &mut seat.sequences {
                sequences.take(batch, &seat.law, propensities);
            }
            if let Err(lack) = seat.appraiser.take(&evidence, &batch.units) {
                seat.failure = Some(format!("target {:?}: an estimator cannot be computed: {lack}", seat.target.name));
            }
        });
    }
}

/// Opens the log and reads its header alone: what `validate` says.
///
/// # Errors
/// All that is wrong with its columns.
pub fn check(evaluation: &Evaluation) -> Result<(), ScenarioErrors> {
    let mut faults = Faults::new(&evaluation.paths);
    match super::source::Source::open(&evaluation.paths[0]) {
        Ok(source) => {
            super::layout::Layout::find(evaluation, &source).map_err(|faults| evaluation.wrong(faults))?;
        }
        Err(why) => faults.file(0, &why),
    }
    faults.into_errors(evaluation, HELP).map_or(Ok(()), Err)
}
