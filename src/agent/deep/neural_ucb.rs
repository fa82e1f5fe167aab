//! NeuralUCB: the action whose reward may be greatest, by a network and the length of its gradient.
//!
//! Zhou, Li & Gu 2020, *Neural contextual bandits with UCB-based exploration*, algorithm 1: with g the gradient of the network's
//! reward f(x, a) by its weights, take the action that is greatest in `f + γ √(λ gᵀ Z⁻¹ g)`, Z = λ I + Σ g gᵀ over what was
//! done.
//!
//! Differences from the paper:
//! 1. Z is its diagonal, u = λ + Σ g², as in the authors' program: `√(λ Σ g² / u)`. Weights that always move together look
//!    as if each were known by itself, so that the bonus falls faster than the paper's.
//! 2. One network with an output for each action reads the row, where the paper's reads a row and an action as one input; an
//!    action's gradient is 0 by the weights of the others. Where actions are sums of parts, the gradient is by the parts.
//! 3. `exploration` is a constant γ, as in the authors' program. No width stands in f or g: the network begins as others do.
//! 4. The network is trained in bursts, by Adam, from where it stands, on the newest `memory` decisions, and not from its
//!    first weights; no penalty holds weights to those. Gradients that were summed are those of the network that acted.
//! 5. Several decisions of a tick are learned from at once; all of them were taken with the same u.

mod gradient;

use super::bandit_learner::{
    BATCH, Bandit, BanditLearner, DECISIONS_BEFORE, DECISIONS_PER_TRAINING, HIDDEN, LEARNING_RATE, MEMORY,
    NETWORK_SEED, UPDATES_PER_TRAINING, reward_loss,
};
use super::checkpoint::{Checkpoint, invalid};
use super::law::greatest;
use super::network::Architecture;
use super::objective::{Fitted, Fitting, Frames, Objective};
use super::settings;
use crate::agent::AgentBuild;
use crate::matrix::Matrix;
use crate::protocol::{Agent, Diverged, Metrics, Observation, Policy, Spec, Transitions, Views};
use crate::random::Seed;
use crate::registry::{Entry, Parameter, Range, Refusal, Tuning, Value, Values};
use candle_core::Tensor;
use gradient::{RowSlopes, Slopes};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;

/// `kind = "neural_ucb"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: NeuralUcb::NAME,
    summary: "the action whose reward may be greatest, by a network and the length of its gradient",
    source: "Zhou et al. 2020, Neural contextual bandits with UCB-based exploration",
    parameters: PARAMETERS,
    build: AgentBuild { create, load: BanditLearner::<NeuralUcb>::load },
};

const EXPLORATION: Parameter =
    Parameter::number("exploration", 0.1, Range::NON_NEGATIVE, "γ: multiplies the bonus, in scaled rewards")
        .tuned(Tuning::LogUniform { low: 1e-3, high: 1.0 });
const RIDGE: Parameter =
    Parameter::number("ridge", 1.0, Range::closed(1e-6, 1e9), "λ: what is taken to be known of every weight before")
        .tuned(Tuning::LogUniform { low: 1e-3, high: 10.0 });

const PARAMETERS: &[Parameter] = &[
    HIDDEN,
    settings::ACTIVATION,
    settings::ACTIONS,
    EXPLORATION,
    RIDGE,
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

fn learner(values: &Values, spec: &Spec) -> Result<BanditLearner<NeuralUcb>, Refusal> {
    // Events are not read: there is no gradient by the weights of an encoder here.
    let values = values
        .clone()
        .with(settings::ENCODER.name, Value::Text("none".into()))
        .with(settings::ENCODER_WIDTH.name, Value::Integer(1));
    let bandit = NeuralUcb { exploration: values.number(EXPLORATION.name) as f32, ridge: values.number(RIDGE.name) };
    BanditLearner::new(bandit, &values, spec, |fitting| {
        let slopes = slopes(fitting);
        let covariance = vec![fitting.objective().ridge; slopes.len()];
        Ok(UpperBound::new(fitting, slopes, covariance))
    })
}

/// The network, and how it explores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct NeuralUcb {
    exploration: f32,
    ridge: f64,
}

