//! Throughput of simulated markets on one core.

#[path = "../examples/speed/world.rs"]
#[allow(dead_code, reason = "the example reads more of it")]
mod world;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mercato::protocol::World;
use mercato::random::Seed;
use std::path::Path;
use world::{Log, market, policy, simulate, weights};

/// EQ-SIM at a tenth of its size: people drawn, observed, decided for and simulated over ten ticks.
fn eq_sim(criterion: &mut Criterion) {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let read = |name: &str| weights(&scenarios.join(name)).expect("the weights are part of the repository");
    let world = market(10_000, 10, read("eq-sim-response.csv"));
    let policy = policy(&world, read("eq-sim-policy.csv"));
    let mut log = Log::default();
    let mut group = criterion.benchmark_group("eq_sim");
    group.throughput(Throughput::Elements(u64::from(world.spec().consumers) * u64::from(world.spec().horizon)));
    group.bench_function("observe_decide_step", |bencher| {
        bencher.iter(|| simulate(&world, policy.as_ref(), Seed::new(1), &mut log));
    });
    group.bench_function("open", |bencher| bencher.iter(|| world.open(Seed::new(1))));
    group.finish();
}

criterion_group!(benches, eq_sim);
criterion_main!(benches);
