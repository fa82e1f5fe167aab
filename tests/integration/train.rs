//! `mercato train`: an agent learns from a log alone, and what it learned is judged in the market and on the log.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const MARKET: &str = r#"
name = "logged"
question = "Can a log teach?"
seed = 5
replications = 3
[market]
kind = "market"
preset = "retail"
consumers = 1_500
ticks = 12
history_days = 20
[[channel]]
name = "email"
cost = 0.001
[[offer]]
name = "full_price"
[[offer]]
name = "half"
discount = 0.5
[slots]
hours = [8, 18]
[training]
episodes = 1
seeds = [101]
[[policy]]
name = "uniform"
kind = "uniform"
"#;

const LEARNERS: &str = r#"
[[policy]]
name = "means"
kind = "epsilon_greedy"
model = "mean"
epsilon = 0.0
[[policy]]
name = "linear"
kind = "lin_ucb"
"#;

fn mercato(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("mercato").unwrap().current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let (code, output, error) = mercato(folder, arguments);
    assert_eq!(code, 0, "{arguments:?}: {error}");
    output
}

/// A folder with the scenario, its uniform log in `log/`, and the scenario with learners.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("market.toml"), MARKET).unwrap();
    fs::write(folder.path().join("learn.toml"), format!("{MARKET}{LEARNERS}")).unwrap();
    done(folder.path(), &["run", "market.toml", "--out", "lived", "--log", "--quiet"]);
    folder
}

const LOG: &str = "lived/log/uniform-*.parquet";

#[test]
fn an_agent_trained_on_a_log_is_judged_in_the_market_and_on_the_log() {
    let folder = folder();
    let path = folder.path();
    let train = ["train", "learn.toml", "--from-log", LOG, "--out", "trained", "--json"];
    let document: Value = serde_json::from_str(&done(path, &train)).unwrap();
    assert_eq!(
        (document["log"]["rows"].as_u64(), document["log"]["markets"].as_u64()),
        (Some(3 * 12 * 1_500), Some(3))
    );
    assert_eq!(document["policies"][1]["kind"], "lin_ucb");
    assert!(document["log"]["notes"][0].as_str().unwrap().contains("another version"), "{document}");
    for file in
        ["policies/means.json", "policies/means.made-for.json", "training.json", "learning.csv", "manifest.json"]
    {
        assert!(path.join("trained").join(file).is_file(), "{file}");
    }
    // The same again, and with one of them alone, gives the same bytes.
    done(path, &["train", "learn.toml", "--from-log", LOG, "--out", "again", "--policy", "linear", "--quiet"]);
    let saved = |out: &str| fs::read(path.join(out).join("policies/linear.json")).unwrap();
    assert!(saved("trained") == saved("again"));
    assert!(!path.join("again/policies/means.json").exists());

    // In the market, frozen: what was taught twice is one policy, and another than the law that wrote the log.
    let saved = |name: &str, path: &str| format!("[[policy]]\nname = {name:?}\nkind = \"saved\"\npath = {path:?}\n");
    let judged = saved("taught", "trained/policies/linear.json") + &saved("again", "again/policies/linear.json");
    fs::write(path.join("judge.toml"), format!("{MARKET}{judged}")).unwrap();
    let summary: Value =
        serde_json::from_str(&done(path, &["run", "judge.toml", "--out", "judged", "--json", "--quiet"])).unwrap();
    let [uniform, taught, again] = [0, 1, 2].map(|index| &summary["policies"][index]["result_hash"]);
    assert!(taught.is_string() && taught == again && taught != uniform, "{summary}");

    // On the log: the folder of the training is one of a run to an evaluation.
    let evaluation = format!(
        "[log]\npath = {LOG:?}\n[[target]]\nname = \"means\"\nkind = \"policy\"\nrun = \"trained\"\npolicy = \"means\"\n"
    );
    fs::write(path.join("e.toml"), evaluation).unwrap();
    let judged: Value =
        serde_json::from_str(&done(path, &["evaluate", "e.toml", "--json", "--out", "e", "--quiet"])).unwrap();
    assert_eq!(judged["targets"][0]["name"], "means");

    // A run with a saved policy keeps what it read: it is resumed and explained without the original.
    assert!(path.join("judged/scenario-files").is_dir());
}

#[test]
fn what_cannot_be_taught_is_refused_and_nothing_is_written() {
    let folder = folder();
    let path = folder.path();
    let refused = |arguments: &[&str], words: &[&str]| {
        let (code, output, error) = mercato(path, arguments);
        assert_eq!((code, output.as_str()), (2, ""), "{error}");
        for word in words {
            assert!(error.contains(word), "{word:?} is not in\n{error}");
        }
        assert!(!path.join("out").exists() && !path.join("out.partial").exists(), "{arguments:?} wrote something");
    };
    refused(&["train", "market.toml", "--from-log", LOG, "--out", "out"], &["none of the scenario learns"]);
    refused(
        &["train", "learn.toml", "--from-log", LOG, "--out", "out", "--policy", "uniform"],
        &["\"uniform\" is of kind \"uniform\", which learns nothing"],
    );
    refused(
        &["train", "learn.toml", "--from-log", LOG, "--out", "out", "--policy", "liner"],
        &["no policy \"liner\"", "did you mean \"linear\"?"],
    );
    refused(&["train", "learn.toml", "--from-log", "no.parquet", "--out", "out"], &["no.parquet is no file"]);
    fs::write(path.join("log.parquet"), "no log").unwrap();
    refused(&["train", "learn.toml", "--from-log", "log.parquet", "--out", "out"], &["is no whole Parquet file"]);
    let other = format!("{MARKET}{LEARNERS}").replace("hours = [8, 18]", "hours = [8, 20]");
    fs::write(path.join("other.toml"), other).unwrap();
    refused(
        &["train", "other.toml", "--from-log", "lived/log/uniform-0.parquet", "--out", "out"],
        &["actions of the scenario that are missing", "actions that the scenario lacks", "email/18h"],
    );
    fs::create_dir(path.join("mine")).unwrap();
    fs::write(path.join("mine/letter"), "precious").unwrap();
    refused(&["train", "learn.toml", "--from-log", LOG, "--out", "mine"], &["exists and is not empty"]);
    refused(&["train", "learn.toml", "--from-log", LOG, "--out", "mine", "--force"], &["is not a folder of results"]);
    // A saved agent of another market, and one that is not there.
    done(path, &["train", "learn.toml", "--from-log", LOG, "--out", "trained", "--quiet"]);
    for (file, words) in [
        ("trained/policies/means.json", "was made for another market: actions of the scenario that are missing"),
        ("trained/policies/mean.json", "did you mean \"means.json\"?"),
        ("trained/manifest.json", "there is no file \"trained/manifest.made-for.json\""),
    ] {
        let judged = format!("[[policy]]\nname = \"taught\"\nkind = \"saved\"\npath = {file:?}\n");
        fs::write(path.join("judge.toml"), format!("{}{judged}", MARKET.replace("[8, 18]", "[8, 20]"))).unwrap();
        refused(&["run", "judge.toml", "--out", "out"], &[words]);
    }
}
