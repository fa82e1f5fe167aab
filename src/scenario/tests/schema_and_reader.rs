//! The schema says what the reader takes: both are made from the same declarations, and here they judge the same files.

use super::{GOOD, LOCAL, faults};
use crate::scenario::EMBEDDED;
use crate::scenario::satisfies::{document, satisfies};
use crate::scenario::schema::{scenario, scenario_of};
use serde_json::{Value, json};

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
