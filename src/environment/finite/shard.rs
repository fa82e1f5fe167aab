//! Consumers who walk through a finite process.

use super::Inside;
use crate::matrix::Matrix;
use crate::protocol::{Decision, Environment, MaskedAction, Observation, Outcome, Shard, Spec, Truth, Views};
use crate::random::{Purpose, Seed};
use std::ops::Range;
use std::sync::Arc;

/// Consumers per shard.
const SHARD_CONSUMERS: u32 = 512;

/// An open finite process.
pub(super) struct OpenProcess {
    inside: Arc<Inside>,
    shards: Vec<FiniteShard>,
}

impl OpenProcess {
    /// Everyone in the start state.
    pub fn new(inside: Arc<Inside>, seed: Seed) -> Self {
        let consumers = inside.spec.consumers;
        let shards = (0..consumers)
            .step_by(SHARD_CONSUMERS as usize)
            .map(|first| {
                let consumers = first..consumers.min(first.saturating_add(SHARD_CONSUMERS));
                let states = vec![inside.start; consumers.len()];
                FiniteShard { inside: inside.clone(), seed, consumers, tick: 0, states }
            })
            .collect();
        Self { inside, shards }
    }
}

impl Environment for OpenProcess {
    fn spec(&self) -> &Spec {
        &self.inside.spec
    }

    fn fork(&self) -> Box<dyn Environment> {
        Box::new(Self { inside: self.inside.clone(), shards: self.shards.clone() })
    }

    fn is_coupled(&self) -> bool {
        false
    }

    fn shards_mut(&mut self) -> Vec<&mut dyn Shard> {
        self.shards.iter_mut().map(|shard| shard as &mut dyn Shard).collect()
    }

    fn end_tick(&mut self) {}
}

#[derive(Clone)]
struct FiniteShard {
    inside: Arc<Inside>,
    seed: Seed,
    consumers: Range<u32>,
    tick: u32,
    states: Vec<u16>,
}

impl FiniteShard {
    fn check(&self, decision: &Decision) -> Result<(), MaskedAction> {
        for ((consumer, &state), &action) in self.consumers.clone().zip(&self.states).zip(&decision.actions) {
            if !self.inside.process.allows(usize::from(state), usize::from(action)) {
                return Err(MaskedAction { consumer, action, tick: self.tick });
            }
        }
        Ok(())
    }
}

impl Shard for FiniteShard {
    fn consumers(&self) -> Range<u32> {
        self.consumers.clone()
    }

    fn fork(&self) -> Box<dyn Shard> {
        Box::new(self.clone())
    }

    fn observe(&mut self, views: Views, observation: &mut Observation) {
        let Inside { process, allowed, .. } = &*self.inside;
        let rows = self.states.len();
        observation.tick = self.tick;
        observation.consumer_ids.clear();
        observation.consumer_ids.extend(self.consumers.clone());
        observation.reset_events(views, 0);
        observation.allowed.reset_to_all(rows, process.actions());
        for (row, state) in self.states.iter().enumerate() {
            observation.allowed.row_mut(row).copy_from_slice(allowed.row(usize::from(*state)));
        }
        if views.features {
            observation.features.reset(rows, process.states());
            for (row, state) in self.states.iter().enumerate() {
                observation.features.set(row, usize::from(*state), 1.0);
            }
        } else {
            observation.features.reset(0, 0);
        }
    }

    fn step(&mut self, decision: &Decision, outcome: &mut Outcome) -> Result<(), MaskedAction> {
        self.check(decision)?;
        let process = &self.inside.process;
        outcome.reset(self.states.len());
        for (row, state) in self.states.iter_mut().enumerate() {
            let action = usize::from(decision.actions[row]);
            let consumer = self.consumers.start + row as u32;
            let word = self.seed.words(Purpose::FiniteTransition, consumer, self.tick, 0)[0];
            // All 32 bits, so that rare outcomes keep their probability.
            let uniform = (f64::from(word) + 0.5) * (1.0 / 4_294_967_296.0);
            let transitions = process.transitions(usize::from(*state), action);
            let last = transitions.len() - 1;
            let chosen = &transitions[transitions.iter().position(|one| uniform < one.bound).unwrap_or(last)];
            *state = chosen.next;
            outcome.profits[row] = chosen.profit;
            outcome.terminated[row] = process.is_terminal(usize::from(chosen.next));
            outcome.tally += &chosen.tally;
        }
        self.tick += 1;
        Ok(())
    }

    /// All 0: what lies beyond the horizon is bounded by [`super::FiniteWorld::truncation_bound`].
    fn terminal_values(&self, values: &mut Vec<f64>) {
        values.clear();
        values.resize(self.states.len(), 0.0);
    }

    fn truth(&self) -> Option<&dyn Truth> {
        Some(self)
    }
}

impl Truth for FiniteShard {
    /// 0 where an action is not allowed: the table has no law for it.
    fn expected_rewards(&self, expected: &mut Matrix) {
        let process = &self.inside.process;
        expected.reset(self.states.len(), process.actions());
        for (row, state) in self.states.iter().enumerate() {
            for action in 0..process.actions() {
                expected.set(row, action, process.expected_reward(usize::from(*state), action) as f32);
            }
        }
    }
}
