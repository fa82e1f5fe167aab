//! The passes over a checked log that fit models and judge targets.

use super::batch::{self, Batch, View};
use super::file::{EstimatorAsked, Evaluation, ModelAsked};
use super::fitted::{Fitted, Fitting};
use super::log::{Faults, HELP, Log, agrees};
use super::loggers::{Loggers, Mixed};
use super::logging::Logging;
use super::sequences::Sequences;
use super::spread::Spread;
use super::target::{Target, check_support};
use super::twin::Sampled;
use crate::evaluation::appraisal::Settings;
use crate::evaluation::model::{Build, Calibration};
use crate::evaluation::{Appraiser, Evidence, Fit, Needs, Saved};
use crate::scenario::error::{Code, ScenarioError, ScenarioErrors};
use rayon::prelude::*;

/// A target with what judges it.
pub(super) struct Seat {
    pub(super) target: Target,
    pub(super) appraiser: Appraiser,
    needs: Needs,
    law: Vec<f64>,
    robust: Vec<f64>,
    /// Sum over rows of what the target does, the policy of the row could not, and another that logged could.
    pub(super) borrowed: f64,
    pub(super) spread: Spread,
    pub(super) sequences: Option<Sequences>,
    failure: Option<String>,
}

/// A seat for every target.
pub(super) fn seats(
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
            borrowed: 0.0,
            spread: Spread::default(),
            sequences: Sequences::new(evaluation, log),
            failure: None,
        })
    };
    targets.into_iter().map(seat).collect()
}

/// Notes rows whose propensity is not what `log.logging` says of the action that was taken.
fn contradictions(batch: &Batch, log: &Log, logging: &[f64], faults: &mut Faults) {
    for (round, propensity) in batch.propensities.iter().enumerate() {
        let action = batch.actions[round] as usize;
        let says = logging[round * log.shape.action_count + action];
        // Rows for which there is no law are told of by themselves.
        if says > 0.0 && !agrees(says, *propensity) {
            let name = &log.action_names[action];
            let fault = format!(
                "log.logging does {name:?} with probability {says} here, and the propensity of the row is {propensity}"
            );
            faults.of(batch.file).add_row(batch.place(round), &fault);
        }
    }
}

