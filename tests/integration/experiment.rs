//! Experiments from the command line: sample sizes, a file of outcomes, and the e-mail test of Kevin Hillstrom as it was.

use assert_cmd::Command;
use mercato::evaluation::experiment::uplift;
use mercato::outcomes::{self, Findings};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn mercato(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("mercato").unwrap().current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn power(arguments: &str) -> Value {
    let arguments: Vec<&str> =
        ["experiment", "power"].into_iter().chain(arguments.split(' ')).chain(["--json"]).collect();
    let (code, printed, _) = mercato(Path::new("."), &arguments);
    assert_eq!(code, 0);
    serde_json::from_str(&printed).unwrap()
}

#[test]
fn sample_sizes_of_the_literature() {
    assert_eq!(power("--baseline-rate 0.005726 --treated-rate 0.012531")["size"]["control_units"], 3_066);
    assert_eq!(power("--baseline-rate 0.02 --treated-rate 0.022")["size"]["treated_units"], 80_682);
    assert_eq!(power("--sd 75 --difference 0.35")["size"]["control_units"], 720_816);
    let least = power("--sd 11.588 --per-arm 21306")["difference"].as_f64().unwrap();
    assert!((least - 0.314_54).abs() < 5e-6, "{least}");
    let back = power("--sd 11.588 --per-arm 21306 --difference 0.31454")["power"].as_f64().unwrap();
    assert!((back - 0.8).abs() < 1e-4, "{back}");
    let with_covariate = power("--sd 75 --difference 0.35 --covariate-correlation 0.6");
    let units = with_covariate["size"]["exact_control_units"].as_f64().unwrap();
    assert!((units / (0.64 * 720_815.5) - 1.0).abs() < 1e-5, "{units}");
    let folder = Path::new(".");
    let (code, text, _) = mercato(folder, &["experiment", "power", "--sd", "1", "--difference", "0.1", "--arms", "3"]);
    assert!(code == 0 && text.contains("each of the 2 comparisons is tested at 0.025"), "{text}");
    for wrong in [
        &["--baseline-rate", "1.5", "--treated-rate", "0.1"][..],
        &["--sd", "1"],
        &["--sd", "1", "--difference", "0"],
        &["--difference", "1"],
        &["--sd", "1", "--difference", "1", "--arms", "3", "--share", "0.6"],
    ] {
        let (code, printed, said) = mercato(folder, &[&["experiment", "power"][..], wrong].concat());
        assert!(code == 2 && printed.is_empty() && !said.is_empty(), "{wrong:?}: {said}");
    }
}

/// The example of the repository.
fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/experiment/newsletter.toml")
}

#[test]
fn the_example_is_analysed_and_its_broken_promise_is_exit_code_three() {
    let folder = TempDir::new().unwrap();
    let file = example().display().to_string();
    let (code, text, said) = mercato(folder.path(), &["experiment", "analyse", &file, "--out", "results"]);
    assert_eq!(code, 3, "{said}");
    for part in ["spend", "weekly", "cuped *", "guardrail broken", "guardrail holds", "split as designed", "Whom does"]
    {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    for (name, part) in [
        ("table.csv", "opt_out,guardrail,daily,welch,true"),
        ("figure.svg", "<svg"),
        ("report.html", "the promise is broken"),
        ("findings.json", "\"sample_ratio\""),
    ] {
        let content = fs::read_to_string(folder.path().join("results").join(name)).unwrap();
        assert!(content.contains(part), "{part:?} is not in {name}");
    }
    let again = ["experiment", "analyse", &file, "--out", "results", "--json"];
    let (code, _, said) = mercato(folder.path(), &again);
    assert!(code == 2 && said.contains("--force"), "{said}");
    let (code, json, _) = mercato(folder.path(), &[&again[..], &["--force"]].concat());
    let document: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &document["guardrails_hold"]), (3, &Value::Bool(false)));
    assert_eq!(json, fs::read_to_string(folder.path().join("results/findings.json")).unwrap());
    let (code, text, _) = mercato(folder.path(), &["validate", &file]);
    assert!(code == 0 && text.contains("valid (1200 units, 3 arms, 3 metrics)"), "{text}");
}

