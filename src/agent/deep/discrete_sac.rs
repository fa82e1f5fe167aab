//! Soft actor-critic for discrete actions: the law that earns most where its entropy is paid for as well.
//!
//! Christodoulou 2019, *Soft actor-critic for discrete action settings*, equations 10 to 12 and algorithm 1, after Haarnoja et
//! al. 2018. With the law π, twin values q₁ and q₂ with targets q₁' and q₂', and the temperature α:
//!
//! * values: half of `mean (q_i(s, a) - (r + γ Σ_b π(b | s') (min_i q_i'(s', b) - α ln π(b | s'))))²`;
//! * law: `mean Σ_b π(b | s) (α ln π(b | s) - min_i q_i(s, b))`;
//! * temperature: `ln α · mean (H(π(s)) - share · ln n(s))` with n(s) allowed actions.
//!
//! Differences from the paper:
//! 1. Sums and entropies are over allowed actions; the entropy that is aimed at is a share of the greatest that the mask of
//!    each row leaves, where the paper has one number (0.98 ln n).
//! 2. The loss of the temperature is in `ln α`, as in the author's program.
//! 3. One optimiser with one learning rate for all networks and the temperature, and gradients clipped by their norm over
//!    them; the paper clips nothing.
//! 4. It acts by the even law until the first update, as the author's program does at first.
//! 5. Returns over several ticks (`steps`), without correction for the law that acted, and without its entropy in between.
//! 6. Every consumer is an episode of their own; in a market of more consumers than memory has room for, an addressed draw
//!    says of whom it keeps frames.
//! 7. A time limit is no end: what was seen after the last tick is bootstrapped from, or has the value that records tell.

mod learner;

use super::network::Architecture;
use super::objective::{Fitted, Frames, Objective};
use super::operation::{Mask, chosen, entropy, expectation, huber, log_softmax};
use super::parameters::read;
use super::policy_learner::keys::JUDGED;
use super::{offline, settings};
use crate::agent::AgentBuild;
use crate::math;
use crate::protocol::{Agent, Metrics, Spec};
use crate::registry::{Entry, Parameter, Range, Refusal, Tuning, Values};
use candle_core::{Device, Tensor};
use learner::SoftLearner;
use serde::{Deserialize, Serialize};

/// Logarithms of temperatures are read within this: beyond, the reward or the entropy is all there is.
const LOG_TEMPERATURE_MAX: f32 = 20.0;

/// `kind = "discrete_sac"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: DiscreteSac::NAME,
    summary: "a law by a network that is paid for its entropy, from replay with twin values; looks ahead",
    source: "Christodoulou 2019, Soft actor-critic for discrete action settings",
    parameters: PARAMETERS,
    build: AgentBuild { create, load: SoftLearner::load },
};

const PARAMETERS: &[Parameter] = &[
    settings::HIDDEN,
    settings::ACTIVATION,
    settings::ACTIONS,
    settings::ENCODER,
    settings::ENCODER_WIDTH,
    Parameter::number(
        "entropy_target",
        0.5,
        Range::PROBABILITY,
        "entropy that the law is held to, as a share of the greatest among allowed actions",
    )
    .tuned(Tuning::Uniform { low: 0.05, high: 0.95 }),
    Parameter::number("temperature", 1.0, Range::POSITIVE, "what entropy is worth in scaled rewards at the beginning"),
    settings::DISCOUNT,
    offline::STEPS,
    settings::LEARNING_RATE,
    settings::LEARNING_RATE_END,
    settings::GRADIENT_NORM_MAX,
    Parameter::integer(offline::BATCH.name, 128, 1, 65_536, "frames of an update"),
    learner::DECISIONS_PER_UPDATE,
    learner::DECISIONS_BEFORE,
    Parameter::integer(
        offline::UPDATES_PER_TARGET.name,
        1,
        1,
        1_000_000,
        "updates from one of the target networks to the next",
    ),
    Parameter::number(
        offline::TARGET_SHARE.name,
        0.005,
        Range { low: 0.0, high: 1.0, low_open: true, high_open: false },
        "share by which the target networks approach the online ones; 1 copies",
    ),
    Parameter::integer(offline::MEMORY.name, 100_000, 16, 100_000_000, "frames that are remembered"),
    settings::NORMALISE,
    settings::REWARD_SCALE,
    JUDGED,
    offline::NETWORK_SEED,
];

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let objective = DiscreteSac {
        entropy_target: values.number("entropy_target") as f32,
        temperature: values.number("temperature") as f32,
    };
    Ok(Box::new(SoftLearner::new(objective, values, spec)?))
}

