//! Fitted Q iteration from a log, with a network.
//!
//! Ernst, Geurts & Wehenkel 2005, *Tree-based batch mode reinforcement learning*; Riedmiller 2005, *Neural fitted Q
//! iteration*: `q_k ← regression of r + γ max_a' q_{k-1}(s', a') on (s, a)`, over allowed a'; k is
//! `updates / updates_per_target`.
//!
//! Differences from the papers:
//! 1. A regression begins with the network of the one before and takes `updates_per_target` steps of Adam on drawn frames;
//!    Ernst et al. grow trees anew, Riedmiller takes Rprop on all frames.
//! 2. Returns over several ticks (`steps`), without correction for the law that acted.
//! 3. A time limit is no end: what was seen after the last tick is bootstrapped from, or has the value that records tell.

use super::network::Architecture;
use super::offline::{self, Fitted, Frames, Objective, OfflineLearner, OfflineSettings, Reader};
use super::operation::{chosen, huber};
use super::parameters::read;
use super::settings;
use super::value_learner::best_actions;
use crate::agent::AgentBuild;
use crate::protocol::{Agent, Metrics, Spec};
use crate::registry::{Entry, Parameter, Refusal, Values};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// `kind = "fitted_q"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: FittedQ::NAME,
    summary: "action values by repeated regressions on a log, with a network; gathers first, fits in the end",
    source: "Ernst et al. 2005, Tree-based batch mode reinforcement learning; Riedmiller 2005",
    parameters: PARAMETERS,
    build: AgentBuild { create, load: OfflineLearner::<FittedQ>::load },
};

const PARAMETERS: &[Parameter] = &[
    settings::HIDDEN,
    settings::ACTIVATION,
    settings::ACTIONS,
    settings::ENCODER,
    settings::ENCODER_WIDTH,
    settings::DISCOUNT,
    offline::STEPS,
    settings::LEARNING_RATE,
    settings::LEARNING_RATE_END,
    settings::GRADIENT_NORM_MAX,
    offline::BATCH,
    offline::UPDATES,
    offline::UPDATES_PER_TARGET,
    offline::MEMORY,
    offline::CONTACT_SHARE,
    offline::EPSILON_JUDGED,
    settings::NORMALISE,
    settings::REWARD_SCALE,
    offline::NETWORK_SEED,
];

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let reader = Reader::Greedy(values.number(offline::EPSILON_JUDGED.name));
    Ok(Box::new(OfflineLearner::new(FittedQ {}, OfflineSettings::new(values, spec, 1, reader)?)))
}

/// Half the squared error of one value for each action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FittedQ {}

impl Objective for FittedQ {
    const NAME: &'static str = "fitted_q";

    fn networks(&self, architecture: &Architecture) -> Vec<(&'static str, Architecture)> {
        vec![("", architecture.clone())]
    }

    fn loss(&self, batch: &Frames, fitted: Fitted<'_>) -> candle_core::Result<(Tensor, Metrics)> {
        let Fitted { online, target, .. } = fitted;
        let beyond = target[0].forward(&batch.beyond)?;
        let best = chosen(&beyond, &best_actions(&beyond, &batch.mask_beyond, 1), 1)?;
        let targets = read(&best, |best| batch.targets(best));
        let predictions = chosen(&online[0].forward(&batch.here)?, &batch.actions, 1)?;
        let mean = read(&predictions, |values| values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64);
        Ok((huber(&predictions, &targets, &batch.even_weights(), f32::INFINITY)?, vec![("value_mean", mean)]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::trials::{best_values, seen, spec, train};
    use super::*;
    use crate::matrix::Matrix;
    use crate::protocol::Decision;
    use crate::random::Seed;
    use crate::registry::Value;

    /// From a log that acts uniformly, whatever it will do in the end: values of the best law within 0.1.
    #[test]
    fn the_best_values_of_two_states_are_found_from_a_uniform_log() {
        let values = Values::defaults(PARAMETERS)
            .with("hidden", Value::Integers(vec![16]))
            .with("learning_rate", Value::Number(5e-3))
            .with("learning_rate_end_share", Value::Number(0.02))
            .with("batch", Value::Integer(64))
            .with("updates", Value::Integer(3_000))
            .with("updates_per_target", Value::Integer(40));
        let mut agent = create(&values, &spec()).unwrap();
        train(&mut agent, 0..4, 4, |_, _| {});
        agent.conclude(Seed::new(3)).unwrap();
        let mut bytes = Vec::new();
        agent.save(&mut bytes).unwrap();
        let mut decision = Decision::default();
        agent.snapshot().decide(&seen(&[0, 1], 0), Seed::new(1), &mut decision);
        assert_eq!((decision.actions, decision.propensities), (vec![1, 0], vec![1.0, 1.0]));
        let checkpoint = super::super::checkpoint::Checkpoint::read(&mut bytes.as_slice()).unwrap();
        let learner = OfflineLearner::<FittedQ>::restored(&checkpoint).unwrap();
        let mut found = Matrix::default();
        learner.fitting().decider().evaluate(&seen(&[0, 1], 0), &mut found);
        for (state, known) in best_values().iter().enumerate() {
            for (action, known) in known.iter().enumerate() {
                let gap = (f64::from(found.get(state, action)) - known).abs();
                assert!(gap < 0.1, "q({state}, {action}) = {}", found.get(state, action));
            }
        }
    }
}
