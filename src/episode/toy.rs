//! A small market for tests: Bernoulli orders whose chance depends on the action and on one feature, masks, opt-outs,
//! and, if asked for, a budget of messages that couples all consumers.

use crate::matrix::Matrix;
use crate::protocol::{
    ActionSpace, Agent, Decision, Diverged, Environment, Feature, Kpi, MaskedAction, Metrics, Observation, Outcome,
    Policy, Shard, Spec, Transitions, Truth, Views, World,
};
use crate::random::{Purpose, Seed};
use crate::units::Money;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

const SHARD_ROWS: u32 = 1024;

#[derive(Clone, Debug)]
pub(crate) struct Toy {
    pub spec: Spec,
    pub coupled: bool,
    /// Messages that may be sent in all; `None`: any number.
    pub budget: Option<i64>,
    /// Shards of a part; `None`: the market is one part.
    pub part_shards: Option<u32>,
    /// Consumers whose number divides by this end at tick 2.
    pub ends: Option<u32>,
}

impl Toy {
    pub fn new(consumers: u32, horizon: u32) -> Self {
        let mut actions = ActionSpace::flat("letter", "none", &["plain", "loud"]);
        for action in &mut actions.actions[1..] {
            action.cost = Money::from_amount(0.02);
        }
        let kpis = vec![
            Kpi::Messages,
            Kpi::Delivered,
            Kpi::Orders,
            Kpi::OptOuts,
            Kpi::Violations,
            Kpi::Revenue,
            Kpi::Cost,
            Kpi::Profit,
        ];
        let spec = Spec {
            consumers,
            horizon,
            tick_days: 1.0,
            discount: 0.99,
            features: vec![Feature::raw("warmth", "share"), Feature::raw("tick_share", "share")],
            actions,
            kpis,
        };
        Self { spec, coupled: false, budget: None, part_shards: None, ends: None }
    }
}

impl World for Toy {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn part_consumers(&self) -> u32 {
        self.part_shards.map_or(self.spec.consumers, |shards| shards * SHARD_ROWS)
    }

    fn open_part(&self, seed: Seed, part: u32) -> Box<dyn Environment> {
        let first = part * self.part_consumers();
        self.open_consumers(seed, first..(first + self.part_consumers()).min(self.spec.consumers))
    }

    fn open(&self, seed: Seed) -> Box<dyn Environment> {
        self.open_consumers(seed, 0..self.spec.consumers)
    }
}

impl Toy {
    fn open_consumers(&self, seed: Seed, consumers: Range<u32>) -> Box<dyn Environment> {
        let end = consumers.end;
        let states = consumers.step_by(SHARD_ROWS as usize).map(|first| {
            let consumers = first..(first + SHARD_ROWS).min(end);
            State {
                warmth: consumers.clone().map(|id| seed.uniforms(Purpose::Traits, id, 0, 0)[0]).collect(),
                opted_out: vec![false; consumers.len()],
                ended: vec![false; consumers.len()],
                consumers,
                tick: 0,
                seed,
                spent: self.budget.is_some_and(|budget| budget <= 0),
                sent: 0,
                ends: self.ends,
            }
        });
        Box::new(OpenToy::new(self.clone(), self.budget, states.collect()))
    }
}

struct OpenToy {
    toy: Toy,
    left: Option<i64>,
    states: Vec<Arc<Mutex<State>>>,
    shards: Vec<ToyShard>,
}

impl OpenToy {
    fn new(toy: Toy, left: Option<i64>, states: Vec<State>) -> Self {
        let states: Vec<_> = states.into_iter().map(|state| Arc::new(Mutex::new(state))).collect();
        let shards = states.iter().map(|state| ToyShard(state.clone())).collect();
        Self { toy, left, states, shards }
    }
}

impl Environment for OpenToy {
    fn spec(&self) -> &Spec {
        &self.toy.spec
    }

