use super::*;
use crate::matrix::Matrix;
use crate::protocol::{
    ActionBits, ActionSpace, Beyond, Decision, Ending, Feature, Observation, TrainingPlan, Transitions,
};
use crate::registry::Value;

const CONSUMERS: u32 = 24;

fn spec() -> Spec {
    Spec {
        consumers: CONSUMERS,
        horizon: 20,
        tick_days: 1.0,
        discount: 0.9,
        features: ["here", "there"].map(|state| Feature::level("state", state)).to_vec(),
        actions: ActionSpace::flat("action", "wait", &["go", "never"]),
        kpis: Vec::new(),
    }
}

/// Waiting here earns 0.1; going costs 0.2 and leads there; waiting there earns 1 and leads back; going there earns
/// nothing. What is never allowed earns 100.
fn live(state: &mut usize, action: u16) -> f32 {
    match (*state, action) {
        (0, 0) => 0.1,
        (0, 1) => {
            *state = 1;
            -0.2
        }
        (1, 0) => {
            *state = 0;
            1.0
        }
        _ => 0.0,
    }
}

fn seen(states: &[usize], tick: u32) -> Observation {
    let mut features = Matrix::new(states.len(), 2);
    let mut allowed = ActionBits::all(states.len(), 3);
    for (row, state) in states.iter().enumerate() {
        features.set(row, *state, 1.0);
        allowed.forbid(row, 2);
    }
    Observation { tick, consumer_ids: (0..states.len() as u32).collect(), features, allowed, ..Observation::default() }
}

/// Trains on so many markets; `at` is called before each with its number.
fn train(
    agent: &mut Box<dyn Agent>,
    markets: std::ops::Range<u32>,
    planned: u32,
    mut at: impl FnMut(u32, &mut Box<dyn Agent>),
) {
    if markets.start == 0 {
        agent.begin_training(&TrainingPlan { markets: planned, ticks: 20, consumers: CONSUMERS });
    }
    let mut decision = Decision::default();
    for market in markets {
        at(market, agent);
        let seed = Seed::new(7).derive(0, market);
        let mut states: Vec<usize> = (0..CONSUMERS as usize).map(|consumer| consumer % 2).collect();
        for tick in 0..20 {
            let observation = seen(&states, tick);
            agent.decide(&observation, seed, &mut decision);
            let rewards: Vec<f32> = states.iter_mut().zip(&decision.actions).map(|(s, a)| live(s, *a)).collect();
            let batch = Transitions {
                observation: &observation,
                actions: &decision.actions,
                propensities: &decision.propensities,
                rewards: &rewards,
                terminated: &[],
            };
            agent.learn(&batch, seed.derive(1, tick)).unwrap();
        }
        agent.end_episode(&Ending { observation: &seen(&states, 20), beyond: None }, seed.derive(2, 0)).unwrap();
    }
}

fn quick() -> Values {
    Values::defaults(ENTRY.parameters)
        .with("hidden", Value::Integers(vec![16]))
        .with("learning_rate", Value::Number(5e-3))
        .with("learning_rate_end_share", Value::Number(0.02))
        .with("batch", Value::Integer(32))
        .with("decisions_before", Value::Integer(100))
        .with("updates_per_target", Value::Integer(20))
        .with("memory", Value::Integer(2_000))
}

fn made(values: &Values) -> Box<dyn Agent> {
    create(values, &spec()).unwrap()
}

/// The values of the optimal law are known: V(here) = 0.7 / 0.19, V(there) = 1 + 0.9 V(here).
#[test]
fn the_values_of_a_process_of_two_states_are_found_with_every_option() {
    let here = 0.7 / 0.19;
    let there = 1.0 + 0.9 * here;
    let expected = [[0.1 + 0.9 * here, here], [there, 0.9 * there]];
    let flag = |values: Values, name| values.with(name, Value::Boolean(true));
    let options = [
        ("plain", quick().with("double", Value::Boolean(false))),
        ("double", quick()),
        ("dueling", flag(quick(), "dueling")),
        ("prioritised", flag(quick(), "prioritised")),
    ];
    for (label, values) in options {
        let (settings, shape) = value_settings(&values, &spec(), 1).unwrap();
        let mut learner = ValueLearner::new(Dqn { huber_width: 1.0 }, settings, shape, Seed::new(1));
        let checkpoint = {
            let mut agent: Box<dyn Agent> = made(&values);
            train(&mut agent, 0..60, 60, |_, _| {});
            let mut bytes = Vec::new();
            agent.save(&mut bytes).unwrap();
            super::super::checkpoint::Checkpoint::read(&mut bytes.as_slice()).unwrap()
        };
        learner.restore(&checkpoint).unwrap();
        let mut found = Matrix::default();
        learner.values().evaluate(&seen(&[0, 1], 0), &mut found);
        for state in 0..2 {
            for action in 0..2 {
                let gap = (f64::from(found.get(state, action)) - expected[state][action]).abs();
                assert!(gap < 0.1, "{label}: q({state}, {action}) = {}", found.get(state, action));
            }
        }
    }
}

