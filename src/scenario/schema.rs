//! The JSON Schema of scenario files, made from what the registries declare, so that editors complete and check.

use super::market::{CAMPAIGN_SECTIONS, ENABLED, KIND, PRESET};
use super::registries::{REGISTRIES, Registries};
use super::section::{EXPERIMENT, GUARDRAIL, REWARD, TRAINING};
use super::table::describe_with_tuning;
use crate::agent::AGENTS;
use crate::registry::{Entry, Kind, Parameter, Range};
use serde_json::{Map, Value, json};

/// The schema of a scenario file (JSON Schema draft 2020-12).
#[must_use]
pub fn scenario() -> Value {
    scenario_of(&REGISTRIES)
}

pub(super) fn scenario_of(registries: &Registries) -> Value {
    let mut properties = properties(EXPERIMENT);
    let modules: Map<String, Value> = registries
        .modules
        .iter()
        .map(|entry| {
            let mut keys = self::properties(&[ENABLED]);
            keys.extend(self::properties(entry.parameters));
            (entry.name.to_owned(), described(object(keys, &[]), entry.summary))
        })
        .collect();
    let mut policies = variants(registries.policies)
        .chain(variants(registries.agents))
        .chain(variants(registries.oracles))
        .collect::<Vec<_>>();
    for policy in &mut policies {
        if let Value::Object(keys) = &mut policy["properties"] {
            keys.extend(self::properties(&[super::contestant::IGNORES_MASK]));
        }
    }
    let sections = [
        ("market", market(registries)),
        ("modules", described(object(modules, &[]), "what moves consumers; present means on")),
        ("channel", list(one_of(variants(registries.channels).collect()))),
        ("offer", list(section(registries.offer))),
        ("creative", list(section(registries.creative))),
        ("slots", section(registries.slots)),
        ("constraints", section(registries.constraints)),
        ("budget", section(registries.budget)),
        ("reward", section(REWARD)),
        ("training", section(TRAINING)),
        ("policy", json!({ "type": "array", "minItems": 1, "items": one_of(policies) })),
        ("guardrail", list(guardrail())),
    ];
    properties.extend(sections.map(|(name, schema)| (name.to_owned(), schema)));
    let nothing: Map<String, Value> =
        CAMPAIGN_SECTIONS.iter().map(|name| ((*name).to_owned(), Value::Bool(false))).collect();
    let mut schema = object(properties, &["name", "market", "policy"]);
    schema["allOf"] = json!([{
        "if": {
            "required": ["market"],
            "properties": { "market": { "required": ["kind"], "properties": { "kind": { "enum": ["logit", "finite"] } } } }
        },
        "then": { "properties": nothing }
    }]);
    let Value::Object(schema) = schema else { return schema };
    let mut whole = Map::new();
    whole.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    whole.insert("title".to_owned(), json!("Mercato scenario"));
    whole.extend(schema);
    Value::Object(whole)
}

/// `[market]` by its kind; without a kind it is a market.
fn market(registries: &Registries) -> Value {
    let population = described(
        object(
            Map::from_iter([
                ("file".to_owned(), json!({ "type": "string", "description": "customers: .csv, .csv.gz or .parquet" })),
                (
                    "columns".to_owned(),
                    json!({ "type": "object", "additionalProperties": { "type": "string" },
                            "description": "name in the market = name in the file" }),
                ),
            ]),
            &["file"],
        ),
        "real customers instead of drawn ones",
    );
    let kinds = [("market", registries.campaign), ("logit", registries.logit), ("finite", registries.finite)];
    let variants = kinds
        .into_iter()
        .map(|(kind, parameters)| {
            let mut keys = Map::new();
            keys.insert("kind".to_owned(), json!({ "const": kind, "description": KIND.summary }));
            if kind == "market" {
                keys.extend(properties(&[PRESET]));
            }
            if kind != "finite" {
                keys.insert("population".to_owned(), population.clone());
            }
            keys.extend(properties(parameters));
            let mut needed = required(parameters);
            if kind != "market" {
                needed.insert(0, "kind");
            }
            object(keys, &needed)
        })
        .collect();
    one_of(variants)
}

