//! The mixture sequential probability ratio test: an always-valid p value.

use super::always_valid::{
    EVERY_UNITS, FIRST_UNITS, Look, Looks, MIXING, PLANNED_UNITS, mixing_ratio_tightest_at, walk,
};
use super::effect::Effect;
use super::{Analysis, AnalysisBuild, Reads, Sample, Unanalysable};
use crate::registry::{Entry, Parameter};

/// The entry of `msprt`.
pub(super) const ENTRY: Entry<AnalysisBuild> = Entry {
    name: "msprt",
    summary: "always-valid p value by a normal mixture: look after every unit, stop when you like",
    source: "Robbins 1970; Johari, Koomen, Pekelis and Walsh 2017",
    parameters: &[
        Parameter::optional_number(
            "mixing_variance",
            MIXING,
            "variance of the effects that are thought likely, in squared units of the outcome; where it is not given, \
             in proportion to the outcome's variance so that the test is most sensitive at planned_units",
        ),
        PLANNED_UNITS,
        FIRST_UNITS,
        EVERY_UNITS,
    ],
    build: |values| {
        Ok(Box::new(Msprt {
            mixing_variance: values.optional_number("mixing_variance"),
            planned_units: values.integer("planned_units") as f64,
            looks: Looks::from(values),
        }))
    },
};

/// `p = min over looks of 1 / L`, `L` the likelihood ratio of effects mixed by N(0, tau^2) against none, with the estimated
/// variance of the difference of means.
///
/// Assumes rows in the order of time, and an effect that does not change while the experiment runs. The guarantee is
/// asymptotic: the estimated variance must be good from the first look on.
///
/// Differences from the paper: 1. arms of any size in place of pairs; 2. any outcomes with a variance, by the central limit
/// theorem; 3. the interval is that of the last look, and what lay inside at all looks is told beside it.
#[derive(Debug)]
struct Msprt {
    mixing_variance: Option<f64>,
    planned_units: f64,
    looks: Looks,
}

impl Analysis for Msprt {
    fn reads(&self) -> Reads {
        Reads::ORDER
    }

    fn effects(&self, sample: &Sample<'_>, alpha: f64) -> Result<Vec<Effect>, Unanalysable> {
        let ratio = mixing_ratio_tightest_at(self.planned_units, alpha);
        let mixing = |look: &Look| self.mixing_variance.unwrap_or(ratio * look.units * look.variance);
        walk(sample, alpha, self.looks, &mixing)
    }
}
