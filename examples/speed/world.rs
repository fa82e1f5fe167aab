//! The market and the policy of `scenarios/eq-sim.toml`, and the loop that runs them; the example and the bench share it.

use mercato::agent;
use mercato::environment::logit::{COLUMN, FATIGUE, LogitWorld, PARAMETERS, STAGE};
use mercato::protocol::{Decision, Observation, Outcome, Policy, World};
use mercato::random::Seed;
use mercato::registry::{NumericTable, Value, Values, find};
use std::path::Path;

/// Features of a consumer.
pub const FEATURES: usize = 16;
/// Actions.
pub const ACTIONS: usize = 24;

/// The market of the benchmark with these response weights.
pub fn market(consumers: u32, ticks: u32, response: NumericTable) -> LogitWorld {
    let text = |text: &str| Value::Text(text.to_owned());
    let column = Values::defaults(COLUMN).with("name", text("x")).with("count", Value::Integer(FEATURES as i64));
    let stage = Values::defaults(STAGE).with("intercept", Value::Number(-1.5)).with("table", Value::Csv(response));
    let costs = (0..ACTIONS).map(|action| 0.05 + 0.01 * action as f64).collect();
    let fatigue = Values::defaults(FATIGUE).with("decay", Value::Number(0.8)).with("cost", Value::Numbers(costs));
    let arms = (1..ACTIONS).map(|action| format!("action_{action}")).collect();
    let market = Values::defaults(PARAMETERS)
        .with("consumers", Value::Integer(i64::from(consumers)))
        .with("ticks", Value::Integer(i64::from(ticks)))
        .with("none", text("action_0"))
        .with("arms", Value::Texts(arms))
        .with("reward", text("success"))
        .with("recency_coefficient", Value::Number(-0.1))
        .with("column", Value::Tables(vec![column]))
        .with("stage", Value::Tables(vec![stage]))
        .with("fatigue", Value::Table(fatigue));
    LogitWorld::new(&market, None).expect("the benchmark's market is sound")
}

/// The soft-max policy of the benchmark with these weights.
pub fn policy(world: &LogitWorld, weights: NumericTable) -> Box<dyn Policy> {
    let entry = find(agent::POLICIES, "softmax_linear").expect("softmax_linear is registered");
    let values = Values::defaults(entry.parameters).with("weights", Value::Csv(weights));
    (entry.build)(&values, world.spec()).expect("the weights fit the market")
}

/// Reads 16 × 24 weights under a header of action names.
pub fn weights(path: &Path) -> Result<NumericTable, String> {
    let fault = |error: csv::Error| format!("{}: {error}", path.display());
    let mut reader = csv::Reader::from_path(path).map_err(fault)?;
    let header = reader.headers().map_err(fault)?.iter().map(str::to_owned).collect();
    let rows = reader.deserialize().collect::<Result<Vec<Vec<f64>>, _>>().map_err(fault)?;
    if rows.len() != FEATURES || rows.iter().any(|row| row.len() != ACTIONS) {
        return Err(format!("{}: expected {FEATURES} × {ACTIONS} weights", path.display()));
    }
    Ok(NumericTable { header, rows })
}

/// One row per consumer-tick: what was done, what it earned, with which probability it was done.
#[derive(Default)]
pub struct Log {
    pub actions: Vec<u8>,
    pub rewards: Vec<u8>,
    pub propensities: Vec<f32>,
}

/// Opens the market and runs the policy shard by shard, all ticks of a shard while it is in cache; rows of the log
/// stand in the order (shard, tick, consumer).
pub fn simulate(world: &LogitWorld, policy: &dyn Policy, seed: Seed, log: &mut Log) {
    let (mut observation, mut decision, mut outcome) =
        (Observation::default(), Decision::default(), Outcome::default());
    let rows = world.spec().consumers as usize * world.spec().horizon as usize;
    log.actions.clear();
    log.rewards.clear();
    log.propensities.clear();
    log.actions.reserve(rows);
    log.rewards.reserve(rows);
    log.propensities.reserve(rows);
    let mut environment = world.open(seed);
    for shard in environment.shards_mut() {
        for _ in 0..world.spec().horizon {
            shard.observe(policy.views(), &mut observation);
            policy.decide(&observation, seed, &mut decision);
            shard.step(&decision, &mut outcome).expect("every action is allowed");
            log.actions.extend(decision.actions.iter().map(|action| *action as u8));
            log.rewards.extend(outcome.profits.iter().map(|profit| u8::from(profit.micros() > 0)));
            log.propensities.extend_from_slice(&decision.propensities);
        }
    }
}
