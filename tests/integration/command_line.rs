//! The command line as a user meets it: exit codes, what is said and where, and that wrong input leaves nothing behind.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A scenario without fault.
const GOOD: &str = r#"name = "shop"
question = "Who should get a message?"
seed = 7
replications = 2
[market]
kind = "market"
consumers = 100
ticks = 7
margin = 0.45
history_days = 0
[modules.fatigue]
half_life_days = 7.0
[[channel]]
name = "email"
[[offer]]
name = "ten"
discount = 0.10
[slots]
hours = [8, 12]
[budget]
total = 500.0
[training]
episodes = 1
seeds = [101]
[[policy]]
name = "none"
[[policy]]
name = "newsletter"
kind = "rule"
channel = "email"
hour = 8
offer = "ten"
[[guardrail]]
metric = "opt_out_rate"
max = 0.02
"#;

fn mercato(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("mercato").unwrap().current_dir(folder).args(arguments).output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// Runs and validates a text; it must be refused by both with exit code 2 and these words, and leave nothing behind.
fn refused(text: &str, files: &[(&str, &str)], words: &[&str]) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("shop.toml"), text).unwrap();
    for (path, content) in files {
        fs::write(folder.path().join(path), content).unwrap();
    }
    for arguments in [&["run", "shop.toml"][..], &["run", "shop.toml", "--out", "results"], &["validate", "shop.toml"]]
    {
        let (code, output, errors) = mercato(folder.path(), arguments);
        assert_eq!(code, 2, "{arguments:?}\n{errors}");
        assert_eq!(output, "", "{arguments:?}");
        for word in words {
            assert!(errors.contains(word), "{word:?} is not in\n{errors}");
        }
        assert!(!errors.contains('\u{1b}'), "colours in a pipe\n{errors}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1 + files.len(), "{arguments:?} left something");
    }
}

fn good_with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from:?}");
    GOOD.replacen(from, to, 1)
}

#[test]
fn an_unknown_key_is_shown_with_its_line_and_its_neighbour() {
    refused(
        &good_with("consumers = 100", "consumer = 100"),
        &[],
        &["market.consumer: there is no such key", "shop.toml:7:1", "help: did you mean \"consumers\"?"],
    );
}

#[test]
fn a_misspelt_agent_is_shown() {
    let text = format!("{GOOD}[[policy]]\nname = \"bandit\"\nkind = \"tomphson\"\n");
    let words = [
        "policy[2].kind: there is no policy or agent \"tomphson\"",
        "shop.toml:38:8",
        "did you mean \"thompson\"?; `mercato list` describes all",
    ];
    refused(&text, &[], &words);
}

#[test]
fn rewards_that_only_a_campaign_knows_are_refused_elsewhere() {
    let scenario =
        |name| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name)).unwrap();
    let keys = "[reward]\nless_twin = true\nexpected_orders = true\n";
    let text = scenario("exact-24.toml").replacen("[reward]\n", keys, 1);
    let words = [
        "reward.less_twin: a finite process has no twin to count against",
        "help: drop less_twin",
        "reward.expected_orders: only a market of kind \"market\"",
        "help: drop expected_orders",
    ];
    refused(&text, &[("exact-24.csv", &scenario("exact-24.csv"))], &words);
    let text = format!(
        "{GOOD}[[policy]]\nname = \"counter\"\nkind = \"logistic_thompson\"\n[reward]\nexpected_orders = true\nless_twin = true\n"
    );
    let learns_nothing = "agents that count rewards above a threshold as successes learn nothing from it: counter";
    let words = [format!("reward.less_twin: {learns_nothing}"), format!("reward.expected_orders: {learns_nothing}")];
    refused(&text, &[], &words.each_ref().map(String::as_str));
}

#[test]
fn a_probability_above_one_is_shown_with_what_is_allowed() {
    refused(
        &good_with("margin = 0.45", "margin = 1.2"),
        &[],
        &["market.margin: 1.2 is not a number from 0 to 1", "shop.toml:9:10", "help:"],
    );
}

#[test]
fn a_missing_customer_file_is_shown_with_its_neighbour() {
    refused(
        &good_with("[budget]", "[market.population]\nfile = \"custmers.csv\"\n[budget]"),
        &[("customers.csv", "id\n1\n")],
        &["market.population.file: there is no file \"custmers.csv\"", "did you mean \"customers.csv\"?"],
    );
}

#[test]
fn a_bad_row_of_a_customer_file_is_shown_with_row_column_and_value() {
    refused(
        &good_with("[budget]", "[market.population]\nfile = \"customers.csv\"\n[budget]"),
        &[("customers.csv", "id,spend\na,1\nb,2\nc,many\n")],
        &["customers.csv, row 3 (line 4), column \"spend\": \"many\" is not a finite number", "shop.toml:21:8"],
    );
}

