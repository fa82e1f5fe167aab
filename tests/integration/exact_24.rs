//! `exact-24`: 24 states whose every value is known, so that regret has a true zero.
//!
//! The process (Mercato; values verified by two independent solvers): a consumer is in or out (unsubscribed), has fatigue
//! 0..3 and last bought a tick ago (bought), is due, or has lapsed.
//! * Actions: none, send, send20 (with 20 % off). Out: only none. Start: in, rested, just bought. Discount .98 per tick.
//! * P(order) = [.02, .06, .03] by recency, times 1 + (lift - 1) · fatigue factor when sent: lift [1, 1.5, 1.8], with 20 %
//!   off [1.5, 2.1, 2.6], fatigue factor [1, .75, .5, .25]. An order earns 20, with 20 % off 11; a message costs .05.
//! * P(unsubscribe) when sent = [.005, .01, .03, .08] by fatigue, independent of the order.
//! * Fatigue goes up by 1 when sent, else down by 1, within 0..3. An order makes `bought`; else bought -> due with
//!   probability .4, due -> lapsed with .15, lapsed stays.
//!
//! `scenarios/exact-24.csv` is written by this definition. To write it again after a change, run this test with
//! `MERCATO_WRITE=1`.

// A failed read or build here is a failed test.
#![allow(clippy::unwrap_used)]

use mercato::environment::finite::{FiniteWorld, PARAMETERS};
use mercato::matrix::Matrix;
use mercato::oracle::{Inside, ORACLES};
use mercato::protocol::{Decision, Kpi, Observation, Outcome, Policy, Tally, Views, World};
use mercato::random::Seed;
use mercato::registry::{NumericTable, Value, Values, find};
use mercato::statistics::{Estimate, estimate};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const ACTIONS: [&str; 3] = ["none", "send", "send20"];
const RECENCY: [&str; 3] = ["bought", "due", "lapsed"];
const ORDER: [f64; 3] = [0.02, 0.06, 0.03];
const LIFT: [[f64; 3]; 2] = [[1.0, 1.5, 1.8], [1.5, 2.1, 2.6]];
const FATIGUE_FACTOR: [f64; 4] = [1.0, 0.75, 0.5, 0.25];
const UNSUBSCRIBE: [f64; 4] = [0.005, 0.01, 0.03, 0.08];
const MARGIN: [f64; 3] = [20.0, 20.0, 11.0];
const MESSAGE_COST: f64 = 0.05;

fn state(out: usize, fatigue: usize, recency: usize) -> usize {
    out * 12 + fatigue * 3 + recency
}

fn state_names() -> Vec<String> {
    let mut names = Vec::new();
    for consent in ["in", "out"] {
        for fatigue in 0..4 {
            names.extend(RECENCY.map(|recency| format!("{consent}_fatigue{fatigue}_{recency}")));
        }
    }
    names
}

/// Where recency goes, with probability, given an order or none.
fn next_recency(recency: usize, order: bool) -> Vec<(usize, f64)> {
    match (order, recency) {
        (true, _) => vec![(0, 1.0)],
        (false, 0) => vec![(1, 0.4), (0, 0.6)],
        (false, 1) => vec![(2, 0.15), (1, 0.85)],
        (false, _) => vec![(2, 1.0)],
    }
}

