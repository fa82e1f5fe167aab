//! The JSON Schema of evaluation files, and what they can name.

use super::keys::{self, LOGGERS, TARGETS};
use super::sequence_kinds::NEURAL;
use crate::evaluation::IntervalKind;
use crate::evaluation::estimator::ESTIMATORS;
use crate::evaluation::model::{PROPENSITY_MODELS, REWARD_MODELS};
use crate::evaluation::sequence::SEQUENCE_ESTIMATORS;
use crate::registry::Entry;
use crate::scenario::schema::{described, list, object, one_of, properties, required, section};
use serde_json::{Map, Value, json};

/// The schema of an evaluation file (JSON Schema draft 2020-12).
#[must_use]
pub fn evaluation() -> Value {
    let name = json!({ "type": "string", "description": "unique name" });
    let mut reward_models = variants(REWARD_MODELS, &[], &[]);
    for model in &mut reward_models {
        if let Value::Object(keys) = &mut model["properties"] {
            keys.extend(properties(&[keys::FOLDS]));
        }
    }
    let mut interval = section(keys::INTERVAL);
    let kinds: Vec<&str> = IntervalKind::NAMED.iter().map(|(name, ..)| *name).collect();
    interval["properties"]["kind"] = json!({ "enum": kinds, "description": "how intervals are made" });
    let named = [("name", name)];
    let logger = [("name", json!({ "type": "string", "description": keys::LOGGER_NAME.summary }))];
    let mut estimators = variants(ESTIMATORS, &named, &[]);
    estimators.extend(variants(SEQUENCE_ESTIMATORS, &named, &[]));
    estimators.extend(variants(NEURAL, &named, &[]));
    let sections = [
        ("log", section(keys::LOG)),
        ("target", json!({ "type": "array", "minItems": 1, "items": one_of(variants(TARGETS, &named, &["name"])) })),
        ("logger", list(one_of(variants(LOGGERS, &logger, &["name"])))),
        ("reward_model", one_of(reward_models)),
        ("propensity_model", one_of(variants(PROPENSITY_MODELS, &[], &[]))),
        ("estimator", list(one_of(estimators))),
        ("interval", interval),
        ("twin", section(keys::TWIN)),
    ];
    let mut all = properties(keys::FILE);
    all.extend(sections.map(|(name, schema)| (name.to_owned(), schema)));
    let Value::Object(schema) = object(all, &["log", "target"]) else { return Value::Null };
    let mut whole = Map::new();
    whole.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    whole.insert("title".to_owned(), json!("Mercato evaluation"));
    whole.extend(schema);
    Value::Object(whole)
}

/// One table per entry.
fn variants<B>(entries: &'static [Entry<B>], more: &[(&str, Value)], needed: &[&'static str]) -> Vec<Value> {
    let variant = |entry: &'static Entry<B>| {
        let mut keys = Map::new();
        more.iter().for_each(|(name, schema)| {
            keys.insert((*name).to_owned(), schema.clone());
        });
        keys.insert("kind".to_owned(), json!({ "const": entry.name, "description": entry.summary }));
        keys.extend(properties(entry.parameters));
        let mut all: Vec<&str> = needed.iter().copied().chain(["kind"]).collect();
        all.extend(required(entry.parameters));
        let mut schema = described(object(keys, &all), &format!("{} ({})", entry.summary, entry.source));
        schema["title"] = json!(entry.name);
        schema
    };
    entries.iter().map(variant).collect()
}

/// What an evaluation file can name: name, one line, source, keys. Empty for lists that are not of evaluation files.
#[must_use]
pub fn items(list: &str) -> Vec<crate::scenario::listing::Item> {
    use crate::scenario::listing::of;
    match list {
        "estimators" => {
            let mut sequences = [of(SEQUENCE_ESTIMATORS), of(NEURAL)].concat();
            sequences.iter_mut().for_each(|item| item.summary = format!("whole sequences: {}", item.summary));
            of(ESTIMATORS).into_iter().chain(sequences).collect()
        }
        "sequence_estimators" => [of(SEQUENCE_ESTIMATORS), of(NEURAL)].concat(),
        "reward_models" => of(REWARD_MODELS),
        "propensity_models" => of(PROPENSITY_MODELS),
        "targets" => of(TARGETS),
        _ => Vec::new(),
    }
}
