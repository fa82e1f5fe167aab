//! Three ways in which marketing fools itself, each shown in a market where the truth is known.
//!
//! A trap holds the answer that a company would read off its own figures beside the answer of the same people with the
//! same luck under another treatment. Markets are those of the preset with the forces that the trap needs; every
//! figure is a mean over markets, with a 95 % interval over them.

mod confounding;
mod discount;
mod frequency;
mod market;

use crate::registry::Refusal;
use crate::statistics::{Estimate, estimate};
use serde::Serialize;

/// Which trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// Judging discounts by the fortnight after them.
    Discount,
    /// Judging how often to write by a test of four weeks.
    Frequency,
    /// Judging a targeted campaign by comparing those it reached with those it did not.
    Confounding,
}

/// How much is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Seed of the first market; the others follow from it.
    pub seed: u64,
    /// Consumers of each market, at least 1.
    pub consumers: u32,
    /// Markets, at least 2.
    pub markets: u32,
}

/// A mean over markets with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Mean.
    pub mean: f64,
    /// Standard error of the mean over markets.
    pub standard_error: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Figure {
    fn over(values: &[f64]) -> Self {
        let Estimate { mean, standard_error, low, high } = estimate(values);
        Self { mean, standard_error, low, high }
    }
}

/// One point of a series.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Where it stands on the axis.
    pub x: f64,
    /// What it is called.
    pub label: String,
    /// What was found.
    pub value: Figure,
}

/// Points that belong together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// Whose answer it is.
    pub name: String,
    /// In the order of their x.
    pub points: Vec<Point>,
}

/// What a trap shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Name of the trap.
    pub name: &'static str,
    /// What was asked.
    pub question: &'static str,
    /// What the x axis measures.
    pub x_axis: &'static str,
    /// What the values measure.
    pub y_axis: &'static str,
    /// Whether the points are things with names rather than numbers on a scale.
    pub is_named: bool,
    /// The naive series first, the true one last.
    pub series: Vec<Series>,
    /// The answer that the company would read.
    pub naive: String,
    /// The answer that is true.
    pub truth: String,
    /// Single figures that the answers rest on.
    pub facts: Vec<(&'static str, f64)>,
}

impl Trap {
    /// Springs the trap.
    ///
    /// # Errors
    /// Where the market cannot be built; with the preset it always can.
    pub fn spring(self, extent: Extent) -> Result<Finding, Vec<Refusal>> {
        match self {
            Self::Discount => discount::spring(extent),
            Self::Frequency => frequency::spring(extent),
            Self::Confounding => confounding::spring(extent),
        }
    }
}

/// Index of the point with the greatest mean; ties go to the first.
fn best(points: &[Point]) -> usize {
    (0..points.len())
        .fold(0, |best, index| if points[index].value.mean > points[best].value.mean { index } else { best })
}

#[cfg(test)]
mod tests;