/// What both passes over a checked log share.
pub(super) struct Pass<'a> {
    evaluation: &'a Evaluation,
    log: &'a Log,
    logging: &'a Logging,
    loggers: &'a Loggers,
    is_estimated: bool,
    pub(super) seats: Vec<Seat>,
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    mixed: Mixed,
    logging: Vec<f64>,
    propensities: Vec<f64>,
    models: [Vec<f64>; 2],
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        evaluation: &'a Evaluation,
        log: &'a Log,
        logging: &'a Logging,
        loggers: &'a Loggers,
        is_estimated: bool,
        seats: Vec<Seat>,
    ) -> Self {
        Self { evaluation, log, logging, loggers, is_estimated, seats, scratch: Scratch::default() }
    }

    /// Fits the reward model as the estimators need it.
    pub(super) fn fit(
        &mut self,
        model: Option<&ModelAsked<Build>>,
    ) -> Result<(Fitted, Option<String>), ScenarioErrors> {
        let Some(asked) = model else { return Ok((Fitted::default(), None)) };
        let (evaluation, log) = (self.evaluation, self.log);
        let refused = |refusal| evaluation.refused("reward_model", refusal);
        let robust: Vec<bool> = self.seats.iter().map(|seat| seat.needs.models[Fit::MoreRobust as usize]).collect();
        let mut fitting = Fitting::new(asked, &log.shape, &robust).map_err(refused)?;
        let mut faults = Faults::new(&log.paths);
        let view = if robust.contains(&true) { View::Targets } else { View::Models };
        batch::visit(log, view, &mut faults, &mut |batch, faults| {
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
            seat.borrowed = 0.0;
        }
        let note = fitting.note();
        Ok((fitting.finish(true, log.shape.folds).map_err(refused)?, note))
    }

    /// The laws of a batch: of those who logged, of every target; the propensities.
    fn prepare(&mut self, batch: &Batch, faults: &mut Faults) {
        let Scratch { mixed, logging, .. } = &mut self.scratch;
        self.loggers.write(batch, self.log, mixed, faults);
        for round in self.logging.write(batch, self.log.shape.action_count, &mixed.own, logging) {
            faults.of(batch.file).add_row(batch.place(round), "log.logging has no law for the keys of this row");
        }
        self.propensities(batch, faults);
        let Scratch { mixed, logging, propensities, .. } = &self.scratch;
        self.loggers.check(batch, self.log, mixed, propensities, faults);
        if matches!(self.logging, Logging::Uniform | Logging::Table(_)) {
            contradictions(batch, self.log, logging, faults);
        }
        for seat in &mut self.seats {
            seat.target.write(batch, self.log, logging, &mut seat.law, faults);
            // A policy's rare action is forgiven where another took it, by those who judge by the mixture.
            let known: &[f64] = match seat.needs.mixture {
                true => &mixed.mixture,
                false if self.is_estimated => &[],
                false => logging,
            };
            check_support(&seat.target.name, batch, self.log, &seat.law, known, faults);
            if seat.needs.mixture {
                let cells = seat.law.iter().zip(logging);
                seat.borrowed += cells.filter(|(_, own)| **own <= 0.0).map(|(target, _)| target).sum::<f64>();
            }
        }
    }

    /// Those of the log, else those of the law that logged.
    fn propensities(&mut self, batch: &Batch, faults: &mut Faults) {
        let actions = self.log.shape.action_count;
        let Scratch { logging, propensities, .. } = &mut self.scratch;
        propensities.clear();
        if !batch.propensities.is_empty() {
            propensities.extend_from_slice(&batch.propensities);
            return;
        }
        let of = |(round, action): (usize, &u32)| logging[round * actions + *action as usize];
        propensities.extend(batch.actions.iter().enumerate().map(of));
        let fault = match self.logging {
            // Told with the name of the policy.
            Logging::Loggers => return,
            Logging::Estimated(_) => "the estimated propensity of the action that was taken is 0",
            _ => "log.logging gives the action that was taken the probability 0",
        };
        for (round, _) in propensities.iter().enumerate().filter(|(_, propensity)| **propensity <= 0.0) {
            faults.of(batch.file).add_row(batch.place(round), fault);
        }
    }

    /// Shows the whole log to every judge.
    pub(super) fn judge(
        &mut self,
        fitted: &Fitted,
        mut sampled: Option<&mut Sampled>,
    ) -> Result<Calibration, ScenarioErrors> {
        let (evaluation, log) = (self.evaluation, self.log);
        let mut calibration = Calibration::default();
        let mut faults = Faults::new(&log.paths);
        let mut is_broken = false;
        batch::visit(log, View::Targets, &mut faults, &mut |batch, faults| {
            let before = faults.count();
            self.prepare(batch, faults);
            is_broken |= faults.count() > before;
            if is_broken {
                return;
            }
            self.predict(batch, fitted, &mut calibration);
            if let Some(sampled) = sampled.as_deref_mut() {
                let laws: Vec<&[f64]> = self.seats.iter().map(|seat| seat.law.as_slice()).collect();
                let Scratch { mixed, logging, models, .. } = &self.scratch;
                sampled.take(batch, logging, &mixed.laws, models, &laws);
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

    /// What the models say of a batch that are the same for all targets, and how good they are.
    fn predict(&mut self, batch: &Batch, fitted: &Fitted, calibration: &mut Calibration) {
        let actions = self.log.shape.action_count;
        for (fit, table) in [Fit::Plain, Fit::CrossFitted].into_iter().zip(&mut self.scratch.models) {
            fitted.predict(fit, 0, batch, actions, table);
        }
        let crossed = &self.scratch.models[1];
        if !crossed.is_empty() {
            let of = |round: usize| (crossed[round * actions + batch.actions[round] as usize], batch.rewards[round]);
            calibration.take((0..batch.count()).map(of));
        }
    }

    /// Shows a batch to every judge.
    fn show(&mut self, batch: &Batch, fitted: &Fitted) {
        let actions = self.log.shape.action_count;
        let Scratch { mixed, logging, propensities, models } = &self.scratch;
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
                saved: Saved::default(),
                factors,
                mixture: there(&mixed.taken).then_some(mixed.taken.as_slice()),
            };
            seat.spread.take(&seat.appraiser.judging(&evidence));
            if let Some(sequences) = &mut seat.sequences {
                sequences.take(batch, &seat.law, propensities);
            }
            if let Err(lack) = seat.appraiser.take(&evidence, &batch.units) {
                seat.failure = Some(format!("target {:?}: an estimator cannot be computed: {lack}", seat.target.name));
            }
        });
    }
}
