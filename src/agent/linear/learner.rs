//! A contextual bandit: a model that learns and a law that decides.

use super::{Law, Model, Row};
use crate::matrix::Matrix;
use crate::protocol::{Agent, Decision, Diverged, Metrics, Observation, Policy, Transitions, Views, draw_actions};
use crate::random::Seed;
use serde::{Deserialize, Serialize};
use std::io;

/// The agent that a law and the shared model make.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "L: Law")]
pub struct Learner<L> {
    law: L,
    /// Rows learned from.
    learned: u64,
    model: Model,
}

impl<L: Law> Learner<L> {
    /// An agent that has learned nothing.
    pub fn new(law: L, model: Model) -> Self {
        Self { law, learned: 0, model }
    }

    /// The agent that `save` wrote.
    ///
    /// # Errors
    /// Where reading fails, or what is read is no such agent.
    pub fn load(from: &mut dyn io::Read) -> io::Result<Box<dyn Agent>> {
        let agent: Self = serde_json::from_reader(from)?;
        Ok(Box::new(agent))
    }

    /// What it has learned.
    #[cfg(feature = "deep")]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The law of rows with these features in place of those of the observation.
    pub fn probabilities_of(
        &self,
        features: &Matrix,
        observation: &Observation,
        seed: Seed,
        probabilities: &mut Matrix,
    ) {
        let actions = self.model.actions();
        probabilities.reset(observation.rows(), actions);
        let mut law = self.model.action_room();
        self.for_each_row(features, observation, seed, |row| {
            let law = &mut law.as_flattened_mut()[..actions];
            law.fill(0.0);
            self.law.fill(row, law);
            probabilities.set_row(row.index, law);
            true
        });
    }

    /// Forgets all that was learned; `ridge` is the prior precision that it begins with again.
    #[cfg(feature = "deep")]
    pub fn restart(&mut self, ridge: f64) {
        self.learned = 0;
        self.model.reset(ridge);
    }

    /// Calls `visit` with every row of these features in turn; stops where it returns false.
    #[inline]
    fn for_each_row(
        &self,
        features: &Matrix,
        observation: &Observation,
        seed: Seed,
        mut visit: impl FnMut(&mut Row<'_>) -> bool,
    ) {
        let mut scratch = self.model.scratch(observation.rows());
        let mut scores = self.model.action_room();
        for index in 0..observation.rows() {
            self.model.open_row(features, index, observation.rows(), &mut scratch);
            let (model, learned) = (&self.model, self.learned);
            let mut row = Row { model, scratch: &mut scratch, scores: &mut scores, observation, index, seed, learned };
            if !visit(&mut row) {
                break;
            }
        }
    }
}

impl<L: Law> Policy for Learner<L> {
    fn views(&self) -> Views {
        Views { features: self.model.reads_features(), events: false }
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        self.probabilities_of(&observation.features, observation, seed, probabilities);
    }

    fn decide(&self, observation: &Observation, seed: Seed, decision: &mut Decision) {
        decision.reset(observation.rows());
        let mut decided = 0;
        let actions = &mut decision.actions;
        self.for_each_row(&observation.features, observation, seed, |row| {
            let certain = self.law.certain(row);
            if let Some(action) = certain {
                actions[row.index] = action as u16;
                decided += 1;
            }
            certain.is_some()
        });
        if decided < observation.rows() {
            self.probabilities(observation, seed, &mut decision.probabilities);
            draw_actions(observation, seed, decision);
        }
    }
}

impl<L: Law> Agent for Learner<L> {
    /// Gives the figures of its law; where that has none it allocates nothing.
    fn learn(&mut self, batch: &Transitions<'_>, _seed: Seed) -> Result<Metrics, Diverged> {
        if let Some(quantity) = self.model.fault(batch) {
            return Err(Diverged { agent: L::NAME.into(), quantity: quantity.into() });
        }
        self.law.prepare(&mut self.model, batch);
        let law = &self.law;
        self.model.learn(batch, L::LINK, |reward| law.target(reward));
        self.learned += batch.rewards.len() as u64;
        Ok(self.law.review(&self.model, batch))
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        Box::new(self.clone())
    }

    fn save(&self, to: &mut dyn io::Write) -> io::Result<()> {
        Ok(serde_json::to_writer(to, self)?)
    }
}
