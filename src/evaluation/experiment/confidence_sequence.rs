//! The asymptotic confidence sequence: an interval that holds at all times at once.

use super::always_valid::{
    EVERY_UNITS, FIRST_UNITS, Look, Looks, MIXING, PLANNED_UNITS, mixing_ratio_tightest_at, walk,
};
use super::effect::Effect;
use super::{Analysis, AnalysisBuild, Reads, Sample, Unanalysable};
use crate::registry::{Entry, Parameter};

/// The entry of `confidence_sequence`.
pub(super) const ENTRY: Entry<AnalysisBuild> = Entry {
    name: "confidence_sequence",
    summary: "interval that holds at every look at once",
    source: "Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021",
    parameters: &[
        Parameter::optional_number(
            "mixing_ratio",
            MIXING,
            "the sequence's rho squared; where it is not given, that which is tightest at planned_units",
        ),
        PLANNED_UNITS,
        FIRST_UNITS,
        EVERY_UNITS,
    ],
    build: |values| {
        Ok(Box::new(ConfidenceSequence {
            mixing_ratio: values.optional_number("mixing_ratio"),
            planned_units: values.integer("planned_units") as f64,
            looks: Looks::from(values),
        }))
    },
};

/// `effect ± sigma sqrt(2 (t r + 1)/(t^2 r) ln(sqrt(t r + 1)/alpha))`, with `t` the units of control and arm so far and
/// `sigma^2 / t` the variance of the difference of means.
///
/// Assumes rows in the order of time and units that are alike over time. The guarantee is asymptotic: before a few hundred
/// units, and longer with rare outcomes, it covers less than it says.
///
/// Difference from the paper: the difference of means and its variance in place of the augmented estimate with known
/// propensities; the two are alike to the order that the guarantee speaks of.
#[derive(Debug)]
struct ConfidenceSequence {
    mixing_ratio: Option<f64>,
    planned_units: f64,
    looks: Looks,
}

impl Analysis for ConfidenceSequence {
    fn reads(&self) -> Reads {
        Reads::ORDER
    }

    fn effects(&self, sample: &Sample<'_>, alpha: f64) -> Result<Vec<Effect>, Unanalysable> {
        let ratio = self.mixing_ratio.unwrap_or_else(|| mixing_ratio_tightest_at(self.planned_units, alpha));
        walk(sample, alpha, self.looks, &|look: &Look| ratio * look.units * look.variance)
    }
}
