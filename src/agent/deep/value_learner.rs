//! What agents have in common that learn action values from replay: networks, targets, updates, checkpoint.
//!
//! An agent of this kind is a [`ValueLoss`]: how many outputs an action has, and how far predictions are from targets. The
//! target of a frame is `R + γⁿ Z'(s', a*)`: R over n steps, Z' the target network's outputs, a* the best allowed action there
//! by the target network, or by the online network where `double` (van Hasselt, Guez & Silver 2016).
//!
//! Rows of all consumers are learned from alike. A market of more consumers than memory has room for is followed in part:
//! an addressed draw says of whom.

use super::checkpoint::{Checkpoint, invalid};
use super::frames::FrameShape;
use super::inference::{Forward, Reading};
use super::law::EpsilonGreedy;
use super::network::{Architecture, Network};
use super::normaliser::{Normaliser, Scaling};
use super::operation::{Mask, chosen};
use super::optimizer::{Adam, Settings};
use super::parameters::{Parameters, read};
use super::replay::{Replay, ReplaySettings, Sample};
use super::schedule::Schedule;
use super::settings;
use crate::matrix::Matrix;
use crate::protocol::{Agent, Diverged, Ending, Metrics, Observation, Policy, TrainingPlan, Transitions, Views};
use crate::random::{Purpose, Seed};
use candle_core::Tensor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// Seed of the draw that says whom memory follows.
const FOLLOWING: Seed = Seed::new(0x6d65_6d6f_7279);
/// Decisions that schedules reckon with where nobody tells how many come.
const UNTOLD_DECISIONS: u64 = 500_000;

/// How far an agent's predictions are from their targets.
pub trait ValueLoss: Clone + Debug + PartialEq + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// The name in files.
    const NAME: &'static str;

    /// The loss, a scalar, of predictions `rows × outputs` against targets (row-major, as many), each row with a weight;
    /// and the size of the error of each row, for priorities.
    ///
    /// # Errors
    /// Where shapes do not fit.
    fn loss(&self, predictions: &Tensor, targets: &[f32], weights: &[f32]) -> candle_core::Result<(Tensor, Vec<f32>)>;
}

/// How values are learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValueSettings {
    /// The network.
    pub architecture: Architecture,
    /// Memory.
    pub replay: ReplaySettings,
    /// The optimiser.
    pub optimizer: Settings,
    /// Its step, over training.
    pub learning_rate: Schedule,
    /// Exploration while training.
    pub epsilon: Schedule,
    /// Exploration of the frozen law.
    pub epsilon_judged: f64,
    /// Exponent of importance weights.
    pub beta: Schedule,
    /// The online network chooses the best action of a target.
    pub double: bool,
    /// Frames of an update.
    pub batch_rows: usize,
    /// Decisions between updates.
    pub decisions_per_update: u64,
    /// Decisions before the first update.
    pub decisions_before: u64,
    /// Updates between those of the target network.
    pub updates_per_target: u64,
    /// Share by which the target network approaches the online one then.
    pub target_share: f64,
    /// Whether features are normalised.
    pub normalise: bool,
    /// Multiplies rewards.
    pub reward_scale: f64,
    /// Share of consumers that memory follows.
    pub followed: f64,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counters {
    decisions: u64,
    updates: u64,
    planned: Option<u64>,
}

/// The agent that a loss makes.
#[derive(Debug)]
pub struct ValueLearner<L> {
    loss: L,
    settings: ValueSettings,
    counters: Counters,
    parameters: Parameters,
    online: Network,
    target_parameters: Parameters,
    target: Network,
    adam: Adam,
    normaliser: Normaliser,
    scaling: Scaling,
    replay: Replay,
    values: Arc<Forward>,
}

impl<L: ValueLoss> ValueLearner<L> {
    /// An agent that has learned nothing.
    #[must_use]
    pub fn new(loss: L, settings: ValueSettings, shape: FrameShape, seed: Seed) -> Self {
        let (parameters, target_parameters) = (Parameters::new(seed), Parameters::frozen(seed));
        let build = |parameters| Network::new(&settings.architecture, parameters, "").expect("names are new");
        let (online, target) = (build(&parameters), build(&target_parameters));
        let normaliser = Normaliser::new(settings.architecture.features);
        let scaling = Scaling::default();
        let values =
            Forward::new(&settings.architecture, &parameters.weights(), "", scaling.clone(), Reading::Mean).into();
        Self {
            adam: Adam::new(&parameters, settings.optimizer),
            replay: Replay::new(shape, settings.replay),
            counters: Counters::default(),
            loss,
            settings,
            parameters,
            online,
            target_parameters,
            target,
            normaliser,
            scaling,
            values,
        }
    }

