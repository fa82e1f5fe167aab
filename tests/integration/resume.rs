//! A run that is killed leaves earlier results whole, and goes on to the bytes of an uninterrupted run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const KILLS: u32 = 20;

const SCENARIO: &str = r#"
name = "killed"
question = "Is anything lost?"
seed = 11
replications = 4
[market]
kind = "market"
preset = "retail"
consumers = 400
ticks = 15
history_days = 15
[[channel]]
name = "email"
cost = 0.001
[[offer]]
name = "full_price"
[slots]
hours = [8, 18]
[training]
episodes = 1
seeds = [101]
[[policy]]
name = "uniform"
kind = "uniform"
[[policy]]
name = "thompson"
kind = "thompson"
[[policy]]
name = "always"
kind = "always"
channel = "email"
hour = 8
offer = "full_price"
"#;

fn mercato() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("mercato"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
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

/// Moments spread over the run without a pattern, the same in every test run: multiples of the golden ratio.
fn moment(kill: u32, whole: Duration) -> Duration {
    whole.mul_f64((f64::from(kill + 1) * 0.618_033_988_75).fract())
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the moments of the kills spread over the time that a whole run takes")]
fn a_run_killed_at_any_of_twenty_moments_loses_nothing_and_resumes_to_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let scenario = folder.path().join("killed.toml");
    fs::write(&scenario, SCENARIO).unwrap();
    let out = folder.path().join("out");
    let partial = folder.path().join("out.partial");
    let run = |extra: &[&str]| {
        let mut command = mercato();
        command.arg("run").arg(&scenario).arg("--out").arg(&out).args(["--log", "--quiet"]).args(extra);
        command
    };
    let begun = Instant::now();
    assert!(run(&[]).status().unwrap().success());
    let whole = begun.elapsed();
    let expected = contents(&out);
    assert!(expected.iter().any(|(path, _)| path.ends_with("summary.json")));
    let mut resumed = 0;
    for kill in 0..KILLS {
        // The earlier results stand in the folder that is being replaced.
        let mut child = run(&["--force"]).spawn().unwrap();
        sleep(moment(kill, whole));
        child.kill().unwrap();
        child.wait().unwrap();
        let replaced = folder.path().join("out.replaced");
        let earlier = if out.exists() { &out } else { &replaced };
        let kept: Vec<_> =
            contents(earlier).into_iter().filter(|(path, _)| expected.iter().any(|e| e.0 == *path)).collect();
        assert!(kept == expected, "kill {kill}: earlier results are damaged");
        if partial.join("run.json").exists() {
            resumed += 1;
            let status = mercato().args(["run", "--quiet", "--resume"]).arg(&partial).status().unwrap();
            assert!(status.success(), "kill {kill}: {status}");
        } else if partial.exists() {
            // Killed before the run could be resumed: it is begun anew.
            assert!(run(&["--force"]).status().unwrap().success());
        }
        if out.join("run.json").exists() {
            // Killed when the results were already in place, while the scaffolding went.
            assert!(run(&["--force"]).status().unwrap().success());
        }
        assert!(contents(&out) == expected, "kill {kill}: other bytes");
    }
    assert!(resumed >= KILLS / 4, "only {resumed} of {KILLS} kills met a run at work");
}

#[test]
fn a_folder_that_holds_no_run_is_wrong_input() {
    let folder = TempDir::new().unwrap();
    let status = mercato().args(["run", "--resume"]).arg(folder.path()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

/// Exit code and what was said on standard error.
fn said(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = mercato().current_dir(folder).args(arguments).stderr(Stdio::piped()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a run that never starts must not keep the test waiting")]
fn a_run_at_work_is_left_alone_and_goes_on_after_it_was_killed() {
    let folder = TempDir::new().unwrap();
    // Long enough to be met at work.
    fs::write(folder.path().join("killed.toml"), SCENARIO.replace("replications = 4", "replications = 400")).unwrap();
    let arguments = ["run", "killed.toml", "--out", "out", "--quiet"];
    let mut child = mercato().current_dir(folder.path()).args(arguments).spawn().unwrap();
    let partial = folder.path().join("out.partial");
    let begun = Instant::now();
    while !partial.join("run.json").exists() && begun.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_millis(2));
    }
    for extra in
        [&arguments[..], &["run", "killed.toml", "--out", "out", "--force"], &["run", "--resume", "out.partial"]]
    {
        let (code, errors) = said(folder.path(), extra);
        assert_eq!(code, Some(2), "{extra:?}: {errors}");
        assert!(errors.contains("another run is writing there"), "{errors}");
        assert!(errors.contains(&format!("process {}", child.id())), "{errors}");
    }
    assert!(child.try_wait().unwrap().is_none(), "the run was over before it could be disturbed");
    child.kill().unwrap();
    child.wait().unwrap();
    // Its lock died with it; its work is not thrown away without a question.
    let (code, errors) = said(folder.path(), &arguments);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("mercato run --resume out.partial") && errors.contains("--force"), "{errors}");
    assert!(partial.join("run.json").exists());
    let mut resumed = mercato().current_dir(folder.path()).args(["run", "--resume", "out.partial"]).spawn().unwrap();
    sleep(Duration::from_millis(100));
    assert!(resumed.try_wait().unwrap().is_none_or(|status| status.success()));
    resumed.kill().unwrap();
    resumed.wait().unwrap();
}

#[test]
fn a_place_that_can_hold_no_results_is_wrong_input() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("killed.toml"), SCENARIO).unwrap();
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("mine/letter"), "precious").unwrap();
    for (out, words) in [
        ("killed.toml", "is a file"),
        (".", "cannot be a folder of results"),
        ("..", "cannot be a folder of results"),
        ("/", "cannot be a folder of results"),
        ("killed.toml/out", "no folder can be made"),
        ("mine", "is not a folder of results"),
    ] {
        let (code, errors) = said(folder.path(), &["run", "killed.toml", "--force", "--out", out]);
        assert_eq!(code, Some(2), "{out}: {errors}");
        assert!(errors.contains(words), "{out}: {errors}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("killed.toml")).unwrap(), SCENARIO);
    assert_eq!(fs::read_to_string(folder.path().join("mine/letter")).unwrap(), "precious");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}
