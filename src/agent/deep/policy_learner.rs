//! What agents have in common that learn a law by its gradient: two networks, rollouts, advantages, updates, checkpoint.
//!
//! An agent of this kind is a [`PolicyLoss`]: how the law is pushed towards what turned out better than expected. The whole
//! loss of a mini-batch is `policy + value_share · value - entropy_share · entropy`; the law is the soft-max of the actor's
//! logits over allowed actions, advantages are those of [`super::rollout`] with the critic's values.
//!
//! The chance with which an action was taken is the one that was recorded with it, so that frames that waited for what
//! follows while the law changed count by the law that made them. Updates have no effect in part: where a quantity is no longer
//! finite, weights and moments are those from before the update.

pub(super) mod keys;

pub use keys::PolicySettings;

use super::checkpoint::{Checkpoint, invalid};
use super::frames::FrameShape;
use super::inference::{Forward, Reading};
use super::law::Categorical;
use super::network::{ActorCritic, Architecture};
use super::normaliser::{Normaliser, Scaling};
use super::operation::{chosen, clipped_square, entropy, log_softmax};
use super::optimizer::Adam;
use super::parameters::{Parameters, read};
use super::rollout::{Advantages, Rollout};
use super::settings;
use crate::math;
use crate::matrix::Matrix;
use crate::protocol::{Agent, Diverged, Ending, Metrics, Observation, Policy, TrainingPlan, Transitions, Views};
use crate::random::{Purpose, Seed};
use candle_core::Tensor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// Seed of the draw that says whom rollouts follow.
const FOLLOWING: Seed = Seed::new(0x726f_6c6c_6f75_7473);
/// Decisions that schedules reckon with where nobody tells how many come.
const UNTOLD_DECISIONS: u64 = 500_000;
/// Frames whose values are computed at a time.
const VALUED_AT_ONCE: usize = 4_096;
/// Keeps advantages that are all the same from being divided by 0.
const DEVIATION_MIN: f64 = 1e-8;

/// How a law is pushed towards what turned out better than expected.
pub trait PolicyLoss: Clone + Debug + PartialEq + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// The name in files.
    const NAME: &'static str;

    /// The loss, a scalar, from the log-probabilities of what was done: now, and when it was done.
    ///
    /// # Errors
    /// Where shapes do not fit.
    fn loss(&self, chosen: &Tensor, old: &[f32], advantages: &[f32]) -> candle_core::Result<Tensor>;

    /// Ratios of probabilities further than this from 1 are counted as `clip_share`, where the loss clips.
    fn clip_width(&self) -> Option<f32> {
        None
    }
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counters {
    decisions: u64,
    /// Decisions when the rollout began.
    began: u64,
    updates: u64,
    planned: Option<u64>,
}

/// The agent that a loss makes.
#[derive(Debug)]
pub struct PolicyLearner<L> {
    loss: L,
    settings: PolicySettings,
    counters: Counters,
    parameters: Parameters,
    networks: ActorCritic,
    adam: Adam,
    normaliser: Normaliser,
    /// The moments at the last update, by which features are scaled until the next.
    scaled_by: Normaliser,
    scaling: Scaling,
    rollout: Rollout,
    logits: Arc<Forward>,
}

/// What is learned from in an update, row by row.
struct Lesson {
    slots: Vec<u32>,
    advantages: Vec<f32>,
    returns: Vec<f32>,
    /// Values before the update.
    values: Vec<f32>,
}

/// Sums over the mini-batches of an update.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    batches: f64,
    policy: f64,
    value: f64,
    entropy: f64,
    divergence: f64,
    clipped: f64,
    norm: f64,
}

/// Moves the bias of no contact, action 0, so that the others together have about this probability at first.
fn restrain(parameters: &Parameters, actions: usize, share: f64) {
    let mut weights = parameters.weights();
    let others = actions.saturating_sub(1).max(1) as f64;
    // A difference of logarithms stays finite for the smallest of shares, whose odds do not.
    let bias = libm::log(others) + libm::log(1.0 - share) - libm::log(share);
    weights.get_mut("actor.head.bias")[0] = bias as f32;
    parameters.set(&weights).expect("the weights are those of this network");
}

