//! DQN: action values by a network, learned from replay, with a target network.
//!
//! Mnih et al. 2015, *Human-level control through deep reinforcement learning*, algorithm 1:
//! `loss = h(q(s, a) - (r + γ max_a' q'(s', a')))`, over allowed a'.
//!
//! Differences from the paper:
//! 1. Options that Hessel et al. 2018 (*Rainbow*) combine: `double` (van Hasselt et al. 2016), `dueling` (Wang et al. 2016),
//!    `steps` (returns over several ticks, without correction for the law that acted), `prioritised` (Schaul et al. 2016).
//! 2. Adam instead of RMSProp, and gradients clipped by their norm; the loss is Huber's, whose slope the paper clips to
//!    the same effect.
//! 3. Every consumer is an episode of their own; frames of all of them stand in one memory.
//! 4. A time limit is no end: what was seen after the last tick is bootstrapped from, or has the value that records tell.
//! 5. Exploration falls in a straight line over a share of the training that is planned, and is 0 in the frozen law unless
//!    `epsilon_judged` says otherwise.
//! 6. Actions that are masked are neither taken nor counted in the maximum.

use super::frames::FrameShape;
use super::network::Scheme;
use super::operation::huber;
use super::optimizer::Settings;
use super::parameters::read;
use super::replay::ReplaySettings;
use super::schedule::Schedule;
use super::settings;
use super::value_learner::{ValueLearner, ValueLoss, ValueSettings};
use crate::agent::AgentBuild;
use crate::protocol::{Agent, Spec};
use crate::random::Seed;
use crate::registry::{Entry, Parameter, Range, Refusal, Tuning, Values};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// `kind = "dqn"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: Dqn::NAME,
    summary: "action values by a network, learned from replay with a target network; looks ahead",
    source: "Mnih et al. 2015, Human-level control through deep reinforcement learning",
    parameters: PARAMETERS,
    build: AgentBuild { create, load: ValueLearner::<Dqn>::load },
};

pub(super) const PARAMETERS: &[Parameter] = &[
    settings::HIDDEN,
    settings::ACTIVATION,
    settings::ACTIONS,
    settings::ENCODER,
    settings::ENCODER_WIDTH,
    Parameter::boolean("double", true, "the online network chooses the action whose target value counts"),
    Parameter::boolean("dueling", false, "a stream for the state and one for the advantages of actions"),
    Parameter::integer("steps", 1, 1, 100, "ticks of a return before the value of what follows")
        .tuned(Tuning::Integers(&[1, 2, 3, 5])),
    Parameter::boolean("prioritised", false, "draw frames by the size of their last error"),
    Parameter::number("priority_exponent", 0.6, Range::PROBABILITY, "how much errors matter; 0 is uniform"),
    Parameter::number(
        "importance_exponent",
        0.4,
        Range::PROBABILITY,
        "how much unequal chances are made good for at the beginning; rises to 1",
    ),
    settings::DISCOUNT,
    settings::LEARNING_RATE,
    settings::LEARNING_RATE_END,
    settings::GRADIENT_NORM_MAX,
    Parameter::number("huber_width", 1.0, Range::POSITIVE, "errors beyond this count in proportion, not squared"),
    Parameter::integer("batch", 128, 1, 65_536, "frames of an update"),
    Parameter::integer("decisions_per_update", 10, 1, 1_000_000, "decisions from one update to the next"),
    Parameter::integer("decisions_before", 1_000, 0, 1_000_000_000, "decisions before the first update"),
    Parameter::integer("updates_per_target", 50, 1, 1_000_000, "updates from one of the target network to the next")
        .tuned(Tuning::LogInteger { low: 10, high: 500 }),
    Parameter::number(
        "target_share",
        1.0,
        Range { low: 0.0, high: 1.0, low_open: true, high_open: false },
        "share by which the target network approaches the online one; 1 copies",
    ),
    Parameter::integer("memory", 100_000, 16, 100_000_000, "frames that are remembered"),
    Parameter::number("epsilon", 1.0, Range::PROBABILITY, "share of random decisions at the beginning of training"),
    Parameter::number("epsilon_end", 0.05, Range::PROBABILITY, "share of random decisions in the end")
        .tuned(Tuning::LogUniform { low: 0.005, high: 0.3 }),
    Parameter::number(
        "epsilon_until",
        0.5,
        Range { low: 0.0, high: 1.0, low_open: true, high_open: false },
        "share of training after which it is reached",
    ),
    Parameter::number("epsilon_judged", 0.0, Range::PROBABILITY, "share of random decisions when it is judged"),
    settings::NORMALISE,
    settings::REWARD_SCALE,
    Parameter::integer("network_seed", 1, 0, i64::MAX, "seed of the initial weights"),
];

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let loss = Dqn { huber_width: values.number("huber_width") as f32 };
    let (settings, shape) = value_settings(values, spec, 1)?;
    Ok(Box::new(ValueLearner::new(loss, settings, shape, Seed::new(values.integer("network_seed") as u64))))
}

