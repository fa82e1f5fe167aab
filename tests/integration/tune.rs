//! `mercato tune`: the same bytes on any number of threads and after being killed; what it finds is a policy that runs.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Instant;
use tempfile::TempDir;

const KILLS: u32 = 8;

const SCENARIO: &str = r#"
name = "tiny"
seed = 11
replications = 3
[market]
kind = "market"
preset = "retail"
consumers = 200
ticks = 8
history_days = 10
[[channel]]
name = "email"
cost = 0.001
[[offer]]
name = "full_price"
[slots]
hours = [8]
[training]
episodes = 1
seeds = [101]
[[policy]]
name = "greedy"
kind = "epsilon_greedy"
epsilon = 0.9
"#;

fn mercato(folder: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("mercato"));
    command.current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn said(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = mercato(folder).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("tiny.toml"), SCENARIO).unwrap();
    folder
}

/// Every file but the manifest, which tells times.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if !path.ends_with("manifest.json") {
                found.push((path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

const TUNE: [&str; 8] = ["tune", "tiny.toml", "--agent", "epsilon_greedy", "--trials", "12", "--replications", "4"];

#[test]
fn what_is_found_runs_and_earns_what_was_told() {
    let folder = folder();
    let path = folder.path();
    let arguments = [&TUNE[..], &["--out", "out", "--json", "--quiet"]].concat();
    let (code, output, error) = said(path, &arguments);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let document: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(fs::read_to_string(path.join("out/tuning.json")).unwrap(), output);
    assert_eq!(
        (document["started_from"].as_str(), document["budget"].as_str()),
        (Some("greedy"), Some("replications"))
    );
    assert_eq!(document["trials"].as_array().unwrap().len(), 12);
    assert_eq!(document["trials"][0]["values"]["epsilon"], 0.9);
    // 4 markets at most: 1 and then 4, in two brackets.
    let kept: Vec<(u64, u64, u64)> = document["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            let number = |key: &str| step[key].as_u64().unwrap();
            (number("replications"), step["standings"].as_array().unwrap().len() as u64, number("kept"))
        })
        .collect();
    assert_eq!(kept, [(1, 7, 2), (4, 2, 0), (4, 5, 0)]);
    for file in ["tuned.toml", "table.csv", "figure.svg", "report.html", "manifest.json", "policies/greedy.json"] {
        assert!(path.join("out").join(file).is_file(), "{file}");
    }
    let section = fs::read_to_string(path.join("out/tuned.toml")).unwrap();
    assert!(document["best"]["trial"].as_u64().unwrap() > 0, "nine in ten at random is hard not to beat");
    fs::write(path.join("both.toml"), format!("{SCENARIO}{section}")).unwrap();
    let (code, output, error) = said(path, &["run", "both.toml", "--out", "run", "--json", "--quiet"]);
    assert_eq!(code, Some(0), "{error}");
    let summary: Value = serde_json::from_str(&output).unwrap();
    for (told, lived) in
        document["held_out"]["policies"].as_array().unwrap().iter().zip(summary["policies"].as_array().unwrap())
    {
        assert_eq!(told["result_hash"], lived["result_hash"]);
    }
    let mean = |metric: &Value| metric["mean"].as_f64().unwrap();
    assert_eq!(mean(&document["held_out"]["difference"]).abs(), mean(&summary["lead"]["difference"]));
    assert!(["take", "keep", "undecided"].contains(&document["verdict"]["decision"].as_str().unwrap()));
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the moments of the kills spread over the time that a whole search takes")]
fn a_search_that_is_killed_goes_on_to_the_same_bytes_on_any_number_of_threads() {
    let folder = folder();
    let path = folder.path();
    let begun = Instant::now();
    let run = |extra: &[&str]| said(path, &[&TUNE[..], &["--out", "out", "--quiet"], extra].concat());
    let (code, _, error) = run(&["--threads", "1"]);
    assert_eq!(code, Some(0), "{error}");
    let (whole, expected) = (begun.elapsed(), contents(&path.join("out")));
    assert_eq!(run(&[]).0, Some(2), "an occupied folder");
    assert_eq!(run(&["--force", "--threads", "7"]).0, Some(0));
    assert!(contents(&path.join("out")) == expected, "other bytes on 7 threads");
    let mut resumed = 0;
    for kill in 0..KILLS {
        let mut child =
            mercato(path).args([&TUNE[..], &["--out", "out", "--quiet", "--force"]].concat()).spawn().unwrap();
        sleep(whole.mul_f64((f64::from(kill + 1) * 0.618_033_988_75).fract()));
        child.kill().unwrap();
        child.wait().unwrap();
        if path.join("out.partial/tune.json").exists() {
            resumed += 1;
            let (code, _, error) = run(&[]);
            assert_eq!(code, Some(2), "{error}");
            let (code, _, error) = said(path, &["tune", "--resume", "out.partial", "--quiet"]);
            assert_eq!(code, Some(0), "kill {kill}: {error}");
        } else {
            assert_eq!(run(&["--force"]).0, Some(0));
        }
        assert!(contents(&path.join("out")) == expected, "kill {kill}: other bytes");
    }
    assert!(resumed >= 2, "only {resumed} of {KILLS} kills met a search at work");
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let folder = folder();
    let path = folder.path();
    let refused = |arguments: &[&str], words: &[&str]| {
        let (code, output, error) = said(path, arguments);
        assert_eq!((code, output.as_str()), (Some(2), ""), "{error}");
        for word in words {
            assert!(error.contains(word), "{word:?} is not in\n{error}");
        }
        assert_eq!(fs::read_dir(path).unwrap().count(), 1, "{arguments:?} wrote something");
    };
    refused(
        &["tune", "tiny.toml", "--agent", "epsilon_greddy", "--trials", "0", "--replications", "0"],
        &[
            "3 faults",
            "there is no agent \"epsilon_greddy\"",
            "did you mean \"epsilon_greedy\"?",
            "--trials: 0",
            "--replications: 0",
        ],
    );
    refused(&["tune", "tiny.toml", "--agent", "parity_constrained", "--trials", "5"], &["needs `feature`"]);
    refused(&["tune", "tiny.toml", "--agent", "uniform", "--trials", "5"], &["there is no agent \"uniform\""]);
    refused(&["tune", "tiny.toml", "--trials", "5"], &["--agent"]);
    refused(&["tune", "--resume", "."], &["holds no search that can be resumed"]);
    refused(&["tune", "no.toml", "--agent", "nobody", "--trials", "1"], &["no such file", "nobody", "--trials: 1"]);
}
