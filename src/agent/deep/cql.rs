//! Conservative Q-learning from a log: values of actions that the log does not take are pressed down.
//!
//! Kumar et al. 2020, *Conservative Q-learning for offline reinforcement learning*, equation 4, CQL(H), for discrete
//! actions: `α mean(log Σ_a exp q(s, a) - q(s, a_logged))` is added to the loss of DQN with the double choice of the action
//! beyond (van Hasselt et al. 2016), or of QR-DQN (Dabney et al. 2018) where `quantiles` is above 1, q then being the mean
//! of the quantiles. The sum is over allowed actions.
//!
//! Differences from the paper:
//! 1. α is fixed and no multiplier that is tuned; the paper's discrete experiments fix it as well, at 1 or 4.
//! 2. Returns over several ticks (`steps`), without correction for the law that acted.
//! 3. A time limit is no end: what was seen after the last tick is bootstrapped from, or has the value that records tell.
//! 4. The penalty is in units of the reward inside the network: `reward_scale` changes what α means.

use super::network::Architecture;
use super::offline::{self, Fitted, Frames, Objective, OfflineLearner, OfflineSettings, Reader};
use super::operation::{Mask, chosen, huber, log_softmax, quantile_huber};
use super::parameters::read;
use super::settings;
use super::value_learner::best_actions;
use crate::agent::AgentBuild;
use crate::protocol::{Agent, Metrics, Spec};
use crate::registry::{Entry, Parameter, Range, Refusal, Tuning, Values};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// `kind = "cql"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: Cql::NAME,
    summary: "action values from a log, low where the log did not go; gathers first, fits in the end",
    source: "Kumar et al. 2020, Conservative Q-learning for offline reinforcement learning",
    parameters: PARAMETERS,
    build: AgentBuild { create, load: OfflineLearner::<Cql>::load },
};

const PARAMETERS: &[Parameter] = &[
    settings::HIDDEN,
    settings::ACTIVATION,
    settings::ACTIONS,
    settings::ENCODER,
    settings::ENCODER_WIDTH,
    Parameter::number("alpha", 1.0, Range::NON_NEGATIVE, "weight of the penalty; 0 is DQN on a log")
        .tuned(Tuning::LogUniform { low: 0.01, high: 10.0 }),
    Parameter::integer("quantiles", 1, 1, 512, "quantiles of the return of each action; 1 is its mean alone"),
    Parameter::number("huber_width", 1.0, Range::POSITIVE, "errors beyond this count in proportion, not squared"),
    settings::DISCOUNT,
    offline::STEPS,
    settings::LEARNING_RATE,
    settings::LEARNING_RATE_END,
    settings::GRADIENT_NORM_MAX,
    offline::BATCH,
    offline::UPDATES,
    offline::UPDATES_PER_TARGET,
    offline::TARGET_SHARE,
    offline::MEMORY,
    offline::CONTACT_SHARE,
    offline::EPSILON_JUDGED,
    settings::NORMALISE,
    settings::REWARD_SCALE,
    offline::NETWORK_SEED,
];

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let quantiles = values.integer("quantiles") as usize;
    let objective = Cql { alpha: values.number("alpha"), quantiles, huber_width: values.number("huber_width") as f32 };
    let reader = Reader::Greedy(values.number(offline::EPSILON_JUDGED.name));
    Ok(Box::new(OfflineLearner::new(objective, OfflineSettings::new(values, spec, quantiles, reader)?)))
}

/// The loss of values and its penalty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Cql {
    alpha: f64,
    quantiles: usize,
    huber_width: f32,
}

impl Cql {
    /// Mean of `log Σ_a exp q(s, a) - q(s, a_logged)`, which is the cross-entropy of the soft-max of q.
    fn penalty(&self, all: &Tensor, actions: &[u16], mask: &Mask) -> candle_core::Result<Tensor> {
        let means = if self.quantiles == 1 {
            all.clone()
        } else {
            let (rows, width) = all.dims2()?;
            all.reshape((rows, width / self.quantiles, self.quantiles))?.mean(2)?
        };
        chosen(&log_softmax(&means, mask)?, actions, 1)?.mean_all()?.neg()
    }
}

impl Objective for Cql {
    const NAME: &'static str = "cql";

    fn networks(&self, architecture: &Architecture) -> Vec<(&'static str, Architecture)> {
        vec![("", architecture.clone())]
    }

