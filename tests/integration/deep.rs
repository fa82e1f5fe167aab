//! Agents on networks, on problems whose solution is known.

mod cartpole;

use cartpole::{CartPole, train};
use mercato::agent::AGENTS;
use mercato::protocol::World;
use mercato::random::Seed;
use mercato::registry::{Value, Values, find};

/// A pole that is let fall at random stands about 22 steps.
#[test]
fn dqn_learns_to_hold_the_pole_longer_than_chance_does() {
    let world = CartPole::new(16, 1_500);
    let entry = find(AGENTS, "dqn").unwrap();
    let values = Values::defaults(entry.parameters)
        .with("hidden", Value::Integers(vec![64, 64]))
        .with("learning_rate", Value::Number(1e-3))
        .with("batch", Value::Integer(64))
        .with("epsilon_until", Value::Number(0.4));
    let mut agent = (entry.build.create)(&values, world.spec()).unwrap();
    let metrics = train(&world, agent.as_mut(), Seed::new(1)).unwrap();
    let lengths = world.finished();
    let mean = |lengths: &[u32]| f64::from(lengths.iter().sum::<u32>()) / lengths.len() as f64;
    let (first, last) = (mean(&lengths[..20]), mean(&lengths[lengths.len() - 20..]));
    assert!(first < 40.0 && last > 100.0, "from {first} to {last} steps; {:?}", metrics);
}
