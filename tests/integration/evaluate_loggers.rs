//! Logs of several policies: their mixture by hand, what is refused, and what it is worth.

use crate::evaluate::{SHOP, mercato};
use mercato::random::{Purpose, Seed};
use serde_json::Value;
use std::fs;
use tempfile::TempDir;

const FILE: &str = r#"
[log]
path = "log.csv"
action = "arm"
reward = "sale"
propensity = "p"
logger = "who"
context = ["place"]
[[logger]]
name = "old"
kind = "table"
path = "old.csv"
[[logger]]
name = "try 2"
kind = "uniform"
[[target]]
name = "new"
kind = "table"
path = "new.csv"
"#;
const MODEL: &str = "[reward_model]\nkind = \"table\"\nkeys = [\"place\"]\nstrength = 0\n";
const LOG: &str = "who,place,arm,sale,p\nold,1,a,1,0.8\nold,1,a,0,0.8\nold,1,b,1,0.2\nold,1,a,1,0.8\ntry 2,1,b,1,0.5\n\
    try 2,1,a,0,0.5\n";
const OLD: &str = "arm,probability\na,0.8\nb,0.2\n";
const NEW: &str = "arm,probability\na,0.25\nb,0.75\n";

fn folder(evaluation: &str, log: &str, old: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in [("e.toml", evaluation), ("log.csv", log), ("old.csv", old), ("new.csv", NEW)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn judged(folder: &TempDir, more: &[&str]) -> Value {
    let arguments = [&["evaluate", "e.toml", "--json", "--quiet", "--out", "out"], more].concat();
    let (code, output, error) = mercato(folder.path(), &arguments);
    assert_eq!((code, error.as_str()), (0, ""));
    serde_json::from_str(&output).unwrap()
}

fn value(target: &Value, estimator: &str) -> f64 {
    let estimates = target["estimates"].as_array().unwrap();
    let found = estimates.iter().find(|estimate| estimate["estimator"] == estimator);
    found.unwrap_or_else(|| panic!("{estimator} is not in {target}"))["value"].as_f64().unwrap()
}

fn refused(evaluation: &str, log: &str, old: &str, words: &[&str]) {
    let folder = folder(evaluation, log, old);
    let (code, output, error) = mercato(folder.path(), &["evaluate", "e.toml", "--out", "out"]);
    assert_eq!((code, output.as_str()), (2, ""), "{error}");
    for word in words {
        assert!(error.contains(word), "{word:?} is not in\n{error}");
    }
    assert!(!folder.path().join("out").exists(), "wrong input wrote something");
}

#[test]
fn the_mixture_of_two_policies_by_hand() {
    // Four rows of a policy of (.8, .2), two of the uniform one: the mixture is (.7, .3). The log need not have the
    // propensities: the policies say them.
    let blind = (FILE.replace("propensity = \"p\"\n", ""), LOG);
    for (evaluation, log) in [(FILE.to_owned(), LOG), blind] {
        let document = judged(&folder(&(evaluation + MODEL), log, OLD), &[]);
        let target = &document["targets"][0];
        // Sales: two of a, two of b.
        let expected = (2.0 * 0.25 / 0.7 + 2.0 * 0.75 / 0.3) / 6.0;
        assert!((value(target, "balanced_ips") - expected).abs() < 1e-12, "{target}");
        let own = (2.0 * 0.25 / 0.8 + 0.75 / 0.2 + 0.75 / 0.5) / 6.0;
        assert!((value(target, "ips") - own).abs() < 1e-12, "{target}");
        // The model says 4/6 of everything: residuals of a are 1/3, -2/3, 1/3, -2/3, those of b 1/3 twice.
        let robust = 2.0 / 3.0 + (-2.0 / 3.0 * 0.25 / 0.7 + 2.0 / 3.0 * 0.75 / 0.3) / 6.0;
        assert!((value(target, "balanced_dr") - robust).abs() < 1e-12, "{target}");
        assert_eq!(target["verdict"]["judge"], "balanced_dr");
        // Weights are those of the judge.
        let mean = (4.0 * 0.25 / 0.7 + 2.0 * 0.75 / 0.3) / 6.0;
        assert!((target["diagnostics"]["weight_mean"].as_f64().unwrap() - mean).abs() < 1e-12, "{target}");
    }
    let document = judged(&folder(FILE, LOG, OLD), &[]);
    let target = &document["targets"][0];
    assert_eq!(target["verdict"]["judge"], "balanced_ips");
    let warnings = target["diagnostics"]["warnings"].to_string();
    assert!(warnings.contains("hold where each of them met rows of the same sort"), "{warnings}");
}

#[test]
fn what_one_policy_never_does_another_may_have_shown() {
    // `old` does nothing but a; its rows say nothing of b, those of the uniform policy do.
    let constant = FILE.replace("kind = \"table\"\npath = \"old.csv\"", "kind = \"constant\"\naction = \"a\"");
    let log = LOG.replace("0.8", "1").replace("old,1,b,1,0.2", "old,1,a,1,1");
    let document = judged(&folder(&constant, &log, OLD), &[]);
    let target = &document["targets"][0];
    // The mixture is (5/6, 1/6); three sales of a, one of b.
    let expected = (3.0 * 0.25 * 6.0 / 5.0 + 0.75 * 6.0) / 6.0;
    assert!((value(target, "balanced_ips") - expected).abs() < 1e-12, "{target}");
    let warnings = target["diagnostics"]["warnings"].to_string();
    assert!(
        warnings.contains("50.00 % of what the target does was impossible for the policy that logged"),
        "{warnings}"
    );
    // Who judges by the row's own policy alone must not be asked what that policy never did.
    let narrow = constant + "[[estimator]]\nkind = \"ips\"\n";
    let told =
        "row 1 (line 2): target \"new\" does \"b\" with probability 0.75, and the logging policy never did it here";
    refused(&narrow, &log, OLD, &["log.csv has 4 bad values", told]);
}

#[test]
fn sequences_are_not_weighed_by_a_policy_that_could_not() {
    let constant = FILE
        .replace("kind = \"table\"\npath = \"old.csv\"", "kind = \"constant\"\naction = \"a\"")
        .replace("propensity = \"p\"", "unit = \"id\"\ntime = \"day\"");
    let mut log = "who,id,day,place,arm,sale\n".to_owned();
    for id in 0..120 {
        let (who, arm) = if id % 2 == 0 { ("old", "a") } else { ("try 2", ["a", "b"][id / 2 % 2]) };
        (0..3).for_each(|day| log += &format!("{who},{id},{day},{},{arm},{}\n", 1 + id % 2, (id + day) % 2));
    }
    let names = |found: &Value| -> Vec<String> {
        let estimates = found["estimates"].as_array().unwrap();
        estimates.iter().map(|estimate| estimate["estimator"].as_str().unwrap().to_owned()).collect()
    };
    let document = judged(&folder(&constant, &log, OLD), &[]);
    let found = &document["sequences"][0];
    assert_eq!(names(found), ["fqe"]);
    let warnings = found["diagnostics"]["warnings"].to_string();
    let told = "left out: sequence_dr, mis, pdis, wpdis. They weigh by the policy that logged the row, and 37.50 %";
    assert!(warnings.contains(told) && !warnings.contains("off 1"), "{warnings}");
    let named = constant.clone() + "[[estimator]]\nkind = \"pdis\"\n";
    refused(
        &named,
        &log,
        OLD,
        &["estimator \"pdis\" cannot judge target \"new\": it weighs by the policy", "take `fqe`"],
    );
    // Where each could do what the target does, each row is weighed by its own.
    let both = FILE.replace("propensity = \"p\"", "unit = \"id\"\ntime = \"day\"");
    let document = judged(&folder(&both, &log, OLD), &[]);
    assert_eq!(names(&document["sequences"][0]), ["fqe", "sequence_dr", "mis", "pdis", "wpdis"]);
}

#[test]
fn policies_that_did_not_log_what_they_say_are_refused() {
    let refuse = |log: &str, old: &str, words: &[&str]| refused(FILE, log, old, words);
    refuse(
        &LOG.replace("try 2,1,b", "new,1,b").replace("old,1,b", ",1,b"),
        OLD,
        &[
            "row 3 (line 4), column \"who\": \"\" is missing",
            "row 5 (line 6), column \"who\": \"new\" has no [[logger]] that says what it did",
        ],
    );
    refuse(&LOG.replace("try 2", "old"), OLD, &["logger[1].name: \"try 2\" logged no row"]);
    refuse(
        LOG,
        "arm,probability\na,1\nb,0\n",
        &[
            "row 1 (line 2): logger \"old\" does \"a\" with probability 1 here, and the propensity of the row is 0.8",
            "row 3 (line 4): logger \"old\" does \"b\" with probability 0 here, and did it",
        ],
    );
    refuse(
        LOG,
        "arm,probability\na,0.5\nb,0.25\n",
        &["old.csv, row 1 (line 2): the probabilities sum to 0.75, not to 1"],
    );
    // The mixture needs every policy's law in every row, also in those of the others.
    let elsewhere = LOG.replace("try 2,1", "try 2,2");
    let told = "row 5 (line 6): logger \"old\" has no law for place 2";
    refuse(&elsewhere, "place,arm,probability\n1,a,0.8\n1,b,0.2\n", &[told]);
    let blind = FILE.replace("propensity = \"p\"\n", "");
    let told = "row 3 (line 4): logger \"old\" does \"b\" with probability 0 here, and did it";
    refused(&blind, LOG, "arm,probability\na,1\n", &[told]);
}

#[test]
fn loggers_and_their_column_stand_or_fall_together() {
    let refuse = |evaluation: &str, words: &[&str]| refused(evaluation, LOG, OLD, words);
    let both = FILE.replace("logger = \"who\"", "logger = \"who\"\nlogging = \"uniform\"");
    refuse(&both, &["log.logging: several policies logged"]);
    let nobody = FILE.replace("logger = \"who\"\n", "");
    refuse(&nobody, &["log.logger: is missing, and there are [[logger]] sections", "add `logger = …`"]);
    let nothing = crate::evaluate::FILE.replace("reward = \"sale\"", "reward = \"sale\"\nlogger = \"who\"");
    refuse(&nothing, &["log.logger: nothing says what those policies did", "add [[logger]]"]);
    refuse(&FILE.replace("try 2", "old"), &["logger[1].name: \"old\" is there twice"]);
    refuse(&FILE.replace("logger = \"who\"", "logger = \"whom\""), &["the log has no column \"whom\"", "\"who\"?"]);
    let kind = FILE.replace("kind = \"uniform\"", "kind = \"logging\"");
    refuse(&kind, &["logger[1].kind: there is no logger \"logging\""]);
    let policy = FILE.replace("kind = \"uniform\"", "kind = \"policy\"\nrun = \"run\"\npolicy = \"x\"");
    refuse(&policy, &["logger[1] is of kind \"policy\" and needs a log of ours"]);
    let without = crate::evaluate::FILE.to_owned() + "[[estimator]]\nkind = \"balanced_ips\"\n";
    crate::evaluate::refused(
        &without,
        crate::evaluate::LOG,
        crate::evaluate::TARGET,
        &["estimator \"balanced_ips\" needs to know which of several policies logged a row", "give log.logger"],
    );
}

/// Rows of two policies: one that does b half of the time, and a rare one that hardly ever does. Half of all b sell.
fn drawn(rows: u32, rare: f64, replication: u32) -> String {
    let seed = Seed::new(23).derive(0, replication);
    let mut log = "who,place,arm,sale\n".to_owned();
    for row in 0..rows {
        let [who, what, sale, _] = seed.uniforms(Purpose::Problem, row, 0, 0).map(f64::from);
        let (who, probability) = if who < rare { ("try 2", 0.02) } else { ("old", 0.5) };
        let is_b = what < probability;
        let (arm, sale) = (if is_b { "b" } else { "a" }, u8::from(sale < if is_b { 0.5 } else { 0.3 }));
        log += &format!("{who},1,{arm},{sale}\n");
    }
    log
}

/// The policies of [`drawn`], and a target that does b alone.
fn rare() -> String {
    FILE.replace("propensity = \"p\"\n", "")
        .replace("kind = \"uniform\"", "kind = \"table\"\npath = \"rare.csv\"")
        .replace("kind = \"table\"\npath = \"new.csv\"", "kind = \"constant\"\naction = \"b\"")
        + "[[estimator]]\nkind = \"ips\"\n[[estimator]]\nkind = \"balanced_ips\"\n"
}

const HALF: &str = "arm,probability\na,0.5\nb,0.5\n";
const HARDLY: &str = "arm,probability\na,0.98\nb,0.02\n";

#[test]
fn a_rare_policy_is_forgiven_by_the_mixture() {
    const LOGS: u32 = 200;
    let folder = folder(&rare(), "", HALF);
    fs::write(folder.path().join("rare.csv"), HARDLY).unwrap();
    let mut values = [Vec::new(), Vec::new()];
    for replication in 0..LOGS {
        fs::write(folder.path().join("log.csv"), drawn(400, 0.2, replication)).unwrap();
        let evaluation = mercato::logged::load(&folder.path().join("e.toml")).unwrap();
        let judged = mercato::logged::judge(&evaluation, false).unwrap();
        for (values, estimate) in values.iter_mut().zip(&judged.targets[0].estimates) {
            values.push(estimate.value.value);
        }
    }
    let [own, balanced] = values.map(|values| {
        let mean = values.iter().sum::<f64>() / f64::from(LOGS);
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let variance = squares / f64::from(LOGS - 1);
        // Both are right: b sells half of the time.
        assert!((mean - 0.5).abs() < 4.0 * (variance / f64::from(LOGS)).sqrt(), "{mean}");
        variance
    });
    // Second moments of the terms are .5 (.8 / .5 + .2 / .02) = 5.8 and .5 / .404 = 1.24, less .25 each: a ratio of 5.6,
    // whose relative standard error over 200 logs is about .15.
    assert!(own / balanced > 3.0, "{own} {balanced}");
}

#[test]
fn the_twin_draws_who_logs() {
    let model = "[reward_model]\nkind = \"table\"\nkeys = [\"arm\"]\nstrength = 1\n[twin]\nreplications = 200\n";
    let evaluation = rare() + "[[estimator]]\nkind = \"balanced_dr\"\n" + model;
    let folder = folder(&evaluation, &drawn(600, 0.3, 0), HALF);
    fs::write(folder.path().join("rare.csv"), HARDLY).unwrap();
    let document = judged(&folder, &["--twin"]);
    let results = document["twin"]["results"].as_array().unwrap();
    let of = |estimator: &str, key: &str| {
        let found = results.iter().find(|result| result["estimator"] == estimator).unwrap();
        found[key].as_f64().unwrap()
    };
    for estimator in ["ips", "balanced_ips", "balanced_dr"] {
        let (bias, error) = (of(estimator, "bias"), of(estimator, "bias_standard_error"));
        assert!(bias.abs() < 4.0 * error + 2e-3, "{estimator}: {bias} {error}");
    }
    for estimator in ["balanced_ips", "balanced_dr"] {
        // 200 logs: the standard error of .95 is .015.
        assert!((of(estimator, "coverage") - 0.95).abs() < 0.05, "{estimator}");
        assert!(of(estimator, "root_mean_squared_error") < 0.7 * of("ips", "root_mean_squared_error"), "{estimator}");
    }
    assert!(document["twin"]["notes"].to_string().contains("who logs a row of a synthetic log is drawn"));
}

#[test]
fn two_logs_of_ours_are_one() {
    let folder = TempDir::new().unwrap();
    let shop = SHOP.replace("consumers = 600\nticks = 10", "consumers = 200\nticks = 6");
    fs::write(folder.path().join("shop.toml"), shop).unwrap();
    let (code, _, error) = mercato(folder.path(), &["run", "shop.toml", "--log", "--quiet", "--out", "run"]);
    assert_eq!(code, 0, "{error}");
    let evaluation = "[log]\npath = \"run/log/*.parquet\"\n[[target]]\nname = \"nobody\"\nkind = \"constant\"\naction = \"none\"\n\
        [[target]]\nname = \"learned\"\nkind = \"policy\"\nrun = \"run\"\npolicy = \"greedy\"\n\
        [[logger]]\nname = \"uniform\"\nkind = \"uniform\"\n\
        [[logger]]\nname = \"greedy\"\nkind = \"policy\"\nrun = \"run\"\npolicy = \"greedy\"\n";
    fs::write(folder.path().join("e.toml"), evaluation).unwrap();
    // Every propensity of both logs is what its policy says: the judge holds one against the other.
    let document = judged(&folder, &[]);
    assert_eq!(document["rows"], 2_400);
    for target in document["targets"].as_array().unwrap() {
        assert_eq!(target["verdict"]["judge"], "balanced_ips");
        // Weights against the mixture are at most 2, and 1 on average.
        let [mean, greatest] = ["weight_mean", "weight_max"].map(|key| target["diagnostics"][key].as_f64().unwrap());
        assert!(greatest < 1.0 / 0.5 * 1.001 || target["name"] == "nobody", "{target}");
        assert!((mean - 1.0).abs() < 0.25, "{target}");
    } // A log of another market is no part of this one.
    let other = fs::read_to_string(folder.path().join("shop.toml")).unwrap().replace("hours = [8, 16]", "hours = [8]");
    fs::write(folder.path().join("other.toml"), other).unwrap();
    let (code, _, error) = mercato(folder.path(), &["run", "other.toml", "--log", "--quiet", "--out", "other"]);
    assert_eq!(code, 0, "{error}");
    fs::copy(folder.path().join("other/log/uniform-0.parquet"), folder.path().join("run/log/z.parquet")).unwrap();
    let (code, _, error) = mercato(folder.path(), &["evaluate", "e.toml", "--out", "mixed"]);
    assert!(code == 2 && error.contains("z.parquet has other actions or features than the first file"), "{error}");
}

#[test]
fn policies_that_met_people_of_different_sorts_are_no_mixture() {
    // One policy wrote to place 1 alone and likes a, the other to place 2 alone and likes b. The uniform policy is worth .367
    // where they earned .46; by the mixture of both it looks better than they are.
    let mut log = "who,place,arm,sale,p\n".to_owned();
    let mut stream = Seed::new(3).stream(Purpose::Problem, 1, 0);
    for row in 0..8_000 {
        let place = 1 + row % 2;
        let law = if place == 1 { [0.8, 0.1, 0.1] } else { [0.1, 0.1, 0.8] };
        let expected = if place == 1 { [0.5, 0.6, 0.0] } else { [0.0, 0.6, 0.5] };
        let drawn = f64::from(stream.uniform());
        let arm = if drawn < law[0] { 0 } else { usize::from(drawn >= law[0] + law[1]) + 1 };
        let sale = u8::from(f64::from(stream.uniform()) < expected[arm]);
        log += &format!("{},{place},{},{sale},{}\n", ["one", "two"][place - 1], ["a", "b", "c"][arm], law[arm]);
    }
    let held = TempDir::new().unwrap();
    let file = "[log]\npath = \"log.csv\"\naction = \"arm\"\nreward = \"sale\"\npropensity = \"p\"\nlogger = \"who\"\n\
        context = [\"place\"]\n[[logger]]\nname = \"one\"\nkind = \"table\"\npath = \"one.csv\"\n\
        [[logger]]\nname = \"two\"\nkind = \"table\"\npath = \"two.csv\"\n[[target]]\nname = \"alike\"\nkind = \"uniform\"\n";
    let law = |shares: [f64; 3]| format!("arm,probability\na,{}\nb,{}\nc,{}\n", shares[0], shares[1], shares[2]);
    let files = [
        ("e.toml", file.to_owned()),
        ("log.csv", log),
        ("one.csv", law([0.8, 0.1, 0.1])),
        ("two.csv", law([0.1, 0.1, 0.8])),
    ];
    for (name, text) in files {
        fs::write(held.path().join(name), text).unwrap();
    }
    let document = judged(&held, &[]);
    let verdict = &document["targets"][0]["verdict"];
    assert_eq!(verdict["decision"], "unreliable", "{verdict}");
    assert!(verdict["reason"].as_str().unwrap().contains("rows of different sorts"), "{verdict}");
}

#[test]
fn a_policy_that_samples_is_replayed_as_it_was() {
    let folder = TempDir::new().unwrap();
    let shop = SHOP.replace("consumers = 600\nticks = 10", "consumers = 200\nticks = 6")
        + "[[policy]]\nname = \"sampler\"\nkind = \"thompson\"\n";
    fs::write(folder.path().join("shop.toml"), shop).unwrap();
    let run = ["run", "shop.toml", "--log", "--log-probabilities", "--quiet", "--out", "run"];
    let (code, _, error) = mercato(folder.path(), &run);
    assert_eq!(code, 0, "{error}");
    let evaluation = "[log]\npath = \"run/log/sampler-0.parquet\"\n[[target]]\nname = \"again\"\nkind = \"policy\"\n\
        run = \"run\"\npolicy = \"sampler\"\n[[estimator]]\nkind = \"ips\"\n";
    fs::write(folder.path().join("e.toml"), evaluation).unwrap();
    let document = judged(&folder, &[]);
    let diagnostics = &document["targets"][0]["diagnostics"];
    // Every weight is 1, but for single precision.
    assert!((diagnostics["weight_max"].as_f64().unwrap() - 1.0).abs() < 1e-5, "{diagnostics}");
    assert!((diagnostics["weight_mean"].as_f64().unwrap() - 1.0).abs() < 1e-5, "{diagnostics}");
}
