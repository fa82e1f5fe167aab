//! Rows in any order, checked and sorted into trajectories.

use super::trajectories::{LawShape, Shape, StateShape, Trajectories};
use rayon::prelude::*;
use std::fmt;

/// How far the target's probabilities of a row may sum from 1.
const SUM_TOLERANCE: f64 = 1e-6;

/// A batch of logged decisions, in any order. Slices are as long as `units` (times their width); those that the
/// [`Shape`] does not have are empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rows<'a> {
    /// Who was decided for: the independent unit.
    pub units: &'a [u64],
    /// When; consecutive within a unit.
    pub ticks: &'a [u32],
    /// What was done, from 0.
    pub actions: &'a [u32],
    /// What it earned.
    pub rewards: &'a [f64],
    /// With which probability it was done, in (0, 1].
    pub propensities: &'a [f64],
    /// The target policy's probabilities, `rows × law_width`.
    pub target: &'a [f64],
    /// The discrete state.
    pub states: &'a [u32],
    /// The features, `rows × features`.
    pub features: &'a [f32],
    /// Whether the unit's process ended with this row. A last row without it was cut by the time limit.
    pub terminated: &'a [bool],
}

/// What is wrong with the rows of a log. Rows count from 0 in the order in which they were pushed; messages count them
/// from 1, and leave out the unit, whose number may be a hash.
#[derive(Clone, Debug, PartialEq)]
pub enum TrajectoryFault {
    /// The question itself.
    Shape(String),
    /// A column is not as long as the others.
    Length {
        /// Which.
        column: &'static str,
        /// Its length.
        found: usize,
        /// The length it should have.
        wanted: usize,
    },
    /// A value that cannot be.
    Value {
        /// Where.
        row: usize,
        /// Of which column.
        column: &'static str,
        /// What stands there.
        value: f64,
        /// What may stand there.
        wanted: String,
    },
    /// A tick that is missing.
    Gap {
        /// Whose.
        unit: u64,
        /// The last tick before it.
        before: u32,
        /// The first tick after it.
        after: u32,
        /// The row before it.
        first: usize,
        /// The row after it.
        second: usize,
    },
    /// Two decisions at the same time.
    Duplicate {
        /// Whose.
        unit: u64,
        /// When.
        tick: u32,
        /// One row.
        first: usize,
        /// The other.
        second: usize,
    },
    /// Life after the end.
    AfterEnd {
        /// Whose.
        unit: u64,
        /// Its last tick.
        tick: u32,
        /// The row of that.
        first: usize,
        /// The row that follows.
        second: usize,
    },
    /// More than the limit of memory.
    Memory {
        /// How many.
        rows: usize,
        /// How large.
        bytes: usize,
        /// What was granted.
        limit: usize,
    },
    /// Nothing to judge.
    Empty,
}

impl TrajectoryFault {
    /// The message, with rows called as `place` calls them.
    pub(crate) fn told(&self, place: &dyn Fn(usize) -> String) -> String {
        match self {
            Self::Shape(what) => what.clone(),
            Self::Length { column, found, wanted } => {
                format!("column `{column}` of a batch has {found} values where {wanted} are needed")
            }
            Self::Value { row, column, value, wanted } => {
                format!("{}: {column} is {value}, which is not {wanted}", place(*row))
            }
            Self::Gap { before, after, first, second, .. } => format!(
                "a unit has no row between tick {before} in {} and tick {after} in {}; a trajectory has no gaps",
                place(*first),
                place(*second)
            ),
            Self::Duplicate { tick, first, second, .. } => format!(
                "a unit has tick {tick} twice, in {} and in {}; a unit has one decision a tick",
                place(*first),
                place(*second)
            ),
            Self::AfterEnd { tick, first, second, .. } => {
                format!("a unit terminated at tick {tick} in {}, and goes on in {}", place(*first), place(*second))
            }
            Self::Memory { rows, bytes, limit } => {
                format!("{rows} rows of {bytes} bytes do not fit into {limit} bytes; evaluate a sample of the units")
            }
            Self::Empty => "the log has no rows".to_owned(),
        }
    }
}

impl fmt::Display for TrajectoryFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.told(&|row: usize| format!("row {} of the log", row + 1)))
    }
}

impl std::error::Error for TrajectoryFault {}

