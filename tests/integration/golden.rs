//! Committed scenarios keep their results, bit for bit, on any machine and in any build profile.
//!
//! The hashes are taken over the integers of all records. A change that moves one must say so in CHANGELOG.md; then
//! `INSTA_UPDATE=always cargo test --test integration golden` writes the new ones.

use serde_json::Value;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Name and hash of every policy of a scenario, with fewer replications and only these policies.
fn hashes(scenario: &str, policies: &[&str]) -> String {
    let folder = TempDir::new().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(scenario);
    let mut command = Command::new(env!("CARGO_BIN_EXE_mercato"));
    command.arg("run").arg(path).arg("--out").arg(folder.path().join("out")).args(["--replications", "1", "--json"]);
    for policy in policies {
        command.args(["--policy", policy]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let policies = summary["policies"].as_array().unwrap();
    let line =
        |policy: &Value| format!("{} {}\n", policy["name"].as_str().unwrap(), policy["result_hash"].as_str().unwrap());
    policies.iter().map(line).collect()
}

#[test]
fn hello_market_keeps_its_results() {
    insta::assert_snapshot!(hashes("hello-market.toml", &["none", "newsletter", "uniform", "thompson", "lin_ucb"]));
}

#[test]
fn hillstrom_keeps_its_results() {
    insta::assert_snapshot!(hashes("hillstrom.toml", &["none", "random"]));
}

#[test]
fn exact_24_keeps_its_results() {
    insta::assert_snapshot!(hashes("exact-24.toml", &["optimal", "uniform"]));
}

#[test]
fn eq_sim_keeps_its_results() {
    insta::assert_snapshot!(hashes("eq-sim.toml", &["softmax"]));
}
