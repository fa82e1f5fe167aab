//! Environment x policy -> experience: judging a frozen policy, and training an agent.
//!
//! [`judge`] drives a frozen policy over the horizon and keeps a [`Record`] of integers; [`train`] lets an agent act and
//! learn on markets of its own. Work is cut into the shards of the environment, whose size never depends on the number
//! of threads, and what crosses shards is added as integers: the bytes are the same on any number of threads, and
//! whether an uncoupled market runs shard by shard (all ticks of a shard while it is in cache) or tick by tick.

mod judging;
mod learning_series;
mod maturing;
mod periods;
mod record;
mod training;
mod truth;

pub use judging::{DecisionSink, Recorder, judge, judge_by_period};
pub use learning_series::{LearningPoint, LearningSeries};
pub use maturing::Matured;
pub use periods::Period;
pub use record::{CONTACT_BINS, ConsumerRecord, Record};
pub use training::{Learning, TrainingError, train, train_heard};
pub use truth::TickTruth;

use crate::protocol::{Decision, MaskedAction, Observation, Outcome, Policy, Shard, Spec, TrainingPlan, Views};
use crate::random::Seed;

/// What an agent learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reward {
    /// The profit booked in the tick of the decision.
    Tick,
    /// The profit booked in this and the following ticks, `ticks` in all; matured when the window closes.
    Window {
        /// Length of the window.
        ticks: u32,
    },
}

impl Reward {
    /// Ticks that a reward covers, at least 1.
    #[must_use]
    pub fn ticks(self) -> u32 {
        match self {
            Self::Tick => 1,
            Self::Window { ticks } => ticks.max(1),
        }
    }
}

/// The training that every agent gets, bandit or deep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Training {
    /// Passes over the seeds.
    pub episodes: u32,
    /// Seeds of the training markets; each replication derives its own markets from them.
    pub seeds: Vec<u64>,
    /// What is learned from.
    pub reward: Reward,
    /// Whether rewards are counted less what the same consumer earns at the same time where nobody is contacted from the
    /// first tick on, with the same luck. What an action changes is left, and most of the luck is gone: a control variate
    /// by common random numbers, which only a simulator has. The order of policies by their mean rewards is the same either
    /// way, as long as no episode ends before its twin's ([`crate::protocol::Outcome::terminated`]).
    pub less_twin: bool,
    /// Whether orders count by what they come to in expectation, where the environment knows it
    /// ([`Shard::expected_profits`]).
    pub expected_orders: bool,
}

impl Training {
    /// Number of markets that are learned on.
    #[must_use]
    pub fn markets(&self) -> u32 {
        self.episodes.saturating_mul(self.seeds.len() as u32)
    }

    /// What it brings in a market of this shape.
    #[must_use]
    pub fn plan(&self, spec: &Spec) -> TrainingPlan {
        TrainingPlan { markets: self.markets(), ticks: spec.horizon, consumers: spec.consumers }
    }
}

/// What one shard sees, decides and gets in a tick; kept from tick to tick, so that a step allocates nothing.
#[derive(Clone, Debug, Default)]
struct Exchange {
    observation: Observation,
    decision: Decision,
    outcome: Outcome,
}

impl Exchange {
    /// What may be seen, by the policy and by whoever keeps the log; an oracle sees more.
    fn observe(&mut self, shard: &mut dyn Shard, views: Views, policy: &dyn Policy) {
        shard.observe(views, &mut self.observation);
        if let Some(look) = policy.looks_inside() {
            shard.reveal(look, &mut self.observation.latent);
        }
    }

    /// Lives a tick in which nobody is contacted.
    fn leave_alone(&mut self, shard: &mut dyn Shard) -> Result<(), MaskedAction> {
        shard.observe(Views::default(), &mut self.observation);
        self.decision.reset(self.observation.rows());
        shard.step(&self.decision, &mut self.outcome)
    }

    /// Decides and lives the tick that was observed.
    fn act(&mut self, shard: &mut dyn Shard, policy: &dyn Policy, seed: Seed) -> Result<(), MaskedAction> {
        // A frozen policy turns what it sees into one action per row, each with its propensity.
        policy.decide(&self.observation, seed, &mut self.decision);
        // The shard carries the actions out and lives one tick.
        shard.step(&self.decision, &mut self.outcome)
    }
}

/// Powers of the discount factor: the weight of each tick, and of what lies beyond the last one.
#[must_use]
pub fn discount_weights(discount: f64, ticks: u32) -> Vec<f64> {
    let mut weight = 1.0;
    let mut weights = Vec::with_capacity(ticks as usize + 1);
    for _ in 0..=ticks {
        weights.push(weight);
        weight *= discount;
    }
    weights
}

#[cfg(test)]
pub(crate) mod toy;

#[cfg(test)]
mod tests;

#[cfg(test)]
mod one_shot_tests;

#[cfg(test)]
mod truth_tests;
