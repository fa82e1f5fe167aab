//! Who belongs to a segment: conditions on observed features, written in raw units.

use super::naming;
use crate::protocol::{Feature, Observation, Spec};
use crate::registry::{Refusal, Values};
use serde::{Deserialize, Serialize};

/// Observed values this close to a threshold, relative to the sizes that meet in standardising, count as equal to it:
/// about eight times the rounding of one standardisation in `f32`.
const ROUNDING: f32 = 1e-6;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

/// Longer signs first, so that ">=" is not read as ">".
const SIGNS: [(&str, Comparison); 7] = [
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
    ("=", Comparison::Equal),
];

/// One condition, its threshold carried over to the observed scale, so that a row costs one comparison.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Condition {
    column: usize,
    comparison: Comparison,
    threshold: f32,
    tolerance: f32,
}

impl Condition {
    /// Reads a condition such as `days_since_order > 90`.
    pub(super) fn parse(text: &str, values: &Values, key: &str, spec: &Spec) -> Result<Self, Refusal> {
        let malformed = || {
            Refusal::new(
                values,
                key,
                format!("`{text}` is not a condition"),
                "write a feature, one of < <= = != >= > and a number, such as \"days_since_order > 90\"",
            )
        };
        let start = text.find(['<', '>', '=', '!']).ok_or_else(malformed)?;
        let (name, rest) = (text[..start].trim(), &text[start..]);
        let (sign, comparison) = SIGNS.into_iter().find(|(sign, _)| rest.starts_with(sign)).ok_or_else(malformed)?;
        let number: f32 = rest[sign.len()..].trim().parse().map_err(|_| malformed())?;
        if name.is_empty() || !number.is_finite() {
            return Err(malformed());
        }
        let Some(column) = spec.features.iter().position(|feature| feature.name == name) else {
            let names = spec.features.iter().map(|feature| feature.name.as_str());
            return Err(Refusal::new(
                values,
                key,
                format!("there is no feature `{name}` to ask for in `{text}`"),
                naming::way_out(name, names),
            ));
        };
        let feature = &spec.features[column];
        let threshold = observed_threshold(feature, number);
        let size = 1.0 + threshold.abs() + feature.mean.abs() / feature.scale;
        let tolerance = if size.is_finite() { ROUNDING * size } else { 0.0 };
        Ok(Self { column, comparison, threshold, tolerance })
    }

    /// Whether the row meets it.
    #[inline]
    pub(super) fn holds(&self, observation: &Observation, row: usize) -> bool {
        let distance = observation.features.get(row, self.column) - self.threshold;
        let equal = distance.abs() <= self.tolerance;
        match self.comparison {
            Comparison::Less => distance < 0.0 && !equal,
            Comparison::LessOrEqual => distance < 0.0 || equal,
            Comparison::Equal => equal,
            Comparison::NotEqual => !equal,
            Comparison::GreaterOrEqual => distance > 0.0 || equal,
            Comparison::Greater => distance > 0.0 && !equal,
        }
    }
}

/// Standardising keeps the order, so that comparing observed values is comparing raw ones. A logged feature is never
/// below 0, so that a threshold of -1 or less lies below all of it.
fn observed_threshold(feature: &Feature, raw: f32) -> f32 {
    if feature.log && raw <= -1.0 { f32::MIN } else { feature.to_observed(raw) }
}

#[cfg(test)]
mod tests {
    use super::super::contact;
    use super::*;
    use crate::matrix::Matrix;

    fn spec() -> Spec {
        let features = vec![
            Feature::raw("days_since_order", "days").logged(3.5, 1.25),
            Feature::raw("orders_365_days", "orders").standardised(1.3, 0.7),
            Feature::level("region", "north"),
        ];
        Spec { features, ..contact::tests::market() }
    }

    fn parse(text: &str) -> Result<Condition, Refusal> {
        Condition::parse(text, &Values::default(), "segment", &spec())
    }

    /// Whether a consumer with these raw values meets the condition.
    fn holds(text: &str, raw: [f32; 3]) -> bool {
        let observed: Vec<f32> =
            spec().features.iter().zip(raw).map(|(feature, raw)| feature.to_observed(raw)).collect();
        let observation = Observation { features: Matrix::from_rows(&[&observed]), ..Observation::default() };
        parse(text).unwrap().holds(&observation, 0)
    }

    #[test]
    fn thresholds_are_in_raw_units_and_exact_at_whole_numbers() {
        for days in 0_u16..400 {
            let raw = [f32::from(days), 0.0, 0.0];
            assert_eq!(holds("days_since_order > 90", raw), days > 90, "{days}");
            assert_eq!(holds("days_since_order>=90", raw), days >= 90, "{days}");
            assert_eq!(holds("days_since_order < 90", raw), days < 90, "{days}");
            assert_eq!(holds("days_since_order <= 90", raw), days <= 90, "{days}");
            assert_eq!(holds("days_since_order = 90", raw), days == 90, "{days}");
            assert_eq!(holds("days_since_order != 90", raw), days != 90, "{days}");
            assert!(holds("days_since_order > -1", raw) && !holds("days_since_order <= -1", raw));
        }
        assert!(holds("orders_365_days >= 1", [0.0, 1.0, 0.0]));
        assert!(!holds("orders_365_days >= 1", [0.0, 0.0, 0.0]));
        assert!(holds("region_north == 1", [0.0, 0.0, 1.0]));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let unknown = parse("days_since_orders > 90").unwrap_err();
        assert!(unknown.help.starts_with("did you mean `days_since_order`?"), "{}", unknown.help);
        for text in ["", "days_since_order", "days_since_order > ", "> 3", "days_since_order > x", "a ! 3", "a > inf"] {
            assert!(parse(text).unwrap_err().message.contains("is not a condition"), "{text}");
        }
    }
}
