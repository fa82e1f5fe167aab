//! A finite decision process given by tables: where regret has a true zero.
//!
//! Each consumer walks alone through the states of one known process. A row of the table says: from this state, under
//! this action, with this probability, to this state, for this reward. An action is allowed in a state exactly where it
//! has rows; action 0 (no contact) must have rows in every state. The state is observed, as one-hot features of the group
//! `state`, so that nothing is hidden and the best policy can be computed.
//!
//! **Luck.** A transition inverts the cumulative probability with one uniform per (consumer, tick). The outcomes of a
//! state and action are ordered by reward, highest first, then by next state, then as in the table. Two policies meet the
//! same uniform, so an action that only raises the probability of the best outcomes never takes one of them away.
//!
//! **Horizon.** [`World::exact_value`] and [`World::optimal_value`] are over the infinite horizon, whereas a run stops
//! after `ticks`: the mean return of a run falls short in expectation by at most [`FiniteWorld::truncation_bound`], which
//! the file should keep far under the standard error.

mod process;
mod shard;
mod solution;

use crate::matrix::Matrix;
use crate::protocol::{ActionBits, ActionSpace, Environment, Feature, Kpi, Observation, Policy, Spec, World};
use crate::random::Seed;
use crate::registry::{Kind, Parameter, Range, Refusal, Values};
use process::Process;
use shard::OpenProcess;
use std::sync::Arc;

/// Keys of `[market]` with `kind = "finite"`.
pub const PARAMETERS: &[Parameter] = &[
    Parameter::integer("consumers", 1_000, 1, 100_000_000, "number of consumers"),
    Parameter::integer("ticks", 500, 1, 1_000_000, "number of ticks"),
    Parameter::number("discount", 0.98, Range::half_open(0.0, 1.0), "discount factor per tick"),
    Parameter::of("states", Kind::Texts { default: None }, "names of the states, at most 1000").required(),
    Parameter::of("actions", Kind::Texts { default: None }, "names of the actions, the first is no contact").required(),
    Parameter::optional_text("start", "name of the state of every consumer at tick 0; the first where absent"),
    Parameter::of(
        "transitions",
        Kind::Csv,
        "table with the columns state, action, next_state (indices from 0), probability, reward; further columns named \
         as key figures (orders, opt_outs, cost, …) are counted",
    )
    .required(),
];

/// Ticks at which a policy is asked for its law, to see that it does not depend on time.
const ASKED_TICKS: u32 = 32;

/// A finite decision process.
#[derive(Clone, Debug)]
pub struct FiniteWorld {
    inside: Arc<Inside>,
}

/// What all shards share.
#[derive(Debug)]
struct Inside {
    spec: Spec,
    process: Process,
    start: u16,
    /// One row per state: what may be done there.
    allowed: ActionBits,
}

