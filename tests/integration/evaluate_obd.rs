//! Evaluation files on a real log: the public sample of the Open Bandit Dataset (Saito et al. 2020), against the estimates
//! that the authors' own library gives on it. `MERCATO_DATA` names the folder that holds `obd`; without it, and without
//! `data/obd` here, the tests say that they were skipped.

use mercato::evaluation::appraisal::{Appraisal, Decision};
use mercato::logged::{judge, parse};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The folder of the sample, if there is one.
fn data() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = std::env::var_os("MERCATO_DATA").map(|folder| PathBuf::from(folder).join("obd"));
    let found = [named, Some(root.join("data/obd"))].into_iter().flatten().find(|folder| folder.is_dir());
    if found.is_none() {
        println!("skipped: MERCATO_DATA names no folder with `obd`");
    }
    found
}

/// The evaluation of one campaign and direction; the table of the target stands in `folder`, the log at `log`.
fn evaluated(folder: &Path, campaign: &str, logged: &str, log: &Path) -> Appraisal {
    let target = match logged {
        "random" => format!("kind = \"table\"\npath = \"target_bts_{campaign}.csv\""),
        _ => "kind = \"uniform\"".to_owned(),
    };
    let mut text = format!(
        "[log]\npath = {log:?}\naction = \"item_id\"\nreward = \"click\"\npropensity = \"propensity_score\"\n\
         context = [\"position\"]\n[[target]]\nname = \"target\"\n{target}\n[reward_model]\nkind = \"table\"\n\
         keys = [\"item_id\", \"position\"]\nprior = \"position\"\nstrength = 100\n"
    );
    for (kind, parameter) in [("ips", None), ("snips", None), ("dm", None), ("dr", None), ("sndr", None)]
        .into_iter()
        .chain([1, 2, 10].map(|tau| ("switch_dr", Some(("tau", tau)))))
        .chain([1, 10, 100].map(|lambda| ("dros", Some(("lambda", lambda)))))
    {
        text += &match parameter {
            None => format!("[[estimator]]\nkind = \"{kind}\"\nname = \"{kind}_tab\"\n"),
            Some((key, value)) => {
                // One row of this log was logged with probability 1/34, so that its weight is 1; the reference has it a
                // rounding above, and cuts it.
                let is_tie = campaign == "men" && logged == "bts" && value == 1 && key == "tau";
                let number = if is_tie { "0.999999999".to_owned() } else { format!("{value}.0") };
                format!("[[estimator]]\nkind = \"{kind}\"\nname = \"{kind}_tab_{key}{value}\"\n{key} = {number}\n")
            }
        };
    }
    let evaluation = parse(&text, folder, "obd.toml", "obd").unwrap_or_else(|errors| panic!("{errors}"));
    let mut judged = judge(&evaluation, false).unwrap_or_else(|errors| panic!("{errors}"));
    judged.targets.remove(0)
}

#[test]
fn the_reference_estimates_are_reproduced_in_both_directions() {
    let Some(folder) = data() else { return };
    let reference: Value = serde_json::from_slice(&fs::read(folder.join("reference_estimates.json")).unwrap()).unwrap();
    for campaign in ["all", "men"] {
        for (logged, target) in [("random", "bts"), ("bts", "random")] {
            let log = folder.join(format!("{logged}_{campaign}.csv.gz"));
            let found = evaluated(&folder, campaign, logged, &log);
            let case = &reference[format!("{campaign}: log={logged} -> target={target}")];
            let weights = &case["weights"];
            let diagnostics = &found.diagnostics;
            for (value, key) in [
                (diagnostics.weight_mean, "mean"),
                (diagnostics.weight_max, "max"),
                (diagnostics.effective_sample_size, "ess"),
            ] {
                let expected = weights[key].as_f64().unwrap();
                assert!(
                    (value - expected).abs() <= 1e-9 * expected,
                    "{campaign} {logged} {key}: {value} and {expected}"
                );
            }
            let mut compared = 0;
            for estimate in &found.estimates {
                let key = match estimate.estimator.as_str() {
                    "ips_tab" => "ips",
                    "snips_tab" => "snips",
                    other => other,
                };
                let entry = &case["estimates"][key];
                let expected = entry["value"].as_f64().unwrap_or_else(|| panic!("no reference for {key}"));
                let value = estimate.value.value;
                assert!((value - expected).abs() < 1e-9, "{campaign} {logged} {key}: {value} and {expected}");
                compared += 1;
                // The reference has standard errors of rounds; ours are of units, which are rounds here.
                for se in ["se", "se_delta"] {
                    if let Some(expected) = entry[se].as_f64() {
                        let ours = estimate.value.standard_error;
                        assert!((ours - expected).abs() < 1e-3 * expected, "{key}: {ours} and {expected}");
                    }
                }
            }
            assert_eq!(compared, 11);
            let decision = found.verdict.decision;
            assert!(
                matches!(decision, Decision::Explore | Decision::Unreliable),
                "{campaign} {logged}: so few clicks rank nothing, and the verdict is {decision:?}: {}",
                found.verdict.reason
            );
        }
    }
}

/// Every row with a click stands there a hundred times.
fn multiplied(log: &Path, to: &Path) {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(fs::File::open(log).unwrap()).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let header = lines.next().unwrap();
    let click = header.split(',').position(|name| name == "click").unwrap();
    let mut file = fs::File::create(to).unwrap();
    writeln!(file, "{header}").unwrap();
    for line in lines {
        let copies = if line.split(',').nth(click) == Some("1") { 100 } else { 1 };
        (0..copies).for_each(|_| writeln!(file, "{line}").unwrap());
    }
}

#[test]
fn a_hundred_times_the_clicks_rank_the_policies() {
    let Some(folder) = data() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let log = scratch.path().join("log.csv");
    multiplied(&folder.join("random_all.csv.gz"), &log);
    let found = evaluated(&folder, "all", "random", &log);
    assert!(
        matches!(found.verdict.decision, Decision::Ship | Decision::Hold),
        "{:?}: {}",
        found.verdict.decision,
        found.verdict.reason
    );
}
