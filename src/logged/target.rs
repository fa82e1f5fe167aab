//! What target policies would have done.

use super::batch::Batch;
use super::file::{Evaluation, LawAsked};
use super::law::{Law, Question};
use super::log::{Faults, Log};
use super::logging::Logging;
use crate::evaluation::appraisal::Cell;
use crate::scenario::error::ScenarioError;

/// A target policy, ready to be asked.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: String,
    law: Law,
    /// Of a table: rounds of each (row, action), and rounds of each row.
    counts: Vec<u32>,
    row_counts: Vec<u64>,
}

/// (Row, action) pairs of a table whose rounds are counted.
const CELLS: usize = 1 << 22;

impl Target {
    /// Makes a target for a log.
    pub(super) fn new(asked: &LawAsked, log: &Log, logging: &Logging) -> Result<Self, Vec<ScenarioError>> {
        let law = Law::of(asked, log, logging)?;
        let rows = match &law {
            Law::Table(table) if table.rows() * log.shape.action_count <= CELLS => table.rows(),
            _ => 0,
        };
        let counts = vec![0; rows * log.shape.action_count];
        Ok(Self { name: asked.name.clone(), law, counts, row_counts: vec![0; rows] })
    }

    /// Writes `rounds × actions`, and notes rows for which there is no law.
    pub(super) fn write(&mut self, batch: &Batch, log: &Log, logging: &[f64], law: &mut Vec<f64>, faults: &mut Faults) {
        let Self { name, law: own, counts, row_counts } = self;
        let actions = log.shape.action_count;
        own.write(&format!("target {name:?}"), Question { batch, log, logging }, law, faults, |round, row| {
            if let Some(count) = row_counts.get_mut(row) {
                *count += 1;
                let cell = row * actions + batch.actions[round] as usize;
                counts[cell] = counts[cell].saturating_add(1);
            }
        });
    }

    /// Counts anew.
    pub(super) fn forget(&mut self) {
        self.counts.fill(0);
        self.row_counts.fill(0);
    }

    /// What the target does and the log never did, by action within the keys of its table; heaviest first.
    pub(super) fn unsupported(&self, log: &Log) -> Option<Vec<Cell>> {
        let Law::Table(table) = &self.law else { return None };
        if self.row_counts.is_empty() {
            return None;
        }
        let actions = log.shape.action_count;
        let rounds: u64 = self.row_counts.iter().sum();
        let mut mass = vec![0.0; actions];
        for (row, count) in self.row_counts.iter().enumerate() {
            let share = *count as f64 / rounds.max(1) as f64;
            for (action, probability) in table.law(row).iter().enumerate() {
                if self.counts[row * actions + action] == 0 {
                    mass[action] += share * probability;
                }
            }
        }
        let name = |action: usize| format!("{} {}", log.shape.action_name, log.action_names[action]);
        let cells = mass.into_iter().enumerate().filter(|(_, mass)| *mass > 0.0);
        let mut cells: Vec<Cell> =
            cells.map(|(action, target_mass)| Cell { name: name(action), target_mass }).collect();
        cells.sort_by(|a, b| b.target_mass.total_cmp(&a.target_mass));
        Some(cells)
    }
}

/// All targets of a file.
///
/// # Errors
/// All that is wrong with any of them.
pub(super) fn all(evaluation: &Evaluation, log: &Log, logging: &Logging) -> Result<Vec<Target>, Vec<ScenarioError>> {
    let (mut targets, mut faults) = (Vec::new(), Vec::new());
    for asked in &evaluation.targets {
        match Target::new(asked, log, logging) {
            Ok(target) => targets.push(target),
            Err(more) => faults.extend(more),
        }
    }
    if faults.is_empty() { Ok(targets) } else { Err(faults) }
}

/// Notes rows where a target does what the log says could not be done: weights are never invented.
pub(super) fn check_support(name: &str, batch: &Batch, log: &Log, law: &[f64], logging: &[f64], faults: &mut Faults) {
    let actions = log.shape.action_count;
    if batch.allowed.is_empty() && logging.is_empty() {
        return;
    }
    for (round, law) in law.chunks(actions).enumerate() {
        let start = round * actions;
        if let (true, Some(logging)) = (batch.allowed.is_empty(), logging.get(start..start + actions)) {
            // All actions at once, since none is the rule.
            let impossible = law.iter().zip(logging).map(|(law, logging)| u32::from(*law > 1e-12 && *logging <= 0.0));
            if impossible.sum::<u32>() == 0 {
                continue;
            }
        }
        let impossible = law.iter().enumerate().position(|(action, probability)| {
            let is_masked = batch.allowed.get(start + action).is_some_and(|allowed| !allowed);
            let is_never = logging.get(start + action).is_some_and(|probability| *probability <= 0.0);
            *probability > 1e-12 && (is_masked || is_never)
        });
        if let Some(action) = impossible {
            let why = match batch.allowed.get(start + action) {
                Some(false) => "the mask forbids it",
                _ => "the logging policy never did it here",
            };
            let fault = format!(
                "target {name:?} does {:?} with probability {}, and {why}",
                log.action_names[action], law[action]
            );
            faults.of(batch.file).add_row(batch.place(round), &fault);
        }
    }
}
