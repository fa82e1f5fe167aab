use super::solution::tests::evaluate_by_sweeps;
use super::*;
use crate::protocol::{Decision, MaskedAction, Outcome, Views};
use crate::random::Purpose;
use crate::registry::{NumericTable, Value};
use proptest::prelude::*;

fn market(states: &[&str], actions: &[&str], rows: &[[f64; 5]]) -> Values {
    let texts = |names: &[&str]| Value::Texts(names.iter().map(|name| (*name).to_owned()).collect());
    let header = ["state", "action", "next_state", "probability", "reward"].map(str::to_owned).to_vec();
    let rows = rows.iter().map(|row| row.to_vec()).collect();
    Values::defaults(PARAMETERS)
        .with("states", texts(states))
        .with("actions", texts(actions))
        .with("transitions", Value::Csv(NumericTable { header, rows }))
}

/// Two states and two actions of the sequential known answers: r(0,.) = (0, .5), r(1,.) = (1, .2).
fn two_states() -> Values {
    let rows = [
        [0.0, 0.0, 0.0, 0.8, 0.0],
        [0.0, 0.0, 1.0, 0.2, 0.0],
        [0.0, 1.0, 0.0, 0.3, 0.5],
        [0.0, 1.0, 1.0, 0.7, 0.5],
        [1.0, 0.0, 0.0, 0.1, 1.0],
        [1.0, 0.0, 1.0, 0.9, 1.0],
        [1.0, 1.0, 0.0, 0.6, 0.2],
        [1.0, 1.0, 1.0, 0.4, 0.2],
    ];
    market(&["zero", "one"], &["none", "send"], &rows).with("discount", Value::Number(0.9))
}

#[derive(Debug)]
struct ByState(Vec<Vec<f32>>);

impl Policy for ByState {
    fn views(&self) -> Views {
        Views::FEATURES
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), self.0[0].len());
        for row in 0..observation.rows() {
            let state = (0..self.0.len()).find(|state| observation.features.get(row, *state) == 1.0).unwrap();
            probabilities.set_row(row, &self.0[state]);
        }
    }
}

#[test]
fn known_value_of_a_mixed_policy() {
    let world = FiniteWorld::new(&two_states()).unwrap();
    let policy = ByState(vec![vec![0.2, 0.8], vec![0.9, 0.1]]);
    // (I - discount P) v = r solved apart: V = [7.62322581, 8.29419355]; probabilities come in f32, hence 1e-6.
    assert!((world.exact_value(&policy, Seed::new(1)).unwrap() - 7.623_225_81).abs() < 1e-6);
    let from_one = FiniteWorld::new(&two_states().with("start", Value::Text("one".into()))).unwrap();
    assert!((from_one.exact_value(&policy, Seed::new(1)).unwrap() - 8.294_193_55).abs() < 1e-6);
    assert_eq!(world.optimal_actions(), vec![1, 0]);
    assert_eq!(world.myopic_actions(), vec![1, 0]);
}

#[test]
fn a_policy_that_depends_on_the_tick_has_no_single_chain() {
    #[derive(Debug)]
    struct Weekly;
    impl Policy for Weekly {
        fn views(&self) -> Views {
            Views::default()
        }
        fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
            probabilities.reset(observation.rows(), 2);
            let action = usize::from(observation.tick.is_multiple_of(7));
            (0..observation.rows()).for_each(|row| probabilities.set(row, action, 1.0));
        }
    }
    let world = FiniteWorld::new(&two_states()).unwrap();
    assert_eq!(world.exact_value(&Weekly, Seed::new(1)), None);
}

#[test]
fn ties_go_to_the_lowest_action() {
    let rows = [[0.0, 0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0, 1.0], [0.0, 2.0, 0.0, 1.0, 1.0]];
    let world = FiniteWorld::new(&market(&["only"], &["none", "a", "b"], &rows)).unwrap();
    assert_eq!(world.optimal_actions(), vec![0]);
    assert_eq!(world.myopic_actions(), vec![0]);
    assert!((world.optimal_value().unwrap() - 50.0).abs() < 1e-9);
}

#[test]
fn a_masked_action_is_refused_and_changes_nothing() {
    let rows = [[0.0, 0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0, 2.0], [1.0, 0.0, 1.0, 1.0, 0.0]];
    let values = market(&["in", "out"], &["none", "send"], &rows).with("consumers", Value::Integer(3));
    let world = FiniteWorld::new(&values).unwrap();
    let mut environment = world.open(Seed::new(1));
    let (mut before, mut after, mut outcome) = <(Observation, Observation, Outcome)>::default();
    let mut decision = Decision::default();
    decision.reset(3);
    decision.actions[1] = 1;
    let mut shards = environment.shards_mut();
    shards[0].step(&decision, &mut outcome).unwrap();
    assert_eq!(outcome.profits.iter().map(|profit| profit.amount()).collect::<Vec<_>>(), [0.0, 2.0, 0.0]);
    // `out` never changes again, whatever is done: the process ends there.
    assert_eq!(outcome.terminated, [true, false, true]);
    shards[0].observe(Views::FEATURES, &mut before);
    assert_eq!(before.allowed.iter(0).collect::<Vec<_>>(), [0]);
    assert_eq!(before.allowed.iter(1).collect::<Vec<_>>(), [0, 1]);
    for action in [1, 7] {
        decision.actions = vec![0, 1, action];
        let refused = shards[0].step(&decision, &mut outcome).unwrap_err();
        assert_eq!(refused, MaskedAction { consumer: 2, action, tick: 1 });
        shards[0].observe(Views::FEATURES, &mut after);
        assert_eq!(before, after);
    }
}