#[test]
fn returns_of_several_steps_find_the_best_law_too() {
    let mut agent = made(&quick().with("steps", Value::Integer(3)));
    train(&mut agent, 0..60, 60, |_, _| {});
    let mut decision = Decision::default();
    agent.snapshot().decide(&seen(&[0, 1], 0), Seed::new(1), &mut decision);
    assert_eq!(decision.actions, [1, 0]);
    assert_eq!(decision.propensities, [1.0, 1.0], "the frozen law explores no more");
}

#[test]
fn exploration_falls_and_masked_actions_have_no_chance() {
    let mut agent = made(&quick());
    let mut law = Matrix::default();
    agent.probabilities(&seen(&[0], 0), Seed::new(1), &mut law);
    assert_eq!(law.row(0), [0.5, 0.5, 0.0]);
    train(&mut agent, 0..4, 8, |_, _| {});
    agent.probabilities(&seen(&[0], 0), Seed::new(1), &mut law);
    let rarest = law.row(0)[..2].iter().copied().fold(1.0, f32::min);
    assert!((rarest - 0.025).abs() < 1e-6, "{:?}", law.row(0));
    assert!((law.row(0).iter().sum::<f32>() - 1.0).abs() < 1e-6 && law.get(0, 2) == 0.0);
}

#[test]
fn a_run_that_is_resumed_goes_on_with_the_same_bits() {
    let run = |pause: Option<u32>| {
        let values = quick().with("prioritised", Value::Boolean(true)).with("normalise", Value::Boolean(true));
        let mut agent = made(&values.with("steps", Value::Integer(2)));
        train(&mut agent, 0..6, 6, |market, agent| {
            if pause == Some(market) {
                let mut bytes = Vec::new();
                agent.save(&mut bytes).unwrap();
                *agent = (ENTRY.build.load)(&mut bytes.as_slice()).unwrap();
            }
        });
        let mut bytes = Vec::new();
        agent.save(&mut bytes).unwrap();
        bytes
    };
    let whole = run(None);
    assert!(run(Some(1)) == whole && run(Some(4)) == whole);
}

#[test]
fn what_cannot_be_learned_from_is_refused_and_nothing_changes() {
    let mut agent = made(&quick());
    train(&mut agent, 0..2, 4, |_, _| {});
    let mut before = Vec::new();
    agent.save(&mut before).unwrap();
    let mut observation = seen(&[0, 1], 0);
    observation.features.set(1, 0, f32::NAN);
    let batch = Transitions {
        observation: &observation,
        actions: &[0, 0],
        propensities: &[1.0, 1.0],
        rewards: &[0.0, 0.0],
        terminated: &[],
    };
    assert!(agent.learn(&batch, Seed::new(1)).unwrap_err().to_string().contains("a feature"));
    let ending =
        Ending { observation: &seen(&[0], 20), beyond: Some(Beyond { values: &[f32::INFINITY], discount: 0.9 }) };
    assert!(agent.end_episode(&ending, Seed::new(1)).unwrap_err().to_string().contains("a value beyond"));
    let mut after = Vec::new();
    agent.save(&mut after).unwrap();
    assert!(before == after);
    let dueling = quick().with("dueling", Value::Boolean(true)).with("hidden", Value::Integers(vec![]));
    assert!(create(&dueling, &spec()).unwrap_err().message.contains("hidden layer in each stream"));
    let cut = &before[..before.len() / 2];
    assert!((ENTRY.build.load)(&mut &cut[..]).is_err());
}
