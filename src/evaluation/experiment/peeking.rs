//! The fixed test looked at again and again: wrong on purpose, to see by how much.

use super::effect::{Effect, Sequential};
use super::{Analysis, AnalysisBuild, Reads, Sample, Unanalysable};
use crate::evaluation::experiment::{always_valid, welch};
use crate::registry::{Entry, Parameter};
use crate::statistics::Moments;

/// The entry of `peeking`.
pub(super) const ENTRY: Entry<AnalysisBuild> = Entry {
    name: "peeking",
    summary: "WRONG ON PURPOSE: Welch's test after each part of the data, stopped at the first success",
    source: "Armitage, McPherson and Rowe 1969; Mercato: to measure what peeking costs",
    parameters: &[Parameter::integer("looks", 20, 1, 1_000_000, "looks, evenly spread over the units")],
    build: |values| Ok(Box::new(Peeking { looks: usize::try_from(values.integer("looks")).unwrap_or(1) })),
};

/// Welch's test of the units so far at each of some looks; what is told is that of the first look that rejects, or of the
/// last. At twenty looks it rejects a true null hypothesis about one time in four, and the effects it tells are too large.
#[derive(Debug)]
struct Peeking {
    looks: usize,
}

impl Analysis for Peeking {
    fn reads(&self) -> Reads {
        Reads::ORDER
    }

    fn effects(&self, sample: &Sample<'_>, alpha: f64) -> Result<Vec<Effect>, Unanalysable> {
        sample.check()?;
        let counts = sample.counts();
        Ok((1..sample.arm_count).map(|arm| self.one_arm(sample, arm, counts[0] + counts[arm], alpha)).collect())
    }
}

impl Peeking {
    fn one_arm(&self, sample: &Sample<'_>, arm: usize, total: usize, alpha: f64) -> Effect {
        let mut arms = [Moments::default(); 2];
        let mut seen =
            Sequential { looks: 0, first_units: None, stopped_at: None, low: f64::NEG_INFINITY, high: f64::INFINITY };
        let (mut units, mut told) = (0_usize, None);
        for (row, of) in sample.arms.iter().enumerate() {
            let side = match *of as usize {
                0 => 0,
                of if of == arm => 1,
                _ => continue,
            };
            always_valid::add(&mut arms[side], sample.outcomes[row]);
            units += 1;
            let is_due = units * self.looks / total > (units - 1) * self.looks / total;
            if !is_due || arms.iter().any(|moments| moments.count < 2.0) {
                continue;
            }
            let effect = welch::compare(arm, &arms[0], &arms[1], alpha);
            seen.looks += 1;
            seen.low = seen.low.max(effect.low);
            seen.high = seen.high.min(effect.high);
            if seen.stopped_at.is_none() {
                seen.stopped_at = effect.is_rejected.then_some(units);
                told = Some(effect);
            }
        }
        let told = told.unwrap_or_else(|| welch::compare(arm, &arms[0], &arms[1], alpha));
        Effect { sequential: Some(seen), ..told }
    }
}
