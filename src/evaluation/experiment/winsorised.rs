//! Welch's test on outcomes whose largest values are cut to a quantile.

use super::effect::Effect;
use super::welch::against_control;
use super::{Analysis, AnalysisBuild, Reads, Sample, Unanalysable};
use crate::registry::{Entry, Parameter, Range};

/// The entry of `winsorised`.
pub(super) const ENTRY: Entry<AnalysisBuild> = Entry {
    name: "winsorised",
    summary: "difference of means after cutting the largest outcomes to a quantile of all arms",
    source: "Tukey and McLaughlin 1963; Kohavi, Tang and Xu 2020, chapter 22",
    parameters: &[
        Parameter::number("quantile", 0.999, Range::closed(0.5, 1.0), "outcomes above this quantile are cut to it"),
        Parameter::boolean("both_ends", false, "cut the smallest outcomes as well, at one minus the quantile"),
    ],
    build: |values| {
        Ok(Box::new(Winsorised { quantile: values.number("quantile"), both_ends: values.boolean("both_ends") }))
    },
};

/// Outcomes above the quantile of all arms together are set to it, then compared by Welch's test.
///
/// A few very large orders no longer carry the answer. What is estimated changes with it: the effect on the cut outcome,
/// which misses an effect that sits in the largest orders alone.
#[derive(Debug)]
struct Winsorised {
    quantile: f64,
    both_ends: bool,
}

impl Analysis for Winsorised {
    fn reads(&self) -> Reads {
        Reads::OUTCOMES
    }

    fn effects(&self, sample: &Sample<'_>, alpha: f64) -> Result<Vec<Effect>, Unanalysable> {
        sample.check()?;
        let mut sorted = sample.outcomes.to_vec();
        sorted.sort_by(f64::total_cmp);
        let high = quantile(&sorted, self.quantile);
        let low = if self.both_ends { quantile(&sorted, 1.0 - self.quantile) } else { f64::NEG_INFINITY };
        let cut: Vec<f64> = sample.outcomes.iter().map(|outcome| outcome.min(high).max(low)).collect();
        Ok(against_control(&sample.moments(&cut), alpha))
    }
}

/// The quantile of sorted values, between neighbours in proportion (Hyndman and Fan 1996, type 7).
fn quantile(sorted: &[f64], probability: f64) -> f64 {
    let position = probability * (sorted.len() - 1) as f64;
    let below = position.floor();
    let (low, high) = (sorted[below as usize], sorted[position.ceil() as usize]);
    low + (position - below) * (high - low)
}
