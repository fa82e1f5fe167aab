//! Discrete states: the mean reward and the successors of every cell, and what follows from them.
//!
//! A cell is a state and an action (its logged rows count 1 each, and its successors are the next state's actions by the
//! target's law in the next row), or a state alone (its rows count by their importance weight, and its successors are
//! next states). With `R` the mean reward of a cell and `P` the mean of its successors, values follow
//! `v_k = R + discount P v_{k-1}` for k steps to go, or the fixed point of it. The last row of a trajectory that the time
//! limit cut has a reward and no successor: it counts in `R` and not in `P`. A cell without rows is worth 0, and the mass
//! of the target that arrives there is told.

mod influence;
mod tables;

use super::SequenceFailure;
use super::returns::per_trajectory;
use super::trajectories::{Horizon, LawShape, StateShape, Trajectories};
use crate::evaluation::evidence::expectation;
use rayon::prelude::*;
pub(super) use tables::Tables;

/// Most cells times steps that are kept: 512 MiB of numbers.
const MOST_VALUES: usize = 1 << 26;
/// Cells that one task handles, at least.
const CELLS_AT_ONCE: usize = 128;
const MOST_SWEEPS: usize = 1_000_000;
/// Values stand still where a sweep cannot move them by more than this, relative to the greatest.
const TOLERANCE: f64 = 1e-13;
/// Marks a row without a successor in another row.
const NONE: u32 = u32::MAX;

/// What has a value of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cells {
    /// A state and an action.
    StateAction,
    /// A state; rows are weighted by their importance.
    State,
}

/// Which rows are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// Those of all steps: what follows a state and action does not depend on the step.
    Pooled,
    /// Those of the same step only.
    Apart,
}

/// Who follows whom in a log.
pub(super) struct Chain<'a> {
    pub log: &'a Trajectories,
    cells: Cells,
    time: Time,
    /// Values per state.
    width: usize,
    /// Number of states, those of different steps counted apart where they are.
    states: usize,
    /// Importance of each row; empty where all count 1.
    weights: Vec<f64>,
    /// Distinct (cell, next state), sorted.
    links: Vec<(u32, u32)>,
    /// `first_link[cell]..first_link[cell + 1]` start in the cell.
    first_link: Vec<u32>,
    link_of_row: Vec<u32>,
}

/// Values per level: level k has k steps to go; an only level stands for every number of them.
pub(super) struct Solution {
    pub levels: Vec<Vec<f64>>,
}

impl Solution {
    /// The values with so many steps to go.
    pub fn with(&self, steps: usize) -> &[f64] {
        &self.levels[if self.levels.len() == 1 { 0 } else { steps }]
    }
}

impl<'a> Chain<'a> {
    /// Finds the cells and successors of a log, under the target.
    pub fn new(log: &'a Trajectories, cells: Cells, time: Time) -> Result<Self, SequenceFailure> {
        if cells == Cells::StateAction && log.shape.law != LawShape::Every {
            return Err(SequenceFailure::NeedsLaw);
        }
        let rows = if cells == Cells::State { log.rows() } else { 0 };
        Self::weighted(log, cells, time, (0..rows).map(|row| log.weight(row)).collect())
    }

    /// The states and successors as they were logged.
    pub fn of_logging(log: &'a Trajectories) -> Result<Self, SequenceFailure> {
        Self::weighted(log, Cells::State, Time::Pooled, Vec::new())
    }

    fn weighted(log: &'a Trajectories, cells: Cells, time: Time, weights: Vec<f64>) -> Result<Self, SequenceFailure> {
        let StateShape::Discrete(plain) = log.shape.state else {
            return Err(SequenceFailure::NeedsDiscreteStates);
        };
        let width = if cells == Cells::StateAction { log.shape.action_count } else { 1 };
        let states = plain.saturating_mul(if time == Time::Apart { log.longest } else { 1 });
        let levels = if time == Time::Pooled && log.shape.horizon == Horizon::Logged { log.longest + 1 } else { 1 };
        let unknowns = states.saturating_mul(width).saturating_mul(levels);
        if unknowns > MOST_VALUES {
            return Err(SequenceFailure::TooLarge { unknowns, limit: MOST_VALUES });
        }
        let (links, first_link, link_of_row) = (Vec::new(), Vec::new(), Vec::new());
        let mut chain = Self { log, cells, time, width, states, weights, links, first_link, link_of_row };
        chain.link();
        Ok(chain)
    }

    fn link(&mut self) {
        let mut pairs = vec![(NONE, NONE); self.log.rows()];
        for trajectory in 0..self.log.len() {
            let rows = self.log.rows_of(trajectory);
            for (step, row) in rows.clone().enumerate().take(rows.len() - 1) {
                pairs[row] = (self.cell(row, step) as u32, self.state(row + 1, step + 1) as u32);
            }
        }
        let mut links: Vec<(u32, u32)> = pairs.par_iter().copied().filter(|pair| pair.0 != NONE).collect();
        links.par_sort_unstable();
        links.dedup();
        let place = |pair: &(u32, u32)| links.binary_search(pair).map_or(NONE, |place| place as u32);
        self.link_of_row = pairs.par_iter().map(place).collect();
        let first = |cell| links.partition_point(|link| (link.0 as usize) < cell) as u32;
        self.first_link = (0..=self.states * self.width).into_par_iter().map(first).collect();
        self.links = links;
    }

    /// The state of a row at a step.
    fn state(&self, row: usize, step: usize) -> usize {
        let own = self.log.states[row] as usize;
        match self.time {
            Time::Pooled => own,
            Time::Apart => step * (self.states / self.log.longest) + own,
        }
    }

