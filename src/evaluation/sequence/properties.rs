//! What holds for estimators on any log.

use super::testing::{Given, TARGET, drawn_log, log, three_trajectories, value, values};
use super::{
    Horizon, LawShape, Rows, SequenceInterval, Shape, StateShape, TrajectoryBuilder, TrajectoryFault, estimate,
};
use crate::random::Seed;
use proptest::prelude::*;

const IMPORTANCE: [&str; 4] = ["tis", "wis", "pdis", "wpdis"];

fn builder() -> TrajectoryBuilder {
    let (law, state, horizon) = (LawShape::Logged, StateShape::Hidden, Horizon::Logged);
    TrajectoryBuilder::new(Shape { action_count: 2, law, state, discount: 1.0, horizon }, 1 << 20).unwrap()
}

fn push(builder: &mut TrajectoryBuilder, rows: &[(u64, u32)], ends: &[bool]) -> Result<(), TrajectoryFault> {
    let (units, ticks): (Vec<u64>, Vec<u32>) = rows.iter().copied().unzip();
    let halves = vec![0.5; rows.len()];
    let rewards: Vec<f64> = ticks.iter().map(|tick| f64::from(*tick)).collect();
    builder.push(&Rows {
        units: &units,
        ticks: &ticks,
        actions: &vec![0; rows.len()],
        rewards: &rewards,
        propensities: &halves,
        target: &halves,
        terminated: ends,
        ..Rows::default()
    })
}

#[test]
fn rows_come_in_any_order_and_leave_as_trajectories() {
    let mut gathered = builder();
    push(&mut gathered, &[(9, 5), (2, 1)], &[false; 2]).unwrap();
    push(&mut gathered, &[(9, 4), (2, 0), (2, 2)], &[false, false, true]).unwrap();
    let log = gathered.finish().unwrap();
    assert_eq!((log.units(), log.rewards()), (&[2, 9][..], &[0.0, 1.0, 2.0, 4.0, 5.0][..]));
    assert_eq!((log.rows_of(1), log.longest()), (3..5, 3));
    // The first ended for good, the second was cut by the time limit.
    assert_eq!((log.is_terminated(0), log.is_terminated(1), log.window(0), log.window(1)), (true, false, 3, 2));
}

#[test]
fn faults_name_the_unit() {
    let finish = |rows: &[(u64, u32)], ends: &[bool]| {
        let mut gathered = builder();
        push(&mut gathered, rows, ends).unwrap();
        gathered.finish().unwrap_err()
    };
    assert_eq!(finish(&[(7, 1), (7, 4)], &[false; 2]), TrajectoryFault::Gap { unit: 7, before: 1, after: 4 });
    let twice = TrajectoryFault::Duplicate { unit: 7, tick: 3, first: 0, second: 2 };
    assert_eq!(finish(&[(7, 3), (8, 3), (7, 3)], &[false; 3]), twice);
    assert_eq!(finish(&[(7, 3), (7, 4)], &[true, false]), TrajectoryFault::AfterEnd { unit: 7, tick: 3 });
    assert_eq!(builder().finish().unwrap_err(), TrajectoryFault::Empty);
    assert!(finish(&[(7, 1), (7, 4)], &[false; 2]).to_string().contains("unit 7"));
}

#[test]
fn values_that_cannot_be_are_refused_with_their_row() {
    let good = Rows {
        units: &[1],
        ticks: &[0],
        actions: &[0],
        rewards: &[1.0],
        propensities: &[0.5],
        target: &[0.5],
        terminated: &[false],
        ..Rows::default()
    };
    let fault = |rows: Rows<'_>| {
        let mut gathered = builder();
        gathered.push(&good).unwrap();
        match gathered.push(&rows).unwrap_err() {
            TrajectoryFault::Value { row, column, .. } => (row, column),
            other => panic!("{other}"),
        }
    };
    assert_eq!(fault(Rows { actions: &[2], ..good }), (1, "action"));
    assert_eq!(fault(Rows { rewards: &[f64::NAN], ..good }), (1, "reward"));
    assert_eq!(fault(Rows { propensities: &[0.0], ..good }), (1, "propensity"));
    assert_eq!(fault(Rows { propensities: &[f64::NAN], ..good }), (1, "propensity"));
    assert_eq!(fault(Rows { target: &[1.5], ..good }), (1, "target"));
    let short = builder().push(&Rows { target: &[], ..good }).unwrap_err();
    assert_eq!(short, TrajectoryFault::Length { column: "target", found: 0, wanted: 1 });
    let (law, state, horizon) = (LawShape::Logged, StateShape::Hidden, Horizon::Logged);
    let shape = Shape { action_count: 2, law, state, discount: 1.0, horizon };
    let small = TrajectoryBuilder::new(shape, 100).unwrap().push(&good).unwrap_err();
    assert!(matches!(small, TrajectoryFault::Memory { rows: 1, .. }));
    assert!(TrajectoryBuilder::new(Shape { discount: 1.1, ..shape }, 100).is_err());
}

