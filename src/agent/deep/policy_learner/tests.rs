use super::super::{a2c, ppo, reinforce};
use super::*;
use crate::agent::AgentBuild;
use crate::protocol::{ActionBits, ActionSpace, Beyond, Decision, Feature, Spec};
use crate::registry::{Entry, Value, Values};

const CONSUMERS: u32 = 24;
const TICKS: u32 = 20;
const ENTRIES: [Entry<AgentBuild>; 3] = [ppo::ENTRY, a2c::ENTRY, reinforce::ENTRY];

fn spec() -> Spec {
    Spec {
        consumers: CONSUMERS,
        horizon: TICKS,
        tick_days: 1.0,
        discount: 0.9,
        features: ["here", "there"].map(|state| Feature::level("state", state)).to_vec(),
        actions: ActionSpace::flat("action", "wait", &["go", "never"]),
        kpis: Vec::new(),
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

/// Two arms: waiting earns 0, going 1, each but for noise that is larger than the difference.
fn arms(_: &mut usize, action: u16, noise: f32) -> f32 {
    f32::from(action) + 4.0 * (noise - 0.5)
}

/// Waiting here earns 0.1; going costs 0.2 and leads there; waiting there earns 1 and leads back; going there earns
/// nothing. Who looks at one tick alone waits for ever.
fn two_states(state: &mut usize, action: u16, _: f32) -> f32 {
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

type Problem = fn(&mut usize, u16, f32) -> f32;

/// Trains on so many markets; `at` is called before each with its number.
fn train(
    agent: &mut Box<dyn Agent>,
    live: Problem,
    markets: std::ops::Range<u32>,
    mut at: impl FnMut(u32, &mut Box<dyn Agent>),
) {
    if markets.start == 0 {
        agent.begin_training(&TrainingPlan { markets: markets.end, ticks: TICKS, consumers: CONSUMERS });
    }
    let mut decision = Decision::default();
    for market in markets {
        at(market, agent);
        let seed = Seed::new(7).derive(0, market);
        let mut states: Vec<usize> = (0..CONSUMERS as usize).map(|consumer| consumer % 2).collect();
        for tick in 0..TICKS {
            let observation = seen(&states, tick);
            agent.decide(&observation, seed, &mut decision);
            let mut noise = seed.stream(Purpose::Problem, tick, 0);
            let rewards: Vec<f32> =
                states.iter_mut().zip(&decision.actions).map(|(s, a)| live(s, *a, noise.uniform())).collect();
            let (actions, propensities) = (&decision.actions[..], &decision.propensities[..]);
            let batch =
                Transitions { observation: &observation, actions, propensities, rewards: &rewards, terminated: &[] };
            agent.learn(&batch, seed.derive(1, tick)).unwrap();
        }
        let ending = Ending { observation: &seen(&states, TICKS), beyond: None };
        agent.end_episode(&ending, seed.derive(2, 0)).unwrap();
    }
}

/// The defaults on a small network and short rollouts, with a step that suits so few updates.
fn quick(entry: &Entry<AgentBuild>) -> Values {
    let values = Values::defaults(entry.parameters)
        .with("hidden", Value::Integers(vec![16]))
        .with("learning_rate", Value::Number(1e-2));
    if entry.name == "reinforce" {
        values.with("batch", Value::Integer(100))
    } else {
        values.with("rollout_ticks", Value::Integer(10))
    }
}

fn made(entry: &Entry<AgentBuild>, values: &Values) -> Box<dyn Agent> {
    (entry.build.create)(values, &spec()).unwrap()
}

fn saved(agent: &dyn Agent) -> Vec<u8> {
    let mut bytes = Vec::new();
    agent.save(&mut bytes).unwrap();
    bytes
}

fn law(policy: &dyn Policy) -> Matrix {
    let mut law = Matrix::default();
    policy.probabilities(&seen(&[0, 1], 0), Seed::new(1), &mut law);
    law
}

#[test]
fn the_first_law_is_as_restrained_as_was_asked() {
    for entry in ENTRIES {
        let restrained = quick(&entry).with("contact_share_initial", Value::Number(0.1));
        let (plain, restrained) = (law(made(&entry, &quick(&entry)).as_ref()), law(made(&entry, &restrained).as_ref()));
        for row in 0..2 {
            // The head's weights are near 0. One of the two messages is forbidden, and its half of the share with it.
            assert!((plain.get(row, 1) - 0.5).abs() < 0.01, "{}: {}", entry.name, plain.get(row, 1));
            assert!((restrained.get(row, 1) - 0.05 / 0.95).abs() < 0.002, "{}: {}", entry.name, restrained.get(row, 1));
        }
        let least = quick(&entry).with("contact_share_initial", Value::Number(5e-324));
        assert!(law(made(&entry, &least).as_ref()).get(0, 0) > 0.999_999, "{}", entry.name);
    }
}

#[test]
fn the_first_law_is_nearly_uniform_and_the_better_of_two_arms_is_found() {
    for entry in ENTRIES {
        let mut agent = made(&entry, &quick(&entry));
        let first = law(agent.as_ref());
        assert!((first.get(0, 0) - 0.5).abs() < 0.02 && first.get(0, 2) == 0.0, "{}: {:?}", entry.name, first.row(0));
        train(&mut agent, arms, 0..60, |_, _| {});
        let last = law(agent.snapshot().as_ref());
        for state in 0..2 {
            assert!(last.get(state, 1) > 0.9, "{}: {:?}", entry.name, last.row(state));
        }
    }
}

#[test]
fn the_best_law_of_two_states_is_found_although_it_costs_at_first() {
    for entry in ENTRIES {
        let mut agent = made(&entry, &quick(&entry).with("judged", Value::Text("greedy".into())));
        train(&mut agent, two_states, 0..100, |_, _| {});
        let (soft, hard) = (law(agent.as_ref()), law(agent.snapshot().as_ref()));
        assert!(soft.get(0, 1) > 0.7 && soft.get(1, 0) > 0.7, "{}: {:?} {:?}", entry.name, soft.row(0), soft.row(1));
        assert_eq!((hard.row(0), hard.row(1)), (vec![0.0, 1.0, 0.0], vec![1.0, 0.0, 0.0]), "{}", entry.name);
    }
}

#[test]
fn a_run_that_is_resumed_goes_on_with_the_same_bits() {
    for entry in ENTRIES {
        let run = |pause: Option<u32>| {
            let values = quick(&entry).with("normalise", Value::Boolean(true));
            let mut agent = made(&entry, &values);
            train(&mut agent, two_states, 0..8, |market, agent| {
                if pause == Some(market) {
                    *agent = (entry.build.load)(&mut saved(agent.as_ref()).as_slice()).unwrap();
                }
            });
            saved(agent.as_ref())
        };
        let whole = run(None);
        assert!(run(Some(1)) == whole && run(Some(5)) == whole, "{}", entry.name);
    }
}

/// The first step throws the weights so far that the second mini-batch has no loss.
#[test]
fn where_an_update_breaks_down_nothing_of_it_stays() {
    let entry = ppo::ENTRY;
    let values = quick(&entry).with("learning_rate", Value::Number(1e30)).with("rollout_ticks", Value::Integer(4));
    let mut agent = made(&entry, &values);
    let states = vec![0; CONSUMERS as usize];
    let mut tick = 0;
    let (before, error) = loop {
        let (before, observation) = (saved(agent.as_ref()), seen(&states, tick));
        let (actions, ones) = (vec![(tick % 2) as u16; states.len()], vec![0.5; states.len()]);
        let rewards: Vec<f32> = (0..CONSUMERS).map(|row| row as f32).collect();
        let batch = Transitions {
            observation: &observation,
            actions: &actions,
            propensities: &ones,
            rewards: &rewards,
            terminated: &[],
        };
        match agent.learn(&batch, Seed::new(1)) {
            Ok(_) => tick += 1,
            Err(error) => break (before, error.to_string()),
        }
    };
    assert!(tick == 4 && error.contains("ppo: the loss of the value is no longer finite"), "{tick}: {error}");
    let networks = |bytes: &[u8]| {
        let checkpoint = Checkpoint::read(&mut &bytes[..]).unwrap();
        let arrays = ["networks.actor.head.weight", "networks.critic.trunk.0.weight", "adam.means", "adam.squares"];
        arrays.map(|name| checkpoint.take_any::<f32>(name).unwrap())
    };
    assert_eq!(networks(&saved(agent.as_ref())), networks(&before));
}

#[test]
fn what_cannot_be_learned_from_is_refused_and_nothing_changes() {
    for entry in ENTRIES {
        let mut agent = made(&entry, &quick(&entry));
        train(&mut agent, arms, 0..2, |_, _| {});
        let before = saved(agent.as_ref());
        let mut observation = seen(&[0, 1], 0);
        observation.features.set(1, 0, f32::NAN);
        let (actions, ones, rewards) = (&[0, 0], &[1.0, 1.0], &[0.0, 0.0]);
        let batch = Transitions { observation: &observation, actions, propensities: ones, rewards, terminated: &[] };
        assert!(agent.learn(&batch, Seed::new(1)).unwrap_err().to_string().contains("a feature"));
        let ending =
            Ending { observation: &seen(&[0], 20), beyond: Some(Beyond { values: &[f32::INFINITY], discount: 0.9 }) };
        assert!(agent.end_episode(&ending, Seed::new(1)).unwrap_err().to_string().contains("a value beyond"));
        assert!(saved(agent.as_ref()) == before);
        assert!((entry.build.load)(&mut &before[..before.len() / 2]).is_err());
        let blind = Spec { features: Vec::new(), ..spec() };
        let refusal = (entry.build.create)(&Values::defaults(entry.parameters), &blind).unwrap_err();
        assert!(refusal.message.contains("no features"), "{}", refusal.message);
    }
}

/// A market of many consumers is followed in part: rollouts and memory stay as large as was said.
#[test]
fn memory_is_bounded_with_many_consumers() {
    let many = Spec { consumers: 100_000, ..spec() };
    let values = Values::defaults(ppo::ENTRY.parameters)
        .with("rollout_ticks", Value::Integer(8))
        .with("rollout_frames_max", Value::Integer(4_000));
    let settings = PolicySettings::of(&values, &many).unwrap().by_ticks(&values, &many);
    assert_eq!((settings.rollout_frames, settings.followed), (4_000, 500.0 / 100_000.0));
    let few = PolicySettings::of(&values, &spec()).unwrap().by_ticks(&values, &spec());
    assert_eq!((few.rollout_frames, few.followed), (8 * CONSUMERS as usize, 1.0));
}

#[test]
fn the_estimate_of_the_divergence_and_the_clipped_share_by_hand() {
    let old = [-1.0f32; 4];
    let done = [1.0f32, 1.5, 0.7, 1.1].map(|ratio: f32| -1.0 + math::ln(ratio));
    let (divergence, clipped) = drift(&done, &old, 0.2);
    let expected: f64 = [1.0f64, 1.5, 0.7, 1.1].iter().map(|ratio| ratio - 1.0 - libm::log(*ratio)).sum::<f64>() / 4.0;
    assert!((divergence - expected).abs() < 1e-6 && clipped == 0.5, "{divergence} {expected} {clipped}");
}
