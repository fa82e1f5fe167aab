//! Logs and tables as nobody should write them: each is told with file and row, exit code 2, and nothing is written.

use crate::evaluate::{FILE, LOG, TARGET, folder, mercato, refused};
use std::fs;

#[test]
fn numbers_that_are_none() {
    let log = "place,arm,sale,p\n1,a,0,NaN\n1,b,inf,0.5\n2,a,-inf,0.5\n2,b,0,1e999\n1,a,0,0x1\n1,b,1e400,0.5\n";
    refused(
        FILE,
        log,
        TARGET,
        &[
            "log.csv has 6 bad values",
            "row 1 (line 2), column \"p\": \"NaN\" is no probability",
            "row 2 (line 3), column \"sale\": \"inf\" is not a finite number",
            "row 3 (line 4), column \"sale\": \"-inf\" is not a finite number",
            "row 4 (line 5), column \"p\": \"inf\" is above 1",
            "row 5 (line 6), column \"p\": \"0x1\" is not a number",
            "row 6 (line 7), column \"sale\": \"inf\" is not a finite number",
        ],
    );
    for (value, fault) in [
        ("NaN", "\"NaN\" is no probability"),
        ("-0.1", "\"-0.1\" is no probability"),
        ("1.1", "\"1.1\" is no probability"),
        ("half", "\"half\" is not a number"),
        ("", "\"\" is not a number"),
    ] {
        let target = TARGET.replace("0.25", value);
        let row = format!("row 1 (line 2), column \"probability\": {fault}");
        refused(FILE, LOG, &target, &["target[0].path: target.csv", &row]);
    }
    let laws = FILE.replace("[\"place\"]", "[\"place\"]\nactions = [\"a\", \"b\"]\nprobabilities = \"law\"");
    refused(
        &laws,
        "place,arm,sale,p,law\n1,a,0,0.5,[NaN 1]\n1,a,0,0.5,[-0.5 1.5]\n1,a,0,0.5,\n",
        TARGET,
        &[
            "row 1 (line 2), column \"law\": \"NaN\" is no probability",
            "row 2 (line 3), column \"law\": \"-0.5\" is no probability",
            "row 3 (line 4), column \"law\": \"0 numbers\" under 2 actions",
        ],
    );
}

#[test]
fn tables_that_are_none() {
    refused(FILE, LOG, "", &["target[0].path: target.csv is empty"]);
    refused(FILE, LOG, "place,arm,probability\n", &["target.csv, row 1: there is none: the table is empty"]);
    refused(FILE, LOG, "place,arm,probability\n1,a\n", &["target.csv, row 1 (line 2): 2 fields under 3 columns"]);
    refused(FILE, "place,arm,sale,p,p\n1,a,0,0.5,0.5\n", TARGET, &["log.propensity: the log has 2 columns \"p\""]);
    let gone = FILE.replace("target.csv", "tarjet.csv");
    refused(&gone, LOG, TARGET, &["there is no file \"tarjet.csv\"", "did you mean \"target.csv\"?"]);
    let held = folder(&FILE.replace("log.csv", "."), LOG, TARGET);
    let (code, _, error) = mercato(held.path(), &["evaluate", "e.toml"]);
    assert!(code == 2 && error.contains("log.path"), "{error}");
    let held = folder(&FILE.replace("log.csv", "log-*.csv"), LOG, TARGET);
    let (code, _, error) = mercato(held.path(), &["evaluate", "e.toml"]);
    assert!(code == 2 && error.contains("no file is named like \"log-*.csv\""), "{error}");
}