    fn loss(&self, batch: &Frames, fitted: Fitted<'_>) -> candle_core::Result<(Tensor, Metrics)> {
        let Fitted { online, target, .. } = fitted;
        let outputs = self.quantiles;
        let best = best_actions(&online[0].forward(&batch.beyond)?.detach(), &batch.mask_beyond, outputs);
        let beyond = chosen(&target[0].forward(&batch.beyond)?, &best, outputs)?;
        let targets = read(&beyond, |beyond| batch.targets(beyond));
        let all = online[0].forward(&batch.here)?;
        let (predictions, weights) = (chosen(&all, &batch.actions, outputs)?, batch.even_weights());
        let error = if outputs == 1 {
            huber(&predictions, &targets, &weights, self.huber_width)?
        } else {
            quantile_huber(&predictions, &targets, &weights, self.huber_width)?
        };
        let penalty = self.penalty(&all, &batch.actions, &batch.mask)?;
        let of = |tensor: &Tensor| f64::from(read(tensor, |values| values[0]));
        let mean = read(&predictions, |values| values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64);
        let metrics = vec![("value_loss", of(&error)), ("penalty", of(&penalty)), ("value_mean", mean)];
        Ok(((error + (penalty * self.alpha)?)?, metrics))
    }
}

#[cfg(test)]
mod tests {
    use super::super::trials::{made_of, seen, train};
    use super::*;
    use crate::protocol::Decision;
    use crate::random::Seed;
    use crate::registry::Value;
    use candle_core::Device;

    /// q = (ln 1, ln 3, 9), the third not allowed: log 4 - ln 3 for the second action, log 4 for the first. Two quantiles
    /// around the same means give the same.
    #[test]
    fn the_penalty_by_hand() {
        let mask = Mask::new(3, vec![0b011, 0b011]);
        let three = 3f32.ln();
        let expected = (4f32.ln() - three + 4f32.ln()) / 2.0;
        let plain = Tensor::from_vec(vec![0.0, three, 9.0, 0.0, three, 9.0], (2, 3), &Device::Cpu).unwrap();
        let row = [-1.0, 1.0, three - 0.5, three + 0.5, 9.0, 9.0];
        let spread = Tensor::from_vec([row, row].concat(), (2, 6), &Device::Cpu).unwrap();
        for (quantiles, all) in [(1, plain), (2, spread)] {
            let cql = Cql { alpha: 1.0, quantiles, huber_width: 1.0 };
            let found = cql.penalty(&all, &[1, 0], &mask).unwrap().to_scalar::<f32>().unwrap();
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    fn quick(alpha: f64, quantiles: i64) -> Values {
        Values::defaults(PARAMETERS)
            .with("hidden", Value::Integers(vec![16]))
            .with("alpha", Value::Number(alpha))
            .with("quantiles", Value::Integer(quantiles))
            .with("learning_rate", Value::Number(5e-3))
            .with("learning_rate_end_share", Value::Number(0.02))
            .with("batch", Value::Integer(64))
            .with("updates", Value::Integer(2_000))
            .with("updates_per_target", Value::Integer(40))
    }

    fn best(values: &Values) -> Vec<u16> {
        let mut agent = made_of(&ENTRY, values);
        train(&mut agent, 0..4, 4, |_, _| {});
        agent.conclude(Seed::new(3)).unwrap();
        let mut decision = Decision::default();
        agent.snapshot().decide(&seen(&[0, 1], 0), Seed::new(1), &mut decision);
        assert_eq!(decision.propensities, [1.0, 1.0]);
        decision.actions
    }

    #[test]
    fn the_best_law_of_two_states_is_found_from_a_uniform_log() {
        assert_eq!(best(&quick(0.1, 1)), [1, 0]);
        assert_eq!(best(&quick(0.1, 8)), [1, 0]);
    }

    /// The log hardly ever goes: with a heavy penalty the law stays with what the log does, with none it does what is best.
    #[test]
    fn a_heavy_penalty_stays_where_the_log_is() {
        let rarely = |alpha| quick(alpha, 1).with("contact_share", Value::Number(0.1));
        assert_eq!(best(&rarely(0.0)), [1, 0]);
        assert_eq!(best(&rarely(50.0)), [0, 0]);
    }
}
