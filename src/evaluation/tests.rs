use super::*;
use crate::episode::toy::{Constant, Means, Toy, Uniform};
use crate::episode::{ConsumerRecord, Record, Reward, Training};
use crate::matrix::Matrix;
use crate::protocol::{Diverged, Environment, Kpi, Metrics, Observation, Tally, Transitions, Views, World};
use crate::random::Seed;
use crate::units::Money;
use std::io;
use std::sync::Mutex;

/// Keeps nothing, or plays back what it was given.
#[derive(Default)]
struct Memory {
    known: Option<Results>,
    kept: Mutex<usize>,
}

impl Store for Memory {
    fn restore(&self, address: Address<'_>) -> Option<Unit> {
        let known = self.known.as_ref()?;
        let units = address.contestant.map_or(Some(&known.baseline), |index| known.contestants.get(index))?;
        units.get(address.replication as usize).cloned()
    }

    fn log(&self, _address: Address<'_>) -> io::Result<Option<Box<dyn Log>>> {
        Ok(None)
    }

    fn keep(&self, _address: Address<'_>, _unit: &Unit) -> io::Result<()> {
        *self.kept.lock().unwrap() += 1;
        Ok(())
    }
}

fn fixed(name: &str, policy: impl crate::protocol::Policy + 'static) -> Contestant {
    Contestant { name: name.into(), kind: "fixed".into(), contender: Contender::Fixed(Box::new(policy)) }
}

fn contestants() -> Vec<Contestant> {
    let learner = Contender::Learner(Box::new(|| Box::new(Means::default())));
    vec![
        fixed("plain", Constant(1)),
        Contestant { name: "means".into(), kind: "means".into(), contender: learner },
        fixed("uniform", Uniform),
    ]
}

fn training() -> Training {
    Training { episodes: 1, seeds: vec![101], reward: Reward::Tick, less_twin: false, expected_orders: false }
}

fn compare(world: &dyn World, contestants: &[&Contestant], replications: u32, store: &Memory) -> (Results, Summary) {
    let comparison = Comparison { world, contestants, training: &training(), seed: Seed::new(7), replications };
    let results = comparison.run(store).unwrap();
    let title = Title { scenario: "toy", scenario_hash: "00" };
    let guardrails = [
        Guardrail { metric: "opt_out_rate".into(), limit: Limit::Max(0.025) },
        Guardrail { metric: "open_rate".into(), limit: Limit::Max(0.5) },
        Guardrail { metric: "profit_per_consumer".into(), limit: Limit::Min(0.0) },
    ];
    let summary = summarise(&comparison, &results, title, &guardrails, &|kind| kind == "means");
    (results, summary)
}

fn json(summary: &Summary) -> String {
    serde_json::to_string(summary).unwrap()
}

#[test]
fn a_summary_has_the_same_bytes_on_one_two_and_seven_threads() {
    let toy = Toy::new(3_000, 5);
    let all = contestants();
    let all: Vec<&Contestant> = all.iter().collect();
    let texts = [1, 2, 7].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| json(&compare(&toy, &all, 3, &Memory::default()).1))
    });
    assert_eq!(texts[0], texts[1]);
    assert_eq!(texts[0], texts[2]);
}

#[test]
fn one_after_the_other_gives_the_same_units_as_side_by_side() {
    // More than 20,000 consumers are judged one after the other; a coupled market steps tick by tick.
    let all = [fixed("plain", Constant(1)), fixed("uniform", Uniform)];
    let large = Toy::new(21_000, 2);
    let (results, _) = compare(&large, &all.iter().collect::<Vec<_>>(), 2, &Memory::default());
    let coupled = Toy { coupled: true, ..large };
    let (again, _) = compare(&coupled, &all.iter().rev().collect::<Vec<_>>(), 2, &Memory::default());
    assert_eq!(results.contestants[0], again.contestants[1]);
    assert_eq!(results.baseline, again.baseline);
}

/// Metrics of two summaries that differ by the rounding of sums of squares at most.
fn assert_equal_but_for_rounding(one: &MetricTable, two: &MetricTable) {
    assert_eq!(one.0.len(), two.0.len());
    for ((name, one), (_, two)) in one.0.iter().zip(&two.0) {
        assert_eq!((one.mean, one.bound), (two.mean, two.bound), "{name}");
        assert_eq!(one.standard_error.is_some(), two.standard_error.is_some(), "{name}");
        let (error, other) = (one.standard_error.unwrap_or(0.0), two.standard_error.unwrap_or(0.0));
        assert!((error - other).abs() <= 1e-12 * other, "{name}: {error} against {other}");
    }
}

