//! Estimators of whole sequences, named in an evaluation file.

use crate::evaluate::{folder, mercato, refused};
use serde_json::Value;

const LOG: &str = "who,day,state,act,gain,p\nA,0,0,1,0.5,0.5\nA,1,1,0,1,0.5\nB,0,0,0,0,0.5\nB,1,0,1,0.5,0.5\nC,0,0,1,0.5,0.5\n\
    C,1,0,1,0.5,0.5\n";
const TARGET: &str = "state,act,probability\n0,0,0.2\n0,1,0.8\n1,0,0.9\n1,1,0.1\n";
const FILE: &str = "[log]\npath = \"log.csv\"\naction = \"act\"\nreward = \"gain\"\npropensity = \"p\"\ncontext = [\"state\"]\n\
    unit = \"who\"\ntime = \"day\"\ndiscount = 0.9\n[[target]]\nname = \"new\"\nkind = \"table\"\npath = \"target.csv\"\n";

fn judged(evaluation: &str) -> Value {
    judged_from(evaluation, LOG)
}

fn judged_from(evaluation: &str, log: &str) -> Value {
    let held = folder(evaluation, log, TARGET);
    let (code, output, error) = mercato(held.path(), &["evaluate", "e.toml", "--json", "--quiet", "--out", "out"]);
    assert_eq!((code, error.as_str()), (0, ""));
    serde_json::from_str(&output).unwrap()
}

#[test]
fn rows_with_a_time_are_judged_as_sequences() {
    // Two states, two actions, three consumers; the values are those of Precup, Sutton and Singh's estimators by hand.
    let document = judged(FILE);
    let estimates = document["sequences"][0]["estimates"].as_array().unwrap();
    for (name, expected) in [("pdis", 1.877_333_3), ("wpdis", 1.107_602_4)] {
        let found = estimates.iter().find(|estimate| estimate["estimator"] == name);
        let value = found.unwrap_or_else(|| panic!("{estimates:?}"))["value"].as_f64().unwrap();
        assert!((value - expected).abs() < 1e-6, "{name}: {value}");
    }
    let gap = "a unit has no row between tick 0 in row 1 (line 2) of log.csv and tick 2 in row 2 (line 3) of log.csv";
    let words = ["log.time: the rows are no sequences", gap, "leave it out"];
    refused(FILE, &LOG.replace("A,1", "A,2"), TARGET, &words);
    let twice = "a unit has tick 0 twice, in row 3 (line 4) of log.csv and in row 4 (line 5) of log.csv";
    refused(FILE, &LOG.replace("B,1", "B,0"), TARGET, &[twice]);
}

#[test]
fn few_units_have_no_interval_worth_having() {
    let rows = LOG.lines().skip(1).enumerate().map(|(day, row)| format!("\nA,{day}{}", &row[3..]));
    let rows: Vec<String> = rows.collect();
    let one = LOG.lines().next().unwrap().to_owned() + &rows.concat() + "\n";
    for (log, units) in [(LOG, 3), (one.as_str(), 1)] {
        let document = judged_from(FILE, log);
        let judged = &document["sequences"][0];
        for estimate in judged["estimates"].as_array().unwrap() {
            assert!(estimate["value"].is_number(), "{estimate}");
            for key in ["standard_error", "low", "high"] {
                assert_eq!(estimate[key].is_null(), units == 1, "{key} of {units}: {estimate}");
            }
        }
        let told = format!("{units} independent units are too few for any interval (30 are the least)");
        assert_eq!(judged["diagnostics"]["warnings"][0], told.as_str(), "{judged}");
    }
}

