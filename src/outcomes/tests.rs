use super::*;
use crate::scenario::ScenarioErrors;
use std::fs;
use tempfile::TempDir;

const FILE: &str = r#"
name = "test"
[data]
path = "outcomes.csv"
unit = "id"
arm = "arm"
control = "a"
[[metric]]
name = "spend"
"#;

fn folder(csv: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("outcomes.csv"), csv).unwrap();
    folder
}

fn read(text: &str, csv: &str) -> Result<Inquiry, ScenarioErrors> {
    parse(text, folder(csv).path(), "test.toml")
}

fn told(text: &str, csv: &str) -> String {
    match read(text, csv) {
        Err(errors) => errors.to_string(),
        Ok(inquiry) => inquiry.analyse().unwrap_err().to_string(),
    }
}

const GOOD: &str = "id,arm,spend,before\n1,a,1,1\n2,b,2,3\n3,a,3,2\n4,b,6,5\n5,a,2,2\n";

#[test]
fn a_file_of_outcomes_is_analysed() {
    let findings = read(FILE, GOOD).unwrap().analyse().unwrap();
    assert_eq!(findings.units, 5);
    assert_eq!(
        findings.arms.iter().map(|arm| (arm.name.as_str(), arm.units)).collect::<Vec<_>>(),
        [("a", 3), ("b", 2)]
    );
    let finding = &findings.metrics[0].findings[0];
    assert_eq!((finding.analysis.as_str(), finding.decides, finding.arm.as_str()), ("welch", true, "b"));
    assert!((finding.effect - 2.0).abs() < 1e-12 && finding.control == 2.0 && finding.relative_effect == Some(1.0));
    assert_eq!(finding.adjusted_p_value, finding.p_value);
    assert_eq!(finding.verdict, Some(Verdict::Open));
    assert!(findings.guardrails_hold);
}

#[test]
fn what_the_columns_allow_is_analysed_without_being_asked() {
    let text = format!("{FILE}covariate = \"before\"\n");
    let findings = read(&text, GOOD).unwrap().analyse().unwrap();
    let names: Vec<(&str, bool)> =
        findings.metrics[0].findings.iter().map(|finding| (finding.analysis.as_str(), finding.decides)).collect();
    assert_eq!(names, [("cuped", true), ("welch", false)]);
    // The control is named, not the first in the file, and its level is the second arm's here.
    let findings = read(&FILE.replace("control = \"a\"", "control = \"b\""), GOOD).unwrap().analyse().unwrap();
    assert!((findings.metrics[0].findings[0].effect + 2.0).abs() < 1e-12);
}