#[test]
fn judging_part_by_part_gives_the_same_figures_as_judging_the_whole_market() {
    let whole = Toy::new(21_000, 3);
    let parts = Toy { part_shards: Some(16), ..whole.clone() };
    let all = contestants();
    let all: Vec<&Contestant> = all.iter().collect();
    for replications in [1, 2] {
        let (results, summary) = compare(&whole, &all, replications, &Memory::default());
        let texts = [1, 2, 7].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (again, in_parts) = pool.install(|| compare(&parts, &all, replications, &Memory::default()));
            assert_eq!(in_parts.result_hash, summary.result_hash);
            for (one, two) in in_parts.policies.iter().zip(&summary.policies) {
                assert_equal_but_for_rounding(&one.metrics, &two.metrics);
                assert_eq!(
                    serde_json::to_string(&one.learning).unwrap(),
                    serde_json::to_string(&two.learning).unwrap()
                );
                assert_eq!(one.contacts, two.contacts);
            }
            let lead = |summary: &Summary| {
                let lead = summary.lead.as_ref().unwrap();
                MetricTable(vec![("difference", lead.difference)])
            };
            assert_equal_but_for_rounding(&lead(&in_parts), &lead(&summary));
            assert!(again.contestants.iter().flatten().all(|unit| unit.record.by_consumer.is_none()));
            let saved = |results: &Results| results.contestants[1][0].agent.clone();
            assert_eq!(saved(&again), saved(&results));
            json(&in_parts)
        });
        assert_eq!(texts[0], texts[1]);
        assert_eq!(texts[0], texts[2]);
    }
}

#[test]
fn restored_units_of_a_market_in_parts_give_the_same_bytes() {
    let toy = Toy { part_shards: Some(16), ..Toy::new(20_500, 2) };
    let all = contestants();
    let all: Vec<&Contestant> = all.iter().collect();
    // Intervals over consumers are paired, so one lost unit of a single replication has all four judged again.
    for (replications, judged_again) in [(1, 4), (2, 2)] {
        let (results, summary) = compare(&toy, &all, replications, &Memory::default());
        let thaw =
            |units: &[Unit]| -> Vec<Unit> { serde_json::from_str(&serde_json::to_string(units).unwrap()).unwrap() };
        let whole = Results {
            baseline: thaw(&results.baseline),
            contestants: results.contestants.iter().map(|units| thaw(units)).collect(),
        };
        let torn = Results { contestants: whole.contestants[..2].to_vec(), ..whole.clone() };
        for (known, kept) in [(whole, 0), (torn, judged_again)] {
            let store = Memory { known: Some(known), ..Memory::default() };
            let (_, resumed) = compare(&toy, &all, replications, &store);
            assert_eq!(json(&summary), json(&resumed));
            assert_eq!(*store.kept.lock().unwrap(), kept);
        }
    }
}

#[test]
fn taking_a_contestant_away_changes_nothing_for_the_others() {
    let toy = Toy::new(1_500, 5);
    let all = contestants();
    let (_, whole) = compare(&toy, &all.iter().collect::<Vec<_>>(), 3, &Memory::default());
    let (_, fewer) = compare(&toy, &[&all[2], &all[1]], 3, &Memory::default());
    assert_eq!(serde_json::to_string(&whole.policies[2]).unwrap(), serde_json::to_string(&fewer.policies[0]).unwrap());
    assert_eq!(serde_json::to_string(&whole.policies[1]).unwrap(), serde_json::to_string(&fewer.policies[1]).unwrap());
    assert_ne!(whole.result_hash, fewer.result_hash);
}

#[test]
fn restored_units_give_the_same_bytes_and_are_not_run_again() {
    let toy = Toy::new(600, 4);
    let all = contestants();
    let all: Vec<&Contestant> = all.iter().collect();
    for replications in [1, 3] {
        let (results, summary) = compare(&toy, &all, replications, &Memory::default());
        // As if stored: through JSON and back, and one contestant lost.
        let thaw =
            |units: &[Unit]| -> Vec<Unit> { serde_json::from_str(&serde_json::to_string(units).unwrap()).unwrap() };
        let known = Results {
            baseline: thaw(&results.baseline),
            contestants: vec![thaw(&results.contestants[0]), thaw(&results.contestants[1])],
        };
        let store = Memory { known: Some(known), ..Memory::default() };
        let (_, resumed) = compare(&toy, &all, replications, &store);
        assert_eq!(json(&summary), json(&resumed));
        assert_eq!(*store.kept.lock().unwrap(), replications as usize);
    }
}

