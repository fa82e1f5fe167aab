//! A market too large to be open as a whole, at a twentieth of its size: two weeks of half a million consumers on every
//! channel, opened and judged part by part as a run does it.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mercato::agent::POLICIES;
use mercato::environment::campaign::{Campaign, Sections};
use mercato::episode::{Reward, Training};
use mercato::evaluation::{Address, Comparison, Contender, Contestant, Log, Store, Unit};
use mercato::protocol::World;
use mercato::random::Seed;
use mercato::registry::{Value, Values, find};
use std::io;

/// A twentieth of ten million.
const CONSUMERS: u32 = 500_000;
const TICKS: u32 = 14;
const CHANNELS: &[&str] = &["email", "push", "sms", "paid_ad", "onsite", "direct_mail"];

/// Keeps nothing.
struct Nowhere;

impl Store for Nowhere {
    fn restore(&self, _address: Address<'_>) -> Option<Unit> {
        None
    }

    fn log(&self, _address: Address<'_>) -> io::Result<Option<Box<dyn Log>>> {
        Ok(None)
    }

    fn keep(&self, _address: Address<'_>, _unit: &Unit) -> io::Result<()> {
        Ok(())
    }
}

/// One run of a rule and of the twin whom nobody contacts; each of them lives every consumer-tick.
fn mega(criterion: &mut Criterion) {
    let world = world();
    assert!(world.parts() > 1, "the market is judged in parts");
    let rule = Contestant {
        name: "twice_a_week".into(),
        kind: "rule".into(),
        contender: Contender::Fixed({
            let entry = find(POLICIES, "rule").expect("the policy is registered");
            // On days 0, 4, 8 and 12: two messages a week.
            let values = Values::defaults(entry.parameters)
                .with("every_days", Value::Number(4.0))
                .with("channel", Value::Text("email".into()));
            (entry.build)(&values, world.spec()).expect("the policy fits the market")
        }),
    };
    let training =
        Training { episodes: 0, seeds: Vec::new(), reward: Reward::Tick, less_twin: false, expected_orders: false };
    let contestants = [&rule];
    let comparison = Comparison {
        world: &world,
        contestants: &contestants,
        training: &training,
        seed: Seed::new(1),
        replications: 1,
    };
    let mut group = criterion.benchmark_group("mega");
    group.sample_size(10);
    group.throughput(Throughput::Elements(2 * u64::from(CONSUMERS) * u64::from(TICKS)));
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        group.bench_with_input(BenchmarkId::new("threads", threads), &threads, |bencher, _| {
            bencher.iter(|| pool.install(|| comparison.run(&Nowhere)).expect("the rule keeps to the mask"));
        });
    }
    group.finish();
}

/// Without a lived history, which would take longer than what is measured.
fn world() -> Campaign {
    let mut sections = Sections::preset(CHANNELS);
    sections.market = sections
        .market
        .with("consumers", Value::Integer(i64::from(CONSUMERS)))
        .with("ticks", Value::Integer(i64::from(TICKS)))
        .with("history_days", Value::Number(0.0));
    Campaign::new(&sections).expect("the preset is a market")
}

criterion_group!(benches, mega);
criterion_main!(benches);
