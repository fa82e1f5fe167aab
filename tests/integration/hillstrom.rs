//! The e-mail test of Kevin Hillstrom comes out of the simulator as it came out in 2008.

use crate::logit_market::{Response, customers, market};
use mercato::agent;
use mercato::environment::logit::LogitWorld;
use mercato::matrix::Matrix;
use mercato::protocol::{Agent, Decision, Observation, Outcome, Policy, Transitions, Views, World};
use mercato::random::{Purpose, Seed};
use mercato::registry::{Value, Values, find};

const ARMS: [&str; 3] = ["none", "mens", "womens"];
const OUTCOMES: [&str; 3] = ["visit", "conversion", "spend"];
const GROUPS: [&str; 4] = ["all", "mens_only", "womens_only", "both"];

/// Mean and standard error of each `[group][arm][outcome]` in the published file (64,000 rows: 21,306 without e-mail,
/// 21,307 with the men's, 21,387 with the women's; K. Hillstrom, MineThatData E-Mail Analytics Challenge, 2008).
const PUBLISHED: [[[(f64, f64); 3]; 3]; 4] = [
    [
        [(0.106167, 0.002110), (0.005726, 0.000517), (0.652789, 0.079388)],
        [(0.182757, 0.002648), (0.012531, 0.000762), (1.422617, 0.121627)],
        [(0.151400, 0.002451), (0.008837, 0.000640), (1.077202, 0.103361)],
    ],
    [
        [(0.099813, 0.003053), (0.005499, 0.000753), (0.695426, 0.127243)],
        [(0.168968, 0.003833), (0.011509, 0.001091), (1.378162, 0.182182)],
        [(0.110892, 0.003201), (0.006132, 0.000796), (0.973781, 0.160797)],
    ],
    [
        [(0.095808, 0.003017), (0.005148, 0.000733), (0.490564, 0.092712)],
        [(0.166388, 0.003807), (0.010870, 0.001060), (1.106295, 0.150249)],
        [(0.169794, 0.003823), (0.010262, 0.001026), (1.122212, 0.144500)],
    ],
    [
        [(0.180549, 0.008297), (0.009307, 0.002071), (1.180144, 0.353548)],
        [(0.314993, 0.009946), (0.024301, 0.003297), (3.005131, 0.581906)],
        [(0.251653, 0.009430), (0.014636, 0.002609), (1.342025, 0.349948)],
    ],
];

/// Three markets with the same people and the same luck, whose rewards are a visit, a conversion and the spend.
fn worlds(table: Option<&mercato::market::customers::CustomerTable>) -> [LogitWorld; 3] {
    let market =
        market("hillstrom.toml").with("arm_cost", Value::Numbers(vec![0.0])).with("margin", Value::Number(1.0));
    let success = market.clone().with("reward", Value::Text("success".into()));
    let visit = success.clone().with("stage", Value::Tables(market.tables("stage")[..1].to_vec()));
    [visit, success, market].map(|market| LogitWorld::new(&market, table).unwrap())
}

/// What agents see of everybody, shard by shard.
fn observations(world: &LogitWorld, seed: u64) -> Vec<Observation> {
    let mut environment = world.open(Seed::new(seed));
    let observe = |shard: &mut dyn mercato::protocol::Shard| {
        let mut observation = Observation::default();
        shard.observe(Views::FEATURES, &mut observation);
        observation
    };
    environment.shards_mut().into_iter().map(observe).collect()
}

/// Who bought what, as an index into `GROUPS`.
fn groups(world: &LogitWorld, seed: u64) -> Vec<usize> {
    let position = |name: &str| world.spec().features.iter().position(|feature| feature.name == name).unwrap();
    let (mens, womens) = (position("mens"), position("womens"));
    let group = |observation: &Observation, row: usize| match (
        observation.features.get(row, mens),
        observation.features.get(row, womens),
    ) {
        (1.0, 0.0) => 1,
        (0.0, 1.0) => 2,
        (1.0, 1.0) => 3,
        other => panic!("nobody bought {other:?}"),
    };
    let all = observations(world, seed);
    all.iter().flat_map(|seen| (0..seen.rows()).map(|row| group(seen, row)).collect::<Vec<_>>()).collect()
}

/// Sums of a value by `[group][arm]`, with counts.
#[derive(Clone, Copy, Default)]
struct Cells([[(f64, f64, f64); 3]; 4]);

impl Cells {
    fn add(&mut self, group: usize, arm: usize, value: f64) {
        for group in [0, group] {
            let (count, sum, squares) = &mut self.0[group][arm];
            *count += 1.0;
            *sum += value;
            *squares += value * value;
        }
    }