#[test]
fn results_are_replaced_as_a_whole_and_by_results_alone() {
    let folder = TempDir::new().unwrap();
    let file = example().display().to_string();
    let analyse =
        |more: &[&str]| mercato(folder.path(), &[&["experiment", "analyse", &file, "--out", "results"], more].concat());
    assert_eq!(analyse(&[]).0, 3);
    fs::write(folder.path().join("results/left.txt"), "from before").unwrap();
    assert_eq!(analyse(&["--force"]).0, 3);
    let names = |at: &Path| {
        let mut names: Vec<_> = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(folder.path()), ["results"]);
    assert_eq!(names(&folder.path().join("results")), ["figure.svg", "findings.json", "report.html", "table.csv"]);
    // What is no experiment stays, and so does what is read.
    fs::remove_file(folder.path().join("results/findings.json")).unwrap();
    let (code, _, said) = analyse(&["--force"]);
    assert!(code == 2 && said.contains("is not a folder of an experiment"), "{said}");
    fs::create_dir(folder.path().join("own")).unwrap();
    for name in ["newsletter.toml", "newsletter.csv"] {
        fs::copy(example().with_file_name(name), folder.path().join("own").join(name)).unwrap();
    }
    fs::write(folder.path().join("own/findings.json"), "{}").unwrap();
    let own = ["experiment", "analyse", "own/newsletter.toml", "--out", "own", "--force"];
    let (code, _, said) = mercato(folder.path(), &own);
    assert!(code == 2 && said.contains("newsletter.toml, which the experiment reads"), "{said}");
    assert!(folder.path().join("own/newsletter.csv").is_file());
}

#[test]
fn too_few_units_for_a_first_look_have_no_figure_and_are_told() {
    let folder = TempDir::new().unwrap();
    let text = "name = \"d\"\n[data]\npath = \"d.csv\"\narm = \"arm\"\ncontrol = \"A\"\n[[metric]]\nname = \"y\"\n\
                [[analysis]]\nname = \"msprt\"\n[[analysis]]\nname = \"confidence_sequence\"\n";
    fs::write(folder.path().join("d.toml"), text).unwrap();
    let rows: Vec<String> = (0..40).map(|row| format!("{},{}\n", ["A", "B"][row % 2], row % 7)).collect();
    fs::write(folder.path().join("d.csv"), format!("arm,y\n{}", rows.concat())).unwrap();
    let analyse = ["experiment", "analyse", "d.toml", "--out", "out"];
    let (code, text, said) = mercato(folder.path(), &analyse);
    let told = "msprt says nothing yet of \"y\" in \"B\": 40 units of control and arm are fewer than the 500 before its \
                first look (first_units)";
    assert!(code == 0 && text.contains(told) && !text.contains("inf"), "{text}{said}");
    let document = fs::read_to_string(folder.path().join("out/findings.json")).unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    for finding in document["metrics"][0]["findings"].as_array().unwrap() {
        for key in ["p_value", "low", "high"] {
            assert!(finding[key].is_null(), "{key}: {finding}");
        }
        assert!(finding["lack"].as_str().unwrap().contains("fewer than the 500"), "{finding}");
    }
    let page = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(page.contains("without an interval yet") && !page.contains("inf"), "the page has a figure");
}

#[test]
fn arms_and_units_are_texts_as_they_stand() {
    let folder = TempDir::new().unwrap();
    let text = "name = \"d\"\n[data]\npath = \"d.csv\"\nunit = \"id\"\narm = \"arm\"\ncontrol = \"1.1\"\n\
                [[metric]]\nname = \"y\"\n";
    fs::write(folder.path().join("d.toml"), text).unwrap();
    fs::write(folder.path().join("d.csv"), "id,arm,y\n7,1.1,0\n007,1.1,2\n7.0,1.10,3\n07,1.10,5\n").unwrap();
    let (code, json, said) = mercato(folder.path(), &["experiment", "analyse", "d.toml", "--json"]);
    assert_eq!(code, 0, "{said}");
    let document: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&document["arms"][1]["name"], &document["units"]), (&Value::from("1.10"), &Value::from(4)));
    fs::write(folder.path().join("d.csv"), b"id,arm,y\n7,1.1,0\n8,1.1,2\n9,\xff,3\n".as_slice()).unwrap();
    let (code, _, said) = mercato(folder.path(), &["experiment", "analyse", "d.toml"]);
    assert!(code == 2 && said.contains("d.csv, row 3 (line 4): not UTF-8 text"), "{said}");
}

