//! A market of one tick teaches within the tick: it is written to in waves.

use super::*;
use crate::matrix::Matrix;
use crate::protocol::{ActionSpace, Agent, Diverged, Environment, Kpi, Metrics, Spec, Transitions, World};
use crate::units::Money;
use std::io;
use std::ops::Range;

const SHARDS: u32 = 8;
const SHARD_ROWS: u32 = 16;

/// Every action earns what it earns, from everybody, once.
#[derive(Clone, Debug)]
struct OneShot {
    spec: Spec,
    earns: [f64; 4],
    coupled: bool,
}

impl OneShot {
    fn new(earns: [f64; 4]) -> Self {
        let spec = Spec {
            consumers: SHARDS * SHARD_ROWS,
            horizon: 1,
            tick_days: 1.0,
            discount: 1.0,
            features: Vec::new(),
            actions: ActionSpace::flat("letter", "none", &["a", "b", "c"]),
            kpis: vec![Kpi::Profit],
        };
        Self { spec, earns, coupled: false }
    }
}

impl World for OneShot {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn open(&self, _seed: Seed) -> Box<dyn Environment> {
        let shard = |index| OneShotShard { first: index * SHARD_ROWS, earns: self.earns };
        Box::new(Open { world: self.clone(), shards: (0..SHARDS).map(shard).collect() })
    }
}

#[derive(Clone)]
struct Open {
    world: OneShot,
    shards: Vec<OneShotShard>,
}

impl Environment for Open {
    fn spec(&self) -> &Spec {
        &self.world.spec
    }

    fn fork(&self) -> Box<dyn Environment> {
        Box::new(self.clone())
    }

    fn is_coupled(&self) -> bool {
        self.world.coupled
    }

    fn shards_mut(&mut self) -> Vec<&mut dyn Shard> {
        self.shards.iter_mut().map(|shard| shard as &mut dyn Shard).collect()
    }

    fn end_tick(&mut self) {}
}

#[derive(Clone)]
struct OneShotShard {
    first: u32,
    earns: [f64; 4],
}

impl Shard for OneShotShard {
    fn consumers(&self) -> Range<u32> {
        self.first..self.first + SHARD_ROWS
    }

    fn fork(&self) -> Box<dyn Shard> {
        Box::new(self.clone())
    }

    fn observe(&mut self, _views: Views, observation: &mut Observation) {
        observation.consumer_ids = self.consumers().collect();
        observation.allowed.reset_to_all(SHARD_ROWS as usize, self.earns.len());
    }

    fn step(&mut self, decision: &Decision, outcome: &mut Outcome) -> Result<(), MaskedAction> {
        outcome.reset(decision.actions.len());
        for (profit, &action) in outcome.profits.iter_mut().zip(&decision.actions) {
            *profit = Money::from_amount(self.earns[action as usize]);
            outcome.tally.add_money(Kpi::Profit, *profit);
        }
        Ok(())
    }

    fn terminal_values(&self, values: &mut Vec<f64>) {
        values.clear();
        values.resize(SHARD_ROWS as usize, 0.0);
    }
}

/// Takes the action of the best mean; an untried one counts as better than any reward, the lowest index wins a tie.
#[derive(Clone, Debug, Default)]
struct Optimist {
    sums: [f64; 4],
    counts: [f64; 4],
}

impl Optimist {
    fn best(&self) -> usize {
        let mean =
            |action: usize| if self.counts[action] > 0.0 { self.sums[action] / self.counts[action] } else { 1e9 };
        (0..4).fold(0, |best, action| if mean(action) > mean(best) { action } else { best })
    }
}

impl Policy for Optimist {
    fn views(&self) -> Views {
        Views::default()
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), 4);
        (0..observation.rows()).for_each(|row| probabilities.set(row, self.best(), 1.0));
    }
}

impl Agent for Optimist {
    fn learn(&mut self, batch: &Transitions<'_>, _seed: Seed) -> Result<Metrics, Diverged> {
        for (&action, &reward) in batch.actions.iter().zip(batch.rewards) {
            self.sums[action as usize] += f64::from(reward);
            self.counts[action as usize] += 1.0;
        }
        Ok(Metrics::new())
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        Box::new(self.clone())
    }

    fn save(&self, _to: &mut dyn io::Write) -> io::Result<()> {
        Ok(())
    }
}

fn learned(world: &OneShot, reward: Reward) -> (Optimist, Learning) {
    let mut agent = Optimist::default();
    let training = Training { episodes: 1, seeds: vec![101], reward, less_twin: false, expected_orders: false };
    let learning = train(world, &mut agent, &training, 0).unwrap();
    (agent, learning)
}

#[test]
fn an_agent_learns_within_the_only_tick() {
    let (agent, learning) = learned(&OneShot::new([0.0, 0.25, 1.0, 0.5]), Reward::Tick);
    assert_eq!(agent.best(), 2);
    // One shard for each action, and the other four for the best.
    assert_eq!(agent.counts, [16.0, 16.0, 16.0 * 5.0, 16.0]);
    assert_eq!(learning.returns_per_consumer, [(0.25 + 0.5 + 5.0) / 8.0]);
    assert_eq!(learning.rows, u64::from(SHARDS * SHARD_ROWS));
}

#[test]
fn the_order_of_the_actions_changes_nothing_that_is_earned() {
    let earned = |earns| learned(&OneShot::new(earns), Reward::Tick).1.returns_per_consumer;
    let first = earned([0.0, 0.25, 1.0, 0.5]);
    for permuted in [[1.0, 0.25, 0.0, 0.5], [0.5, 1.0, 0.25, 0.0], [0.25, 0.5, 0.0, 1.0]] {
        assert_eq!(earned(permuted), first, "{permuted:?}");
    }
}

#[test]
fn a_coupled_market_decides_its_tick_at_once_and_open_windows_teach_nothing() {
    let coupled = OneShot { coupled: true, ..OneShot::new([0.0, 0.25, 1.0, 0.5]) };
    assert_eq!(learned(&coupled, Reward::Tick).0.counts, [128.0, 0.0, 0.0, 0.0]);
    let (agent, learning) = learned(&OneShot::new([0.0, 0.25, 1.0, 0.5]), Reward::Window { ticks: 2 });
    assert_eq!((agent.counts, learning.rows), ([0.0; 4], 0));
}
