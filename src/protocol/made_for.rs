//! What a saved agent or a log was made for: the features that it saw and the actions that it could take.

use super::Spec;
use serde::{Deserialize, Serialize};

/// Names that a message shows before it counts the rest.
const SHOWN: usize = 8;

/// The part of a [`Spec`] that must be the same wherever a law or a log is used again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MadeFor {
    /// Columns of the observation, in order.
    pub features: Vec<SeenFeature>,
    /// Names of the actions, in order.
    pub actions: Vec<String>,
}

/// A column as it was observed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SeenFeature {
    /// Its name.
    pub name: String,
    /// Whether ln(1 + raw) was taken before standardising.
    pub log: bool,
    /// What was subtracted.
    pub mean: f32,
    /// What it was divided by.
    pub scale: f32,
}

impl MadeFor {
    /// Made for a market of this shape.
    #[must_use]
    pub fn of(spec: &Spec) -> Self {
        let feature = |feature: &super::Feature| SeenFeature {
            name: feature.name.clone(),
            log: feature.log,
            mean: feature.mean,
            scale: feature.scale,
        };
        Self {
            features: spec.features.iter().map(feature).collect(),
            actions: spec.actions.actions.iter().map(|action| action.name.clone()).collect(),
        }
    }

    /// All that differs from what a market has, in words, one for each kind of difference; empty where it suits.
    #[must_use]
    pub fn differences(&self, spec: &Spec) -> Vec<String> {
        let market = Self::of(spec);
        let names = |made: &Self| made.features.iter().map(|feature| feature.name.clone()).collect::<Vec<_>>();
        let mut found = of_names("feature", &names(self), &names(&market));
        if found.is_empty() {
            let pairs = self.features.iter().zip(&market.features).filter(|(own, other)| own != other);
            let told = pairs
                .map(|(own, other)| format!("{} ({}, here {})", own.name, own.standardised(), other.standardised()));
            let told: Vec<String> = told.collect();
            if !told.is_empty() {
                found.push(format!("features are standardised otherwise: {}", listed(&told)));
            }
        }
        found.extend(of_names("action", &self.actions, &market.actions));
        found
    }
}

impl SeenFeature {
    fn standardised(&self) -> String {
        let log = if self.log { "logarithm, " } else { "" };
        format!("{log}mean {}, scale {}", self.mean, self.scale)
    }
}

fn of_names(what: &str, own: &[String], market: &[String]) -> Vec<String> {
    let lacking = |names: &[String], others: &[String]| -> Vec<String> {
        names.iter().filter(|name| !others.contains(name)).map(|name| format!("{name:?}")).collect()
    };
    let (missing, extra) = (lacking(market, own), lacking(own, market));
    let mut found = Vec::new();
    if !missing.is_empty() {
        found.push(format!("{what}s of the scenario that are missing: {}", listed(&missing)));
    }
    if !extra.is_empty() {
        found.push(format!("{what}s that the scenario lacks: {}", listed(&extra)));
    }
    if found.is_empty() && own != market {
        found.push(format!("the {what}s stand in another order, or one stands there twice"));
    }
    found
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown}, … ({} in all)", names.len()) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ActionSpace, Feature};

    fn spec(features: Vec<Feature>, actions: &[&str]) -> Spec {
        let actions = ActionSpace::flat("arm", "none", actions);
        Spec { consumers: 1, horizon: 1, tick_days: 1.0, discount: 1.0, features, actions, kpis: Vec::new() }
    }

    #[test]
    fn differences_name_what_is_missing_extra_or_scaled_otherwise() {
        let age = Feature::raw("age", "years").standardised(40.0, 10.0);
        let market = spec(vec![age.clone(), Feature::raw("orders", "orders")], &["a", "b"]);
        assert!(MadeFor::of(&market).differences(&market).is_empty());
        let of = |features: Vec<Feature>, actions: &[&str]| MadeFor::of(&spec(features, actions)).differences(&market);
        assert_eq!(
            of(vec![age.clone(), Feature::raw("visits", "visits")], &["a"]),
            [
                "features of the scenario that are missing: \"orders\"",
                "features that the scenario lacks: \"visits\"",
                "actions of the scenario that are missing: \"b\"",
            ]
        );
        assert_eq!(
            of(vec![Feature::raw("age", "years"), Feature::raw("orders", "orders")], &["a", "b"]),
            ["features are standardised otherwise: age (mean 0, scale 1, here mean 40, scale 10)"]
        );
        assert_eq!(
            of(vec![Feature::raw("orders", "orders"), age], &["b", "a"]),
            [
                "the features stand in another order, or one stands there twice",
                "the actions stand in another order, or one stands there twice",
            ]
        );
        let read: MadeFor = serde_json::from_str(&serde_json::to_string(&MadeFor::of(&market)).unwrap()).unwrap();
        assert!(read.differences(&market).is_empty());
    }
}
