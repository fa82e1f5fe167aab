//! Neural linear: a network learns what to look at, a Bayesian linear model of its last layer how much is known.
//!
//! Riquelme, Tucker & Snoek 2018, *Deep Bayesian bandits showdown*, section 3 (NeuralLinear; after Snoek et al. 2015): a network is
//! fitted to rewards; with z(x) its last hidden layer, the reward of an action is `w_a · z(x)` plus noise, the weights have
//! the exact posterior of Bayesian regression, and Thompson sampling draws from it. When the network is trained anew, z
//! changes, and the posterior is made anew from what is remembered.
//!
//! Differences from the paper:
//! 1. The posterior is that of `lin_thompson`, with its keys: noise of unit variance, widened or narrowed by `alpha`, where the
//!    paper puts an inverse gamma law on the variance of each action; a constant stands beside z; shared or factored models
//!    where there are many actions; a law of `samples` posterior samples, and a `floor`.
//! 2. Memory is bounded: a posterior that is made anew rests on the newest `memory` decisions.
//! 3. Adam on drawn decisions in bursts, from where the network stands; the paper takes RMSProp and a rate that falls within
//!    each training.

use super::bandit_learner::{
    BATCH, Bandit, BanditLearner, DECISIONS_BEFORE, DECISIONS_PER_TRAINING, HIDDEN, LEARNING_RATE, MEMORY,
    NETWORK_SEED, UPDATES_PER_TRAINING, reward_loss,
};
use super::checkpoint::{Checkpoint, invalid};
use super::inference::{Forward, Reading};
use super::network::Architecture;
use super::objective::{Fitted, Fitting, Frames, Objective};
use super::settings;
use crate::agent::AgentBuild;
use crate::agent::lin_thompson::{self, ALPHA, FLOOR, LinThompson, SAMPLES};
use crate::agent::linear::{INTERCEPT, Learner, MODEL, RIDGE};
use crate::matrix::Matrix;
use crate::protocol::{Agent, Diverged, Feature, Metrics, Observation, Policy, Spec, Transitions, Views};
use crate::random::Seed;
use crate::registry::{Entry, Parameter, Refusal, Values};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;

/// Decisions of memory that a posterior learns from at a time.
const REBUILT_AT_ONCE: usize = 1_024;

/// `kind = "neural_linear"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: NeuralLinear::NAME,
    summary: "posterior sampling of a reward that is linear in what a network has learned to look at",
    source: "Riquelme et al. 2018, Deep Bayesian bandits showdown",
    parameters: PARAMETERS,
    build: AgentBuild { create, load: BanditLearner::<NeuralLinear>::load },
};

const PARAMETERS: &[Parameter] = &[
    HIDDEN,
    settings::ACTIVATION,
    settings::ACTIONS,
    settings::ENCODER,
    settings::ENCODER_WIDTH,
    ALPHA,
    MODEL,
    RIDGE,
    INTERCEPT,
    SAMPLES,
    FLOOR,
    LEARNING_RATE,
    settings::LEARNING_RATE_END,
    settings::GRADIENT_NORM_MAX,
    BATCH,
    DECISIONS_PER_TRAINING,
    DECISIONS_BEFORE,
    UPDATES_PER_TRAINING,
    MEMORY,
    settings::NORMALISE,
    settings::REWARD_SCALE,
    NETWORK_SEED,
];

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    Ok(Box::new(learner(values, spec)?))
}

fn learner(values: &Values, spec: &Spec) -> Result<BanditLearner<NeuralLinear>, Refusal> {
    let Some(&width) = values.integers(HIDDEN.name).last() else {
        return Err(Refusal::new(
            values,
            HIDDEN.name,
            "the posterior is that of the last hidden layer, and `hidden` is empty",
            "give `hidden` at least one width, or take `lin_thompson`, which is linear in the features",
        ));
    };
    let layer = (0..width).map(|unit| Feature::raw(format!("unit_{unit}"), "none")).collect();
    let posterior = lin_thompson::learner(values, &Spec { features: layer, ..spec.clone() })?;
    let bandit = NeuralLinear { ridge: values.number(RIDGE.name) };
    BanditLearner::new(bandit, values, spec, |fitting| {
        Ok(LastLayer { layer: fitting.plain(0, Reading::Hidden).into(), views: fitting.views(), posterior })
    })
}