#[test]
fn a_fork_lives_on_alone_with_the_same_luck() {
    let world = FiniteWorld::new(&two_states().with("consumers", Value::Integer(1_100))).unwrap();
    let mut environment = world.open(Seed::new(5));
    let mut decision = Decision::default();
    let mut outcome = Outcome::default();
    let mut step = |environment: &mut dyn Environment| {
        let mut profits = Vec::new();
        for shard in environment.shards_mut() {
            decision.reset(shard.consumers().len());
            shard.step(&decision, &mut outcome).unwrap();
            profits.extend(outcome.profits.iter().map(|profit| profit.micros()));
        }
        profits
    };
    step(&mut *environment);
    let mut fork = environment.fork();
    let (first, second) = (step(&mut *environment), step(&mut *environment));
    assert_eq!(step(&mut *fork), first);
    assert_eq!(step(&mut *fork), second);
    assert_eq!(first.len(), 1_100);
}

#[test]
fn the_truth_is_the_expected_reward() {
    let world = FiniteWorld::new(&two_states().with("start", Value::Text("one".into()))).unwrap();
    let mut environment = world.open(Seed::new(1));
    let mut expected = Matrix::default();
    environment.shards_mut()[0].truth().unwrap().expected_rewards(&mut expected);
    assert_eq!(expected.row(0), vec![1.0, 0.2]);
}

#[test]
fn faults_are_all_named_with_state_and_action() {
    let rows =
        [[0.0, 0.0, 0.0, 0.5, 0.0], [0.0, 0.0, 5.0, 0.5, 0.0], [0.0, 1.0, 0.0, 1.2, 0.0], [1.0, 1.0, 0.0, 0.7, 0.0]];
    let messages: Vec<String> = FiniteWorld::new(&market(&["in", "out"], &["none", "send"], &rows))
        .unwrap_err()
        .into_iter()
        .map(|fault| fault.message)
        .collect();
    assert_eq!(
        messages,
        [
            "row 2: next_state is 5",
            "row 3: probability is 1.2",
            "the probabilities of state \"in\" and action \"none\" sum to 0.5, not to 1",
            "state \"out\" has no rows for action \"none\"",
            "the probabilities of state \"out\" and action \"send\" sum to 0.7, not to 1",
        ]
    );
    let names = market(&["in", "in"], &[], &rows).with("start", Value::Text("away".into()));
    let keys: Vec<String> = FiniteWorld::new(&names).unwrap_err().into_iter().map(|fault| fault.key).collect();
    assert_eq!(keys, ["states", "actions", "start"]);
    let table = NumericTable { header: vec!["state".into(), "colour".into()], rows: Vec::new() };
    let fault = &FiniteWorld::new(&two_states().with("transitions", Value::Csv(table))).unwrap_err()[0];
    assert!(fault.message.contains("`action`") && fault.help.contains("colour"));
}

/// A random process of four states and three actions from a seed: some actions forbidden, some transitions impossible.
fn random_market(seed: u64) -> Values {
    let mut stream = Seed::new(seed).stream(Purpose::Problem, 0, 0);
    let mut rows = Vec::new();
    for (state, action) in (0..12).map(|cell| (cell / 3, cell % 3)) {
        if action > 0 && stream.uniform() < 0.3 {
            continue;
        }
        let weights: Vec<f64> = (0..4).map(|_| f64::from(stream.uniform()) - 0.3).map(|w| w.max(0.0) + 1e-3).collect();
        let total: f64 = weights.iter().sum();
        for (next, weight) in weights.iter().enumerate() {
            let reward = 10.0 * f64::from(stream.uniform()) - 5.0;
            rows.push([f64::from(state), f64::from(action), next as f64, weight / total, reward]);
        }
    }
    market(&["a", "b", "c", "d"], &["none", "x", "y"], &rows).with("discount", Value::Number(0.95))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_policy_beats_the_optimum_and_both_solvers_agree(seed in any::<u64>()) {
        let world = FiniteWorld::new(&random_market(seed)).unwrap();
        let process = &world.inside.process;
        let optimum = solution::optimal(process, 0.95);
        let mut stream = Seed::new(seed).stream(Purpose::Problem, 1, 0);
        let mut law = vec![0.0; 12];
        for state in 0..4 {
            let weights: Vec<f64> = (0..3)
                .map(|action| if process.allows(state, action) { f64::from(stream.uniform()) } else { 0.0 })
                .collect();
            let total: f64 = weights.iter().sum();
            (0..3).for_each(|action| law[state * 3 + action] = weights[action] / total);
        }
        let solved = solution::evaluate(process, 0.95, &law).unwrap();
        for (a, b) in solved.iter().zip(evaluate_by_sweeps(process, 0.95, &law)) {
            prop_assert!((a - b).abs() < 1e-9);
        }
        for (best, value) in optimum.values.iter().zip(&solved) {
            prop_assert!(*best >= value - 1e-9);
        }
        // The optimum is its own fixed point.
        prop_assert_eq!(&solution::greedy(process, 0.95, &optimum.values), &optimum.actions);
    }

    #[test]
    fn weight_on_a_forbidden_action_has_no_value(seed in any::<u64>()) {
        let world = FiniteWorld::new(&random_market(seed)).unwrap();
        let process = &world.inside.process;
        let forbidden = (0..12).find(|cell| !process.allows(cell / 3, cell % 3));
        if let Some(cell) = forbidden {
            let mut law = vec![0.0; 12];
            (0..4).for_each(|state| law[state * 3] = 1.0);
            law[cell] = 1e-3;
            prop_assert_eq!(solution::evaluate(process, 0.95, &law), None);
        }
    }
}