#[test]
fn consents_and_numbers_of_a_customer_file_are_never_ignored() {
    let with = |columns: &str| {
        let population = format!("[market.population]\nfile = \"customers.csv\"\n{columns}\n[budget]");
        good_with("[budget]", &population).replace("consumers = 100\n", "").replace("history_days = 0\n", "")
    };
    let columns = "columns = { recency_days = \"days\", orders = \"orders\", spend = \"spent\", \
                   email_reachable = \"optin\" }";
    let content = "days,orders,spent,optin\n3,2,1_000,no\n-1,0,50,perhaps\n";
    refused(
        &with(columns),
        &[("customers.csv", content)],
        &[
            "row 1 (line 2), column \"spent\": \"1_000\" is not a finite number",
            "row 2 (line 3), column \"days\": \"-1\" must be from 0 to 36,500",
            "row 2 (line 3), column \"orders\": \"0\" must be a whole number",
            "row 2 (line 3), column \"optin\": \"perhaps\" must be yes, no",
            "help: mend or drop these rows",
        ],
    );
    refused(
        &with("columns = {}"),
        &[("customers.csv", content)],
        &["market.population.columns: maps no column", "map any of: id, recency_days", "NAME_reachable"],
    );
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("shop.toml"), with(columns)).unwrap();
    fs::write(folder.path().join("customers.csv"), "days,orders,spent,optin\n3,2,1000,no\n1,4,50,Yes\n").unwrap();
    let (code, output, errors) = mercato(folder.path(), &["validate", "shop.toml"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert!(output.contains("2 consumers"), "{output}");
}

#[test]
fn decision_logs_carry_the_names_of_the_customers() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    let population = "[market.population]\nfile = \"customers.csv\"\n\
                      columns = { id = \"customer\", recency_days = \"days\", orders = \"n\", spend = \"sum\" }\n[budget]";
    let text = good_with("[budget]", population).replace("consumers = 100\n", "").replace("history_days = 0\n", "");
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("shop.toml"), text).unwrap();
    fs::write(folder.path().join("customers.csv"), "customer,days,n,sum\nanna,3,2,90\nK-77,40,5,300\n").unwrap();
    let (code, _, errors) = mercato(folder.path(), &["run", "shop.toml", "--quiet", "--log", "--out", "results"]);
    assert_eq!(code, 0, "{errors}");
    let log = fs::File::open(folder.path().join("results/log/newsletter-0.parquet")).unwrap();
    let mut names: Vec<String> = SerializedFileReader::new(log)
        .unwrap()
        .get_row_iter(None)
        .unwrap()
        .map(|row| row.unwrap().get_string(1).unwrap().clone())
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names, ["K-77", "anna"]);
}

#[cfg(target_os = "linux")]
#[test]
fn more_consumers_than_the_memory_holds_are_refused() {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find(|line| line.starts_with("MemAvailable:")).unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    // 100 million consumers take some 60 GB, twice.
    if kilobytes < 40_000_000 {
        refused(
            &good_with("consumers = 100\n", "consumers = 100_000_000\n"),
            &[],
            &["market.consumers: 100000000 consumers need about", "shop.toml:7:", "help: lower `consumers` to"],
        );
    }
}

#[test]
fn all_faults_of_a_file_are_shown_at_once() {
    let text =
        good_with("margin = 0.45", "margin = 1.2").replace("episodes = 1", "episode = 1").replace("0.02", "\"x\"");
    refused(
        &text,
        &[],
        &[
            "market.margin: 1.2",
            "training.episode: there is no such key",
            "guardrail[0].max: expected a number, found the text \"x\"",
        ],
    );
}

#[test]
fn a_negative_half_life_is_shown() {
    refused(
        &good_with("half_life_days = 7.0", "half_life_days = -7.0"),
        &[],
        &["modules.fatigue.half_life_days: -7.0 is not a number above 0", "shop.toml:12:18", "(default 7)"],
    );
}

#[test]
fn a_budget_of_nothing_does_not_suit_a_policy_that_must_send() {
    refused(
        &good_with("total = 500.0", "total = 0.0"),
        &[],
        &["budget.total: must send, but the budget is 0: newsletter", "shop.toml:21:9", "raise budget.total"],
    );
}

#[test]
fn an_offer_that_no_channel_can_carry_is_shown() {
    refused(
        &good_with("name = \"email\"", "name = \"email\"\noffers = [\"none\"]"),
        &[],
        &["offer", "ten", "shop.toml:"],
    );
}

#[test]
fn a_policy_that_does_not_suit_the_market_is_shown() {
    refused(&good_with("hour = 8", "hour = 9"), &[], &["policy[1].hour", "9", "shop.toml:31:8", "help:"]);
}

