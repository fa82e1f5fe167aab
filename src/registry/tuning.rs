//! Where to look for good values of a parameter.

use super::{Kind, Parameter, Value};

/// Significant digits of a drawn number: what is written is what was tried.
const DIGITS: i32 = 4;

/// The range in which a search draws values of a parameter; the default need not lie inside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tuning {
    /// A number from `low` to `high`, each alike.
    Uniform {
        /// Least.
        low: f64,
        /// Greatest.
        high: f64,
    },
    /// A number from `low` to `high`, both above 0, each order of magnitude alike.
    LogUniform {
        /// Least.
        low: f64,
        /// Greatest.
        high: f64,
    },
    /// A whole number from `low` to `high`, each alike.
    Integer {
        /// Least.
        low: i64,
        /// Greatest.
        high: i64,
    },
    /// A whole number from `low` to `high`, both 1 or more, each order of magnitude alike.
    LogInteger {
        /// Least.
        low: i64,
        /// Greatest.
        high: i64,
    },
    /// One of these whole numbers.
    Integers(&'static [i64]),
    /// One of these lists of whole numbers, such as the widths of layers.
    Lists(&'static [&'static [i64]]),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Boolean,
}

impl Tuning {
    /// The value at a point of the unit interval; numbers have four significant digits.
    #[must_use]
    pub fn at(&self, point: f64) -> Value {
        match *self {
            Self::Uniform { low, high } => Value::Number(rounded(low + point * (high - low)).clamp(low, high)),
            Self::LogUniform { low, high } => Value::Number(rounded(between(low, high, point)).clamp(low, high)),
            Self::Integer { low, high } => {
                let offset = (point * ((high - low) as f64 + 1.0)).floor() as i64;
                Value::Integer((low + offset).min(high))
            }
            Self::LogInteger { low, high } => {
                // Each whole number stands for the half unit on either side of it.
                let number = between(low as f64 - 0.5, high as f64 + 0.5, point);
                Value::Integer((number.round() as i64).clamp(low, high))
            }
            Self::Integers(numbers) => pick(numbers, point).map_or(Value::Integer(0), |number| Value::Integer(*number)),
            Self::Lists(lists) => Value::Integers(pick(lists, point).map_or_else(Vec::new, |list| list.to_vec())),
            Self::Choice(words) => Value::Text(pick(words, point).map_or_else(String::new, |word| (*word).to_owned())),
            Self::Boolean => Value::Boolean(point < 0.5),
        }
    }

    /// In words: "0.1 to 10, each order of magnitude alike".
    #[must_use]
    pub fn describe(&self) -> String {
        let magnitudes = "each order of magnitude alike";
        match self {
            Self::Uniform { low, high } => format!("{low} to {high}"),
            Self::LogUniform { low, high } => format!("{low} to {high}, {magnitudes}"),
            Self::Integer { low, high } => format!("whole numbers {low} to {high}"),
            Self::LogInteger { low, high } => format!("whole numbers {low} to {high}, {magnitudes}"),
            Self::Integers(numbers) => numbers.iter().map(|number| number.to_string()).collect::<Vec<_>>().join(", "),
            Self::Lists(lists) => lists.iter().map(|list| format!("{list:?}")).collect::<Vec<_>>().join(", "),
            Self::Choice(words) => words.join(", "),
            Self::Boolean => "true or false".to_owned(),
        }
    }

    /// What does not suit the parameter that is to take the values; `None` where all do. A mistake in the program, met by
    /// the conformance suite.
    #[must_use]
    pub fn fault(&self, kind: &Kind) -> Option<String> {
        let fits = match (*self, kind) {
            (Self::Uniform { low, high }, Kind::Number { range, .. }) => {
                low < high && range.contains(low) && range.contains(high)
            }
            (Self::LogUniform { low, high }, Kind::Number { range, .. }) => {
                0.0 < low && low < high && range.contains(low) && range.contains(high)
            }
            (Self::Integer { low, high }, Kind::Integer { minimum, maximum, .. }) => {
                low < high && minimum <= &low && &high <= maximum
            }
            (Self::LogInteger { low, high }, Kind::Integer { minimum, maximum, .. }) => {
                1 <= low && low < high && minimum <= &low && &high <= maximum
            }
            (Self::Integers(numbers), Kind::Integer { minimum, maximum, .. }) => {
                numbers.len() > 1 && numbers.iter().all(|number| (minimum..=maximum).contains(&number))
            }
            (Self::Lists(lists), Kind::Integers { minimum, maximum, .. }) => {
                lists.len() > 1 && lists.iter().flat_map(|list| list.iter()).all(|n| (minimum..=maximum).contains(&n))
            }
            (Self::Choice(words), Kind::Choice { options, .. }) => {
                words.len() > 1 && words.iter().all(|word| options.contains(word))
            }
            (Self::Boolean, Kind::Boolean { .. }) => true,
            _ => false,
        };
        (!fits).then(|| format!("{self:?} does not suit {kind:?}"))
    }
}

