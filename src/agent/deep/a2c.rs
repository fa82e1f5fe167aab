//! A2C: after every few ticks, one step towards what did better than the value of the state promised.
//!
//! Mnih et al. 2016, *Asynchronous methods for deep reinforcement learning*, algorithm S3, all actors in step:
//! `loss = mean -A log π(a | s) + value_share · mean (V - R)² / 2 - entropy_share · mean entropy`, R over the ticks of a
//! rollout and then V.
//!
//! Differences from the paper:
//! 1. The consumers of a market are the actors, and one step is made from all of them together; nothing is asynchronous.
//! 2. Adam instead of RMSProp; separate networks for law and value, orthogonal first weights, gradients clipped by their norm.
//! 3. `lambda` below 1 takes the advantages of Schulman et al. 2016.
//! 4. The newest frame of a consumer waits for the next rollout, in which it counts as any other.
//! 5. A time limit is no end: what was seen after the last tick is bootstrapped from, or has the value that records tell.
//! 6. Actions that are masked have probability 0, no gradient, and no part in the entropy.
//! 7. In a market of more consumers than a rollout has room for, an addressed draw says whom rollouts follow.

use super::operation::likelihood;
use super::policy_learner::keys::{
    ACTIVATION, CONTACT_SHARE_INITIAL, GRADIENT_NORM_MAX, HIDDEN, JUDGED, LEARNING_RATE_END, NETWORK_SEED,
    ROLLOUT_FRAMES_MAX, VALUE_SHARE, entropy_share, lambda, made, normalise_advantages, rollout_ticks,
};
use super::policy_learner::{PolicyLearner, PolicyLoss, PolicySettings};
use super::settings;
use crate::agent::AgentBuild;
use crate::protocol::{Agent, Spec};
use crate::registry::{Entry, Parameter, Range, Refusal, Values};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// `kind = "a2c"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: A2c::NAME,
    summary: "a law by a network, one step every few ticks towards what did better than expected; looks ahead",
    source: "Mnih et al. 2016, Asynchronous methods for deep reinforcement learning",
    parameters: PARAMETERS,
    build: AgentBuild { create, load: PolicyLearner::<A2c>::load },
};

const PARAMETERS: &[Parameter] = &[
    HIDDEN,
    ACTIVATION,
    settings::ACTIONS,
    settings::ENCODER,
    settings::ENCODER_WIDTH,
    settings::DISCOUNT,
    lambda(1.0),
    Parameter::number("learning_rate", 7e-4, Range::POSITIVE, settings::LEARNING_RATE.summary),
    LEARNING_RATE_END,
    GRADIENT_NORM_MAX,
    rollout_ticks(5),
    ROLLOUT_FRAMES_MAX,
    normalise_advantages(false),
    entropy_share(0.01),
    VALUE_SHARE,
    settings::NORMALISE,
    settings::REWARD_SCALE,
    JUDGED,
    CONTACT_SHARE_INITIAL,
    NETWORK_SEED,
];

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let settings =
        PolicySettings { lambda: values.number("lambda"), ..PolicySettings::of(values, spec)?.by_ticks(values, spec) };
    Ok(made(A2c {}, settings, values, spec))
}

/// The likelihood, weighted by advantages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct A2c {}

impl PolicyLoss for A2c {
    const NAME: &'static str = "a2c";

    fn loss(&self, chosen: &Tensor, _old: &[f32], advantages: &[f32]) -> candle_core::Result<Tensor> {
        likelihood(chosen, advantages)
    }
}