#[test]
fn a_scenario_without_fault_is_valid() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("shop.toml"), GOOD).unwrap();
    let (code, output, errors) = mercato(folder.path(), &["validate", "shop.toml"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(output, "shop.toml: valid (100 consumers, 7 ticks, 3 actions, 2 policies, 2 replications)\n");
    let (code, _, errors) = mercato(folder.path(), &["run", "shop.toml", "--policy", "newsleter"]);
    assert_eq!(code, 2);
    assert!(errors.contains("the file has no policy \"newsleter\"") && errors.contains("\"newsletter\"?"), "{errors}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn broken_toml_is_shown_with_its_line() {
    refused(&good_with("[market]", "[market"), &[], &["not TOML", "shop.toml:5:"]);
}

#[test]
fn a_file_that_is_not_there_is_wrong_input() {
    let folder = TempDir::new().unwrap();
    for arguments in [&["run", "nobody.toml"][..], &["validate", "nobody.toml"], &["run", "--resume", "nobody.partial"]]
    {
        let (code, _, errors) = mercato(folder.path(), arguments);
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains("nobody") && errors.contains("help:"), "{errors}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn validate_speaks_json() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("shop.toml"), good_with("margin = 0.45", "margin = 1.2")).unwrap();
    let (code, output, errors) = mercato(folder.path(), &["validate", "--json", "shop.toml", "nobody.toml"]);
    assert_eq!((code, errors.as_str()), (2, ""));
    let document: Value = serde_json::from_str(&output).unwrap();
    let fault = document["files"][0]["errors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|fault| fault["code"] == "out_of_range")
        .unwrap()
        .clone();
    assert_eq!((&fault["line"], &fault["column"]), (&Value::from(9), &Value::from(10)));
    assert_eq!(document["files"][1]["valid"], Value::Bool(false));
    assert_eq!(document["files"][1]["errors"][0]["code"], "unreadable_file");
}

#[test]
fn wrong_arguments_are_wrong_input() {
    let folder = TempDir::new().unwrap();
    for arguments in [
        &["run"][..],
        &["run", "a.toml", "--resume", "b.partial"],
        &["run", "a.toml", "--replications", "0"],
        &["run", "a.toml", "--threads", "0"],
        &["run", "a.toml", "--log-probabilities"],
        &["list", "nothing"],
        &["fly"],
    ] {
        let (code, _, errors) = mercato(folder.path(), arguments);
        assert_eq!(code, 2, "{arguments:?}\n{errors}");
    }
}

#[test]
fn lists_are_readable_by_people_and_programs() {
    let folder = TempDir::new().unwrap();
    let (code, output, _) = mercato(folder.path(), &["list", "rewards"]);
    assert_eq!(code, 0);
    assert!(output.starts_with("tick ") && output.contains("\nwindow "), "{output}");
    let (code, output, _) = mercato(folder.path(), &["list", "--json"]);
    assert_eq!(code, 0);
    let lists: Value = serde_json::from_str(&output).unwrap();
    for list in ["agents", "policies", "channels", "modules", "rewards", "oracles", "scenarios"] {
        for item in lists[list].as_array().unwrap() {
            assert!(item["name"].is_string() && item["summary"].is_string() && item["source"].is_string(), "{item}");
        }
    }
    assert_eq!(lists["rewards"][1]["parameters"][0]["name"], "window_days");
}

#[cfg(unix)]
#[test]
fn a_reader_that_stops_early_is_no_failure() {
    use std::process::{Command as Process, Stdio};
    let mut child = Process::new(assert_cmd::cargo::cargo_bin("mercato"))
        .arg("schema")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(output.status.success());
}

#[test]
fn the_schema_is_json_and_knows_the_sections() {
    let folder = TempDir::new().unwrap();
    for arguments in [&["schema"][..], &["schema", "scenario"]] {
        let (code, output, errors) = mercato(folder.path(), arguments);
        assert_eq!((code, errors.as_str()), (0, ""));
        let schema: Value = serde_json::from_str(&output).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        for section in ["name", "market", "channel", "policy", "guardrail"] {
            assert!(schema["properties"][section].is_object(), "{section}");
        }
        assert_eq!(schema["properties"]["training"]["properties"]["episodes"]["type"], "integer");
    }
}

#[test]
fn new_scenarios_are_valid_and_never_overwrite() {
    let folder = TempDir::new().unwrap();
    for name in ["../x", "a b", ""] {
        let (code, _, errors) = mercato(folder.path(), &["new", name]);
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains("cannot be a name"), "{errors}");
    }
    let (code, _, errors) = mercato(folder.path(), &["new", "mine", "--from", "no-such-scenario"]);
    assert_eq!(code, 2, "{errors}");
    fs::write(folder.path().join("mine.toml"), "mine").unwrap();
    let (code, _, errors) = mercato(folder.path(), &["new", "mine"]);
    assert_eq!(code, 2, "{errors}");
    assert_eq!(fs::read_to_string(folder.path().join("mine.toml")).unwrap(), "mine");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let (_, output, _) = mercato(folder.path(), &["list", "scenarios", "--json"]);
    let lists: Value = serde_json::from_str(&output).unwrap();
    for scenario in lists["scenarios"].as_array().unwrap() {
        let folder = TempDir::new().unwrap();
        let (code, _, errors) =
            mercato(folder.path(), &["new", "copied", "--from", scenario["name"].as_str().unwrap()]);
        assert_eq!(code, 0, "{errors}");
        let (code, output, errors) = mercato(folder.path(), &["validate", "copied.toml"]);
        assert_eq!(code, 0, "{errors}");
        assert!(output.starts_with("copied.toml: valid"), "{output}");
    }
}