fn guardrail() -> Value {
    let mut schema = section(GUARDRAIL);
    schema["anyOf"] = json!([{ "required": ["max"] }, { "required": ["min"] }]);
    schema
}

/// One table per entry; an entry without `kind` is told by its name.
pub(crate) fn variants<B>(entries: &'static [Entry<B>]) -> impl Iterator<Item = Value> {
    entries.iter().map(|entry| {
        let mut keys = Map::new();
        keys.insert("name".to_owned(), json!({ "type": "string", "description": "unique name" }));
        keys.insert("kind".to_owned(), json!({ "const": entry.name, "description": entry.summary }));
        keys.extend(properties(entry.parameters));
        let mut needed = required(entry.parameters);
        needed.insert(0, "name");
        let mut schema = described(object(keys, &needed), &format!("{} ({})", entry.summary, entry.source));
        schema["title"] = json!(entry.name);
        schema["anyOf"] = json!([{ "required": ["kind"] }, { "properties": { "name": { "const": entry.name } } }]);
        schema
    })
}

pub(crate) fn one_of(variants: Vec<Value>) -> Value {
    json!({ "oneOf": variants })
}

pub(crate) fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

pub(crate) fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}

pub(crate) fn section(parameters: &[Parameter]) -> Value {
    object(properties(parameters), &required(parameters))
}

pub(crate) fn object(properties: Map<String, Value>, required: &[&str]) -> Value {
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

pub(crate) fn required(parameters: &[Parameter]) -> Vec<&'static str> {
    parameters.iter().filter(|parameter| parameter.required).map(|parameter| parameter.name).collect()
}

pub(crate) fn properties(parameters: &[Parameter]) -> Map<String, Value> {
    parameters.iter().map(|parameter| (parameter.name.to_owned(), property(parameter))).collect()
}

fn property(parameter: &Parameter) -> Value {
    let (mut schema, default) = match &parameter.kind {
        Kind::Number { default, range } => (number(range), default.map(Value::from)),
        Kind::Integer { default, minimum, maximum } => (integer(*minimum, *maximum), default.map(Value::from)),
        Kind::Boolean { default } => (json!({ "type": "boolean" }), Some(json!(default))),
        Kind::Choice { default, options } => (json!({ "enum": options }), default.map(Value::from)),
        Kind::Text { default } => (json!({ "type": "string" }), default.map(Value::from)),
        Kind::Numbers { default, range } => (list(number(range)), default.map(|default| json!(default))),
        Kind::Integers { default, minimum, maximum } => {
            (list(integer(*minimum, *maximum)), default.map(|default| json!(default)))
        }
        Kind::Texts { default } => (list(json!({ "type": "string" })), default.map(|default| json!(default))),
        Kind::Csv | Kind::Saved => (json!({ "type": "string" }), None),
        Kind::Coefficients => (json!({ "type": "object", "additionalProperties": { "type": "number" } }), None),
        Kind::Agent => (agent(), None),
        Kind::Table { parameters } => (section(parameters), None),
        Kind::Tables { parameters } => (list(section(parameters)), None),
    };
    schema["description"] = json!(describe_with_tuning(parameter));
    if let Some(default) = default {
        schema["default"] = default;
    }
    schema
}

/// An agent inside another. The keys of its kind are those of [[policy]] and are checked there.
fn agent() -> Value {
    let kinds: Vec<&str> = AGENTS.iter().map(|entry| entry.name).collect();
    json!({ "type": "object", "properties": { "kind": { "enum": kinds } }, "required": ["kind"] })
}

fn number(range: &Range) -> Value {
    let mut schema = json!({ "type": "number" });
    if range.low.is_finite() {
        schema[if range.low_open { "exclusiveMinimum" } else { "minimum" }] = json!(range.low);
    }
    if range.high.is_finite() {
        schema[if range.high_open { "exclusiveMaximum" } else { "maximum" }] = json!(range.high);
    }
    schema
}

fn integer(minimum: i64, maximum: i64) -> Value {
    let mut schema = json!({ "type": "integer" });
    if minimum != i64::MIN {
        schema["minimum"] = json!(minimum);
    }
    if maximum != i64::MAX {
        schema["maximum"] = json!(maximum);
    }
    schema
}
