//! `explain-consumer` tells what the log and the truth beside it hold, and says what is wrong where it cannot.

use assert_cmd::Command;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const MARKET: &str = r#"name = "shop"
question = "What became of one consumer?"
seed = 7
replications = 2
[market]
kind = "market"
consumers = 1_400
ticks = 30
history_days = 30
[[channel]]
name = "email"
[[channel]]
name = "push"
[[offer]]
name = "full"
[[offer]]
name = "ten"
discount = 0.10
[slots]
hours = [8, 19]
[constraints]
caps = [{ channel = "any", messages = 3, days = 7 }]
[training]
episodes = 1
seeds = [101]
[[policy]]
name = "uniform"
[[policy]]
name = "weekly"
kind = "rule"
channel = "email"
hour = 8
offer = "full"
"#;

const PROCESS: &str = r#"name = "process"
question = "Where does it end?"
seed = 3
replications = 1
[market]
kind = "finite"
consumers = 700
ticks = 12
states = ["new", "old", "gone"]
actions = ["none", "send"]
transitions = "process.csv"
[training]
episodes = 1
seeds = [101]
[[policy]]
name = "uniform"
"#;

const TRANSITIONS: &str = "state,action,next_state,probability,reward\n0,0,0,0.7,1\n0,0,1,0.3,0\n0,1,1,1,0.5\n\
                           1,0,0,0.5,2\n1,0,2,0.5,0\n1,1,0,0.8,1\n1,1,2,0.2,0\n2,0,2,1,0\n";

fn mercato(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("mercato").unwrap().current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn run(folder: &Path, scenario: &str, extra: &[&str]) {
    fs::write(folder.join("scenario.toml"), scenario).unwrap();
    let arguments = [&["run", "scenario.toml", "--quiet", "--out", "out"], extra].concat();
    let (code, _, errors) = mercato(folder, &arguments);
    assert_eq!(code, 0, "{errors}");
}

fn rows(path: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    reader.get_row_iter(None).unwrap().map(Result::unwrap).collect()
}

fn number(row: &Row, name: &str) -> f64 {
    match row.get_column_iter().find(|(column, _)| *column == name).unwrap().1 {
        Field::Float(value) => f64::from(*value),
        Field::UInt(value) => f64::from(*value),
        other => panic!("{name}: {other}"),
    }
}

fn text(row: &Row, name: &str) -> String {
    match row.get_column_iter().find(|(column, _)| *column == name).unwrap().1 {
        Field::Str(value) => value.clone(),
        other => panic!("{name}: {other}"),
    }
}

/// The history of these consumers is, tick by tick, that of the log and of the truth beside it. Returns the last one.
fn told_is_logged(folder: &Path, policy: &str, file: &str, replication: &str, consumers: &[&str]) -> Value {
    let log = rows(&folder.join("out/log").join(file));
    let truth = rows(&folder.join("out/truth").join(file));
    assert_eq!(log.len(), truth.len());
    let mut last = Value::Null;
    for consumer in consumers {
        let who = ["--consumer", consumer, "--policy", policy, "--replication", replication, "--json"];
        let (code, output, errors) = mercato(folder, &[&["explain-consumer", "out"][..], &who].concat());
        assert_eq!((code, errors.as_str()), (0, ""));
        let told: Value = serde_json::from_str(&output).unwrap();
        let ticks = told["ticks"].as_array().unwrap();
        let pairs = log.iter().zip(&truth).filter(|(row, _)| text(row, "consumer_id") == *consumer);
        let pairs: Vec<_> = pairs.collect();
        assert_eq!(pairs.len(), ticks.len());
        for ((row, truth), tick) in pairs.into_iter().zip(ticks) {
            assert_eq!(text(row, "decision_id"), text(truth, "decision_id"));
            assert_eq!(tick["tick"].as_f64().unwrap(), number(row, "tick"));
            assert_eq!(tick["action"].as_f64().unwrap(), number(row, "action"));
            let same = |told: &Value, logged: f64| told.as_f64().unwrap() as f32 == logged as f32;
            assert!(same(&tick["propensity"], number(row, "propensity")));
            assert!(same(&tick["profit"], number(row, "reward")), "{tick}");
            assert!(same(&tick["untouched"]["profit"], number(truth, "twin_reward")), "{tick}");
            assert!(same(&tick["effect_so_far"], number(truth, "effect_so_far")), "{tick}");
            let effect = number(row, "reward") - number(truth, "twin_reward");
            assert!((number(truth, "effect") - effect).abs() < 1e-4);
        }
        last = told;
    }
    last
}

#[test]
fn a_consumer_alone_lives_what_the_log_says() {
    let folder = TempDir::new().unwrap();
    run(folder.path(), MARKET, &["--log"]);
    let everywhere = ["0", "7", "42", "513", "1023", "1024", "1399"];
    let told = told_is_logged(folder.path(), "uniform", "uniform-1.parquet", "1", &everywhere);
    assert_eq!((&told["is_alone"], &told["ticks"][3]["tick"]), (&Value::Bool(true), &3.into()));
    assert!(told["ticks"][0]["seen"]["orders_ever"].as_f64().unwrap() >= 1.0);
    assert!(told["ticks"][0]["state"]["fatigue"].is_number() && told["traits"]["order_rate_per_day"].is_number());
    let file = "weekly-0.parquet";
    let _ = told_is_logged(folder.path(), "weekly", file, "0", &["42"]);

    let (code, output, _) =
        mercato(folder.path(), &["explain-consumer", "out", "--consumer", "42", "--policy", "uniform"]);
    assert_eq!(code, 0);
    for word in
        ["replayed alone", "chosen", "propensity", "seen", "happened", "untouched", "state", "beyond the horizon"]
    {
        assert!(output.contains(word), "{word:?} is not in\n{output}");
    }
}

#[test]
fn where_consumers_touch_each_other_all_live_again() {
    let folder = TempDir::new().unwrap();
    let scarce = MARKET.replace("[training]", "[budget]\ntotal = 3.0\n[training]");
    run(folder.path(), &scarce, &["--log", "--replications", "1"]);
    let told = told_is_logged(folder.path(), "uniform", "uniform-0.parquet", "0", &["0", "42", "1399"]);
    assert_eq!(told["is_alone"], false);
    let rules = told["ticks"].as_array().unwrap().iter().flat_map(|tick| tick["forbidden"].as_array().unwrap());
    let mut rules = rules.map(|rule| rule["rule"].as_str().unwrap());
    assert!(rules.any(|rule| rule.contains("budget")));
}

#[test]
fn processes_and_one_shot_markets_tell_what_applies() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("process.csv"), TRANSITIONS).unwrap();
    run(folder.path(), PROCESS, &["--log"]);
    let told = told_is_logged(folder.path(), "uniform", "uniform-0.parquet", "0", &["0", "9", "600", "699"]);
    assert_eq!(told["ticks"][0]["seen"]["state"], "new");
    assert!(told["total"]["orders"].is_null());

    let folder = TempDir::new().unwrap();
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/hillstrom.toml");
    run(folder.path(), &fs::read_to_string(scenario).unwrap(), &["--log", "--replications", "1", "--policy", "random"]);
    let told = told_is_logged(folder.path(), "random", "random-0.parquet", "0", &["17"]);
    assert_eq!(told["ticks"].as_array().unwrap().len(), 1);
}

