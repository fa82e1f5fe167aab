//! What bandits on networks have in common: networks that are fitted to rewards, when they are trained, checkpoint.
//!
//! An agent of this kind is a [`Bandit`]: how many networks it fits, and the law that it makes of them. Every network tells the
//! reward of each action; what is remembered are single decisions, each an episode of its own, so that nothing that comes
//! later is looked at. Memory keeps the newest `memory` decisions of all consumers.
//!
//! Networks are trained in bursts: `updates_per_training` updates from where they stand, each time that so many decisions have
//! come. In between, weights stand still, and what rests on them (a posterior, a covariance) grows decision by decision.

use super::checkpoint::Checkpoint;
use super::network::Network;
use super::objective::{Fitting, FittingSettings, Frames, Objective};
use super::operation::{chosen, huber};
use super::pace::Pace;
use super::parameters::read;
use super::settings::{self, fault_of};
use crate::matrix::Matrix;
use crate::protocol::{Agent, Diverged, Metrics, Observation, Policy, Spec, TrainingPlan, Transitions, Views};
use crate::random::Seed;
use crate::registry::{Kind, Parameter, Refusal, Tuning, Values};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use std::io;

/// Widths of the dense layers.
pub(super) const HIDDEN: Parameter = Parameter::of(
    settings::HIDDEN.name,
    Kind::Integers { default: Some(&[64, 32]), minimum: 1, maximum: 4_096 },
    "widths of the dense layers, from the features to the head",
)
.tuned(Tuning::Lists(&[&[32], &[64, 32], &[128, 64]]));
pub(super) const LEARNING_RATE: Parameter = settings::learning_rate(1e-3);
pub(super) const BATCH: Parameter = Parameter::integer("batch", 128, 1, 65_536, "decisions of an update");
pub(super) const DECISIONS_PER_TRAINING: Parameter =
    Parameter::integer("decisions_per_training", 5_000, 1, 1_000_000_000, "decisions from one training to the next");
pub(super) const DECISIONS_BEFORE: Parameter =
    Parameter::integer("decisions_before", 1_000, 0, 1_000_000_000, "decisions before the first training");
pub(super) const UPDATES_PER_TRAINING: Parameter =
    Parameter::integer("updates_per_training", 200, 1, 1_000_000, "updates of each network in a training")
        .tuned(Tuning::LogInteger { low: 30, high: 1_000 });
pub(super) const MEMORY: Parameter =
    Parameter::integer("memory", 50_000, 16, 100_000_000, "decisions that are remembered, the newest");
pub(super) const NETWORK_SEED: Parameter =
    Parameter::integer("network_seed", 1, 0, i64::MAX, "seed of the initial weights");

/// What a bandit does with networks that tell rewards.
pub trait Bandit: Objective {
    /// What it knows beside its networks, and how it decides with it.
    type Law: Policy + Clone + 'static;

    /// The law of networks whose weights or scale are new, from the one before.
    ///
    /// # Errors
    /// Where a quantity is no longer finite.
    fn rebuilt(fitting: &Fitting<Self>, law: Self::Law) -> Result<Self::Law, Diverged>;

    /// Learns from a batch of finite numbers, rewards scaled, while the networks stand still.
    ///
    /// # Errors
    /// Where a quantity is no longer finite; nothing is changed then.
    fn observe(_law: &mut Self::Law, _batch: &Transitions<'_>) -> Result<(), Diverged> {
        Ok(())
    }

    /// Keeps what the networks do not tell.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn keep(_law: &Self::Law, _to: &mut Checkpoint) -> io::Result<()> {
        Ok(())
    }

    /// The law of a checkpoint.
    ///
    /// # Errors
    /// Where something is absent or does not fit.
    fn restored(fitting: &Fitting<Self>, from: &Checkpoint) -> io::Result<Self::Law>;
}

/// Half the squared error of each network's reward of what was done, summed over networks; `weight` says how often a
/// frame counts for a network, by their numbers.
///
/// # Errors
/// Where shapes do not fit.
pub(super) fn reward_loss(
    batch: &Frames,
    networks: &[Network],
    weight: impl Fn(usize, u64) -> f32,
) -> candle_core::Result<(Tensor, Metrics)> {
    let mut sum: Option<Tensor> = None;
    for (member, network) in networks.iter().enumerate() {
        let weights: Vec<f32> = batch.numbers.iter().map(|number| weight(member, *number)).collect();
        let predictions = chosen(&network.forward(&batch.here)?, &batch.actions, 1)?;
        let loss = huber(&predictions, &batch.returns, &weights, f32::INFINITY)?;
        sum = Some(match sum {
            None => loss,
            Some(sum) => (sum + loss)?,
        });
    }
    let sum = sum.ok_or_else(|| candle_core::Error::Msg("a bandit has a network".into()))?;
    let mean = f64::from(read(&sum, |sum| sum[0])) / networks.len() as f64;
    Ok((sum, vec![("reward_loss", mean)]))
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    decisions_per_training: u64,
    decisions_before: u64,
    updates_per_training: u64,
}