#[test]
fn rows_that_are_wrong_are_told_all_at_once_with_their_place() {
    let csv = "id,arm,spend,before\n1,a,NaN,1\n2,c,2,3\n2,b,many,2\n4,b,,5\n5,a\n6,,1,1\n7,a,inf,1\n";
    let text = FILE.replace("control = \"a\"", "control = \"a\"\nshares = { a = 1, b = 1 }");
    let told = told(&text, csv);
    for part in [
        "outcomes.csv has 8 bad values",
        "row 1 (line 2), column \"spend\": \"NaN\" is not a finite number",
        "row 2 (line 3), column \"arm\": \"c\" is no arm of data.shares: a, b",
        "row 3 (line 4), column \"spend\": \"many\" is not a finite number",
        "row 3 (line 4), column \"id\": \"2\" stands in row 2 (line 3) already",
        "row 4 (line 5), column \"spend\": \"\" is missing",
        "row 5 (line 6): 2 fields under 4 columns",
        "row 6 (line 7), column \"arm\": \"\" is missing",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    assert!(told.contains("test.toml:4:8") && told.contains("help: "), "{told}");
}

#[test]
fn the_first_twenty_bad_rows_are_shown_and_the_rest_counted() {
    let rows: String = (0..30).map(|row| format!("{row},a,x,1\n")).collect();
    let told = told(FILE, &format!("id,arm,spend,before\n{rows}"));
    assert!(told.contains("30 bad values") && told.contains("row 20 (") && !told.contains("row 21 ("), "{told}");
    assert!(told.contains("… and 10 more"), "{told}");
}

#[test]
fn outcomes_that_cannot_be_compared_are_refused() {
    let head = "id,arm,spend,before\n";
    assert!(told(FILE, head).contains("has a header but no rows"));
    assert!(told(FILE, "").contains("is empty"));
    assert!(told(FILE, &format!("{head}1,a,1,1\n2,a,2,1\n")).contains("has one arm, \"a\""));
    let absent = told(FILE, &format!("{head}1,b,1,1\n2,c,2,1\n"));
    assert!(absent.contains("no row of outcomes.csv has \"a\" in column \"arm\""), "{absent}");
    assert!(told(FILE, &format!("{head}1,a,1,1\n2,a,2,1\n3,b,1,1\n")).contains("1 rows of \"b\", 2 are needed"));
    let constant =
        told(&format!("{FILE}covariate = \"before\"\n"), &format!("{head}1,a,1,7\n2,a,2,7\n3,b,1,7\n4,b,3,7\n"));
    assert!(constant.contains("metric \"spend\" by \"cuped\": the covariate does not vary"), "{constant}");
    let zero = FILE.replace("name = \"spend\"", "name = \"spend\"\ndenominator = \"before\"");
    let told = told(&zero, &format!("{head}1,a,1,0\n2,a,2,0\n3,b,1,1\n4,b,3,2\n"));
    assert!(told.contains("the denominators of arm \"a\" sum to 0"), "{told}");
}

#[test]
fn mistakes_of_the_file_are_told_all_at_once() {
    let text = r#"
name = "test"
alpha = 2
multiplicity = "holms"
[data]
path = "outcomes.csv"
arm = "arn"
control = "a"
[[metric]]
name = "spent"
role = "guardrail"
[[metric]]
name = "before"
margin = 0.1
[[analysis]]
name = "wech"
[[analysis]]
name = "winsorised"
quantle = 0.9
"#;
    let errors = read(text, GOOD).unwrap_err().to_string();
    for part in [
        "alpha: 2 is not",
        "did you mean \"holm\"?",
        "metric[0].margin: a guardrail takes a margin",
        "metric[1].margin: only a guardrail takes a margin",
        "there is no analysis \"wech\"",
        "did you mean \"welch\"?",
        "analysis[1].quantle: there is no such key",
        "did you mean \"quantile\"?",
    ] {
        assert!(errors.contains(part), "{part:?} is not in\n{errors}");
    }
    let columns = read(&FILE.replace("arm = \"arm\"", "arm = \"arn\"").replace("\"spend\"", "\"spent\""), GOOD);
    let errors = columns.unwrap_err().to_string();
    assert!(
        errors.contains("data.arm: outcomes.csv has no column \"arn\"") && errors.contains("did you mean \"arm\"?")
    );
    assert!(errors.contains("metric[0].name: outcomes.csv has no column \"spent\""), "{errors}");
    let lacking = read(&format!("{FILE}[[analysis]]\nname = \"cuped\"\n[[analysis]]\nname = \"welch\"\n"), GOOD);
    let errors = lacking.unwrap_err().to_string();
    assert!(errors.contains("analysis \"cuped\" can be made of no metric") && errors.contains("add `covariate"));
    let missing = parse("name = \"x\"\n", std::path::Path::new(""), "x.toml").unwrap_err().to_string();
    assert!(missing.contains("data is missing") && missing.contains("metric: there is none"), "{missing}");
    assert!(parse("name = ", std::path::Path::new(""), "x.toml").unwrap_err().to_string().contains("not TOML"));
}

#[test]
fn guardrails_are_judged_by_their_margin() {
    let rows = |shift: f64| -> String {
        (0..40)
            .map(|row| format!("{row},{},{}\n", ["a", "b"][row % 2], (row / 2 % 5) as f64 + shift * (row % 2) as f64))
            .collect()
    };
    let judged = |shift: f64, margin: f64| {
        let role = format!("{FILE}role = \"guardrail\"\nbetter = \"lower\"\nmargin = {margin}\n");
        let findings = read(&role, &format!("id,arm,spend\n{}", rows(shift))).unwrap().analyse().unwrap();
        (findings.metrics[0].findings[0].verdict.unwrap(), findings.guardrails_hold)
    };
    // The interval of the difference is about shift ± .93.
    assert_eq!(judged(0.0, 1.5), (Verdict::Held, true));
    assert_eq!(judged(0.0, 0.5), (Verdict::Unproven, false));
    assert_eq!(judged(3.0, 0.5), (Verdict::Broken, false));
    assert_eq!(judged(-3.0, 0.0), (Verdict::Held, true));
}

#[test]
fn a_guardrail_of_which_too_little_was_seen_is_not_shown_to_hold() {
    let role = format!("{FILE}role = \"guardrail\"\nbetter = \"lower\"\nmargin = 0.5\n");
    let judged = |units: usize, outcome: &dyn Fn(usize) -> f64| {
        let row = |row: usize| format!("{row},{},{}\n", ["a", "b"][row % 2], outcome(row / 2));
        let csv = (0..2 * units).map(row).collect::<String>();
        let findings = read(&role, &format!("id,arm,spend\n{csv}")).unwrap().analyse().unwrap();
        let verdict = findings.metrics[0].findings[0].verdict.unwrap();
        assert_eq!(findings.guardrails_hold, verdict == Verdict::Held);
        (verdict, findings.warnings.join("\n"))
    };
    let (verdict, told) = judged(2, &|_| 0.0);
    assert!(verdict == Verdict::Unproven && told.contains("happened 0 times in an arm"), "{told}");
    let (verdict, told) = judged(40, &|_| 1.0);
    assert!(verdict == Verdict::Unproven && told.contains("does not vary"), "{told}");
    let every_other = |row: usize| (row % 2) as f64;
    let (verdict, told) = judged(18, &every_other);
    assert!(verdict == Verdict::Unproven && told.contains("was read on 18 units of an arm"), "{told}");
    assert_eq!(judged(40, &every_other), (Verdict::Held, String::new()));
    let first = |events: usize| move |row: usize| f64::from(u8::from(row < events));
    assert_eq!(judged(400, &first(19)).0, Verdict::Held);
    assert_eq!(judged(25, &first(0)).0, Verdict::Held);
    assert_eq!(judged(19, &first(0)).0, Verdict::Unproven);
    assert_eq!(judged(400, &first(20)), (Verdict::Held, String::new()));
}

#[test]
fn a_bad_split_and_rare_events_are_told() {
    let rows: String =
        (0..400).map(|row| format!("{row},{},{}\n", if row < 100 { "a" } else { "b" }, row % 50 / 49)).collect();
    let findings = read(FILE, &format!("id,arm,spend\n{rows}")).unwrap().analyse().unwrap();
    assert!(findings.sample_ratio.is_alarm);
    assert!(findings.warnings[0].contains("the split is not as designed"), "{:?}", findings.warnings);
    assert!(findings.warnings[1].contains("\"spend\" happened 2 times in an arm"), "{:?}", findings.warnings);
    let text = FILE.replace("control = \"a\"", "control = \"a\"\nshares = { a = 1, b = 3 }");
    assert!(!read(&text, &format!("id,arm,spend\n{rows}")).unwrap().analyse().unwrap().sample_ratio.is_alarm);
}

#[test]
fn what_is_wrong_on_purpose_is_called_so() {
    let text = format!("{FILE}[[analysis]]\nname = \"welch\"\n[[analysis]]\nname = \"peeking\"\nlooks = 2\n");
    let findings = read(&text, GOOD).unwrap().analyse().unwrap();
    assert!(findings.warnings.iter().any(|warning| warning.contains("wrong on purpose")), "{:?}", findings.warnings);
    assert!(findings.warnings.iter().any(|warning| warning.contains("no column gives the time")));
    // Too few units for halves with two of each arm: said, not guessed.
    let halves = format!("{FILE}[uplift]\nsegments = [\"before\"]\n");
    let findings =
        read(&halves, "id,arm,spend,before\n1,a,1,1\n2,b,2,3\n3,a,3,2\n4,b,6,5\n").unwrap().analyse().unwrap();
    assert!(findings.uplift.is_none() && findings.warnings.iter().any(|warning| warning.contains("too few units")));
}

#[test]
fn rows_are_ordered_by_time_and_clusters_decide() {
    let csv = "id,arm,spend,day,home\n1,b,4,2026-01-10,x\n2,a,1,2026-01-02,y\n3,b,6,2026-01-02,z\n4,a,3,2025-12-30,w\n";
    let text = FILE.replace("arm = \"arm\"", "arm = \"arm\"\ntime = \"day\"\ncluster = \"home\"");
    let inquiry = read(&text, csv).unwrap();
    assert_eq!(inquiry.columns.numbers[0], [3.0, 1.0, 6.0, 4.0]);
    assert_eq!(inquiry.columns.periods.as_deref(), Some(&[0, 1, 1, 2][..]));
    let findings = inquiry.analyse().unwrap();
    assert_eq!(findings.metrics[0].findings[0].analysis, "clustered");
    // Numbers are ordered as numbers: 9 before 10.
    let csv = "id,arm,spend,day\n1,b,4,10\n2,a,1,9\n3,b,6,9\n4,a,3,10\n";
    let text = FILE.replace("arm = \"arm\"", "arm = \"arm\"\ntime = \"day\"");
    assert_eq!(read(&text, csv).unwrap().columns.numbers[0], [1.0, 6.0, 4.0, 3.0]);
}

#[test]
fn times_are_numbers_or_dates_of_the_calendar() {
    let text = FILE.replace("arm = \"arm\"", "arm = \"arm\"\ntime = \"day\"");
    let csv = |days: [&str; 4]| {
        let [first, second, third, fourth] = days;
        format!("id,arm,spend,day\n1,b,4,{first}\n2,a,1,{second}\n3,b,6,{third}\n4,a,3,{fourth}\n")
    };
    let odd = told(&text, &csv(["2026-01-10", "Monday", "2026-02-29", "7"]));
    for part in [
        "row 2 (line 3), column \"day\": \"Monday\" is neither a number nor a date",
        "row 3 (line 4), column \"day\": \"2026-02-29\" is neither a number nor a date",
        "row 4 (line 5), column \"day\": \"7\" is no date where the first is one",
    ] {
        assert!(odd.contains(part), "{part:?} is not in\n{odd}");
    }
    let mixed = told(&text, &csv(["9", "10", "2026-01-10", "1/2/2026"]));
    assert!(mixed.contains("\"2026-01-10\" is a date where the first is a number"), "{mixed}");
    assert!(mixed.contains("\"1/2/2026\" is neither"), "{mixed}");
    assert!(read(&text, &csv(["2024-02-29", "2023-12-31", "2024-03-01", "2024-02-29"])).is_ok());
    assert!(read(&text, &csv(["-1.5", "10", "9", "1e3"])).is_ok());
}

#[test]
fn a_column_that_is_two_things_is_told_with_both_keys_and_with_the_rest() {
    let text = r#"
name = "test"
alpha = 2
[data]
path = "outcomes.csv"
arm = "arm"
control = "a"
time = "arm"
[[metric]]
name = "spend"
covariate = "spend"
[[metric]]
name = "money"
outcome = "spend"
denominator = "spend"
[uplift]
segments = ["before", "arm", "spend"]
"#;
    let told = told(text, GOOD);
    for part in [
        "alpha: 2 is not",
        "data.time: the column \"arm\" is data.arm already",
        "metric[0].covariate: the column \"spend\" is metric[0].name already",
        "metric[1].denominator: the column \"spend\" is metric[1].outcome already",
        "uplift.segments: the column \"arm\" is data.arm already",
        "uplift.segments: the column \"spend\" is metric[0].name already",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    // Two metrics may share an outcome, and a covariate may make segments.
    let shared = format!(
        "{FILE}covariate = \"before\"\n[[metric]]\nname = \"money\"\noutcome = \"spend\"\n\
         [uplift]\nsegments = [\"before\"]\n"
    );
    assert!(read(&shared, GOOD).is_ok());
}

#[test]
fn clusters_are_missed_only_by_the_analyses_that_ignore_them() {
    let csv = "id,arm,spend,visits,home,met,chance\n1,a,1,1,x,1,0.5\n2,a,3,2,x,1,0.5\n3,a,2,1,y,1,0.5\n\
               4,b,4,2,z,1,0.5\n5,b,6,2,u,1,0.5\n6,b,8,1,v,1,0.5\n";
    let text = FILE.replace("arm = \"arm\"", "arm = \"arm\"\ncluster = \"home\"");
    let warned = |text: &str| {
        let findings = read(text, csv).unwrap().analyse().unwrap();
        findings.warnings.into_iter().find(|warning| warning.contains("clusters"))
    };
    assert_eq!(warned(&text), None);
    assert_eq!(warned(&text.replace("name = \"spend\"", "name = \"spend\"\ndenominator = \"visits\"")), None);
    let met = "cluster = \"home\"\nexposure = \"met\"\nexposure_probability = \"chance\"";
    assert_eq!(warned(&text.replace("cluster = \"home\"", met)), None);
    let asked = format!("{text}[[analysis]]\nname = \"clustered\"\n[[analysis]]\nname = \"plain\"\nkind = \"welch\"\n");
    let told = warned(&asked).unwrap();
    assert!(told.contains("plain") && !told.contains("clustered"), "{told}");
}

#[test]
fn whom_it_helps_is_measured_on_the_other_half() {
    // The effect is 3 for old customers, 0 for new ones.
    let mut csv = "id,arm,spend,kind,age\n".to_owned();
    for row in 0..2_000_u32 {
        let noise = f64::from(row.wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
        let (is_treated, is_old) = (row % 2 == 1, row / 2 % 2 == 1);
        let spend = noise + if is_treated && is_old { 3.0 } else { 0.0 };
        let (arm, kind) = (["a", "b"][(row % 2) as usize], if is_old { "old" } else { "new" });
        csv += &format!("{row},{arm},{spend},{kind},{}\n", row / 4 % 60);
    }
    let text = format!("{FILE}[uplift]\nsegments = [\"age\", \"kind\"]\ndepth = 1\nleast_units = 50\n");
    let findings = read(&text, &csv).unwrap().analyse().unwrap();
    let uplift = findings.uplift.unwrap();
    assert_eq!(uplift.units[0] + uplift.units[1], 2_000);
    // Words are split into the first that gains and the rest: "new" comes before "old".
    assert_eq!(uplift.leaves.len(), 2);
    assert_eq!(uplift.leaves[0].segment, "kind is not \"new\"");
    let effects: Vec<f64> = uplift.leaves.iter().map(|leaf| leaf.effect.as_ref().unwrap().effect).collect();
    // Noise has a standard deviation of .29, over some 250 units an arm: standard errors of .026.
    assert!((effects[0] - 3.0).abs() < 0.11 && effects[1].abs() < 0.11, "{effects:?}");
    for found in &uplift.rankings {
        assert!(found.ranking.uplift_at[1] > 2.8, "{found:?}");
        assert!(found.ranking.normalised_qini.unwrap() > 0.1, "{found:?}");
    }
}

#[test]
fn a_simulated_test_is_not_analysed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.toml");
    fs::write(&file, "name = \"t\"\nscenario = \"viral\"\n[[arm]]\nname = \"a\"\n").unwrap();
    let errors = load(&file).unwrap_err();
    assert!(errors.errors.len() == 1 && errors.to_string().contains("mercato experiment run"), "{errors}");
}

#[test]
fn experiment_files_are_told_from_scenarios() {
    assert!(is_inquiry(FILE) && is_inquiry("[[metric]]\nname = 1"));
    assert!(!is_inquiry("name = \"x\"\n[market]\nkind = \"market\"") && !is_inquiry(""));
}

#[test]
fn the_schema_knows_every_key_and_analysis() {
    let whole = schema::experiment();
    let (schema, simulated) = (&whole["oneOf"][0], &whole["oneOf"][1]);
    for key in ["name", "alpha", "data", "metric", "analysis", "uplift"] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
    for key in ["name", "scenario", "metrics", "design", "lab", "arm", "analysis", "guardrail"] {
        assert!(simulated["properties"][key].is_object(), "{key}");
    }
    for kind in [schema, simulated] {
        let kinds = kind["properties"]["analysis"]["items"]["oneOf"].as_array().unwrap();
        assert_eq!(kinds.len(), crate::evaluation::experiment::ANALYSES.len());
    }
    assert_eq!(schema["properties"]["data"]["required"], serde_json::json!(["path", "arm", "control"]));
}

#[test]
fn exposures_of_a_file_are_weighted_and_those_that_cannot_be_are_told() {
    let text = FILE.replace(
        "arm = \"arm\"",
        "arm = \"arm\"\ncluster = \"home\"\nexposure = \"met\"\nexposure_probability = \"chance\"",
    );
    let csv = "id,arm,spend,home,met,chance\n1,a,1,x,1,0.5\n2,a,3,x,1,0.25\n3,a,2,y,1,0.5\n4,a,100,y,0,0\n\
               5,b,4,z,1,0.5\n6,b,6,u,1,0.5\n7,b,8,v,true,0.5\n8,b,-100,v,false,0.5\n";
    let findings = read(&text, csv).unwrap().analyse().unwrap();
    let finding = &findings.metrics[0].findings[0];
    assert_eq!((finding.analysis.as_str(), finding.decides, finding.units), ("exposure", true, [3, 3]));
    assert_eq!((finding.control, finding.effect), (2.25, 3.75));
    assert_eq!(findings.metrics[0].findings[1].analysis, "clustered");
    let wrong = csv.replace("1,a,1,x,1,0.5", "1,a,1,x,maybe,0.5").replace("6,b,6,u,1,0.5", "6,b,6,u,1,0");
    let told = told(&text, &wrong);
    for part in [
        "row 1 (line 2), column \"met\": \"maybe\" is not 0 or 1",
        "row 6 (line 7), column \"chance\": \"0\" is not a probability above 0, up to 1",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    let half = text.replace("exposure_probability = \"chance\"\n", "");
    let told = self::told(&half, csv);
    assert!(told.contains("data.exposure: it says nothing without data.exposure_probability"), "{told}");
    let asked = format!("{FILE}[[analysis]]\nname = \"exposure\"\n");
    assert!(self::told(&asked, csv).contains("it needs exposures"), "{}", self::told(&asked, csv));
}

#[test]
fn a_ratio_of_clusters_is_decided_by_the_sums_of_clusters() {
    let text = FILE
        .replace("arm = \"arm\"", "arm = \"arm\"\ncluster = \"home\"")
        .replace("name = \"spend\"", "name = \"spend\"\ndenominator = \"visits\"");
    let csv = "id,arm,spend,visits,home\n1,a,1,1,x\n2,a,0,1,x\n3,a,1.5,3,y\n4,a,0.5,1,y\n5,a,0,2,z\n6,a,3,4,z\n\
               7,b,1,1,u\n8,b,2,1,u\n9,b,3,3,v\n10,b,0,1,v\n";
    let findings = read(&text, csv).unwrap().analyse().unwrap();
    let finding = &findings.metrics[0].findings[0];
    assert_eq!((finding.analysis.as_str(), finding.decides), ("ratio", true));
    assert!((finding.standard_error - 1.0 / 3.0).abs() < 1e-12, "{finding:?}");
}