    /// The cell of a row at a step.
    pub fn cell(&self, row: usize, step: usize) -> usize {
        let action = if self.cells == Cells::StateAction { self.log.actions[row] as usize } else { 0 };
        self.state(row, step) * self.width + action
    }

    /// The law over the cells of a row's state.
    fn law(&self, row: usize) -> &[f64] {
        if self.cells == Cells::StateAction { self.log.law_of(row) } else { &[1.0] }
    }

    fn weight(&self, row: usize) -> f64 {
        if self.weights.is_empty() { 1.0 } else { self.weights[row] }
    }

    fn links_of(&self, cell: usize) -> std::ops::Range<usize> {
        self.first_link[cell] as usize..self.first_link[cell + 1] as usize
    }

    /// What the target's next decision in a row is worth, by the values of its state's cells.
    pub fn value(&self, row: usize, step: usize, values: &[f64]) -> f64 {
        let own = &values[self.state(row, step) * self.width..][..self.width];
        expectation(own, self.law(row))
    }

    /// Mean reward of a cell; 0 where it has no rows.
    pub fn reward(&self, tables: &Tables, cell: usize) -> f64 {
        tables.rewards[cell]
    }

    /// Share of the successors of each state that is each other state, row-major: of few states.
    pub fn transitions(&self, tables: &Tables) -> Vec<f64> {
        let mut transitions = vec![0.0; self.states * self.states];
        for ((from, to), share) in self.links.iter().zip(&tables.successors) {
            transitions[*from as usize * self.states + *to as usize] = *share;
        }
        transitions
    }

    /// What comes after a cell, by the values of the next cells.
    fn later(&self, tables: &Tables, cell: usize, values: &[f64]) -> f64 {
        let mut later = 0.0;
        for link in self.links_of(cell) {
            let next = &values[self.links[link].1 as usize * self.width..][..self.width];
            let successors = &tables.successors[link * self.width..][..self.width];
            later += expectation(next, successors);
        }
        later
    }

    /// Values with 0 to `steps` steps to go.
    pub fn backwards(&self, tables: &Tables, steps: usize) -> Solution {
        let discount = self.log.shape.discount;
        let mut levels = vec![vec![0.0; tables.rewards.len()]];
        for step in 0..steps {
            let next = |cell| tables.rewards[cell] + discount * self.later(tables, cell, &levels[step]);
            levels.push((0..tables.rewards.len()).into_par_iter().with_min_len(CELLS_AT_ONCE).map(next).collect());
        }
        Solution { levels }
    }

    /// The values that stay where they are: of an endless horizon, or of steps told apart, which have no way back.
    pub fn fixed_point(&self, tables: &Tables) -> Solution {
        let discount = self.log.shape.discount;
        let mut values = vec![0.0; tables.rewards.len()];
        for _ in 0..MOST_SWEEPS {
            let (mut change, mut size) = (0.0, f64::MIN_POSITIVE);
            for cell in (0..values.len()).rev() {
                let value = tables.rewards[cell] + discount * self.later(tables, cell, &values);
                change = f64::max(change, (value - values[cell]).abs());
                size = f64::max(size, value.abs());
                values[cell] = value;
            }
            if change <= size * f64::max(TOLERANCE * (1.0 - discount), 4.0 * f64::EPSILON) {
                break;
            }
        }
        Solution { levels: vec![values] }
    }

    /// Values for the question of the log.
    pub fn solve(&self, tables: &Tables) -> Solution {
        match (self.time, self.log.shape.horizon) {
            (Time::Pooled, Horizon::Logged) => self.backwards(tables, self.log.longest),
            _ => self.fixed_point(tables),
        }
    }

    /// Steps to go from the first row of a trajectory.
    fn window(&self, trajectory: usize) -> usize {
        if self.time == Time::Apart { self.log.longest } else { self.log.window(trajectory) }
    }

    /// Value of the first state of each trajectory.
    pub fn start_values(&self, solution: &Solution) -> Vec<f64> {
        per_trajectory(self.log, |trajectory| {
            self.value(self.log.rows_of(trajectory).start, 0, solution.with(self.window(trajectory)))
        })
    }

    /// Gives the successors of a cell their shares of a mass.
    fn pass_on(&self, tables: &Tables, cell: usize, mass: f64, visits: &mut [f64]) {
        for link in self.links_of(cell) {
            let next = &mut visits[self.links[link].1 as usize * self.width..][..self.width];
            let successors = &tables.successors[link * self.width..][..self.width];
            next.iter_mut().zip(successors).for_each(|(visit, share)| *visit += mass * share);
        }
    }

    /// Discounted visits over an endless horizon. What is yet to be passed on shrinks with every sweep.
    pub fn all_visits(&self, tables: &Tables, discount: f64) -> Vec<f64> {
        let mut waiting = tables.starts.clone();
        let mut visits = vec![0.0; waiting.len()];
        for _ in 0..MOST_SWEEPS {
            let mut passed = 0.0;
            for cell in 0..visits.len() {
                let mass = std::mem::take(&mut waiting[cell]);
                if mass > 0.0 {
                    visits[cell] += mass;
                    passed += mass;
                    self.pass_on(tables, cell, discount * mass, &mut waiting);
                }
            }
            if passed <= TOLERANCE {
                break;
            }
        }
        visits
    }

    /// The estimate where trajectory i counts `counts[i]` times.
    pub fn estimate(&self, counts: &[f64]) -> f64 {
        let solution = self.solve(&self.tables(counts));
        super::returns::weighted_sum(&self.start_values(&solution), counts) / counts.iter().sum::<f64>()
    }
}
