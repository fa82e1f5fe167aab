//! EQ-SIM: 100,000 consumers take 10 steps under a soft-max policy over 24 actions.
//!
//! The timed region draws the consumers' 16 features, runs all steps through `observe`, `decide` and `step`, and keeps
//! one log row per consumer-step. Weights are read beforehand from `eq-sim-response.csv` and `eq-sim-policy.csv`.

#[path = "world.rs"]
mod world;

use mercato::random::Seed;
use std::path::PathBuf;
use std::time::Instant;
use world::{Log, market, policy, simulate, weights};

const CONSUMERS: u32 = 100_000;
const TICKS: u32 = 10;

/// Options of `eq-sim`.
struct Options {
    weights_dir: PathBuf,
    rounds: u64,
    seed: u64,
}

fn options(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options { weights_dir: "scenarios".into(), rounds: 5, seed: 1 };
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { return Err(format!("{} needs a value", pair[0])) };
        let number = || value.parse().map_err(|_| format!("{name} takes a whole number, not `{value}`"));
        match name.as_str() {
            "--weights-dir" => options.weights_dir = value.into(),
            "--rounds" => options.rounds = number()?,
            "--seed" => options.seed = number()?,
            other => return Err(format!("eq-sim has no option `{other}`; it takes --weights-dir, --rounds, --seed")),
        }
    }
    Ok(options)
}

/// Times the benchmark and prints a line per round, after one round that warms caches and allocators.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let options = options(arguments)?;
    let world = market(CONSUMERS, TICKS, weights(&options.weights_dir.join("eq-sim-response.csv"))?);
    let policy = policy(&world, weights(&options.weights_dir.join("eq-sim-policy.csv"))?);
    let mut log = Log::default();
    simulate(&world, policy.as_ref(), Seed::new(options.seed), &mut log);
    for round in 1..=options.rounds {
        let (start, processor) = (now(), cpu_seconds());
        simulate(&world, policy.as_ref(), Seed::new(options.seed + round), &mut log);
        let (wall_seconds, cpu_seconds) = (start.elapsed().as_secs_f64(), cpu_seconds() - processor);
        let steps = f64::from(CONSUMERS) * f64::from(TICKS);
        let line = serde_json::json!({
            "contender": "mercato",
            "benchmark": "eq-sim",
            "version": env!("CARGO_PKG_VERSION"),
            "users": CONSUMERS,
            "steps": TICKS,
            "seed": options.seed + round,
            "user_steps_per_second": steps / wall_seconds,
            "wall_seconds": wall_seconds,
            "cpu_seconds": cpu_seconds,
            "mean_reward": mean(log.rewards.iter().map(|reward| f64::from(*reward))),
            "reward_standard_error": reward_standard_error(&log),
            "mean_propensity": mean(log.propensities.iter().map(|propensity| f64::from(*propensity))),
        });
        println!("{line}");
    }
    Ok(())
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// Over consumers, since the steps of one consumer depend on each other.
fn reward_standard_error(log: &Log) -> f64 {
    // The log is ordered by shard, then tick; shards hold 1,024 consumers, the last one the rest.
    let mut means = Vec::with_capacity(CONSUMERS as usize);
    for shard in log.rewards.chunks(1_024 * TICKS as usize) {
        let consumers = shard.len() / TICKS as usize;
        for consumer in 0..consumers {
            let rewards = (0..TICKS as usize).map(|tick| f64::from(shard[tick * consumers + consumer]));
            means.push(rewards.sum::<f64>() / f64::from(TICKS));
        }
    }
    mercato::statistics::estimate(&means).standard_error
}

#[allow(clippy::disallowed_methods, reason = "timing is what this program is for")]
fn now() -> Instant {
    Instant::now()
}

/// Processor time of this thread so far, where the system tells (Linux): the first field of its `schedstat`, in
/// nanoseconds; 0 elsewhere.
fn cpu_seconds() -> f64 {
    let schedule = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = schedule.split_whitespace().next().and_then(|field| field.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}