    fn mean(&self, group: usize, arm: usize) -> f64 {
        let (count, sum, _) = self.0[group][arm];
        sum / count
    }

    /// Variance of the mean.
    fn variance(&self, group: usize, arm: usize) -> f64 {
        let (count, _, squares) = self.0[group][arm];
        (squares / count - self.mean(group, arm) * self.mean(group, arm)) / (count - 1.0)
    }

    /// How much more an e-mail does to `group` than to men's-only buyers, with its variance.
    fn interaction(&self, group: usize, arm: usize) -> (f64, f64) {
        let effect = |group: usize| self.mean(group, arm) - self.mean(group, 0);
        let variance = |group: usize| self.variance(group, arm) + self.variance(group, 0);
        (effect(group) - effect(1), variance(group) + variance(1))
    }
}

/// Repeats the test with the real customers in their real arms: cells of each outcome over all repetitions.
fn repeat(worlds: &[LogitWorld; 3], responses: &[Response], groups: &[usize], tests: u64) -> [Cells; 3] {
    let mut cells = [Cells::default(); 3];
    let (mut decision, mut outcome) = (Decision::default(), Outcome::default());
    for (world, cells) in worlds.iter().zip(&mut cells) {
        for test in 0..tests {
            for shard in world.open(Seed::new(1_000 + test)).shards_mut() {
                let rows = shard.consumers().start as usize..shard.consumers().end as usize;
                decision.reset(rows.len());
                for (action, response) in decision.actions.iter_mut().zip(&responses[rows.clone()]) {
                    *action = response.arm;
                }
                shard.step(&decision, &mut outcome).unwrap();
                for ((profit, response), group) in
                    outcome.profits.iter().zip(&responses[rows.clone()]).zip(&groups[rows])
                {
                    cells.add(*group, usize::from(response.arm), profit.amount());
                }
            }
        }
    }
    cells
}

/// Arm by arm, the mean of the simulated tests lies within two standard errors of the real one; so do the contrasts
/// between groups of buyers, which are what personalisation lives from.
fn assert_close_to_the_real_test(tests: u64) {
    let Some((table, responses)) = customers() else { return };
    let worlds = worlds(Some(&table));
    let groups = groups(&worlds[0], 1);
    let simulated = repeat(&worlds, &responses, &groups, tests);
    let mut real = [Cells::default(); 3];
    for (response, group) in responses.iter().zip(&groups) {
        let arm = usize::from(response.arm);
        for (cells, value) in real.iter_mut().zip([response.visit, response.conversion, response.spend]) {
            cells.add(*group, arm, value);
        }
    }
    for (outcome, (simulated, real)) in simulated.iter().zip(&real).enumerate() {
        for (arm, arm_name) in ARMS.into_iter().enumerate() {
            for (group, group_name) in GROUPS.into_iter().enumerate().take(if outcome == 0 { 4 } else { 1 }) {
                let z = (simulated.mean(group, arm) - real.mean(group, arm)) / real.variance(group, arm).sqrt();
                println!("{} {arm_name} {group_name}: z {z:.2}", OUTCOMES[outcome]);
                assert!(z.abs() < 2.0, "{} of {group_name} under {arm_name}: z {z}", OUTCOMES[outcome]);
            }
        }
        for (arm, group) in [(1, 2), (1, 3), (2, 2), (2, 3)] {
            let (found, _) = simulated.interaction(group, arm);
            let (expected, variance) = real.interaction(group, arm);
            let z = (found - expected) / variance.sqrt();
            println!("{} {} {} - mens_only: z {z:.2}", OUTCOMES[outcome], ARMS[arm], GROUPS[group]);
            assert!(z.abs() < 2.0, "{} contrast of {} under {}: z {z}", OUTCOMES[outcome], GROUPS[group], ARMS[arm]);
        }
    }
}

#[test]
fn twenty_simulated_tests_agree_with_the_real_one() {
    assert_close_to_the_real_test(20);
}

#[test]
#[ignore = "200 repetitions of a test with 64,000 people; the full check runs it"]
fn two_hundred_simulated_tests_agree_with_the_real_one() {
    assert_close_to_the_real_test(200);
}

