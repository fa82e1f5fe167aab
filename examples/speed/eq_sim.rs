//! EQ-SIM: 100,000 consumers take 10 steps under a soft-max policy over 24 actions.
//!
//! The timed region draws the consumers' 16 features, runs all steps through `observe`, `decide` and `step`, and keeps
//! one log row per consumer-step. Weights are read beforehand from `eq-sim-response.csv` and `eq-sim-policy.csv`.

#[path = "world.rs"]
mod world;

use crate::stopwatch::Stopwatch;
use mercato::random::Seed;
use mercato::statistics::estimate;
use std::path::PathBuf;
use world::{Log, experiment, simulate};

/// Options of `eq-sim`.
struct Options {
    weights_dir: PathBuf,
    rounds: u64,
    seed: u64,
    threads: usize,
}

fn options(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options { weights_dir: "scenarios".into(), rounds: 5, seed: 1, threads: 1 };
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { return Err(format!("{} needs a value", pair[0])) };
        let number = || value.parse().map_err(|_| format!("{name} takes a whole number, not `{value}`"));
        match name.as_str() {
            "--weights-dir" => options.weights_dir = value.into(),
            "--rounds" => options.rounds = number()?,
            "--seed" => options.seed = number()?,
            "--threads" => options.threads = number()? as usize,
            other => {
                return Err(format!(
                    "eq-sim has no option `{other}`; it takes --weights-dir, --rounds, --seed, --threads"
                ));
            }
        }
    }
    Ok(options)
}

/// Times the benchmark and prints a line per round, after one round that warms caches and allocators.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let options = options(arguments)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build().map_err(|e| e.to_string())?;
    pool.install(|| measure(&options))
}

fn measure(options: &Options) -> Result<(), String> {
    let experiment = experiment(&options.weights_dir)?;
    let (consumers, ticks) = (experiment.world.spec().consumers, experiment.world.spec().horizon);
    let mut log = Log::default();
    simulate(&experiment, Seed::new(options.seed), &mut log)?;
    for round in 1..=options.rounds {
        let stopwatch = Stopwatch::start();
        simulate(&experiment, Seed::new(options.seed + round), &mut log)?;
        let seconds = stopwatch.seconds();
        // Over consumers, since the steps of one consumer depend on each other.
        let rewards: Vec<f64> = log.totals.iter().map(|total| f64::from(*total) / f64::from(ticks)).collect();
        let reward = estimate(&rewards);
        let propensities: f64 = log.propensities.iter().map(|propensity| f64::from(*propensity)).sum();
        let line = serde_json::json!({
            "contender": "mercato",
            "benchmark": "eq-sim",
            "version": format!("mercato {}", env!("CARGO_PKG_VERSION")),
            "users": consumers,
            "steps": ticks,
            "threads": options.threads,
            "seed": options.seed + round,
            "user_steps_per_second": f64::from(consumers) * f64::from(ticks) / seconds.wall,
            "compile_seconds": 0.0,
            "wall_seconds": seconds.wall,
            "cpu_seconds": if options.threads == 1 { seconds.processor } else { seconds.wall },
            "mean_reward": reward.mean,
            "reward_standard_error": reward.standard_error,
            "mean_propensity": propensities / log.propensities.len() as f64,
        });
        println!("{line}");
    }
    Ok(())
}
