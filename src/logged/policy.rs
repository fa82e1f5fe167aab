//! A policy of a run as a target: asked with the features, the mask and the tick that the log has.

use crate::agent::AGENTS;
use crate::evaluation::{Contender, policy_seed};
use crate::logged::batch::Batch;
use crate::logged::file::LawAsked;
use crate::logged::log::Log;
use crate::matrix::Matrix;
use crate::protocol::{ActionBits, Observation, Policy};
use crate::random::{LANES, Seed};
use crate::registry::find;
use crate::scenario::load_copy;
use crate::scenario::suggestion::way_out;
use std::collections::BTreeMap;

/// A frozen law.
#[derive(Debug)]
pub(super) struct PolicyLaw {
    policy: Box<dyn Policy>,
    seed: Seed,
    /// Numbers of consumers, where a customer file gives names.
    numbers: BTreeMap<String, u32>,
}

/// The key at fault, what is wrong, the way out.
type Refused = (&'static str, String, String);

impl PolicyLaw {
    /// Brings a policy of a run back.
    pub(super) fn load(asked: &LawAsked, log: &Log) -> Result<Self, Refused> {
        let (Some(run), Some(own)) = (&asked.run, &log.layout.own) else {
            return Err((
                "run",
                "a policy needs a log of ours".to_owned(),
                "write it with `mercato run --log`".to_owned(),
            ));
        };
        let experiment = load_copy(run).map_err(|errors| {
            let told = errors.errors.first().map(|error| error.message.clone()).unwrap_or_default();
            (
                "run",
                format!("`{}` is no folder of a run: {told}", run.display()),
                "give what `mercato run` wrote".to_owned(),
            )
        })?;
        let name = asked.values.text("policy");
        let known: Vec<String> = experiment.contestants.iter().map(|contestant| contestant.name.clone()).collect();
        let Some(contestant) = experiment.contestants.into_iter().find(|contestant| contestant.name == name) else {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            return Err(("policy", format!("the run has no policy {name:?}"), way_out(name, &known, "its policies")));
        };
        let policy = match contestant.contender {
            Contender::Fixed(policy) => policy,
            Contender::Learner(_) => learned(run, name, &contestant.kind)?,
        };
        if policy.looks_inside().is_some() {
            let help = "take a policy that sees what the log has".to_owned();
            return Err(("policy", format!("{name:?} looks inside the market, and the log does not"), help));
        }
        if policy.views().events {
            let help = "take a policy that reads features".to_owned();
            return Err(("policy", format!("{name:?} reads events, which the log does not have"), help));
        }
        let spec = experiment.world.spec();
        let features: Vec<&str> = spec.features.iter().map(|feature| feature.name.as_str()).collect();
        let actions: Vec<&str> = spec.actions.actions.iter().map(|action| action.name.as_str()).collect();
        if own.features.iter().map(String::as_str).ne(features)
            || own.action_names.iter().map(String::as_str).ne(actions)
        {
            let help = "take a run of the same market".to_owned();
            return Err(("run", "its features or actions are not those of the log".to_owned(), help));
        }
        let names = experiment.world.consumer_names();
        let numbers = names.iter().flat_map(|names| names.iter().cloned().zip(0..)).collect();
        Ok(Self { policy, seed: policy_seed(Seed::new(own.seed), own.replication), numbers })
    }

    /// Appends `rounds × actions`.
    pub(super) fn write(&self, batch: &Batch, actions: usize, law: &mut Vec<f64>) {
        let mut observation = Observation::default();
        let mut probabilities = Matrix::default();
        let mut start = 0;
        // Rounds of one tick at a time, as the policy decided them.
        while start < batch.count() {
            let tick = batch.times.get(start).copied().unwrap_or(0.0);
            let same = |round: &usize| batch.times.get(*round).is_none_or(|time| *time == tick);
            let end = (start..batch.count()).take_while(same).count() + start;
            self.observe(batch, start..end, tick as u32, actions, &mut observation);
            self.policy.probabilities(&observation, self.seed, &mut probabilities);
            for row in 0..end - start {
                law.extend((0..actions).map(|action| f64::from(probabilities.get(row, action))));
            }
            start = end;
        }
    }

    fn observe(
        &self,
        batch: &Batch,
        rounds: std::ops::Range<usize>,
        tick: u32,
        actions: usize,
        observation: &mut Observation,
    ) {
        let number = |name: &String| self.numbers.get(name).copied().or_else(|| name.parse().ok()).unwrap_or(0);
        observation.tick = tick;
        observation.consumer_ids = batch.unit_names[rounds.clone()].iter().map(number).collect();
        let rows = rounds.len();
        if self.policy.views().features {
            observation.features.reset(rows, batch.features.len());
            for (row, round) in rounds.clone().enumerate() {
                for (feature, values) in batch.features.iter().enumerate() {
                    observation.features.set(row, feature, values[round]);
                }
            }
            debug_assert!(observation.features.blocks() == rows.div_ceil(LANES));
        }
        observation.allowed = ActionBits::all(rows, actions);
        if batch.allowed.is_empty() {
            return;
        }
        for (row, round) in rounds.enumerate() {
            let words = observation.allowed.row_mut(row);
            words.fill(0);
            for (action, _) in
                batch.allowed[round * actions..][..actions].iter().enumerate().filter(|(_, allowed)| **allowed)
            {
                words[action / 64] |= 1 << (action % 64);
            }
        }
    }
}

fn learned(run: &std::path::Path, name: &str, kind: &str) -> Result<Box<dyn Policy>, Refused> {
    let path = run.join("policies").join(format!("{name}.json"));
    let broken = |why: String| ("policy", format!("`{}` {why}", path.display()), "run the scenario again".to_owned());
    let entry = find(AGENTS, kind).ok_or_else(|| broken(format!("is of an unknown kind {kind:?}")))?;
    let mut file = std::fs::File::open(&path).map_err(|error| broken(format!("cannot be read: {error}")))?;
    let agent = (entry.build.load)(&mut file).map_err(|error| broken(format!("cannot be read: {error}")))?;
    Ok(agent.snapshot())
}