    /// The agent that `save` wrote.
    ///
    /// # Errors
    /// Where reading fails, or what is read is no such agent.
    pub fn load(from: &mut dyn io::Read) -> io::Result<Box<dyn Agent>> {
        let checkpoint = Checkpoint::read(from)?;
        let name: String = checkpoint.noted("agent")?;
        if name != L::NAME {
            return Err(invalid(format!("the checkpoint is one of `{name}`, not of `{}`", L::NAME)));
        }
        let settings: ValueSettings = checkpoint.noted("settings")?;
        let shape: FrameShape = checkpoint.noted("replay.frames")?;
        let Architecture { features, actions, .. } = &settings.architecture;
        if shape.features() != *features || shape.actions != actions.count() {
            return Err(invalid("the checkpoint's memory is one of another market than its network"));
        }
        let mut agent = Self::new(checkpoint.noted("loss")?, settings, shape, Seed::new(0));
        agent.restore(&checkpoint)?;
        Ok(Box::new(agent))
    }

    /// Takes over what was learned and remembered by an agent of the same settings.
    ///
    /// # Errors
    /// Where something is absent or does not fit.
    pub(super) fn restore(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        self.replay = Replay::load("replay", checkpoint)?;
        self.counters = checkpoint.noted("counters")?;
        self.parameters.load("online", checkpoint)?;
        self.target_parameters.load("target", checkpoint)?;
        self.adam.load("adam", checkpoint)?;
        self.normaliser = Normaliser::load("normaliser", self.settings.architecture.features, checkpoint)?;
        self.refresh();
        Ok(())
    }

    /// The plain form of the network: one value for each action.
    #[must_use]
    pub fn values(&self) -> &Forward {
        &self.values
    }

    /// The plain form with all outputs of each action.
    #[must_use]
    pub fn outputs(&self) -> Forward {
        let (architecture, weights) = (&self.settings.architecture, self.parameters.weights());
        Forward::new(architecture, &weights, "", self.scaling.clone(), Reading::All)
    }

    fn progress(&self) -> f64 {
        let planned = self.counters.planned.unwrap_or(UNTOLD_DECISIONS).max(1);
        self.counters.decisions as f64 / planned as f64
    }

    fn views(&self) -> Views {
        Views { features: true, events: self.settings.architecture.encoder.is_some() }
    }

    fn law(&self, epsilon: f64) -> EpsilonGreedy {
        EpsilonGreedy { values: self.values.clone(), epsilon: epsilon as f32, views: self.views() }
    }

    /// The plain form of what was learned, for the next decisions.
    fn refresh(&mut self) {
        if self.settings.normalise {
            self.scaling = self.normaliser.freeze();
        }
        let (architecture, weights) = (&self.settings.architecture, self.parameters.weights());
        self.values = Forward::new(architecture, &weights, "", self.scaling.clone(), Reading::Mean).into();
    }

    fn diverged(quantity: &str) -> Diverged {
        Diverged { agent: L::NAME.into(), quantity: quantity.into() }
    }

    /// Updates that are due by now.
    fn due(&self) -> u64 {
        let since = self.counters.decisions.saturating_sub(self.settings.decisions_before);
        (since / self.settings.decisions_per_update.max(1)).saturating_sub(self.counters.updates)
    }

    /// All updates that are due; the figures of the last.
    fn catch_up(&mut self, seed: Seed) -> Result<Metrics, Diverged> {
        let mut metrics = Metrics::new();
        for _ in 0..self.due() {
            if self.replay.ready() == 0 {
                break;
            }
            metrics = self.update(seed)?;
        }
        if !metrics.is_empty() {
            metrics.push(("epsilon", self.settings.epsilon.at(self.progress())));
        }
        self.refresh();
        Ok(metrics)
    }

    fn update(&mut self, seed: Seed) -> Result<Metrics, Diverged> {
        let progress = self.progress();
        let beta = self.settings.beta.at(progress);
        let sample = self.replay.sample(self.settings.batch_rows, beta, seed, self.counters.updates as u32);
        let targets = self.targets(&sample);
        let Architecture { outputs, ref encoder, .. } = self.settings.architecture;
        let input = self.replay.frames().input(&sample.slots, &self.scaling, encoder.as_ref());
        let (predictions, loss, errors) = self
            .online
            .forward(&input)
            .and_then(|all| chosen(&all, &sample.actions, outputs))
            .and_then(|predictions| {
                let (loss, errors) = self.loss.loss(&predictions, &targets, &sample.weights)?;
                Ok((predictions, loss, errors))
            })
            .expect("shapes are those of the network");
        let value = f64::from(read(&loss, |loss| loss[0]));
        if !value.is_finite() {
            return Err(Self::diverged("the loss"));
        }
        let gradients = loss.backward().expect("every operation has a gradient");
        let rate = self.settings.learning_rate.at(progress);
        let norm = self.adam.step(&self.parameters, &gradients, rate);
        if !norm.is_finite() {
            return Err(Self::diverged("the gradient"));
        }
        self.replay.update(&sample.slots, &errors);
        self.counters.updates += 1;
        if self.counters.updates.is_multiple_of(self.settings.updates_per_target.max(1)) {
            self.target_parameters.approach(&self.parameters, self.settings.target_share as f32);
        }
        let mean = |values: &[f32]| values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len().max(1) as f64;
        Ok(vec![
            ("loss", value),
            ("gradient_norm", norm),
            ("learning_rate", rate),
            ("value_mean", read(&predictions, mean)),
            ("target_mean", mean(&targets)),
        ])
    }