/// The drawn population, in closed form over its 64,000 people, answers as the real one did.
#[test]
fn synthetic_people_reproduce_the_published_rates() {
    let worlds = worlds(None);
    let groups = groups(&worlds[0], 1);
    assert_eq!(groups.len(), 64_000);
    let mut truth = Matrix::default();
    for (outcome, world) in worlds.iter().enumerate() {
        let mut cells = Cells::default();
        for shard in world.open(Seed::new(1)).shards_mut() {
            shard.truth().unwrap().expected_rewards(&mut truth);
            for row in 0..truth.rows() {
                let group = groups[shard.consumers().start as usize + row];
                for arm in 0..3 {
                    cells.add(group, arm, f64::from(truth.get(row, arm)));
                }
            }
        }
        for (group, arms) in PUBLISHED.iter().enumerate().take(if outcome == 2 { 1 } else { 4 }) {
            for (arm, outcomes) in arms.iter().enumerate() {
                let (mean, standard_error) = outcomes[outcome];
                let z = (cells.mean(group, arm) - mean) / standard_error;
                assert!(z.abs() < 2.0, "{} of {} under {}: z {z}", OUTCOMES[outcome], GROUPS[group], ARMS[arm]);
            }
        }
    }
}

/// Trains on what the market shows under uniform play, one batch per shard.
fn train(learner: &mut dyn Agent, world: &LogitWorld, seed: Seed) {
    let (mut observation, mut decision, mut outcome) =
        (Observation::default(), Decision::default(), Outcome::default());
    for shard in world.open(seed).shards_mut() {
        shard.observe(Views::FEATURES, &mut observation);
        decision.reset(observation.rows());
        for (action, consumer) in decision.actions.iter_mut().zip(shard.consumers()) {
            *action = (seed.words(Purpose::Assignment, consumer, 0, 0)[0] % 3) as u16;
        }
        decision.propensities.fill(1.0 / 3.0);
        shard.step(&decision, &mut outcome).unwrap();
        let rewards: Vec<f32> = outcome.profits.iter().map(|profit| profit.amount() as f32).collect();
        let batch = Transitions {
            observation: &observation,
            actions: &decision.actions,
            propensities: &decision.propensities,
            rewards: &rewards,
            terminated: &[],
        };
        learner.learn(&batch, seed).unwrap();
    }
}

/// What a policy would have earned in the real test: each row counts with pi(its arm) over the known propensity 1/3.
/// Returns the value and its terms.
fn inverse_propensity(policy: &dyn Policy, world: &LogitWorld, responses: &[Response]) -> (f64, Vec<f64>) {
    let mut probabilities = Matrix::default();
    let mut terms = Vec::with_capacity(responses.len());
    for observation in observations(world, 1) {
        policy.probabilities(&observation, Seed::new(1), &mut probabilities);
        for row in 0..observation.rows() {
            let response = responses[observation.consumer_ids[row] as usize];
            terms.push(f64::from(probabilities.get(row, usize::from(response.arm))) * 3.0 * response.visit);
        }
    }
    (terms.iter().sum::<f64>() / terms.len() as f64, terms)
}

/// What an agent learns in the simulator holds on the real rows: it beats chance, and writing the men's e-mail to all
/// is not better than it by more than two standard errors.
#[test]
fn a_bandit_trained_in_the_simulator_earns_on_the_real_rows() {
    let Some(entry) = find(agent::AGENTS, "lin_thompson") else {
        println!("skipped: there is no agent lin_thompson");
        return;
    };
    let Some((table, responses)) = customers() else { return };
    let (synthetic, real) = (&worlds(None)[0], &worlds(Some(&table))[0]);
    let mut learner = (entry.build.create)(&Values::defaults(entry.parameters), synthetic.spec()).unwrap();
    train(learner.as_mut(), synthetic, Seed::new(11));
    let (value, terms) = inverse_propensity(learner.snapshot().as_ref(), real, &responses);
    let always = |arm: u16| responses.iter().map(move |row| if row.arm == arm { 3.0 * row.visit } else { 0.0 });
    let compare = |others: Vec<f64>| {
        let differences: Vec<f64> = terms.iter().zip(others).map(|(term, other)| term - other).collect();
        mercato::statistics::estimate(&differences)
    };
    let against_chance = compare(responses.iter().map(|row| row.visit).collect());
    let against_mens = compare(always(1).collect());
    println!("value {value:.4}; against chance {against_chance:?}; against men's to all {against_mens:?}");
    assert!(against_chance.mean > 3.0 * against_chance.standard_error);
    assert!(against_mens.mean > -2.0 * against_mens.standard_error);
}

/// The other committed logit scenario builds from its files too.
#[test]
fn the_throughput_scenario_is_the_one_of_the_yardstick() {
    let world = LogitWorld::new(&market("eq-sim.toml"), None).unwrap();
    let spec = world.spec();
    assert_eq!((spec.consumers, spec.horizon, spec.features.len(), spec.actions.len()), (100_000, 10, 16, 24));
    assert_eq!(spec.actions.actions[23].name, "action_23");
    assert!(!world.is_static());
}