impl FiniteWorld {
    /// Builds the process, or says all that is wrong with it.
    ///
    /// # Errors
    /// One refusal per fault: names that repeat, rows that name no state or action, probabilities that do not sum to 1,
    /// a state without rows for action 0.
    pub fn new(market: &Values) -> Result<Self, Vec<Refusal>> {
        let mut faults = Vec::new();
        let (states, actions) = (market.texts("states"), market.texts("actions"));
        check_names(market, "states", states, 1, process::MOST_STATES, &mut faults);
        check_names(market, "actions", actions, 1, process::MOST_ACTIONS, &mut faults);
        let start = match market.optional_text("start") {
            None => Some(0),
            Some(name) => states.iter().position(|state| state == name),
        };
        if start.is_none() {
            let name = market.optional_text("start").unwrap_or_default();
            let message = format!("`start` is {name:?}, which is no state");
            faults.push(Refusal::new(market, "start", message, "name one of `states`"));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let process = Process::new(market)?;
        let mut allowed = ActionBits::all(states.len(), actions.len());
        for state in 0..states.len() {
            for action in (0..actions.len()).filter(|action| !process.allows(state, *action)) {
                allowed.forbid(state, action);
            }
        }
        let levels: Vec<&str> = actions[1..].iter().map(String::as_str).collect();
        let spec = Spec {
            consumers: market.integer("consumers") as u32,
            horizon: market.integer("ticks") as u32,
            tick_days: 1.0,
            discount: market.number("discount"),
            features: states.iter().map(|state| Feature::level("state", state)).collect(),
            actions: ActionSpace::flat("action", &actions[0], &levels),
            kpis: Kpi::ALL.into_iter().filter(|kpi| process.counts(*kpi)).collect(),
        };
        let start = start.unwrap_or_default() as u16;
        Ok(Self { inside: Arc::new(Inside { spec, process, start, allowed }) })
    }

    /// How far the expected return of a run of `ticks` may fall from the exact value over the infinite horizon:
    /// discount^ticks × the greatest reward (absolute) / (1 - discount).
    #[must_use]
    pub fn truncation_bound(&self) -> f64 {
        let Spec { discount, horizon, .. } = self.inside.spec;
        libm::pow(discount, f64::from(horizon)) * self.inside.process.greatest_reward() / (1.0 - discount)
    }

    /// The optimal action of every state, by value iteration; ties go to the lowest index.
    #[must_use]
    pub fn optimal_actions(&self) -> Vec<u16> {
        solution::optimal(&self.inside.process, self.inside.spec.discount).actions
    }

    /// The action of greatest expected immediate reward of every state; ties go to the lowest index.
    #[must_use]
    pub fn myopic_actions(&self) -> Vec<u16> {
        solution::greedy(&self.inside.process, 0.0, &vec![0.0; self.inside.process.states()])
    }

    /// All states once, in order, as consumers `first..` would be seen at a tick.
    fn every_state(&self, first: u32, tick: u32) -> Observation {
        let states = self.inside.process.states();
        let mut features = Matrix::new(states, states);
        for state in 0..states {
            features.set(state, state, 1.0);
        }
        let consumer_ids = (0..states as u32).map(|row| first.wrapping_add(row)).collect();
        Observation { tick, consumer_ids, features, allowed: self.inside.allowed.clone(), ..Observation::default() }
    }

    /// pi(a | s) at `s * actions + a`, each state summing to 1; `None` where it depends on the tick or the consumer.
    fn law(&self, policy: &dyn Policy, seed: Seed) -> Option<Vec<f64>> {
        let (states, actions) = (self.inside.process.states(), self.inside.process.actions());
        let mut first = Matrix::default();
        policy.probabilities(&self.every_state(0, 0), seed, &mut first);
        let mut again = Matrix::default();
        for tick in 1..ASKED_TICKS {
            policy.probabilities(&self.every_state(tick * states as u32, tick), seed, &mut again);
            if (0..states).any(|state| (0..actions).any(|action| again.get(state, action) != first.get(state, action)))
            {
                return None;
            }
        }
        let mut law = Vec::with_capacity(states * actions);
        for state in 0..states {
            let row = (0..actions).map(|action| f64::from(first.get(state, action)));
            let sum: f64 = row.clone().sum();
            law.extend(row.map(|probability| probability / sum));
        }
        Some(law)
    }
}

impl World for FiniteWorld {
    fn spec(&self) -> &Spec {
        &self.inside.spec
    }

    fn bytes_per_consumer(&self) -> usize {
        // The state of each, and the walk's buffers.
        size_of::<u64>()
    }

    fn open(&self, seed: Seed) -> Box<dyn Environment> {
        Box::new(OpenProcess::new(self.inside.clone(), seed))
    }

    /// The policy's chain solved as a linear system, over the infinite horizon. `None` where the law depends on the tick
    /// or the consumer (32 ticks with different consumers are asked), as there is no single chain then. Probabilities
    /// come in `f32`; each state's are divided by their sum.
    fn exact_value(&self, policy: &dyn Policy, seed: Seed) -> Option<f64> {
        let law = self.law(policy, seed)?;
        let values = solution::evaluate(&self.inside.process, self.inside.spec.discount, &law)?;
        Some(values[self.inside.start as usize])
    }

    fn optimal_value(&self) -> Option<f64> {
        let optimum = solution::optimal(&self.inside.process, self.inside.spec.discount);
        Some(optimum.values[self.inside.start as usize])
    }
}

fn check_names(market: &Values, key: &str, names: &[String], least: usize, most: usize, faults: &mut Vec<Refusal>) {
    if names.len() < least || names.len() > most {
        let message = format!("`{key}` has {} names", names.len());
        faults.push(Refusal::new(market, key, message, format!("give from {least} to {most}")));
    }
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    for pair in sorted.windows(2).filter(|pair| pair[0] == pair[1]) {
        let message = format!("`{key}` names {:?} twice", pair[0]);
        faults.push(Refusal::new(market, key, message, "names are unique"));
    }
}

#[cfg(test)]
mod tests;
