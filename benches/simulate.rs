//! Throughput of simulated markets: EQ-SIM, and consumer-ticks of the market with nobody or everybody contacted.

#[path = "../examples/speed/world.rs"]
#[allow(dead_code, reason = "the example reads more of it")]
mod eq_sim;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mercato::agent::POLICIES;
use mercato::environment::campaign::{Campaign, Sections};
use mercato::episode::{Recorder, judge};
use mercato::protocol::{Policy, World};
use mercato::random::Seed;
use mercato::registry::{Value, Values, find};
use std::path::Path;

const TICKS: u32 = 30;

/// EQ-SIM as it is defined: people drawn, observed, decided for and simulated over ten ticks.
fn eq_sim(criterion: &mut Criterion) {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let experiment = eq_sim::experiment(&scenarios).expect("the scenario is part of the repository");
    let spec = experiment.world.spec();
    let mut log = eq_sim::Log::default();
    let mut group = criterion.benchmark_group("eq_sim");
    group.sample_size(10);
    group.throughput(Throughput::Elements(u64::from(spec.consumers) * u64::from(spec.horizon)));
    for threads in [1, 2] {
        group.bench_with_input(BenchmarkId::new("threads", threads), &threads, |bencher, &threads| {
            pool(threads).install(|| bencher.iter(|| eq_sim::simulate(&experiment, Seed::new(1), &mut log)));
        });
    }
    group.finish();
}

/// The core modules on two channels; nobody is contacted, or everybody whom the mask allows.
fn market(criterion: &mut Criterion) {
    for consumers in [10_000, 1_000_000] {
        let world = world(consumers);
        let open = world.open(Seed::new(1));
        let mut group = criterion.benchmark_group(format!("market/{consumers}"));
        group.sample_size(10);
        group.throughput(Throughput::Elements(consumers as u64 * u64::from(TICKS)));
        for (name, kind) in [("uncontacted", "none"), ("contacted", "always")] {
            let policy = policy(kind, &world);
            for threads in [1, 2] {
                let pool = pool(threads);
                group.bench_with_input(BenchmarkId::new(name, threads), &threads, |bencher, _| {
                    bencher.iter_batched(
                        || open.fork(),
                        |mut market| {
                            let recorder = Recorder::default;
                            pool.install(|| judge(market.as_mut(), policy.as_ref(), Seed::new(1), recorder()))
                        },
                        BatchSize::PerIteration,
                    );
                });
            }
        }
        group.finish();
    }
}

/// Everybody has both channels and keeps them, so that `always` contacts every consumer in every tick.
fn world(consumers: i64) -> Campaign {
    let mut sections = Sections::preset(&["email", "push"]);
    sections.market = sections
        .market
        .with("consumers", Value::Integer(consumers))
        .with("ticks", Value::Integer(i64::from(TICKS)))
        .with("history_days", Value::Number(0.0));
    for (_, _, values) in &mut sections.channels {
        values.set("opt_in_share_ios", Value::Number(1.0), None);
        values.set("opt_in_share_android", Value::Number(1.0), None);
        values.set("opt_out_rate", Value::Number(0.0), None);
        values.set("hard_bounce_rate", Value::Number(0.0), None);
    }
    Campaign::new(&sections).expect("the preset is a market")
}

fn policy(kind: &str, world: &Campaign) -> Box<dyn Policy> {
    let entry = find(POLICIES, kind).expect("the policy is registered");
    (entry.build)(&Values::defaults(entry.parameters), world.spec()).expect("the policy fits the market")
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started")
}

criterion_group!(benches, eq_sim, market);
criterion_main!(benches);
