//! The JSON Schema of experiment files, made from what is declared.

use super::file::{DATA, EXPERIMENT, METRIC, UPLIFT};
use crate::evaluation::experiment::ANALYSES;
use crate::scenario::schema::{list, object, one_of, properties, section, variants};
use serde_json::{Map, Value, json};

/// The schema of an experiment file (JSON Schema draft 2020-12).
#[must_use]
pub fn experiment() -> Value {
    let mut metric = section(METRIC);
    metric["if"] = json!({ "required": ["role"], "properties": { "role": { "const": "guardrail" } } });
    metric["then"] = json!({ "required": ["margin"] });
    metric["else"] = json!({ "properties": { "margin": false } });
    let mut keys = properties(EXPERIMENT);
    keys.insert("data".to_owned(), section(DATA));
    keys.insert("metric".to_owned(), json!({ "type": "array", "minItems": 1, "items": metric }));
    keys.insert("analysis".to_owned(), list(one_of(variants(ANALYSES).collect())));
    keys.insert("uplift".to_owned(), section(UPLIFT));
    let mut whole = Map::new();
    whole.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    whole.insert("title".to_owned(), json!("Mercato experiment"));
    if let Value::Object(schema) = object(keys, &["name", "data", "metric"]) {
        whole.extend(schema);
    }
    Value::Object(whole)
}
