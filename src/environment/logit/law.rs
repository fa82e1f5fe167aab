//! What a column of synthetic people is drawn from; every law takes one uniform per person.

use crate::math;
use crate::random::LANES;
use crate::registry::{Refusal, Values};

/// A distribution whose parameters may differ by the level of another column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Law {
    /// N(mean, standard deviation).
    Normal { means: Vec<f32>, deviations: Vec<f32> },
    /// exp N(mean, standard deviation), with a point mass below which nothing falls: `floor` with its probability.
    LogNormal { means: Vec<f32>, deviations: Vec<f32>, floor: f32, floor_probabilities: Vec<f32> },
    /// Uniform from low to high.
    Uniform { lows: Vec<f32>, highs: Vec<f32> },
    /// The logarithm is uniform from ln low to ln high.
    LogUniform { lows: Vec<f32>, highs: Vec<f32> },
    /// `first` + index, with these cumulative probabilities; a categorical column has `first` 0.
    Index { first: f32, cumulative: Vec<Vec<f32>> },
}

/// The distributions that a file can name.
pub(super) const DISTRIBUTIONS: &[&str] = &["normal", "log_normal", "uniform", "log_uniform", "integers", "levels"];

/// How far probabilities of one line may sum from 1: what decimals in a file round away.
const SUM_TOLERANCE: f64 = 1e-6;

impl Law {
    /// Reads a law with parameters for each of `cases` levels of the column it depends on (1 without one).
    pub(super) fn new(column: &Values, cases: usize) -> Result<Self, Refusal> {
        let list = |key: &str, default: Option<f64>| per_case(column, key, cases, default);
        let law = match column.text("distribution") {
            "normal" => Self::Normal {
                means: list("mean", Some(0.0))?,
                deviations: positive(column, list("standard_deviation", Some(1.0))?)?,
            },
            "log_normal" => Self::LogNormal {
                means: list("mean", Some(0.0))?,
                deviations: positive(column, list("standard_deviation", Some(1.0))?)?,
                floor: column.number("floor") as f32,
                floor_probabilities: floor_probabilities(column, list("floor_probability", Some(0.0))?)?,
            },
            name @ ("uniform" | "log_uniform") => {
                let (lows, highs) = (list("low", None)?, list("high", None)?);
                if let Some((low, high)) = lows.iter().zip(&highs).find(|(low, high)| low > high) {
                    return Err(Refusal::new(
                        column,
                        "high",
                        format!("`high` is {high}, below `low`, which is {low}"),
                        "give a `high` of at least `low` for every level; equal ends make a fixed value",
                    ));
                }
                if name == "uniform" {
                    Self::Uniform { lows, highs }
                } else if let Some(low) = lows.iter().find(|low| **low <= 0.0) {
                    return Err(Refusal::new(
                        column,
                        "low",
                        format!("`low` is {low}, and a `log_uniform` column has only values above 0"),
                        "give a `low` above 0, or use `uniform`",
                    ));
                } else {
                    Self::LogUniform { lows, highs }
                }
            }
            "integers" => {
                Self::Index { first: column.integer("first") as f32, cumulative: cumulative(column, cases, None)? }
            }
            _ => Self::Index { first: 0.0, cumulative: cumulative(column, cases, Some(column.texts("levels").len()))? },
        };
        Ok(law)
    }

    /// Draws 16 people from their uniforms; `cases` holds the level of the column it depends on.
    #[inline(always)]
    pub(super) fn draw(&self, uniforms: &[f32; LANES], cases: &[f32; LANES], values: &mut [f32; LANES]) {
        match self {
            Self::Normal { means, deviations } if means.len() == 1 => {
                let (mean, deviation) = (means[0], deviations[0]);
                for lane in 0..LANES {
                    values[lane] = mean + deviation * math::normal_quantile(uniforms[lane]);
                }
            }
            _ => {
                for lane in 0..LANES {
                    values[lane] = self.draw_one(uniforms[lane], cases[lane] as usize);
                }
            }
        }
    }