#[test]
fn wrong_outcomes_are_exit_code_two_and_leave_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let text = fs::read_to_string(example()).unwrap();
    fs::write(folder.path().join("newsletter.toml"), text).unwrap();
    let head = "customer,arm,kind,spend_before,spend,visits,orders,opt_out\n";
    fs::write(
        folder.path().join("newsletter.csv"),
        format!("{head}c1,weekly,new,1,x,1,1,0\nc1,hourly,new,1,2,1,1,0\n"),
    )
    .unwrap();
    for command in
        [&["experiment", "analyse", "newsletter.toml", "--out", "results"][..], &["validate", "newsletter.toml"]]
    {
        let (code, printed, said) = mercato(folder.path(), command);
        assert!(code == 2 && printed.is_empty(), "{said}");
        for part in
            ["newsletter.csv has 3 bad values", "row 1 (line 2), column \"spend\": \"x\"", "\"hourly\" is no arm"]
        {
            assert!(said.contains(part), "{part:?} is not in\n{said}");
        }
    }
    assert!(!folder.path().join("results").exists());
    let (code, _, said) = mercato(folder.path(), &["experiment", "analyse", "absent.toml"]);
    assert!(code == 2 && said.contains("there is no such file"), "{said}");
}

#[test]
fn a_guardrail_that_nothing_was_seen_of_is_exit_code_three() {
    let folder = TempDir::new().unwrap();
    let text = "name = \"d\"\n[data]\npath = \"d.csv\"\nunit = \"id\"\narm = \"arm\"\ncontrol = \"A\"\n\
                [[metric]]\nname = \"y\"\nrole = \"guardrail\"\nbetter = \"lower\"\nmargin = 0.001\n";
    fs::write(folder.path().join("d.toml"), text).unwrap();
    fs::write(folder.path().join("d.csv"), "id,arm,y\n1,A,0\n2,A,0\n3,B,0\n4,B,0\n").unwrap();
    let (code, text, said) = mercato(folder.path(), &["experiment", "analyse", "d.toml"]);
    assert!(code == 3 && text.contains("guardrail not shown to hold"), "{text}{said}");
}

