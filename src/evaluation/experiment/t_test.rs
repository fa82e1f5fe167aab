//! The t-test with one variance for all arms.

use super::effect::{Difference, Effect};
use super::{Analysis, AnalysisBuild, Reads, Sample, Unanalysable};
use crate::registry::Entry;

/// The entry of `t_test`.
pub(super) const ENTRY: Entry<AnalysisBuild> = Entry {
    name: "t_test",
    summary: "difference of means with one variance for both arms",
    source: "Student 1908",
    parameters: &[],
    build: |_| Ok(Box::new(Pooled)),
};

/// `mean_1 - mean_0` with the variance of control and arm pooled, against Student's t with `n_1 + n_0 - 2` degrees of
/// freedom.
///
/// Assumes equal variances: where the arm of fewer units varies more, it rejects too often. `welch` does not need that.
#[derive(Debug)]
struct Pooled;

impl Analysis for Pooled {
    fn reads(&self) -> Reads {
        Reads::OUTCOMES
    }

    fn effects(&self, sample: &Sample<'_>, alpha: f64) -> Result<Vec<Effect>, Unanalysable> {
        sample.check()?;
        let moments = sample.moments(sample.outcomes);
        let control = &moments[0];
        let effect = |arm: usize| {
            let treated = &moments[arm];
            let degrees = control.count + treated.count - 2.0;
            let variance = (control.squares + treated.squares) / degrees;
            let standard_error = (variance * (1.0 / control.count + 1.0 / treated.count)).sqrt();
            Difference::of(arm, control, treated, standard_error).by_student(degrees, alpha)
        };
        Ok((1..sample.arm_count).map(effect).collect())
    }
}
