//! A contextual bandit problem whose contexts, success probabilities and coins are fixed beforehand.
//!
//! The file holds little-endian `f32` without a header: contexts `[rounds, d]`, success probabilities `[rounds, 24]` and
//! the uniforms `[rounds]` that decide each reward, row after row. Shared by the example, the benches and the tests.
#![allow(dead_code, reason = "each program that includes this file uses a part of it")]

use mercato::matrix::Matrix;
use mercato::protocol::{ActionBits, ActionSpace, Agent, Decision, Diverged, Feature, Observation, Spec, Transitions};
use mercato::random::{Purpose, Seed};
use rand_distr::{Distribution, StandardNormal};
use std::fs;

/// Number of actions.
pub const ACTIONS: usize = 24;

/// Contexts, and what each action would bring.
pub struct Problem {
    dimension: usize,
    /// `[rounds, d]`.
    contexts: Vec<f32>,
    /// Success probabilities, `[rounds, 24]`.
    probabilities: Vec<f32>,
    /// `[rounds]`: the reward is 1 where the uniform is below the probability.
    uniforms: Vec<f32>,
}

impl Problem {
    /// Reads the file.
    pub fn read(path: &str, dimension: usize) -> Result<Self, String> {
        let bytes = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
        let per_round = dimension + ACTIONS + 1;
        if bytes.is_empty() || !bytes.len().is_multiple_of(4 * per_round) {
            return Err(format!("{path}: {} bytes are no whole number of rounds of {per_round} numbers", bytes.len()));
        }
        let rounds = bytes.len() / 4 / per_round;
        let mut numbers = bytes.chunks_exact(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        let contexts = numbers.by_ref().take(rounds * dimension).collect();
        let probabilities = numbers.by_ref().take(rounds * ACTIONS).collect();
        Ok(Self { dimension, contexts, probabilities, uniforms: numbers.collect() })
    }

    /// Number of rounds.
    pub fn rounds(&self) -> usize {
        self.uniforms.len()
    }

    /// A flat space of 24 arms.
    pub fn spec(&self) -> Spec {
        let names: Vec<String> = (1..ACTIONS).map(|action| format!("arm_{action}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Spec {
            consumers: self.rounds() as u32,
            horizon: 1,
            tick_days: 1.0,
            discount: 1.0,
            features: (0..self.dimension).map(|index| Feature::raw(format!("x_{index}"), "none")).collect(),
            actions: ActionSpace::flat("arm", "arm_0", &names),
            kpis: Vec::new(),
        }
    }

    /// The rows of rounds `start..start + rows`.
    fn observe(&self, start: usize, rows: usize, observation: &mut Observation) {
        observation.tick = start as u32;
        observation.consumer_ids.clear();
        observation.consumer_ids.extend(start as u32..(start + rows) as u32);
        observation.features.reshape(rows, self.dimension);
        let contexts = &self.contexts[start * self.dimension..(start + rows) * self.dimension];
        for (row, context) in contexts.chunks_exact(self.dimension).enumerate() {
            observation.features.set_row(row, context);
        }
    }

    /// The reward of an action.
    pub fn reward(&self, round: usize, action: u16) -> f32 {
        let succeeds = self.uniforms[round] < self.probabilities[round * ACTIONS + usize::from(action)];
        f32::from(u8::from(succeeds))
    }

    /// Pseudo-regret of these actions and of the uniform policy over the first rounds.
    pub fn regret(&self, actions: &[u16], rounds: usize) -> (f64, f64) {
        let rows = self.probabilities.chunks_exact(ACTIONS).zip(actions).take(rounds);
        rows.fold((0.0, 0.0), |(regret, uniform), (probabilities, &action)| {
            let best = f64::from(probabilities.iter().copied().fold(0.0, f32::max));
            let mean = probabilities.iter().map(|p| f64::from(*p)).sum::<f64>() / ACTIONS as f64;
            (regret + best - f64::from(probabilities[usize::from(action)]), uniform + best - mean)
        })
    }

    /// Draws a problem: `x ~ N(0, 1)^d`, `theta_a ~ 1.5 N(0, 1) / sqrt(d)`, success with probability
    /// `sigmoid(x . theta_a - 1)`.
    pub fn draw(seed: u64, dimension: usize, rounds: usize) -> Self {
        let seed = Seed::new(seed);
        let normals = |entity: u32, count: usize| -> Vec<f64> {
            let mut stream = seed.stream(Purpose::Problem, entity, 0);
            (0..count).map(|_| StandardNormal.sample(&mut stream)).collect()
        };
        let thetas = normals(0, ACTIONS * dimension);
        let contexts = normals(1, rounds * dimension);
        let mut uniforms = seed.stream(Purpose::Problem, 2, 0);
        let scale = 1.5 / (dimension as f64).sqrt();
        let probability = |x: &[f64], theta: &[f64]| {
            let product: f64 = x.iter().zip(theta).map(|(x, theta)| x * theta * scale).sum();
            (1.0 / (1.0 + libm::exp(1.0 - product))) as f32
        };
        let probabilities = contexts
            .chunks_exact(dimension)
            .flat_map(|x| thetas.chunks_exact(dimension).map(move |theta| probability(x, theta)))
            .collect();
        Self {
            dimension,
            contexts: contexts.iter().map(|x| *x as f32).collect(),
            probabilities,
            uniforms: (0..rounds).map(|_| uniforms.uniform()).collect(),
        }
    }

    /// The context of a round.
    pub fn context(&self, round: usize) -> &[f32] {
        &self.contexts[round * self.dimension..(round + 1) * self.dimension]
    }

    /// Lets an agent decide and learn batch by batch; returns its actions. Before the first batch of several there is no
    /// model: action t mod 24 is taken there.
    pub fn play(&self, agent: &mut dyn Agent, batch: usize, rounds: usize) -> Result<Vec<u16>, Diverged> {
        let mut observation = Observation { allowed: ActionBits::all(batch, ACTIONS), ..Observation::default() };
        observation.features = Matrix::new(batch, self.dimension);
        let mut decision = Decision::default();
        let mut rewards = vec![0.0; batch];
        let mut actions = Vec::with_capacity(rounds);
        let seed = Seed::new(1);
        for start in (0..rounds).step_by(batch) {
            let rows = batch.min(rounds - start);
            if rows < batch {
                observation.allowed.reset_to_all(rows, ACTIONS);
            }
            self.observe(start, rows, &mut observation);
            if batch > 1 && start == 0 {
                decision.reset(rows);
                decision.actions.iter_mut().enumerate().for_each(|(row, action)| *action = (row % ACTIONS) as u16);
            } else {
                agent.decide(&observation, seed, &mut decision);
            }
            for (row, (reward, &action)) in rewards.iter_mut().zip(&decision.actions).enumerate() {
                *reward = self.reward(start + row, action);
            }
            let transitions = Transitions {
                observation: &observation,
                actions: &decision.actions,
                propensities: &decision.propensities,
                rewards: &rewards[..rows],
                terminated: &[],
            };
            agent.learn(&transitions, seed)?;
            actions.extend_from_slice(&decision.actions);
        }
        Ok(actions)
    }
}
