//! Training that breaks down: the quantity is named, and what was learned before is kept and can be judged.

use assert_cmd::Command;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Rewards beyond what single precision holds once they are scaled.
fn scenario(policies: &str) -> String {
    format!(
        r#"
name = "breaking"
question = "What is left of a training that breaks down?"
seed = 5
[market]
kind = "market"
preset = "retail"
consumers = 200
ticks = 12
[slots]
hours = [18]
[reward]
kind = "tick"
[training]
episodes = 2
seeds = [101]
[[policy]]
name = "uniform"
kind = "uniform"
{policies}"#
    )
}

const DQN: &str = "[[policy]]\nname = \"deep-one\"\nkind = \"dqn\"\nhidden = [8]\nreward_scale = 1e38\nhuber_width = 1e38\n\
                   learning_rate = 1e30\ndecisions_before = 100\n";
const FITTED: &str = "[[policy]]\nname = \"offline\"\nkind = \"fitted_q\"\nhidden = [8]\nreward_scale = 1e38\n\
                      learning_rate = 1e30\nupdates = 100\n";

fn mercato(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::cargo_bin("mercato").unwrap().current_dir(folder).args(arguments).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// What was kept is judged as a policy of its own.
fn judge(folder: &Path, file: &str) {
    let saved = format!("[[policy]]\nname = \"kept\"\nkind = \"saved\"\npath = \"{file}\"\n");
    fs::write(folder.join("judge.toml"), scenario(&saved)).unwrap();
    let (code, error) = mercato(folder, &["run", "judge.toml", "--out", "judged", "--quiet"]);
    assert_eq!(code, 0, "{error}");
    assert!(fs::read_to_string(folder.join("judged/table.csv")).unwrap().contains("kept"));
}

#[test]
fn a_run_keeps_what_an_agent_had_learned_before_it_diverged() {
    let folder = TempDir::new().unwrap();
    let place = folder.path();
    fs::write(place.join("breaking.toml"), scenario(DQN)).unwrap();
    let (code, error) = mercato(place, &["run", "breaking.toml", "--out", "lived", "--quiet"]);
    assert_eq!(code, 1, "{error}");
    for part in ["policy `deep-one`, replication 0, while learning", "no longer finite", "kind = \"saved\"", "--resume"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
    let kept = "lived.partial/diverged/deep-one-0.json";
    assert!(error.contains(kept), "{error}");
    assert!(!place.join("lived").exists());
    judge(place, kept);
}

#[test]
fn a_training_on_a_log_keeps_it_too() {
    let folder = TempDir::new().unwrap();
    let place = folder.path();
    fs::write(place.join("market.toml"), scenario("")).unwrap();
    let (code, error) = mercato(place, &["run", "market.toml", "--out", "lived", "--log", "--quiet"]);
    assert_eq!(code, 0, "{error}");
    fs::write(place.join("breaking.toml"), scenario(FITTED)).unwrap();
    let log = ["train", "breaking.toml", "--from-log", "lived/log/uniform-*.parquet", "--out", "taught", "--quiet"];
    let (code, error) = mercato(place, &log);
    assert_eq!(code, 1, "{error}");
    let kept = "taught.partial/diverged/offline.json";
    for part in ["policy `offline`", "no longer finite", kept] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!place.join("taught").exists());
    judge(place, kept);
}