#[test]
fn common_random_numbers_make_differences_surer_than_levels() {
    let toy = Toy::new(1_000, 6);
    let all = contestants();
    let (results, summary) = compare(&toy, &[&all[0]], 12, &Memory::default());
    let metrics = &summary.policies[0].metrics;
    let unpaired = |units: &[Unit]| -> f64 {
        let values: Vec<f64> = units
            .iter()
            .map(|u| (u.record.discounted_profit() + u.record.discounted_terminal_value()) / 1_000.0)
            .collect();
        crate::statistics::mean_and_variance(&values).1 / values.len() as f64
    };
    let apart = (unpaired(&results.contestants[0]) + unpaired(&results.baseline)).sqrt();
    let paired = metrics.get("incremental_profit_per_consumer").unwrap().standard_error.unwrap();
    assert!(paired < 0.75 * apart, "paired {paired}, unpaired {apart}");
}

#[test]
fn one_replication_has_intervals_by_consumer_that_agree_with_replications() {
    let toy = Toy::new(3_000, 5);
    let all = contestants();
    let (_, once) = compare(&toy, &[&all[0]], 1, &Memory::default());
    let (_, often) = compare(&toy, &[&all[0]], 40, &Memory::default());
    let headline = once.policies[0].headline();
    let by_consumer = headline.standard_error.unwrap();
    let over_markets = often.policies[0].headline().standard_error.unwrap() * 40f64.sqrt();
    // The standard error of a standard error over 40 markets is 11 %.
    assert!((by_consumer / over_markets - 1.0).abs() < 0.4, "{by_consumer} against {over_markets}");
    let messages = once.policies[0].metrics.get("messages_per_consumer").unwrap();
    assert!(messages.standard_error.unwrap() > 0.0);
    assert_eq!(once.policies[0].metrics.get("orders_per_consumer").unwrap().standard_error, None);
}

#[test]
fn guardrails_tell_broken_promises_from_kept_ones() {
    let toy = Toy::new(1_000, 5);
    let all = [fixed("silent", NoContact), fixed("plain", Constant(1)), fixed("loud", Constant(2))];
    let (_, summary) = compare(&toy, &all.iter().collect::<Vec<_>>(), 4, &Memory::default());
    let held = |policy: usize| summary.policies[policy].guardrails.iter().map(|g| g.held).collect::<Vec<_>>();
    // Nobody leaves where nobody is written to; this market has no opens, so a promise about them cannot be kept.
    assert_eq!(held(0), [true, false, true]);
    assert_eq!(held(1), [true, false, true]);
    assert_eq!(held(2), [false, false, true]);
    assert!(!summary.holds());
    let silent = summary.policies[0].headline();
    assert_eq!((silent.mean, silent.standard_error), (0.0, Some(0.0)));
    assert!(summary.policies[0].metrics.get("opt_out_rate").is_none());
}

#[test]
fn an_oracle_owns_the_whole_share() {
    let toy = Toy::new(1_000, 5);
    let all = contestants();
    let (_, summary) = compare(&toy, &all.iter().collect::<Vec<_>>(), 4, &Memory::default());
    let share = |policy: usize| *summary.policies[policy].metrics.get("share_of_oracle").unwrap();
    assert!((share(1).mean - 1.0).abs() < 1e-12 && share(1).bound);
    assert!(share(2).mean < 1.0);
    let (_, without) = compare(&toy, &[&all[0]], 4, &Memory::default());
    assert!(without.policies[0].metrics.get("share_of_oracle").is_none());
    let (first, second) = (&summary.policies[summary.ranking()[0]], &summary.policies[summary.ranking()[1]]);
    let lead = summary.lead.unwrap();
    assert_eq!((&lead.first, &lead.second), (&first.name, &second.name));
    assert!((lead.difference.mean - (first.headline().mean - second.headline().mean)).abs() < 1e-12);
}

/// A world of two consumers whose units are written by hand.
#[derive(Debug)]
struct Two(crate::protocol::Spec);

impl World for Two {
    fn spec(&self) -> &crate::protocol::Spec {
        &self.0
    }

    fn open(&self, seed: Seed) -> Box<dyn Environment> {
        Toy { spec: self.0.clone(), ..Toy::new(2, 2) }.open(seed)
    }
}