/// The settings of an agent with the keys of this one, and what its memory keeps.
pub(super) fn value_settings(
    values: &Values,
    spec: &Spec,
    outputs: usize,
) -> Result<(ValueSettings, FrameShape), Refusal> {
    let dueling = values.boolean("dueling");
    if dueling && values.integers(settings::HIDDEN.name).is_empty() {
        return Err(Refusal::new(
            values,
            settings::HIDDEN.name,
            "a dueling network has a hidden layer in each stream, and `hidden` is empty",
            "give `hidden` at least one width, or leave `dueling` out",
        ));
    }
    settings::readable(values, spec)?;
    let capacity = values.integer("memory") as usize;
    let (steps, batch_rows) = (values.integer("steps") as usize, values.integer("batch") as usize);
    let architecture = settings::architecture(values, spec, outputs, dueling, Scheme::Kaiming);
    let shape = FrameShape::of(spec, settings::remembered(&architecture));
    let rate = values.number(settings::LEARNING_RATE.name);
    let line = |from, to, until| Schedule::Linear { from, to, until };
    let settings = ValueSettings {
        architecture,
        replay: ReplaySettings {
            capacity,
            steps,
            discount: values.optional_number(settings::DISCOUNT.name).unwrap_or(spec.discount),
            alpha: values.boolean("prioritised").then(|| values.number("priority_exponent")),
        },
        optimizer: Settings { norm_max: Some(values.number(settings::GRADIENT_NORM_MAX.name)), ..Settings::default() },
        learning_rate: line(rate, rate * values.number(settings::LEARNING_RATE_END.name), 1.0),
        epsilon: line(values.number("epsilon"), values.number("epsilon_end"), values.number("epsilon_until")),
        epsilon_judged: values.number("epsilon_judged"),
        beta: line(values.number("importance_exponent"), 1.0, 1.0),
        double: values.boolean("double"),
        batch_rows,
        decisions_per_update: values.integer("decisions_per_update") as u64,
        decisions_before: values.integer("decisions_before") as u64,
        updates_per_target: values.integer("updates_per_target") as u64,
        target_share: values.number("target_share"),
        normalise: values.boolean(settings::NORMALISE.name),
        reward_scale: values.number(settings::REWARD_SCALE.name),
        // Half of memory for frames that wait for what follows.
        followed: capacity as f64 / 2.0 / (f64::from(spec.consumers.max(1)) * (steps + 1) as f64),
    };
    Ok((settings, shape))
}

/// The loss of one value for each action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Dqn {
    huber_width: f32,
}

impl ValueLoss for Dqn {
    const NAME: &'static str = "dqn";

    fn loss(&self, predictions: &Tensor, targets: &[f32], weights: &[f32]) -> candle_core::Result<(Tensor, Vec<f32>)> {
        let errors = read(predictions, |values| values.iter().zip(targets).map(|(v, t)| (v - t).abs()).collect());
        Ok((huber(predictions, targets, weights, self.huber_width)?, errors))
    }
}

#[cfg(test)]
mod tests;