    #[inline]
    fn draw_one(&self, u: f32, case: usize) -> f32 {
        match self {
            Self::Normal { means, deviations } => means[case] + deviations[case] * math::normal_quantile(u),
            Self::LogNormal { means, deviations, floor, floor_probabilities } => {
                let mass = floor_probabilities[case];
                if u < mass {
                    return *floor;
                }
                let rest = ((u - mass) / (1.0 - mass)).clamp(f32::EPSILON / 4.0, 1.0 - f32::EPSILON / 2.0);
                math::exp(means[case] + deviations[case] * math::normal_quantile(rest)).max(*floor)
            }
            Self::Uniform { lows, highs } => lows[case] + u * (highs[case] - lows[case]),
            Self::LogUniform { lows, highs } => {
                let (low, high) = (lows[case], highs[case]);
                if low == high {
                    return low;
                }
                let (start, end) = (math::ln(low), math::ln(high));
                math::exp(start + u * (end - start)).clamp(low, high)
            }
            Self::Index { first, cumulative } => {
                let cumulative = &cumulative[case];
                let passed = cumulative.iter().filter(|sum| u >= **sum).count();
                first + passed.min(cumulative.len() - 1) as f32
            }
        }
    }
}

/// One number for every case: as given, or one number for all.
fn per_case(column: &Values, key: &str, cases: usize, default: Option<f64>) -> Result<Vec<f32>, Refusal> {
    let given = column.numbers(key);
    match (given.len(), default) {
        (0, Some(value)) => Ok(vec![value as f32; cases]),
        (1, _) => Ok(vec![given[0] as f32; cases]),
        (length, _) if length == cases => Ok(given.iter().map(|value| *value as f32).collect()),
        (length, _) => Err(Refusal::new(
            column,
            key,
            format!("`{key}` has {length} numbers"),
            if cases == 1 {
                format!("give `{key}` one number")
            } else {
                format!("give `{key}` one number, or {cases}: one for each level of the column named by `given`")
            },
        )),
    }
}

fn positive(column: &Values, deviations: Vec<f32>) -> Result<Vec<f32>, Refusal> {
    match deviations.iter().find(|deviation| **deviation < 0.0) {
        None => Ok(deviations),
        Some(deviation) => Err(Refusal::new(
            column,
            "standard_deviation",
            format!("`standard_deviation` is {deviation}"),
            "give a number of 0 or more",
        )),
    }
}

fn floor_probabilities(column: &Values, probabilities: Vec<f32>) -> Result<Vec<f32>, Refusal> {
    match probabilities.iter().find(|probability| !(0.0..1.0).contains(*probability)) {
        None => Ok(probabilities),
        Some(probability) => Err(Refusal::new(
            column,
            "floor_probability",
            format!("`floor_probability` is {probability}"),
            "give a number from 0 to 1 (excluded)",
        )),
    }
}

