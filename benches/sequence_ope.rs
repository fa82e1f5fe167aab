//! Judging sequences: 10^6 decisions with 24 actions, in 40,000 trajectories of 25 steps over 48 states.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mercato::evaluation::sequence::{
    Horizon, LawShape, Rows, SEQUENCE_ESTIMATORS, SequenceInterval, Shape, StateShape, Trajectories, TrajectoryBuilder,
    diagnose, estimate,
};
use mercato::random::{Purpose, Seed};
use mercato::registry::{Values, find};

const UNITS: u32 = 40_000;
const STEPS: u32 = 25;
const ACTIONS: usize = 24;
const STATES: u32 = 48;

/// The columns of a log, unit by unit or shuffled by steps.
struct Columns {
    units: Vec<u64>,
    ticks: Vec<u32>,
    actions: Vec<u32>,
    rewards: Vec<f64>,
    propensities: Vec<f64>,
    target: Vec<f64>,
    states: Vec<u32>,
    terminated: Vec<bool>,
}

impl Columns {
    /// A uniform log; the target prefers the action of the state's number.
    fn new(by_tick: bool) -> Self {
        let rows = (UNITS * STEPS) as usize;
        let mut columns = Self {
            units: Vec::with_capacity(rows),
            ticks: Vec::with_capacity(rows),
            actions: Vec::with_capacity(rows),
            rewards: Vec::with_capacity(rows),
            propensities: vec![1.0 / ACTIONS as f64; rows],
            target: Vec::with_capacity(rows * ACTIONS),
            states: Vec::with_capacity(rows),
            terminated: vec![false; rows],
        };
        for row in 0..UNITS * STEPS {
            let (unit, tick) = if by_tick { (row % UNITS, row / UNITS) } else { (row / STEPS, row % STEPS) };
            let words = Seed::new(1).words(Purpose::Problem, unit, tick, 0);
            let (action, state) = (words[0] % ACTIONS as u32, words[1] % STATES);
            columns.units.push(u64::from(unit));
            columns.ticks.push(tick);
            columns.actions.push(action);
            columns.rewards.push(f64::from(words[2] % 100) * 0.01);
            columns.states.push(state);
            let preferred = state as usize % ACTIONS;
            columns.target.extend((0..ACTIONS).map(|own| if own == preferred { 0.05 } else { 0.95 / 23.0 }));
        }
        columns
    }

    fn gathered(&self) -> Trajectories {
        let (law, state, horizon) = (LawShape::Every, StateShape::Discrete(STATES as usize), Horizon::Logged);
        let shape = Shape { action_count: ACTIONS, law, state, discount: 0.98, horizon };
        let mut builder = TrajectoryBuilder::new(shape, 4 << 30).expect("the shape is whole");
        let rows = Rows {
            units: &self.units,
            ticks: &self.ticks,
            actions: &self.actions,
            rewards: &self.rewards,
            propensities: &self.propensities,
            target: &self.target,
            states: &self.states,
            features: &[],
            terminated: &self.terminated,
        };
        builder.push(&rows).expect("rows are whole");
        builder.finish().expect("trajectories are whole")
    }
}

fn sequences(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sequence_ope");
    group.sample_size(10);
    group.throughput(Throughput::Elements(u64::from(UNITS * STEPS)));
    let sorted = Columns::new(false);
    group.bench_function("gather_sorted", |bencher| {
        bencher.iter_batched(|| (), |()| sorted.gathered(), BatchSize::PerIteration);
    });
    let by_tick = Columns::new(true);
    group.bench_function("gather_by_tick", |bencher| {
        bencher.iter_batched(|| (), |()| by_tick.gathered(), BatchSize::PerIteration);
    });
    let log = sorted.gathered();
    group.bench_function("diagnose", |bencher| bencher.iter(|| diagnose(&log, &[])));
    for name in ["pdis", "wpdis", "fqe", "mis", "sequence_dr", "wdr", "magic"] {
        let entry = find(SEQUENCE_ESTIMATORS, name).expect("it is registered");
        let estimator = (entry.build)(&Values::defaults(entry.parameters)).expect("defaults are legal");
        let student = SequenceInterval::Student;
        group.bench_function(name, |bencher| {
            bencher.iter(|| estimate(estimator.as_ref(), &log, student, 0.95, Seed::new(1)));
        });
    }
    group.finish();
}

criterion_group!(benches, sequences);
criterion_main!(benches);
