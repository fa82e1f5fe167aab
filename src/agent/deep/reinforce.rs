//! REINFORCE: what was done is made more probable by as much as the episode earned beyond expectation.
//!
//! Williams 1992, *Simple statistical gradient-following algorithms for connectionist reinforcement learning*, equation 11
//! with a baseline: `loss = mean -(R - V) log π(a | s)`, R all discounted rewards from the decision to the end of the episode,
//! and V, the baseline, fitted to R.
//!
//! Differences from the paper:
//! 1. The baseline is a network of its own (Sutton & Barto 2018, section 13.4), and so is not constant over states.
//! 2. R counts from the decision on (reward to go), and rows are not weighted by `γ^t`: late decisions matter as early ones do.
//! 3. Adam, orthogonal first weights, gradients clipped by their norm; one step for every `batch` decisions of whole
//!    episodes.
//! 4. Every consumer is an episode of their own. A time limit is no end: what was seen after the last tick is worth V, or what
//!    records tell. That alone is bootstrapped from.
//! 5. Where frames of episodes that go on leave no more room, they are learned from as if a time limit had been met.
//! 6. Actions that are masked have probability 0, and no gradient.
//! 7. In a market of more consumers than memory has room for, an addressed draw says of whom episodes are kept.

use super::operation::likelihood;
use super::policy_learner::keys::{
    ACTIVATION, CONTACT_SHARE_INITIAL, GRADIENT_NORM_MAX, HIDDEN, JUDGED, LEARNING_RATE_END, NETWORK_SEED, VALUE_SHARE,
    entropy_share, made, normalise_advantages,
};
use super::policy_learner::{PolicyLearner, PolicyLoss, PolicySettings};
use super::settings;
use crate::agent::AgentBuild;
use crate::protocol::{Agent, Spec};
use crate::registry::{Entry, Parameter, Range, Refusal, Values};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// `kind = "reinforce"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: Reinforce::NAME,
    summary: "a law by a network, pushed by what whole episodes earned beyond a baseline; looks ahead",
    source: "Williams 1992, Simple statistical gradient-following algorithms for connectionist reinforcement learning",
    parameters: PARAMETERS,
    build: AgentBuild { create, load: PolicyLearner::<Reinforce>::load },
};

const PARAMETERS: &[Parameter] = &[
    HIDDEN,
    ACTIVATION,
    settings::ACTIONS,
    settings::ENCODER,
    settings::ENCODER_WIDTH,
    settings::DISCOUNT,
    Parameter::number("learning_rate", 1e-3, Range::POSITIVE, settings::LEARNING_RATE.summary),
    LEARNING_RATE_END,
    GRADIENT_NORM_MAX,
    Parameter::integer("batch", 1_000, 1, 100_000_000, "decisions of whole episodes from one update to the next"),
    Parameter::integer("memory", 100_000, 16, 100_000_000, "frames that wait for the end of their episode, at most"),
    normalise_advantages(false),
    entropy_share(0.0),
    VALUE_SHARE,
    settings::NORMALISE,
    settings::REWARD_SCALE,
    JUDGED,
    CONTACT_SHARE_INITIAL,
    NETWORK_SEED,
];

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let memory = values.integer("memory") as usize;
    // Half of memory for episodes that are over while others go on.
    let frames = f64::from(spec.consumers.max(1)) * (f64::from(spec.horizon) + 1.0);
    let settings = PolicySettings {
        rollout_frames: values.integer("batch") as usize,
        whole_episodes: Some(memory),
        followed: memory as f64 / 2.0 / frames,
        ..PolicySettings::of(values, spec)?
    };
    Ok(made(Reinforce {}, settings, values, spec))
}

/// The likelihood, weighted by what an episode earned beyond its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reinforce {}

impl PolicyLoss for Reinforce {
    const NAME: &'static str = "reinforce";

    fn loss(&self, chosen: &Tensor, _old: &[f32], advantages: &[f32]) -> candle_core::Result<Tensor> {
        likelihood(chosen, advantages)
    }
}
