//! What agents have in common that learn from a log alone: memory, fitting when the log is over, checkpoint.
//!
//! An agent of this kind is an [`Objective`]: the networks that it fits, and one loss for a batch of stored frames. While it
//! is shown decisions it only stores them, and acts, where it is asked to act, by a law that its keys tell: uniformly, or
//! contacting with a given chance. [`Agent::conclude`] fits; from then on the law is that of what was fitted.
//!
//! Memory is bounded by `memory` frames. Of a log that is larger, whole episodes of a part of the consumers are kept, drawn
//! by address; where more comes than was told, the oldest frames are forgotten.
//!
//! All networks of an agent are parameters of one store and take one step of one optimiser, down the sum of their losses;
//! as no loss reaches into another's network, that is a step for each, but that gradients are clipped by their joint norm.

mod law;
mod settings;

use super::checkpoint::{Checkpoint, invalid};
use super::frames::FrameShape;
use super::inference::{Forward, Reading};
use super::law::{Categorical, EpsilonGreedy};
use super::network::{Architecture, Input, Network};
use super::normaliser::{Normaliser, Scaling};
use super::operation::Mask;
use super::optimizer::Adam;
use super::parameters::{Parameters, read};
use super::replay::Replay;
use super::settings::{fault, fault_of};
use crate::matrix::Matrix;
use crate::protocol::{Agent, Diverged, Ending, Metrics, Observation, Policy, TrainingPlan, Transitions, Views};
use crate::random::{Purpose, Seed};
use candle_core::Tensor;
use law::{Gathering, Law};
use serde::Serialize;
use serde::de::DeserializeOwned;
use settings::share_of;
pub(super) use settings::{
    BATCH, CONTACT_SHARE, EPSILON_JUDGED, MEMORY, NETWORK_SEED, STEPS, TARGET_SHARE, UPDATES, UPDATES_PER_TARGET,
};
pub use settings::{OfflineSettings, Reader};
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// Seed of the draw that says whom memory follows.
const FOLLOWING: Seed = Seed::new(0x006f_6666_6c69_6e65);

/// What is fitted to stored frames.
pub trait Objective: Clone + Debug + PartialEq + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// The name in files.
    const NAME: &'static str;

    /// Prefix and description of every network; the first decides.
    fn networks(&self, architecture: &Architecture) -> Vec<(&'static str, Architecture)>;

    /// The loss of a batch, and named figures of it. Online and target networks stand in the order of [`Self::networks`].
    ///
    /// # Errors
    /// Where shapes do not fit.
    fn loss(&self, batch: &Frames, online: &[Network], target: &[Network]) -> candle_core::Result<(Tensor, Metrics)>;
}

/// Frames of an update.
#[derive(Clone, Debug)]
pub struct Frames {
    /// What was seen.
    pub here: Input,
    /// What was seen after the steps of the return.
    pub beyond: Input,
    /// What was allowed.
    pub mask: Mask,
    /// What was allowed there.
    pub mask_beyond: Mask,
    /// What was done.
    pub actions: Vec<u16>,
    /// Discounted rewards, scaled.
    pub returns: Vec<f32>,
    /// Multiplies the value of what lies beyond; 0 where nothing is to be added.
    pub discounts: Vec<f32>,
}

impl Frames {
    /// `return + discount · value`, row by row, with so many values each; what is not looked at may be no number.
    #[must_use]
    pub fn targets(&self, beyond: &[f32]) -> Vec<f32> {
        let outputs = (beyond.len() / self.returns.len().max(1)).max(1);
        let rows = beyond.chunks_exact(outputs).zip(self.returns.iter().zip(&self.discounts));
        rows.flat_map(|(row, (sum, discount))| {
            row.iter().map(move |value| sum + if *discount > 0.0 { discount * value } else { 0.0 })
        })
        .collect()
    }

    /// Ones.
    #[must_use]
    pub fn even_weights(&self) -> Vec<f32> {
        vec![1.0; self.actions.len()]
    }
}

/// The agent that an objective makes.
#[derive(Debug)]
pub struct OfflineLearner<O> {
    objective: O,
    settings: OfflineSettings,
    /// Updates done; the law is that of the network from the first on.
    updates: u64,
    parameters: Parameters,
    online: Vec<Network>,
    target_parameters: Parameters,
    target: Vec<Network>,
    adam: Adam,
    normaliser: Normaliser,
    scaling: Scaling,
    replay: Replay,
    decider: Arc<Forward>,
}

