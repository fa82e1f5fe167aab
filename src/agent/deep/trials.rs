//! A process of two states to try agents on, whose values are known by hand.

use crate::agent::AgentBuild;
use crate::matrix::Matrix;
use crate::protocol::{
    ActionBits, ActionSpace, Agent, Decision, Ending, Feature, Observation, Spec, TrainingPlan, Transitions,
};
use crate::random::Seed;
use crate::registry::{Entry, Values};

pub(super) const CONSUMERS: u32 = 24;
pub(super) const SPEC_ACTIONS: usize = 3;

/// Values of the best law: of waiting and going in each state. V(here) = 0.7 / 0.19, V(there) = 1 + 0.9 V(here).
pub(super) fn best_values() -> [[f64; 2]; 2] {
    let here = 0.7 / 0.19;
    let there = 1.0 + 0.9 * here;
    [[0.1 + 0.9 * here, here], [there, 0.9 * there]]
}

pub(super) fn spec() -> Spec {
    Spec {
        consumers: CONSUMERS,
        horizon: 20,
        tick_days: 1.0,
        discount: 0.9,
        features: ["here", "there"].map(|state| Feature::level("state", state)).to_vec(),
        actions: ActionSpace::flat("action", "wait", &["go", "never"]),
        kpis: Vec::new(),
    }
}

/// Waiting here earns 0.1; going costs 0.2 and leads there; waiting there earns 1 and leads back; going there earns
/// nothing.
fn live(state: &mut usize, action: u16) -> f32 {
    match (*state, action) {
        (0, 0) => 0.1,
        (0, 1) => {
            *state = 1;
            -0.2
        }
        (1, 0) => {
            *state = 0;
            1.0
        }
        _ => 0.0,
    }
}

/// Consumers in these states; the third action is never allowed.
pub(super) fn seen(states: &[usize], tick: u32) -> Observation {
    let mut features = Matrix::new(states.len(), 2);
    let mut allowed = ActionBits::all(states.len(), SPEC_ACTIONS);
    for (row, state) in states.iter().enumerate() {
        features.set(row, *state, 1.0);
        allowed.forbid(row, 2);
    }
    Observation { tick, consumer_ids: (0..states.len() as u32).collect(), features, allowed, ..Observation::default() }
}

/// A fresh agent.
pub(super) fn made_of(entry: &Entry<AgentBuild>, values: &Values) -> Box<dyn Agent> {
    (entry.build.create)(values, &spec()).unwrap()
}

/// Trains on so many markets of 20 ticks; `at` is called before each with its number.
pub(super) fn train(
    agent: &mut Box<dyn Agent>,
    markets: std::ops::Range<u32>,
    planned: u32,
    mut at: impl FnMut(u32, &mut Box<dyn Agent>),
) {
    if markets.start == 0 {
        agent.begin_training(&TrainingPlan { markets: planned, ticks: 20, consumers: CONSUMERS });
    }
    let mut decision = Decision::default();
    for market in markets {
        at(market, agent);
        let seed = Seed::new(7).derive(0, market);
        let mut states: Vec<usize> = (0..CONSUMERS as usize).map(|consumer| consumer % 2).collect();
        for tick in 0..20 {
            let observation = seen(&states, tick);
            agent.decide(&observation, seed, &mut decision);
            let rewards: Vec<f32> = states.iter_mut().zip(&decision.actions).map(|(s, a)| live(s, *a)).collect();
            let batch = Transitions {
                observation: &observation,
                actions: &decision.actions,
                propensities: &decision.propensities,
                rewards: &rewards,
                terminated: &[],
            };
            agent.learn(&batch, seed.derive(1, tick)).unwrap();
        }
        agent.end_episode(&Ending { observation: &seen(&states, 20), beyond: None }, seed.derive(2, 0)).unwrap();
    }
}