#[test]
fn decisions_that_stand_in_two_files_are_told_by_both() {
    let evaluation =
        FILE.replace("reward = \"sale\"", "reward = \"sale\"\ndecision_id = \"id\"").replace("log.csv", "log-*.csv");
    let held = folder(&evaluation, LOG, TARGET);
    let header = "id,place,arm,sale,p\n";
    let first = format!("{header}x,1,a,0,0.5\nshort\ny,1,b,1,0.5\n");
    let second = format!("{header}z,2,a,1,0.5\ny,2,b,1,0.5\n");
    fs::write(held.path().join("log-1.csv"), first).unwrap();
    fs::write(held.path().join("log-2.csv"), second).unwrap();
    let (code, _, error) = mercato(held.path(), &["evaluate", "e.toml", "--out", "out"]);
    assert_eq!(code, 2, "{error}");
    for word in [
        "decisions stand there twice, by column \"id\": log-1.csv row 3 and log-2.csv row 2",
        "log-1.csv, row 2 (line 3): 1 fields under 5 columns",
    ] {
        assert!(error.contains(word), "{word:?} is not in\n{error}");
    }
}

#[test]
fn files_that_break_off() {
    let held = folder(&FILE.replace("log.csv", "log.csv.gz"), LOG, TARGET);
    let evaluate = || mercato(held.path(), &["evaluate", "e.toml", "--out", "out"]);
    // The magic bytes of gzip and nothing that follows from them.
    fs::write(held.path().join("log.csv.gz"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b]).unwrap();
    let (code, _, error) = evaluate();
    assert!(code == 2 && error.contains("log.csv.gz"), "{error}");
    fs::write(held.path().join("log.csv.gz"), LOG).unwrap();
    let (code, _, error) = evaluate();
    assert!(code == 2 && error.contains("log.csv.gz"), "{error}");
    let held = folder(&FILE.replace("log.csv", "log.parquet"), LOG, TARGET);
    fs::write(held.path().join("log.parquet"), LOG).unwrap();
    let (code, _, error) = mercato(held.path(), &["evaluate", "e.toml", "--out", "out"]);
    assert!(code == 2 && error.contains("log.parquet is no whole Parquet file"), "{error}");
    assert!(!held.path().join("out").exists());
}

#[test]
fn what_contradicts_itself_is_told() {
    // Propensities that are not those of the law that is said to have logged.
    let uniform = FILE.replace("propensity = \"p\"", "propensity = \"p\"\nlogging = \"uniform\"");
    let told =
        "row 2 (line 3): log.logging does \"b\" with probability 0.5 here, and the propensity of the row is 0.25";
    refused(&uniform, &LOG.replace("1,b,1,0.5", "1,b,1,0.25"), TARGET, &[told]);
    let seen = FILE.replace("[\"place\"]", "[\"place\", \"sale\"]");
    refused(&seen, LOG, TARGET, &["log.context: \"sale\" is log.reward already", "take it out of the context"]);
    // Words for the end of an episode that are none.
    let ends =
        FILE.replace("propensity = \"p\"", "propensity = \"p\"\nterminated = \"over\"\ntime = \"day\"\nunit = \"who\"");
    let log = "place,arm,sale,p,over,day,who\n1,a,0,0.5,false,0,A\n1,b,1,0.5,yes,1,A\n2,a,1,0.5,2,0,B\n";
    refused(
        &ends,
        log,
        TARGET,
        &[
            "row 2 (line 3), column \"over\": \"yes\" is neither true nor false (1 nor 0)",
            "row 3 (line 4), column \"over\": \"2\" is neither true nor false (1 nor 0)",
        ],
    );
}

#[test]
fn numbers_beyond_all_sums_are_refused() {
    let told = "row 2 (line 3), column \"sale\": \"1e308\" is beyond 1e100, so that its square cannot be summed";
    refused(FILE, &LOG.replace("1,b,1,0.5", "1,b,1e308,0.5"), TARGET, &[told]);
    let told = "row 2 (line 3), column \"p\": \"1e-300\" is below 1e-100, so that no weight can be summed";
    refused(FILE, &LOG.replace("1,b,1,0.5", "1,b,1,1e-300"), TARGET, &[told]);
}

