//! What an analysis says about one treated arm.

use crate::statistics::{Moments, normal_cdf, normal_quantile, student_t_quantile};
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The difference that an arm makes against the control.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// The treated arm; 1 or more.
    pub arm: usize,
    /// Units read in the control and in the arm.
    pub units: [usize; 2],
    /// Level of the outcome in the control: a mean, or a ratio.
    pub control: f64,
    /// Level of the outcome in the arm.
    pub treated: f64,
    /// What the arm adds: the estimated difference in levels.
    pub effect: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Two-sided p value of no effect; in a sequential analysis, valid whenever it is read.
    pub p_value: f64,
    /// Whether "no effect" is rejected at the level that was asked for.
    pub is_rejected: bool,
    /// What repeated looks saw, in an analysis that looks repeatedly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequential: Option<Sequential>,
}

/// What repeated looks saw.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sequential {
    /// Number of looks.
    pub looks: usize,
    /// Units of control and arm that come before the first look; `None` where looks are spread over what there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_units: Option<usize>,
    /// Units of control and arm at the first look that rejected "no effect"; `None` where none did.
    pub stopped_at: Option<usize>,
    /// Greatest lower end of the intervals of all looks.
    pub low: f64,
    /// Least upper end of the intervals of all looks. What lies between the two was inside at every look.
    pub high: f64,
}

impl Effect {
    /// Why there is neither interval nor p value: fewer units than come before the first look. The interval is then the
    /// whole line, and the p value 1.
    #[must_use]
    pub fn waits(&self) -> Option<String> {
        let first_units = self.sequential.filter(|seen| seen.looks == 0)?.first_units?;
        let units = self.units[0] + self.units[1];
        Some(format!(
            "{units} units of control and arm are fewer than the {first_units} before its first look (first_units)"
        ))
    }
}

/// Two levels and the spread of their difference: what every analysis comes to in the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Difference {
    pub(super) arm: usize,
    pub(super) units: [usize; 2],
    pub(super) control: f64,
    pub(super) treated: f64,
    pub(super) effect: f64,
    pub(super) standard_error: f64,
}

impl Difference {
    /// Of two means with independent units.
    pub(super) fn of(arm: usize, control: &Moments, treated: &Moments, standard_error: f64) -> Self {
        Self {
            arm,
            units: [control.count as usize, treated.count as usize],
            control: control.mean,
            treated: treated.mean,
            effect: treated.mean - control.mean,
            standard_error,
        }
    }

    /// Against Student's t.
    pub(super) fn by_student(self, degrees_of_freedom: f64, alpha: f64) -> Effect {
        let p_value = student_p_value(self.statistic(), degrees_of_freedom);
        self.effect(student_t_quantile(1.0 - alpha / 2.0, degrees_of_freedom), p_value, alpha)
    }

    /// Against the normal distribution.
    pub(super) fn by_normal(self, alpha: f64) -> Effect {
        let p_value = normal_p_value(self.statistic());
        self.effect(normal_quantile(1.0 - alpha / 2.0), p_value, alpha)
    }

    /// With a given quantile and p value.
    pub(super) fn effect(self, quantile: f64, p_value: f64, alpha: f64) -> Effect {
        let half = if self.standard_error > 0.0 { quantile * self.standard_error } else { 0.0 };
        Effect {
            arm: self.arm,
            units: self.units,
            control: self.control,
            treated: self.treated,
            effect: self.effect,
            standard_error: self.standard_error,
            low: self.effect - half,
            high: self.effect + half,
            p_value,
            is_rejected: p_value <= alpha,
            sequential: None,
        }
    }

    /// The effect in standard errors. Where nothing varies, no effect is 0 and any effect is infinite.
    pub(super) fn statistic(&self) -> f64 {
        if self.standard_error > 0.0 {
            self.effect / self.standard_error
        } else if self.effect == 0.0 {
            0.0
        } else {
            f64::INFINITY.copysign(self.effect)
        }
    }
}

/// Two-sided p value of a standard normal statistic.
pub(super) fn normal_p_value(statistic: f64) -> f64 {
    2.0 * normal_cdf(-statistic.abs())
}

/// Two-sided p value of a Student statistic.
pub(super) fn student_p_value(statistic: f64, degrees_of_freedom: f64) -> f64 {
    if !statistic.is_finite() {
        return 0.0;
    }
    match StudentsT::new(0.0, 1.0, degrees_of_freedom) {
        Ok(law) => (2.0 * law.sf(statistic.abs())).min(1.0),
        Err(_) => normal_p_value(statistic),
    }
}

/// Degrees of freedom of a sum of independent variances, each with its own (Satterthwaite 1946; Welch 1947).
pub(super) fn satterthwaite(parts: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let whole: f64 = parts.clone().map(|(variance, _)| variance).sum();
    let rest: f64 = parts.clone().map(|(variance, degrees)| variance * variance / degrees).sum();
    if rest > 0.0 { whole * whole / rest } else { parts.map(|(_, degrees)| degrees).sum() }
}
