//! Small logs for tests of models.

use super::{Column, ColumnShape, Rounds, Shape};
use crate::random::{Purpose, Seed};

/// Rounds with one column of levels and one of numbers.
pub(super) struct Log {
    pub shape: Shape,
    pub actions: Vec<u32>,
    pub rewards: Vec<f64>,
    pub levels: Vec<u32>,
    pub numbers: Vec<f64>,
    pub folds: Vec<u8>,
}

impl Log {
    /// Uniform actions and contexts; rewards from a rule of (action, level, number, uniform).
    pub(super) fn drawn(count: usize, actions: usize, rule: impl Fn(u32, u32, f64, f64) -> f64) -> Self {
        let seed = Seed::new(11);
        let mut log = Self {
            shape: Shape {
                action_count: actions,
                action_name: "item".into(),
                factors: Vec::new(),
                columns: vec![
                    ColumnShape { name: "place".into(), levels: 3, number: None },
                    ColumnShape { name: "age".into(), levels: 0, number: Some((0.5, 0.5)) },
                ],
                rounds: count as u64,
                folds: 4,
                is_binary: true,
                lowest: 0.0,
                highest: 1.0,
            },
            actions: Vec::new(),
            rewards: Vec::new(),
            levels: Vec::new(),
            numbers: Vec::new(),
            folds: Vec::new(),
        };
        for round in 0..count {
            let u = seed.uniforms(Purpose::Problem, round as u32, 0, 0).map(f64::from);
            let (action, level) = ((u[0] * actions as f64) as u32, (u[1] * 3.0) as u32);
            log.actions.push(action);
            log.levels.push(level);
            log.numbers.push(u[2]);
            log.rewards.push(rule(action, level, u[2], u[3]));
            log.folds.push((round % 4) as u8);
        }
        log.shape.is_binary = log.rewards.iter().all(|reward| *reward == 0.0 || *reward == 1.0);
        log
    }

    /// Shows all rounds at once.
    pub(super) fn show<T>(&self, look: impl FnOnce(&Rounds<'_>) -> T) -> T {
        let columns = [Column { levels: &self.levels, numbers: &[] }, Column { levels: &[], numbers: &self.numbers }];
        look(&Rounds {
            first: 0,
            actions: &self.actions,
            rewards: &self.rewards,
            columns: &columns,
            folds: &self.folds,
        })
    }

    /// Predictions of a model for every round and action.
    pub(super) fn predictions(&self, model: &dyn super::RewardModel) -> Vec<f64> {
        let mut rewards = vec![0.0; self.actions.len() * self.shape.action_count];
        self.show(|rounds| model.predict(rounds, &mut rewards));
        rewards
    }
}
