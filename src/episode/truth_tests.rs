//! The truth beside the log is that of the twin.

use super::toy::{Constant, Toy, Uniform};
use super::*;
use crate::protocol::World;
use crate::units::Money;
use std::collections::BTreeMap;

/// Per (consumer, tick): profit, eventual, twin's, effect so far, and the expected reward of every action.
type Rows = BTreeMap<(u32, u32), ([Money; 4], Vec<f32>)>;

#[derive(Default)]
struct Kept {
    rows: Rows,
    ticks: u32,
}

impl DecisionSink for Kept {
    fn wants_truth(&self) -> bool {
        true
    }

    fn window_ticks(&self) -> u32 {
        self.ticks
    }

    fn take(&mut self, step: &Matured, _closed: bool) {
        let truth = &step.truth;
        for (row, &consumer) in step.observation.consumer_ids.iter().enumerate() {
            let expected = (0..3).map(|action| truth.expected_rewards.get(row, action)).collect();
            let money =
                [step.profits[row], truth.eventual_profits[row], truth.twin_profits[row], truth.effects_so_far[row]];
            let old = self.rows.insert((consumer, step.observation.tick), (money, expected));
            assert!(old.is_none());
        }
    }
}

fn truth(toy: &Toy, policy: &dyn Policy, ticks: u32) -> (Record, Rows) {
    let mut sink = Kept { ticks, ..Kept::default() };
    let recorder = Recorder { by_consumer: true, sink: Some(&mut sink) };
    let record = judge(toy.open(Seed::new(3)).as_mut(), policy, Seed::new(4), recorder).unwrap();
    (record, sink.rows)
}

#[test]
fn the_twin_earns_what_no_contact_earns_and_the_effect_is_the_difference() {
    for (coupled, budget) in [(false, None), (true, None), (true, Some(9_000))] {
        for ticks in [1, 3] {
            let toy = &Toy { coupled, budget, ..Toy::new(18_000, 5) };
            let (record, rows) = truth(toy, &Uniform, ticks);
            let (_, untouched) = truth(toy, &Constant(0), 1);
            let plain = judge(
                toy.open(Seed::new(3)).as_mut(),
                &Uniform,
                Seed::new(4),
                Recorder { by_consumer: true, sink: None },
            );
            assert_eq!(record, plain.unwrap(), "the twin changes nothing");
            assert_eq!(rows.len(), 18_000 * 5);
            let mut so_far = BTreeMap::new();
            for ((consumer, tick), ([profit, eventual, twin, effect], expected)) in &rows {
                let (alone, _) = &untouched[&(*consumer, *tick)];
                assert_eq!(*twin, alone[0]);
                assert_eq!((alone[2], alone[3]), (alone[0], Money::ZERO), "no contact has no effect");
                assert_eq!(eventual, profit, "nothing is ever pending here");
                let sum: &mut Money = so_far.entry(consumer).or_default();
                *sum += *profit - *twin;
                assert_eq!(effect, sum);
                // The chance of an order does not change: the same for both, and as the toy states it.
                assert_eq!(expected, &untouched[&(*consumer, *tick)].1);
                assert!(expected[0] == 0.1 && expected.len() == 3);
            }
            assert!(so_far.values().any(|effect| effect.micros() > 0));
        }
    }
}
