use super::*;
use crate::protocol::{Decision, Outcome, Views};
use crate::registry::Value;
use crate::statistics::mean_and_variance;

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn numbers(numbers: &[f64]) -> Value {
    Value::Numbers(numbers.to_vec())
}

fn coefficients(pairs: &[(&str, f64)]) -> Value {
    Value::Coefficients(pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect())
}

fn columns() -> Value {
    let age = Values::defaults(COLUMN)
        .with("name", text("age_years"))
        .with("centre", Value::Number(40.0))
        .with("scale", Value::Number(10.0))
        .with("mean", numbers(&[45.0]))
        .with("standard_deviation", numbers(&[12.0]));
    let spent = Values::defaults(COLUMN)
        .with("name", text("spent_dollars"))
        .with("log", Value::Boolean(true))
        .with("centre", Value::Number(3.0))
        .with("scale", Value::Number(2.0))
        .with("distribution", text("log_uniform"))
        .with("low", numbers(&[5.0]))
        .with("high", numbers(&[200.0]));
    let region = Values::defaults(COLUMN)
        .with("name", text("region"))
        .with("levels", Value::Texts(vec!["North".into(), "South".into(), "Far East".into()]))
        .with("distribution", text("levels"))
        .with("probabilities", numbers(&[0.5, 0.3, 0.2]));
    Value::Tables(vec![age, spent, region])
}

fn arm(name: &str, intercept: f64, pairs: &[(&str, f64)]) -> Values {
    Values::defaults(ARM)
        .with("name", text(name))
        .with("intercept", Value::Number(intercept))
        .with("coefficients", coefficients(pairs))
}

/// A shop with two arms: visit, then conversion given a visit, then a spend.
fn shop(visit_intercept: f64, blue_intercept: f64) -> Values {
    let visit = Values::defaults(STAGE)
        .with("name", text("visit"))
        .with("intercept", Value::Number(visit_intercept))
        .with("coefficients", coefficients(&[("age_years", 0.02), ("spent_dollars", 0.3), ("region_south", -0.4)]))
        .with(
            "arm",
            Value::Tables(vec![arm("red", 0.5, &[("region_far_east", 0.7)]), arm("blue", blue_intercept, &[])]),
        );
    let conversion = Values::defaults(STAGE)
        .with("intercept", Value::Number(-0.5))
        .with("coefficients", coefficients(&[("spent_dollars", 0.1)]))
        .with("arm", Value::Tables(vec![arm("red", 0.25, &[])]));
    let spend = Values::defaults(SPEND)
        .with("mean", Value::Number(3.0))
        .with("standard_deviation", Value::Number(0.8))
        .with("floor", Value::Number(10.0))
        .with("cap", Value::Number(100.0))
        .with("floor_probability", Value::Number(0.2));
    Values::defaults(PARAMETERS)
        .with("arms", Value::Texts(vec!["red".into(), "blue".into()]))
        .with("arm_cost", numbers(&[0.25, 0.5]))
        .with("margin", Value::Number(0.4))
        .with("column", columns())
        .with("stage", Value::Tables(vec![visit, conversion]))
        .with("spend", Value::Table(spend))
}

/// The same with rewards of 1, over ten ticks with fatigue and recency.
fn tired(decay: f64, costs: &[f64], recency_coefficient: f64) -> Values {
    let fatigue = Values::defaults(FATIGUE).with("decay", Value::Number(decay)).with("cost", numbers(costs));
    shop(-1.0, 0.0)
        .with("ticks", Value::Integer(10))
        .with("fatigue", Value::Table(fatigue))
        .with("recency_coefficient", Value::Number(recency_coefficient))
}

fn customers() -> CustomerTable {
    let mut table = CustomerTable { rows: 3, source: "people.csv".into(), ..CustomerTable::default() };
    table.numbers.insert("age_years".into(), vec![30.0, 52.0, 40.0]);
    table.numbers.insert("spent_dollars".into(), vec![12.5, 150.0, 20.0]);
    table.texts.insert("region".into(), vec!["North".into(), "South".into(), "Far East".into()]);
    table
}

fn with(values: Values, consumers: i64) -> LogitWorld {
    LogitWorld::new(&values.with("consumers", Value::Integer(consumers)), None).unwrap()
}

fn logistic(odds: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-odds))
}