/// The table, from the definition above.
fn csv() -> String {
    let mut text = String::from("state,action,next_state,probability,reward,orders,opt_outs,cost\n");
    for (out, fatigue, recency) in (0..24).map(|index| (index / 12, index / 3 % 4, index % 3)) {
        for action in 0..if out == 0 { 3 } else { 1 } {
            let sent = action > 0;
            let lift = if sent { 1.0 + (LIFT[action - 1][recency] - 1.0) * FATIGUE_FACTOR[fatigue] } else { 1.0 };
            let order_probability = ORDER[recency] * lift;
            let unsubscribe_probability = if sent { UNSUBSCRIBE[fatigue] } else { 0.0 };
            let next_fatigue = if sent { (fatigue + 1).min(3) } else { fatigue.saturating_sub(1) };
            let cost = if sent { MESSAGE_COST } else { 0.0 };
            for order in [true, false] {
                for unsubscribes in [false, true] {
                    for (next, recency_probability) in next_recency(recency, order) {
                        let probability = recency_probability
                            * if order { order_probability } else { 1.0 - order_probability }
                            * if unsubscribes { unsubscribe_probability } else { 1.0 - unsubscribe_probability };
                        if probability > 0.0 {
                            let next_out = if unsubscribes { 1 } else { out };
                            let reward = if order { MARGIN[action] } else { 0.0 } - cost;
                            writeln!(
                                text,
                                "{},{action},{},{probability},{reward},{},{},{cost}",
                                state(out, fatigue, recency),
                                state(next_out, next_fatigue, next),
                                u8::from(order),
                                u8::from(unsubscribes)
                            )
                            .unwrap();
                        }
                    }
                }
            }
        }
    }
    text
}

fn scenario(extension: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/exact-24.{extension}"))
}

#[test]
fn the_committed_table_is_what_the_definition_gives() {
    let path = scenario("csv");
    if std::env::var_os("MERCATO_WRITE").is_some() {
        std::fs::write(&path, csv()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), csv(), "run with MERCATO_WRITE=1 if the definition changed");
}

#[test]
fn the_scenario_names_the_states_of_the_definition() {
    let text = std::fs::read_to_string(scenario("toml")).unwrap();
    let file: toml::Table = text.parse().unwrap();
    let names: Vec<String> =
        file["market"]["states"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    assert_eq!(names, state_names());
}

fn market() -> Values {
    let mut reader = csv::Reader::from_path(scenario("csv")).unwrap();
    let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader
        .records()
        .map(|record| record.unwrap().iter().map(|field| field.parse::<f64>().unwrap()).collect())
        .collect();
    Values::defaults(PARAMETERS)
        .with("states", Value::Texts(state_names()))
        .with("actions", Value::Texts(ACTIONS.map(str::to_owned).to_vec()))
        .with("transitions", Value::Csv(NumericTable { header, rows }))
}

/// The same law in every state, or one action per state.
#[derive(Debug)]
struct Law(fn(usize) -> [f32; 3]);

impl Policy for Law {
    fn views(&self) -> Views {
        Views::FEATURES
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), 3);
        for row in 0..observation.rows() {
            let state = (0..24).find(|state| observation.features.get(row, *state) == 1.0).unwrap();
            let law = if state < 12 { (self.0)(state) } else { [1.0, 0.0, 0.0] };
            probabilities.set_row(row, &law);
        }
    }
}

const NEVER: Law = Law(|_| [1.0, 0.0, 0.0]);
const ALWAYS: Law = Law(|_| [0.0, 1.0, 0.0]);
const ALWAYS_20: Law = Law(|_| [0.0, 0.0, 1.0]);
const UNIFORM: Law = Law(|_| [1.0 / 3.0; 3]);
const REST: Law = Law(|state| if state < 3 { [0.0, 1.0, 0.0] } else { [1.0, 0.0, 0.0] });

fn oracle(name: &str, world: &FiniteWorld) -> Box<dyn Policy> {
    let entry = find(ORACLES, name).unwrap();
    (entry.build)(&Values::defaults(entry.parameters), Inside::Finite(world)).unwrap()
}

#[test]
fn seven_exact_values() {
    let world = FiniteWorld::new(&market()).unwrap();
    let best = oracle("dynamic_programming", &world);
    let myopic = oracle("myopic", &world);
    let known: [(&str, &dyn Policy, f64); 7] = [
        ("optimal", &*best, 45.535684),
        ("rest", &REST, 44.795987),
        ("myopic", &*myopic, 37.739675),
        ("always", &ALWAYS, 36.401747),
        ("uniform", &UNIFORM, 35.924711),
        ("never", &NEVER, 35.582744),
        ("always 20 %", &ALWAYS_20, 32.716847),
    ];
    for (name, policy, expected) in known {
        let value = world.exact_value(policy, Seed::new(1)).unwrap();
        assert!((value - expected).abs() < 1e-6, "{name}: {value}, not {expected}");
    }
    assert!((world.optimal_value().unwrap() - 45.535684).abs() < 1e-6);
    assert!(world.truncation_bound() < 0.05);
}

