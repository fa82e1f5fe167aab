//! Q-learning: a table of action values, one for each state and action.
//!
//! Watkins & Dayan 1992, *Q-learning*: `Q(s, a) += α (r + γ max_a' Q(s', a') - Q(s, a))`, over allowed a'. It finds the
//! optimal values of a process whose states are all seen, however actions are chosen, as long as each is tried again and
//! again; that makes it a yardstick for agents that approximate.
//!
//! Differences from the paper:
//! 1. `α = n^-step_exponent` after n visits to a state and action: by Even-Dar & Mansour 2003 (*Learning rates for
//!    Q-learning*), exponents near 1 take a time that is exponential in 1 / (1 - γ).
//! 2. The state of a consumer is what their one-hot features show, all groups together. Numbers are not read.
//! 3. A time limit is no end: what was seen after the last tick has the value of its state, or the value that records tell.
//! 4. Exploration is uniform over allowed actions with a chance that falls in a straight line, and is 0 in the frozen law.

use super::AgentBuild;
use crate::matrix::Matrix;
use crate::protocol::{Agent, Diverged, Ending, Metrics, Observation, Policy, Spec, TrainingPlan, Transitions, Views};
use crate::random::Seed;
use crate::registry::{Entry, Parameter, Range, Refusal, Values};
use serde::{Deserialize, Serialize};
use std::io;

/// `kind = "q_learning"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: NAME,
    summary: "a table of action values by one-hot features; looks ahead",
    source: "Watkins & Dayan 1992, Q-learning",
    parameters: PARAMETERS,
    build: AgentBuild { create, load },
};

const NAME: &str = "q_learning";
const UNTIL: Range = Range { low: 0.0, high: 1.0, low_open: true, high_open: false };

const PARAMETERS: &[Parameter] = &[
    Parameter::optional_number(
        "discount",
        Range::closed(0.0, 1.0),
        "discount factor per tick; that of the scenario if absent. What records tell of the time beyond the horizon counts with that one only",
    ),
    Parameter::number(
        "step_exponent",
        0.6,
        Range { low: 0.5, high: 1.0, low_open: false, high_open: false },
        "after n visits an action value moves by n to the minus this towards what was seen",
    ),
    Parameter::number("epsilon", 1.0, Range::PROBABILITY, "share of random decisions at the beginning of training"),
    Parameter::number("epsilon_end", 0.05, Range::PROBABILITY, "share of random decisions in the end"),
    Parameter::number("epsilon_until", 0.5, UNTIL, "share of training after which it is reached"),
];

/// Action values that a table may have.
const CELLS_MAX: usize = 10_000_000;
/// Decisions that exploration reckons with where nobody tells how many come.
const UNTOLD_DECISIONS: u64 = 500_000;

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let groups = groups(spec);
    let actions = spec.actions.len();
    let Some(cells) = cells(&groups, actions).filter(|cells| *cells <= CELLS_MAX) else {
        return Err(Refusal::new(
            values,
            "step_exponent",
            format!("the one-hot features of this market have more than {CELLS_MAX} combinations with actions"),
            "take an agent that approximates, such as `dqn`",
        ));
    };
    let table = Table { groups, actions, values: vec![0.0; cells] };
    Ok(Box::new(QLearning {
        table,
        visits: vec![0; cells],
        pending: Vec::new(),
        discount: values.optional_number("discount").unwrap_or(spec.discount),
        step_exponent: values.number("step_exponent"),
        epsilon: [values.number("epsilon"), values.number("epsilon_end"), values.number("epsilon_until")],
        decisions: 0,
        planned: None,
    }))
}

fn load(from: &mut dyn io::Read) -> io::Result<Box<dyn Agent>> {
    let agent: QLearning = serde_json::from_reader(from)?;
    let cells = agent.table.values.len();
    let is_sound = |pending: &Pending| (pending.cell as usize) < cells;
    if self::cells(&agent.table.groups, agent.table.actions) != Some(cells)
        || agent.visits.len() != cells
        || !agent.pending.iter().flatten().all(is_sound)
    {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the table of action values has another size"));
    }
    Ok(Box::new(agent))
}

/// Action values of a table: each variable has its levels, and that none is set.
fn cells(groups: &[Vec<usize>], actions: usize) -> Option<usize> {
    groups.iter().try_fold(actions, |cells, columns| cells.checked_mul(columns.len() + 1))
}

/// The columns of each categorical variable, in order.
fn groups(spec: &Spec) -> Vec<Vec<usize>> {
    let mut names: Vec<&str> = Vec::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (column, feature) in spec.features.iter().enumerate() {
        let Some(name) = feature.group else { continue };
        match names.iter().position(|known| *known == name) {
            Some(group) => groups[group].push(column),
            None => {
                names.push(name);
                groups.push(vec![column]);
            }
        }
    }
    groups
}

/// Action values by state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Table {
    groups: Vec<Vec<usize>>,
    actions: usize,
    /// `states × actions`.
    values: Vec<f64>,
}

impl Table {
    /// The state that a row shows: in each variable the level that is set, or that none is.
    fn state(&self, observation: &Observation, row: usize) -> usize {
        self.groups.iter().fold(0, |state, columns| {
            let set = columns.iter().position(|column| observation.features.get(row, *column) > 0.5);
            state * (columns.len() + 1) + set.unwrap_or(columns.len())
        })
    }

    /// The allowed action of the greatest value, and that value; of equals, the first.
    fn best(&self, observation: &Observation, row: usize) -> (usize, f64) {
        let first = self.state(observation, row) * self.actions;
        observation.allowed.iter(row).fold((0, f64::NEG_INFINITY), |best, action| {
            let value = self.values[first + action];
            if value > best.1 { (action, value) } else { best }
        })
    }