#[test]
fn a_file_names_its_estimators_of_sequences() {
    let named = "[[estimator]]\nkind = \"tis\"\n[[estimator]]\nkind = \"wis\"\nname = \"mine\"\n\
        [[estimator]]\nkind = \"fqe\"\nstationary = true\nridge = 0.5\n";
    let document = judged(&(FILE.to_owned() + named));
    let estimates = document["sequences"][0]["estimates"].as_array().unwrap();
    let names: Vec<(&Value, &Value)> =
        estimates.iter().map(|estimate| (&estimate["estimator"], &estimate["kind"])).collect();
    assert_eq!(format!("{names:?}").matches("String").count(), 6);
    assert!(names[0].0 == "tis" && names[1] == (&Value::from("mine"), &Value::from("wis")) && names[2].1 == "fqe");
    // Precup, Sutton and Singh's estimators by hand.
    for (estimate, expected) in estimates.iter().zip([2.250_666_7, 1.110_526_3]) {
        let value = estimate["value"].as_f64().unwrap();
        assert!((value - expected).abs() < 1e-6, "{estimate}");
    }
    // Those of single decisions are not named, and stay those that apply.
    let single = document["targets"][0]["estimates"].as_array().unwrap();
    assert!(single.iter().any(|estimate| estimate["estimator"] == "snips"), "{single:?}");
    // And the other way round.
    let document = judged(&(FILE.to_owned() + "[[estimator]]\nkind = \"ips\"\n"));
    assert_eq!(document["targets"][0]["estimates"].as_array().unwrap().len(), 1);
    assert!(document["sequences"][0]["estimates"].as_array().unwrap().len() > 2);
}

#[test]
fn an_endless_horizon_is_asked_for_in_the_log() {
    let endless = FILE.replace("discount = 0.9", "discount = 0.9\nhorizon = \"endless\"");
    let named = "[[estimator]]\nkind = \"mis\"\n";
    let document = judged(&(endless.clone() + named));
    assert_eq!(document["sequences"][0]["estimates"][0]["estimator"], "mis");
    let finite = FILE.to_owned() + "[[estimator]]\nkind = \"dual_dice\"\n";
    refused(
        &finite,
        LOG,
        TARGET,
        &["estimator \"dual_dice\" cannot judge target \"new\": it judges endless horizons only", "log.horizon"],
    );
    let average = endless.replace("discount = 0.9", "discount = 1.0") + "[[estimator]]\nkind = \"fqe\"\n";
    refused(&average, LOG, TARGET, &["asks for the average reward of a step, which only `mis` estimates"]);
}

#[test]
fn sequences_need_a_time_and_a_unit() {
    let fqe = "[[estimator]]\nkind = \"fqe\"\n";
    let timeless = FILE.replace("time = \"day\"\n", "") + fqe;
    let told = "estimator[0].kind: fqe judges whole sequences, and log.time is missing";
    refused(&timeless, LOG, TARGET, &[told, "add `time = …`"]);
    let alone = FILE.replace("unit = \"who\"\n", "") + fqe;
    refused(&alone, LOG, TARGET, &["log.time: rows have a time and no unit", "add `unit = …`"]);
    let refuse = |estimator: &str, words: &[&str]| refused(&(FILE.to_owned() + estimator), LOG, TARGET, words);
    refuse("[[estimator]]\nkind = \"pdi\"\n", &["there is no estimator \"pdi\"", "did you mean \"pdis\"?"]);
    refuse("[[estimator]]\nkind = \"fqe\"\nridg = 1\n", &["estimator[0].ridg: there is no such key"]);
    refuse("[[estimator]]\nkind = \"fqe\"\nridge = -1.0\n", &["estimator[0].ridge: -1.0 is not"]);
    refuse(&(fqe.to_owned() + fqe), &["estimator[1].name: the name \"fqe\" is taken"]);
    let late = LOG.replace("B,1,", "B,soon,");
    let told = "log.csv, row 4 (line 5): the time is no whole number of steps";
    refused(FILE, &late, TARGET, &[told]);
    // What a file can name is known where it is checked, listed and completed.
    let held = folder(&timeless, LOG, TARGET);
    let (code, _, error) = mercato(held.path(), &["validate", "e.toml"]);
    assert!(code == 2 && error.contains("fqe judges whole sequences"), "{error}");
    let (_, output, _) = mercato(held.path(), &["list", "estimators"]);
    assert!(output.contains("balanced_dr") && output.contains("whole sequences: fits what every action"), "{output}");
}