#[test]
fn the_best_policy_sends_at_full_price_to_the_rested_who_are_due_or_lapsed() {
    let world = FiniteWorld::new(&market()).unwrap();
    let expected: Vec<u16> = (0..24).map(|index| u16::from(index == 1 || index == 2)).collect();
    assert_eq!(world.optimal_actions(), expected);
}

/// Discounted return per consumer, and all that was counted.
fn simulate(world: &FiniteWorld, policy: &dyn Policy, seed: Seed) -> (Estimate, Tally) {
    let mut environment = world.open(seed);
    let consumers = world.spec().consumers as usize;
    let mut returns = vec![0.0; consumers];
    let mut tally = Tally::default();
    let (mut observation, mut decision, mut outcome) = <(Observation, Decision, Outcome)>::default();
    for shard in environment.shards_mut() {
        let rows = shard.consumers();
        let mut weight = 1.0;
        for _ in 0..world.spec().horizon {
            shard.observe(policy.views(), &mut observation);
            policy.decide(&observation, seed, &mut decision);
            shard.step(&decision, &mut outcome).unwrap();
            for (sum, profit) in returns[rows.start as usize..rows.end as usize].iter_mut().zip(&outcome.profits) {
                *sum += weight * profit.amount();
            }
            weight *= world.spec().discount;
            tally += &outcome.tally;
        }
    }
    (estimate(&returns), tally)
}

#[test]
fn simulated_returns_agree_with_the_exact_values() {
    let world = FiniteWorld::new(&market().with("consumers", Value::Integer(1_500)).with("ticks", Value::Integer(400)))
        .unwrap();
    let best = oracle("dynamic_programming", &world);
    for policy in [&*best, &NEVER, &UNIFORM] {
        let exact = world.exact_value(policy, Seed::new(1)).unwrap();
        let (simulated, tally) = simulate(&world, policy, Seed::new(24));
        // The horizon takes at most 45.6 · .98^400 = .014 away; the standard error is about .6.
        assert!((simulated.mean - exact).abs() < 3.0 * simulated.standard_error + 0.014, "{simulated:?} {exact}");
        assert!(simulated.standard_error < 0.8);
        let (orders, messages) = (tally.value(Kpi::Orders), tally.value(Kpi::Messages));
        assert!((tally.value(Kpi::Cost) - messages * MESSAGE_COST).abs() < 1e-6);
        assert!(tally.value(Kpi::Profit) <= orders * 20.0 - tally.value(Kpi::Cost) + 1e-6);
        assert!(tally.value(Kpi::OptOuts) <= 1_500.0);
    }
}

#[test]
fn the_same_luck_makes_paired_differences_sharper() {
    let world = FiniteWorld::new(&market().with("consumers", Value::Integer(1_000)).with("ticks", Value::Integer(200)))
        .unwrap();
    // In the first tick both policies stand in the same state with the same uniforms: a message that raises the
    // probability of an order takes none away.
    let first_orders = |policy: &dyn Policy| {
        let mut environment = world.open(Seed::new(3));
        let mut orders = Vec::new();
        let (mut observation, mut decision, mut outcome) = <(Observation, Decision, Outcome)>::default();
        for shard in environment.shards_mut() {
            shard.observe(policy.views(), &mut observation);
            policy.decide(&observation, Seed::new(3), &mut decision);
            shard.step(&decision, &mut outcome).unwrap();
            orders.extend(outcome.profits.iter().map(|profit| profit.amount() > 1.0));
        }
        orders
    };
    let (none, with_discount) = (first_orders(&NEVER), first_orders(&ALWAYS_20));
    assert!(none.iter().zip(&with_discount).all(|(without, with)| !without || *with));
    assert!(with_discount.iter().filter(|order| **order).count() > none.iter().filter(|order| **order).count());
}