    /// Targets of a sample, `rows × outputs`.
    fn targets(&self, sample: &Sample) -> Vec<f32> {
        let Architecture { outputs, ref encoder, .. } = self.settings.architecture;
        let frames = self.replay.frames();
        let input = frames.input(&sample.ends, &self.scaling, encoder.as_ref());
        let mask = frames.mask(&sample.ends);
        let all = self.target.forward(&input).expect("shapes are those of the network");
        let best = if self.settings.double {
            best_actions(
                &self.online.forward(&input).expect("shapes are those of the network").detach(),
                &mask,
                outputs,
            )
        } else {
            best_actions(&all, &mask, outputs)
        };
        let scale = self.settings.reward_scale as f32;
        let beyond = chosen(&all, &best, outputs).expect("shapes are those of the network");
        read(&beyond, |beyond| {
            let rows = beyond.chunks_exact(outputs).zip(sample.returns.iter().zip(&sample.discounts));
            rows.flat_map(|(row, (sum, discount))| {
                // A value that is not looked at must not matter, not even as no number.
                row.iter().map(move |value| scale * sum + if *discount > 0.0 { discount * value } else { 0.0 })
            })
            .collect()
        })
    }

    fn follows(&self) -> impl Fn(u32) -> bool + use<L> {
        let share = self.settings.followed;
        move |consumer| share >= 1.0 || f64::from(FOLLOWING.uniforms(Purpose::Replay, consumer, 0, 0)[0]) < share
    }
}

/// The allowed action of the greatest mean output in each row; of equals, the first.
pub(super) fn best_actions(all: &Tensor, mask: &Mask, outputs: usize) -> Vec<u16> {
    let width = all.dims()[1];
    read(all, |all| {
        let of_row = |(row, values): (usize, &[f32])| {
            let (mut best, mut greatest) = (0, f32::NEG_INFINITY);
            for (action, outputs) in values.chunks_exact(outputs).enumerate() {
                let value: f32 = outputs.iter().sum();
                if mask.allows(row, action) && value > greatest {
                    (best, greatest) = (action as u16, value);
                }
            }
            best
        };
        all.chunks_exact(width).enumerate().map(of_row).collect()
    })
}

impl<L: ValueLoss> Policy for ValueLearner<L> {
    fn views(&self) -> Views {
        self.views()
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        let epsilon = self.settings.epsilon.at(self.progress());
        self.law(epsilon).probabilities(observation, seed, probabilities);
    }
}

impl<L: ValueLoss> Agent for ValueLearner<L> {
    fn is_sequential(&self) -> bool {
        true
    }

    fn begin_training(&mut self, plan: &TrainingPlan) {
        self.counters.planned = Some(self.counters.decisions + plan.decisions());
    }

    fn learn(&mut self, batch: &Transitions<'_>, seed: Seed) -> Result<Metrics, Diverged> {
        if let Some(quantity) = settings::fault_of(batch) {
            return Err(Self::diverged(quantity));
        }
        if self.settings.normalise {
            self.normaliser.observe(&batch.observation.features);
        }
        let follows = self.follows();
        self.replay.push(batch, follows);
        self.counters.decisions += batch.actions.len() as u64;
        self.catch_up(seed)
    }

    fn end_episode(&mut self, ending: &Ending<'_>, seed: Seed) -> Result<Metrics, Diverged> {
        let known = ending.beyond.is_none_or(|beyond| beyond.values.iter().all(|value| value.is_finite()));
        if let Some(quantity) = settings::fault(ending.observation).or((!known).then_some("a value beyond the horizon"))
        {
            return Err(Self::diverged(quantity));
        }
        let follows = self.follows();
        self.replay.close(ending, follows);
        self.catch_up(seed)
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        Box::new(self.law(self.settings.epsilon_judged))
    }

    fn save(&self, to: &mut dyn io::Write) -> io::Result<()> {
        let mut checkpoint = Checkpoint::default();
        checkpoint.note("agent", &L::NAME)?;
        checkpoint.note("loss", &self.loss)?;
        checkpoint.note("settings", &self.settings)?;
        checkpoint.note("counters", &self.counters)?;
        self.parameters.save("online", &mut checkpoint);
        self.target_parameters.save("target", &mut checkpoint);
        self.adam.save("adam", &mut checkpoint);
        self.normaliser.save("normaliser", &mut checkpoint);
        self.replay.save("replay", &mut checkpoint)?;
        checkpoint.write(to)
    }
}