/// Cumulative probabilities, one line for each case; the last sum that gains anything is made exactly 1.
fn cumulative(column: &Values, cases: usize, width: Option<usize>) -> Result<Vec<Vec<f32>>, Refusal> {
    let refuse = |message: String, help: String| Err(Refusal::new(column, "probabilities", message, help));
    let given = column.numbers("probabilities");
    let width = width.unwrap_or(given.len() / cases);
    if width == 0 || given.len() != width * cases {
        let line = if width == 0 { "of probabilities".to_owned() } else { format!("of {width} probabilities") };
        return refuse(
            format!("`probabilities` has {} numbers, which are not {cases} line(s) {line}", given.len()),
            "give one line of probabilities, or one for each level of the column named by `given`".into(),
        );
    }
    let mut lines = Vec::with_capacity(cases);
    for (case, line) in given.chunks(width).enumerate() {
        let sum: f64 = line.iter().sum();
        if line.iter().any(|probability| *probability < 0.0) || (sum - 1.0).abs() > SUM_TOLERANCE {
            return refuse(
                format!("line {} of `probabilities` sums to {sum} or has a negative number", case + 1),
                "give probabilities of 0 or more that sum to 1".into(),
            );
        }
        let last = line.iter().rposition(|probability| *probability > 0.0).unwrap_or(0);
        let mut total = 0.0;
        let sums = line.iter().enumerate().map(|(index, probability)| {
            total += probability;
            if index >= last { 1.0 } else { total as f32 }
        });
        lines.push(sums.collect());
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::super::columns::COLUMN;
    use super::*;
    use crate::random::{Purpose, Seed};
    use crate::registry::Value;
    use crate::statistics::mean_and_variance;

    fn sample(law: &Law, case: usize) -> Vec<f64> {
        (0..20_000)
            .map(|entity| f64::from(law.draw_one(Seed::new(3).uniforms(Purpose::Problem, entity, 0, 0)[0], case)))
            .collect()
    }

    fn column(distribution: &str) -> Values {
        Values::defaults(COLUMN).with("distribution", Value::Text(distribution.into()))
    }

    #[test]
    fn laws_have_their_moments() {
        let normal = column("normal")
            .with("mean", Value::Numbers(vec![2.0, -1.0]))
            .with("standard_deviation", Value::Numbers(vec![0.5]));
        let uniform = column("uniform").with("low", Value::Numbers(vec![1.0])).with("high", Value::Numbers(vec![4.0]));
        let log_uniform = column("log_uniform")
            .with("low", Value::Numbers(vec![1.0]))
            .with("high", Value::Numbers(vec![std::f64::consts::E]));
        let integers = column("integers")
            .with("first", Value::Integer(3))
            .with("probabilities", Value::Numbers(vec![0.5, 0.0, 0.5]));
        let floored = column("log_normal")
            .with("floor", Value::Number(0.5))
            .with("floor_probability", Value::Numbers(vec![0.25]))
            .with("mean", Value::Numbers(vec![3.0]))
            .with("standard_deviation", Value::Numbers(vec![0.2]));
        let euler = std::f64::consts::E;
        let cases: [(&Values, usize, usize, f64, f64); 6] = [
            (&normal, 2, 0, 2.0, 0.25),
            (&normal, 2, 1, -1.0, 0.25),
            (&uniform, 1, 0, 2.5, 0.75),
            (&log_uniform, 1, 0, euler - 1.0, (euler * euler - 1.0) / 2.0 - (euler - 1.0) * (euler - 1.0)),
            (&integers, 1, 0, 4.0, 1.0),
            (&floored, 1, 0, 0.125 + 0.75 * libm::exp(3.02), 0.0),
        ];
        for (values, levels, case, mean, variance) in cases {
            let (sampled_mean, sampled_variance) = mean_and_variance(&sample(&Law::new(values, levels).unwrap(), case));
            let error = (sampled_variance / 20_000.0).sqrt();
            assert!((sampled_mean - mean).abs() < 4.0 * error, "{values:?}: {sampled_mean} is not {mean}");
            if variance > 0.0 {
                assert!((sampled_variance / variance - 1.0).abs() < 0.05);
            }
        }
    }

    #[test]
    fn faults_are_refused_with_the_key() {
        let missing = column("uniform").with("low", Value::Numbers(vec![1.0]));
        assert_eq!(Law::new(&missing, 1).unwrap_err().key, "high");
        let sum = column("integers").with("probabilities", Value::Numbers(vec![0.5, 0.4]));
        assert_eq!(Law::new(&sum, 1).unwrap_err().key, "probabilities");
        let turned = column("uniform").with("low", Value::Numbers(vec![2.0])).with("high", Value::Numbers(vec![1.0]));
        assert_eq!(Law::new(&turned, 1).unwrap_err().key, "high");
    }
}
