//! EQ-RL: PPO and DQN on CartPole-v1 with the hyper-parameters of CleanRL, and one whole update of DQN.
//!
//! The timed region of `ppo-cartpole` and `dqn-cartpole` is the training from the first step to the last, the physics of the
//! carts included. That of `dqn-update` is draws from a filled memory of 100,000 frames, targets, Huber loss, gradients and
//! Adam, batch 256, network 32-128-128-24; for every 1,000 updates, 1,000 frames are taken in as well.

#[path = "../../tests/integration/deep/cartpole.rs"]
#[allow(clippy::unwrap_used, reason = "the file belongs to the tests, which may")]
mod cartpole;
#[path = "../cartpole/set_up.rs"]
mod set_up;

use crate::option;
use crate::stopwatch::{Seconds, Stopwatch};
use cartpole::{CartPole, train};
use mercato::agent::AGENTS;
use mercato::matrix::Matrix;
use mercato::protocol::{ActionBits, ActionSpace, Agent, Feature, Observation, Spec, TrainingPlan, Transitions, World};
use mercato::random::{Purpose, Seed};
use mercato::registry::{Value, Values, find};
use set_up::SET_UPS;

/// Episodes that a mean return is taken over.
const LAST: usize = 20;
/// Steps of a training.
const STEPS: u32 = 500_000;
/// Steps of a rollout of PPO: four carts, 128 each.
const ROLLOUT: u32 = 512;
const FEATURES: usize = 32;
const ACTIONS: usize = 24;
/// Frames taken in at a time, and updates that follow.
const ROWS: u32 = 1_000;
/// Ticks that fill the memory, then ticks that warm up, then ticks that are timed.
const TICKS: [u32; 3] = [100, 1, 4];

/// Times one pass of a task, on one thread, and prints a line.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let (task, seed) = (option(arguments, "--task")?, option(arguments, "--seed")?);
    let seed: u64 = seed.parse().map_err(|_| format!("--seed takes a whole number, not `{seed}`"))?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|error| error.to_string())?;
    pool.install(|| match task {
        "ppo-cartpole" => carts(task, "ppo", seed),
        "dqn-cartpole" => carts(task, "dqn", seed),
        "dqn-update" => updates(task, seed),
        other => Err(format!("no task `{other}`; there are ppo-cartpole, dqn-cartpole and dqn-update")),
    })
}

fn print(task: &str, algorithm: &str, seed: u64, steps: u32, seconds: &Seconds, mean_return: Option<f64>) {
    let line = serde_json::json!({
        "benchmark": "eq-rl",
        "task": task,
        "contender": format!("mercato-{algorithm}"),
        "algorithm": algorithm,
        "seed": seed,
        "steps": steps,
        "steps_per_second": f64::from(steps) / seconds.wall,
        "wall_seconds": seconds.wall,
        "cpu_seconds": seconds.processor,
        "compile_seconds": 0.0,
        "mean_return_last_20": mean_return,
        "version": format!("mercato {}", env!("CARGO_PKG_VERSION")),
    });
    println!("{line}");
}

fn carts(task: &str, name: &str, seed: u64) -> Result<(), String> {
    let set_up = SET_UPS.iter().find(|set_up| set_up.name == name).ok_or("no such set-up")?;
    // Whole rollouts of PPO, as its peers count them.
    let steps = if name == "ppo" { STEPS / ROLLOUT * ROLLOUT } else { STEPS };
    let world = CartPole::new(set_up.carts, steps / set_up.carts);
    let mut agent = set_up.learner(world.spec(), seed)?;
    let stopwatch = Stopwatch::start();
    train(&world, agent.as_mut(), Seed::new(seed)).map_err(|error| error.to_string())?;
    let seconds = stopwatch.seconds();
    let lengths = world.finished();
    let last = &lengths[lengths.len().saturating_sub(LAST)..];
    let mean = last.iter().map(|length| f64::from(*length)).sum::<f64>() / last.len().max(1) as f64;
    print(task, name, seed, steps, &seconds, Some(mean));
    Ok(())
}

fn updates(task: &str, seed: u64) -> Result<(), String> {
    let ticks: u32 = TICKS.iter().sum();
    let spec = Spec {
        consumers: ROWS,
        horizon: ticks,
        tick_days: 1.0,
        discount: 0.99,
        features: (0..FEATURES).map(|index| Feature::raw(format!("x{index}"), "none")).collect(),
        actions: ActionSpace::flat("arm", "0", &(1..ACTIONS).map(|_| "arm").collect::<Vec<_>>()),
        kpis: Vec::new(),
    };
    let entry = find(AGENTS, "dqn").ok_or("the agent is not registered")?;
    let values = Values::defaults(entry.parameters)
        .with("hidden", Value::Integers(vec![128, 128]))
        .with("double", Value::Boolean(false))
        .with("batch", Value::Integer(256))
        .with("memory", Value::Integer(100_000))
        .with("decisions_before", Value::Integer(i64::from(TICKS[0] * ROWS)))
        .with("decisions_per_update", Value::Integer(1))
        .with("updates_per_target", Value::Integer(1_000));
    let mut agent = (entry.build.create)(&values, &spec).map_err(|refusal| refusal.message)?;
    agent.begin_training(&TrainingPlan { markets: 1, ticks, consumers: ROWS });
    let mut stopwatch = Stopwatch::start();
    for tick in 0..ticks {
        if tick == TICKS[0] + TICKS[1] {
            stopwatch = Stopwatch::start();
        }
        take_in(agent.as_mut(), seed, tick)?;
    }
    print(task, "dqn-update", seed, TICKS[2] * ROWS, &stopwatch.seconds(), None);
    Ok(())
}

/// A tick of random frames; whatever updates are due follow.
fn take_in(agent: &mut dyn Agent, seed: u64, tick: u32) -> Result<(), String> {
    let rows = ROWS as usize;
    let mut stream = Seed::new(seed).stream(Purpose::Problem, tick, 0);
    let features: Vec<f32> = (0..rows * FEATURES).map(|_| 2.0 * stream.uniform() - 1.0).collect();
    let actions: Vec<u16> =
        (0..rows).map(|_| ((stream.uniform() * ACTIONS as f32) as u16).min(ACTIONS as u16 - 1)).collect();
    let rewards: Vec<f32> = (0..rows).map(|_| stream.uniform()).collect();
    let observation = Observation {
        tick,
        consumer_ids: (0..ROWS).collect(),
        features: Matrix::from_rows(&features.chunks_exact(FEATURES).collect::<Vec<_>>()),
        allowed: ActionBits::all(rows, ACTIONS),
        ..Observation::default()
    };
    let batch = Transitions {
        observation: &observation,
        actions: &actions,
        propensities: &vec![1.0 / ACTIONS as f32; rows],
        rewards: &rewards,
        terminated: &vec![false; rows],
    };
    agent.learn(&batch, Seed::new(seed).derive(2, tick)).map(|_| ()).map_err(|error| error.to_string())
}
