use super::super::checkpoint::Checkpoint;
use super::super::trials::{made_of, seen, train};
use super::*;
use crate::matrix::Matrix;
use crate::protocol::{Decision, Ending, Policy, Transitions};
use crate::random::Seed;
use crate::registry::Value;
use candle_core::Var;

const SAC: DiscreteSac = DiscreteSac { entropy_target: 0.5, temperature: 1.0 };

fn quick() -> Values {
    Values::defaults(PARAMETERS)
        .with("hidden", Value::Integers(vec![16]))
        .with("learning_rate", Value::Number(5e-3))
        .with("learning_rate_end_share", Value::Number(0.02))
        .with("batch", Value::Integer(64))
        .with("decisions_before", Value::Integer(100))
        .with("target_share", Value::Number(0.05))
        .with("memory", Value::Integer(4_000))
}

fn bytes(agent: &dyn Agent) -> Vec<u8> {
    let mut bytes = Vec::new();
    agent.save(&mut bytes).unwrap();
    bytes
}

fn law(policy: &dyn Policy) -> Matrix {
    let mut law = Matrix::default();
    policy.probabilities(&seen(&[0, 1], 0), Seed::new(1), &mut law);
    law
}

fn tensor(values: &[f32]) -> Tensor {
    Tensor::from_vec(values.to_vec(), (1, values.len()), &Device::Cpu).unwrap()
}

/// Entropies 0.2 and ln 2 where two and four actions are allowed: 0.2 - ln 2 / 2 and ln 2 - ln 4 / 2 = 0.
#[test]
fn the_loss_of_the_temperature_by_hand() {
    let log = Var::from_vec(vec![0.3f32], 1, &Device::Cpu).unwrap();
    let mask = Mask::new(5, vec![0b1_0001, 0b1_1110]);
    let loss = SAC.temperature_loss(&log, &[0.2, std::f32::consts::LN_2], &mask).unwrap();
    let mean = (0.2 - 0.5 * std::f32::consts::LN_2) / 2.0;
    assert!((loss.to_scalar::<f32>().unwrap() - 0.3 * mean).abs() < 1e-6);
    let slope = loss.backward().unwrap().get(&log).unwrap().to_vec1::<f32>().unwrap()[0];
    // Too little entropy: a step down the loss raises the temperature.
    assert!((slope - mean).abs() < 1e-6 && slope < 0.0);
}

/// With even odds between values 1 and 3, α = 0.5: 2 + 0.5 ln 2. The lesser of twins is taken action by action.
#[test]
fn soft_values_by_hand() {
    let logs = log_softmax(&tensor(&[1.0, 1.0, 7.0]), &Mask::new(3, vec![0b011])).unwrap();
    let least = lesser([&tensor(&[1.0, 5.0, 9.0]), &tensor(&[2.0, 3.0, f32::NAN])]);
    assert_eq!(least[..2], [1.0, 3.0]);
    let value = soft_values(&logs, &least, 0.5).unwrap()[0];
    assert!((value - (2.0 + 0.5 * std::f32::consts::LN_2)).abs() < 1e-6);
}

/// The law of `Σ π (α ln π - q)` at its least is the soft-max of q / α, and the least is `-α ln Σ exp(q / α)`.
#[test]
fn the_loss_of_the_law_is_least_at_the_soft_max_of_values() {
    let (q, alpha) = ([0.4f32, -1.0, 0.9, 50.0], 0.7);
    let mask = Mask::new(4, vec![0b0111]);
    let logits = Var::from_vec(q.iter().map(|q| q / alpha).collect(), (1, 4), &Device::Cpu).unwrap();
    let logs = log_softmax(&logits, &mask).unwrap();
    let entropies = entropy(&logs).unwrap().mean_all().unwrap();
    let earned = expectation(&logs, &q).unwrap().mean_all().unwrap();
    let loss = ((entropies * f64::from(-alpha)).unwrap() - earned).unwrap();
    let sum: f64 = q[..3].iter().map(|q| libm::exp(f64::from(q / alpha))).sum();
    let known = -f64::from(alpha) * libm::log(sum);
    assert!((f64::from(loss.to_scalar::<f32>().unwrap()) - known).abs() < 1e-5);
    let slopes = loss.backward().unwrap().get(&logits).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(slopes.iter().all(|slope| slope.abs() < 1e-6), "{slopes:?}");
}

