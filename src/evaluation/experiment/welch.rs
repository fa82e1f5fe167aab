//! Welch's t-test: the difference of two means, with a variance of its own for each arm.

use super::effect::{Difference, Effect, satterthwaite};
use super::{Analysis, AnalysisBuild, Reads, Sample, Unanalysable};
use crate::registry::Entry;
use crate::statistics::Moments;

/// The entry of `welch`.
pub(super) const ENTRY: Entry<AnalysisBuild> = Entry {
    name: "welch",
    summary: "difference of means with a variance for each arm; the right one to begin with",
    source: "Welch 1947",
    parameters: &[],
    build: |_| Ok(Box::new(Welch)),
};

/// `mean_1 - mean_0` with variance `s_1^2/n_1 + s_0^2/n_0` against Student's t.
///
/// Assumes independent units and means that are nearly normal: with skewed outcomes and few events (a few dozen orders an
/// arm) its interval is too short on one side.
#[derive(Debug)]
pub(super) struct Welch;

impl Analysis for Welch {
    fn reads(&self) -> Reads {
        Reads::OUTCOMES
    }

    fn effects(&self, sample: &Sample<'_>, alpha: f64) -> Result<Vec<Effect>, Unanalysable> {
        sample.check()?;
        Ok(against_control(&sample.moments(sample.outcomes), alpha))
    }
}

/// Every arm against the first.
pub(super) fn against_control(moments: &[Moments], alpha: f64) -> Vec<Effect> {
    let control = &moments[0];
    (1..moments.len()).map(|arm| compare(arm, control, &moments[arm], alpha)).collect()
}

/// One arm against the control.
pub(super) fn compare(arm: usize, control: &Moments, treated: &Moments, alpha: f64) -> Effect {
    let parts = [control, treated].map(|moments| (moments.variance() / moments.count, moments.count - 1.0));
    let variance = parts[0].0 + parts[1].0;
    Difference::of(arm, control, treated, variance.sqrt()).by_student(satterthwaite(parts.into_iter()), alpha)
}