#[test]
fn intervals_cover_the_value_and_agree_with_each_other() {
    let log = drawn_log(1_500, 3, 11);
    for name in IMPORTANCE {
        let estimator = super::testing::estimator(name);
        let by = |interval| estimate(estimator.as_ref(), &log, interval, 0.95, Seed::new(5)).unwrap();
        let (student, bootstrap) = (by(SequenceInterval::Student), by(SequenceInterval::Bootstrap { resamples: 400 }));
        let truth = values(TARGET, 3)[0];
        assert!((student.value - truth).abs() < 3.0 * student.standard_error, "{name} {student:?}");
        // The spread of a standard error from 400 resamples is 1 / sqrt(800) of itself.
        let ratio = bootstrap.standard_error / student.standard_error;
        assert!((ratio - 1.0).abs() < 4.0 / 800_f64.sqrt(), "{name} {ratio}");
        assert!(bootstrap.low < student.value && student.value < bootstrap.high);
    }
}

#[test]
fn influences_are_derivatives() {
    // Trajectories of several lengths, some of which end for good.
    let lengths = [3, 1, 2, 3, 2, 1];
    let rows = lengths.iter().enumerate().flat_map(|(unit, length)| {
        (0..*length).map(move |tick| {
            let action = (unit as u32 + tick) % 2;
            let reward = 1.0 + f64::from(tick) - 0.3 * unit as f64;
            let law = vec![0.3 + 0.1 * f64::from(tick), 0.7 - 0.1 * f64::from(tick)];
            let (state, terminated) = (tick % 2, tick + 1 == *length && unit % 3 == 1);
            Given { unit: unit as u64, tick, action, reward, law, state, terminated, ..Given::default() }
        })
    });
    let log = log(rows.collect(), 0.9);
    for name in IMPORTANCE {
        let prepared = super::testing::estimator(name).prepare(&log).unwrap();
        let linearised = prepared.linearised().unwrap();
        assert!(linearised.influence.iter().sum::<f64>().abs() < 1e-9, "{name}");
        for trajectory in 0..log.len() {
            let step = 1e-6;
            let mut counts = vec![1.0; log.len()];
            counts[trajectory] += step;
            let slope = (prepared.value(&counts) - linearised.value) / step * log.len() as f64;
            assert!(
                (slope - linearised.influence[trajectory]).abs() < 1e-4,
                "{name} {trajectory} {slope} {linearised:?}"
            );
        }
    }
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let log = drawn_log(3_000, 3, 3);
    for name in IMPORTANCE {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let interval = SequenceInterval::Bootstrap { resamples: 20 };
                estimate(super::testing::estimator(name).as_ref(), &log, interval, 0.95, Seed::new(5)).unwrap()
            })
        };
        assert_eq!(run(1), run(3), "{name}");
    }
    assert!(value("pdis", &three_trajectories()) > 0.0);
}

/// Logs of up to 12 units with up to 4 steps, with any rewards and propensities.
fn any_rows(steps: u32) -> impl Strategy<Value = Vec<Given>> {
    let unit = proptest::collection::vec((0..2_u32, -5.0..5.0, 0.05..0.95), 1..=steps as usize);
    proptest::collection::vec((unit, any::<bool>()), 1..12).prop_map(|units| {
        let mut rows = Vec::new();
        for (unit, (steps, terminated)) in units.into_iter().enumerate() {
            let last = steps.len() - 1;
            for (tick, (action, reward, first)) in steps.into_iter().enumerate() {
                let law = vec![first, 1.0 - first];
                let propensity = law[action as usize];
                let terminated = terminated && tick == last;
                let (unit, tick) = (unit as u64, tick as u32);
                rows.push(Given { unit, tick, action, reward, propensity, law, state: 0, terminated });
            }
        }
        rows
    })
}

fn mean_return(log: &super::Trajectories) -> f64 {
    (0..log.len()).map(|unit| super::tis::discounted_return(log, unit)).sum::<f64>() / log.len() as f64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_logging_policy_is_worth_what_the_log_earned(rows in any_rows(4)) {
        let log = log(rows, 0.9);
        for name in IMPORTANCE {
            prop_assert!((value(name, &log) - mean_return(&log)).abs() < 1e-9, "{}", name);
        }
    }
}
