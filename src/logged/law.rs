//! The law of a section: what a target would do, or what a policy did that logged.

use super::batch::Batch;
use super::file::LawAsked;
use super::keys::LawKind;
use super::law_table::LawTable;
use super::log::{Faults, Log};
use super::logging::Logging;
use super::policy::PolicyLaw;
use crate::scenario::error::{Code, ScenarioError};
use crate::scenario::suggestion::way_out;

/// Probabilities of all actions in any row of a log.
#[derive(Debug)]
pub(super) enum Law {
    Table(LawTable),
    Uniform,
    Constant(u32),
    Logging,
    Policy(Box<PolicyLaw>),
}

/// The rounds for which a law is asked.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) batch: &'a Batch,
    pub(super) log: &'a Log,
    /// The logging policy's law in them; empty where nobody needs it.
    pub(super) logging: &'a [f64],
}

impl Law {
    /// Makes the law that a section asks for, against a log.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) fn of(asked: &LawAsked, log: &Log, logging: &Logging) -> Result<Self, Vec<ScenarioError>> {
        let fault = |key: &str, message: String, help: String| {
            vec![ScenarioError {
                message: format!("{}.{key}: {message}", asked.section),
                place: asked.values.place(key),
                help: Some(help),
                code: Code::Refused,
            }]
        };
        match asked.kind {
            LawKind::Table => match &asked.table {
                Some(table) => LawTable::read(table, &format!("{}.path", asked.section), log).map(Self::Table),
                None => Err(Vec::new()),
            },
            LawKind::Uniform => Ok(Self::Uniform),
            LawKind::Constant => {
                let name = asked.values.text("action");
                log.find_action(&log.actions.name_of(name)).map(Self::Constant).ok_or_else(|| {
                    let known: Vec<&str> = log.action_names.iter().map(String::as_str).take(40).collect();
                    fault("action", format!("{name:?} is an unknown action"), way_out(name, &known, "actions"))
                })
            }
            LawKind::Logging if logging.is_known() => Ok(Self::Logging),
            LawKind::Logging => {
                let help =
                    "give log.probabilities or log.logging; what the logging policy earned is the mean reward anyway";
                Err(fault("kind", "the log lacks its probability of every action".to_owned(), help.to_owned()))
            }
            LawKind::Policy => match PolicyLaw::load(asked, log) {
                Ok(law) => Ok(Self::Policy(Box::new(law))),
                Err((key, message, help)) => Err(fault(key, message, help)),
            },
            LawKind::Bundle => Err(Vec::new()),
        }
    }

    /// Writes `rounds × actions`. Where a table has no law for a round, it is 0 and a fault of `who`; `met` hears of the
    /// other rounds and their rows of the table.
    pub(super) fn write(
        &self,
        who: &str,
        question: Question<'_>,
        law: &mut Vec<f64>,
        faults: &mut Faults,
        mut met: impl FnMut(usize, usize),
    ) {
        let Question { batch, log, logging } = question;
        let actions = log.shape.action_count;
        law.clear();
        match self {
            Self::Uniform => uniform(batch, actions, law),
            Self::Logging => law.extend_from_slice(logging),
            Self::Policy(policy) => policy.write(batch, actions, law),
            Self::Constant(action) => {
                law.resize(batch.count() * actions, 0.0);
                law.chunks_mut(actions).for_each(|row| row[*action as usize] = 1.0);
            }
            Self::Table(table) => {
                for round in 0..batch.count() {
                    if let Some(row) = table.row(batch, round) {
                        law.extend_from_slice(table.law(row));
                        met(round, row);
                    } else {
                        let fault = format!("{who} has no law for {}", table.describe(batch, round, log));
                        faults.of(batch.file).add_row(batch.place(round), &fault);
                        law.extend(std::iter::repeat_n(0.0, actions));
                    }
                }
            }
        }
    }
}

/// Every allowed action alike.
pub(super) fn uniform(batch: &Batch, action_count: usize, law: &mut Vec<f64>) {
    if batch.allowed.is_empty() {
        law.extend(std::iter::repeat_n(1.0 / action_count as f64, batch.count() * action_count));
        return;
    }
    for allowed in batch.allowed.chunks(action_count) {
        let share = 1.0 / allowed.iter().filter(|allowed| **allowed).count().max(1) as f64;
        law.extend(allowed.iter().map(|allowed| if *allowed { share } else { 0.0 }));
    }
}
