//! Simulated tests: who is assigned what, what leaks from arm to arm, and the commands as a user meets them.

use assert_cmd::Command;
use mercato::episode::judge_by_period;
use mercato::evaluation::market_seed;
use mercato::evaluation::trial::{Assignment, Measure, Outcome, Protocol};
use mercato::protocol::{Kpi, Policy};
use mercato::random::Seed;
use mercato::scenario::{Overrides, Trial, TrialOverrides, embedded, parse_trial};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn trial(text: &str) -> Trial {
    parse_trial(text, Path::new(""), "test.toml", TrialOverrides::default()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A test of the referral offer among friends.
fn viral(randomise: &str) -> Trial {
    trial(&format!(
        "name = \"t\"\nscenario = \"viral\"\nconsumers = 1_500\nticks = 40\nhistory_days = 0\nmetrics = [\"orders\"]\n\
         [design]\nrandomise = \"{randomise}\"\n[[arm]]\nname = \"none\"\n[[arm]]\nname = \"referral\"\nkind = \"random\"\n"
    ))
}

fn with<T>(trial: &Trial, work: impl FnOnce(&Protocol<'_>) -> T) -> T {
    let lineup = trial.train().unwrap();
    let policies: Vec<&dyn Policy> = lineup.policies();
    work(&trial.protocol(&lineup, &policies))
}

#[test]
fn a_community_has_one_arm() {
    let trial = viral("community");
    with(&trial, |protocol| {
        let assignment = protocol.assignment(3).unwrap();
        let communities = assignment.communities().unwrap();
        let mut arms = [None; 10];
        for (community, arm) in communities.iter().zip(assignment.by_consumer()) {
            assert_eq!(*arms[*community as usize].get_or_insert(*arm), *arm);
        }
        assert!(arms.contains(&Some(0)) && arms.contains(&Some(1)), "{arms:?}");
        // Members stand anywhere among the numbers.
        let mixed = assignment.by_consumer().windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(mixed > 200, "{mixed}");
    });
}

#[test]
fn whoever_is_exposed_has_friends_of_one_arm_and_probabilities_are_shares_of_assignments() {
    let trial = viral("community");
    with(&trial, |protocol| {
        let friendships = protocol.world.friendships(market_seed(protocol.seed, 0)).unwrap();
        assert_eq!(friendships.consumers(), 1_500);
        let assignment = protocol.assignment(0).unwrap();
        let (arms, exposure) = (assignment.by_consumer(), assignment.exposure().unwrap());
        let same =
            |consumer: usize| friendships.of(consumer).iter().all(|friend| arms[*friend as usize] == arms[consumer]);
        let exposed: Vec<usize> = (0..1_500).filter(|consumer| exposure.met[*consumer]).collect();
        assert!(exposed.iter().all(|consumer| same(*consumer)));
        let left_out = (0..1_500).filter(|consumer| same(*consumer) && !exposure.met[*consumer]);
        assert!(left_out.into_iter().all(|consumer| exposure.probabilities[consumer] < 0.05));
        // Over assignments, weights come to the number of consumers who can be exposed, in each arm.
        let market = market_seed(protocol.seed, 0);
        let weights = |number: u32| {
            let seed = Seed::new(99).derive(1, number);
            let drawn = Assignment::draw(protocol.randomised, &[0.5, 0.5], protocol.world, protocol.span, seed, market);
            let drawn = drawn.unwrap().with_exposure(trial.exposed, &[0.5, 0.5], protocol.world, market);
            let exposure = drawn.exposure().unwrap();
            let own = (0..1_500).filter(|consumer| exposure.met[*consumer] && drawn.by_consumer()[*consumer] == 1);
            own.map(|consumer| 1.0 / exposure.probabilities[consumer]).sum::<f64>()
        };
        let told: Vec<f64> = (0..200).map(weights).collect();
        let able = exposure.probabilities.iter().filter(|probability| **probability >= 0.05).count() as f64;
        let estimate = mercato::statistics::estimate(&told);
        assert!(able > 1_000.0 && (estimate.mean - able).abs() < 4.0 * estimate.standard_error, "{able} {estimate:?}");
    });
    // Nobody asks, nobody counts.
    with(&viral("period"), |protocol| assert!(protocol.assignment(0).unwrap().exposure().is_none()));
}

#[test]
fn what_friends_hear_leaks_into_the_control_and_nowhere_else() {
    // The same consumers with the same luck: in the control of a test, and in a market where nobody is contacted.
    let leak = |trial: &Trial| {
        with(trial, |protocol| {
            let assignment = protocol.assignment(0).unwrap();
            let nobody = Assignment::everyone(0);
            let lived = protocol.live(0, &[&assignment, &nobody]).unwrap();
            let orders = Outcome::of(Measure::Orders);
            let rows = |index: usize| protocol.rows(&lived[index], &assignment, &orders).unwrap();
            let (test, none) = (rows(0), rows(1));
            let control = |row: &usize| test.arms[*row] == 0;
            (0..test.arms.len()).filter(control).map(|row| test.outcomes[row] - none.outcomes[row]).sum::<f64>()
        })
    };
    assert!(leak(&viral("consumer")) > 0.0);
    assert!(leak(&viral("community")) < leak(&viral("consumer")));
    let alone = trial(
        "name = \"t\"\nscenario = \"hello-market\"\nconsumers = 1_500\nticks = 12\nhistory_days = 0\n\
         [[arm]]\nname = \"none\"\n[[arm]]\nname = \"always\"\n",
    );
    assert_eq!(leak(&alone), 0.0);
}

#[test]
fn counts_by_consumer_sum_to_those_of_the_market() {
    for name in ["hello-market", "consent-safety", "hillstrom"] {
        let text = format!(
            "name = \"t\"\nscenario = {name:?}\nconsumers = 1_500\n[[arm]]\nname = \"a\"\nkind = \"random\"\n[[arm]]\nname = \"b\"\nkind = \"holdout\"\n"
        );
        let trial = trial(&text);
        let (world, random) = (&trial.scenario.world, mercato::agent::uniform::Uniform);
        let mut market = world.open(Seed::new(3));
        let horizon = world.spec().horizon;
        let record = judge_by_period(market.as_mut(), &random, Seed::new(1), &[horizon]).unwrap();
        let period = &record.by_period.as_ref().unwrap()[0];
        let sum = |counts: &Option<Vec<u32>>| {
            counts.as_ref().map(|counts| counts.iter().map(|count| i64::from(*count)).sum())
        };
        assert_eq!(period.profit_micros.iter().sum::<i64>(), record.total(Kpi::Profit), "{name}");
        if world.spec().kpis.contains(&Kpi::Orders) {
            assert_eq!(sum(&period.orders), Some(record.total(Kpi::Orders)), "{name}");
            assert!(record.total(Kpi::Orders) > 0, "{name}");
        }
        if world.spec().kpis.contains(&Kpi::OptOuts) {
            assert_eq!(sum(&period.opt_outs), Some(record.total(Kpi::OptOuts)), "{name}");
            assert!(record.total(Kpi::OptOuts) > 0, "{name}");
        }
    }
}

fn mercato(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("mercato").unwrap().current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const GOOD: &str = r#"kind = "simulated"
name = "small"
scenario = "hello-market"
consumers = 300
ticks = 14
history_days = 8
truth_markets = 2
[design]
pre_days = 3
business_as_usual = "newsletter"
[lab]
tests = 6
truths = 3
[[arm]]
name = "usual"
kind = "business_as_usual"
[[arm]]
name = "often"
policy = "always"
[[guardrail]]
metric = "opt_outs"
margin = 0.5
"#;

#[test]
fn every_fault_of_a_file_is_told_at_once_and_nothing_is_left() {
    let bad = GOOD
        .replace("policy = \"always\"\n", "policy = \"alwys\"\nshare = 0.4\n")
        .replace("kind = \"business_as_usual\"\n", "kind = \"business_as_usual\"\nshare = 0.4\n")
        .replace("pre_days = 3", "pre_days = 3\nrandomise = \"community\"\ncovariate = \"shoe_size\"")
        + "[[arm]]\nname = \"third\"\nkind = \"placebo\"\n[[analysis]]\nkind = \"peeking\"\nlooks = -3\n[[analysis]]\nkind = \"wlech\"\n";
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("bad.toml"), bad).unwrap();
    for command in ["run", "lab"] {
        let (code, output, errors) = mercato(folder.path(), &["experiment", command, "bad.toml"]);
        assert_eq!((code, output.as_str()), (2, ""), "{errors}");
        for words in [
            "the shares sum to 0.8",
            "the scenario has no policy \"alwys\"",
            "did you mean \"always\"?",
            "\"placebo\" is none of the choices",
            "has no graph",
            "no feature \"shoe_size\"",
            "-3 is not a whole number from 1 to",
            "there is no analysis \"wlech\"",
            "did you mean \"welch\"?",
        ] {
            assert!(errors.contains(words), "{words:?} is not in\n{errors}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let folder = TempDir::new().unwrap();
    for (from, to, words) in [
        ("pre_days = 3", "pre_days = 14", "nothing is left of the 14 ticks"),
        ("pre_days = 3", "randomise = \"period\"", "the test has room for 2 periods"),
        ("pre_days = 3", "randomise = \"period\"\nperiod_days = 2\nwashout_days = 2", "nothing is left of a period"),
        ("pre_days = 3", "washout_days = 1", "only a switchback has periods"),
        ("business_as_usual = \"newsletter\"\n", "", "does not say what business as usual is"),
        ("scenario = \"hello-market\"", "scenario = \"hallo-market\"", "cannot be read"),
        (
            "scenario = \"hello-market\"",
            "scenario = \"hello-market\"\nmetrics = [\"clicks\"]",
            "\"clicks\" is not counted",
        ),
        (
            "[[guardrail]]",
            "[[analysis]]\nkind = \"clustered\"\n[[guardrail]]",
            "\"clustered\" reads what this test does not",
        ),
        (
            "[[guardrail]]",
            "[[analysis]]\nkind = \"exposure\"\n[[guardrail]]",
            "it needs friendships, which only [modules.word_of_mouth] has",
        ),
        ("truths = 3", "truths = 0", "without a truth"),
        ("[[guardrail]]", "[[analysis]]\nkind = \"ratio\"\n[[guardrail]]", "\"ratio\" reads none of the metrics"),
    ] {
        let bad = GOOD.replacen(from, to, 1);
        assert_ne!(bad, GOOD, "{from}");
        fs::write(folder.path().join("bad.toml"), bad).unwrap();
        let (code, _, errors) = mercato(folder.path(), &["experiment", "lab", "bad.toml", "--tests", "2"]);
        assert!(code == 2 && errors.contains(words), "{words:?} is not in\n{errors}");
    }
}

#[test]
fn results_have_the_same_bytes_on_any_number_of_threads() {
    let folder = TempDir::new().unwrap();
    // Three hundred consumers hardly opt out, and show no promise about it; everybody gets messages.
    let kept = GOOD.replace("metric = \"opt_outs\"\nmargin = 0.5", "metric = \"messages\"\nmargin = 20");
    fs::write(folder.path().join("good.toml"), kept).unwrap();
    let mut first: Vec<String> = Vec::new();
    for threads in ["1", "2", "7"] {
        let mut files = Vec::new();
        for command in ["run", "lab"] {
            let out = format!("{command}-{threads}");
            let arguments = ["experiment", command, "good.toml", "--out", &out, "--threads", threads, "--quiet"];
            let (code, output, errors) = mercato(folder.path(), &arguments);
            assert_eq!((code, output.as_str(), errors.as_str()), (0, "", ""));
            for name in ["experiment.json", "lab.json", "table.csv", "figure.svg", "report.html"] {
                files.extend(fs::read_to_string(folder.path().join(&out).join(name)));
            }
            assert!(folder.path().join(&out).join("manifest.json").is_file());
        }
        assert_eq!(files.len(), 8);
        if first.is_empty() {
            first = files;
        } else {
            assert_eq!(first, files);
        }
    }
    // A folder of results is replaced only when asked for.
    let again = ["experiment", "run", "good.toml", "--out", "run-1"];
    assert_eq!(mercato(folder.path(), &again).0, 2);
    assert_eq!(mercato(folder.path(), &[&again[..], &["--force", "--quiet"]].concat()).0, 0);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains(".partial")), "{left:?}");
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("mine/manifest.json"), "{}").unwrap();
    let (code, _, errors) = mercato(folder.path(), &["experiment", "run", "good.toml", "--out", "mine", "--force"]);
    assert!(code == 2 && errors.contains("is not a folder of an experiment"), "{errors}");
    assert!(folder.path().join("mine/manifest.json").is_file());
}

#[test]
fn what_cannot_be_had_names_the_arm_and_what_a_file_changes_is_told_there() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        fs::write(folder.path().join(name), GOOD.replacen(from, to, 1)).unwrap();
    };
    file("few.toml", "truth_markets = 2", "truth_markets = 1\n[[analysis]]\nkind = \"msprt\"\nfirst_units = 9_999");
    let (code, output, errors) = mercato(folder.path(), &["experiment", "run", "few.toml", "--out", "few"]);
    assert!(output.contains("in often cannot be had yet: 300 units"), "{code} {output}{errors}");
    file("tiny.toml", "consumers = 300", "consumers = 3");
    let (_, output, errors) = mercato(folder.path(), &["experiment", "run", "tiny.toml", "--out", "tiny"]);
    assert!(output.contains("cannot be had: arm \"") && !output.contains("arm 0 "), "{output}{errors}");
    file("wrong.toml", "consumers = 300", "consumers = -3");
    let (code, _, errors) = mercato(folder.path(), &["experiment", "run", "wrong.toml"]);
    assert!(code == 2 && !errors.contains("mercato validate hello-market"), "{errors}");
}

#[test]
fn a_broken_guardrail_is_exit_code_3() {
    let folder = TempDir::new().unwrap();
    let text = GOOD.replace("metric = \"opt_outs\"\nmargin = 0.5", "metric = \"messages\"\nmargin = 0.5");
    fs::write(folder.path().join("strict.toml"), text).unwrap();
    let (code, output, _) = mercato(folder.path(), &["experiment", "run", "strict.toml", "--json", "--quiet"]);
    let document: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((code, &document["guardrails"][0]["promise"]), (3, &Value::from("broken")));
    assert_eq!(document["arms"][1]["name"], "often");
    assert!(document["truths"][0]["standard_error"].is_number());
}

#[test]
fn a_guardrail_on_what_hardly_happens_is_not_shown_to_hold() {
    let folder = TempDir::new().unwrap();
    let strict = GOOD.replace("metric = \"opt_outs\"\nmargin = 0.5", "metric = \"opt_outs\"\nmargin = 0.0005");
    fs::write(folder.path().join("rare.toml"), strict).unwrap();
    let (code, output, _) = mercato(folder.path(), &["experiment", "run", "rare.toml"]);
    assert!(code == 3 && output.contains("not shown to hold"), "{output}");
}

#[test]
fn each_command_names_the_one_that_a_file_is_for() {
    let folder = TempDir::new().unwrap();
    let outcomes = "name = \"o\"\n[data]\npath = \"o.csv\"\narm = \"arm\"\ncontrol = \"a\"\n[[metric]]\nname = \"y\"\n";
    fs::write(folder.path().join("outcomes.toml"), outcomes).unwrap();
    fs::write(folder.path().join("simulated.toml"), GOOD).unwrap();
    for (command, file, right) in [
        ("run", "outcomes.toml", "mercato experiment analyse"),
        ("lab", "outcomes.toml", "mercato experiment analyse"),
        ("analyse", "simulated.toml", "mercato experiment run"),
    ] {
        let (code, output, errors) = mercato(folder.path(), &["experiment", command, file]);
        assert_eq!((code, output.as_str()), (2, ""), "{errors}");
        assert!(errors.contains(right) && errors.contains(": 1 fault\n"), "{errors}");
    }
}

#[test]
fn a_scenario_is_a_test_of_its_first_two_policies() {
    let folder = TempDir::new().unwrap();
    let text = embedded("hello-market").unwrap().text.replace("consumers = 1_000", "consumers = 200");
    fs::write(folder.path().join("mine.toml"), text).unwrap();
    for file in ["mine.toml", "exact-24"] {
        let arguments = ["experiment", "lab", file, "--tests", "3", "--json", "--quiet"];
        let (code, output, errors) = mercato(folder.path(), &arguments);
        assert_eq!(code, 0, "{errors}");
        let document: Value = serde_json::from_str(&output).unwrap();
        let verdicts = document["verdicts"].as_array().unwrap();
        let own = embedded(file.trim_end_matches(".toml")).map_or("newsletter".to_owned(), |scenario| {
            scenario.experiment(&Overrides::default()).unwrap().contestants[1].name.clone()
        });
        assert!(verdicts.len() >= 4 && verdicts.iter().all(|verdict| verdict["arm"] == own.as_str()), "{verdicts:?}");
    }
}

#[test]
fn the_shipped_files_are_without_fault() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if let Ok(text) = fs::read_to_string(&path)
            && mercato::scenario::is_trial(&text)
        {
            count += 1;
            if let Err(errors) = mercato::scenario::load_trial(&path, TrialOverrides::default()) {
                panic!("{errors}");
            }
        }
    }
    assert!(count >= 4, "{count}");
}
