//! EQ-CB: 10,000 rounds of a bandit with 24 actions, through the public traits. Elements are rounds: decide and learn.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

#[path = "../examples/speed/problem.rs"]
mod problem;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mercato::agent::AGENTS;
use mercato::protocol::{Agent, Spec};
use mercato::registry::{Value, Values, find};
use problem::Problem;

const ROUNDS: usize = 10_000;

fn agent(kind: &str, spec: &Spec) -> Box<dyn Agent> {
    let Some(entry) = find(AGENTS, kind) else { panic!("there is no agent {kind}") };
    let mut values = Values::defaults(entry.parameters).with("intercept", Value::Boolean(false));
    if kind != "epsilon_greedy" {
        values = values.with("alpha", Value::Number(0.5));
    }
    match (entry.build.create)(&values, spec) {
        Ok(agent) => agent,
        Err(refusal) => panic!("{refusal}"),
    }
}

fn rounds(criterion: &mut Criterion) {
    for dimension in [16, 32] {
        let problem = Problem::draw(7, dimension, ROUNDS);
        let mut group = criterion.benchmark_group(format!("eq_cb/24x{dimension}"));
        group.sample_size(10).throughput(Throughput::Elements(ROUNDS as u64));
        for kind in ["lin_ucb", "lin_thompson", "epsilon_greedy"] {
            for batch in [1, 50, 1_000] {
                group.bench_function(BenchmarkId::new(kind, batch), |bencher| {
                    let fresh = || agent(kind, &problem.spec());
                    bencher.iter_batched(
                        fresh,
                        |mut agent| problem.play(agent.as_mut(), batch, ROUNDS),
                        BatchSize::LargeInput,
                    );
                });
            }
        }
    }
}

criterion_group!(benches, rounds);
criterion_main!(benches);
