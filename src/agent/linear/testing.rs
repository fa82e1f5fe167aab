//! What the tests of the contextual bandits share.

use super::{Link, Model};
use crate::matrix::Matrix;
use crate::protocol::{ActionBits, ActionSpace, Agent, Decision, Feature, Observation, Policy, Spec, Transitions};
use crate::random::Seed;

/// A flat space of `actions` actions, no contact among them, and `features` raw features.
pub fn spec(features: usize, actions: usize) -> Spec {
    let names: Vec<String> = (1..actions).map(|action| format!("arm_{action}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Spec {
        consumers: 1,
        horizon: 1,
        tick_days: 1.0,
        discount: 1.0,
        features: (0..features).map(|index| Feature::raw(format!("x_{index}"), "none")).collect(),
        actions: ActionSpace::flat("arm", "none", &names),
        kpis: Vec::new(),
    }
}

/// Rows to decide on or to learn from.
#[derive(Debug)]
pub struct Play {
    pub observation: Observation,
}

impl Play {
    pub fn new(rows: &[&[f32]], actions: usize) -> Self {
        Self {
            observation: Observation {
                tick: 3,
                consumer_ids: (0..rows.len() as u32).collect(),
                features: Matrix::from_rows(rows),
                allowed: ActionBits::all(rows.len(), actions),
                ..Observation::default()
            },
        }
    }

    pub fn teach(&self, model: &mut Model, actions: &[u16], rewards: &[f32]) {
        self.teach_with(model, Link::Identity, actions, rewards, f64::from);
    }

    pub fn teach_with(
        &self,
        model: &mut Model,
        link: Link,
        actions: &[u16],
        rewards: &[f32],
        target: impl Fn(f32) -> f64,
    ) {
        let propensities = vec![1.0; actions.len()];
        let batch = Transitions {
            observation: &self.observation,
            actions,
            propensities: &propensities,
            rewards,
            terminated: &[],
        };
        assert_eq!(model.fault(&batch), None);
        model.learn(&batch, link, target);
    }

    pub fn teach_agent(&self, agent: &mut dyn Agent, actions: &[u16], rewards: &[f32]) {
        let propensities = vec![1.0; actions.len()];
        let batch = Transitions {
            observation: &self.observation,
            actions,
            propensities: &propensities,
            rewards,
            terminated: &[],
        };
        agent.learn(&batch, Seed::new(1)).unwrap();
    }

    pub fn probabilities(&self, policy: &dyn Policy) -> Matrix {
        let mut probabilities = Matrix::default();
        policy.probabilities(&self.observation, Seed::new(1), &mut probabilities);
        probabilities
    }

    pub fn decide(&self, policy: &dyn Policy) -> (Vec<u16>, Vec<f32>) {
        let mut decision = Decision::default();
        policy.decide(&self.observation, Seed::new(1), &mut decision);
        (decision.actions, decision.propensities)
    }
}
