//! What agents have in common that learn from a log alone: memory, fitting when the log is over, checkpoint.
//!
//! An agent of this kind is an [`Objective`]: the networks that it fits, and one loss for a batch of stored frames. While it
//! is shown decisions it only stores them, and acts, where it is asked to act, by a law that its keys tell: uniformly, or
//! contacting with a given chance. [`Agent::conclude`] fits; from then on the law is that of what was fitted.
//!
//! Memory is bounded by `memory` frames. Of a log that is larger, whole episodes of a part of the consumers are kept, drawn
//! by address; where more comes than was told, the oldest frames are forgotten.

pub(super) mod law;
mod settings;

use super::checkpoint::Checkpoint;
use super::law::{Categorical, EpsilonGreedy};
use super::objective::Fitting;
pub use super::objective::{Fitted, Frames, Objective};
use crate::matrix::Matrix;
use crate::protocol::{Agent, Diverged, Ending, Metrics, Observation, Policy, TrainingPlan, Transitions, Views};
use crate::random::Seed;
use law::{Gathering, Law};
use settings::share_of;
pub(super) use settings::{
    BATCH, CONTACT_SHARE, EPSILON_JUDGED, MEMORY, NETWORK_SEED, STEPS, TARGET_SHARE, UPDATES, UPDATES_PER_TARGET,
};
pub use settings::{OfflineSettings, Reader};
use std::io;

/// The agent that an objective makes.
#[derive(Debug)]
pub struct OfflineLearner<O> {
    settings: OfflineSettings,
    /// The law is that of its network from the first update on.
    fitting: Fitting<O>,
}

impl<O: Objective> OfflineLearner<O> {
    /// An agent that has seen nothing.
    #[must_use]
    pub fn new(objective: O, (settings, fitting, shape, seed): settings::Parts) -> Self {
        Self { settings, fitting: Fitting::new(objective, fitting, shape, seed) }
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
        Ok(Self { fitting: Fitting::load(checkpoint)?, settings: checkpoint.noted("settings")? })
    }

    /// What it has fitted.
    #[must_use]
    pub fn fitting(&self) -> &Fitting<O> {
        &self.fitting
    }

    fn law(&self) -> Law {
        let views = self.fitting.views();
        if self.fitting.updates() == 0 {
            return Law::Gathering(Gathering { contact_share: self.settings.contact_share, views });
        }
        let network = self.fitting.decider().clone();
        match self.settings.reader {
            Reader::Greedy(epsilon) => Law::Greedy(EpsilonGreedy { values: network, epsilon: epsilon as f32, views }),
            Reader::SoftMax => Law::SoftMax(Categorical { logits: network, greedy: false, views }),
        }
    }
}

impl<O: Objective> Policy for OfflineLearner<O> {
    fn views(&self) -> Views {
        self.fitting.views()
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
        self.fitting.follow(share_of(self.settings.capacity, plan.markets, plan.ticks, plan.consumers));
    }

    fn learn(&mut self, batch: &Transitions<'_>, _seed: Seed) -> Result<Metrics, Diverged> {
        self.fitting.observe(batch)?;
        Ok(Metrics::new())
    }

    fn end_episode(&mut self, ending: &Ending<'_>, _seed: Seed) -> Result<Metrics, Diverged> {
        self.fitting.close(ending)?;
        Ok(Metrics::new())
    }

    fn conclude(&mut self, seed: Seed) -> Result<Metrics, Diverged> {
        let mut metrics = Metrics::new();
        let frames = self.fitting.replay().ready();
        if frames == 0 {
            return Ok(metrics);
        }
        self.fitting.rescale();
        for done in 0..self.settings.updates {
            metrics = self.fitting.update(seed, done as f64 / self.settings.updates as f64)?;
        }
        self.fitting.refresh();
        metrics.push(("frames", frames as f64));
        Ok(metrics)
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        self.law().boxed()
    }

    fn save(&self, to: &mut dyn io::Write) -> io::Result<()> {
        let mut checkpoint = Checkpoint::default();
        checkpoint.note("settings", &self.settings)?;
        self.fitting.save(&mut checkpoint)?;
        checkpoint.write(to)
    }
}

#[cfg(test)]
mod tests;
