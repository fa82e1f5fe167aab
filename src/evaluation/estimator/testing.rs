//! Eight rounds in two contexts with three actions, on which every estimate can be checked by hand.

use super::{Estimator, Terms};
use crate::evaluation::evidence::Evidence;

/// The log, the laws and the reward model.
pub(in crate::evaluation) struct EightRounds {
    actions: Vec<u32>,
    pub(in crate::evaluation) rewards: Vec<f64>,
    propensities: Vec<f64>,
    pub(in crate::evaluation) target: Vec<f64>,
    logging: Vec<f64>,
    model: Vec<f64>,
    factors: Vec<Vec<u16>>,
    mixture: Vec<f64>,
}

impl EightRounds {
    pub(in crate::evaluation) fn new() -> Self {
        let contexts = [0, 0, 0, 0, 1, 1, 1, 1];
        let actions = [0_u32, 1, 2, 1, 1, 2, 0, 2];
        let logging = [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]];
        let target = [[0.2, 0.6, 0.2], [0.1, 0.1, 0.8]];
        let model = [[0.1, 0.4, 0.2], [0.5, 0.1, 0.5]];
        let spread = |table: [[f64; 3]; 2]| contexts.iter().flat_map(|context| table[*context]).collect::<Vec<f64>>();
        let propensities: Vec<f64> =
            contexts.iter().zip(actions).map(|(context, action)| logging[*context][action as usize]).collect();
        Self {
            actions: actions.to_vec(),
            rewards: vec![0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0],
            target: spread(target),
            logging: spread(logging),
            model: spread(model),
            factors: vec![vec![0], vec![1], vec![1]],
            // A second, uniform policy logged as many rounds.
            mixture: propensities.iter().map(|propensity| (propensity + 1.0 / 3.0) / 2.0).collect(),
            propensities,
        }
    }

    /// As estimators see it.
    pub(in crate::evaluation) fn evidence(&self) -> Evidence<'_> {
        Evidence {
            action_count: 3,
            actions: &self.actions,
            rewards: &self.rewards,
            propensities: &self.propensities,
            target: &self.target,
            logging: Some(&self.logging),
            models: [Some(&self.model); 3],
            direct: [None; 3],
            factors: &self.factors,
            mixture: Some(&self.mixture),
        }
    }

    /// The estimate.
    pub(in crate::evaluation) fn value(&self, estimator: &dyn Estimator) -> f64 {
        let mut terms = Terms::default();
        estimator.terms(&self.evidence(), &mut terms).unwrap();
        let mean =
            if terms.plain.is_empty() { 0.0 } else { terms.plain.iter().sum::<f64>() / terms.plain.len() as f64 };
        let weight: f64 = terms.denominator.iter().sum();
        mean + if terms.denominator.is_empty() { 0.0 } else { terms.numerator.iter().sum::<f64>() / weight }
    }
}
