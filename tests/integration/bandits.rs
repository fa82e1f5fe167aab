//! Bandits learn: regret on the problem of 24 actions and 16 features on which contextual bandits are compared.
//!
//! `theta ~ 1.5 N(0, 1) / sqrt(16)`, success with probability `sigmoid(x . theta - 1)`, 10,000 rounds one at a time.
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

#[path = "../../examples/speed/problem.rs"]
mod problem;

use mercato::agent::AGENTS;
use mercato::protocol::Agent;
use mercato::registry::{Value, Values, find};
use problem::{ACTIONS, Problem};

/// What differs from the defaults.
type Parameters = &'static [(&'static str, f64)];

const DIMENSION: usize = 16;
const ROUNDS: usize = 10_000;
const SEEDS: [u64; 3] = [7, 8, 9];

fn agent(kind: &str, problem: &Problem, parameters: Parameters) -> Box<dyn Agent> {
    let entry = find(AGENTS, kind).unwrap();
    let values = Values::defaults(entry.parameters).with("intercept", Value::Boolean(false));
    let values = parameters.iter().fold(values, |values, (name, value)| values.with(name, Value::Number(*value)));
    (entry.build.create)(&values, &problem.spec()).unwrap()
}

fn ratio(problem: &Problem, actions: &[u16]) -> f64 {
    let (regret, uniform) = problem.regret(actions, ROUNDS);
    regret / uniform
}

/// Mean over the problems of regret / regret of the uniform policy.
fn mean_ratio(kind: &str, parameters: Parameters) -> f64 {
    let ratios = SEEDS.map(|seed| {
        let problem = Problem::draw(seed, DIMENSION, ROUNDS);
        let actions = problem.play(agent(kind, &problem, parameters).as_mut(), 1, ROUNDS).unwrap();
        ratio(&problem, &actions)
    });
    ratios.iter().sum::<f64>() / ratios.len() as f64
}

/// LinUCB as it stands in the paper: inverses kept by Sherman and Morrison's formula, in `f64`.
fn textbook_lin_ucb(problem: &Problem) -> Vec<u16> {
    let identity: Vec<f64> =
        (0..DIMENSION * DIMENSION).map(|i| f64::from(u8::from(i % (DIMENSION + 1) == 0))).collect();
    let mut inverses = vec![identity; ACTIONS];
    let mut moments = vec![[0.0; DIMENSION]; ACTIONS];
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    (0..ROUNDS)
        .map(|round| {
            let x: Vec<f64> = problem.context(round).iter().map(|x| f64::from(*x)).collect();
            let gain = |inverse: &[f64]| inverse.chunks(DIMENSION).map(|row| dot(row, &x)).collect::<Vec<f64>>();
            let mut best = (f64::NEG_INFINITY, 0);
            for (action, (inverse, moment)) in inverses.iter().zip(&moments).enumerate() {
                let gain = gain(inverse);
                let bound = dot(&gain, moment) + 0.5 * dot(&gain, &x).sqrt();
                if bound > best.0 {
                    best = (bound, action);
                }
            }
            let action = best.1;
            let gain = gain(&inverses[action]);
            let scale = 1.0 / (1.0 + dot(&gain, &x));
            for (row, a) in inverses[action].chunks_mut(DIMENSION).zip(&gain) {
                row.iter_mut().zip(&gain).for_each(|(value, b)| *value -= a * b * scale);
            }
            let reward = f64::from(problem.reward(round, action as u16));
            moments[action].iter_mut().zip(&x).for_each(|(moment, x)| *moment += reward * x);
            action as u16
        })
        .collect()
}

#[test]
fn lin_ucb_has_the_regret_of_the_textbook() {
    // One problem's regret hangs on how early near-ties fall, so the mean over problems is compared.
    let textbook = SEEDS.map(|seed| {
        let problem = Problem::draw(seed, DIMENSION, ROUNDS);
        ratio(&problem, &textbook_lin_ucb(&problem))
    });
    let textbook = textbook.iter().sum::<f64>() / textbook.len() as f64;
    let ours = mean_ratio("lin_ucb", &[("alpha", 0.5)]);
    assert!((ours / textbook - 1.0).abs() < 0.1, "{ours} against {textbook}");
    // Published for problems of this law: .207; problems spread by about .03, three of them by .017.
    assert!((ours - 0.207).abs() < 0.05, "{ours}");
}

#[test]
fn bandits_beat_the_uniform_policy_by_their_known_margins() {
    // The first two ratios are those of a numpy version on problems of this law (.266 and .293), the others our own on
    // the same problems; three standard errors between sets of three problems are .05.
    let cases: [(&str, Parameters, f64); 4] = [
        ("lin_thompson", &[("alpha", 0.5), ("floor", 0.0)], 0.27),
        ("epsilon_greedy", &[("epsilon", 0.1)], 0.29),
        ("square_cb", &[("gamma_scale", 100.0)], 0.25),
        ("boltzmann", &[("temperature", 0.05)], 0.27),
    ];
    for (kind, parameters, expected) in cases {
        let ratio = mean_ratio(kind, parameters);
        assert!((ratio - expected).abs() < 0.06, "{kind}: {ratio} for {expected}");
    }
}
