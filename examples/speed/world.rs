//! `scenarios/eq-sim.toml` on the engine itself, with one log row kept per consumer-tick; the example and the bench
//! share it.

use mercato::episode::{DecisionSink, Matured, Recorder, judge};
use mercato::evaluation::Contender;
use mercato::random::Seed;
use mercato::scenario::{Experiment, Overrides, parse};
use std::path::Path;

/// The scenario with the weights of this folder.
pub fn experiment(weights_folder: &Path) -> Result<Experiment, String> {
    let text = include_str!("../../scenarios/eq-sim.toml");
    parse(text, weights_folder, "eq-sim.toml", &Overrides::default()).map_err(|errors| {
        let messages: Vec<&str> = errors.errors.iter().map(|error| error.message.as_str()).collect();
        messages.join("\n")
    })
}

/// One row per consumer-tick: what was done, what it earned, with which probability it was done.
#[derive(Default)]
pub struct Log {
    pub actions: Vec<u8>,
    pub rewards: Vec<u8>,
    pub propensities: Vec<f32>,
    /// Rewards of each consumer over all ticks.
    pub totals: Vec<u32>,
}

impl DecisionSink for Log {
    fn take(&mut self, step: &Matured, _closed: bool) {
        self.actions.extend(step.actions.iter().map(|action| *action as u8));
        self.propensities.extend_from_slice(&step.propensities);
        let rewards = step.profits.iter().map(|profit| u8::from(profit.micros() > 0));
        self.rewards.extend(rewards.clone());
        for (&consumer, reward) in step.observation.consumer_ids.iter().zip(rewards) {
            self.totals[consumer as usize] += u32::from(reward);
        }
    }
}

/// Opens the market, people drawn, and judges the soft-max policy over the horizon.
pub fn simulate(experiment: &Experiment, seed: Seed, log: &mut Log) -> Result<(), String> {
    let spec = experiment.world.spec();
    let rows = spec.consumers as usize * spec.horizon as usize;
    log.actions.clear();
    log.rewards.clear();
    log.propensities.clear();
    log.totals.clear();
    log.actions.reserve(rows);
    log.rewards.reserve(rows);
    log.propensities.reserve(rows);
    log.totals.resize(spec.consumers as usize, 0);
    let Some(Contender::Fixed(policy)) = experiment.contestants.first().map(|contestant| &contestant.contender) else {
        return Err("the scenario's first policy is not a fixed one".into());
    };
    let mut environment = experiment.world.open(seed);
    let recorder = Recorder { by_consumer: false, sink: Some(log) };
    judge(environment.as_mut(), policy.as_ref(), seed, recorder).map_err(|fault| fault.to_string())?;
    Ok(())
}
