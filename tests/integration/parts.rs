//! A market that is opened part by part has the consumers of the whole.

use mercato::agent::POLICIES;
use mercato::environment::campaign::{Campaign, SHARD_CONSUMERS, Sections};
use mercato::protocol::{Decision, Environment, Observation, Outcome, Views, World};
use mercato::random::Seed;
use mercato::registry::{Value, Values, find};

/// Groups of shards that are logged together.
const LOGGED_SHARDS: u32 = 16;

fn sections(consumers: u32) -> Sections {
    let mut sections = Sections::preset(&["email", "onsite"]);
    sections.market = sections
        .market
        .with("consumers", Value::Integer(i64::from(consumers)))
        .with("ticks", Value::Integer(3))
        .with("history_days", Value::Number(2.0))
        .with("history_message_every_days", Value::Integer(1));
    sections
}

/// What the last shards of an open market see, do and get.
fn lived(market: &mut dyn Environment, last_shards: usize, ticks: u32) -> Vec<(Observation, Decision, Outcome)> {
    let uniform = find(POLICIES, "uniform").unwrap();
    let policy = (uniform.build)(&Values::defaults(uniform.parameters), market.spec()).unwrap();
    let mut shards = market.shards_mut();
    let first = shards.len() - last_shards;
    let mut lived = Vec::new();
    for shard in &mut shards[first..] {
        for _ in 0..ticks {
            let (mut observation, mut decision, mut outcome) = <(Observation, Decision, Outcome)>::default();
            shard.observe(Views { features: true, ..Views::default() }, &mut observation);
            policy.decide(&observation, Seed::new(2), &mut decision);
            shard.step(&decision, &mut outcome).unwrap();
            lived.push((observation, decision, outcome));
        }
    }
    lived
}

#[test]
fn the_consumers_of_a_part_see_do_and_get_what_they_do_in_the_whole_market() {
    let part_consumers = Campaign::new(&sections(100_000_000)).unwrap().part_consumers();
    assert_eq!(part_consumers % (LOGGED_SHARDS * SHARD_CONSUMERS), 0);
    // A full part, and one whose second shard is short.
    let world = Campaign::new(&sections(part_consumers + SHARD_CONSUMERS + 100)).unwrap();
    assert_eq!((world.parts(), world.part_consumers()), (2, part_consumers));
    let mut part = world.open_part(Seed::new(1), 1);
    let consumers: Vec<_> = part.shards_mut().iter().map(|shard| shard.consumers()).collect();
    let middle = part_consumers + SHARD_CONSUMERS;
    assert_eq!(consumers, [part_consumers..middle, middle..middle + 100]);
    let in_part = lived(part.as_mut(), 2, 3);
    assert!(in_part == lived(world.open(Seed::new(1)).as_mut(), 2, 3));
    assert!(in_part.iter().any(|(_, _, outcome)| outcome.profits.iter().any(|profit| profit.micros() > 0)));
}

#[test]
fn a_market_that_shares_a_budget_is_one_part() {
    let mut sections = sections(1_000_000);
    sections.budget = Some(Values::default().with("total", Value::Number(5.0)).with("rationed", Value::Boolean(true)));
    let world = Campaign::new(&sections).unwrap();
    assert_eq!((world.parts(), world.part_consumers()), (1, 1_000_000));
}