impl<L: PolicyLoss> PolicyLearner<L> {
    /// An agent that has learned nothing.
    #[must_use]
    pub fn new(loss: L, settings: PolicySettings, shape: FrameShape, seed: Seed) -> Self {
        let parameters = Parameters::new(seed);
        let networks = ActorCritic::new(&settings.architecture, &parameters).expect("names are new");
        if let Some(share) = settings.contact_share_initial {
            restrain(&parameters, settings.architecture.actions.count(), share);
        }
        let scaling = Scaling::default();
        let rollout = match settings.whole_episodes {
            Some(room) => Rollout::of_whole_episodes(shape, room),
            None => Rollout::new(shape),
        };
        Self {
            adam: Adam::new(&parameters, settings.optimizer),
            normaliser: Normaliser::new(settings.architecture.features),
            scaled_by: Normaliser::new(settings.architecture.features),
            logits: Arc::new(plain(&settings.architecture, &parameters, &scaling)),
            counters: Counters::default(),
            loss,
            settings,
            parameters,
            networks,
            scaling,
            rollout,
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
        let settings: PolicySettings = checkpoint.noted("settings")?;
        let shape: FrameShape = checkpoint.noted("rollout.frames")?;
        let Architecture { features, actions, .. } = &settings.architecture;
        if shape.features() != *features || shape.actions != actions.count() {
            return Err(invalid("the checkpoint's rollout is one of another market than its network"));
        }
        let mut agent = Self::new(checkpoint.noted("loss")?, settings, shape, Seed::new(0));
        agent.restore(&checkpoint)?;
        Ok(Box::new(agent))
    }

    fn restore(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        self.rollout = Rollout::load("rollout", checkpoint)?;
        self.counters = checkpoint.noted("counters")?;
        self.parameters.load("networks", checkpoint)?;
        self.adam.load("adam", checkpoint)?;
        let features = self.settings.architecture.features;
        self.normaliser = Normaliser::load("normaliser", features, checkpoint)?;
        self.scaled_by = Normaliser::load("scaled_by", features, checkpoint)?;
        self.refresh();
        Ok(())
    }

    /// The plain form of what was learned, for the next decisions.
    fn refresh(&mut self) {
        if self.settings.normalise && self.counters.updates > 0 {
            self.scaling = self.scaled_by.freeze();
        }
        self.logits = Arc::new(plain(&self.settings.architecture, &self.parameters, &self.scaling));
    }

    fn diverged(quantity: &str) -> Diverged {
        Diverged { agent: L::NAME.into(), quantity: quantity.into() }
    }

    fn views(&self) -> Views {
        Views { features: true, events: self.settings.architecture.encoder.is_some() }
    }

    fn law(&self, greedy: bool) -> Categorical {
        Categorical { logits: self.logits.clone(), greedy, views: self.views() }
    }

    fn follows(&self) -> impl Fn(u32) -> bool + use<L> {
        let share = self.settings.followed;
        move |consumer| share >= 1.0 || f64::from(FOLLOWING.uniforms(Purpose::Replay, consumer, 0, 0)[0]) < share
    }

    /// An update where it is due, and its figures. Where it breaks down, nothing that was learned is changed.
    fn catch_up(&mut self, seed: Seed) -> Result<Metrics, Diverged> {
        if self.rollout.complete() < self.settings.rollout_frames && !self.rollout.is_full() {
            return Ok(Metrics::new());
        }
        let (weights, adam) = (self.parameters.weights(), self.adam.clone());
        match self.update(seed) {
            Ok(metrics) => {
                self.rollout.clear();
                self.counters.updates += 1;
                self.counters.began = self.counters.decisions;
                self.scaled_by = self.normaliser.clone();
                self.refresh();
                Ok(metrics)
            }
            Err(diverged) => {
                self.parameters.set(&weights).expect("the weights are those of this network");
                self.adam = adam;
                Err(diverged)
            }
        }
    }

    fn update(&mut self, seed: Seed) -> Result<Metrics, Diverged> {
        let planned = self.counters.planned.unwrap_or(UNTOLD_DECISIONS).max(1);
        let rate = self.settings.learning_rate.at(self.counters.began as f64 / planned as f64);
        let lesson = self.lesson()?;
        let rows = lesson.slots.len();
        let mut order: Vec<u32> = (0..rows as u32).collect();
        let mut total = Sums::default();
        for epoch in 0..self.settings.epochs {
            let mut sums = Sums::default();
            shuffle(&mut order, seed, self.counters.updates as u32, epoch);
            for batch in order.chunks(rows.div_ceil(self.settings.minibatches).max(1)) {
                self.step(&lesson, batch, rate, &mut sums)?;
            }
            total.add(&sums);
            if self.settings.target_divergence.is_some_and(|most| sums.divergence / sums.batches > most) {
                break;
            }
        }
        if !self.parameters.weights().values().iter().all(|weight| weight.is_finite()) {
            return Err(Self::diverged("a weight"));
        }
        let Sums { batches, policy, value, entropy, divergence, clipped, norm } = total;
        let mean = |sum: f64| sum / batches.max(1.0);
        let scale = self.settings.reward_scale;
        let mut metrics = vec![
            ("loss_policy", mean(policy)),
            ("loss_value", mean(value)),
            ("entropy", mean(entropy)),
            ("kl", mean(divergence)),
            ("gradient_norm", mean(norm)),
            ("learning_rate", rate),
            ("return", moments(&lesson.returns).0 / scale),
            ("value_mean", moments(&lesson.values).0 / scale),
            ("explained_variance", explained(&lesson)),
        ];
        if self.loss.clip_width().is_some() {
            metrics.push(("clip_share", mean(clipped)));
        }
        Ok(metrics)
    }

    /// Values, advantages and returns of all frames that can be learned from, in the units of the critic.
    fn lesson(&self) -> Result<Lesson, Diverged> {
        let slots: Vec<u32> = (0..self.rollout.frames().len() as u32).collect();
        let encoder = self.settings.architecture.encoder.as_ref();
        let scale = self.settings.reward_scale as f32;
        let mut values = Vec::with_capacity(slots.len());
        for slots in slots.chunks(VALUED_AT_ONCE) {
            let input = self.rollout.frames().input(slots, &self.scaling, encoder);
            let found = self.networks.critic.forward(&input).expect("shapes are those of the network");
            read(&found, |found| values.extend(found.iter().map(|value| value / scale)));
        }
        let (discount, lambda) = (self.settings.discount as f32, self.settings.lambda as f32);
        let Advantages { slots, advantages, returns } = self.rollout.advantages(&values, discount, lambda);
        if !advantages.iter().all(|advantage| advantage.is_finite()) {
            return Err(Self::diverged("an advantage"));
        }
        let scaled = |values: Vec<f32>| values.into_iter().map(|value| value * scale).collect();
        let values = slots.iter().map(|slot| values[*slot as usize]).collect();
        Ok(Lesson { advantages: scaled(advantages), returns: scaled(returns), values: scaled(values), slots })
    }

    /// One step of the optimiser on these rows of the lesson.
    fn step(&mut self, lesson: &Lesson, rows: &[u32], rate: f64, sums: &mut Sums) -> Result<(), Diverged> {
        let take = |values: &[f32]| rows.iter().map(|row| values[*row as usize]).collect::<Vec<f32>>();
        let slots: Vec<u32> = rows.iter().map(|row| lesson.slots[*row as usize]).collect();
        let frames = self.rollout.frames();
        let actions: Vec<u16> = slots.iter().map(|slot| frames.actions[*slot as usize]).collect();
        let old: Vec<f32> = slots.iter().map(|slot| math::ln(frames.propensities[*slot as usize])).collect();
        let mut advantages = take(&lesson.advantages);
        if self.settings.normalise_advantages {
            standardise(&mut advantages);
        }
        let input = frames.input(&slots, &self.scaling, self.settings.architecture.encoder.as_ref());
        let mask = frames.mask(&slots);
        let compute = || -> candle_core::Result<[Tensor; 5]> {
            let logs = log_softmax(&self.networks.actor.forward(&input)?, &mask)?;
            let done = chosen(&logs, &actions, 1)?.flatten_all()?;
            let policy = self.loss.loss(&done, &old, &advantages)?;
            let values = self.networks.critic.forward(&input)?;
            let width = self.settings.value_clip.map(|width| width as f32);
            let value = clipped_square(&values, &take(&lesson.values), &take(&lesson.returns), width)?;
            let entropy = entropy(&logs)?.mean_all()?;
            let loss =
                ((&policy + (&value * self.settings.value_share)?)? - (&entropy * self.settings.entropy_share)?)?;
            Ok([loss, policy, value, entropy, done])
        };
        let [loss, policy, value, entropy, done] = compute().expect("shapes are those of the networks");
        let number = |tensor: &Tensor| f64::from(read(tensor, |values| values[0]));
        for (quantity, tensor) in
            [("the loss of the law", &policy), ("the loss of the value", &value), ("the entropy", &entropy)]
        {
            if !number(tensor).is_finite() {
                return Err(Self::diverged(quantity));
            }
        }
        let gradients = loss.backward().expect("every operation has a gradient");
        let norm = self.adam.step(&self.parameters, &gradients, rate);
        if !norm.is_finite() {
            return Err(Self::diverged("the gradient"));
        }
        let (divergence, clipped) =
            read(&done, |done| drift(done, &old, self.loss.clip_width().unwrap_or(f32::INFINITY)));
        let (policy, value, entropy) = (number(&policy), number(&value), number(&entropy));
        sums.add(&Sums { batches: 1.0, policy, value, entropy, divergence, clipped, norm });
        Ok(())
    }
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.batches += other.batches;
        self.policy += other.policy;
        self.value += other.value;
        self.entropy += other.entropy;
        self.divergence += other.divergence;
        self.clipped += other.clipped;
        self.norm += other.norm;
    }
}

