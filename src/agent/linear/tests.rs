//! What holds for every contextual bandit and every form of the model.

use super::testing::{Play, spec};
use super::*;
use crate::agent::{AGENTS, AgentBuild};
use crate::protocol::{Action, ActionSpace, Agent, Diverged, Factor};
use crate::random::{Purpose, Seed};
use crate::registry::{Entry, Value};
use crate::units::Money;

const NAMES: [&str; 10] = [
    "boltzmann",
    "budget_paced",
    "discounted_lin_ucb",
    "epsilon_greedy",
    "lin_thompson",
    "lin_ucb",
    "logistic_thompson",
    "response_greedy",
    "square_cb",
    "uplift_greedy",
];
const FORMS: [&str; 3] = ["disjoint", "shared", "factored"];

fn entries() -> impl Iterator<Item = &'static Entry<AgentBuild>> {
    AGENTS.iter().filter(|entry| NAMES.contains(&entry.name))
}

fn agent(entry: &'static Entry<AgentBuild>, form: &str, spec: &Spec) -> Box<dyn Agent> {
    let values = Values::defaults(entry.parameters).with("model", Value::Text(form.into()));
    (entry.build.create)(&values, spec).unwrap()
}

/// Channels × hours × offers × creatives and no contact: 361 actions, with `features` features.
fn campaign(features: usize) -> Spec {
    let names = |count: u16| (0..count).map(|index| index.to_string()).collect();
    let mut actions = vec![Action { name: "none".into(), levels: None, cost: Money::ZERO }];
    for channel in 0..4 {
        for hour in 0..6 {
            for offer in 0..5 {
                for creative in 0..3 {
                    let levels = Some(vec![channel, hour, offer, creative]);
                    actions.push(Action { name: format!("{levels:?}"), levels, cost: Money::ZERO });
                }
            }
        }
    }
    let factors = [("channel", 4), ("hour", 6), ("offer", 5), ("creative", 3)];
    let factors = factors.map(|(name, count)| Factor { name, levels: names(count) }).to_vec();
    Spec { actions: ActionSpace { factors, actions }, ..spec(features, 2) }
}

/// Rows of uniform features with random actions and rewards.
fn lesson(spec: &Spec, rows: usize, tick: u32) -> (Play, Vec<u16>, Vec<f32>) {
    let mut stream = Seed::new(4).stream(Purpose::Problem, 0, tick);
    let x: Vec<Vec<f32>> =
        (0..rows).map(|_| spec.features.iter().map(|_| stream.uniform() * 2.0 - 1.0).collect()).collect();
    let rows_of_x: Vec<&[f32]> = x.iter().map(Vec::as_slice).collect();
    let actions = (0..rows).map(|_| (stream.uniform() * spec.actions.len() as f32) as u16).collect();
    let rewards = (0..rows).map(|_| stream.uniform() * 2.0 - 1.0).collect();
    (Play::new(&rows_of_x, spec.actions.len()), actions, rewards)
}

#[test]
fn all_bandits_are_registered() {
    let mut registered: Vec<&str> = entries().map(|entry| entry.name).collect();
    registered.sort_unstable();
    assert_eq!(registered, NAMES);
}

#[test]
fn masked_actions_have_probability_zero_and_laws_sum_to_one() {
    for spec in [spec(3, 5), campaign(3)] {
        for entry in entries() {
            for form in FORMS {
                let mut agent = agent(entry, form, &spec);
                let (mut play, actions, rewards) = lesson(&spec, 40, 0);
                play.teach_agent(agent.as_mut(), &actions, &rewards);
                (0..40).for_each(|row| {
                    (1..spec.actions.len())
                        .filter(|a| (a + row) % 3 == 0)
                        .for_each(|a| play.observation.allowed.forbid(row, a));
                });
                (1..spec.actions.len()).for_each(|a| play.observation.allowed.forbid(7, a));
                let law = play.probabilities(agent.as_ref());
                assert_eq!(law.get(7, 0), 1.0, "{} {form}", entry.name);
                for row in 0..40 {
                    let sum: f32 = law.row(row).iter().sum();
                    assert!((sum - 1.0).abs() < 1e-5, "{} {form}: {sum}", entry.name);
                    for action in 0..spec.actions.len() {
                        assert!(law.get(row, action) >= 0.0);
                        assert!(play.observation.allowed.allows(row, action) || law.get(row, action) == 0.0);
                    }
                }
                let (decided, propensities) = play.decide(agent.as_ref());
                for (row, (action, propensity)) in decided.iter().zip(propensities).enumerate() {
                    assert_eq!(law.get(row, usize::from(*action)), propensity, "{} {form}", entry.name);
                }
            }
        }
    }
}

#[test]
fn snapshots_and_saved_agents_go_on_with_the_same_bytes() {
    let spec = campaign(4);
    for entry in entries() {
        for form in FORMS {
            let mut first = agent(entry, form, &spec);
            let (play, actions, rewards) = lesson(&spec, 30, 1);
            play.teach_agent(first.as_mut(), &actions, &rewards);
            let mut saved = Vec::new();
            first.save(&mut saved).unwrap();
            let mut second = (entry.build.load)(&mut saved.as_slice()).unwrap();
            let frozen = first.snapshot();
            let before = play.probabilities(first.as_ref());
            assert_eq!(before, play.probabilities(second.as_ref()), "{} {form}", entry.name);
            for agent in [&mut first, &mut second] {
                play.teach_agent(agent.as_mut(), &actions, &rewards);
            }
            assert_eq!(before, play.probabilities(frozen.as_ref()));
            let (mut once, mut again) = (Vec::new(), Vec::new());
            first.save(&mut once).unwrap();
            second.save(&mut again).unwrap();
            assert!(once == again && once != saved, "{} {form}", entry.name);
        }
    }
}

