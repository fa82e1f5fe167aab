//! `mercato evaluate`: what is wrong with a log is told with file and row and nothing is judged; a log of ours is worth
//! what the simulator knows it is.

use assert_cmd::Command;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

pub(crate) fn mercato(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("mercato").unwrap().current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

pub(crate) const FILE: &str = r#"
[log]
path = "log.csv"
action = "arm"
reward = "sale"
propensity = "p"
context = ["place"]
[[target]]
name = "new"
kind = "table"
path = "target.csv"
"#;
pub(crate) const TARGET: &str = "place,arm,probability\n1,a,0.25\n1,b,0.75\n2,a,1\n";
pub(crate) const LOG: &str = "place,arm,sale,p\n1,a,0,0.5\n1,b,1,0.5\n2,a,1,0.5\n2,b,0,0.5\n";

/// A folder with an evaluation and its files.
pub(crate) fn folder(evaluation: &str, log: &str, target: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in [("e.toml", evaluation), ("log.csv", log), ("target.csv", target)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// It must be refused with exit code 2 and these words, and leave nothing behind.
pub(crate) fn refused(evaluation: &str, log: &str, target: &str, words: &[&str]) {
    let folder = folder(evaluation, log, target);
    let (code, output, error) = mercato(folder.path(), &["evaluate", "e.toml", "--out", "out"]);
    assert_eq!((code, output.as_str()), (2, ""), "{error}");
    for word in words {
        assert!(error.contains(word), "{word:?} is not in\n{error}");
    }
    assert!(!folder.path().join("out").exists(), "wrong input wrote something");
}

#[test]
fn a_small_log_is_judged_and_its_results_written() {
    let folder = folder(FILE, LOG, TARGET);
    let (code, output, error) = mercato(folder.path(), &["evaluate", "e.toml", "--json", "--out", "out"]);
    assert_eq!(code, 0, "{error}");
    let document: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((document["rows"].as_u64(), document["units"].as_u64()), (Some(4), Some(4)));
    let target = &document["targets"][0];
    let ips = target["estimates"].as_array().unwrap().iter().find(|estimate| estimate["estimator"] == "ips").unwrap();
    // (0 + 0.75 / 0.5 + 1 / 0.5 + 0) / 4.
    assert!((ips["value"].as_f64().unwrap() - 0.875).abs() < 1e-12);
    for key in ["standard_error", "low", "high"] {
        assert!(ips[key].is_number(), "{ips}");
    }
    for key in
        ["effective_sample_size", "weight_mean", "weight_max", "share_of_largest_weight", "unsupported_target_mass"]
    {
        assert!(target["diagnostics"][key].is_number(), "{key}");
    }
    assert!(target["verdict"]["decision"].is_string() && target["verdict"]["reason"].is_string());
    for file in ["report.html", "table.csv", "evaluation.json", "estimates.svg", "weights.svg", "overlap.svg"] {
        assert!(folder.path().join("out").join(file).is_file(), "{file}");
    }
    let page = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("effective sample size") || page.contains("Effective sample size"));
    let (code, _, error) = mercato(folder.path(), &["evaluate", "e.toml", "--out", "out"]);
    assert!(code == 2 && error.contains("--force"), "{error}");
    let (code, output, _) = mercato(folder.path(), &["validate", "e.toml"]);
    assert!(code == 0 && output.contains("e.toml: valid (evaluation"), "{output}");
}

#[test]
fn every_bad_row_is_named() {
    let log = "place,arm,sale,p\n1,a,0,0\n1,b,much,0.5\n2,a,NaN,0.5\n2,b,0,\n1,a,0,1.5\n1,b,0,-0.1\n1,a,,half\n1,,0,0.5\n1,a\n";
    refused(
        FILE,
        log,
        TARGET,
        &[
            "log.csv has 10 bad values",
            "row 1 (line 2), column \"p\": \"0\" is no probability of something that was done",
            "row 2 (line 3), column \"sale\": \"much\" is not a number",
            "row 3 (line 4), column \"sale\": \"NaN\" is not a finite number",
            "row 4 (line 5), column \"p\": \"\" is missing",
            "row 5 (line 6), column \"p\": \"1.5\" is above 1",
            "row 6 (line 7), column \"p\": \"-0.1\" is no probability",
            "row 7 (line 8), column \"sale\": \"\" is missing",
            "row 7 (line 8), column \"p\": \"half\" is not a number",
            "row 8 (line 9), column \"arm\": \"\" is missing",
            "row 9 (line 10): 2 fields under 4 columns",
        ],
    );
}

#[test]
fn logging_laws_and_masks_are_held_against_the_rows() {
    let evaluation = FILE
        .replace("context = [\"place\"]", "context = [\"place\"]\nactions = [\"a\", \"b\"]\nprobabilities = \"law\"");
    let log = "place,arm,sale,p,law\n1,a,0,0.5,[0.5 0.4]\n1,b,1,0.5,[0.5 0.5 0]\n2,a,1,0.5,[0.2 0.8]\n2,b,0,0.5,[1.0 0.0]\n1,a,0,0.5,x\n";
    refused(
        &evaluation,
        log,
        TARGET,
        &[
            "row 1 (line 2), column \"law\": \"0.9\" is what the probabilities sum to, instead of 1",
            "row 2 (line 3), column \"law\": \"3 numbers\" under 2 actions",
            "row 3 (line 4), column \"law\": \"0.2\" is the probability of the action, and its propensity is 0.5",
            "row 4 (line 5), column \"law\": \"0\" is the probability of the action that was taken",
            "row 5 (line 6), column \"law\": \"x\" is not a list of numbers",
        ],
    );
    // The target does b at place 1, where the logging policy never did.
    let log = "place,arm,sale,p,law\n1,a,0,1,[1 0]\n1,a,1,1,[1 0]\n2,a,1,0.5,[0.5 0.5]\n2,b,0,0.5,[0.5 0.5]\n";
    refused(
        &evaluation,
        log,
        TARGET,
        &[
            "log.csv has 2 bad values",
            "row 1 (line 2): target \"new\" does \"b\" with probability 0.75, and the logging policy never did it here",
            "row 2 (line 3): target \"new\" does \"b\"",
        ],
    );
    let evaluation =
        FILE.replace("context = [\"place\"]", "context = [\"place\"]\nactions = [\"a\", \"b\"]\nallowed = \"mask\"");
    let log = "place,arm,sale,p,mask\n1,a,0,0.5,10\n2,b,0,0.5,10\n2,a,1,0.5,11\n";
    refused(&evaluation, log, TARGET, &["row 2 (line 3), column \"arm\": \"b\" is not in the mask, and was taken"]);
    let log = "place,arm,sale,p,mask\n1,a,0,0.5,10\n2,b,0,0.5,11\n2,a,1,0.5,11\n";
    refused(
        &evaluation,
        log,
        TARGET,
        &["row 1 (line 2): target \"new\" does \"b\" with probability 0.75, and the mask forbids it"],
    );
}

#[test]
fn targets_must_be_laws_over_actions_of_the_log() {
    refused(
        FILE,
        LOG,
        "place,arm,probability\n1,a,0.25\n1,b,0.7\n2,a,1\n",
        &["target.csv, row 1 (line 2): the probabilities of place 1 sum to 0.95, not to 1"],
    );
    refused(
        FILE,
        LOG,
        "place,arm,probability\n1,a,0.25\n1,c,0.75\n2,a,1\n",
        &["row 2 (line 3), column \"arm\": \"c\" is an unknown action"],
    );
    refused(
        FILE,
        LOG,
        "place,arm,probability\n1,a,1\n",
        &["row 3 (line 4): target \"new\" has no law for place 2", "row 4 (line 5)"],
    );
    refused(FILE, LOG, "place,arm,share\n1,a,1\n", &["target.csv has no column \"probability\""]);
    refused(
        FILE,
        LOG,
        "planet,arm,probability\n1,a,1\n",
        &["has a key \"planet\" that is no column of the context", "did you mean \"place\"?"],
    );
    let constant = FILE.replace("kind = \"table\"\npath = \"target.csv\"", "kind = \"constant\"\naction = \"c\"");
    refused(&constant, LOG, TARGET, &["target[0].action: \"c\" is an unknown action", "did you mean \"a\"?"]);
    let named = FILE.replace("context = [\"place\"]", "context = [\"place\"]\nactions = [\"a\"]");
    refused(
        &named,
        LOG,
        "place,arm,probability\n1,a,1\n2,a,1\n",
        &["row 2 (line 3), column \"arm\": \"b\" is an unknown action"],
    );
}

#[test]
fn empty_logs_and_decisions_that_stand_there_twice_are_refused() {
    refused(FILE, "", TARGET, &["log.csv is empty"]);
    refused(FILE, "place,arm,sale,p\n", TARGET, &["log.csv has no rows"]);
    refused(FILE, "place,arm,sale\n", TARGET, &["log.propensity: the log has no column \"p\""]);
    let evaluation = FILE.replace("reward = \"sale\"", "reward = \"sale\"\ndecision_id = \"id\"");
    let log = "id,place,arm,sale,p\nx,1,a,0,0.5\ny,1,b,1,0.5\nx,2,a,1,0.5\n";
    refused(
        &evaluation,
        log,
        TARGET,
        &["decisions stand there twice, by column \"id\": log.csv row 1 and log.csv row 3"],
    );
    let missing = FILE.replace("log.csv", "lug.csv");
    refused(&missing, LOG, TARGET, &["there is no file \"lug.csv\"", "did you mean \"log.csv\"?"]);
    let without = FILE.to_owned() + "[[estimator]]\nkind = \"dr\"\n";
    refused(&without, LOG, TARGET, &["estimator[0].kind: dr needs a reward model", "add [reward_model]"]);
}

#[test]
fn a_log_without_propensities_is_estimated_and_the_result_says_so() {
    let evaluation = FILE.replace("propensity = \"p\"\n", "")
        + "[propensity_model]\nkind = \"table\"\nkeys = [\"place\"]\nstrength = 0\n";
    let folder = folder(&evaluation, LOG, TARGET);
    let (code, output, error) = mercato(folder.path(), &["evaluate", "e.toml", "--json", "--quiet", "--out", "out"]);
    assert_eq!((code, error.as_str()), (0, ""));
    let document: Value = serde_json::from_str(&output).unwrap();
    let target = &document["targets"][0];
    let ips = target["estimates"].as_array().unwrap().iter().find(|estimate| estimate["estimator"] == "ips").unwrap();
    // Shares of the actions at each place are one half, as the propensities were.
    assert!((ips["value"].as_f64().unwrap() - 0.875).abs() < 1e-12);
    let warnings = target["diagnostics"]["warnings"].to_string();
    assert!(warnings.contains("propensities are estimated"), "{warnings}");
}

#[test]
fn the_twin_knows_the_truth() {
    let mut log = "place,arm,sale,p\n".to_owned();
    for row in 0..400 {
        let (place, arm) = (1 + row / 2 % 2, if row % 2 == 0 { "a" } else { "b" });
        let sale = u8::from((row * 7) % 20 < if arm == "a" { 6 } else { 12 });
        log += &format!("{place},{arm},{sale},0.5\n");
    }
    let estimators = "[[estimator]]\nkind = \"ips\"\n[[estimator]]\nkind = \"dr\"\n[[estimator]]\nkind = \"dm\"\n";
    let more =
        "[reward_model]\nkind = \"table\"\nkeys = [\"arm\", \"place\"]\nstrength = 1\n[twin]\nreplications = 200\n";
    let folder = folder(
        &(FILE.replace("propensity = \"p\"", "propensity = \"p\"\nlogging = \"uniform\"") + estimators + more),
        &log,
        TARGET,
    );
    let (code, output, error) =
        mercato(folder.path(), &["evaluate", "e.toml", "--twin", "--json", "--quiet", "--out", "out"]);
    assert_eq!(code, 0, "{error}");
    let document: Value = serde_json::from_str(&output).unwrap();
    let twin = &document["twin"];
    assert_eq!((twin["rows"].as_u64(), twin["replications"].as_u64()), (Some(400), Some(200)));
    for result in twin["results"].as_array().unwrap() {
        let [bias, error, coverage] =
            ["bias", "bias_standard_error", "coverage"].map(|key| result[key].as_f64().unwrap());
        // The model of the twin is the law of the twin, so that nothing is biased beyond its shrinking; the direct
        // method's interval knows nothing of the model's error, which is what the twin is there to show.
        assert!(bias.abs() < 4.0 * error + 2e-3, "{result}");
        match result["estimator"].as_str().unwrap() {
            "dm" => assert!(coverage < 0.5, "{result}"),
            // 200 logs: the standard error of .95 is .015.
            _ => assert!((coverage - 0.95).abs() < 0.05, "{result}"),
        }
    }
}

pub(crate) const SHOP: &str = r#"name = "shop"
question = "Who should get a message?"
seed = 7
replications = 1
[market]
kind = "market"
preset = "retail"
consumers = 600
ticks = 10
history_days = 0
[[channel]]
name = "email"
[[offer]]
name = "full_price"
[slots]
hours = [8, 16]
[training]
episodes = 1
seeds = [101]
[[policy]]
name = "uniform"
[[policy]]
name = "greedy"
kind = "epsilon_greedy"
epsilon = 0.3
"#;

/// Mean over the logged decisions of what the simulator expects of action 0, and of all allowed actions alike.
fn truth(run: &Path) -> [f64; 2] {
    let rows = |name: &str| -> Vec<parquet::record::Row> {
        let reader = SerializedFileReader::new(fs::File::open(run.join(name)).unwrap()).unwrap();
        reader.get_row_iter(None).unwrap().map(Result::unwrap).collect()
    };
    let (truths, decisions) = (rows("truth/uniform-0.parquet"), rows("log/uniform-0.parquet"));
    let mut sums = [0.0; 2];
    for (truth, decision) in truths.iter().zip(&decisions) {
        let column = |row: &parquet::record::Row, name: &str| {
            row.get_column_iter().find(|(column, _)| *column == name).map(|(_, field)| field.clone()).unwrap()
        };
        let Field::ListInternal(expected) = column(truth, "expected_rewards") else { panic!("not closed form") };
        let expected: Vec<f64> = expected
            .elements()
            .iter()
            .map(|field| if let Field::Float(value) = field { f64::from(*value) } else { panic!("no number") })
            .collect();
        let Field::Bytes(mask) = column(decision, "allowed") else { panic!("no mask") };
        let allowed = |action: &usize| mask.data()[action / 8] >> (action % 8) & 1 == 1;
        let kept: Vec<usize> = (0..expected.len()).filter(allowed).collect();
        sums[0] += expected[0];
        sums[1] += kept.iter().map(|action| expected[*action]).sum::<f64>() / kept.len() as f64;
    }
    sums.map(|sum| sum / truths.len() as f64)
}

#[test]
fn a_log_of_ours_is_worth_what_the_simulator_knows() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("shop.toml"), SHOP).unwrap();
    let run = ["run", "shop.toml", "--log", "--log-probabilities", "--quiet", "--out", "run"];
    let (code, _, error) = mercato(folder.path(), &run);
    assert_eq!(code, 0, "{error}");
    let evaluation = "[log]\npath = \"run/log/uniform-0.parquet\"\n[interval]\nconfidence = 0.99\n\
        [[target]]\nname = \"nobody\"\nkind = \"constant\"\naction = \"none\"\n[[target]]\nname = \"alike\"\nkind = \"uniform\"\n\
        [[target]]\nname = \"same\"\nkind = \"logging\"\n\
        [[target]]\nname = \"as_was\"\nkind = \"policy\"\nrun = \"run\"\npolicy = \"uniform\"\n\
        [[target]]\nname = \"learned\"\nkind = \"policy\"\nrun = \"run\"\npolicy = \"greedy\"\n\
        [[estimator]]\nkind = \"ips\"\n[[estimator]]\nkind = \"snips\"\n[[estimator]]\nkind = \"dr\"\n\
        [reward_model]\nkind = \"ridge\"\n";
    fs::write(folder.path().join("e.toml"), evaluation).unwrap();
    let (code, output, error) = mercato(folder.path(), &["evaluate", "e.toml", "--json", "--quiet", "--out", "out"]);
    assert_eq!(code, 0, "{error}");
    let document: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((document["rows"].as_u64(), document["units"].as_u64()), (Some(6_000), Some(600)));
    let target = |name: &str| {
        let targets = document["targets"].as_array().unwrap();
        targets.iter().find(|target| target["name"] == name).unwrap()["estimates"].as_array().unwrap().clone()
    };
    let [nobody, alike] = truth(&folder.path().join("run"));
    for (name, truth) in [("nobody", nobody), ("alike", alike)] {
        for estimate in target(name) {
            let [low, high] = ["low", "high"].map(|key| estimate[key].as_f64().unwrap());
            assert!(low <= truth && truth <= high, "{name}: {truth} is not in {estimate}");
        }
    }
    // The logging policy by three names: every estimate is the mean reward, to the precision of the log.
    let mean = document["mean_reward"].as_f64().unwrap();
    for name in ["alike", "same", "as_was"] {
        let value = target(name)[0]["value"].as_f64().unwrap();
        assert!((value - mean).abs() < 1e-5 * (1.0 + mean.abs()), "{name}: {value} and {mean}");
    }
    // What the agent would do is a law: its weights are 1 on average.
    let learned = document["targets"].as_array().unwrap().iter().find(|target| target["name"] == "learned").unwrap();
    let weight = learned["diagnostics"]["weight_mean"].as_f64().unwrap();
    assert!((weight - 1.0).abs() < 0.1, "{weight}");
    // A log that was cut off is told apart from one that is whole.
    let log = folder.path().join("run/log/uniform-0.parquet");
    let bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..bytes.len() / 2]).unwrap();
    let (code, _, error) = mercato(folder.path(), &["evaluate", "e.toml", "--quiet", "--out", "cut"]);
    assert!(code == 2 && error.contains("uniform-0.parquet is no whole Parquet file"), "{error}");
    fs::write(&log, b"").unwrap();
    let (code, _, error) = mercato(folder.path(), &["evaluate", "e.toml", "--quiet", "--out", "cut"]);
    assert!(code == 2 && error.contains("uniform-0.parquet is empty"), "{error}");
}