/// The network, and the prior of its last layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct NeuralLinear {
    ridge: f64,
}

impl Objective for NeuralLinear {
    const NAME: &'static str = "neural_linear";
    const HAS_TARGETS: bool = false;

    fn networks(&self, architecture: &Architecture) -> Vec<(&'static str, Architecture)> {
        vec![("", architecture.clone())]
    }

    fn loss(&self, batch: &Frames, fitted: Fitted<'_>) -> candle_core::Result<(Tensor, Metrics)> {
        reward_loss(batch, fitted.online, |_, _| 1.0)
    }
}

/// Posterior sampling on a frozen last layer.
#[derive(Clone, Debug)]
struct LastLayer {
    layer: Arc<Forward>,
    views: Views,
    posterior: Learner<LinThompson>,
}

impl LastLayer {
    /// Learns rewards of actions from rows of the last layer.
    fn learn(&mut self, layer: Matrix, actions: &[u16], rewards: &[f32]) -> Result<(), Diverged> {
        let observation = Observation { features: layer, ..Observation::default() };
        let batch = Transitions { observation: &observation, actions, propensities: &[], rewards, terminated: &[] };
        let learned = self.posterior.learn(&batch, Seed::new(0));
        learned.map(|_| ()).map_err(|_| Fitting::<NeuralLinear>::diverged("the last hidden layer, or a reward,"))
    }
}

impl Policy for LastLayer {
    fn views(&self) -> Views {
        self.views
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        let mut layer = Matrix::default();
        self.layer.evaluate(observation, &mut layer);
        self.posterior.probabilities_of(&layer, observation, seed, probabilities);
    }
}

impl Bandit for NeuralLinear {
    type Law = LastLayer;

    fn rebuilt(fitting: &Fitting<Self>, mut law: LastLayer) -> Result<LastLayer, Diverged> {
        law.layer = fitting.plain(0, Reading::Hidden).into();
        law.posterior.restart(fitting.objective().ridge);
        let (frames, scale) = (fitting.replay().frames(), fitting.settings().reward_scale as f32);
        let slots: Vec<usize> = fitting.replay().oldest_first().collect();
        let mut features = vec![0.0; frames.shape().features()];
        let mut row_layer = vec![0.0; law.layer.outputs()];
        for slots in slots.chunks(REBUILT_AT_ONCE) {
            let mut layer = Matrix::new(slots.len(), row_layer.len());
            for (row, &slot) in slots.iter().enumerate() {
                frames.features(slot, &mut features);
                law.layer.evaluate_row(&features, &frames.events(slot), &mut row_layer);
                layer.set_row(row, &row_layer);
            }
            let actions: Vec<u16> = slots.iter().map(|slot| frames.actions[*slot]).collect();
            let rewards: Vec<f32> = slots.iter().map(|slot| scale * frames.rewards[*slot]).collect();
            law.learn(layer, &actions, &rewards)?;
        }
        Ok(law)
    }

    fn observe(law: &mut LastLayer, batch: &Transitions<'_>) -> Result<(), Diverged> {
        let mut layer = Matrix::default();
        law.layer.evaluate(batch.observation, &mut layer);
        law.learn(layer, batch.actions, batch.rewards)
    }

    fn keep(law: &LastLayer, to: &mut Checkpoint) -> io::Result<()> {
        let posterior = serde_json::to_vec(&law.posterior)?;
        to.put("posterior", &[posterior.len()], &posterior);
        Ok(())
    }

    fn restored(fitting: &Fitting<Self>, from: &Checkpoint) -> io::Result<LastLayer> {
        let architecture = &fitting.settings().architecture;
        let posterior: Learner<LinThompson> = serde_json::from_slice(&from.take_any::<u8>("posterior")?)?;
        let (width, actions) = (architecture.widths.last().copied(), architecture.actions.count());
        if architecture.dueling || width != Some(posterior.model().features()) || posterior.model().actions() != actions
        {
            return Err(invalid("the checkpoint's posterior is not that of its network's last hidden layer"));
        }
        Ok(LastLayer { layer: fitting.plain(0, Reading::Hidden).into(), views: fitting.views(), posterior })
    }
}

#[cfg(test)]
mod tests;
