//! Several policies that logged: the law of each in every row, and their mixture.

use super::batch::Batch;
use super::file::Evaluation;
use super::law::{Law, Question};
use super::log::{Faults, Log, agrees};
use super::logging::Logging;
use crate::scenario::error::ScenarioError;

/// The policies that logged, with their shares of the rows.
#[derive(Debug)]
pub(super) struct Loggers {
    all: Vec<Logger>,
}

#[derive(Debug)]
struct Logger {
    name: String,
    law: Law,
    share: f64,
}

/// The laws of a batch, each `rounds × actions`.
#[derive(Debug, Default)]
pub(super) struct Mixed {
    /// Of each policy that logged.
    pub(super) laws: Vec<Vec<f64>>,
    /// Of the policy that logged the row.
    pub(super) own: Vec<f64>,
    /// The mean of all, by their shares of the rows.
    pub(super) mixture: Vec<f64>,
    /// The mixture's probability of what was done, by round.
    pub(super) taken: Vec<f64>,
}

impl Loggers {
    /// Those of a file; none where one policy logged.
    ///
    /// # Errors
    /// All that is wrong with any of them.
    pub(super) fn of(evaluation: &Evaluation, log: &Log) -> Result<Self, Vec<ScenarioError>> {
        let (mut all, mut faults) = (Vec::new(), Vec::new());
        for (asked, rows) in evaluation.loggers.iter().zip(&log.logger_rows) {
            match Law::of(asked, log, &Logging::Unknown) {
                Ok(law) => {
                    let share = *rows as f64 / log.shape.rounds as f64;
                    all.push(Logger { name: asked.name.clone(), law, share });
                }
                Err(more) => faults.extend(more),
            }
        }
        if faults.is_empty() { Ok(Self { all }) } else { Err(faults) }
    }

    /// Whether nobody was named.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Each one's share of the rows.
    pub(super) fn shares(&self) -> impl Iterator<Item = f64> + use<'_> {
        self.all.iter().map(|logger| logger.share)
    }

    /// Writes the laws of a batch; empty where nobody was named.
    pub(super) fn write(&self, batch: &Batch, log: &Log, mixed: &mut Mixed, faults: &mut Faults) {
        let actions = log.shape.action_count;
        mixed.laws.resize(self.all.len(), Vec::new());
        mixed.mixture.clear();
        mixed.own.clear();
        mixed.taken.clear();
        if self.is_empty() {
            return;
        }
        mixed.mixture.resize(batch.count() * actions, 0.0);
        for (logger, law) in self.all.iter().zip(&mut mixed.laws) {
            let question = Question { batch, log, logging: &[] };
            logger.law.write(&format!("logger {:?}", logger.name), question, law, faults, |_, _| ());
            for (sum, probability) in mixed.mixture.iter_mut().zip(law.iter()) {
                *sum += logger.share * probability;
            }
        }
        for (round, logger) in batch.loggers.iter().enumerate() {
            let start = round * actions;
            mixed.own.extend_from_slice(&mixed.laws[*logger as usize][start..start + actions]);
            mixed.taken.push(mixed.mixture[start + batch.actions[round] as usize]);
        }
    }

    /// Holds what each law says of its own rows against what was done in them, and against their propensities.
    pub(super) fn check(&self, batch: &Batch, log: &Log, mixed: &Mixed, propensities: &[f64], faults: &mut Faults) {
        for (round, logger) in batch.loggers.iter().enumerate() {
            let action = batch.actions[round] as usize;
            let probability = mixed.own[round * log.shape.action_count + action];
            let says = if probability <= 0.0 {
                "and did it".to_owned()
            } else if agrees(probability, propensities[round]) {
                continue;
            } else {
                format!("and the propensity of the row is {}", propensities[round])
            };
            let fault = format!(
                "logger {:?} does {:?} with probability {probability} here, {says}",
                self.all[*logger as usize].name, log.action_names[action]
            );
            faults.of(batch.file).add_row(batch.place(round), &fault);
        }
    }
}
