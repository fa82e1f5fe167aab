//! What is known of units before the experiment: numbers, or words.

use std::collections::BTreeMap;
use std::fmt;

/// A column that units can be told apart by.
#[derive(Clone, Debug, PartialEq)]
pub enum Segment {
    /// Numbers, split at thresholds.
    Numbers {
        /// Name of the column.
        name: String,
        /// Of each unit; finite.
        values: Vec<f64>,
    },
    /// Words, split into one and the rest.
    Levels {
        /// Name of the column.
        name: String,
        /// The words, sorted.
        levels: Vec<String>,
        /// The word of each unit.
        values: Vec<u32>,
    },
}

impl Segment {
    /// From texts: numbers where all of them are finite numbers, words otherwise.
    #[must_use]
    pub fn from_texts(name: &str, texts: &[String]) -> Self {
        let name = name.to_owned();
        let numbers: Option<Vec<f64>> =
            texts.iter().map(|text| text.parse().ok().filter(|number: &f64| number.is_finite())).collect();
        if let Some(values) = numbers {
            return Self::Numbers { name, values };
        }
        let mut known: BTreeMap<&str, u32> = texts.iter().map(|text| (text.as_str(), 0)).collect();
        for (number, (_, level)) in known.iter_mut().enumerate() {
            *level = number as u32;
        }
        let values = texts.iter().map(|text| known[text.as_str()]).collect();
        Self::Levels { name, levels: known.keys().map(|text| (*text).to_owned()).collect(), values }
    }

    /// The name of the column.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Numbers { name, .. } | Self::Levels { name, .. } => name,
        }
    }

    /// Some units, in a given order.
    #[must_use]
    pub fn of_rows(&self, rows: &[usize]) -> Self {
        match self {
            Self::Numbers { name, values } => {
                Self::Numbers { name: name.clone(), values: rows.iter().map(|row| values[*row]).collect() }
            }
            Self::Levels { name, levels, values } => Self::Levels {
                name: name.clone(),
                levels: levels.clone(),
                values: rows.iter().map(|row| values[*row]).collect(),
            },
        }
    }

    /// Columns of numbers for a linear model: a number as it is, a word as one column of 0 and 1 for every word but the
    /// first, at most so many.
    pub(super) fn features(&self, most_levels: usize) -> Vec<Vec<f64>> {
        match self {
            Self::Numbers { values, .. } => vec![values.clone()],
            Self::Levels { levels, values, .. } => (1..levels.len().min(most_levels + 1))
                .map(|level| values.iter().map(|value| f64::from(u8::from(*value as usize == level))).collect())
                .collect(),
        }
    }
}

/// One side of a split.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Position of the segment column.
    pub segment: usize,
    /// The threshold of a number, or the position of a word.
    pub at: f64,
    /// Whether the unit is on the near side: at most the threshold, or of this word.
    pub is_near: bool,
}

impl Condition {
    /// Whether a unit meets it.
    #[must_use]
    pub fn holds(&self, segments: &[Segment], unit: usize) -> bool {
        let is_near = match &segments[self.segment] {
            Segment::Numbers { values, .. } => values[unit] <= self.at,
            Segment::Levels { values, .. } => f64::from(values[unit]) == self.at,
        };
        is_near == self.is_near
    }

    /// In words, such as `recency <= 6` or `channel is not "Web"`.
    pub fn describe<'a>(&'a self, segments: &'a [Segment]) -> impl fmt::Display + 'a {
        fmt::from_fn(move |formatter| match &segments[self.segment] {
            Segment::Numbers { name, .. } => {
                write!(formatter, "{name} {} {}", if self.is_near { "<=" } else { ">" }, self.at)
            }
            Segment::Levels { name, levels, .. } => {
                let level = levels.get(self.at as usize).map_or("", String::as_str);
                write!(formatter, "{name} {} {level:?}", if self.is_near { "is" } else { "is not" })
            }
        })
    }
}