/// The losses of both values, the law and the temperature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct DiscreteSac {
    entropy_target: f32,
    temperature: f32,
}

/// The lesser of twin values.
fn lesser(twins: [&Tensor; 2]) -> Vec<f32> {
    let [first, second] = twins;
    read(first, |first| read(second, |second| first.iter().zip(second).map(|(a, b)| a.min(*b)).collect()))
}

/// α from `ln α`.
fn temperature(log: &Tensor) -> f32 {
    math::exp(read(log, |log| log[0]).clamp(-LOG_TEMPERATURE_MAX, LOG_TEMPERATURE_MAX))
}

/// `Σ π (q - α ln π)` of each row.
fn soft_values(logs: &Tensor, least: &[f32], temperature: f32) -> candle_core::Result<Vec<f32>> {
    let expected = expectation(logs, least)?;
    let paid = entropy(logs)?;
    Ok(read(&expected, |expected| {
        read(&paid, |paid| expected.iter().zip(paid).map(|(value, entropy)| value + temperature * entropy).collect())
    }))
}

impl DiscreteSac {
    /// `ln α · mean (H - share · ln n)`; H has no gradient here.
    fn temperature_loss(&self, log: &Tensor, entropies: &[f32], mask: &Mask) -> candle_core::Result<Tensor> {
        let excess = |(row, entropy): (usize, &f32)| {
            let allowed: u32 = mask.row(row).iter().map(|word| word.count_ones()).sum();
            f64::from(entropy - self.entropy_target * math::ln(allowed.max(1) as f32))
        };
        let sum: f64 = entropies.iter().enumerate().map(excess).sum();
        let mean = Tensor::from_vec(vec![(sum / entropies.len().max(1) as f64) as f32], 1, &Device::Cpu)?;
        (log * mean)?.sum_all()
    }
}

impl Objective for DiscreteSac {
    const NAME: &'static str = "discrete_sac";

    fn networks(&self, architecture: &Architecture) -> Vec<(&'static str, Architecture)> {
        ["actor.", "q_1.", "q_2."].map(|prefix| (prefix, architecture.clone())).into()
    }

    fn numbers(&self) -> Vec<(&'static str, f32)> {
        vec![("log_temperature", math::ln(self.temperature))]
    }

    fn loss(&self, batch: &Frames, fitted: Fitted<'_>) -> candle_core::Result<(Tensor, Metrics)> {
        let Fitted { online, target, numbers } = fitted;
        let alpha = temperature(&numbers[0]);
        let logs_beyond = log_softmax(&online[0].forward(&batch.beyond)?.detach(), &batch.mask_beyond)?;
        let least_beyond = lesser([&target[1].forward(&batch.beyond)?, &target[2].forward(&batch.beyond)?]);
        let targets = batch.targets(&soft_values(&logs_beyond, &least_beyond, alpha)?);
        let twins = [online[1].forward(&batch.here)?, online[2].forward(&batch.here)?];
        let value_loss =
            |all: &Tensor| huber(&chosen(all, &batch.actions, 1)?, &targets, &batch.even_weights(), f32::INFINITY);
        let values = (value_loss(&twins[0])? + value_loss(&twins[1])?)?;
        let logs = log_softmax(&online[0].forward(&batch.here)?, &batch.mask)?;
        let entropies = entropy(&logs)?;
        let earned = expectation(&logs, &lesser([&twins[0], &twins[1]]))?.mean_all()?;
        let law = ((entropies.mean_all()? * f64::from(-alpha))? - earned)?;
        let heat = read(&entropies, |entropies| self.temperature_loss(&numbers[0], entropies, &batch.mask))?;
        let of = |tensor: &Tensor| f64::from(read(tensor, |values| values[0]));
        let mean = |values: &[f32]| values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len().max(1) as f64;
        let metrics = vec![
            ("value_loss", of(&values)),
            ("law_loss", of(&law)),
            ("entropy", read(&entropies, mean)),
            ("temperature", f64::from(alpha)),
            ("target_mean", mean(&targets)),
        ];
        Ok((((values + law)? + heat)?, metrics))
    }
}

#[cfg(test)]
mod tests;