/// Gathers rows in any order into [`Trajectories`]; the result does not depend on the order.
///
/// Memory: at most `2 ×` [`Shape::bytes_per_row`] `× rows` (vectors double when they grow), never more than the limit.
#[derive(Debug)]
pub struct TrajectoryBuilder {
    gathered: Trajectories,
    row_units: Vec<u64>,
    ticks: Vec<u32>,
    ends: Vec<bool>,
    limit: usize,
    in_order: bool,
}

impl TrajectoryBuilder {
    /// Nothing yet; `limit` is in bytes.
    ///
    /// # Errors
    /// Where the question makes no sense: no action, no state, a discount outside (0, 1].
    pub fn new(shape: Shape, limit: usize) -> Result<Self, TrajectoryFault> {
        if shape.action_count == 0 || matches!(shape.state, StateShape::Discrete(0) | StateShape::Features(0)) {
            return Err(TrajectoryFault::Shape(
                "a log needs an action, and states or features that it declares".into(),
            ));
        }
        if !(shape.discount > 0.0 && shape.discount <= 1.0) {
            return Err(TrajectoryFault::Shape(format!("discount is {}, which is not in (0, 1]", shape.discount)));
        }
        let gathered = Trajectories {
            shape,
            starts: Vec::new(),
            units: Vec::new(),
            actions: Vec::new(),
            rewards: Vec::new(),
            propensities: Vec::new(),
            target: Vec::new(),
            states: Vec::new(),
            features: Vec::new(),
            terminated: Vec::new(),
            longest: 0,
        };
        let (row_units, ticks, ends) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { gathered, row_units, ticks, ends, limit, in_order: true })
    }

    /// Takes a batch in; nothing of it where it has a fault.
    ///
    /// # Errors
    /// Columns of wrong length, values that cannot be, more rows than fit.
    pub fn push(&mut self, rows: &Rows<'_>) -> Result<(), TrajectoryFault> {
        let shape = self.gathered.shape;
        check_lengths(rows, &shape)?;
        let count = self.row_units.len() + rows.units.len();
        let bytes = 2 * shape.bytes_per_row();
        if count > self.limit / bytes {
            return Err(TrajectoryFault::Memory { rows: count, bytes, limit: self.limit });
        }
        for row in 0..rows.units.len() {
            check_row(rows, row, &shape, self.row_units.len() + row)?;
        }
        let last = self.row_units.last().copied().zip(self.ticks.last().copied());
        let keys = rows.units.iter().copied().zip(rows.ticks.iter().copied());
        self.in_order &= last.into_iter().chain(keys).is_sorted();
        self.row_units.extend_from_slice(rows.units);
        self.ticks.extend_from_slice(rows.ticks);
        self.ends.extend_from_slice(rows.terminated);
        self.gathered.actions.extend_from_slice(rows.actions);
        self.gathered.rewards.extend_from_slice(rows.rewards);
        self.gathered.propensities.extend_from_slice(rows.propensities);
        self.gathered.target.extend_from_slice(rows.target);
        self.gathered.states.extend_from_slice(rows.states);
        self.gathered.features.extend_from_slice(rows.features);
        Ok(())
    }

    /// Sorts what was gathered into trajectories.
    ///
    /// # Errors
    /// The first unit (in order of their numbers) with a gap, a tick twice, or rows after its end; no rows at all.
    pub fn finish(mut self) -> Result<Trajectories, TrajectoryFault> {
        if self.row_units.is_empty() {
            return Err(TrajectoryFault::Empty);
        }
        let order = (!self.in_order).then(|| self.sort());
        let original = |row: usize| order.as_ref().map_or(row, |order| order[row]);
        let (units, ticks) = (&self.row_units, &self.ticks);
        let log = &mut self.gathered;
        for row in 0..units.len() {
            if row == 0 || units[row] != units[row - 1] {
                log.starts.push(row);
                log.units.push(units[row]);
                continue;
            }
            let (unit, before, tick) = (units[row], ticks[row - 1], ticks[row]);
            let (first, second) = (original(row - 1), original(row));
            if tick == before {
                return Err(TrajectoryFault::Duplicate { unit, tick, first, second });
            }
            if self.ends[row - 1] {
                return Err(TrajectoryFault::AfterEnd { unit, tick: before, first, second });
            }
            if tick - before > 1 {
                return Err(TrajectoryFault::Gap { unit, before, after: tick, first, second });
            }
        }
        log.starts.push(units.len());
        log.terminated = log.starts[1..].iter().map(|end| self.ends[end - 1]).collect();
        log.longest = log.starts.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        Ok(self.gathered)
    }

    /// Puts every column in the order of units and ticks, one at a time; gives the old place of each row.
    fn sort(&mut self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.row_units.len()).collect();
        let (units, ticks) = (&self.row_units, &self.ticks);
        order.par_sort_unstable_by_key(|&row| (units[row], ticks[row], row));
        let log = &mut self.gathered;
        let (laws, features) = (log.shape.law_width(), log.shape.feature_count());
        arrange(&mut self.row_units, &order, 1);
        arrange(&mut self.ticks, &order, 1);
        arrange(&mut self.ends, &order, 1);
        arrange(&mut log.actions, &order, 1);
        arrange(&mut log.rewards, &order, 1);
        arrange(&mut log.propensities, &order, 1);
        arrange(&mut log.target, &order, laws);
        arrange(&mut log.features, &order, features);
        if !log.states.is_empty() {
            arrange(&mut log.states, &order, 1);
        }
        order
    }
}

