//! CartPole-v1: a pole on a cart, pushed left or right 50 times a second.
//!
//! Barto, Sutton & Anderson 1983, with the constants, Euler steps, limits (2.4 units, 12 degrees, 500 steps) and starts
//! (uniform within 0.05) of Gymnasium's `CartPole-v1`; each step earns 1, the one that falls included. States are kept in
//! `f64` and shown in `f32`.
//!
//! Carts are the rows. A cart that falls is reported as terminated, and the row shows a fresh cart at the next tick. After
//! 500 steps the row shows a fresh cart too, *under another consumer number and without termination*: to an agent the
//! first consumer is never seen again, so that the last step before the time limit has no sequel, and is neither an end nor
//! a transition into the fresh cart. Every fresh cart is a new consumer: numbers go up by the number of carts.
//!
//! A market does not begin again for a row whose episode has ended, so that `episode::train` teaches nothing more of it:
//! [`train`] is the same loop for rows that do begin again.

use mercato::protocol::{
    ActionSpace, Agent, Decision, Diverged, Environment, Feature, Kpi, MaskedAction, Metrics, Observation, Outcome,
    Shard, Spec, TrainingPlan, Transitions, Views, World,
};
use mercato::random::{Purpose, Seed};
use mercato::units::Money;
use std::f64::consts::TAU;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Steps after which an episode stops.
pub const LIMIT: u32 = 500;
const GRAVITY: f64 = 9.8;
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = 1.0 + POLE_MASS;
const HALF_LENGTH: f64 = 0.5;
const FORCE: f64 = 10.0;
const SECONDS: f64 = 0.02;
const POSITION_MAX: f64 = 2.4;
const ANGLE_MAX: f64 = 12.0 * TAU / 360.0;

/// Carts side by side, for so many ticks.
#[derive(Clone, Debug)]
pub struct CartPole {
    spec: Spec,
    finished: Arc<Mutex<Vec<u32>>>,
}

impl CartPole {
    /// So many carts, each `ticks` steps in all.
    pub fn new(carts: u32, ticks: u32) -> Self {
        let features = ["position", "velocity", "angle", "angular_velocity"];
        let spec = Spec {
            consumers: carts,
            horizon: ticks,
            tick_days: 1.0,
            discount: 0.99,
            features: features.map(|name| Feature::raw(name, "none")).to_vec(),
            actions: ActionSpace::flat("push", "left", &["right"]),
            kpis: vec![Kpi::Profit],
        };
        Self { spec, finished: Arc::default() }
    }

    /// Steps of the episodes that are over, in the order of their last tick, then of their rows.
    pub fn finished(&self) -> Vec<u32> {
        self.finished.lock().unwrap().clone()
    }
}

/// Lets an agent act and learn over the horizon; the figures that it told last.
pub fn train(world: &CartPole, agent: &mut dyn Agent, seed: Seed) -> Result<Metrics, Diverged> {
    let Spec { consumers, horizon: ticks, .. } = *world.spec();
    agent.begin_training(&TrainingPlan { markets: 1, ticks, consumers });
    let mut environment = world.open(seed);
    let mut shards = environment.shards_mut();
    let (mut observation, mut decision, mut outcome) = Default::default();
    let mut told = Metrics::new();
    for tick in 0..ticks {
        shards[0].observe(agent.views(), &mut observation);
        agent.decide(&observation, seed.derive(1, 0), &mut decision);
        shards[0].step(&decision, &mut outcome).unwrap();
        let rewards: Vec<f32> = outcome.profits.iter().map(|profit| profit.amount() as f32).collect();
        let batch = Transitions {
            observation: &observation,
            actions: &decision.actions,
            propensities: &decision.propensities,
            rewards: &rewards,
            terminated: &outcome.terminated,
        };
        let metrics = agent.learn(&batch, seed.derive(2, tick))?;
        told = if metrics.is_empty() { told } else { metrics };
    }
    told.extend(agent.conclude(seed.derive(3, 0))?);
    Ok(told)
}

impl World for CartPole {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn open(&self, seed: Seed) -> Box<dyn Environment> {
        let carts = self.spec.consumers;
        let carts = (0..carts).map(|cart| Cart { consumer: cart, steps: 0, state: fresh(seed, cart) }).collect();
        let shard = Carts { seed, tick: 0, carts, finished: self.finished.clone() };
        Box::new(Open { spec: self.spec.clone(), shard })
    }
}

struct Open {
    spec: Spec,
    shard: Carts,
}

impl Environment for Open {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn fork(&self) -> Box<dyn Environment> {
        Box::new(Self { spec: self.spec.clone(), shard: self.shard.clone() })
    }

    fn is_coupled(&self) -> bool {
        false
    }

    fn shards_mut(&mut self) -> Vec<&mut dyn Shard> {
        vec![&mut self.shard]
    }

    fn end_tick(&mut self) {}
}

/// Position, velocity, angle, angular velocity.
type State = [f64; 4];

#[derive(Clone)]
struct Cart {
    consumer: u32,
    steps: u32,
    state: State,
}

#[derive(Clone)]
struct Carts {
    seed: Seed,
    tick: u32,
    carts: Vec<Cart>,
    finished: Arc<Mutex<Vec<u32>>>,
}

