//! Networks that are fitted to stored frames by one loss: memory, online and target weights, updates, checkpoint.
//!
//! What is fitted is an [`Objective`]: its networks, and one loss for a batch of frames that are drawn from memory. When
//! updates are made is for the learner around it to say: when a log is over ([`super::offline`]), or along the way
//! ([`super::discrete_sac`]).
//!
//! All networks of an objective are parameters of one store and take one step of one optimiser, down the sum of their losses;
//! as no loss reaches into another's network, that is a step for each, but that gradients are clipped by their joint norm.

use super::checkpoint::{Checkpoint, invalid};
use super::frames::FrameShape;
use super::inference::{Forward, Reading};
use super::network::{Architecture, Input, Network, Scheme};
use super::normaliser::{Normaliser, Scaling};
use super::operation::Mask;
use super::optimizer::{Adam, Settings};
use super::parameters::{Initial, Parameters, Weights, read};
use super::replay::{Replay, ReplaySettings};
use super::schedule::Schedule;
use super::settings::{self, fault_of, fault_of_ending};
use crate::protocol::{Diverged, Ending, Metrics, Spec, Transitions, Views};
use crate::random::{Purpose, Seed};
use crate::registry::{Refusal, Values};
use candle_core::Tensor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// What is fitted to stored frames.
pub trait Objective: Clone + Debug + PartialEq + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// The name in files.
    const NAME: &'static str;
    /// Whether its loss looks at target networks.
    const HAS_TARGETS: bool = true;

    /// Prefix and description of every network; the first decides.
    fn networks(&self, architecture: &Architecture) -> Vec<(&'static str, Architecture)>;

    /// Name and first value of every single number that is learned beside the networks.
    fn numbers(&self) -> Vec<(&'static str, f32)> {
        Vec::new()
    }

    /// The loss of a batch, and named figures of it. Networks stand in the order of [`Self::networks`], numbers in that of
    /// [`Self::numbers`].
    ///
    /// # Errors
    /// Where shapes do not fit.
    fn loss(&self, batch: &Frames, fitted: Fitted<'_>) -> candle_core::Result<(Tensor, Metrics)>;
}

/// What a loss is taken of.
#[derive(Clone, Copy, Debug)]
pub struct Fitted<'a> {
    /// What learns.
    pub online: &'a [Network],
    /// What follows it, and has no gradient; none where the objective has no targets.
    pub target: &'a [Network],
    /// Single numbers that learn, each of shape 1.
    pub numbers: &'a [Tensor],
}

/// Frames of an update.
#[derive(Clone, Debug)]
pub struct Frames {
    /// The number of each in the order in which memory took them in.
    pub numbers: Vec<u64>,
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

/// How it is fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittingSettings {
    /// The network that decides; others follow from it.
    pub architecture: Architecture,
    /// Memory.
    pub replay: ReplaySettings,
    /// The optimiser.
    pub optimizer: Settings,
    /// Its step, over training.
    pub learning_rate: Schedule,
    /// Frames of an update.
    pub batch_rows: usize,
    /// Updates between those of the target networks.
    pub updates_per_target: u64,
    /// Share by which the target networks approach the online ones then.
    pub target_share: f64,
    /// Whether features are normalised.
    pub normalise: bool,
    /// Multiplies rewards.
    pub reward_scale: f64,
    /// Seed of the draw that says whom memory follows, and the share of consumers that it does.
    pub followed: (Seed, f64),
}

impl FittingSettings {
    /// From the keys that agents of this kind share; those that look ahead no further have none for it. Memory follows
    /// everybody.
    ///
    /// # Errors
    /// Where the market shows nothing that a network could read.
    pub(super) fn of(values: &Values, spec: &Spec, outputs: usize) -> Result<(Self, FrameShape, Seed), Refusal> {
        settings::readable(values, spec)?;
        let architecture = settings::architecture(values, spec, outputs, false, Scheme::Kaiming);
        let shape = FrameShape::of(spec, settings::remembered(&architecture));
        let rate = values.number(settings::LEARNING_RATE.name);
        let to = rate * values.number(settings::LEARNING_RATE_END.name);
        let settings = Self {
            replay: ReplaySettings {
                capacity: values.integer("memory") as usize,
                steps: values.optional_integer("steps").unwrap_or(1) as usize,
                discount: values.optional_number(settings::DISCOUNT.name).unwrap_or(spec.discount),
                alpha: None,
            },
            architecture,
            optimizer: Settings {
                norm_max: Some(values.number(settings::GRADIENT_NORM_MAX.name)),
                ..Settings::default()
            },
            learning_rate: Schedule::Linear { from: rate, to, until: 1.0 },
            batch_rows: values.integer("batch") as usize,
            updates_per_target: values.optional_integer("updates_per_target").unwrap_or(1) as u64,
            target_share: values.optional_number("target_share").unwrap_or(1.0),
            normalise: values.boolean(settings::NORMALISE.name),
            reward_scale: values.optional_number(settings::REWARD_SCALE.name).unwrap_or(1.0),
            followed: (Seed::new(0), 1.0),
        };
        Ok((settings, shape, Seed::new(values.integer("network_seed") as u64)))
    }
}

