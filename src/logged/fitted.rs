//! Reward models fitted on a log, and what they expect of a batch.

use super::batch::Batch;
use super::file::ModelAsked;
use crate::evaluation::Fit;
use crate::evaluation::model::{Build, Fitter, RewardModel, Shape};
use crate::registry::Refusal;

/// The fits that estimators asked for.
#[derive(Debug, Default)]
pub(super) struct Fitted {
    plain: Option<Box<dyn RewardModel>>,
    /// By fold: fitted on all others.
    crossed: Vec<Box<dyn RewardModel>>,
    /// By target.
    robust: Vec<Option<Box<dyn RewardModel>>>,
}

/// Gathers what all fits need.
#[derive(Debug)]
pub(super) struct Fitting {
    plain: Box<dyn Fitter>,
    robust: Vec<Option<Box<dyn Fitter>>>,
    weights: Vec<f64>,
}

impl Fitting {
    /// `robust` says for which target a fit of its own is wanted.
    pub(super) fn new(asked: &ModelAsked<Build>, shape: &Shape, robust: &[bool]) -> Result<Self, Refusal> {
        let fitter = || (asked.entry.build)(&asked.values, shape);
        let robust = robust.iter().map(|wanted| wanted.then(fitter).transpose()).collect::<Result<_, _>>()?;
        Ok(Self { plain: fitter()?, robust, weights: Vec::new() })
    }

    /// Takes a batch for the fits that are the same for all targets.
    pub(super) fn take(&mut self, batch: &Batch) {
        self.plain.take(&batch.rounds(&batch.columns()), None);
    }

    /// Takes a batch for the fit of a target, weighted by `target² (1 - p) / p²`: the variance of the doubly robust
    /// estimate is least then (Farajtabar, Chow and Ghavamzadeh 2018).
    pub(super) fn take_weighted(
        &mut self,
        target: usize,
        batch: &Batch,
        law: &[f64],
        propensities: &[f64],
        actions: usize,
    ) {
        let Some(Some(fitter)) = self.robust.get_mut(target) else { return };
        self.weights.clear();
        self.weights.extend(batch.actions.iter().zip(propensities).enumerate().map(|(round, (action, propensity))| {
            let weight = law[round * actions + *action as usize] / propensity;
            weight * weight * (1.0 - propensity)
        }));
        fitter.take(&batch.rounds(&batch.columns()), Some(&self.weights));
    }

    /// Fits what is wanted.
    pub(super) fn finish(self, crossed: bool, folds: u8) -> Result<Fitted, Refusal> {
        let crossed = if crossed {
            (0..folds).map(|fold| self.plain.fit(Some(fold))).collect::<Result<_, _>>()?
        } else {
            Vec::new()
        };
        let robust = self.robust.iter().map(|fitter| fitter.as_ref().map(|fitter| fitter.fit(None)).transpose());
        Ok(Fitted { plain: Some(self.plain.fit(None)?), crossed, robust: robust.collect::<Result<_, _>>()? })
    }

    /// What a reader should know.
    pub(super) fn note(&self) -> Option<String> {
        self.plain.note()
    }
}

impl Fitted {
    /// Whether there is a fit (one of its own for the target, where it is more robust).
    pub(super) fn has(&self, fit: Fit, target: usize) -> bool {
        match fit {
            Fit::Plain => self.plain.is_some(),
            Fit::CrossFitted => !self.crossed.is_empty(),
            Fit::MoreRobust => self.robust.get(target).is_some_and(Option::is_some),
        }
    }

    /// Writes `rounds × actions`; leaves the table empty where there is no such fit.
    pub(super) fn predict(&self, fit: Fit, target: usize, batch: &Batch, actions: usize, rewards: &mut Vec<f64>) {
        rewards.clear();
        if !self.has(fit, target) {
            return;
        }
        rewards.resize(batch.count() * actions, 0.0);
        let columns = batch.columns();
        let rounds = batch.rounds(&columns);
        match fit {
            Fit::Plain => self.plain.iter().for_each(|model| model.predict(&rounds, rewards)),
            Fit::MoreRobust => self.robust[target].iter().for_each(|model| model.predict(&rounds, rewards)),
            Fit::CrossFitted => {
                let mut part = Vec::new();
                for (fold, model) in self.crossed.iter().enumerate() {
                    let own: Vec<usize> =
                        (0..batch.count()).filter(|round| usize::from(batch.folds[*round]) == fold).collect();
                    let picked = batch.pick(&own);
                    part.clear();
                    part.resize(own.len() * actions, 0.0);
                    model.predict(&picked.rounds(&picked.columns()), &mut part);
                    for (round, row) in own.iter().zip(part.chunks(actions)) {
                        rewards[round * actions..][..actions].copy_from_slice(row);
                    }
                }
            }
        }
    }
}