impl<O: Objective> OfflineLearner<O> {
    /// An agent that has seen nothing.
    #[must_use]
    pub fn new(objective: O, (settings, shape, seed): (OfflineSettings, FrameShape, Seed)) -> Self {
        let (parameters, target_parameters) = (Parameters::new(seed), Parameters::frozen(seed));
        let build = |parameters: &Parameters| -> Vec<Network> {
            let networks = objective.networks(&settings.architecture).into_iter();
            networks.map(|(prefix, own)| Network::new(&own, parameters, prefix).expect("names are new")).collect()
        };
        let (online, target) = (build(&parameters), build(&target_parameters));
        let scaling = Scaling::default();
        let decider = decider(&objective, &settings, &parameters, &scaling).into();
        Self {
            adam: Adam::new(&parameters, settings.optimizer),
            normaliser: Normaliser::new(settings.architecture.features),
            replay: Replay::new(shape, settings.replay),
            updates: 0,
            objective,
            settings,
            parameters,
            online,
            target_parameters,
            target,
            scaling,
            decider,
        }
    }

    /// The agent that `save` wrote.
    ///
    /// # Errors
    /// Where reading fails, or what is read is no such agent.
    pub fn load(from: &mut dyn io::Read) -> io::Result<Box<dyn Agent>> {
        let checkpoint = Checkpoint::read(from)?;
        let name: String = checkpoint.noted("agent")?;
        if name != O::NAME {
            return Err(invalid(format!("the checkpoint is one of `{name}`, not of `{}`", O::NAME)));
        }
        let settings: OfflineSettings = checkpoint.noted("settings")?;
        let shape: FrameShape = checkpoint.noted("replay.frames")?;
        let Architecture { features, ref actions, .. } = settings.architecture;
        if shape.features() != features || shape.actions != actions.count() {
            return Err(invalid("the checkpoint's memory is one of another market than its network"));
        }
        let mut agent = Self::new(checkpoint.noted("objective")?, (settings, shape, Seed::new(0)));
        agent.restore(&checkpoint)?;
        Ok(Box::new(agent))
    }

    /// Takes over what was remembered and fitted by an agent of the same settings.
    ///
    /// # Errors
    /// Where something is absent or does not fit.
    pub(super) fn restore(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        self.replay = Replay::load("replay", checkpoint)?;
        self.updates = checkpoint.noted("updates")?;
        self.parameters.load("online", checkpoint)?;
        self.target_parameters.load("target", checkpoint)?;
        self.adam.load("adam", checkpoint)?;
        self.normaliser = Normaliser::load("normaliser", self.settings.architecture.features, checkpoint)?;
        self.refresh();
        Ok(())
    }

    /// The plain form of the network that decides.
    #[must_use]
    pub fn decider(&self) -> &Forward {
        &self.decider
    }

    fn refresh(&mut self) {
        if self.settings.normalise && self.updates > 0 {
            self.scaling = self.normaliser.freeze();
        }
        self.decider = decider(&self.objective, &self.settings, &self.parameters, &self.scaling).into();
    }

    fn law(&self) -> Law {
        let views = Views { features: true, events: self.settings.architecture.encoder.is_some() };
        if self.updates == 0 {
            return Law::Gathering(Gathering { contact_share: self.settings.contact_share, views });
        }
        let network = self.decider.clone();
        match self.settings.reader {
            Reader::Greedy(epsilon) => Law::Greedy(EpsilonGreedy { values: network, epsilon: epsilon as f32, views }),
            Reader::SoftMax => Law::SoftMax(Categorical { logits: network, greedy: false, views }),
        }
    }

    fn diverged(quantity: &str) -> Diverged {
        Diverged { agent: O::NAME.into(), quantity: quantity.into() }
    }

    fn follows(&self) -> impl Fn(u32) -> bool + use<O> {
        let share = self.settings.followed;
        move |consumer| share >= 1.0 || f64::from(FOLLOWING.uniforms(Purpose::Replay, consumer, 0, 0)[0]) < share
    }