#[test]
fn real_customers_go_by_the_names_of_their_file() {
    let folder = TempDir::new().unwrap();
    let customers: String =
        (0..80).map(|index| format!("c-{index},{},{},{}\n", index + 3, 1 + index % 4, 40 + index)).collect();
    fs::write(folder.path().join("customers.csv"), format!("name,days,orders,spent\n{customers}")).unwrap();
    let columns = "columns = { id = \"name\", recency_days = \"days\", orders = \"orders\", spend = \"spent\" }";
    let population = format!("[market.population]\nfile = \"customers.csv\"\n{columns}\n[[channel]]");
    let real = MARKET.replacen("[[channel]]", &population, 1).replace("consumers = 1_400\n", "");
    for budget in ["", "[budget]\ntotal = 0.5\n"] {
        let scenario = real.replace("history_days = 30\n", "").replace("[training]", &format!("{budget}[training]"));
        run(folder.path(), &scenario, &["--log", "--replications", "1", "--force"]);
        let told = told_is_logged(folder.path(), "uniform", "uniform-0.parquet", "0", &["c-0", "c-42", "c-79"]);
        assert_eq!((&told["consumer"], told["is_alone"].as_bool()), (&"c-79".into(), Some(budget.is_empty())));
    }
    let by_number = ["explain-consumer", "out", "--consumer", "42", "--policy", "uniform"];
    let (code, _, errors) = mercato(folder.path(), &by_number);
    assert_eq!(code, 2);
    assert!(errors.contains("consumers go by the 80 names of the customer file"), "{errors}");
}

#[test]
fn what_cannot_be_explained_is_said_with_the_way_out() {
    let folder = TempDir::new().unwrap();
    let small = MARKET.replace("1_400", "60").replace("ticks = 30", "ticks = 4");
    run(folder.path(), &small, &[]);
    let asked = |extra: &[&str], code: i32, words: &[&str]| {
        let (found, output, errors) = mercato(folder.path(), &[&["explain-consumer"], extra].concat());
        assert_eq!((found, output.as_str()), (code, ""), "{errors}");
        for word in words {
            assert!(errors.contains(word), "{word:?} is not in\n{errors}");
        }
    };
    let who = ["out", "--consumer", "3", "--policy", "uniform"];
    asked(&who, 2, &["there is no decision log `out/log/uniform-0.parquet`", "run the scenario again with --log"]);
    let nowhere = ["nowhere", "--consumer", "3", "--policy", "uniform"];
    asked(&nowhere, 2, &["`nowhere` is no folder of results", "mercato run SCENARIO --log"]);
    run(folder.path(), &small, &["--log", "--force"]);
    let unknown = ["out", "--consumer", "3", "--policy", "unifrom"];
    asked(&unknown, 2, &["no policy `unifrom`", "`uniform`, `weekly`", "did you mean `uniform`?"]);
    let nobody = ["out", "--consumer", "60", "--policy", "uniform"];
    asked(&nobody, 2, &["there is no consumer `60`: consumers are numbered from 0 to 59"]);
    let late = [&who[..], &["--replication", "2"]].concat();
    asked(&late, 2, &["the run has 2 replications: --replication goes from 0 to 1"]);

    // A log that is torn, and a scenario that was changed after the run.
    let path = folder.path().join("out/log/uniform-0.parquet");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    asked(&who, 2, &["`out/log/uniform-0.parquet` cannot be replayed", "run the scenario again with --log"]);
    fs::write(&path, &bytes).unwrap();
    let scenario = folder.path().join("out/scenario.toml");
    fs::write(&scenario, small.replace("seed = 7", "seed = 8")).unwrap();
    asked(&who, 2, &["scenario.toml in the folder is not the scenario that was run"]);
    // The log of another replication under this name: the replay earns something else.
    fs::write(&scenario, &small).unwrap();
    fs::copy(folder.path().join("out/log/uniform-1.parquet"), &path).unwrap();
    let (code, output, errors) = mercato(folder.path(), &[&["explain-consumer"], &who[..]].concat());
    assert_eq!((code, output.as_str()), (2, ""), "{errors}");
    assert!(errors.contains("replication"), "{errors}");
}
