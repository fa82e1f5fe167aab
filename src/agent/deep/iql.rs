//! Implicit Q-learning from a log: values of the best that the log did, without a look at what it did not.
//!
//! Kostrikov, Nair & Levine 2022, *Offline reinforcement learning with implicit Q-learning*, equations 5 to 7:
//! `L_V = mean |τ - 1(u < 0)| u²` with `u = q'(s, a) - v(s)`, `L_q = mean (r + γ v(s') - q(s, a))²`, and the law by
//! advantage-weighted regression, `L_π = -mean exp(β (q'(s, a) - v(s))) log π(a | s)`, over allowed actions.
//!
//! Differences from the paper:
//! 1. Discrete actions: q has an output for each, and the law is a soft-max.
//! 2. One q and not the lesser of two.
//! 3. Half the squared error for q; one optimiser with one learning rate for all three networks.
//! 4. The law is fitted along with the values, as in the authors' program, and not after them.
//! 5. Returns over several ticks (`steps`), without correction for the law that acted.
//! 6. A time limit is no end: what was seen after the last tick is bootstrapped from, or has the value that records tell.

use super::network::Architecture;
use super::offline::{self, Fitted, Frames, Objective, OfflineLearner, OfflineSettings, Reader};
use super::operation::{chosen, huber, log_softmax};
use super::parameters::read;
use super::settings;
use crate::agent::AgentBuild;
use crate::math;
use crate::protocol::{Agent, Metrics, Spec};
use crate::registry::{Entry, Parameter, Range, Refusal, Tuning, Values};
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Weights of the law's regression go no higher (the authors' program).
const WEIGHT_MAX: f32 = 100.0;

/// `kind = "iql"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: Iql::NAME,
    summary: "the law of a log, bent to what went best in it; gathers first, fits in the end",
    source: "Kostrikov et al. 2022, Offline reinforcement learning with implicit Q-learning",
    parameters: PARAMETERS,
    build: AgentBuild { create, load: OfflineLearner::<Iql>::load },
};

const PARAMETERS: &[Parameter] = &[
    settings::HIDDEN,
    settings::ACTIVATION,
    settings::ACTIONS,
    settings::ENCODER,
    settings::ENCODER_WIDTH,
    Parameter::number(
        "expectile",
        0.7,
        Range { low: 0.0, high: 1.0, low_open: true, high_open: true },
        "expectile τ of what the log's actions are worth: 0.5 is their mean, towards 1 the best of them",
    )
    .tuned(Tuning::Uniform { low: 0.5, high: 0.95 }),
    Parameter::number("temperature", 3.0, Range::NON_NEGATIVE, "β: how much advantage bends the law; 0 clones the log")
        .tuned(Tuning::LogUniform { low: 0.3, high: 30.0 }),
    Parameter::boolean("greedy", false, "take the most probable action instead of drawing"),
    offline::EPSILON_JUDGED,
    settings::DISCOUNT,
    offline::STEPS,
    settings::LEARNING_RATE,
    settings::LEARNING_RATE_END,
    settings::GRADIENT_NORM_MAX,
    offline::BATCH,
    offline::UPDATES,
    Parameter::integer("updates_per_target", 1, 1, 1_000_000, "updates from one of the target network to the next"),
    Parameter::number(
        "target_share",
        0.005,
        Range { low: 0.0, high: 1.0, low_open: true, high_open: false },
        "share by which the target network approaches the online one; 1 copies",
    ),
    offline::MEMORY,
    offline::CONTACT_SHARE,
    settings::NORMALISE,
    settings::REWARD_SCALE,
    offline::NETWORK_SEED,
];

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let epsilon = values.number(offline::EPSILON_JUDGED.name);
    if epsilon > 0.0 && !values.boolean("greedy") {
        return Err(Refusal::new(
            values,
            offline::EPSILON_JUDGED.name,
            format!("epsilon_judged = {epsilon} belongs to a greedy law, and `greedy` is false"),
            "set `greedy = true`, or leave `epsilon_judged` out",
        ));
    }
    let reader = if values.boolean("greedy") { Reader::Greedy(epsilon) } else { Reader::SoftMax };
    let objective =
        Iql { expectile: values.number("expectile") as f32, temperature: values.number("temperature") as f32 };
    Ok(Box::new(OfflineLearner::new(objective, OfflineSettings::new(values, spec, 1, reader)?)))
}

/// The three losses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Iql {
    expectile: f32,
    temperature: f32,
}

impl Iql {
    /// Mean of `|τ - 1(u < 0)| u²` with u = q - v; v is `rows × 1`.
    fn expectile_loss(&self, values: &Tensor, of_actions: &[f32]) -> candle_core::Result<Tensor> {
        // The loss of Huber has half the square.
        let weight = |(q, v): (&f32, &f32)| 2.0 * if q < v { 1.0 - self.expectile } else { self.expectile };
        let weights: Vec<f32> = read(values, |values| of_actions.iter().zip(values).map(weight).collect());
        huber(values, of_actions, &weights, f32::INFINITY)
    }

    /// `exp(β (q - v))`, at most 100.
    fn advantage_weights(&self, values: &[f32], of_actions: &[f32]) -> Vec<f32> {
        let advantage = |(q, v): (&f32, &f32)| self.temperature * (q - v);
        // Beyond this the exponential is above the limit.
        let weight = |power: f32| if power > 5.0 { WEIGHT_MAX } else { math::exp(power).min(WEIGHT_MAX) };
        of_actions.iter().zip(values).map(advantage).map(weight).collect()
    }
}