/// The agent that a bandit makes.
#[derive(Debug)]
pub struct BanditLearner<B: Bandit> {
    settings: Settings,
    pace: Pace,
    /// Decisions by the last training.
    trained: Option<u64>,
    fitting: Fitting<B>,
    law: B::Law,
}

impl<B: Bandit> BanditLearner<B> {
    /// An agent that has learned nothing; `law` makes that of first weights.
    ///
    /// # Errors
    /// Where the market shows nothing that a network could read, or the law refuses.
    pub(super) fn new(
        bandit: B,
        values: &Values,
        spec: &Spec,
        law: impl FnOnce(&Fitting<B>) -> Result<B::Law, Refusal>,
    ) -> Result<Self, Refusal> {
        let (fitting, shape, seed) = FittingSettings::of(values, spec, 1)?;
        let fitting = Fitting::new(bandit, fitting, shape, seed);
        let whole = |key: Parameter| values.integer(key.name) as u64;
        let settings = Settings {
            decisions_per_training: whole(DECISIONS_PER_TRAINING),
            decisions_before: whole(DECISIONS_BEFORE),
            updates_per_training: whole(UPDATES_PER_TRAINING),
        };
        let law = law(&fitting)?;
        Ok(Self { settings, pace: Pace::default(), trained: None, fitting, law })
    }

    /// The agent that `save` wrote.
    ///
    /// # Errors
    /// Where reading fails, or what is read is no such agent.
    pub fn load(from: &mut dyn io::Read) -> io::Result<Box<dyn Agent>> {
        Ok(Box::new(Self::restored(&Checkpoint::read(from)?)?))
    }

    /// The agent of a checkpoint.
    ///
    /// # Errors
    /// Where something is absent or does not fit.
    pub(super) fn restored(checkpoint: &Checkpoint) -> io::Result<Self> {
        let fitting = Fitting::load(checkpoint)?;
        let law = B::restored(&fitting, checkpoint)?;
        let (pace, trained) = checkpoint.noted("pace")?;
        Ok(Self { settings: checkpoint.noted("settings")?, pace, trained, fitting, law })
    }

    /// Its networks and memory.
    #[must_use]
    pub fn fitting(&self) -> &Fitting<B> {
        &self.fitting
    }

    /// Its law.
    #[must_use]
    pub fn law(&self) -> &B::Law {
        &self.law
    }

    fn is_due(&self) -> bool {
        let decisions = self.pace.decisions();
        match self.trained {
            None => decisions >= self.settings.decisions_before,
            Some(trained) => decisions - trained >= self.settings.decisions_per_training,
        }
    }

    fn train(&mut self, seed: Seed) -> Result<Metrics, Diverged> {
        let mut metrics = Metrics::new();
        self.fitting.rescale();
        for _ in 0..self.settings.updates_per_training {
            metrics = self.fitting.update(seed, self.pace.progress())?;
        }
        self.fitting.refresh();
        self.trained = Some(self.pace.decisions());
        self.law = B::rebuilt(&self.fitting, self.law.clone())?;
        Ok(metrics)
    }
}

impl<B: Bandit> Policy for BanditLearner<B> {
    fn views(&self) -> Views {
        self.fitting.views()
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        self.law.probabilities(observation, seed, probabilities);
    }
}

impl<B: Bandit> Agent for BanditLearner<B> {
    fn begin_training(&mut self, plan: &TrainingPlan) {
        self.pace.plan(plan);
    }

    fn learn(&mut self, batch: &Transitions<'_>, seed: Seed) -> Result<Metrics, Diverged> {
        if let Some(quantity) = fault_of(batch) {
            return Err(Fitting::<B>::diverged(quantity));
        }
        let scale = self.fitting.settings().reward_scale as f32;
        let rewards: Vec<f32> = batch.rewards.iter().map(|reward| scale * reward).collect();
        B::observe(&mut self.law, &Transitions { rewards: &rewards, ..*batch })?;
        // A decision is all there is to learn from: none waits for the next.
        let over = vec![true; batch.actions.len()];
        self.fitting.observe(&Transitions { terminated: &over, ..*batch })?;
        self.pace.advance(batch.actions.len());
        if self.is_due() && self.fitting.replay().ready() > 0 { self.train(seed) } else { Ok(Metrics::new()) }
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        Box::new(self.law.clone())
    }

    fn save(&self, to: &mut dyn io::Write) -> io::Result<()> {
        let mut checkpoint = Checkpoint::default();
        checkpoint.note("settings", &self.settings)?;
        checkpoint.note("pace", &(self.pace, self.trained))?;
        self.fitting.save(&mut checkpoint)?;
        B::keep(&self.law, &mut checkpoint)?;
        checkpoint.write(to)
    }
}
