use super::*;
use crate::protocol::{ActionBits, ActionSpace, Beyond, Decision, Feature};
use crate::registry::Value;

const CONSUMERS: u32 = 20;

fn spec() -> Spec {
    let mut features = ["here", "there"].map(|state| Feature::level("state", state)).to_vec();
    features.push(Feature::raw("days", "days"));
    Spec {
        consumers: CONSUMERS,
        horizon: 20,
        tick_days: 1.0,
        discount: 0.9,
        features,
        actions: ActionSpace::flat("action", "wait", &["go", "never"]),
        kpis: Vec::new(),
    }
}

fn seen(states: &[usize], tick: u32) -> Observation {
    let mut features = Matrix::new(states.len(), 3);
    let mut allowed = ActionBits::all(states.len(), 3);
    for (row, state) in states.iter().enumerate() {
        features.set(row, *state, 1.0);
        features.set(row, 2, tick as f32);
        allowed.forbid(row, 2);
    }
    Observation { tick, consumer_ids: (0..states.len() as u32).collect(), features, allowed, ..Observation::default() }
}

fn step(agent: &mut dyn Agent, states: &[usize], tick: u32, actions: &[u16], rewards: &[f32], terminated: &[bool]) {
    let (observation, propensities) = (seen(states, tick), vec![1.0; states.len()]);
    let propensities = &propensities;
    let batch = Transitions { observation: &observation, actions, propensities, rewards, terminated };
    agent.learn(&batch, Seed::new(1)).unwrap();
}

fn learner(agent: &dyn Agent) -> QLearning {
    let mut bytes = Vec::new();
    agent.save(&mut bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// With steps of 1 / n: an end is worth its reward; then half of 2 + 0.9 · 4 is added to half of nothing, as it is seen second.
#[test]
fn updates_by_hand_with_an_end_and_time_limits() {
    let values = Values::defaults(PARAMETERS).with("step_exponent", Value::Number(1.0));
    let mut agent = create(&values, &spec()).unwrap();
    // q(there, go) = 4 by an end.
    step(agent.as_mut(), &[1], 0, &[1], &[4.0], &[true]);
    // q(here, wait) = 2 + 0.9 · 4 where the next state is seen.
    step(agent.as_mut(), &[0], 0, &[0], &[2.0], &[]);
    step(agent.as_mut(), &[1], 1, &[0], &[7.0], &[]);
    // q(there, wait) = 7 + 0.9 · 5.6 at a time limit that the process does not know, at which it is here.
    agent.end_episode(&Ending { observation: &seen(&[0], 2), beyond: None }, Seed::new(1)).unwrap();
    // q(here, go) = 1 + 0.9 · 10 at one beyond which records tell 10.
    step(agent.as_mut(), &[0], 0, &[1], &[1.0], &[]);
    agent
        .end_episode(
            &Ending { observation: &seen(&[1], 1), beyond: Some(Beyond { values: &[10.0], discount: 0.9 }) },
            Seed::new(1),
        )
        .unwrap();
    // Of no effect: the tick between was not seen.
    step(agent.as_mut(), &[0], 0, &[1], &[100.0], &[]);
    step(agent.as_mut(), &[0], 2, &[0], &[0.0], &[]);
    // A second visit moves half the way: (5.6 + 0 + 0.9 · 12.04) / 2.
    agent.end_episode(&Ending { observation: &seen(&[1], 3), beyond: None }, Seed::new(1)).unwrap();
    let found = learner(agent.as_ref()).table.values;
    let expected = [(5.6 + 0.9 * 12.04) / 2.0, 10.0, 0.0, 12.04, 4.0, 0.0];
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }
}

/// Waiting here earns 0.1; going costs 0.2 and leads there; waiting there earns 1 and leads back. V(here) = 0.7 / 0.19.
#[test]
fn the_optimal_values_of_a_process_of_two_states_are_found_and_resuming_changes_no_bit() {
    let train = |pause: Option<u32>| {
        let mut agent = create(&Values::defaults(PARAMETERS), &spec()).unwrap();
        agent.begin_training(&TrainingPlan { markets: 200, ticks: 20, consumers: CONSUMERS });
        let mut decision = Decision::default();
        for market in 0..200 {
            if pause == Some(market) {
                let mut bytes = Vec::new();
                agent.save(&mut bytes).unwrap();
                agent = (ENTRY.build.load)(&mut bytes.as_slice()).unwrap();
            }
            let mut states: Vec<usize> = (0..CONSUMERS as usize).map(|consumer| consumer % 2).collect();
            for tick in 0..20 {
                agent.decide(&seen(&states, tick), Seed::new(5).derive(0, market), &mut decision);
                let before = states.clone();
                let live = |(state, action): (&mut usize, &u16)| match (*state, *action) {
                    (0, 0) => 0.1,
                    (0, 1) => (*state = 1, -0.2).1,
                    (1, 0) => (*state = 0, 1.0).1,
                    (_, 1) => 0.0,
                    _ => panic!("what is forbidden was done"),
                };
                let rewards: Vec<f32> = states.iter_mut().zip(&decision.actions).map(live).collect();
                step(agent.as_mut(), &before, tick, &decision.actions, &rewards, &[]);
            }
            agent.end_episode(&Ending { observation: &seen(&states, 20), beyond: None }, Seed::new(1)).unwrap();
        }
        learner(agent.as_ref())
    };
    let whole = train(None);
    let here = 0.7 / 0.19;
    let there = 1.0 + 0.9 * here;
    let expected = [0.1 + 0.9 * here, here, 0.0, there, 0.9 * there, 0.0];
    for (found, expected) in whole.table.values.iter().zip(expected) {
        assert!((found - expected).abs() < 0.02, "{:?}", whole.table.values);
    }
    assert_eq!(train(Some(77)), whole);
}

#[test]
fn what_cannot_be_learned_from_is_refused_and_nothing_changes() {
    let mut agent = create(&Values::defaults(PARAMETERS), &spec()).unwrap();
    let before = learner(agent.as_ref());
    let observation = seen(&[0], 0);
    let (actions, propensities, rewards) = (&[0], &[1.0], &[f32::NAN]);
    let batch = Transitions { observation: &observation, actions, propensities, rewards, terminated: &[] };
    assert!(agent.learn(&batch, Seed::new(1)).unwrap_err().to_string().contains("a reward"));
    assert_eq!(learner(agent.as_ref()), before);
    let text = serde_json::to_string(&before).unwrap().replace("\"actions\":3", "\"actions\":4");
    assert!(load(&mut text.as_bytes()).is_err());
    let levels = |group: &'static str| (0..300).map(move |level| Feature::level(group, &level.to_string()));
    let many = Spec { features: levels("a").chain(levels("b")).chain(levels("c")).collect(), ..spec() };
    assert!(create(&Values::defaults(PARAMETERS), &many).unwrap_err().message.contains("combinations"));
}
