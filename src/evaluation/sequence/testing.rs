//! A process of two states and two actions in which every value is known, and logs of it.
//!
//! Rewards r(0, .) = (0, .5), r(1, .) = (1, .2); transitions P(. | 0, 0) = (.8, .2), (0, 1) = (.3, .7), (1, 0) = (.1, .9),
//! (1, 1) = (.6, .4); start in 0; discount .9; the log is uniform; the target does (.2, .8) in 0 and (.9, .1) in 1.

use super::values::RowValue;
use super::{
    Horizon, LawShape, Rows, SEQUENCE_ESTIMATORS, SequenceEstimator, SequenceFailure, Shape, StateShape, Trajectories,
    TrajectoryBuilder,
};
use crate::random::{Purpose, Seed};
use crate::registry::{Value, Values, find};

pub(super) const REWARDS: [[f64; 2]; 2] = [[0.0, 0.5], [1.0, 0.2]];
pub(super) const NEXT: [[[f64; 2]; 2]; 2] = [[[0.8, 0.2], [0.3, 0.7]], [[0.1, 0.9], [0.6, 0.4]]];
pub(super) const TARGET: [[f64; 2]; 2] = [[0.2, 0.8], [0.9, 0.1]];
pub(super) const LOGGING: [[f64; 2]; 2] = [[0.5, 0.5], [0.5, 0.5]];
pub(super) const DISCOUNT: f64 = 0.9;

/// One logged decision.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub unit: u64,
    pub tick: u32,
    pub action: u32,
    pub reward: f64,
    pub propensity: f64,
    pub law: Vec<f64>,
    pub state: u32,
    pub terminated: bool,
}

impl Default for Given {
    fn default() -> Self {
        let law = vec![0.5, 0.5];
        Self { unit: 0, tick: 0, action: 0, reward: 0.0, propensity: 0.5, law, state: 0, terminated: false }
    }
}

/// Gathers rows with as many states as they name.
pub(super) fn log(rows: Vec<Given>, discount: f64) -> Trajectories {
    let states = rows.iter().map(|row| row.state).max().unwrap_or(0) as usize + 1;
    let state = StateShape::Discrete(states.max(2));
    let shape =
        Shape { action_count: rows[0].law.len(), law: LawShape::Every, state, discount, horizon: Horizon::Logged };
    let mut builder = TrajectoryBuilder::new(shape, 1 << 30).unwrap();
    for row in rows {
        builder
            .push(&Rows {
                units: &[row.unit],
                ticks: &[row.tick],
                actions: &[row.action],
                rewards: &[row.reward],
                propensities: &[row.propensity],
                target: &row.law,
                states: &[row.state],
                features: &[],
                terminated: &[row.terminated],
            })
            .unwrap();
    }
    builder.finish().unwrap()
}

/// The same log with a one-hot feature per state instead.
pub(super) fn one_hot(log: &Trajectories) -> Trajectories {
    let mut featured = log.clone();
    let StateShape::Discrete(states) = log.shape.state else { panic!("no states") };
    featured.shape.state = StateShape::Features(states);
    featured.features =
        log.states.iter().flat_map(|own| (0..states as u32).map(move |s| f32::from(s == *own))).collect();
    featured.states.clear();
    featured
}

/// The same log with the number of the state as its feature.
pub(super) fn one_feature(log: &Trajectories) -> Trajectories {
    let mut featured = log.clone();
    featured.shape.state = StateShape::Features(1);
    featured.features = log.states.iter().map(|state| *state as f32).collect();
    featured.states.clear();
    featured
}

/// One decision of the process.
pub(super) fn decided(unit: u64, tick: u32, state: u32, action: u32) -> Given {
    let (s, a) = (state as usize, action as usize);
    let (reward, propensity) = (REWARDS[s][a], LOGGING[s][a]);
    Given { unit, tick, action, reward, propensity, law: TARGET[s].to_vec(), state, terminated: false }
}

/// Three trajectories of two steps.
pub(super) fn three_trajectories() -> Trajectories {
    let steps = [[(0, 1), (1, 0)], [(0, 0), (0, 1)], [(0, 1), (0, 1)]];
    let rows = steps.iter().enumerate().flat_map(|(unit, steps)| {
        steps.iter().enumerate().map(move |(tick, (state, action))| decided(unit as u64, tick as u32, *state, *action))
    });
    log(rows.collect(), DISCOUNT)
}

/// Two steps, the second of which the target would never take.
pub(super) fn never_followed() -> Trajectories {
    let rows = (0..2).map(|tick| {
        let law = if tick == 0 { vec![0.5, 0.5] } else { vec![0.0, 1.0] };
        Given { tick, law, ..Given::default() }
    });
    log(rows.collect(), DISCOUNT)
}

