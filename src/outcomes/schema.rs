//! The JSON Schema of experiment files, made from what is declared.

use super::file::{DATA, EXPERIMENT, METRIC, UPLIFT};
use crate::evaluation::experiment::ANALYSES;
use crate::scenario::schema::{described, list, object, one_of, properties, section, variants};
use crate::scenario::simulated;
use serde_json::{Value, json};

/// The schema of an experiment file (JSON Schema draft 2020-12): a file of outcomes, or a test inside a scenario.
#[must_use]
pub fn experiment() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mercato experiment",
        "oneOf": [described(outcomes(), "a file of outcomes"), described(simulated(), "a test inside a scenario")],
    })
}

fn outcomes() -> Value {
    let mut metric = section(METRIC);
    metric["if"] = json!({ "required": ["role"], "properties": { "role": { "const": "guardrail" } } });
    metric["then"] = json!({ "required": ["margin"] });
    metric["else"] = json!({ "properties": { "margin": false } });
    let mut data = section(DATA);
    data["dependentRequired"] = json!({ "exposure": ["exposure_probability"], "exposure_probability": ["exposure"] });
    let mut keys = properties(EXPERIMENT);
    keys.insert("data".to_owned(), data);
    keys.insert("metric".to_owned(), json!({ "type": "array", "minItems": 1, "items": metric }));
    keys.insert("analysis".to_owned(), list(one_of(variants(ANALYSES).collect())));
    keys.insert("uplift".to_owned(), section(UPLIFT));
    object(keys, &["name", "data", "metric"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::satisfies::{document, satisfies};
    use crate::scenario::{TrialOverrides, parse_trial};
    use std::path::{Path, PathBuf};

    /// Every experiment file of the repository.
    fn files() -> Vec<PathBuf> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = ["experiments", "examples/experiment"].map(|folder| root.join(folder).read_dir().unwrap());
        let paths = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect()
    }

    #[test]
    fn every_experiment_file_satisfies_the_schema_and_one_with_a_slip_does_not() {
        let schema = experiment();
        let files = files();
        assert!(files.len() >= 7, "{files:?}");
        for path in files {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(satisfies(&schema, &document(&text)), "{}", path.display());
            let slip = format!("nmae = 1\n{text}");
            assert!(!satisfies(&schema, &document(&slip)), "{}", path.display());
        }
    }

    #[test]
    fn the_schema_and_the_reader_judge_simulated_tests_alike() {
        let schema = experiment();
        const GOOD: &str = r#"
name = "test"
scenario = "viral"
consumers = 600
metrics = ["orders"]
[design]
randomise = "community"
exposed_share = 0.8
[lab]
tests = 3
[[arm]]
name = "nobody"
kind = "holdout"
[[arm]]
name = "hubs"
[[analysis]]
kind = "exposure"
[[guardrail]]
metric = "opt_outs"
"#;
        let changes = [
            ("", "", true),
            ("name = \"hubs\"", "name = \"hubs\"\nshare = 2", false),
            ("name = \"test\"", "kind = \"simulated\"\nname = \"test\"", true),
            ("name = \"test\"", "kind = \"measured\"\nname = \"test\"", false),
            ("scenario = \"viral\"\n", "", false),
            ("randomise = \"community\"", "randomise = \"communities\"", false),
            ("exposed_share = 0.8", "exposed_share = 1.2", false),
            ("tests = 3", "tests = 0", false),
            ("kind = \"holdout\"", "kind = \"holdout\"\npolicy = \"hubs\"", false),
            ("kind = \"exposure\"", "name = \"exposure\"", true),
            ("kind = \"exposure\"", "kind = \"exposures\"", false),
            ("metric = \"opt_outs\"", "margin = 0.1", false),
        ];
        for (from, to, is_good) in changes {
            assert!(GOOD.contains(from), "{from}");
            let text = GOOD.replacen(from, to, 1);
            let parsed = parse_trial(&text, Path::new(""), "test.toml", TrialOverrides::default());
            assert_eq!(parsed.is_ok(), is_good, "{from:?} -> {to:?}: {:?}", parsed.err().map(|e| e.to_string()));
            assert_eq!(satisfies(&schema, &document(&text)), is_good, "{from:?} -> {to:?}");
        }
    }
}