/// Lives `ticks` with one action for everybody; the profits of every (tick, consumer), and the sum of tallies.
fn live(world: &LogitWorld, seed: u64, ticks: u32, action: impl Fn(u32, u32) -> u16) -> (Vec<Vec<Money>>, Outcome) {
    let mut environment = world.open(Seed::new(seed));
    let mut profits = vec![Vec::new(); ticks as usize];
    let (mut decision, mut outcome, mut total) = (Decision::default(), Outcome::default(), Outcome::default());
    for shard in environment.shards_mut() {
        for tick in 0..ticks {
            decision.reset(shard.consumers().len());
            for (row, consumer) in shard.consumers().enumerate() {
                decision.actions[row] = action(consumer, tick);
            }
            shard.step(&decision, &mut outcome).unwrap();
            profits[tick as usize].extend_from_slice(&outcome.profits);
            total.tally += &outcome.tally;
        }
    }
    (profits, total)
}

#[test]
fn expected_rewards_of_a_hand_made_row_are_in_closed_form() {
    let world = LogitWorld::new(&shop(-1.0, -0.3), Some(&customers())).unwrap();
    assert_eq!(world.spec().consumers, 3);
    let names: Vec<&str> = world.spec().features.iter().map(|feature| feature.name.as_str()).collect();
    assert_eq!(names, ["age_years", "spent_dollars", "region_south", "region_far_east"]);

    let mut environment = world.open(Seed::new(1));
    let shard = environment.shards_mut().remove(0);
    let mut truth = Matrix::default();
    shard.truth().unwrap().expected_rewards(&mut truth);
    let mut observation = Observation::default();
    shard.observe(Views::FEATURES, &mut observation);
    assert!((world.spec().features[1].to_raw(observation.features.get(1, 1)) - 150.0).abs() < 1e-3);
    let mut seen = Matrix::default();
    world.expected_rewards(&observation, &mut seen);
    assert!(world.is_static());
    assert_eq!(seen, truth);

    let basket = spend::Spend::LogNormal { mean: 3.0, deviation: 0.8, floor: 10.0, cap: 100.0, floor_probability: 0.2 };
    let people: [(f64, f64, f64, f64); 3] = [(30.0, 12.5, 0.0, 0.0), (52.0, 150.0, 1.0, 0.0), (40.0, 20.0, 0.0, 1.0)];
    for (row, (age, spent, south, east)) in people.into_iter().enumerate() {
        for (action, (visit_shift, conversion_shift, cost)) in
            [(0.0, 0.0, 0.0), (0.5 + 0.7 * east, 0.25, 0.25), (-0.3, 0.0, 0.5)].into_iter().enumerate()
        {
            let spent = libm::log(spent) - 3.0;
            let visit = logistic(-1.0 + 0.02 * (age - 40.0) + 0.3 * spent - 0.4 * south + visit_shift);
            let conversion = logistic(-0.5 + 0.1 * spent + conversion_shift);
            let expected = visit * conversion * 0.4 * basket.mean() - cost;
            let found = f64::from(truth.get(row, action));
            assert!((found - expected).abs() < 5e-6, "row {row}, action {action}: {found} is not {expected}");
        }
    }
}

#[test]
fn outcomes_happen_as_often_as_the_truth_says() {
    let world = with(shop(-1.0, 0.3), 30_000);
    for action in 0..3 {
        let mut environment = world.open(Seed::new(4));
        let mut expected = 0.0;
        let mut truth = Matrix::default();
        for shard in environment.shards_mut() {
            shard.truth().unwrap().expected_rewards(&mut truth);
            expected += (0..truth.rows()).map(|row| f64::from(truth.get(row, usize::from(action)))).sum::<f64>();
        }
        let (profits, total) = live(&world, 4, 1, |_, _| action);
        let profits: Vec<f64> = profits[0].iter().map(|profit| profit.amount()).collect();
        let (mean, variance) = mean_and_variance(&profits);
        let error = (variance / 30_000.0).sqrt();
        assert!((mean - expected / 30_000.0).abs() < 3.0 * error, "action {action}: {mean} is not {expected}");
        let tally = total.tally;
        assert_eq!(tally.get(Kpi::Messages), if action == 0 { 0 } else { 30_000 });
        assert_eq!(tally.get(Kpi::Conversions), if action == 0 { 0 } else { tally.get(Kpi::Orders) });
        assert!(tally.get(Kpi::Orders) > 0 && tally.get(Kpi::Visits) > tally.get(Kpi::Orders));
        let margin = 0.4 * tally.value(Kpi::Revenue) - tally.value(Kpi::Cost);
        assert!((tally.value(Kpi::Profit) - margin).abs() < 0.05);
        assert!((tally.value(Kpi::Profit) - profits.iter().sum::<f64>()).abs() < 1e-6);
    }
}