    /// With n allowed actions `epsilon / n` each, and the rest for the best.
    fn law(&self, epsilon: f32, observation: &Observation, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), observation.allowed.actions());
        for row in 0..observation.rows() {
            let (best, _) = self.best(observation, row);
            let share = epsilon / observation.allowed.count(row) as f32;
            for action in observation.allowed.iter(row) {
                let rest = if action == best { 1.0 - epsilon } else { 0.0 };
                probabilities.set(row, action, share + rest);
            }
        }
    }
}

/// A table that is learned from no more.
#[derive(Clone, Debug)]
struct Greedy {
    table: Table,
    epsilon: f32,
}

impl Policy for Greedy {
    fn views(&self) -> Views {
        Views::FEATURES
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        self.table.law(self.epsilon, observation, probabilities);
    }
}

/// A decision whose sequel is still to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Pending {
    tick: u32,
    cell: u32,
    reward: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct QLearning {
    table: Table,
    visits: Vec<u64>,
    /// By consumer.
    pending: Vec<Option<Pending>>,
    discount: f64,
    step_exponent: f64,
    /// At the beginning, in the end, and when.
    epsilon: [f64; 3],
    decisions: u64,
    planned: Option<u64>,
}

impl QLearning {
    fn epsilon(&self) -> f64 {
        let [from, to, until] = self.epsilon;
        let progress = self.decisions as f64 / self.planned.unwrap_or(UNTOLD_DECISIONS).max(1) as f64;
        from + (to - from) * (progress / until).min(1.0)
    }

    fn diverged(quantity: &str) -> Diverged {
        Diverged { agent: NAME.into(), quantity: quantity.into() }
    }

    /// Moves an action value towards a target; how far it was from it.
    fn move_towards(&mut self, cell: usize, target: f64) -> f64 {
        self.visits[cell] += 1;
        let step = libm::pow(self.visits[cell] as f64, -self.step_exponent);
        let value = &mut self.table.values[cell];
        let error = target - *value;
        *value += step * error;
        error
    }

    /// What the last decision of a consumer led to, if it was taken a tick before.
    fn follow(&mut self, consumer: u32, tick: u32, value: f64) -> Option<f64> {
        let Pending { tick: before, cell, reward } = self.pending.get_mut(consumer as usize)?.take()?;
        let follows = before.checked_add(1) == Some(tick);
        follows.then(|| self.move_towards(cell as usize, f64::from(reward) + self.discount * value))
    }
}

/// The root of the mean square of errors, if there are any.
fn metrics(errors: &[f64]) -> Metrics {
    if errors.is_empty() {
        return Metrics::new();
    }
    let square = errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64;
    vec![("temporal_difference", square.sqrt())]
}

fn is_sound(observation: &Observation) -> bool {
    let features = &observation.features;
    (0..features.rows()).all(|row| (0..features.columns()).all(|column| features.get(row, column).is_finite()))
}

impl Policy for QLearning {
    fn views(&self) -> Views {
        Views::FEATURES
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        self.table.law(self.epsilon() as f32, observation, probabilities);
    }
}

impl Agent for QLearning {
    fn is_sequential(&self) -> bool {
        true
    }

    fn begin_training(&mut self, plan: &TrainingPlan) {
        self.planned = Some(self.decisions + plan.decisions());
    }

    fn learn(&mut self, batch: &Transitions<'_>, _seed: Seed) -> Result<Metrics, Diverged> {
        if !batch.rewards.iter().all(|reward| reward.is_finite()) {
            return Err(Self::diverged("a reward"));
        }
        if !is_sound(batch.observation) {
            return Err(Self::diverged("a feature"));
        }
        let mut errors = Vec::new();
        for (row, &consumer) in batch.observation.consumer_ids.iter().enumerate() {
            let (_, best) = self.table.best(batch.observation, row);
            errors.extend(self.follow(consumer, batch.observation.tick, best));
            let state = self.table.state(batch.observation, row);
            let cell = state * self.table.actions + usize::from(batch.actions[row]);
            if batch.is_terminated(row) {
                errors.push(self.move_towards(cell, f64::from(batch.rewards[row])));
                continue;
            }
            let place = consumer as usize;
            if self.pending.len() <= place {
                self.pending.resize(place + 1, None);
            }
            let (tick, reward) = (batch.observation.tick, batch.rewards[row]);
            self.pending[place] = Some(Pending { tick, cell: cell as u32, reward });
        }
        self.decisions += batch.actions.len() as u64;
        Ok(metrics(&errors))
    }

    fn end_episode(&mut self, ending: &Ending<'_>, _seed: Seed) -> Result<Metrics, Diverged> {
        if !is_sound(ending.observation) {
            return Err(Self::diverged("a feature"));
        }
        if !ending.beyond.is_none_or(|beyond| beyond.values.iter().all(|value| value.is_finite())) {
            return Err(Self::diverged("a value beyond the horizon"));
        }
        let values = ending.values(self.discount);
        let mut errors = Vec::new();
        for (row, &consumer) in ending.observation.consumer_ids.iter().enumerate() {
            let known = values.map(|values| f64::from(values[row]));
            let value = known.unwrap_or_else(|| self.table.best(ending.observation, row).1);
            errors.extend(self.follow(consumer, ending.observation.tick, value));
        }
        Ok(metrics(&errors))
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        Box::new(Greedy { table: self.table.clone(), epsilon: 0.0 })
    }

    fn save(&self, to: &mut dyn io::Write) -> io::Result<()> {
        Ok(serde_json::to_writer(to, self)?)
    }
}

#[cfg(test)]
mod tests;