/// A log without luck: from each of `starts`, every way through `steps` decisions as often as the uniform policy takes it
/// in expectation (action and successor together have tenths of a half as probabilities).
pub(super) fn expected_log(starts: &[u32], steps: u32) -> Trajectories {
    let mut rows = Vec::new();
    let mut unit = 0;
    for &start in starts {
        let ways = 20_u64.pow(steps - 1) * 2;
        for way in 0..ways {
            let (mut state, mut rest) = (start, way);
            for tick in 0..steps {
                let action = (rest % 2) as u32;
                rest /= 2;
                rows.push(decided(unit, tick, state, action));
                let tenths = (rest % 10) as f64;
                rest /= 10;
                state = u32::from(tenths >= 10.0 * NEXT[state as usize][action as usize][0] - 1e-9);
            }
            unit += 1;
        }
    }
    log(rows, DISCOUNT)
}

/// Units who live `steps` decisions under the uniform policy.
pub(super) fn drawn_log(units: u32, steps: u32, seed: u64) -> Trajectories {
    let mut rows = Vec::new();
    for unit in 0..units {
        let mut stream = Seed::new(seed).stream(Purpose::Problem, unit, 0);
        let mut state = 0;
        for tick in 0..steps {
            let action = u32::from(stream.uniform() >= 0.5);
            rows.push(decided(u64::from(unit), tick, state, action));
            state = u32::from(f64::from(stream.uniform()) >= NEXT[state as usize][action as usize][0]);
        }
    }
    log(rows, DISCOUNT)
}

/// Expected discounted return from each state over `steps` decisions.
pub(super) fn values(law: [[f64; 2]; 2], steps: u32) -> [f64; 2] {
    let mut later = [0.0; 2];
    for _ in 0..steps {
        later = [0, 1].map(|s| (0..2).map(|a| law[s][a] * action_value(later, s, a)).sum());
    }
    later
}

/// Greatest expected discounted return from each state.
pub(super) fn best_values(steps: u32) -> [f64; 2] {
    let mut later = [0.0; 2];
    for _ in 0..steps {
        later = [0, 1].map(|s| f64::max(action_value(later, s, 0), action_value(later, s, 1)));
    }
    later
}

/// A share of the exact values of the target in every row.
pub(super) fn exact_values(log: &Trajectories, share: f64) -> Vec<RowValue> {
    let mut exact = vec![RowValue::default(); log.rows()];
    for trajectory in 0..log.len() {
        let rows = log.rows_of(trajectory);
        for row in rows.clone() {
            let later = values(TARGET, (rows.end - row - 1) as u32);
            let (state, action) = (log.states[row] as usize, log.actions[row] as usize);
            exact[row].of_action = share * action_value(later, state, action);
            exact[row].of_state = share * values(TARGET, (rows.end - row) as u32)[state];
        }
    }
    exact
}

/// Expected discounted return of an action, with what its successors are worth.
pub(super) fn action_value(later: [f64; 2], state: usize, action: usize) -> f64 {
    let [to_0, to_1] = NEXT[state][action];
    REWARDS[state][action] + DISCOUNT * (to_0 * later[0] + to_1 * later[1])
}

/// An estimator with its defaults.
pub(super) fn estimator(name: &str) -> Box<dyn SequenceEstimator> {
    with(name, &[])
}

/// An estimator with some parameters set.
pub(super) fn with(name: &str, given: &[(&'static str, Value)]) -> Box<dyn SequenceEstimator> {
    let entry = find(SEQUENCE_ESTIMATORS, name).unwrap();
    let defaults = Values::defaults(entry.parameters);
    let values = given.iter().fold(defaults, |values, (name, value)| values.with(name, value.clone()));
    (entry.build)(&values).unwrap()
}

/// The estimate.
pub(super) fn value(name: &str, log: &Trajectories) -> f64 {
    estimator(name).prepare(log).unwrap().linearised().unwrap().value
}

/// Why there is none.
pub(super) fn failure(name: &str, log: &Trajectories) -> SequenceFailure {
    match estimator(name).prepare(log) {
        Err(failure) => failure,
        Ok(prepared) => prepared.linearised().unwrap_err(),
    }
}

#[test]
fn the_values_of_the_process() {
    let close = |found: f64, known: f64| assert!((found - known).abs() < 5e-9, "{found} {known}");
    let horizons =
        [(2, 0.616_75, 1.0408, 1.265), (3, 0.972_34, 1.6807, 2.0102), (10, 2.670_501_77, 4.778_009_91, 5.572_603_06)];
    for (steps, logging, target, best) in horizons {
        close(values(LOGGING, steps)[0], logging);
        close(values(TARGET, steps)[0], target);
        close(best_values(steps)[0], best);
    }
    let endless = values(TARGET, 400);
    close(endless[0], 7.623_225_81);
    close(endless[1], 8.294_193_55);
}