#[test]
fn only_what_follows_a_message_is_a_conversion() {
    // Red to every third person, nothing to the others; the last block is not full.
    let world = with(shop(-1.0, 0.3).with("arm_cost", numbers(&[0.0])).with("reward", text("success")), 20_001);
    let red = |consumer: u32| consumer.is_multiple_of(3);
    let (profits, total) = live(&world, 4, 1, |consumer, _| u16::from(red(consumer)));
    let successes = |of_red: bool| {
        (0..20_001)
            .zip(&profits[0])
            .filter(|(consumer, profit)| red(*consumer) == of_red && **profit > Money::ZERO)
            .count() as i64
    };
    let tally = total.tally;
    assert_eq!((tally.get(Kpi::Messages), tally.get(Kpi::Delivered)), (6_667, 6_667));
    assert_eq!(tally.get(Kpi::Conversions), successes(true));
    assert_eq!(tally.get(Kpi::Orders), successes(true) + successes(false));
    assert!(successes(true) > 0 && successes(false) > 0);
    // Visits are those of everybody: red adds some to those of a market left alone, the people and the luck the same.
    let visits = |action: u16| live(&world, 4, 1, |_, _| action).1.tally.get(Kpi::Visits);
    assert!(visits(0) < tally.get(Kpi::Visits) && tally.get(Kpi::Visits) < visits(1));
}

#[test]
fn a_conversion_without_a_spend_is_an_order() {
    let one = Values::defaults(STAGE).with("name", text("conversion")).with("intercept", Value::Number(-1.0));
    let market = Values::defaults(PARAMETERS)
        .with("arms", Value::Texts(vec!["red".into()]))
        .with("reward", text("success"))
        .with("column", columns())
        .with("stage", Value::Tables(vec![one]));
    let world = with(market, 1_000);
    assert_eq!(
        world.spec().kpis,
        [Kpi::Messages, Kpi::Delivered, Kpi::Conversions, Kpi::Orders, Kpi::Cost, Kpi::Profit]
    );
    let (profits, total) = live(&world, 4, 1, |_, _| 0);
    let successes = profits[0].iter().filter(|profit| **profit > Money::ZERO).count() as i64;
    assert!(successes > 0);
    assert_eq!((total.tally.get(Kpi::Conversions), total.tally.get(Kpi::Orders)), (0, successes));
}

#[test]
fn a_higher_chance_takes_no_event_away() {
    let success = |values: Values| {
        let world = with(values.with("reward", text("success")).with("arm_cost", numbers(&[0.0])), 5_000);
        live(&world, 9, 1, |_, _| 2).0.remove(0)
    };
    let (low, high) = (success(shop(-1.0, 0.0)), success(shop(-1.0, 0.4)));
    assert!(low.iter().zip(&high).all(|(low, high)| low <= high));
    assert!(low.iter().zip(&high).filter(|(low, high)| low < high).count() > 50);

    // An arm that adds nothing leaves every outcome as no contact has it, to the cent.
    let world = with(shop(-1.0, 0.0).with("arm_cost", numbers(&[0.0])), 5_000);
    assert_eq!(live(&world, 9, 1, |_, _| 0).0, live(&world, 9, 1, |_, _| 2).0);
}

#[test]
fn absent_terms_are_neutral_to_the_bit() {
    let absent = with(shop(-1.0, 0.3).with("ticks", Value::Integer(10)), 1_500);
    let neutral =
        with(tired(0.7, &[0.0, 0.0, 0.0], 0.0).with("stage", shop(-1.0, 0.3).get("stage").unwrap().clone()), 1_500);
    let schedule = |consumer: u32, tick: u32| ((consumer + tick) % 3) as u16;
    assert_eq!(live(&absent, 3, 10, schedule).0, live(&neutral, 3, 10, schedule).0);
    assert!(neutral.is_static() && !with(tired(0.7, &[0.0, 0.1, 0.0], 0.0), 10).is_static());
}

#[test]
fn a_consumer_alone_is_the_consumer_in_the_crowd() {
    let costs = [0.0, 0.2, 0.4];
    let (small, large) = (with(tired(0.8, &costs, -0.1), 1_501), with(tired(0.8, &costs, -0.1), 4_000));
    let schedule = |consumer: u32, tick: u32| ((consumer * 7 + tick) % 3) as u16;
    let (few, _) = live(&small, 12, 10, schedule);
    // Everybody else is treated otherwise, and there are more of them.
    let (many, _) = live(&large, 12, 10, |consumer, tick| if consumer == 1_500 { schedule(consumer, tick) } else { 1 });
    for tick in 0..10 {
        assert_eq!(few[tick][1_500], many[tick][1_500]);
    }
    assert_ne!(few[0][..1_500], many[0][..1_500]);
}

