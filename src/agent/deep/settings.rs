//! Keys that agents on networks share: declared once, read once.

use super::encoder::{EncoderKind, EncoderShape};
use super::network::{Actions, Architecture, Scheme};
use super::operation::Activation;
use crate::protocol::{Events, Observation, Spec, Transitions};
use crate::registry::{Kind, Parameter, Range, Refusal, Values};

/// Widths of the dense layers.
pub(super) const HIDDEN: Parameter = Parameter::of(
    "hidden",
    Kind::Integers { default: Some(&[128, 128]), minimum: 1, maximum: 4_096 },
    "widths of the dense layers, from the features to the head",
);

/// What follows each dense layer.
pub(super) const ACTIVATION: Parameter =
    Parameter::choice("activation", "relu", &["relu", "tanh"], "what follows each dense layer");

/// Whether actions share weights.
pub(super) const ACTIONS: Parameter = Parameter::choice(
    "actions",
    "auto",
    &["auto", "flat", "factored"],
    "weights of an action: its own, or the sum of those of its channel, hour, offer and creative; `auto` takes the sum \
     above 32 actions",
);

/// How the last events are read.
pub(super) const ENCODER: Parameter = Parameter::choice(
    "encoder",
    "none",
    &["none", "gru", "transformer"],
    "how the last events of a consumer are read beside the features",
);

/// Numbers that the encoder gives.
pub(super) const ENCODER_WIDTH: Parameter =
    Parameter::integer("encoder_width", 32, 1, 96, "numbers that the encoder makes of the last events");

/// The step of the optimiser.
pub(super) const LEARNING_RATE: Parameter =
    Parameter::number("learning_rate", 2.5e-4, Range::POSITIVE, "step of the optimiser at the beginning");

/// The step of the optimiser at the end.
pub(super) const LEARNING_RATE_END: Parameter = Parameter::number(
    "learning_rate_end_share",
    1.0,
    Range::PROBABILITY,
    "learning rate at the end of training as a share of that at the beginning, in a straight line",
);

/// Clipping of gradients.
pub(super) const GRADIENT_NORM_MAX: Parameter =
    Parameter::number("gradient_norm_max", 10.0, Range::POSITIVE, "longer gradients are scaled down to this length");

/// Whether features are normalised.
pub(super) const NORMALISE: Parameter = Parameter::boolean(
    "normalise",
    false,
    "take from each feature its running mean and divide by its running deviation; the market standardises already",
);

/// Unit of rewards inside the network.
pub(super) const REWARD_SCALE: Parameter = Parameter::number(
    "reward_scale",
    1.0,
    Range::POSITIVE,
    "rewards are multiplied by this before they are learned from",
);

/// The discount factor.
pub(super) const DISCOUNT: Parameter = Parameter::optional_number(
    "discount",
    Range::closed(0.0, 1.0),
    "discount factor per tick; that of the scenario if absent. What records tell of the time beyond the horizon counts with that one only",
);

/// Refuses a market that shows nothing that a network could read.
pub(super) fn readable(values: &Values, spec: &Spec) -> Result<(), Refusal> {
    if spec.features.is_empty() {
        return Err(Refusal::new(
            values,
            HIDDEN.name,
            "this market shows no features, so that a network has nothing to read",
            "take a bandit that looks at no feature, such as `ucb1`",
        ));
    }
    Ok(())
}

/// The network that these values ask for.
pub(super) fn architecture(
    values: &Values,
    spec: &Spec,
    outputs: usize,
    dueling: bool,
    scheme: Scheme,
) -> Architecture {
    let kind = match values.text(ENCODER.name) {
        "gru" => Some(EncoderKind::Gru),
        "transformer" => Some(EncoderKind::Transformer),
        _ => None,
    };
    let width = values.integer(ENCODER_WIDTH.name) as usize;
    Architecture {
        features: spec.features.len(),
        encoder: kind.map(|kind| EncoderShape::new(kind, width, spec)),
        widths: values.integers(HIDDEN.name).iter().map(|width| *width as usize).collect(),
        activation: if values.text(ACTIVATION.name) == "tanh" { Activation::Tanh } else { Activation::Relu },
        actions: Actions::choose(values.text(ACTIONS.name), spec),
        outputs,
        dueling,
        scheme,
    }
}

/// Events that a frame must keep for this network.
pub(super) fn remembered(architecture: &Architecture) -> usize {
    if architecture.encoder.is_some() { Events::REMEMBERED_MAX } else { 0 }
}

/// What of an observation cannot be learned from, if anything: a number that is none.
pub(super) fn fault(observation: &Observation) -> Option<&'static str> {
    let features = &observation.features;
    let sound =
        (0..features.rows()).all(|row| (0..features.columns()).all(|column| features.get(row, column).is_finite()));
    (!sound).then_some("a feature")
}

/// What of a batch cannot be learned from, if anything.
pub(super) fn fault_of(batch: &Transitions<'_>) -> Option<&'static str> {
    if batch.rewards.iter().all(|reward| reward.is_finite()) { fault(batch.observation) } else { Some("a reward") }
}
