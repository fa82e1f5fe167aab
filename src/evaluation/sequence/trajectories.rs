//! The log of another policy, one trajectory per unit.

use std::ops::Range;

/// What is known of the state that a decision was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateShape {
    /// Nothing: importance sampling alone can judge.
    Hidden,
    /// One of this many states, counted from 0.
    Discrete(usize),
    /// This many features, `f32` each.
    Features(usize),
}

/// Which of the target's probabilities a row carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LawShape {
    /// Of every action: what models of later rewards need.
    Every,
    /// Of the logged action only: enough for importance sampling, and small where there are hundreds of actions.
    Logged,
}

/// How far the return in question reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Horizon {
    /// As far as each unit was logged. A unit that terminated earns nothing for the rest of the longest trajectory.
    Logged,
    /// Without end; what lies beyond the log is extrapolated. With a discount of 1: the average reward of a step.
    Endless,
}

/// What every row of a log carries, and what is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Number of actions.
    pub action_count: usize,
    /// Probabilities of the target policy.
    pub law: LawShape,
    /// Views of the state.
    pub state: StateShape,
    /// Weight of a reward one step later, in (0, 1].
    pub discount: f64,
    /// How far returns reach.
    pub horizon: Horizon,
}

impl Shape {
    /// Probabilities of the target per row.
    #[must_use]
    pub fn law_width(&self) -> usize {
        if self.law == LawShape::Every { self.action_count } else { 1 }
    }

    /// Features per row; 0 without.
    #[must_use]
    pub fn feature_count(&self) -> usize {
        if let StateShape::Features(width) = self.state { width } else { 0 }
    }

    /// Bytes that gathering takes per row, sorting included.
    ///
    /// Unit, tick, action, reward, propensity, state, end and place in order are 8 + 4 + 4 + 8 + 8 + 4 + 1 + 8 bytes; the
    /// laws and features come on top, and rows out of order are put in order column by column, which needs the widest
    /// column twice.
    #[must_use]
    pub fn bytes_per_row(&self) -> usize {
        let (laws, features) = (8 * self.law_width(), 4 * self.feature_count());
        45 + laws + features + laws.max(features).max(8)
    }
}

/// Trajectories by unit (in the order of their numbers) and step, as a struct of arrays.
///
/// A trajectory is the rows of one unit at consecutive ticks. Its steps count from its own first tick, and returns are
/// discounted from there. Whoever wants one has [`TrajectoryBuilder`](super::TrajectoryBuilder) check the rows.
#[derive(Clone, Debug)]
pub struct Trajectories {
    pub(super) shape: Shape,
    /// `starts[i]..starts[i + 1]` are the rows of trajectory i.
    pub(super) starts: Vec<usize>,
    pub(super) units: Vec<u64>,
    pub(super) actions: Vec<u32>,
    pub(super) rewards: Vec<f64>,
    pub(super) propensities: Vec<f64>,
    /// `rows × law_width`.
    pub(super) target: Vec<f64>,
    /// Empty without discrete states.
    pub(super) states: Vec<u32>,
    /// `rows × features`, row-major; empty without.
    pub(super) features: Vec<f32>,
    /// Per trajectory.
    pub(super) terminated: Vec<bool>,
    pub(super) longest: usize,
}

impl Trajectories {
    /// What rows carry and what is asked.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The same log under another question.
    #[must_use]
    pub fn asking(mut self, discount: f64, horizon: Horizon) -> Self {
        (self.shape.discount, self.shape.horizon) = (discount, horizon);
        self
    }

    /// Number of trajectories, which is the number of units.
    #[must_use]
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Number of decisions.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.actions.len()
    }

    /// Steps of the longest trajectory.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Rows of a trajectory.
    #[must_use]
    pub fn rows_of(&self, trajectory: usize) -> Range<usize> {
        self.starts[trajectory]..self.starts[trajectory + 1]
    }

    /// Unit of each trajectory, rising.
    #[must_use]
    pub fn units(&self) -> &[u64] {
        &self.units
    }

    /// Logged action of each row.
    #[must_use]
    pub fn actions(&self) -> &[u32] {
        &self.actions
    }

    /// Reward of each row.
    #[must_use]
    pub fn rewards(&self) -> &[f64] {
        &self.rewards
    }

    /// Probability with which each logged action was chosen.
    #[must_use]
    pub fn propensities(&self) -> &[f64] {
        &self.propensities
    }

    /// State of each row; empty where there are no discrete states.
    #[must_use]
    pub fn states(&self) -> &[u32] {
        &self.states
    }

    /// Features of a row; empty where there are none.
    #[must_use]
    pub fn features_of(&self, row: usize) -> &[f32] {
        let width = self.shape.feature_count();
        &self.features[row * width..][..width]
    }

    /// The target's probability of every action in a row; of the logged one only under [`LawShape::Logged`].
    #[must_use]
    pub fn law_of(&self, row: usize) -> &[f64] {
        let width = self.shape.law_width();
        &self.target[row * width..][..width]
    }

    /// Importance weight of one row: the target's probability of the logged action over its propensity.
    #[must_use]
    pub fn weight(&self, row: usize) -> f64 {
        let law = self.law_of(row);
        let logged = if law.len() == 1 { law[0] } else { law[self.actions[row] as usize] };
        logged / self.propensities[row]
    }

    /// Whether a trajectory ended for good; otherwise the log stopped looking (the time limit).
    #[must_use]
    pub fn is_terminated(&self, trajectory: usize) -> bool {
        self.terminated[trajectory]
    }

    /// Steps from the first row of a trajectory to the end of what is asked: as far as it was logged, or, where it
    /// terminated, as far as the longest was.
    #[must_use]
    pub fn window(&self, trajectory: usize) -> usize {
        if self.terminated[trajectory] { self.longest } else { self.rows_of(trajectory).len() }
    }
}