#[test]
fn fatigue_and_recency_move_as_declared() {
    let world = with(tired(0.8, &[0.05, 0.3, 0.6], -0.2).with("reward", text("success")), 40);
    let untouched = with(shop(-1.0, 0.0).with("reward", text("success")), 40);
    let mut environment = world.open(Seed::new(5));
    let shard = environment.shards_mut().remove(0);
    let (mut seen, mut truth, mut at_rest) = (Observation::default(), Matrix::default(), Matrix::default());
    shard.observe(Views::FEATURES, &mut seen);
    untouched.expected_rewards(&seen, &mut at_rest);
    let (mut fatigue, mut recency) = (vec![0.0; 40], vec![0.0; 40]);
    let (mut decision, mut outcome) = (Decision::default(), Outcome::default());
    for tick in 0..10u16 {
        shard.truth().unwrap().expected_rewards(&mut truth);
        for row in 0..40 {
            for (action, cost) in [0.05, 0.3, 0.6].into_iter().enumerate() {
                // Take the first stage out of the resting product, move its log-odds, and put it back.
                let conversion = conversion_chance(&seen, row, action);
                let price = [0.0, 0.25, 0.5][action];
                let visit = (f64::from(at_rest.get(row, action)) + price) / conversion;
                let odds = libm::log(visit / (1.0 - visit)) - fatigue[row] * cost - 0.2 * recency[row];
                let expected = logistic(odds) * conversion - price;
                let found = f64::from(truth.get(row, action));
                assert!((found - expected).abs() < 1e-5, "tick {tick}, row {row}: {found} is not {expected}");
            }
        }
        decision.reset(40);
        for row in 0..40 {
            decision.actions[row] = (row as u16 + tick) % 3;
        }
        shard.step(&decision, &mut outcome).unwrap();
        for row in 0..40 {
            let action = usize::from(decision.actions[row]);
            fatigue[row] = 0.8 * fatigue[row] + [0.05, 0.3, 0.6][action];
            let succeeded = outcome.profits[row].amount() + [0.0, 0.25, 0.5][action] > 0.5;
            recency[row] = if succeeded { 0.0 } else { recency[row] + 1.0 };
        }
    }
    assert!(recency.contains(&0.0) && recency.iter().any(|ticks| *ticks > 5.0));
}

/// Of the shop's second stage, from what is observed.
fn conversion_chance(seen: &Observation, row: usize, action: usize) -> f64 {
    let spent = libm::expm1(f64::from(seen.features.get(row, 1)) * 2.0 + 3.0);
    logistic(-0.5 + 0.1 * (libm::log(spent) - 3.0) + if action == 1 { 0.25 } else { 0.0 })
}

#[test]
fn a_fork_has_the_same_luck_ahead() {
    let world = with(tired(0.8, &[0.0, 0.2, 0.4], -0.1), 2_000);
    let mut environment = world.open(Seed::new(8));
    let (mut decision, mut one, mut other) = (Decision::default(), Outcome::default(), Outcome::default());
    for shard in environment.shards_mut() {
        decision.reset(shard.consumers().len());
        decision.actions.fill(1);
        shard.step(&decision, &mut one).unwrap();
    }
    let mut fork = environment.fork();
    assert_eq!(fork.shards_mut().len(), 2);
    for (shard, twin) in environment.shards_mut().iter_mut().zip(fork.shards_mut()) {
        decision.reset(shard.consumers().len());
        shard.step(&decision, &mut one).unwrap();
        twin.step(&decision, &mut other).unwrap();
        assert_eq!(one, other);
        assert_eq!(one.profits.len(), shard.consumers().len());
    }
}

#[test]
fn an_action_that_does_not_exist_is_refused_and_changes_nothing() {
    let world = with(shop(-1.0, 0.0), 20);
    let mut environment = world.open(Seed::new(1));
    let shard = environment.shards_mut().remove(0);
    let (mut decision, mut outcome) = (Decision::default(), Outcome::default());
    decision.reset(20);
    decision.actions[17] = 3;
    let refusal = shard.step(&decision, &mut outcome).unwrap_err();
    assert_eq!((refusal.consumer, refusal.action, refusal.tick), (17, 3, 0));
    let mut observation = Observation::default();
    shard.observe(Views::default(), &mut observation);
    assert_eq!((observation.tick, observation.features.rows(), observation.rows()), (0, 0, 20));
}