#[test]
fn what_was_not_saved_by_an_agent_is_refused() {
    for entry in entries() {
        assert!((entry.build.load)(&mut &b"{}"[..]).is_err());
        let mut saved = Vec::new();
        agent(entry, "shared", &spec(2, 3)).save(&mut saved).unwrap();
        let text = String::from_utf8(saved).unwrap();
        assert!((entry.build.load)(&mut text.as_bytes()).is_ok());
        for (from, to) in [("\"features\":2", "\"features\":3"), ("\"members\":[1,2,1,3]", "\"members\":[0,2,1,9]")] {
            assert!(text.contains(from), "{text}");
            assert!((entry.build.load)(&mut text.replace(from, to).as_bytes()).is_err());
        }
    }
}

#[test]
fn rewards_that_are_no_numbers_are_refused_and_change_nothing() {
    let spec = spec(2, 3);
    for entry in entries() {
        for form in FORMS {
            for bad in [f32::NAN, f32::INFINITY, -1e13] {
                let mut agent = agent(entry, form, &spec);
                let (mut play, actions, mut rewards) = lesson(&spec, 20, 2);
                play.teach_agent(agent.as_mut(), &actions, &rewards);
                let mut before = Vec::new();
                agent.save(&mut before).unwrap();
                let mut refused = |play: &Play, rewards: &[f32], quantity: &str| {
                    let batch = Transitions {
                        observation: &play.observation,
                        actions: &actions,
                        propensities: &[1.0; 20],
                        rewards,
                        terminated: &[],
                    };
                    let expected = Diverged { agent: entry.name.into(), quantity: quantity.into() };
                    assert_eq!(agent.learn(&batch, Seed::new(1)), Err(expected));
                    let mut after = Vec::new();
                    agent.save(&mut after).unwrap();
                    assert!(before == after);
                };
                let good = std::mem::replace(&mut rewards[19], bad);
                refused(&play, &rewards, "a reward");
                rewards[19] = good;
                play.observation.features.set(18, 1, bad);
                refused(&play, &rewards, "a feature");
            }
        }
    }
}

#[test]
fn learning_does_not_depend_on_how_rows_are_cut_into_batches() {
    let spec = campaign(2);
    for entry in entries() {
        for form in FORMS {
            let (mut whole, mut cut) = (agent(entry, form, &spec), agent(entry, form, &spec));
            let (play, actions, rewards) = lesson(&spec, 25, 3);
            play.teach_agent(whole.as_mut(), &actions, &rewards);
            for row in 0..25 {
                let x = play.observation.features.row(row);
                Play::new(&[&x], spec.actions.len()).teach_agent(
                    cut.as_mut(),
                    &actions[row..=row],
                    &rewards[row..=row],
                );
            }
            let (mut once, mut again) = (Vec::new(), Vec::new());
            whole.save(&mut once).unwrap();
            cut.save(&mut again).unwrap();
            assert!(once == again, "{} {form}", entry.name);
        }
    }
}

#[test]
fn factored_and_shared_models_recover_an_additive_truth() {
    // Contact shifts the reward by levels alone, so that both forms hold the truth: 361 actions from 3,000 rows.
    let spec = campaign(3);
    let effects: [&[f32]; 4] =
        [&[0.5, -0.5, 0.0, 0.25], &[0.0, 0.1, 0.2, 0.3, 0.4, 0.5], &[-0.4, -0.2, 0.0, 0.2, 0.4], &[0.1, 0.0, -0.1]];
    let truth = |x: &[f32], action: usize| {
        let base = 1.0 + x[0] - 0.5 * x[1];
        let levels = spec.actions.actions[action].levels.iter().flatten();
        levels.zip(effects).fold(base, |sum, (level, effects)| sum + effects[usize::from(*level)])
    };
    for (form, tolerance) in [("shared", 0.01), ("factored", 0.1)] {
        let values = Values::defaults(&[MODEL, RIDGE, INTERCEPT])
            .with("model", Value::Text(form.into()))
            .with("ridge", Value::Number(1e-3));
        let mut model = Model::create(&values, &spec).unwrap();
        let (play, actions, _) = lesson(&spec, 3_000, 4);
        let rewards: Vec<f32> = actions
            .iter()
            .enumerate()
            .map(|(row, action)| truth(&play.observation.features.row(row), usize::from(*action)))
            .collect();
        play.teach(&mut model, &actions, &rewards);
        let x = [0.3, -0.6, 0.2];
        let (mut scratch, mut means) = (model.scratch(1), model.action_room());
        model.open_row(&Play::new(&[&x], 361).observation.features, 0, 1, &mut scratch);
        model.means(&mut scratch, &mut means);
        for action in 0..361 {
            let error = (means.as_flattened()[action] - truth(&x, action)).abs();
            assert!(error < tolerance, "{form}, action {action}: off by {error}");
        }
    }
}

#[test]
fn a_model_too_large_for_memory_is_refused() {
    let values = Values::defaults(&[MODEL, RIDGE, INTERCEPT]).with("model", Value::Text("disjoint".into()));
    let refusal = Model::create(&values, &spec(700, 361)).unwrap_err();
    assert_eq!(refusal.key, "model");
    assert!(refusal.message.contains("361 matrices of 701 x 701"), "{}", refusal.message);
}
