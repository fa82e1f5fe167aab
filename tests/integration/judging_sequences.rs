//! Sequences judged from a log of the library's own, against the exact value of the judged rule in `exact-24`.

use mercato::environment::finite::{FiniteWorld, PARAMETERS};
use mercato::episode::{DecisionSink, Matured, Recorder, judge};
use mercato::evaluation::sequence::{
    Horizon, LawShape, Rows, SEQUENCE_ESTIMATORS, SequenceEstimate, SequenceInterval, Shape, StateShape, Trajectories,
    TrajectoryBuilder, diagnose, estimate,
};
use mercato::matrix::Matrix;
use mercato::protocol::{Observation, Policy, Views, World};
use mercato::random::Seed;
use mercato::registry::{NumericTable, Value, Values, find};
use std::path::Path;

const STATES: usize = 24;
const ACTIONS: usize = 3;

/// The market of `exact-24` with as many consumers, ticks and as much discount as wanted.
fn world(consumers: i64, ticks: i64, discount: f64) -> FiniteWorld {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/exact-24.csv");
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let number = |field: &str| field.parse::<f64>().unwrap();
    let rows = reader.records().map(|record| record.unwrap().iter().map(number).collect()).collect();
    let names = |count: usize| (0..count).map(|index| format!("number{index}")).collect();
    let market = Values::defaults(PARAMETERS)
        .with("states", Value::Texts(names(STATES)))
        .with("actions", Value::Texts(names(ACTIONS)))
        .with("transitions", Value::Csv(NumericTable { header, rows }))
        .with("consumers", Value::Integer(consumers))
        .with("ticks", Value::Integer(ticks))
        .with("discount", Value::Number(discount));
    FiniteWorld::new(&market).unwrap()
}

/// A law per state; those who left get nothing.
#[derive(Debug)]
struct Law(fn(usize) -> [f32; ACTIONS]);

const UNIFORM: Law = Law(|_| [1.0 / 3.0; ACTIONS]);
/// Sends at full price to those without fatigue.
const REST: Law = Law(|state| if state < 3 { [0.0, 1.0, 0.0] } else { [1.0, 0.0, 0.0] });

fn state(observation: &Observation, row: usize) -> usize {
    (0..STATES).find(|state| observation.features.get(row, *state) == 1.0).unwrap()
}

impl Policy for Law {
    fn views(&self) -> Views {
        Views::FEATURES
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), ACTIONS);
        for row in 0..observation.rows() {
            let state = state(observation, row);
            probabilities.set_row(row, &if state < 12 { (self.0)(state) } else { [1.0, 0.0, 0.0] });
        }
    }
}

/// Gathers what is decided, beside what the target would have done.
struct Gathering {
    builder: TrajectoryBuilder,
    target: Law,
    law: Matrix,
}

impl DecisionSink for Gathering {
    fn take(&mut self, step: &Matured, _closed: bool) {
        self.target.probabilities(&step.observation, Seed::new(0), &mut self.law);
        for row in (0..step.actions.len()).filter(|row| !step.ended[*row]) {
            let law: Vec<f64> = (0..ACTIONS).map(|action| f64::from(self.law.get(row, action))).collect();
            let rows = Rows {
                units: &[u64::from(step.observation.consumer_ids[row])],
                ticks: &[step.observation.tick],
                actions: &[u32::from(step.actions[row])],
                rewards: &[step.profits[row].amount()],
                propensities: &[f64::from(step.propensities[row])],
                target: &law,
                states: &[state(&step.observation, row) as u32],
                features: &[],
                terminated: &[step.terminated[row]],
            };
            self.builder.push(&rows).unwrap();
        }
    }
}

/// The log of the uniform policy, to judge the rest rule by.
fn logged(world: &FiniteWorld, horizon: Horizon, seed: u64) -> Trajectories {
    let (law, state) = (LawShape::Every, StateShape::Discrete(STATES));
    let shape = Shape { action_count: ACTIONS, law, state, discount: world.spec().discount, horizon };
    let builder = TrajectoryBuilder::new(shape, 1 << 30).unwrap();
    let mut sink = Gathering { builder, target: REST, law: Matrix::default() };
    let recorder = Recorder { sink: Some(&mut sink), ..Recorder::default() };
    judge(world.open(Seed::new(seed)).as_mut(), &UNIFORM, Seed::new(seed), recorder).unwrap();
    sink.builder.finish().unwrap()
}

fn judged(name: &str, log: &Trajectories) -> SequenceEstimate {
    let entry = find(SEQUENCE_ESTIMATORS, name).unwrap();
    let estimator = (entry.build)(&Values::defaults(entry.parameters)).unwrap();
    estimate(estimator.as_ref(), log, SequenceInterval::Student, 0.95, Seed::new(1)).unwrap()
}

#[test]
fn eight_steps_are_judged_by_weights_and_by_models() {
    let world = world(4_000, 8, 0.5);
    let exact = world.exact_value(&REST, Seed::new(1)).unwrap();
    let log = logged(&world, Horizon::Logged, 31);
    assert_eq!((log.len(), log.rows(), log.longest()), (4_000, 32_000, 8));
    // What a step earns in expectation is at most .09 · 20; so much is missing after eight.
    let missing = 1.8 * 0.5_f64.powi(8) / 0.5;
    for name in ["pdis", "wpdis", "sequence_dr", "wdr", "fqe", "mis"] {
        let found = judged(name, &log);
        assert!((found.value - exact).abs() < 3.0 * found.standard_error + missing, "{name} {exact} {found:?}");
        assert!(found.standard_error < 0.2 * exact, "{name} {exact} {found:?}");
    }
}

#[test]
fn an_endless_horizon_is_judged_by_models_and_ratios() {
    let world = world(2_000, 50, 0.98);
    let exact = world.exact_value(&REST, Seed::new(1)).unwrap();
    assert!((exact - 44.795_987).abs() < 1e-6);
    let log = logged(&world, Horizon::Endless, 32);
    for name in ["fqe", "mis", "dual_dice"] {
        let found = judged(name, &log);
        assert!((found.value - exact).abs() < 3.0 * found.standard_error, "{name} {exact} {found:?}");
        assert!(found.standard_error < 0.1 * exact, "{name} {exact} {found:?}");
    }
    // Weights see a rule that sends to the rested only as long as chance does what it would.
    let diagnostics = diagnose(&log, &[]);
    assert!(diagnostics.warnings[0].starts_with("pdis is useless at horizon 50"), "{:?}", diagnostics.warnings);
}