fn fresh(seed: Seed, consumer: u32) -> State {
    seed.uniforms(Purpose::InitialState, consumer, 0, 0).map(|uniform| (f64::from(uniform) - 0.5) * 0.1)
}

fn moved([position, velocity, angle, angular]: State, right: bool) -> State {
    let force = if right { FORCE } else { -FORCE };
    let (sine, cosine) = angle.sin_cos();
    let pull = (force + POLE_MASS * HALF_LENGTH * angular * angular * sine) / TOTAL_MASS;
    let turn =
        (GRAVITY * sine - cosine * pull) / (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * cosine * cosine / TOTAL_MASS));
    let speed = pull - POLE_MASS * HALF_LENGTH * turn * cosine / TOTAL_MASS;
    [position + SECONDS * velocity, velocity + SECONDS * speed, angle + SECONDS * angular, angular + SECONDS * turn]
}

fn has_fallen([position, _, angle, _]: State) -> bool {
    position.abs() > POSITION_MAX || angle.abs() > ANGLE_MAX
}

impl Shard for Carts {
    fn consumers(&self) -> Range<u32> {
        0..self.carts.len() as u32
    }

    fn fork(&self) -> Box<dyn Shard> {
        Box::new(self.clone())
    }

    fn observe(&mut self, views: Views, observation: &mut Observation) {
        observation.tick = self.tick;
        observation.consumer_ids.clear();
        observation.consumer_ids.extend(self.carts.iter().map(|cart| cart.consumer));
        observation.reset_events(views, 0);
        observation.allowed.reset_to_all(self.carts.len(), 2);
        let rows = if views.features { self.carts.len() } else { 0 };
        observation.features.reset(rows, if views.features { 4 } else { 0 });
        for (row, cart) in self.carts.iter().enumerate().take(rows) {
            observation.features.set_row(row, &cart.state.map(|value| value as f32));
        }
    }

    fn step(&mut self, decision: &Decision, outcome: &mut Outcome) -> Result<(), MaskedAction> {
        let carts = self.carts.len() as u32;
        outcome.reset(self.carts.len());
        let mut finished = self.finished.lock().unwrap();
        for (row, cart) in self.carts.iter_mut().enumerate() {
            cart.state = moved(cart.state, decision.actions[row] == 1);
            cart.steps += 1;
            outcome.profits[row] = Money::from_amount(1.0);
            outcome.terminated[row] = has_fallen(cart.state);
            if outcome.terminated[row] || cart.steps == LIMIT {
                finished.push(cart.steps);
                let consumer = cart.consumer + carts;
                *cart = Cart { consumer, steps: 0, state: fresh(self.seed, consumer) };
            }
        }
        outcome.tally.add_money(Kpi::Profit, Money::from_amount(f64::from(carts)));
        self.tick += 1;
        Ok(())
    }

    fn terminal_values(&self, values: &mut Vec<f64>) {
        values.clear();
        values.resize(self.carts.len(), 0.0);
    }
}

#[test]
fn the_pole_moves_as_its_equations_say() {
    // By an independent evaluation of the published equations.
    let mut state = [0.01, -0.02, 0.03, 0.04];
    for right in [true, true, false, true, false, false, false, false] {
        state = moved(state, right);
    }
    let expected =
        [0.030_036_403_156_414_718, -0.411_796_709_805_687_9, 0.005_197_242_565_903_213, 0.659_601_671_072_423_7];
    for (value, expected) in state.into_iter().zip(expected) {
        assert!((value - expected).abs() < 1e-12, "{value} {expected}");
    }
    let (mut state, mut steps) = ([0.0; 4], 0);
    while !has_fallen(state) {
        state = moved(state, true);
        steps += 1;
    }
    assert_eq!(steps, 9);
}

#[test]
fn carts_that_fall_or_reach_the_limit_are_followed_by_fresh_ones() {
    let world = CartPole::new(2, LIMIT + 1);
    let mut environment = world.open(Seed::new(3));
    let (mut observation, mut outcome, mut decision) =
        (Observation::default(), Outcome::default(), Decision::default());
    decision.reset(2);
    let mut terminated = 0;
    for _ in 0..=LIMIT {
        let mut shards = environment.shards_mut();
        shards[0].observe(Views::FEATURES, &mut observation);
        // The first row is always pushed left; the second is held up by a rule that is known to hold it.
        let lean = observation.features.get(1, 2)
            + 0.25 * observation.features.get(1, 3)
            + 0.05 * observation.features.get(1, 0)
            + 0.1 * observation.features.get(1, 1);
        decision.actions = vec![0, u16::from(lean > 0.0)];
        shards[0].step(&decision, &mut outcome).unwrap();
        assert!(!outcome.terminated[1]);
        terminated += usize::from(outcome.terminated[0]);
        assert_eq!(outcome.profits, [Money::from_amount(1.0); 2]);
    }
    assert!(terminated > 40);
    let mut shards = environment.shards_mut();
    shards[0].observe(Views::FEATURES, &mut observation);
    assert_eq!(observation.consumer_ids[1], 3, "the second row has met its limit once");
    assert_eq!(observation.consumer_ids[0] as usize, 2 * terminated);
    assert_eq!(world.finished().iter().filter(|steps| **steps == LIMIT).count(), 1);
}