    fn fork(&self) -> Box<dyn Environment> {
        let states = self.states.iter().map(|state| state.lock().unwrap().clone()).collect();
        Box::new(Self::new(self.toy.clone(), self.left, states))
    }

    fn is_coupled(&self) -> bool {
        self.toy.coupled
    }

    fn shards_mut(&mut self) -> Vec<&mut dyn Shard> {
        self.shards.iter_mut().map(|shard| shard as &mut dyn Shard).collect()
    }

    fn end_tick(&mut self) {
        let mut states: Vec<_> = self.states.iter().map(|state| state.lock().unwrap()).collect();
        let sent: i64 = states.iter().map(|state| state.sent).sum();
        if let Some(left) = &mut self.left {
            *left -= sent;
            let spent = *left <= 0;
            states.iter_mut().for_each(|state| state.spent = spent);
        }
        states.iter_mut().for_each(|state| state.sent = 0);
    }
}

#[derive(Clone)]
struct State {
    consumers: Range<u32>,
    tick: u32,
    seed: Seed,
    warmth: Vec<f32>,
    opted_out: Vec<bool>,
    ended: Vec<bool>,
    spent: bool,
    sent: i64,
    ends: Option<u32>,
}

impl State {
    fn chance(&self, row: usize, action: u16) -> f32 {
        0.1 + 0.2 * f32::from(action) * (self.warmth[row] - 0.4)
    }

    fn allows(&self, row: usize, action: usize) -> bool {
        let id = self.consumers.start + row as u32;
        let rested = action != 2 || !(id + self.tick).is_multiple_of(5);
        action == 0 || (!self.spent && !self.opted_out[row] && !self.ended[row] && rested)
    }

    fn live(&mut self, row: usize, action: u16, outcome: &mut Outcome) {
        let id = self.consumers.start + row as u32;
        if self.ended[row] {
            return;
        }
        let [order, leave, ..] = self.seed.uniforms(Purpose::Organic, id, self.tick, 0);
        let tally = &mut outcome.tally;
        let mut profit = Money::ZERO;
        if action != 0 {
            self.sent += 1;
            tally.add(Kpi::Messages, 1);
            tally.add(Kpi::Delivered, 1);
            tally.add_money(Kpi::Cost, Money::from_amount(0.02));
            profit = profit - Money::from_amount(0.02);
            if leave < 0.02 * f32::from(action) {
                self.opted_out[row] = true;
                tally.add(Kpi::OptOuts, 1);
            }
        }
        if order < self.chance(row, action) {
            tally.add(Kpi::Orders, 1);
            tally.add_money(Kpi::Revenue, Money::from_amount(2.0));
            profit += Money::from_amount(1.0);
        }
        tally.add_money(Kpi::Profit, profit);
        outcome.profits[row] = profit;
        if self.tick == 2 && self.ends.is_some_and(|number| id.is_multiple_of(number)) {
            self.ended[row] = true;
            outcome.terminated[row] = true;
        }
    }
}

struct ToyShard(Arc<Mutex<State>>);

impl ToyShard {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Shard for ToyShard {
    fn consumers(&self) -> Range<u32> {
        self.state().consumers.clone()
    }

    fn fork(&self) -> Box<dyn Shard> {
        Box::new(Self(Arc::new(Mutex::new(self.state().clone()))))
    }

    fn observe(&mut self, views: Views, observation: &mut Observation) {
        let state = self.state();
        let rows = state.consumers.len();
        observation.tick = state.tick;
        observation.consumer_ids.clear();
        observation.consumer_ids.extend(state.consumers.clone());
        observation.reset_events(views, 0);
        observation.allowed.reset_to_all(rows, 3);
        for row in 0..rows {
            for action in 1..3 {
                if !state.allows(row, action) {
                    observation.allowed.forbid(row, action);
                }
            }
        }
        if views.features {
            observation.features.reset(rows, 2);
            for row in 0..rows {
                observation.features.set_row(row, &[state.warmth[row], state.tick as f32 / 10.0]);
            }
        } else {
            observation.features.reset(0, 0);
        }
    }