/// Probabilities of going, here and there, of the soft-optimal law at this temperature: soft value iteration.
fn soft_optimum(alpha: f64) -> [f64; 2] {
    let soft = |a: f64, b: f64| a.max(b) + alpha * libm::log1p(libm::exp(-(a - b).abs() / alpha));
    let actions = |[here, there]: [f64; 2]| [[0.1 + 0.9 * here, -0.2 + 0.9 * there], [1.0 + 0.9 * here, 0.9 * there]];
    let mut values = [0.0; 2];
    for _ in 0..1_000 {
        values = actions(values).map(|[wait, go]| soft(wait, go));
    }
    actions(values).map(|[wait, go]| 1.0 / (1.0 + libm::exp((wait - go) / alpha)))
}

#[test]
fn the_soft_optimum_of_two_states_is_found_at_the_entropy_asked_for() {
    for share in [0.3, 0.8] {
        let mut agent = made_of(&ENTRY, &quick().with("entropy_target", Value::Number(share)));
        train(&mut agent, 0..80, 80, |_, _| {});
        let checkpoint = Checkpoint::read(&mut bytes(agent.as_ref()).as_slice()).unwrap();
        let log: Vec<f32> = checkpoint.take("online.log_temperature", 1).unwrap();
        let known = soft_optimum(libm::exp(f64::from(log[0])));
        let found = law(agent.as_ref());
        let go = [0, 1].map(|row| f64::from(found.get(row, 1)));
        for state in 0..2 {
            assert!((go[state] - known[state]).abs() < 0.05, "{share}: {go:?} where {known:?} is known");
        }
        // Stationary shares of both states: going leads there, waiting leads back.
        let there = go[0] / (go[0] + 1.0 - go[1]);
        let entropy = |p: f64| -(p * libm::log(p) + (1.0 - p) * libm::log(1.0 - p)) / std::f64::consts::LN_2;
        let mean = (1.0 - there) * entropy(go[0]) + there * entropy(go[1]);
        assert!((mean - share).abs() < 0.05, "{share}: the entropy is {mean}");
    }
}

#[test]
fn a_greedy_judge_takes_the_best_action_and_the_law_begins_even() {
    let mut agent = made_of(&ENTRY, &quick().with("judged", Value::Text("greedy".into())));
    assert_eq!(law(agent.as_ref()).row(0), [0.5, 0.5, 0.0]);
    train(&mut agent, 0..30, 30, |_, _| {});
    let mut decision = Decision::default();
    agent.snapshot().decide(&seen(&[0, 1], 0), Seed::new(1), &mut decision);
    assert_eq!((decision.actions, decision.propensities), (vec![1, 0], vec![1.0, 1.0]));
    let found = law(agent.as_ref());
    assert!((0..2).all(|row| found.get(row, 0) > 0.0 && found.get(row, 1) > 0.0 && found.get(row, 2) == 0.0));
}

#[test]
fn a_run_that_is_resumed_goes_on_with_the_same_bits() {
    let run = |pause: Option<u32>| {
        let values = quick().with("normalise", Value::Boolean(true)).with("steps", Value::Integer(2));
        // Rarer than decisions, so that some are learned from without an update.
        let mut agent = made_of(&ENTRY, &values.with("decisions_per_update", Value::Integer(60)));
        train(&mut agent, 0..6, 6, |market, agent| {
            if pause == Some(market) {
                *agent = (ENTRY.build.load)(&mut bytes(agent.as_ref()).as_slice()).unwrap();
            }
        });
        bytes(agent.as_ref())
    };
    let whole = run(None);
    assert!(run(Some(1)) == whole && run(Some(4)) == whole);
}

#[test]
fn what_cannot_be_learned_from_is_refused_and_nothing_changes() {
    let mut agent = made_of(&ENTRY, &quick());
    train(&mut agent, 0..2, 4, |_, _| {});
    let before = bytes(agent.as_ref());
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
    let ending = Ending {
        observation: &seen(&[0], 20),
        beyond: Some(crate::protocol::Beyond { values: &[f32::INFINITY], discount: 0.9 }),
    };
    assert!(agent.end_episode(&ending, Seed::new(1)).unwrap_err().to_string().contains("a value beyond"));
    assert!(bytes(agent.as_ref()) == before);
    assert!((ENTRY.build.load)(&mut &before[..before.len() / 2]).is_err());
}
