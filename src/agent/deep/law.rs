//! Laws of networks: what an agent does with its outputs.

use super::inference::Forward;
use super::operation::{probability, soften};
use crate::agent::linear::room::Room;
use crate::matrix::Matrix;
use crate::protocol::{Observation, Policy, Views};
use crate::random::{LANES, Seed};
use std::sync::Arc;

/// With n allowed actions: `epsilon / n` each, and `1 - epsilon` more for the one of the greatest value; of equals, the first.
#[derive(Clone, Debug)]
pub struct EpsilonGreedy {
    /// One value for each action.
    pub values: Arc<Forward>,
    /// Share of decisions drawn uniformly from allowed actions.
    pub epsilon: f32,
    /// What the network reads.
    pub views: Views,
}

impl Policy for EpsilonGreedy {
    fn views(&self) -> Views {
        self.views
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        self.values.evaluate(observation, probabilities);
        for block in 0..probabilities.blocks() {
            let first = block * LANES;
            let rows = (observation.rows() - first).min(LANES);
            let values = probabilities.block_mut(block);
            for lane in 0..rows {
                let row = first + lane;
                let best = greatest(observation.allowed.iter(row), |action| values[action][lane]);
                values.iter_mut().for_each(|lanes| lanes[lane] = 0.0);
                if self.epsilon > 0.0 {
                    let share = self.epsilon / observation.allowed.count(row) as f32;
                    observation.allowed.iter(row).for_each(|action| values[action][lane] = share);
                }
                values[best][lane] += 1.0 - self.epsilon;
            }
        }
    }
}

/// The allowed action of the greatest value; of equals, the first. Where no value is a number, action 0.
pub(super) fn greatest(allowed: impl Iterator<Item = usize>, mut value: impl FnMut(usize) -> f32) -> usize {
    let (mut best, mut greatest) = (0, f32::NEG_INFINITY);
    for action in allowed {
        let value = value(action);
        (best, greatest) = if value > greatest { (action, value) } else { (best, greatest) };
    }
    best
}

/// The greedy action of a network that is drawn from several, and a share of random decisions: with n allowed actions,
/// `floor / n` each, and `1 - floor` times the share of networks that have an action first.
#[derive(Clone, Debug)]
pub struct Votes {
    /// One value for each action, of every network.
    pub members: Vec<Arc<Forward>>,
    /// Share of decisions drawn uniformly from allowed actions.
    pub floor: f32,
    /// What the networks read.
    pub views: Views,
}

impl Policy for Votes {
    fn views(&self) -> Views {
        self.views
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), observation.allowed.actions());
        let mut values = Matrix::default();
        for member in &self.members {
            member.evaluate(observation, &mut values);
            for row in 0..observation.rows() {
                let best = greatest(observation.allowed.iter(row), |action| values.get(row, action));
                probabilities.set(row, best, probabilities.get(row, best) + 1.0);
            }
        }
        let share = (1.0 - self.floor) / self.members.len() as f32;
        for row in 0..observation.rows() {
            let even = self.floor / observation.allowed.count(row) as f32;
            for action in observation.allowed.iter(row) {
                probabilities.set(row, action, probabilities.get(row, action) * share + even);
            }
        }
    }
}

/// The soft-max of logits over allowed actions.
#[derive(Clone, Debug)]
pub struct Categorical {
    /// One logit for each action.
    pub logits: Arc<Forward>,
    /// Take the most probable action with certainty instead of drawing.
    pub greedy: bool,
    /// What the network reads.
    pub views: Views,
}

impl Policy for Categorical {
    fn views(&self) -> Views {
        self.views
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        if self.greedy {
            let law = EpsilonGreedy { values: self.logits.clone(), epsilon: 0.0, views: self.views };
            law.probabilities(observation, seed, probabilities);
            return;
        }
        self.logits.evaluate(observation, probabilities);
        let mut row_logits = Room::<f32, 512>::new(0.0, probabilities.columns());
        for row in 0..observation.rows() {
            probabilities.copy_row(row, &mut row_logits);
            soften(&mut row_logits, |action| observation.allowed.allows(row, action));
            row_logits.iter_mut().for_each(|log| *log = probability(*log));
            probabilities.set_row(row, &row_logits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::inference::Reading;
    use super::super::network::{Actions, Architecture, Network, Scheme};
    use super::super::normaliser::Scaling;
    use super::super::operation::Activation;
    use super::super::parameters::Parameters;
    use super::*;
    use crate::protocol::ActionBits;

    fn forward() -> Arc<Forward> {
        let architecture = Architecture {
            features: 2,
            encoder: None,
            widths: vec![5],
            activation: Activation::Tanh,
            actions: Actions::flat(4),
            outputs: 1,
            dueling: false,
            scheme: Scheme::Kaiming,
        };
        let parameters = Parameters::new(Seed::new(3));
        Network::new(&architecture, &parameters, "").unwrap();
        Arc::new(Forward::new(&architecture, &parameters.weights(), "", Scaling::default(), Reading::All))
    }

    /// A soft-max is the logits' exponentials over their sum; its greatest is what the greedy laws take.
    #[test]
    fn laws_are_those_of_their_formulas_on_allowed_actions() {
        let rows: Vec<[f32; 2]> = (0..21).map(|row| [row as f32 / 7.0 - 1.0, (row % 4) as f32]).collect();
        let dense: Vec<&[f32]> = rows.iter().map(|row| &row[..]).collect();
        let mut allowed = ActionBits::all(21, 4);
        (0..21).filter(|row| row % 3 == 0).for_each(|row| allowed.forbid(row, 1 + row % 2));
        let observation = Observation {
            consumer_ids: (0..21).collect(),
            features: Matrix::from_rows(&dense),
            allowed,
            ..Observation::default()
        };
        let (views, logits) = (Views::FEATURES, forward());
        let mut scores = Matrix::default();
        logits.evaluate(&observation, &mut scores);
        let law = |policy: &dyn Policy| {
            let mut law = Matrix::default();
            policy.probabilities(&observation, Seed::new(1), &mut law);
            law
        };
        let soft = law(&Categorical { logits: logits.clone(), greedy: false, views });
        let hard = law(&Categorical { logits: logits.clone(), greedy: true, views });
        let mixed = law(&EpsilonGreedy { values: logits, epsilon: 0.2, views });
        for row in 0..21 {
            let weight = |action: usize| libm::exp(f64::from(scores.get(row, action)));
            let total: f64 = observation.allowed.iter(row).map(weight).sum();
            let count = f64::from(observation.allowed.count(row));
            for action in 0..4 {
                let is_allowed = observation.allowed.allows(row, action);
                let expected = if is_allowed { weight(action) / total } else { 0.0 };
                assert!((f64::from(soft.get(row, action)) - expected).abs() < 1e-6);
                let is_best = is_allowed && observation.allowed.iter(row).all(|other| weight(other) <= weight(action));
                assert_eq!(hard.get(row, action), f32::from(u8::from(is_best)));
                let share = if is_allowed { 0.2 / count } else { 0.0 } + if is_best { 0.8 } else { 0.0 };
                assert!((f64::from(mixed.get(row, action)) - share).abs() < 1e-6);
            }
        }
    }
}