    fn drawn(&self, seed: Seed) -> Frames {
        let sample = self.replay.sample(self.settings.batch_rows, 0.0, seed, self.updates as u32);
        let (frames, encoder) = (self.replay.frames(), self.settings.architecture.encoder.as_ref());
        let scale = self.settings.reward_scale as f32;
        Frames {
            here: frames.input(&sample.slots, &self.scaling, encoder),
            beyond: frames.input(&sample.ends, &self.scaling, encoder),
            mask: frames.mask(&sample.slots),
            mask_beyond: frames.mask(&sample.ends),
            actions: sample.actions,
            returns: sample.returns.iter().map(|sum| scale * sum).collect(),
            discounts: sample.discounts,
        }
    }

    fn update(&mut self, seed: Seed, progress: f64) -> Result<Metrics, Diverged> {
        let batch = self.drawn(seed);
        let (loss, mut metrics) =
            self.objective.loss(&batch, &self.online, &self.target).expect("shapes are those of the networks");
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
        self.updates += 1;
        if self.updates.is_multiple_of(self.settings.updates_per_target.max(1)) {
            self.target_parameters.approach(&self.parameters, self.settings.target_share as f32);
        }
        metrics.extend([("loss", value), ("gradient_norm", norm), ("learning_rate", rate)]);
        Ok(metrics)
    }
}

fn decider<O: Objective>(
    objective: &O,
    settings: &OfflineSettings,
    parameters: &Parameters,
    scaling: &Scaling,
) -> Forward {
    let (prefix, own) = objective.networks(&settings.architecture).swap_remove(0);
    Forward::new(&own, &parameters.weights(), prefix, scaling.clone(), Reading::Mean)
}

impl<O: Objective> Policy for OfflineLearner<O> {
    fn views(&self) -> Views {
        Views { features: true, events: self.settings.architecture.encoder.is_some() }
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        self.law().policy().probabilities(observation, seed, probabilities);
    }
}

impl<O: Objective> Agent for OfflineLearner<O> {
    fn is_sequential(&self) -> bool {
        true
    }

    fn begin_training(&mut self, plan: &TrainingPlan) {
        self.settings.followed = share_of(self.settings.replay.capacity, plan.markets, plan.ticks, plan.consumers);
    }

    fn learn(&mut self, batch: &Transitions<'_>, _seed: Seed) -> Result<Metrics, Diverged> {
        if let Some(quantity) = fault_of(batch) {
            return Err(Self::diverged(quantity));
        }
        if self.settings.normalise {
            self.normaliser.observe(&batch.observation.features);
        }
        let follows = self.follows();
        self.replay.push(batch, follows);
        Ok(Metrics::new())
    }

    fn end_episode(&mut self, ending: &Ending<'_>, _seed: Seed) -> Result<Metrics, Diverged> {
        let known = ending.beyond.is_none_or(|beyond| beyond.values.iter().all(|value| value.is_finite()));
        if let Some(quantity) = fault(ending.observation).or((!known).then_some("a value beyond the horizon")) {
            return Err(Self::diverged(quantity));
        }
        let follows = self.follows();
        self.replay.close(ending, follows);
        Ok(Metrics::new())
    }

    fn conclude(&mut self, seed: Seed) -> Result<Metrics, Diverged> {
        let mut metrics = Metrics::new();
        if self.replay.ready() == 0 {
            return Ok(metrics);
        }
        if self.settings.normalise {
            self.scaling = self.normaliser.freeze();
        }
        for done in 0..self.settings.updates {
            metrics = self.update(seed, done as f64 / self.settings.updates as f64)?;
        }
        self.refresh();
        metrics.push(("frames", self.replay.ready() as f64));
        Ok(metrics)
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        self.law().boxed()
    }

    fn save(&self, to: &mut dyn io::Write) -> io::Result<()> {
        let mut checkpoint = Checkpoint::default();
        checkpoint.note("agent", &O::NAME)?;
        checkpoint.note("objective", &self.objective)?;
        checkpoint.note("settings", &self.settings)?;
        checkpoint.note("updates", &self.updates)?;
        self.parameters.save("online", &mut checkpoint);
        self.target_parameters.save("target", &mut checkpoint);
        self.adam.save("adam", &mut checkpoint);
        self.normaliser.save("normaliser", &mut checkpoint);
        self.replay.save("replay", &mut checkpoint)?;
        checkpoint.write(to)
    }
}

#[cfg(test)]
mod tests;
