//! The schema says what the reader takes: both are made from the same declarations, and here they judge the same files.

use super::{GOOD, LOCAL, faults};
use crate::scenario::EMBEDDED;
use crate::scenario::schema::{scenario, scenario_of};
use serde_json::{Value, json};

/// Whether a document satisfies a schema, for the words that the schema uses; any other word fails the test.
fn satisfies(schema: &Value, document: &Value) -> bool {
    let Value::Object(words) = schema else { return schema.as_bool().unwrap() };
    let fits = |schema: &Value| satisfies(schema, document);
    words.iter().all(|(word, rule)| match word.as_str() {
        "$schema" | "title" | "description" | "default" => true,
        "type" => match rule.as_str().unwrap() {
            "object" => document.is_object(),
            "array" => document.is_array(),
            "string" => document.is_string(),
            "boolean" => document.is_boolean(),
            "integer" => document.is_i64() || document.is_u64(),
            "number" => document.is_number(),
            other => panic!("type {other}"),
        },
        "const" => document == rule,
        "enum" => rule.as_array().unwrap().contains(document),
        "minimum" => document.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
        "maximum" => document.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
        "exclusiveMinimum" => document.as_f64().is_none_or(|number| number > rule.as_f64().unwrap()),
        "exclusiveMaximum" => document.as_f64().is_none_or(|number| number < rule.as_f64().unwrap()),
        "minItems" => document.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
        "items" => document.as_array().is_none_or(|items| items.iter().all(|item| satisfies(rule, item))),
        "required" => document
            .as_object()
            .is_none_or(|object| rule.as_array().unwrap().iter().all(|key| object.contains_key(key.as_str().unwrap()))),
        "properties" => document.as_object().is_none_or(|object| {
            object.iter().all(|(key, value)| rule.get(key).is_none_or(|schema| satisfies(schema, value)))
        }),
        "additionalProperties" => document.as_object().is_none_or(|object| {
            let known = words.get("properties");
            object
                .iter()
                .filter(|(key, _)| known.is_none_or(|known| known.get(key.as_str()).is_none()))
                .all(|(_, value)| satisfies(rule, value))
        }),
        "allOf" => rule.as_array().unwrap().iter().all(fits),
        "anyOf" => rule.as_array().unwrap().iter().any(fits),
        "oneOf" => rule.as_array().unwrap().iter().filter(|schema| fits(schema)).count() == 1,
        "if" => !fits(rule) || fits(&words["then"]),
        "then" => true,
        other => panic!("the schema uses {other:?}, which this test does not know"),
    })
}

fn document(text: &str) -> Value {
    let table: toml::Table = text.parse().unwrap();
    serde_json::to_value(table).unwrap()
}

#[test]
fn the_schema_and_the_reader_judge_alike() {
    let schema = scenario_of(&LOCAL);
    let changes = [
        ("", "", true),
        ("half_life_days", "half_live_days", false),
        ("half_life_days = 7.0", "enabled = false", true),
        ("name = \"lin_ucb\"", "name = \"b\"\nkind = \"lin_ubc\"", false),
        ("name = \"lin_ucb\"", "name = \"b\"\nkind = \"lin_ucb\"", true),
        ("name = \"lin_ucb\"", "name = \"b\"", false),
        ("name = \"lin_ucb\"", "kind = \"lin_ucb\"", false),
        ("alpha = 2", "alpha = 0", false),
        ("alpha = 2", "epsilon = 0.5", false),
        ("alpha = 2", "model = \"disjoint\"", true),
        ("consumers = 1_000", "consumers = 0", false),
        ("consumers = 1_000", "consumers = \"x\"", false),
        ("hours = [8, 12]", "hours = [24]", false),
        ("from = 21", "form = 21", false),
        ("kind = \"market\"\n", "", true),
        ("kind = \"market\"\n", "kind = \"shop\"\n", false),
        ("preset = \"retail\"", "preset = \"bank\"", false),
        ("name = \"ten\"\n", "", false),
        ("discount = 0.10", "discount = 1", false),
        ("max = 0.02", "", false),
        ("opt_out_rate", "optout", false),
        ("[market]", "[shop]", false),
        ("[[offer]]", "[offer]", false),
        ("kind = \"market\"", "kind = \"logit\"", false),
    ];
    for (from, to, is_good) in changes {
        assert!(GOOD.contains(from));
        let text = GOOD.replacen(from, to, 1);
        let errors = faults(&text);
        assert_eq!(errors.errors.is_empty(), is_good, "{from:?} -> {to:?}: {errors}");
        assert_eq!(satisfies(&schema, &document(&text)), is_good, "{from:?} -> {to:?}");
    }
}

#[test]
fn markets_of_other_kinds_have_their_own_keys() {
    let schema = scenario_of(&LOCAL);
    let with = |market: Value| json!({ "name": "x", "market": market, "policy": [{ "name": "rule" }] });
    assert!(satisfies(&schema, &with(json!({ "kind": "logit", "intercept": -1, "open": { "a": 0.5 } }))));
    assert!(!satisfies(&schema, &with(json!({ "kind": "logit" }))));
    assert!(satisfies(&schema, &with(json!({ "kind": "finite", "transitions": "p.csv", "start": [{ "share": 1 }] }))));
    assert!(!satisfies(&schema, &with(json!({ "kind": "finite", "transitions": "p.csv", "consumers": 3 }))));
    let mut text = with(json!({ "kind": "logit", "intercept": -1 }));
    text["budget"] = json!({});
    assert!(!satisfies(&schema, &text));
}

#[test]
fn every_embedded_scenario_satisfies_the_schema() {
    let schema = scenario();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    for scenario in EMBEDDED {
        assert!(satisfies(&schema, &document(scenario.text)), "{}", scenario.name);
    }
}
