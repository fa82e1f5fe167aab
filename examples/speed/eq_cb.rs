//! EQ-CB: online contextual bandits through the public traits, on a problem that every contender reads from one file.
//!
//! As in the definition: ridge 1, no intercept, `alpha` 0.5, `epsilon` 0.1.

use crate::problem::Problem;
use crate::stopwatch::Stopwatch;
use mercato::agent::AGENTS;
use mercato::protocol::{Agent, Spec};
use mercato::registry::{Value, Values, find};
use serde_json::json;

/// What differs from the defaults.
type Parameters = &'static [(&'static str, f64)];

const CHECKPOINTS: [usize; 2] = [1_000, 10_000];

/// Name in the table, kind in the registry, and the parameters that the definition fixes.
const LEARNERS: [(&str, &str, Parameters); 5] = [
    ("linucb", "lin_ucb", &[("alpha", 0.5)]),
    ("lints", "lin_thompson", &[("alpha", 0.5), ("floor", 0.0)]),
    ("epsilon-greedy", "epsilon_greedy", &[("epsilon", 0.1)]),
    ("squarecb", "square_cb", &[("gamma_scale", 100.0)]),
    ("boltzmann", "boltzmann", &[("temperature", 0.05)]),
];

fn create(kind: &str, parameters: Parameters, spec: &Spec) -> Result<Box<dyn Agent>, String> {
    let entry = find(AGENTS, kind).ok_or_else(|| format!("there is no agent {kind}"))?;
    let mut values = Values::defaults(entry.parameters)
        .with("model", Value::Text("disjoint".into()))
        .with("intercept", Value::Boolean(false));
    for (name, value) in parameters {
        values = values.with(name, Value::Number(*value));
    }
    (entry.build.create)(&values, spec).map_err(|refusal| refusal.to_string())
}

/// The problem seed in a file name such as `eq-cb-d16-seed7.bin`.
fn seed_of(path: &str) -> Option<u64> {
    path.rsplit_once("seed")?.1.split('.').next()?.parse().ok()
}

/// Reads the arguments, plays every learner, prints a line for each.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let path = crate::option(arguments, "--problem")?;
    let dimension = crate::option(arguments, "--d")?.parse().map_err(|error| format!("--d: {error}"))?;
    let mode = crate::option(arguments, "--mode")?;
    let batch = match mode.strip_prefix("batch").map(str::parse) {
        None if mode == "round" => 1,
        Some(Ok(size)) if size > 0 => size,
        _ => return Err(format!("unknown mode {mode:?}: round or batchN, for example batch1000")),
    };
    let problem = Problem::read(path, dimension)?;
    let (spec, rounds) = (problem.spec(), problem.rounds());
    for (algorithm, kind, parameters) in LEARNERS {
        // A short game first: page faults and the choice of instruction set are not the learner's speed.
        let warm_up = rounds.min(2 * batch.max(50));
        problem.play(create(kind, parameters, &spec)?.as_mut(), batch, warm_up).map_err(|error| error.to_string())?;
        let mut agent = create(kind, parameters, &spec)?;
        let watch = Stopwatch::start();
        let actions = problem.play(agent.as_mut(), batch, rounds).map_err(|error| error.to_string())?;
        let seconds = watch.seconds();
        let rate = rounds as f64 / seconds.wall;
        let mut line = json!({
            "benchmark": "eq-cb", "contender": format!("mercato-{algorithm}"), "algorithm": algorithm, "mode": mode, "dimension": dimension,
            "problem_seed": seed_of(path), "rounds": rounds, "rounds_per_second": rate, "decisions_per_second": rate,
            "wall_seconds": seconds.wall, "cpu_seconds": seconds.processor, "compile_seconds": 0.0,
            "version": concat!("mercato ", env!("CARGO_PKG_VERSION")),
        });
        for checkpoint in CHECKPOINTS.into_iter().filter(|checkpoint| *checkpoint <= rounds) {
            let (regret, uniform) = problem.regret(&actions, checkpoint);
            line[format!("regret_{checkpoint}")] = json!(regret);
            line[format!("regret_ratio_{checkpoint}")] = json!(regret / uniform);
        }
        let (regret, uniform) = problem.regret(&actions, rounds);
        line["regret_ratio"] = json!(regret / uniform);
        println!("{line}");
    }
    Ok(())
}