/// The actor's plain form, for the next decisions.
fn plain(architecture: &Architecture, parameters: &Parameters, scaling: &Scaling) -> Forward {
    Forward::new(architecture, &parameters.weights(), "actor.", scaling.clone(), Reading::All)
}

/// Fisher & Yates, by draws addressed by update and epoch.
fn shuffle(order: &mut [u32], seed: Seed, update: u32, epoch: usize) {
    let mut stream = seed.stream(Purpose::Learning, update, epoch as u32);
    for last in (1..order.len()).rev() {
        let other = (u64::from(stream.word()) * (last as u64 + 1)) >> 32;
        order.swap(last, other as usize);
    }
}

/// Mean, and standard deviation with one degree of freedom less than rows.
fn moments(values: &[f32]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / count.max(1.0);
    let squares: f64 = values.iter().map(|value| (f64::from(*value) - mean) * (f64::from(*value) - mean)).sum();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}

/// Mean 0 and deviation 1; one row alone stays as it is.
fn standardise(advantages: &mut [f32]) {
    if advantages.len() > 1 {
        let (mean, deviation) = moments(advantages);
        advantages.iter_mut().for_each(|a| *a = ((f64::from(*a) - mean) / (deviation + DEVIATION_MIN)) as f32);
    }
}

/// How far the law has moved: Schulman's estimate of the divergence, the mean of `ratio - 1 - ln ratio` (*Approximating KL
/// divergence*, 2020), and the share of ratios further than the width from 1.
fn drift(done: &[f32], old: &[f32], width: f32) -> (f64, f64) {
    let (mut divergence, mut clipped) = (0.0, 0.0);
    for (done, old) in done.iter().zip(old) {
        let log = done - old;
        let ratio = math::exp(log);
        divergence += f64::from(ratio - 1.0 - log);
        clipped += f64::from(u8::from((ratio - 1.0).abs() > width));
    }
    let rows = done.len().max(1) as f64;
    (divergence / rows, clipped / rows)
}

