//! What is known of the logging policy.

use super::batch::Batch;
use super::file::Evaluation;
use super::law::uniform;
use super::law_table::LawTable;
use super::log::Log;
use crate::scenario::error::ScenarioError;

/// What is known of the logging policy's probability of every action.
#[derive(Debug)]
pub(super) enum Logging {
    /// The log has it.
    Column,
    /// Every action alike, every allowed one where the log has the mask.
    Uniform,
    /// By keys.
    Table(LawTable),
    /// Several policies logged, and the file says what each of them did: the law of a row is that of its own.
    Loggers,
    /// Estimated from the log.
    Estimated(Box<dyn crate::evaluation::model::PropensityModel>),
    /// Nothing beyond the propensities.
    Unknown,
}

impl Logging {
    /// What the file and the log say.
    pub(super) fn of(evaluation: &Evaluation, log: &Log) -> Result<Self, Vec<ScenarioError>> {
        if log.layout.probabilities.is_some() {
            return Ok(Self::Column);
        }
        if !evaluation.loggers.is_empty() {
            return Ok(Self::Loggers);
        }
        match (&evaluation.logging_table, evaluation.log.optional_text("logging")) {
            (Some(table), _) => LawTable::read(table, "log.logging", log).map(Self::Table),
            (None, Some(_)) => Ok(Self::Uniform),
            (None, None) => Ok(Self::Unknown),
        }
    }

    /// Whether there is a law.
    pub(super) fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown)
    }

    /// Writes `rounds × actions`; the rows for which there is none, by their place in the batch. `own` has the law of the
    /// policy that logged each row, where several did.
    pub(super) fn write(&self, batch: &Batch, action_count: usize, own: &[f64], law: &mut Vec<f64>) -> Vec<usize> {
        law.clear();
        let mut missing = Vec::new();
        match self {
            Self::Unknown => {}
            Self::Loggers => law.extend_from_slice(own),
            Self::Column => law.extend_from_slice(&batch.probabilities),
            Self::Uniform => uniform(batch, action_count, law),
            Self::Table(table) => {
                for round in 0..batch.count() {
                    match table.row(batch, round) {
                        Some(row) => law.extend_from_slice(table.law(row)),
                        None => {
                            missing.push(round);
                            law.extend(std::iter::repeat_n(0.0, action_count));
                        }
                    }
                }
            }
            Self::Estimated(model) => {
                law.resize(batch.count() * action_count, 0.0);
                model.predict(&batch.rounds(&batch.columns()), law);
            }
        }
        missing
    }
}
