//! The z-test: the difference of two means or proportions against the normal distribution.

use super::effect::{Difference, Effect, normal_p_value};
use super::{Analysis, AnalysisBuild, Reads, Sample, Unanalysable};
use crate::registry::{Entry, Parameter};
use crate::statistics::normal_quantile;

/// The entry of `z_test`.
pub(super) const ENTRY: Entry<AnalysisBuild> = Entry {
    name: "z_test",
    summary: "difference of means or proportions against the normal distribution",
    source: "Fleiss, Levin and Paik 2003, chapter 3",
    parameters: &[Parameter::boolean(
        "pooled",
        false,
        "test proportions by the variance of both arms together, as sample sizes by Fleiss do; outcomes must be 0 or 1",
    )],
    build: |values| Ok(Box::new(Normal { pooled: values.boolean("pooled") })),
};

/// `(mean_1 - mean_0) / sqrt(s_1^2/n_1 + s_0^2/n_0)`. Pooled, the test takes `p (1-p) (1/n_1 + 1/n_0)` with the `p` of both
/// arms, and the interval still the variances of each.
///
/// Assumes independent units and enough of them, about ten events and ten non-events an arm; with fewer it rejects too
/// often.
#[derive(Debug)]
struct Normal {
    pooled: bool,
}

impl Analysis for Normal {
    fn reads(&self) -> Reads {
        Reads::OUTCOMES
    }

    fn effects(&self, sample: &Sample<'_>, alpha: f64) -> Result<Vec<Effect>, Unanalysable> {
        sample.check()?;
        let odd = sample.outcomes.iter().position(|value| *value != 0.0 && *value != 1.0);
        if let Some(row) = odd.filter(|_| self.pooled) {
            return Err(Unanalysable::NotBinary { row: row + 1, value: sample.outcomes[row] });
        }
        let moments = sample.moments(sample.outcomes);
        let control = &moments[0];
        let effect = |arm: usize| {
            let treated = &moments[arm];
            let variance = control.variance() / control.count + treated.variance() / treated.count;
            let difference = Difference::of(arm, control, treated, variance.sqrt());
            if !self.pooled {
                return difference.by_normal(alpha);
            }
            let rate = (control.count * control.mean + treated.count * treated.mean) / (control.count + treated.count);
            let standard_error = (rate * (1.0 - rate) * (1.0 / control.count + 1.0 / treated.count)).sqrt();
            let p_value = normal_p_value(Difference { standard_error, ..difference }.statistic());
            difference.effect(normal_quantile(1.0 - alpha / 2.0), p_value, alpha)
        };
        Ok((1..sample.arm_count).map(effect).collect())
    }
}