impl Parameter {
    /// The same, with the range in which a search draws its values.
    #[must_use]
    pub const fn tuned(self, tuning: Tuning) -> Self {
        Self { tuning: Some(tuning), ..self }
    }
}

/// Between two numbers above 0, at a point of the unit interval of their logarithms.
fn between(low: f64, high: f64, point: f64) -> f64 {
    libm::exp(libm::log(low) + point * (libm::log(high) - libm::log(low)))
}

fn pick<T>(items: &[T], point: f64) -> Option<&T> {
    items.get(((point * items.len() as f64) as usize).min(items.len().saturating_sub(1)))
}

/// The same with [`DIGITS`] significant digits, as its decimal notation is read back.
fn rounded(number: f64) -> f64 {
    format!("{number:.*e}", DIGITS as usize - 1).parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::super::Range;
    use super::*;

    fn number(value: Value) -> f64 {
        match value {
            Value::Number(number) => number,
            Value::Integer(number) => number as f64,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ends_and_middles_are_where_they_should_be() {
        let (linear, log) = (Tuning::Uniform { low: -1.0, high: 3.0 }, Tuning::LogUniform { low: 0.01, high: 100.0 });
        assert_eq!([0.0, 0.5, 1.0].map(|point| number(linear.at(point))), [-1.0, 1.0, 3.0]);
        assert_eq!([0.0, 0.25, 0.5, 1.0].map(|point| number(log.at(point))), [0.01, 0.1, 1.0, 100.0]);
        assert_eq!(number(linear.at(0.123_456_789)), -0.5062, "four significant digits");
        let die = Tuning::Integer { low: 1, high: 6 };
        let points = (0..6).map(|face| (f64::from(face) + 0.5) / 6.0);
        assert_eq!(points.map(|point| number(die.at(point))).collect::<Vec<_>>(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!((number(die.at(0.0)), number(die.at(1.0))), (1.0, 6.0));
        let sizes = Tuning::LogInteger { low: 1, high: 1000 };
        assert_eq!((number(sizes.at(0.0)), number(sizes.at(1.0))), (1.0, 1000.0));
        // Half way between the logarithms of 0.5 and 1000.5.
        assert_eq!(number(sizes.at(0.5)), 22.0);
        assert_eq!(Tuning::Choice(&["a", "b"]).at(0.5), Value::Text("b".into()));
        assert_eq!(Tuning::Lists(&[&[64], &[128, 128]]).at(0.99), Value::Integers(vec![128, 128]));
        assert_eq!((Tuning::Boolean.at(0.4), Tuning::Boolean.at(0.6)), (Value::Boolean(true), Value::Boolean(false)));
    }

    #[test]
    fn a_range_that_the_parameter_refuses_is_a_fault() {
        let alpha = Parameter::number("alpha", 1.0, Range::PROBABILITY, "width");
        assert_eq!(
            alpha.tuned(Tuning::Uniform { low: 0.0, high: 1.0 }).tuning,
            Some(Tuning::Uniform { low: 0.0, high: 1.0 })
        );
        assert_eq!(Tuning::Uniform { low: 0.0, high: 1.0 }.fault(&alpha.kind), None);
        for wrong in [
            Tuning::Uniform { low: 0.0, high: 1.5 },
            Tuning::LogUniform { low: 0.0, high: 1.0 },
            Tuning::Integer { low: 0, high: 1 },
            Tuning::Boolean,
        ] {
            assert!(wrong.fault(&alpha.kind).is_some(), "{wrong:?}");
        }
    }
}