    fn step(&mut self, decision: &Decision, outcome: &mut Outcome) -> Result<(), MaskedAction> {
        let mut state = self.state();
        for (row, &action) in decision.actions.iter().enumerate() {
            if !state.allows(row, action as usize) {
                return Err(MaskedAction { consumer: state.consumers.start + row as u32, action, tick: state.tick });
            }
        }
        outcome.reset(decision.actions.len());
        for (row, &action) in decision.actions.iter().enumerate() {
            state.live(row, action, outcome);
        }
        state.tick += 1;
        Ok(())
    }

    fn terminal_values(&self, values: &mut Vec<f64>) {
        values.clear();
        values.extend(self.state().opted_out.iter().map(|&out| if out { 0.25 } else { 0.5 }));
    }

    fn truth(&self) -> Option<&dyn Truth> {
        Some(self)
    }
}

impl Truth for ToyShard {
    fn expected_rewards(&self, expected: &mut Matrix) {
        let state = self.state();
        expected.reset(state.consumers.len(), 3);
        for row in 0..state.consumers.len() {
            for action in 0..3 {
                let cost = if action == 0 { 0.0 } else { 0.02 };
                expected.set(row, action as usize, state.chance(row, action) - cost);
            }
        }
    }
}

/// Always this action where it is allowed, else no contact.
#[derive(Clone, Debug)]
pub(crate) struct Constant(pub usize);

impl Policy for Constant {
    fn views(&self) -> Views {
        Views::default()
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), observation.allowed.actions());
        for row in 0..observation.rows() {
            let action = if observation.allowed.allows(row, self.0) { self.0 } else { 0 };
            probabilities.set(row, action, 1.0);
        }
    }
}

/// Each allowed action alike.
#[derive(Clone, Debug)]
pub(crate) struct Uniform;

impl Policy for Uniform {
    fn views(&self) -> Views {
        Views::default()
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), observation.allowed.actions());
        for row in 0..observation.rows() {
            for action in observation.allowed.iter(row) {
                probabilities.set(row, action, 1.0 / observation.allowed.count(row) as f32);
            }
        }
    }
}

/// Means of reward per (warm or cold, action); greedy with a tenth of exploration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Means {
    pub sums: [[f64; 3]; 2],
    pub counts: [[f64; 3]; 2],
    pub batches: Vec<(u32, u32, Vec<f32>)>,
    pub keep_batches: bool,
}

impl Policy for Means {
    fn views(&self) -> Views {
        Views::FEATURES
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), 3);
        for row in 0..observation.rows() {
            let warm = usize::from(observation.features.get(row, 0) > 0.5);
            let mean = |action: usize| self.sums[warm][action] / self.counts[warm][action].max(1.0);
            let best = observation.allowed.iter(row).fold(0, |best, a| if mean(a) > mean(best) { a } else { best });
            let share = 0.1 / observation.allowed.count(row) as f32;
            for action in observation.allowed.iter(row) {
                probabilities.set(row, action, share + if action == best { 0.9 } else { 0.0 });
            }
        }
    }
}

impl Agent for Means {
    fn learn(&mut self, batch: &Transitions<'_>, _seed: Seed) -> Result<Metrics, Diverged> {
        for (row, (&action, &reward)) in batch.actions.iter().zip(batch.rewards).enumerate() {
            let warm = usize::from(batch.observation.features.get(row, 0) > 0.5);
            self.sums[warm][action as usize] += f64::from(reward);
            self.counts[warm][action as usize] += 1.0;
        }
        if self.keep_batches {
            let first = batch.observation.consumer_ids[0];
            self.batches.push((batch.observation.tick, first, batch.rewards.to_vec()));
        }
        Ok(Metrics::new())
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        Box::new(self.clone())
    }

    fn save(&self, to: &mut dyn io::Write) -> io::Result<()> {
        write!(to, "{{\"sums\":{:?},\"counts\":{:?}}}", self.sums, self.counts)
    }
}