/// Share of the variance of returns that the values before the update explain.
fn explained(lesson: &Lesson) -> f64 {
    let (_, of_returns) = moments(&lesson.returns);
    let rest: Vec<f32> = lesson.returns.iter().zip(&lesson.values).map(|(r, v)| r - v).collect();
    let (_, of_rest) = moments(&rest);
    if of_returns > 0.0 { 1.0 - of_rest * of_rest / (of_returns * of_returns) } else { f64::NAN }
}

impl<L: PolicyLoss> Policy for PolicyLearner<L> {
    fn views(&self) -> Views {
        self.views()
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        self.law(false).probabilities(observation, seed, probabilities);
    }
}

impl<L: PolicyLoss> Agent for PolicyLearner<L> {
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
        self.rollout.push(batch, self.follows());
        self.counters.decisions += batch.actions.len() as u64;
        self.catch_up(seed)
    }

    fn end_episode(&mut self, ending: &Ending<'_>, seed: Seed) -> Result<Metrics, Diverged> {
        if let Some(quantity) = settings::fault_of_ending(ending) {
            return Err(Self::diverged(quantity));
        }
        self.rollout.close(ending, self.settings.discount, self.follows());
        self.catch_up(seed)
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        Box::new(self.law(self.settings.judged_greedy))
    }

    fn save(&self, to: &mut dyn io::Write) -> io::Result<()> {
        let mut checkpoint = Checkpoint::default();
        checkpoint.note("agent", &L::NAME)?;
        checkpoint.note("loss", &self.loss)?;
        checkpoint.note("settings", &self.settings)?;
        checkpoint.note("counters", &self.counters)?;
        self.parameters.save("networks", &mut checkpoint);
        self.adam.save("adam", &mut checkpoint);
        self.normaliser.save("normaliser", &mut checkpoint);
        self.scaled_by.save("scaled_by", &mut checkpoint);
        self.rollout.save("rollout", &mut checkpoint)?;
        checkpoint.write(to)
    }
}

#[cfg(test)]
mod tests;
