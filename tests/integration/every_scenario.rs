//! Promises that hold on every market: threads do not matter, and neither does the crowd.

use mercato::environment::campaign::{Campaign, Sections};
use mercato::market::catalogue::{CREATIVE, OFFER};
use mercato::protocol::{Decision, Environment, Observation, Outcome, Views, World};
use mercato::random::{Purpose, Seed};
use mercato::registry::{Value, Values};
use mercato::response::MODULES;
use proptest::prelude::*;
use serde_json::Value as Json;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// The text of a scenario, made small: two shards and a bit, nine ticks, one replication.
fn small(text: &str) -> String {
    let size = |key: &str| match key {
        "consumers" => Some("2_100"),
        "ticks" => Some("9"),
        "replications" => Some("1"),
        "history_days" => Some("8"),
        "episodes" => Some("1"),
        "seeds" => Some("[5]"),
        "window_days" => Some("3"),
        "trial_consumers" => Some("100"),
        "levels" => Some("2"),
        "states" => Some("[\"fatigue\", \"activation\"]"),
        _ => None,
    };
    let line = |line: &str| {
        let (key, given) = line.split_once('=').map_or(("", ""), |(key, given)| (key.trim(), given.trim()));
        // The same word may stand for another thing elsewhere: a number for a number, a list for a list.
        let is_list = |text: &str| text.starts_with('[');
        match size(key) {
            Some(value) if is_list(value) == is_list(given) => format!("{key} = {value}"),
            _ => line.to_owned(),
        }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_scenario_gives_the_same_bytes_on_any_number_of_threads() {
    let folder = TempDir::new().unwrap();
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut compared = 0;
    for entry in std::fs::read_dir(&scenarios).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // Those that read tables beside them are small anyway, and have tests of their own.
        let reads_tables = text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains(".csv"));
        if path.extension().is_none_or(|extension| extension != "toml") || reads_tables {
            continue;
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let file = folder.path().join(format!("{name}.toml"));
        std::fs::write(&file, small(&text)).unwrap();
        let summary = |threads: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_mercato"));
            command.arg("run").arg(&file).arg("--out").arg(folder.path().join(format!("{name}-{threads}")));
            command.args(["--threads", threads, "--json"]);
            let output = command.output().unwrap();
            // 3: a guardrail of the file was broken, as it may be on so small a market.
            assert!(matches!(output.status.code(), Some(0 | 3)), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            let summary: Json = serde_json::from_slice(&output.stdout).unwrap();
            summary.to_string()
        };
        let one = summary("1");
        assert_eq!(one, summary("2"), "{name}");
        assert_eq!(one, summary("7"), "{name}");
        compared += 1;
    }
    assert!(compared >= 11, "{compared}");
}

/// A market of random forces, channels and rules.
fn any_market() -> impl Strategy<Value = Sections> {
    let modules = proptest::collection::vec(any::<bool>(), MODULES.len());
    let channels =
        proptest::sample::subsequence(vec!["email", "push", "sms", "paid_ad", "onsite", "direct_mail"], 1..=4);
    let clock = proptest::sample::select(vec!["bg_nbd", "pareto_nbd", "nbd"]);
    (modules, channels, clock, 0.0..0.5_f64, 0_i64..40, any::<bool>()).prop_map(
        |(modules, channels, clock, discount, history, audit)| {
            let mut sections = Sections::preset(&channels);
            for (key, value) in [
                ("consumers", Value::Integer(1_500)),
                ("ticks", Value::Integer(12)),
                ("history_days", Value::Number(history as f64)),
                ("clock", Value::Text(clock.into())),
                ("minor_share", Value::Number(0.05)),
            ] {
                sections.market.set(key, value, None);
            }
            sections.offers = [0.0, discount]
                .iter()
                .enumerate()
                .map(|(index, discount)| {
                    Values::defaults(OFFER)
                        .with("name", Value::Text(format!("offer_{index}")))
                        .with("discount", Value::Number(*discount))
                })
                .collect();
            sections.creatives =
                ["a", "b"].map(|name| Values::defaults(CREATIVE).with("name", Value::Text(name.into()))).to_vec();
            let mask = if audit { "audit" } else { "enforce" };
            sections.constraints.set("mask", Value::Text(mask.into()), None);
            let on = MODULES.iter().zip(modules).filter(|(_, on)| *on);
            sections.modules = Some(on.map(|(entry, _)| (entry.name, Values::defaults(entry.parameters))).collect());
            sections
        },
    )
}

/// A message for some, by consumer and tick alone; what the mask forbids is not sent.
fn scatter(seen: &Observation, decision: &mut Decision) {
    decision.reset(seen.rows());
    for (row, &consumer) in seen.consumer_ids.iter().enumerate() {
        let [which, ..] = Seed::new(77).uniforms(Purpose::Assignment, consumer, seen.tick, 0);
        let wanted = (which * seen.allowed.actions() as f32) as usize;
        if seen.allowed.allows(row, wanted) {
            decision.actions[row] = wanted as u16;
        }
    }
}

/// Everything that happens to one consumer: what is seen, and what is earned.
fn fate(environment: &mut dyn Environment, consumer: u32) -> Vec<(Vec<f32>, i64)> {
    let mut fate = Vec::new();
    let (mut seen, mut decision, mut outcome): (Observation, Decision, Outcome) = Default::default();
    for _ in 0..12 {
        for shard in environment.shards_mut() {
            shard.observe(Views::FEATURES, &mut seen);
            scatter(&seen, &mut decision);
            shard.step(&decision, &mut outcome).unwrap();
            if let Some(row) = seen.consumer_ids.iter().position(|id| *id == consumer) {
                fate.push((seen.features.row(row), outcome.profits[row].micros()));
            }
        }
        environment.end_tick();
    }
    fate
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_consumer_alone_is_the_consumer_in_the_crowd(sections in any_market(), consumer in 0_u32..1_500, seed in 0_u64..1_000) {
        let campaign = Campaign::new(&sections).unwrap();
        let alone = campaign.open_consumer(Seed::new(seed), consumer);
        // Where consumers touch each other there is nobody alone.
        prop_assert_eq!(alone.is_some(), !campaign.is_coupled());
        if let Some(mut alone) = alone {
            let mut crowd = campaign.open(Seed::new(seed));
            prop_assert_eq!(fate(alone.as_mut(), consumer), fate(crowd.as_mut(), consumer));
        }
    }
}