/// What is fitted, with all that fitting needs.
#[derive(Debug)]
pub struct Fitting<O> {
    objective: O,
    settings: FittingSettings,
    updates: u64,
    parameters: Parameters,
    online: Vec<Network>,
    numbers: Vec<Tensor>,
    target_parameters: Parameters,
    target: Vec<Network>,
    adam: Adam,
    normaliser: Normaliser,
    /// The moments by which features are scaled now.
    scaled_by: Normaliser,
    scaling: Scaling,
    replay: Replay,
    decider: Arc<Forward>,
}

impl<O: Objective> Fitting<O> {
    /// Nothing remembered, nothing fitted.
    #[must_use]
    pub fn new(objective: O, settings: FittingSettings, shape: FrameShape, seed: Seed) -> Self {
        let (parameters, target_parameters) = (Parameters::new(seed), Parameters::frozen(seed));
        let build = |parameters: &Parameters| -> Vec<Network> {
            let networks = objective.networks(&settings.architecture).into_iter();
            networks.map(|(prefix, own)| Network::new(&own, parameters, prefix).expect("names are new")).collect()
        };
        let online = build(&parameters);
        let target = if O::HAS_TARGETS { build(&target_parameters) } else { Vec::new() };
        // After the networks, whose parameters those of the targets are counted along with.
        let numbers = objective.numbers().into_iter();
        let numbers = numbers.map(|(name, first)| parameters.get(name, &[1], Initial::Constant(first)));
        let numbers = numbers.collect::<candle_core::Result<_>>().expect("names are new");
        let scaling = Scaling::default();
        let (prefix, own) = objective.networks(&settings.architecture).swap_remove(0);
        let decider = Forward::new(&own, &parameters.weights(), prefix, scaling.clone(), Reading::Mean).into();
        Self {
            adam: Adam::new(&parameters, settings.optimizer),
            normaliser: Normaliser::new(settings.architecture.features),
            scaled_by: Normaliser::new(settings.architecture.features),
            replay: Replay::new(shape, settings.replay),
            updates: 0,
            objective,
            settings,
            parameters,
            online,
            numbers,
            target_parameters,
            target,
            scaling,
            decider,
        }
    }

    /// What [`Self::save`] kept.
    ///
    /// # Errors
    /// Where something is absent or does not fit, or it is another objective's.
    pub fn load(checkpoint: &Checkpoint) -> io::Result<Self> {
        let name: String = checkpoint.noted("agent")?;
        if name != O::NAME {
            return Err(invalid(format!("the checkpoint is one of `{name}`, not of `{}`", O::NAME)));
        }
        let settings: FittingSettings = checkpoint.noted("fitting")?;
        let shape: FrameShape = checkpoint.noted("replay.frames")?;
        let Architecture { features, ref actions, .. } = settings.architecture;
        if shape.features() != features || shape.actions != actions.count() {
            return Err(invalid("the checkpoint's memory is one of another market than its network"));
        }
        let mut fitting = Self::new(checkpoint.noted("objective")?, settings, shape, Seed::new(0));
        fitting.replay = Replay::load("replay", checkpoint)?;
        fitting.updates = checkpoint.noted("updates")?;
        fitting.parameters.load("online", checkpoint)?;
        fitting.target_parameters.load("target", checkpoint)?;
        fitting.adam.load("adam", checkpoint)?;
        fitting.normaliser = Normaliser::load("normaliser", features, checkpoint)?;
        fitting.scaled_by = Normaliser::load("scaled_by", features, checkpoint)?;
        if fitting.settings.normalise && fitting.updates > 0 {
            fitting.scaling = fitting.scaled_by.freeze();
        }
        fitting.refresh();
        Ok(fitting)
    }

    /// Keeps all of it.
    ///
    /// # Errors
    /// Where the notes cannot be written.
    pub fn save(&self, checkpoint: &mut Checkpoint) -> io::Result<()> {
        checkpoint.note("agent", &O::NAME)?;
        checkpoint.note("objective", &self.objective)?;
        checkpoint.note("fitting", &self.settings)?;
        checkpoint.note("updates", &self.updates)?;
        self.parameters.save("online", checkpoint);
        self.target_parameters.save("target", checkpoint);
        self.adam.save("adam", checkpoint);
        self.normaliser.save("normaliser", checkpoint);
        self.scaled_by.save("scaled_by", checkpoint);
        self.replay.save("replay", checkpoint)
    }