#[test]
fn names_are_texts_as_they_stand() {
    let evaluation = FILE.replace("context = [\"place\"]", "context = [\"place\"]\nunit = \"id\"");
    let log = "id,place,arm,sale,p\n7,1,1.1,0,0.5\n007,1,1.10,1,0.5\n7.0,01,1.1,1,0.5\n7,01,1.10,0,0.5\n";
    let target = "place,arm,probability\n1,1.1,0.25\n1,1.10,0.75\n01,1.1,1\n";
    let held = folder(&evaluation, log, target);
    let (code, output, error) = mercato(held.path(), &["evaluate", "e.toml", "--json", "--quiet", "--out", "out"]);
    assert_eq!(code, 0, "{error}");
    let document: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!((document["rows"].as_u64(), document["units"].as_u64()), (Some(4), Some(3)));
    let ips = document["targets"][0]["estimates"].as_array().unwrap();
    let ips = ips.iter().find(|estimate| estimate["estimator"] == "ips").unwrap();
    // (0 + 0.75 / 0.5 + 1 / 0.5 + 0) / 4.
    assert!((ips["value"].as_f64().unwrap() - 0.875).abs() < 1e-12, "{ips}");
    // The table must write a key as the log does.
    let other = target.replace("01,", "1.0,");
    refused(&evaluation, log, &other, &["row 3 (line 4): target \"new\" has no law for place 01"]);
    let held = folder(&evaluation, log, target);
    let broken = b"id,place,arm,sale,p\n7,1,1.1,0,0.5\n\xff,1,1.10,1,0.5\n\xfe,2,\xff,1,0.5\n";
    fs::write(held.path().join("log.csv"), broken).unwrap();
    let (code, _, error) = mercato(held.path(), &["evaluate", "e.toml", "--out", "out"]);
    assert_eq!(code, 2, "{error}");
    for told in ["row 2 (line 3), column \"id\"", "row 3 (line 4), column \"arm\"", "is not UTF-8 text"] {
        assert!(error.contains(told), "{told:?} is not in\n{error}");
    }
}

#[test]
fn what_would_be_ignored_is_refused() {
    for (key, value) in [("discount", "0.9"), ("horizon", "\"endless\"")] {
        let asked = FILE.replace("propensity = \"p\"", &format!("propensity = \"p\"\n{key} = {value}"));
        let told = format!("log.{key}: it is of sequences, and log.time is missing");
        refused(&asked, LOG, TARGET, &[&told, "add `time = …`"]);
    }
    let twice = TARGET.replace("1,b,0.75\n", "1,b,0.25\n1,b,0.5\n");
    let told = "target.csv, row 3 (line 4): the probability of \"b\" of place 1 stands in row 2 (line 3) already";
    refused(FILE, LOG, &twice, &[told]);
}

#[test]
fn a_target_that_no_row_follows_has_no_ratio() {
    let log = "place,arm,sale,p\n1,a,0,0.5\n1,a,1,0.5\n2,a,1,0.5\n2,a,0,0.5\n";
    let evaluation =
        FILE.replace("context = [\"place\"]", "context = [\"place\"]\nactions = [\"a\", \"b\"]\nlogging = \"uniform\"");
    let held = folder(&evaluation, log, "place,arm,probability\n1,b,1\n2,b,1\n");
    let (code, output, error) = mercato(held.path(), &["evaluate", "e.toml", "--json", "--out", "out"]);
    assert_eq!(code, 0, "{error}");
    let document: serde_json::Value = serde_json::from_str(&output).unwrap();
    let target = &document["targets"][0];
    let snips = target["estimates"].as_array().unwrap().iter().find(|one| one["estimator"] == "snips").unwrap();
    for key in ["value", "standard_error", "low", "high"] {
        assert!(snips[key].is_null() && snips["difference"][key].is_null(), "{snips}");
    }
    assert!(target["verdict"]["decision"] != "ship" && error.contains("unknown"), "{target}{error}");
}