/// Puts the rows of a column, each of some values, in order.
fn arrange<T: Copy + Send + Sync>(column: &mut Vec<T>, order: &[usize], width: usize) {
    if width > 0 {
        let mut arranged = Vec::with_capacity(column.len());
        for &row in order {
            arranged.extend_from_slice(&column[row * width..][..width]);
        }
        *column = arranged;
    }
}

fn check_lengths(rows: &Rows<'_>, shape: &Shape) -> Result<(), TrajectoryFault> {
    let count = rows.units.len();
    let states = if matches!(shape.state, StateShape::Discrete(_)) { count } else { 0 };
    let columns = [
        ("tick", rows.ticks.len(), count),
        ("action", rows.actions.len(), count),
        ("reward", rows.rewards.len(), count),
        ("propensity", rows.propensities.len(), count),
        ("target", rows.target.len(), count * shape.law_width()),
        ("state", rows.states.len(), states),
        ("features", rows.features.len(), count * shape.feature_count()),
        ("terminated", rows.terminated.len(), count),
    ];
    match columns.into_iter().find(|(_, found, wanted)| found != wanted) {
        Some((column, found, wanted)) => Err(TrajectoryFault::Length { column, found, wanted }),
        None => Ok(()),
    }
}

/// Checks one row of a batch, which is row `place` of the log.
fn check_row(rows: &Rows<'_>, row: usize, shape: &Shape, place: usize) -> Result<(), TrajectoryFault> {
    let fault = |column, value, wanted: &str| {
        Err(TrajectoryFault::Value { row: place, column, value, wanted: wanted.to_owned() })
    };
    let (action, reward, propensity) = (rows.actions[row], rows.rewards[row], rows.propensities[row]);
    if action as usize >= shape.action_count {
        return fault("action", f64::from(action), &format!("below {}, the number of actions", shape.action_count));
    }
    if !reward.is_finite() {
        return fault("reward", reward, "a finite number");
    }
    if !(propensity > 0.0 && propensity <= 1.0) {
        return fault("propensity", propensity, "in (0, 1]");
    }
    let width = shape.law_width();
    let law = &rows.target[row * width..][..width];
    if let Some(&wrong) = law.iter().find(|probability| !(0.0..=1.0 + SUM_TOLERANCE).contains(*probability)) {
        return fault("target", wrong, "a probability");
    }
    let sum: f64 = law.iter().sum();
    if shape.law == LawShape::Every && (sum - 1.0).abs() > SUM_TOLERANCE {
        return fault("target", sum, "a sum of 1 over the actions");
    }
    if let StateShape::Discrete(states) = shape.state
        && rows.states[row] as usize >= states
    {
        return fault("state", f64::from(rows.states[row]), &format!("below {states}, the number of states"));
    }
    let width = shape.feature_count();
    match rows.features[row * width..][..width].iter().find(|feature| !feature.is_finite()) {
        Some(&wrong) => fault("features", f64::from(wrong), "a finite number"),
        None => Ok(()),
    }
}