/// Arm and spend of six units.
fn parquet_bytes() -> Vec<u8> {
    use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use std::sync::Arc;
    let schema = "message outcomes { required binary arm (UTF8); required double spend; }";
    let schema = Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(WriterProperties::default())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let arms: Vec<ByteArray> = ["a", "b", "a", "b", "a", "b"].map(ByteArray::from).to_vec();
    column.typed::<ByteArrayType>().write_batch(&arms, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<DoubleType>().write_batch(&[1.0, 2.0, 2.0, 4.0, 3.0, 6.0], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn parquet_is_read_and_a_cut_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let text =
        "name = \"p\"\n[data]\npath = \"p.parquet\"\narm = \"arm\"\ncontrol = \"a\"\n[[metric]]\nname = \"spend\"\n";
    fs::write(folder.path().join("p.toml"), text).unwrap();
    let bytes = parquet_bytes();
    fs::write(folder.path().join("p.parquet"), &bytes).unwrap();
    let (code, json, said) = mercato(folder.path(), &["experiment", "analyse", "p.toml", "--json"]);
    assert_eq!(code, 0, "{said}");
    let document: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["metrics"][0]["findings"][0]["effect"], 2.0);
    fs::write(folder.path().join("p.parquet"), &bytes[..bytes.len() / 2]).unwrap();
    let (code, printed, said) = mercato(folder.path(), &["experiment", "analyse", "p.toml", "--json"]);
    assert!(code == 2 && printed.is_empty() && said.contains("is not a Parquet file"), "{said}");
}

#[test]
fn the_schema_and_the_list_know_experiments() {
    let (code, text, _) = mercato(Path::new("."), &["schema", "experiment"]);
    let schema: Value = serde_json::from_str(&text).unwrap();
    assert!(code == 0 && schema["oneOf"][0]["properties"]["metric"].is_object());
    let (code, text, _) = mercato(Path::new("."), &["list", "analyses"]);
    assert!(code == 0 && text.contains("cuped") && text.contains("Deng"), "{text}");
}

/// The folder of the published data; `None` where it is not told.
fn published() -> Option<PathBuf> {
    let folder = std::env::var_os("MERCATO_DATA").map(|folder| Path::new(&folder).join("hillstrom"));
    if folder.is_none() {
        println!("skipped: MERCATO_DATA is not set");
    }
    folder
}

fn hillstrom(folder: &Path) -> Findings {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/experiment/hillstrom.toml");
    let text = fs::read_to_string(file).unwrap();
    let inquiry = outcomes::parse(&text, folder, "hillstrom.toml").map_err(|errors| errors.to_string()).unwrap();
    inquiry.analyse().map_err(|errors| errors.to_string()).unwrap()
}

#[test]
fn the_e_mail_test_of_hillstrom_has_its_published_effects() {
    let Some(folder) = published() else { return };
    let findings = hillstrom(&folder);
    assert_eq!(findings.arms.iter().map(|arm| arm.units).collect::<Vec<_>>(), [21_306, 21_307, 21_387]);
    assert!((findings.sample_ratio.statistic - 0.202_531).abs() < 1e-6 && !findings.sample_ratio.is_alarm);
    assert!(findings.warnings.is_empty(), "{:?}", findings.warnings);
    let text = fs::read_to_string(folder.join("stats.json")).unwrap();
    let published: Value = serde_json::from_str(&text).unwrap();
    for metric in &findings.metrics[..3] {
        for finding in metric.findings.iter().filter(|finding| finding.analysis == "welch") {
            let known = &published["lift"][&finding.arm][&metric.name];
            let (effect, error) = (known["ate"].as_f64().unwrap(), known["se"].as_f64().unwrap());
            assert!((finding.effect - effect).abs() < 1e-12, "{} {}", metric.name, finding.arm);
            // Published with n, here with n - 1 in the variances.
            assert!((finding.standard_error / error - 1.0).abs() < 1e-4, "{} {}", metric.name, finding.arm);
        }
    }
    // Both e-mails bring visits and orders, whatever the analysis.
    assert!(findings.metrics[..2].iter().all(|metric| metric.findings.iter().all(|f| f.p_value.unwrap() < 0.001)));
    let uplift = findings.uplift.unwrap();
    // The women's e-mail moves those who bought women's goods, and nearly nobody else.
    let best = uplift.leaves.first().unwrap();
    assert!(best.segment.contains("womens > 0"), "{}", best.segment);
    assert!(best.effect.as_ref().unwrap().effect > 0.05);
    let rest = uplift.leaves.iter().filter(|leaf| leaf.segment.contains("womens <= 0"));
    assert!(rest.clone().count() > 0 && rest.clone().all(|leaf| leaf.effect.as_ref().unwrap().effect < 0.03));
    // scikit-uplift gets .069 from other scores.
    let qini = uplift.rankings.iter().map(|found| found.ranking.normalised_qini.unwrap());
    assert!(qini.clone().all(|qini| (0.03..0.12).contains(&qini)), "{:?}", qini.collect::<Vec<_>>());
}

#[test]
fn qini_and_uplift_curves_agree_with_scikit_uplift() {
    let Some(folder) = published() else { return };
    let text = fs::read_to_string(folder.join("hillstrom_uplift.json")).unwrap();
    let known: Value = serde_json::from_str(&text).unwrap();
    let bytes = fs::read(folder.join("hillstrom_scores.csv.gz")).unwrap();
    let mut rows = csv::Reader::from_reader(flate2::read::GzDecoder::new(bytes.as_slice()));
    type Task = (Vec<f64>, Vec<bool>, Vec<f64>);
    let mut tasks: std::collections::BTreeMap<String, Task> = Default::default();
    for row in rows.records() {
        let row = row.unwrap();
        let (scores, treated, outcomes) = tasks.entry(row[0].to_owned()).or_default();
        scores.push(row[4].parse().unwrap());
        treated.push(&row[2] == "1");
        outcomes.push(row[3].parse().unwrap());
    }
    assert_eq!(tasks.len(), 4);
    for (task, (scores, treated, outcomes)) in tasks {
        let (arm, outcome) = task.split_once('|').unwrap();
        let known = &known["tasks"][format!("{arm} vs none / {outcome}")];
        assert_eq!(known["n_test"].as_u64().unwrap(), scores.len() as u64);
        let ranking = uplift::rank(&scores, &treated, &outcomes);
        // Scores are published with ten digits: a few ties differ.
        let close = |value: Option<f64>, key: &str| {
            let (value, known) = (value.unwrap(), known[key].as_f64().unwrap());
            assert!((value - known).abs() < 1e-6, "{task} {key}: {value} is not {known}");
        };
        close(ranking.normalised_qini, "qini_auc_score");
        close(ranking.normalised_uplift, "uplift_auc_score");
    }
}
