//! Deciding and learning of the bandits, 24 actions, one row and 1,000 rows at a time: the contextual ones with 16 and 32
//! features, those that look at no feature with one arm per action.
//!
//! Elements are rows. `round` is both in turn, as in a bandit that learns from every reward at once. The large space is
//! that of a campaign: no contact and 4 channels × 6 hours × 5 offers × 3 creatives, with 48 features.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mercato::agent::AGENTS;
use mercato::matrix::Matrix;
use mercato::protocol::{
    Action, ActionBits, ActionSpace, Agent, Decision, Factor, Feature, Observation, Spec, Transitions,
};
use mercato::random::{Purpose, Seed};
use mercato::registry::{Value, Values, find};
use mercato::units::Money;
use std::hint::black_box;
use std::time::Duration;

const BANDITS: [&str; 6] = ["lin_ucb", "lin_thompson", "logistic_thompson", "square_cb", "epsilon_greedy", "boltzmann"];
const FEATURELESS: [&str; 3] = ["ucb1", "kl_ucb", "thompson"];

fn spec_of(features: usize, actions: ActionSpace) -> Spec {
    Spec {
        consumers: 1_000,
        horizon: 1,
        tick_days: 1.0,
        discount: 1.0,
        features: (0..features).map(|index| Feature::raw(format!("x_{index}"), "none")).collect(),
        actions,
        kpis: Vec::new(),
    }
}

fn arms(features: usize) -> Spec {
    let names: Vec<String> = (1..24).map(|action| format!("arm_{action}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    spec_of(features, ActionSpace::flat("arm", "arm_0", &names))
}

fn campaign() -> Spec {
    let sizes = [("channel", 4), ("hour", 6), ("offer", 5), ("creative", 3)];
    let factors = sizes.map(|(name, size)| Factor { name, levels: (0..size).map(|level| level.to_string()).collect() });
    let mut actions = vec![Action { name: "none".into(), levels: None, cost: Money::ZERO }];
    for index in 0..4 * 6 * 5 * 3 {
        let levels = Some(vec![index / 90, index / 15 % 6, index / 3 % 5, index % 3]);
        actions.push(Action { name: format!("{levels:?}"), levels, cost: Money::ZERO });
    }
    spec_of(48, ActionSpace { factors: factors.to_vec(), actions })
}

struct Lesson {
    observation: Observation,
    actions: Vec<u16>,
    propensities: Vec<f32>,
    rewards: Vec<f32>,
}

impl Lesson {
    fn new(spec: &Spec, rows: usize, tick: u32) -> Self {
        let mut stream = Seed::new(7).stream(Purpose::Problem, 0, tick);
        let mut features = Matrix::new(rows, spec.features.len());
        for row in 0..rows {
            for column in 0..spec.features.len() {
                features.set(row, column, stream.uniform() * 4.0 - 2.0);
            }
        }
        let allowed = ActionBits::all(rows, spec.actions.len());
        Self {
            observation: Observation {
                tick,
                consumer_ids: (0..rows as u32).collect(),
                features,
                allowed,
                ..Observation::default()
            },
            actions: (0..rows).map(|_| (stream.uniform() * spec.actions.len() as f32) as u16).collect(),
            propensities: vec![1.0; rows],
            rewards: (0..rows).map(|_| f32::from(u8::from(stream.uniform() < 0.3))).collect(),
        }
    }

    fn transitions(&self) -> Transitions<'_> {
        Transitions {
            observation: &self.observation,
            actions: &self.actions,
            propensities: &self.propensities,
            rewards: &self.rewards,
            terminated: &[],
        }
    }
}

/// An agent that has learned 1,000 rows.
fn taught(kind: &str, form: &str, spec: &Spec) -> Option<Box<dyn Agent>> {
    let entry = find(AGENTS, kind)?;
    let values = Values::defaults(entry.parameters).with("model", Value::Text(form.into()));
    let mut agent = (entry.build.create)(&values, spec).ok()?;
    agent.learn(&Lesson::new(spec, 1_000, 0).transitions(), Seed::new(1)).ok()?;
    Some(agent)
}

fn measure(criterion: &mut Criterion, kind: &str, form: &str, label: &str, spec: &Spec) {
    let Some(mut agent) = taught(kind, form, spec) else { panic!("{kind} does not learn") };
    let mut decision = Decision::default();
    for rows in [1, 1_000] {
        let lessons: Vec<Lesson> = (1..=32).map(|tick| Lesson::new(spec, rows, tick)).collect();
        let mut next = (0..).map(|index: usize| index % lessons.len());
        let mut lesson = || &lessons[next.next().unwrap_or(0)];
        let mut group = criterion.benchmark_group(format!("{kind}/{label}"));
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::new("decide", rows), |bencher| {
            bencher.iter(|| agent.decide(black_box(&lesson().observation), Seed::new(1), &mut decision));
        });
        group.bench_function(BenchmarkId::new("learn", rows), |bencher| {
            bencher.iter(|| agent.learn(black_box(&lesson().transitions()), Seed::new(1)));
        });
        group.bench_function(BenchmarkId::new("round", rows), |bencher| {
            bencher.iter(|| {
                let lesson = lesson();
                agent.decide(black_box(&lesson.observation), Seed::new(1), &mut decision);
                agent.learn(&Transitions { actions: &decision.actions, ..lesson.transitions() }, Seed::new(1))
            });
        });
    }
}

fn disjoint(criterion: &mut Criterion) {
    for features in [16, 32] {
        for kind in BANDITS {
            measure(criterion, kind, "disjoint", &format!("24x{features}"), &arms(features));
        }
    }
}

fn featureless(criterion: &mut Criterion) {
    for kind in FEATURELESS {
        measure(criterion, kind, "flat", "24", &arms(0));
    }
}

fn large(criterion: &mut Criterion) {
    for kind in ["lin_ucb", "lin_thompson", "epsilon_greedy"] {
        for form in ["factored", "shared"] {
            measure(criterion, kind, form, &format!("361x48-{form}"), &campaign());
        }
    }
    for kind in FEATURELESS {
        measure(criterion, kind, "factored", "361-factored", &campaign());
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(20);
    targets = disjoint, featureless, large
}
criterion_main!(benches);