impl Objective for Iql {
    const NAME: &'static str = "iql";

    fn networks(&self, architecture: &Architecture) -> Vec<(&'static str, Architecture)> {
        vec![("actor.", architecture.clone()), ("q.", architecture.clone()), ("v.", architecture.critic())]
    }

    fn loss(&self, batch: &Frames, fitted: Fitted<'_>) -> candle_core::Result<(Tensor, Metrics)> {
        let Fitted { online, target, .. } = fitted;
        let of_actions = chosen(&target[1].forward(&batch.here)?, &batch.actions, 1)?;
        let of_actions = read(&of_actions, <[f32]>::to_vec);
        let values = online[2].forward(&batch.here)?;
        let value_loss = self.expectile_loss(&values, &of_actions)?;
        let targets = read(&online[2].forward(&batch.beyond)?, |beyond| batch.targets(beyond));
        let predictions = chosen(&online[1].forward(&batch.here)?, &batch.actions, 1)?;
        let action_loss = huber(&predictions, &targets, &batch.even_weights(), f32::INFINITY)?;
        let weights = read(&values, |values| self.advantage_weights(values, &of_actions));
        let weights = Tensor::from_vec(weights, (batch.actions.len(), 1), &Device::Cpu)?;
        let logs = chosen(&log_softmax(&online[0].forward(&batch.here)?, &batch.mask)?, &batch.actions, 1)?;
        let law_loss = (logs * weights)?.mean_all()?.neg()?;
        let of = |tensor: &Tensor| f64::from(read(tensor, |values| values[0]));
        let mean = read(&values, |values| values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64);
        let metrics = vec![
            ("state_value_loss", of(&value_loss)),
            ("action_value_loss", of(&action_loss)),
            ("law_loss", of(&law_loss)),
            ("value_mean", mean),
        ];
        Ok((((value_loss + action_loss)? + law_loss)?, metrics))
    }
}

#[cfg(test)]
mod tests {
    use super::super::trials::{made_of, seen, train};
    use super::*;
    use crate::matrix::Matrix;
    use crate::protocol::Decision;
    use crate::random::Seed;
    use crate::registry::Value;

    /// τ = 0.8: u = 2 counts 0.8 · 4, u = -1 counts 0.2 · 1; the slopes in v are -2 · 0.8 · 2 / 2 and 2 · 0.2 · 1 / 2.
    #[test]
    fn the_expectile_loss_by_hand() {
        let iql = Iql { expectile: 0.8, temperature: 3.0 };
        let values = candle_core::Var::from_vec(vec![1.0f32, 1.0], (2, 1), &Device::Cpu).unwrap();
        let loss = iql.expectile_loss(&values, &[3.0, 0.0]).unwrap();
        assert!((loss.to_scalar::<f32>().unwrap() - (3.2 + 0.2) / 2.0).abs() < 1e-6);
        let slopes = loss.backward().unwrap().get(&values).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!((slopes[0] + 1.6).abs() < 1e-6 && (slopes[1] - 0.2).abs() < 1e-6, "{slopes:?}");
    }

    /// exp(3 · 0.5), exp(-3), and the limit.
    #[test]
    fn the_weights_of_the_law_by_hand() {
        let iql = Iql { expectile: 0.8, temperature: 3.0 };
        let found = iql.advantage_weights(&[1.0, 1.0, 1.0], &[1.5, 0.0, 1e6]);
        for (found, known) in found.iter().zip([4.481_689, 0.049_787, 100.0]) {
            assert!((found - known).abs() < 1e-4, "{found}");
        }
    }

    fn fitted(expectile: f64, temperature: f64) -> Box<dyn Agent> {
        let values = Values::defaults(PARAMETERS)
            .with("hidden", Value::Integers(vec![16]))
            .with("expectile", Value::Number(expectile))
            .with("temperature", Value::Number(temperature))
            .with("learning_rate", Value::Number(5e-3))
            .with("learning_rate_end_share", Value::Number(0.02))
            .with("target_share", Value::Number(0.05))
            .with("batch", Value::Integer(64))
            .with("updates", Value::Integer(2_500));
        let mut agent = made_of(&ENTRY, &values);
        train(&mut agent, 0..4, 4, |_, _| {});
        agent.conclude(Seed::new(3)).unwrap();
        agent
    }

    #[test]
    fn the_best_law_of_two_states_is_found_from_a_uniform_log() {
        let mut decision = Decision::default();
        let mut law = Matrix::default();
        let agent = fitted(0.9, 10.0);
        agent.probabilities(&seen(&[0, 1], 0), Seed::new(1), &mut law);
        assert!(law.get(0, 1) > 0.9 && law.get(1, 0) > 0.9, "{:?} {:?}", law.row(0), law.row(1));
        agent.snapshot().decide(&seen(&[0, 1], 0), Seed::new(1), &mut decision);
        assert!(decision.propensities.iter().all(|p| *p > 0.0));
        // Without temperature it clones the uniform log.
        fitted(0.7, 0.0).probabilities(&seen(&[0, 1], 0), Seed::new(1), &mut law);
        assert!((law.get(0, 1) - 0.5).abs() < 0.1 && (law.get(1, 1) - 0.5).abs() < 0.1);
    }
}