fn unit(ticks: [[(Kpi, i64); 4]; 2], terminal_value_micros: i64, profits: [f64; 2], terminal: [f64; 2]) -> Unit {
    let series = ticks.map(|counts| {
        let mut tally = Tally::default();
        counts.into_iter().for_each(|(kpi, count)| tally.add(kpi, count));
        tally
    });
    let by_consumer =
        ConsumerRecord { profits: profits.to_vec(), terminal_values: terminal.to_vec(), contacts: vec![1, 2] };
    let record = Record {
        consumers: 2,
        series: series.to_vec(),
        action_counts: vec![1, 3],
        contacts: [0, 1, 1, 0, 0, 0],
        terminal_value_micros,
        discount: 0.5,
        by_consumer: Some(by_consumer),
        by_period: None,
    };
    Unit { record, ..Unit::default() }
}

#[test]
fn two_consumers_by_hand() {
    let mut world = Two(Toy::new(2, 2).spec);
    world.0.discount = 0.5;
    let micros = |amount: f64| Money::from_amount(amount).micros();
    let plain = fixed("plain", Constant(1));
    let contestants = [&plain];
    let policy = unit(
        [
            [(Kpi::Messages, 2), (Kpi::Delivered, 2), (Kpi::Orders, 1), (Kpi::Profit, micros(5.0))],
            [(Kpi::Messages, 1), (Kpi::Delivered, 1), (Kpi::OptOuts, 1), (Kpi::Profit, micros(-1.0))],
        ],
        micros(8.0),
        [5.0, -0.5],
        [1.0, 1.0],
    );
    let twin = unit(
        [
            [(Kpi::Messages, 0), (Kpi::Delivered, 0), (Kpi::Orders, 1), (Kpi::Profit, micros(2.0))],
            [(Kpi::Messages, 0), (Kpi::Delivered, 0), (Kpi::Orders, 0), (Kpi::Profit, 0)],
        ],
        micros(12.0),
        [2.0, 0.0],
        [1.5, 1.5],
    );
    let comparison = Comparison {
        world: &world,
        contestants: &contestants,
        training: &training(),
        seed: Seed::new(1),
        replications: 1,
    };
    let results = Results { baseline: vec![twin], contestants: vec![vec![policy]] };
    let title = Title { scenario: "two", scenario_hash: "00" };
    let summary = summarise(&comparison, &results, title, &[], &|_| false);
    let mean = |name: &str| summary.policies[0].metrics.get(name).unwrap().mean;
    assert_eq!(mean("profit_per_consumer"), (5.0 - 0.5) / 2.0);
    assert_eq!(mean("undiscounted_profit_per_consumer"), 2.0);
    assert_eq!(mean("terminal_value_per_consumer"), 0.25 * 8.0 / 2.0);
    // (4.5 + 2) / 2 against (2 + 3) / 2.
    assert_eq!(mean("incremental_profit_per_consumer"), 0.75);
    let headline = summary.policies[0].headline();
    // By consumer: (5 + 1) - (2 + 1.5) = 2.5 and (-0.5 + 1) - 1.5 = -1; standard deviation 3.5 / sqrt 2.
    assert!((headline.standard_error.unwrap() - 3.5 / 2.0).abs() < 1e-12);
    assert_eq!(mean("messages_per_consumer"), 1.5);
    assert_eq!(mean("orders_per_consumer"), 0.5);
    assert_eq!(mean("opt_out_rate"), 1.0 / 3.0);
    assert!(summary.policies[0].metrics.get("click_rate").is_none());
    assert_eq!(summary.policies[0].contacts.0[1], 0.5);
    let curve = cumulative_incremental_profit(&results.contestants[0], &results.baseline);
    assert_eq!(curve.iter().map(|metric| metric.mean).collect::<Vec<_>>(), [1.5, 1.25]);
}

#[test]
fn the_keys_are_those_of_the_interface() {
    let toy = Toy::new(200, 3);
    let all = contestants();
    let (_, summary) = compare(&toy, &all.iter().collect::<Vec<_>>(), 2, &Memory::default());
    let value: serde_json::Value = serde_json::from_str(&json(&summary)).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(
        keys(&value),
        "format mercato scenario scenario_hash seed replications result_hash consumers ticks baseline \
         baseline_metrics lead policies"
    );
    let policy = &value["policies"][1];
    assert_eq!(keys(policy), "name kind result_hash violations metrics contacts learning guardrails");
    assert_eq!(
        keys(&policy["metrics"]),
        "profit_per_consumer incremental_profit_per_consumer terminal_value_per_consumer return_per_consumer \
         undiscounted_profit_per_consumer share_of_oracle orders_per_consumer messages_per_consumer \
         cost_per_consumer opt_out_rate"
    );
    assert_eq!(keys(&policy["metrics"]["profit_per_consumer"]), "mean standard_error low high");
    assert_eq!(keys(&policy["learning"]), "return_per_consumer regret_per_consumer");
    assert_eq!(keys(&policy["guardrails"][0]), "name limit value held");
}

