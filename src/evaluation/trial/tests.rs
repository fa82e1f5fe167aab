use super::*;
use crate::episode::judge_by_period;
use crate::episode::toy::{Constant, Toy, Uniform};
use crate::evaluation::market_seed;
use crate::matrix::Matrix;
use crate::protocol::{ActionBits, Decision, Observation, Policy, World};
use crate::random::Seed;

const NONE: Constant = Constant(0);
const PLAIN: Constant = Constant(1);
const LOUD: Constant = Constant(2);

fn protocol<'a>(world: &'a dyn World, policies: &'a [&'a dyn Policy], shares: &'a [f64]) -> Protocol<'a> {
    let span = Span { first_tick: 3, end_tick: world.spec().horizon };
    let randomised = Randomised::Consumer;
    Protocol { world, policies, before: &NONE, shares, randomised, span, feature: None, seed: Seed::new(5) }
}

#[test]
fn the_probabilities_are_those_of_the_arm() {
    let toy = Toy::new(64, 9);
    let policies: [&dyn Policy; 3] = [&NONE, &Uniform, &LOUD];
    let test = protocol(&toy, &policies, &[0.3, 0.4, 0.3]);
    let assignment = test.assignment(0).unwrap();
    let composed = Composed::new(&policies, &PLAIN, 3, &assignment);
    let mut observation = Observation {
        tick: 2,
        consumer_ids: (10..42).collect(),
        allowed: ActionBits::all(32, 3),
        ..Observation::default()
    };
    let (mut law, mut own, mut decision, mut alone) =
        (Matrix::default(), Matrix::default(), Decision::default(), Decision::default());
    // Before the test everybody meets the policy of that time.
    composed.probabilities(&observation, Seed::new(1), &mut law);
    assert!((0..32).all(|row| law.row(row) == [0.0, 1.0, 0.0]));
    observation.tick = 3;
    composed.probabilities(&observation, Seed::new(1), &mut law);
    composed.decide(&observation, Seed::new(1), &mut decision);
    let mut seen = [0; 3];
    for row in 0..32 {
        let arm = assignment.arm(10 + row as u32, 3);
        seen[arm] += 1;
        policies[arm].probabilities(&observation, Seed::new(1), &mut own);
        policies[arm].decide(&observation, Seed::new(1), &mut alone);
        assert_eq!(law.row(row), own.row(row));
        assert_eq!(decision.actions[row], alone.actions[row]);
        assert_eq!(decision.propensities[row], law.get(row, usize::from(decision.actions[row])));
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn where_nobody_touches_anybody_a_consumer_lives_as_if_all_had_their_arm() {
    // The identity behind the truth: without interference, the test picks of each whole market the consumers of the arm.
    let toy = Toy::new(3_000, 9);
    let policies: [&dyn Policy; 2] = [&NONE, &LOUD];
    let test = protocol(&toy, &policies, &[0.5, 0.5]);
    let assignment = test.assignment(4).unwrap();
    let mixed = test.live(4, &assignment).unwrap();
    let whole = [0, 1].map(|arm| test.live(4, &Assignment::everyone(arm)).unwrap());
    let values = |lived: &Lived, measure| test.rows(lived, &assignment, measure).unwrap();
    for measure in [Measure::Profit, Measure::Messages] {
        let rows = values(&mixed, measure);
        let pure = [values(&whole[0], measure), values(&whole[1], measure)];
        for (row, arm) in rows.arms.iter().enumerate() {
            assert_eq!(rows.values[row], pure[usize::from(*arm)].values[row]);
            // What was before the test is the same for all.
            assert_eq!(rows.covariates[row], pure[0].covariates[row]);
        }
    }
    assert!(whole[1].mean(Measure::Messages).unwrap() > 4.0);
    assert_eq!(values(&mixed, Measure::Messages).covariates.iter().sum::<f64>(), 0.0);
}

#[test]
fn a_market_judged_in_parts_gives_the_same_rows() {
    let whole = Toy::new(5_000, 9);
    let parts = Toy { part_shards: Some(2), ..whole.clone() };
    let policies: [&dyn Policy; 2] = [&NONE, &Uniform];
    let rows = |toy: &Toy| {
        let test = protocol(toy, &policies, &[0.5, 0.5]);
        let test = Protocol { feature: Some(0), ..test };
        let assignment = test.assignment(1).unwrap();
        test.rows(&test.live(1, &assignment).unwrap(), &assignment, Measure::Profit).unwrap()
    };
    assert_eq!(rows(&whole), rows(&parts));
    assert_eq!(rows(&whole).covariates.len(), 5_000);
}

#[test]
fn threads_change_nothing() {
    let toy = Toy::new(5_000, 9);
    let policies: [&dyn Policy; 2] = [&NONE, &Uniform];
    let on = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let test = protocol(&toy, &policies, &[0.5, 0.5]);
            test.live(1, &test.assignment(1).unwrap()).unwrap()
        })
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(7));
}

#[test]
fn counts_by_consumer_sum_to_those_of_the_market() {
    let toy = Toy::new(2_000, 9);
    let mut market = toy.open(market_seed(Seed::new(5), 0));
    let record = judge_by_period(market.as_mut(), &PLAIN, Seed::new(1), &[4, 7]).unwrap();
    let periods = record.by_period.as_ref().unwrap();
    let sum = |ticks: std::ops::Range<usize>| -> i64 {
        record.series[ticks].iter().map(|tally| tally.get(crate::protocol::Kpi::Profit)).sum()
    };
    assert_eq!(periods[0].profit_micros.iter().sum::<i64>(), sum(0..4));
    assert_eq!(periods[1].profit_micros.iter().sum::<i64>(), sum(4..7));
    // The toy does not know whom it counted.
    assert_eq!((&periods[0].orders, &periods[1].opt_outs), (&None, &None));
}

#[test]
fn periods_alternate_and_are_scaled_to_the_whole_test() {
    let toy = Toy::new(400, 15);
    let policies: [&dyn Policy; 2] = [&NONE, &PLAIN];
    let test = Protocol {
        randomised: Randomised::Period { ticks: 3, washout_ticks: 1 },
        ..protocol(&toy, &policies, &[0.5, 0.5])
    };
    let assignment = test.assignment(0).unwrap();
    let lived = test.live(0, &assignment).unwrap();
    let rows = test.rows(&lived, &assignment, Measure::Messages).unwrap();
    assert_eq!((rows.arms.len(), rows.clusters), (4, vec![0, 0, 1, 1]));
    for (arm, value) in rows.arms.iter().zip(&rows.values) {
        // Twelve ticks of test, a message to whoever has not opted out by then.
        assert_eq!(*arm == 0, *value == 0.0);
        assert!(*value <= 12.0);
    }
    let share = lived.mean(Measure::Messages).unwrap();
    assert!(share > 0.0 && share <= 6.0, "{share}");
}
