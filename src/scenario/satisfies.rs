//! Judging documents by a JSON Schema, for the tests that hold schemas and readers together.

use serde_json::Value;

/// Whether a document satisfies a schema, for the words that the schema uses; any other word fails the test.
pub(crate) fn satisfies(schema: &Value, document: &Value) -> bool {
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
        "maxItems" => document.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap()),
        "dependentRequired" => document.as_object().is_none_or(|object| {
            let given = rule.as_object().unwrap().iter().filter(|(key, _)| object.contains_key(*key));
            given
                .flat_map(|(_, needed)| needed.as_array().unwrap())
                .all(|key| object.contains_key(key.as_str().unwrap()))
        }),
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
        "if" => words.get(if fits(rule) { "then" } else { "else" }).is_none_or(fits),
        "then" | "else" => true,
        other => panic!("the schema uses {other:?}, which this test does not know"),
    })
}

/// A text in TOML as JSON.
pub(crate) fn document(text: &str) -> Value {
    let table: toml::Table = text.parse().unwrap();
    serde_json::to_value(table).unwrap()
}
