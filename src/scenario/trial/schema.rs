//! The JSON Schema of simulated tests, made from what is declared.

use super::arms::ARM;
use super::asked::GUARDRAIL;
use super::{DESIGN, LAB, TRIAL};
use crate::evaluation::experiment::ANALYSES;
use crate::evaluation::trial::ARMS_MAX;
use crate::scenario::schema::{list, object, one_of, properties, required, section, variants};
use serde_json::{Value, json};

/// The schema of the file of a simulated test, without the words that stand at the top of a document.
#[must_use]
pub(crate) fn simulated() -> Value {
    let mut keys = properties(TRIAL);
    keys["kind"] = json!({ "const": "simulated", "description": keys["kind"]["description"] });
    keys.insert("design".to_owned(), section(DESIGN));
    keys.insert("lab".to_owned(), section(LAB));
    keys.insert("arm".to_owned(), json!({ "type": "array", "minItems": 2, "maxItems": ARMS_MAX, "items": arm() }));
    keys.insert("analysis".to_owned(), list(one_of(variants(ANALYSES).map(named_by_kind).collect())));
    keys.insert("guardrail".to_owned(), list(section(GUARDRAIL)));
    let mut needed = required(TRIAL);
    needed.push("arm");
    object(keys, &needed)
}

/// An arm that follows no policy of the scenario names none.
fn arm() -> Value {
    let mut arm = section(ARM);
    arm["if"] = json!({
        "required": ["kind"],
        "properties": { "kind": { "enum": ["holdout", "random", "business_as_usual"] } }
    });
    arm["then"] = json!({ "properties": { "policy": false } });
    arm
}

/// Here an analysis may go by its kind alone.
fn named_by_kind(mut variant: Value) -> Value {
    let kind = variant["properties"]["kind"]["const"].clone();
    if let Some(needed) = variant["required"].as_array_mut() {
        needed.retain(|key| key != "name");
    }
    variant["anyOf"] =
        json!([{ "required": ["kind"] }, { "required": ["name"], "properties": { "name": { "const": kind } } }]);
    variant
}