/// Tells how many rewards were negative.
#[derive(Clone, Debug, Default)]
struct Telling(Means);

impl Policy for Telling {
    fn views(&self) -> Views {
        self.0.views()
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        self.0.probabilities(observation, seed, probabilities);
    }
}

impl Agent for Telling {
    fn learn(&mut self, batch: &Transitions<'_>, seed: Seed) -> Result<Metrics, Diverged> {
        self.0.learn(batch, seed)?;
        let outside = batch.rewards.iter().filter(|reward| **reward < 0.0).count();
        Ok(vec![("rewards_outside_range", outside as f64), ("tick", f64::from(batch.observation.tick))])
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        Box::new(self.clone())
    }

    fn save(&self, to: &mut dyn io::Write) -> io::Result<()> {
        self.0.save(to)
    }
}

#[test]
fn what_agents_tell_of_their_learning_reaches_the_summary() {
    let toy = Toy::new(1_500, 5);
    let telling = Contender::Learner(Box::new(|| Box::new(Telling::default())));
    let telling = Contestant { name: "telling".into(), kind: "telling".into(), contender: telling };
    let (results, summary) = compare(&toy, &[&telling], 2, &Memory::default());
    let learning = summary.policies[0].learning.as_ref().unwrap();
    // The last tick of five; every message without an order costs something.
    assert_eq!(learning.metrics["tick"].mean, 4.0);
    let share = learning.rewards_outside_range_share.unwrap();
    assert!((learning.metrics["rewards_outside_range"].mean / (1_500.0 * 5.0) - share).abs() < 1e-12);
    let counted: f64 = results.contestants[0]
        .iter()
        .map(|unit| unit.learning.as_ref().unwrap().metrics["rewards_outside_range"])
        .sum();
    assert!(counted > 0.0 && share > 0.0 && share < 1.0);
    let value: serde_json::Value = serde_json::from_str(&json(&summary)).unwrap();
    assert_eq!(value["policies"][0]["learning"]["metrics"]["rewards_outside_range"]["mean"], counted / 2.0);
}

#[test]
fn credits_and_gaps_by_hand() {
    let mut world = Two(Toy::new(2, 2).spec);
    world.0.kpis = Kpi::ALL.to_vec();
    let plain = fixed("plain", Constant(1));
    let contestants = [&plain];
    // One of the two is a member of the group for both ticks, and gets one message of three, at a tenth off.
    let policy = unit(
        [
            [(Kpi::GroupConsumers, 1), (Kpi::GroupMessages, 1), (Kpi::Messages, 2), (Kpi::Orders, 3)],
            [(Kpi::GroupConsumers, 1), (Kpi::LastClickOrders, 2), (Kpi::Messages, 1), (Kpi::TouchedOrders, 3)],
        ],
        0,
        [0.0; 2],
        [0.0; 2],
    );
    let mut policy = policy;
    policy.record.series[0].add(Kpi::OfferedDiscountMillionths, 500_000);
    policy.record.series[0].add(Kpi::GroupOfferedDiscountMillionths, 100_000);
    policy.record.series[1].add(Kpi::OptOuts, 1);
    let nobody = [(Kpi::Messages, 0); 4];
    let twin = unit([[(Kpi::Orders, 1), nobody[0], nobody[0], nobody[0]], nobody], 0, [0.0; 2], [0.0; 2]);
    let comparison = Comparison {
        world: &world,
        contestants: &contestants,
        training: &training(),
        seed: Seed::new(1),
        replications: 1,
    };
    let results = Results { baseline: vec![twin], contestants: vec![vec![policy]] };
    let title = Title { scenario: "two", scenario_hash: "00" };
    let summary = summarise(&comparison, &results, title, &[], &|_| false);
    let mean = |name: &str| summary.policies[0].metrics.get(name).map(|metric| metric.mean);
    assert_eq!(mean("incremental_orders_per_consumer"), Some(1.0));
    assert_eq!(mean("last_click_orders_per_consumer"), Some(1.0));
    assert_eq!(mean("touched_orders_per_consumer"), Some(1.5));
    // A half message a tick against one; a tenth off against a fifth; no opt-out in one message against one in two.
    assert_eq!(mean("contact_rate_gap"), Some(-0.5));
    assert!((mean("discount_depth_gap").unwrap() + 0.1).abs() < 1e-12);
    assert_eq!(mean("opt_out_gap"), Some(-0.5));
    // Nothing was sent to members: no gap in what messages carry, but one in contacts.
    assert_eq!(summary.baseline_metrics.get("discount_depth_gap"), None);
}