impl Objective for NeuralUcb {
    const NAME: &'static str = "neural_ucb";
    const HAS_TARGETS: bool = false;

    fn networks(&self, architecture: &Architecture) -> Vec<(&'static str, Architecture)> {
        vec![("", architecture.clone())]
    }

    fn loss(&self, batch: &Frames, fitted: Fitted<'_>) -> candle_core::Result<(Tensor, Metrics)> {
        reward_loss(batch, fitted.online, |_, _| 1.0)
    }
}

fn slopes(fitting: &Fitting<NeuralUcb>) -> Slopes {
    Slopes::new(&fitting.settings().architecture, &fitting.weights(), fitting.scaling().clone())
}

/// The greatest upper bound.
#[derive(Clone, Debug)]
struct UpperBound {
    slopes: Arc<Slopes>,
    /// u of every weight.
    covariance: Vec<f64>,
    /// 1 / u.
    inverses: Arc<Vec<f32>>,
    /// γ √λ.
    width: f32,
    views: Views,
}

impl UpperBound {
    fn new(fitting: &Fitting<NeuralUcb>, slopes: Slopes, covariance: Vec<f64>) -> Self {
        let NeuralUcb { exploration, ridge } = fitting.objective();
        let width = exploration * ridge.sqrt() as f32;
        let inverses = inverses(&covariance).into();
        Self { slopes: slopes.into(), covariance, inverses, width, views: fitting.views() }
    }
}

fn inverses(covariance: &[f64]) -> Vec<f32> {
    covariance.iter().map(|own| (1.0 / own) as f32).collect()
}

impl Policy for UpperBound {
    fn views(&self) -> Views {
        self.views
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), observation.allowed.actions());
        let (mut opened, mut rooms) = (RowSlopes::default(), [Vec::new(), Vec::new()]);
        for row in 0..observation.rows() {
            self.slopes.open(|features| observation.features.copy_row(row, features), &self.inverses, &mut opened);
            let best = greatest(observation.allowed.iter(row), |action| {
                let length = self.slopes.length(&opened, action, &self.inverses, &mut rooms);
                self.slopes.reward(&opened, action) + self.width * length.sqrt()
            });
            probabilities.set(row, best, 1.0);
        }
    }
}

impl Bandit for NeuralUcb {
    type Law = UpperBound;

    fn rebuilt(fitting: &Fitting<Self>, law: UpperBound) -> Result<UpperBound, Diverged> {
        Ok(UpperBound { slopes: slopes(fitting).into(), ..law })
    }

    fn observe(law: &mut UpperBound, batch: &Transitions<'_>) -> Result<(), Diverged> {
        let (mut opened, mut rooms) = (RowSlopes::default(), [Vec::new(), Vec::new()]);
        let mut covariance = law.covariance.clone();
        for (row, action) in batch.actions.iter().enumerate() {
            let features = &batch.observation.features;
            law.slopes.open(|room| features.copy_row(row, room), &law.inverses, &mut opened);
            law.slopes.add_squares(&opened, usize::from(*action), &mut covariance, &mut rooms);
        }
        if !covariance.iter().all(|own| own.is_finite()) {
            return Err(Fitting::<Self>::diverged("a gradient of the reward"));
        }
        law.inverses = inverses(&covariance).into();
        law.covariance = covariance;
        Ok(())
    }

    fn keep(law: &UpperBound, to: &mut Checkpoint) -> io::Result<()> {
        to.put("covariance", &[law.covariance.len()], &law.covariance);
        Ok(())
    }

    fn restored(fitting: &Fitting<Self>, from: &Checkpoint) -> io::Result<UpperBound> {
        let Architecture { encoder, dueling, .. } = &fitting.settings().architecture;
        if encoder.is_some() || *dueling {
            return Err(invalid("the checkpoint's network reads events or has streams, which this agent's do not"));
        }
        let slopes = slopes(fitting);
        let covariance: Vec<f64> = from.take("covariance", slopes.len())?;
        if !covariance.iter().all(|own| *own > 0.0 && own.is_finite()) {
            return Err(invalid("a value of `covariance` is not above 0"));
        }
        Ok(UpperBound::new(fitting, slopes, covariance))
    }
}

#[cfg(test)]
mod tests;