#[test]
fn fewer_consumers_than_customers_are_a_part_drawn_from_the_seed() {
    let mut table = CustomerTable { rows: 3_000, source: "people.csv".into(), ..CustomerTable::default() };
    table.numbers.insert("age_years".into(), (0..3_000).map(f64::from).collect());
    table.numbers.insert("spent_dollars".into(), vec![20.0; 3_000]);
    table.texts.insert("region".into(), vec!["North".into(); 3_000]);
    let market = shop(-1.0, 0.0).with("consumers", Value::Integer(1_200));
    let world = LogitWorld::new(&market, Some(&table)).unwrap();
    let ages = |seed: u64| -> Vec<i64> {
        let mut environment = world.open(Seed::new(seed));
        let mut observation = Observation::default();
        let mut ages = Vec::new();
        for shard in environment.shards_mut() {
            shard.observe(Views::FEATURES, &mut observation);
            ages.extend(
                (0..observation.rows())
                    .map(|row| (world.spec().features[0].to_raw(observation.features.get(row, 0))).round() as i64),
            );
        }
        ages
    };
    let drawn = ages(1);
    assert_eq!(drawn.len(), 1_200);
    assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(drawn, ages(1));
    assert_ne!(drawn, ages(2));
}

#[test]
fn faults_are_refused_with_their_key() {
    let keys = |values: &Values, customers: Option<&CustomerTable>| -> Vec<String> {
        LogitWorld::new(values, customers).unwrap_err().into_iter().map(|refusal| refusal.key).collect()
    };
    let good = || shop(-1.0, 0.0);
    let twins = Value::Texts(vec!["red".into(), "red".into()]);
    assert_eq!(keys(&good().with("arms", twins), None), ["arms"]);
    assert_eq!(keys(&good().with("arm_cost", numbers(&[1.0, 2.0, 3.0])), None), ["arm_cost"]);
    assert_eq!(keys(&good().with("stage", Value::Tables(Vec::new())), None), ["stage"]);
    let unknown = Values::defaults(STAGE)
        .with("coefficients", coefficients(&[("height", 1.0)]))
        .with("arm", Value::Tables(vec![arm("green", 1.0, &[])]));
    assert_eq!(keys(&good().with("stage", Value::Tables(vec![unknown])), None), ["coefficients", "name"]);
    let twice = Value::Tables(vec![Values::defaults(STAGE), Values::defaults(STAGE)]);
    assert_eq!(keys(&good().with("stage", twice), None), ["stage"]);
    assert_eq!(keys(&tired(0.8, &[0.1], 0.0), None), ["cost"]);
    let file = customers();
    assert_eq!(keys(&good().with("consumers", Value::Integer(4)), Some(&file)), ["consumers"]);

    let message = |change: fn(&mut CustomerTable)| {
        let mut file = customers();
        change(&mut file);
        LogitWorld::new(&good(), Some(&file)).unwrap_err().remove(0).message
    };
    let level = message(|file| file.texts.get_mut("region").unwrap()[1] = "West".into());
    assert_eq!(level, "people.csv: row 2, column `region`: `West` is not a level of the column");
    let negative = message(|file| file.numbers.get_mut("spent_dollars").unwrap()[2] = 0.0);
    assert_eq!(negative, "people.csv: row 3, column `spent_dollars`: 0 is outside the column's range");
    let missing = message(|file| {
        file.numbers.remove("age_years");
    });
    assert_eq!(missing, "people.csv: no column of numbers for `age_years`");
}

#[test]
fn a_table_of_coefficients_says_the_same_as_names() {
    let named = with(shop(-1.0, 0.3), 500);
    let table = crate::registry::NumericTable {
        header: vec!["none".into(), "red".into(), "blue".into()],
        rows: vec![vec![0.02; 3], vec![0.3; 3], vec![-0.4; 3], vec![0.0, 0.7, 0.0]],
    };
    let stages = shop(-1.0, 0.3).tables("stage").to_vec();
    let visit = Values::defaults(STAGE)
        .with("name", text("visit"))
        .with("intercept", Value::Number(-1.0))
        .with("arm", Value::Tables(vec![arm("red", 0.5, &[]), arm("blue", 0.3, &[])]))
        .with("table", Value::Csv(table));
    let tabled = with(shop(-1.0, 0.3).with("stage", Value::Tables(vec![visit, stages[1].clone()])), 500);
    assert_eq!(live(&named, 2, 1, |_, _| 1).0, live(&tabled, 2, 1, |_, _| 1).0);
}