    /// What is fitted.
    #[must_use]
    pub fn objective(&self) -> &O {
        &self.objective
    }

    /// How it is fitted.
    #[must_use]
    pub fn settings(&self) -> &FittingSettings {
        &self.settings
    }

    /// A copy of what was learned.
    #[must_use]
    pub fn weights(&self) -> Weights {
        self.parameters.weights()
    }

    /// How features are normalised now.
    #[must_use]
    pub fn scaling(&self) -> &Scaling {
        &self.scaling
    }

    /// Updates done.
    #[must_use]
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Memory.
    #[must_use]
    pub fn replay(&self) -> &Replay {
        &self.replay
    }

    /// The plain form of the network that decides, as of the last [`Self::refresh`].
    #[must_use]
    pub fn decider(&self) -> &Arc<Forward> {
        &self.decider
    }

    /// What the networks read.
    #[must_use]
    pub fn views(&self) -> Views {
        Views { features: true, events: self.settings.architecture.encoder.is_some() }
    }

    /// From now on memory follows this share of consumers.
    pub fn follow(&mut self, share: f64) {
        self.settings.followed.1 = share;
    }

    /// That a quantity is no longer finite.
    #[must_use]
    pub fn diverged(quantity: &str) -> Diverged {
        Diverged { agent: O::NAME.into(), quantity: quantity.into() }
    }

    fn follows(&self) -> impl Fn(u32) -> bool + use<O> {
        let (seed, share) = self.settings.followed;
        move |consumer| share >= 1.0 || f64::from(seed.uniforms(Purpose::Replay, consumer, 0, 0)[0]) < share
    }

    /// Remembers what a shard lived in a tick.
    ///
    /// # Errors
    /// Where a number is not finite; nothing is changed then.
    pub fn observe(&mut self, batch: &Transitions<'_>) -> Result<(), Diverged> {
        if let Some(quantity) = fault_of(batch) {
            return Err(Self::diverged(quantity));
        }
        if self.settings.normalise {
            self.normaliser.observe(&batch.observation.features);
        }
        let follows = self.follows();
        self.replay.push(batch, follows);
        Ok(())
    }

    /// The episodes of a shard stop at the time limit.
    ///
    /// # Errors
    /// Where a number is not finite; nothing is changed then.
    pub fn close(&mut self, ending: &Ending<'_>) -> Result<(), Diverged> {
        if let Some(quantity) = fault_of_ending(ending) {
            return Err(Self::diverged(quantity));
        }
        let follows = self.follows();
        self.replay.close(ending, follows);
        Ok(())
    }

    /// Features are normalised from now on as by what was seen so far.
    pub fn rescale(&mut self) {
        if self.settings.normalise {
            self.scaled_by = self.normaliser.clone();
            self.scaling = self.scaled_by.freeze();
        }
    }

    /// The plain form of what is fitted by now, for the next decisions.
    pub fn refresh(&mut self) {
        self.decider = self.plain(0, Reading::Mean).into();
    }

    /// The plain form of a network, in the order of [`Objective::networks`], as it is now.
    #[must_use]
    pub fn plain(&self, network: usize, reading: Reading) -> Forward {
        let (prefix, own) = self.objective.networks(&self.settings.architecture).swap_remove(network);
        Forward::new(&own, &self.parameters.weights(), prefix, self.scaling.clone(), reading)
    }

    fn drawn(&self, seed: Seed) -> Frames {
        let sample = self.replay.sample(self.settings.batch_rows, 0.0, seed, self.updates as u32);
        let (frames, encoder) = (self.replay.frames(), self.settings.architecture.encoder.as_ref());
        let scale = self.settings.reward_scale as f32;
        Frames {
            numbers: sample.slots.iter().map(|slot| self.replay.number(*slot as usize)).collect(),
            here: frames.input(&sample.slots, &self.scaling, encoder),
            beyond: frames.input(&sample.ends, &self.scaling, encoder),
            mask: frames.mask(&sample.slots),
            mask_beyond: frames.mask(&sample.ends),
            actions: sample.actions,
            returns: sample.returns.iter().map(|sum| scale * sum).collect(),
            discounts: sample.discounts,
        }
    }

    /// One step of the optimiser on frames of memory, of which one at least can be learned from, when this share of
    /// training is over.
    ///
    /// # Errors
    /// Where the loss or its gradient is not finite.
    pub fn update(&mut self, seed: Seed, progress: f64) -> Result<Metrics, Diverged> {
        let batch = self.drawn(seed);
        let fitted = Fitted { online: &self.online, target: &self.target, numbers: &self.numbers };
        let (loss, mut metrics) = self.objective.loss(&batch, fitted).expect("shapes are those of the networks");
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
