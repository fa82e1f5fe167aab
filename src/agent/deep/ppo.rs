//! PPO: a law that is pushed only as far as its old form can vouch for.
//!
//! Schulman et al. 2017, *Proximal policy optimization algorithms*, equations 7 and 9, with advantages by Schulman et al.
//! 2016: several passes over each rollout in mini-batches, the loss
//! `mean max(-ρ A, -clip(ρ, 1 ± clip) A) + value_share · mean (V - R)² / 2 - entropy_share · mean entropy`.
//!
//! Differences from the paper, most of them details that Huang et al. 2022 (*The 37 implementation details of proximal
//! policy optimization*) name:
//! 1. Separate networks for law and value, orthogonal first weights with gain 0.01 in the head of the law, Adam with epsilon
//!    1e-5, gradients clipped by their norm over both, a learning rate that falls to 0 in a straight line.
//! 2. Advantages are standardised in each mini-batch (`normalise_advantages`).
//! 3. Options: `value_clip`, off unless given; `kl_max` ends the passes of an update early.
//! 4. Every consumer is an episode of their own. A rollout ends for a consumer where what follows their last frame was seen:
//!    that frame itself waits for the next rollout, in which it counts by the law that made it.
//! 5. A time limit is no end: what was seen after the last tick is bootstrapped from, or has the value that records tell. CleanRL
//!    counts a time limit as an end.
//! 6. Actions that are masked have probability 0, no gradient, and no part in the entropy (Huang & Ontañón 2022).
//! 7. In a market of more consumers than a rollout has room for, an addressed draw says whom rollouts follow.

use super::operation::clipped_likelihood;
use super::policy_learner::keys::{
    ACTIVATION, CONTACT_SHARE_INITIAL, GRADIENT_NORM_MAX, HIDDEN, JUDGED, LEARNING_RATE_END, NETWORK_SEED,
    ROLLOUT_FRAMES_MAX, VALUE_SHARE, entropy_share, lambda, made, normalise_advantages, rollout_ticks,
};
use super::policy_learner::{PolicyLearner, PolicyLoss, PolicySettings};
use super::settings;
use crate::agent::AgentBuild;
use crate::protocol::{Agent, Spec};
use crate::registry::{Entry, Parameter, Range, Refusal, Tuning, Values};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// `kind = "ppo"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: Ppo::NAME,
    summary: "a law by a network, pushed in small steps towards what did better than expected; looks ahead",
    source: "Schulman et al. 2017, Proximal policy optimization algorithms",
    parameters: PARAMETERS,
    build: AgentBuild { create, load: PolicyLearner::<Ppo>::load },
};

const PARAMETERS: &[Parameter] = &[
    HIDDEN,
    ACTIVATION,
    settings::ACTIONS,
    settings::ENCODER,
    settings::ENCODER_WIDTH,
    settings::DISCOUNT,
    lambda(0.95),
    settings::LEARNING_RATE,
    LEARNING_RATE_END,
    GRADIENT_NORM_MAX,
    rollout_ticks(128),
    ROLLOUT_FRAMES_MAX,
    Parameter::integer("epochs", 4, 1, 1_000, "passes over each rollout"),
    Parameter::integer("minibatches", 4, 1, 100_000, "parts of a pass, each a step of the optimiser"),
    Parameter::number(
        "clip",
        0.2,
        Range::POSITIVE,
        "the ratio of new to old probability earns nothing beyond 1 ± this",
    )
    .tuned(Tuning::Uniform { low: 0.1, high: 0.3 }),
    Parameter::optional_number(
        "value_clip",
        Range::POSITIVE,
        "a value earns nothing by moving further than this in an update, in scaled rewards; any distance if absent",
    ),
    Parameter::optional_number(
        "kl_max",
        Range::POSITIVE,
        "an update makes no further pass when the law's mean divergence in the last exceeds this",
    ),
    normalise_advantages(true),
    entropy_share(0.01),
    VALUE_SHARE,
    settings::NORMALISE,
    settings::REWARD_SCALE,
    JUDGED,
    CONTACT_SHARE_INITIAL,
    NETWORK_SEED,
];

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let settings = PolicySettings {
        lambda: values.number("lambda"),
        epochs: values.integer("epochs") as usize,
        minibatches: values.integer("minibatches") as usize,
        value_clip: values.optional_number("value_clip"),
        target_divergence: values.optional_number("kl_max"),
        ..PolicySettings::of(values, spec)?.by_ticks(values, spec)
    };
    Ok(made(Ppo { clip: values.number("clip") as f32 }, settings, values, spec))
}

/// The clipped objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Ppo {
    clip: f32,
}

impl PolicyLoss for Ppo {
    const NAME: &'static str = "ppo";

    fn loss(&self, chosen: &Tensor, old: &[f32], advantages: &[f32]) -> candle_core::Result<Tensor> {
        clipped_likelihood(chosen, old, advantages, self.clip)
    }

    fn clip_width(&self) -> Option<f32> {
        Some(self.clip)
    }
}