#[test]
fn coupled_markets_are_warned_of() {
    let folder = TempDir::new().unwrap();
    let shop = SHOP.replace("consumers = 600\nticks = 10", "consumers = 100\nticks = 3") + "[budget]\ntotal = 5.0\n";
    fs::write(folder.path().join("shop.toml"), shop).unwrap();
    let (code, _, error) = mercato(folder.path(), &["run", "shop.toml", "--log", "--quiet", "--out", "run"]);
    assert_eq!(code, 0, "{error}");
    let evaluation = "[log]\npath = \"run/log/uniform-*.parquet\"\n[[target]]\nname = \"nobody\"\nkind = \"constant\"\naction = \"none\"\n";
    fs::write(folder.path().join("e.toml"), evaluation).unwrap();
    let (code, output, error) = mercato(folder.path(), &["evaluate", "e.toml", "--json", "--quiet", "--out", "out"]);
    assert_eq!(code, 0, "{error}");
    let document: Value = serde_json::from_str(&output).unwrap();
    let warnings = document["targets"][0]["diagnostics"]["warnings"].to_string();
    assert!(warnings.contains("touch each other (budget)"), "{warnings}");
}

#[test]
fn what_an_evaluation_can_name_is_listed_and_in_the_schema() {
    let folder = TempDir::new().unwrap();
    let (code, output, _) = mercato(folder.path(), &["schema", "evaluation"]);
    assert_eq!(code, 0);
    let schema: Value = serde_json::from_str(&output).unwrap();
    for (list, section) in [
        ("estimators", &schema["properties"]["estimator"]["items"]),
        ("reward_models", &schema["properties"]["reward_model"]),
        ("propensity_models", &schema["properties"]["propensity_model"]),
        ("targets", &schema["properties"]["target"]["items"]),
    ] {
        let kinds: Vec<&Value> =
            section["oneOf"].as_array().unwrap().iter().map(|kind| &kind["properties"]["kind"]["const"]).collect();
        let (code, output, _) = mercato(folder.path(), &["list", list, "--json"]);
        assert_eq!(code, 0);
        let listed: Value = serde_json::from_str(&output).unwrap();
        let names: Vec<&Value> = listed[list].as_array().unwrap().iter().map(|item| &item["name"]).collect();
        assert!(names == kinds && names.len() > 1, "{list}: {names:?} and {kinds:?}");
    }
}

#[test]
fn the_example_files_lack_nothing_but_their_data() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("evaluations");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        seen += 1;
        let Err(errors) = mercato::logged::load(&path) else { continue };
        let others: Vec<_> = errors.errors.iter().filter(|fault| fault.code.name() != "unreadable_file").collect();
        assert!(others.is_empty(), "{}: {others:?}", path.display());
    }
    assert_eq!(seen, 2);
}
