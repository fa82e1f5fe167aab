//! Keys that agents with a law of their own share, and the settings that they make.

use super::super::frames::FrameShape;
use super::super::network::{Architecture, Scheme};
use super::super::optimizer::Settings;
use super::super::schedule::Schedule;
use super::super::settings;
use super::{PolicyLearner, PolicyLoss};
use crate::protocol::{Agent, Spec};
use crate::random::Seed;
use crate::registry::{Kind, Parameter, Range, Refusal, Tuning, Values};
use serde::{Deserialize, Serialize};

/// Gain of the actor's head, so that the first law is nearly uniform.
const HEAD_GAIN: f64 = 0.01;
/// Added to the root of Adam's mean square.
const ADAM_EPSILON: f64 = 1e-5;

/// Widths of the dense layers of either network.
pub(in crate::agent::deep) const HIDDEN: Parameter = Parameter::of(
    settings::HIDDEN.name,
    Kind::Integers { default: Some(&[64, 64]), minimum: 1, maximum: 4_096 },
    "widths of the dense layers of either network, from the features to the head",
)
.tuned(Tuning::Lists(&[&[32, 32], &[64, 64], &[128, 128]]));

/// What follows each dense layer.
pub(in crate::agent::deep) const ACTIVATION: Parameter =
    Parameter::choice(settings::ACTIVATION.name, "tanh", &["relu", "tanh"], "what follows each dense layer");

/// Where the learning rate goes.
pub(in crate::agent::deep) const LEARNING_RATE_END: Parameter = Parameter::number(
    settings::LEARNING_RATE_END.name,
    0.0,
    Range::PROBABILITY,
    "learning rate at the end of training as a share of that at the beginning, in a straight line",
);

/// Clipping of gradients.
pub(in crate::agent::deep) const GRADIENT_NORM_MAX: Parameter = Parameter::number(
    settings::GRADIENT_NORM_MAX.name,
    0.5,
    Range::POSITIVE,
    "longer gradients, over both networks, are scaled down to this length",
);

const ROLLOUT_TICKS: &str = "rollout_ticks";

/// Ticks of a rollout.
pub(in crate::agent::deep) const fn rollout_ticks(default: i64) -> Parameter {
    Parameter::integer(
        ROLLOUT_TICKS,
        default,
        1,
        100_000,
        "ticks of each followed consumer from one update to the next",
    )
}

/// Bound of a rollout.
pub(in crate::agent::deep) const ROLLOUT_FRAMES_MAX: Parameter = Parameter::integer(
    "rollout_frames_max",
    65_536,
    1,
    100_000_000,
    "frames of a rollout; where all consumers give more, so many of them are followed as give this",
);

/// λ.
pub(in crate::agent::deep) const fn lambda(default: f64) -> Parameter {
    Parameter::number(
        "lambda",
        default,
        Range::PROBABILITY,
        "how far advantages look at rewards before they trust the values of states; 1 is to the end of the rollout",
    )
    .tuned(Tuning::Uniform { low: 0.8, high: 1.0 })
}

/// Weight of the entropy.
pub(in crate::agent::deep) const fn entropy_share(default: f64) -> Parameter {
    Parameter::number("entropy_share", default, Range::NON_NEGATIVE, "weight of the law's entropy in the loss")
        .tuned(Tuning::LogUniform { low: 1e-4, high: 0.1 })
}

/// Weight of the value's loss.
pub(in crate::agent::deep) const VALUE_SHARE: Parameter =
    Parameter::number("value_share", 0.5, Range::NON_NEGATIVE, "weight of the loss of the value");

/// Whether advantages are standardised.
pub(in crate::agent::deep) const fn normalise_advantages(default: bool) -> Parameter {
    Parameter::boolean(
        "normalise_advantages",
        default,
        "bring the advantages of a mini-batch to mean 0 and deviation 1",
    )
}

/// What is judged.
pub(in crate::agent::deep) const JUDGED: Parameter = Parameter::choice(
    "judged",
    "law",
    &["law", "greedy"],
    "what is judged: the law that was learned, or its most probable action",
);

/// How restrained the first law is.
pub(in crate::agent::deep) const CONTACT_SHARE_INITIAL: Parameter = Parameter::optional_number(
    "contact_share_initial",
    Range::open(0.0, 1.0),
    "probability of a message, any, before anything is learned, where all actions are allowed; if absent, all actions \
     are about equally probable, so that training begins by sending nearly every tick",
);

