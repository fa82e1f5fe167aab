//! Off-policy evaluation in memory: 10^5 and 10^6 rounds of 24 actions, five estimators, points alone and with 1,000 Poisson
//! or multinomial resamples. Elements are rounds.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mercato::evaluation::appraisal::{Appraiser, Asked, Settings};
use mercato::evaluation::estimator::ESTIMATORS;
use mercato::evaluation::{Evidence, IntervalKind, Saved};
use mercato::random::{Purpose, Seed};
use mercato::registry::{Value, Values, find};
use std::hint::black_box;
use std::time::Duration;

const ACTIONS: usize = 24;
const KINDS: [(&str, Option<(&str, f64)>); 5] = [
    ("ips", None),
    ("snips", None),
    ("dr", None),
    ("switch_dr", Some(("tau", 10.0))),
    ("dros", Some(("lambda", 10.0))),
];

/// A log of uniform decisions with a target that leans to some actions by round.
struct Log {
    actions: Vec<u32>,
    rewards: Vec<f64>,
    propensities: Vec<f64>,
    target: Vec<f64>,
    model: Vec<f64>,
    units: Vec<u64>,
}

impl Log {
    fn new(rounds: usize) -> Self {
        let mut log = Self {
            actions: Vec::new(),
            rewards: Vec::new(),
            propensities: vec![1.0 / ACTIONS as f64; rounds],
            target: Vec::with_capacity(rounds * ACTIONS),
            model: Vec::with_capacity(rounds * ACTIONS),
            units: (0..rounds as u64).collect(),
        };
        for round in 0..rounds {
            let mut stream = Seed::new(5).stream(Purpose::Problem, round as u32, 0);
            let raw: [f64; ACTIONS] = std::array::from_fn(|_| f64::from(stream.uniform()).powi(4));
            let total: f64 = raw.iter().sum();
            log.target.extend(raw.map(|value| value / total));
            log.model.extend(raw.map(|value| 0.05 + 0.1 * value));
            let action = stream.word() % ACTIONS as u32;
            log.rewards.push(f64::from(u8::from(f64::from(stream.uniform()) < 0.05 + 0.1 * raw[action as usize])));
            log.actions.push(action);
        }
        log
    }

    fn appraise(&self, settings: &Settings, names: &[String]) -> f64 {
        let asked = KINDS.iter().map(|(kind, parameter)| {
            let entry = find(ESTIMATORS, kind).expect("it is registered");
            let mut values = Values::defaults(entry.parameters);
            if let Some((name, value)) = parameter {
                values.set(name, Value::Number(*value), None);
            }
            Asked { name: (*kind).into(), kind: entry.name, family: (entry.build)(&values).expect("it is legal") }
        });
        let mut appraiser = Appraiser::new("target", asked.collect(), settings, names);
        let evidence = Evidence {
            action_count: ACTIONS,
            actions: &self.actions,
            rewards: &self.rewards,
            propensities: &self.propensities,
            target: &self.target,
            logging: None,
            models: [Some(&self.model), None, None],
            saved: Saved::default(),
            factors: &[],
            mixture: None,
        };
        appraiser.take(&evidence, &self.units).expect("a model is there");
        appraiser.finish().estimates.iter().map(|estimate| estimate.value.high).sum()
    }
}

fn appraise(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ope");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(5));
    let names: Vec<String> = (0..ACTIONS).map(|action| format!("arm_{action}")).collect();
    for rounds in [100_000, 1_000_000] {
        let log = Log::new(rounds);
        group.throughput(Throughput::Elements(rounds as u64));
        for (name, interval) in [
            ("points", IntervalKind::Normal),
            ("poisson_1000", IntervalKind::Poisson),
            ("percentile_1000", IntervalKind::Percentile),
        ] {
            let settings = Settings { interval, resamples: 1_000, ..Settings::default() };
            group.bench_function(BenchmarkId::new(name, rounds), |bencher| {
                bencher.iter(|| black_box(log.appraise(&settings, &names)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, appraise);
criterion_main!(benches);
