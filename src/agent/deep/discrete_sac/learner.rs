//! When the objective is fitted, and how the agent acts.

use super::super::checkpoint::Checkpoint;
use super::super::law::Categorical;
use super::super::objective::{Fitting, FittingSettings};
use super::super::offline::law::{Gathering, Law};
use super::super::pace::Pace;
use super::super::policy_learner::keys::JUDGED;
use super::DiscreteSac;
use crate::matrix::Matrix;
use crate::protocol::{Agent, Diverged, Ending, Metrics, Observation, Policy, Spec, TrainingPlan, Transitions, Views};
use crate::random::Seed;
use crate::registry::{Parameter, Refusal, Values};
use serde::{Deserialize, Serialize};
use std::io;

/// Seed of the draw that says whom memory follows.
const FOLLOWING: Seed = Seed::new(0x736f_6674);

pub(super) const DECISIONS_PER_UPDATE: Parameter =
    Parameter::integer("decisions_per_update", 10, 1, 1_000_000, "decisions from one update to the next");
pub(super) const DECISIONS_BEFORE: Parameter =
    Parameter::integer("decisions_before", 1_000, 0, 1_000_000_000, "decisions before the first update");

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    decisions_per_update: u64,
    decisions_before: u64,
    judged_greedy: bool,
}

/// The agent.
#[derive(Debug)]
pub(super) struct SoftLearner {
    settings: Settings,
    pace: Pace,
    fitting: Fitting<DiscreteSac>,
}

impl SoftLearner {
    /// An agent that has learned nothing.
    pub fn new(objective: DiscreteSac, values: &Values, spec: &Spec) -> Result<Self, Refusal> {
        let (fitting, shape, seed) = FittingSettings::of(values, spec, 1)?;
        let settings = Settings {
            decisions_per_update: values.integer(DECISIONS_PER_UPDATE.name) as u64,
            decisions_before: values.integer(DECISIONS_BEFORE.name) as u64,
            judged_greedy: values.text(JUDGED.name) == "greedy",
        };
        // Half of memory for frames that wait for what follows.
        let waiting = f64::from(spec.consumers.max(1)) * (fitting.replay.steps + 1) as f64;
        let followed = (FOLLOWING, fitting.replay.capacity as f64 / 2.0 / waiting);
        let fitting = Fitting::new(objective, FittingSettings { followed, ..fitting }, shape, seed);
        Ok(Self { settings, pace: Pace::default(), fitting })
    }

    /// The agent that `save` wrote.
    pub fn load(from: &mut dyn io::Read) -> io::Result<Box<dyn Agent>> {
        Ok(Box::new(Self::restored(&Checkpoint::read(from)?)?))
    }

    /// The agent of a checkpoint.
    pub fn restored(checkpoint: &Checkpoint) -> io::Result<Self> {
        let fitting = Fitting::load(checkpoint)?;
        Ok(Self { settings: checkpoint.noted("settings")?, pace: checkpoint.noted("pace")?, fitting })
    }

    fn law(&self, greedy: bool) -> Law {
        let views = self.fitting.views();
        if self.fitting.updates() == 0 {
            return Law::Gathering(Gathering { contact_share: None, views });
        }
        Law::SoftMax(Categorical { logits: self.fitting.decider().clone(), greedy, views })
    }

    /// All updates that are due; the figures of the last.
    fn catch_up(&mut self, seed: Seed) -> Result<Metrics, Diverged> {
        let mut metrics = Metrics::new();
        let Settings { decisions_per_update, decisions_before, .. } = self.settings;
        let due = self.pace.due(decisions_before, decisions_per_update, self.fitting.updates());
        if due > 0 && self.fitting.replay().ready() > 0 {
            self.fitting.rescale();
            for _ in 0..due {
                metrics = self.fitting.update(seed, self.pace.progress())?;
            }
            self.fitting.refresh();
        }
        Ok(metrics)
    }
}

impl Policy for SoftLearner {
    fn views(&self) -> Views {
        self.fitting.views()
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        self.law(false).policy().probabilities(observation, seed, probabilities);
    }
}

impl Agent for SoftLearner {
    fn is_sequential(&self) -> bool {
        true
    }

    fn begin_training(&mut self, plan: &TrainingPlan) {
        self.pace.plan(plan);
    }

    fn learn(&mut self, batch: &Transitions<'_>, seed: Seed) -> Result<Metrics, Diverged> {
        self.fitting.observe(batch)?;
        self.pace.advance(batch.actions.len());
        self.catch_up(seed)
    }

    fn end_episode(&mut self, ending: &Ending<'_>, seed: Seed) -> Result<Metrics, Diverged> {
        self.fitting.close(ending)?;
        self.catch_up(seed)
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        self.law(self.settings.judged_greedy).boxed()
    }

    fn save(&self, to: &mut dyn io::Write) -> io::Result<()> {
        let mut checkpoint = Checkpoint::default();
        checkpoint.note("settings", &self.settings)?;
        checkpoint.note("pace", &self.pace)?;
        self.fitting.save(&mut checkpoint)?;
        checkpoint.write(to)
    }
}