/// Seed of the first weights.
pub(in crate::agent::deep) const NETWORK_SEED: Parameter =
    Parameter::integer("network_seed", 1, 0, i64::MAX, "seed of the initial weights");

/// How a law is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicySettings {
    /// The actor; the critic is the same with one output.
    pub architecture: Architecture,
    /// The optimiser of both.
    pub optimizer: Settings,
    /// Its step, over training.
    pub learning_rate: Schedule,
    /// Discount factor per tick.
    pub discount: f64,
    /// λ of advantages.
    pub lambda: f64,
    /// Frames that can be learned from when an update is due.
    pub rollout_frames: usize,
    /// Only episodes that are over are learned from, unless so many frames wait.
    pub whole_episodes: Option<usize>,
    /// Share of consumers that rollouts follow.
    pub followed: f64,
    /// Passes over a rollout.
    pub epochs: usize,
    /// Parts of a pass.
    pub minibatches: usize,
    /// Whether the advantages of a mini-batch are standardised.
    pub normalise_advantages: bool,
    /// Weight of the entropy.
    pub entropy_share: f64,
    /// Weight of the value's loss.
    pub value_share: f64,
    /// How far a value may move in an update before its loss says so.
    pub value_clip: Option<f64>,
    /// No more passes once the law has moved so far.
    pub target_divergence: Option<f64>,
    /// Whether features are normalised.
    pub normalise: bool,
    /// Multiplies rewards.
    pub reward_scale: f64,
    /// Whether the most probable action is judged, instead of the law.
    pub judged_greedy: bool,
    /// Probability of a message at the beginning; that of a law that is about uniform where absent.
    pub contact_share_initial: Option<f64>,
}

impl PolicySettings {
    /// One pass over a rollout of one frame, from the keys that all agents of this kind have.
    ///
    /// # Errors
    /// Where the market shows nothing that a network could read.
    pub fn of(values: &Values, spec: &Spec) -> Result<Self, Refusal> {
        settings::readable(values, spec)?;
        let architecture = settings::architecture(values, spec, 1, false, Scheme::Orthogonal { head_gain: HEAD_GAIN });
        let rate = values.number(settings::LEARNING_RATE.name);
        Ok(Self {
            architecture,
            optimizer: Settings {
                epsilon: ADAM_EPSILON,
                norm_max: Some(values.number(GRADIENT_NORM_MAX.name)),
                ..Settings::default()
            },
            learning_rate: Schedule::Linear {
                from: rate,
                to: rate * values.number(LEARNING_RATE_END.name),
                until: 1.0,
            },
            discount: values.optional_number(settings::DISCOUNT.name).unwrap_or(spec.discount),
            lambda: 1.0,
            rollout_frames: 1,
            whole_episodes: None,
            followed: 1.0,
            epochs: 1,
            minibatches: 1,
            normalise_advantages: values.boolean("normalise_advantages"),
            entropy_share: values.number("entropy_share"),
            value_share: values.number(VALUE_SHARE.name),
            value_clip: None,
            target_divergence: None,
            normalise: values.boolean(settings::NORMALISE.name),
            reward_scale: values.number(settings::REWARD_SCALE.name),
            judged_greedy: values.text(JUDGED.name) == "greedy",
            contact_share_initial: values.optional_number(CONTACT_SHARE_INITIAL.name),
        })
    }

    /// The same with rollouts of the ticks that the keys ask for, of as many consumers as there is room for.
    #[must_use]
    pub fn by_ticks(self, values: &Values, spec: &Spec) -> Self {
        let ticks = values.integer(ROLLOUT_TICKS) as usize;
        let consumers = spec.consumers.max(1) as usize;
        let followed = (values.integer(ROLLOUT_FRAMES_MAX.name) as usize / ticks).clamp(1, consumers);
        Self { rollout_frames: ticks * followed, followed: followed as f64 / consumers as f64, ..self }
    }
}

/// The agent of this loss and these settings.
pub fn made<L: PolicyLoss>(loss: L, settings: PolicySettings, values: &Values, spec: &Spec) -> Box<dyn Agent> {
    let shape = FrameShape::of(spec, settings::remembered(&settings.architecture));
    Box::new(PolicyLearner::new(loss, settings, shape, Seed::new(values.integer(NETWORK_SEED.name) as u64)))
}
