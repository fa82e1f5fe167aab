//! How many units an experiment takes, and what so many units can show.
//!
//! Normal approximations throughout: the sizes are large wherever anybody asks. Two-sided tests.

use crate::statistics::{normal_cdf, normal_quantile};
use serde::Serialize;

/// What the experiment is like, whatever its metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Design {
    /// Two-sided level of the tests together, in (0, 1).
    pub alpha: f64,
    /// Probability with which the difference should be found, in (0, 1).
    pub power: f64,
    /// Number of arms, the control included; 2 or more.
    pub arms: u32,
    /// Share of all units in each treated arm; equal shares where absent.
    pub share: Option<f64>,
    /// Whether every comparison with the control is tested at `alpha` over their number (Bonferroni). Holm's procedure
    /// needs no more units.
    pub is_corrected: bool,
    /// Correlation of the outcome with a covariate from before the experiment, for CUPED; in (-1, 1).
    pub covariate_correlation: f64,
    /// Units of each cluster, where clusters are randomised; 1 or more.
    pub cluster_size: f64,
    /// Correlation of two units of one cluster, from 0 to 1.
    pub intra_class_correlation: f64,
}

impl Default for Design {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            power: 0.8,
            arms: 2,
            share: None,
            is_corrected: true,
            covariate_correlation: 0.0,
            cluster_size: 1.0,
            intra_class_correlation: 0.0,
        }
    }
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// A rate, from 0 to 1, excluded.
    Rate {
        /// In the control.
        baseline: f64,
    },
    /// A mean.
    Mean {
        /// Standard deviation between units, above 0.
        deviation: f64,
    },
}

/// The size of an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Size {
    /// Units of the control.
    pub control_units: u64,
    /// Units of each treated arm.
    pub treated_units: u64,
    /// Units of all arms together.
    pub total_units: u64,
    /// Clusters of the control and of each treated arm, where clusters are randomised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<[u64; 2]>,
    /// Units of the control before they were rounded up.
    pub exact_control_units: f64,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Impossible {
    /// A number outside its range.
    #[error("{what} is {value}, and must be {range}")]
    OutOfRange {
        /// Which.
        what: &'static str,
        /// What it is.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// A difference of nothing.
    #[error("the difference is 0: no number of units shows that")]
    NoDifference,
    /// Shares that leave nothing for the control.
    #[error("{treated} treated arms of share {share} leave the control a share of {rest}")]
    NoControl {
        /// How many treated arms.
        treated: u32,
        /// Of each.
        share: f64,
        /// For the control.
        rest: f64,
    },
    /// No rate below 1 can be told from the baseline.
    #[error("with {units} units an arm no rate below 1 can be told from {baseline}")]
    TooFewUnits {
        /// Of each treated arm.
        units: f64,
        /// Rate of the control.
        baseline: f64,
    },
}

fn within(what: &'static str, value: f64, range: &'static str, is_legal: bool) -> Result<(), Impossible> {
    if is_legal && value.is_finite() { Ok(()) } else { Err(Impossible::OutOfRange { what, value, range }) }
}

impl Design {
    /// Checks all numbers.
    ///
    /// # Errors
    /// At the first that is out of range.
    pub fn check(&self) -> Result<(), Impossible> {
        let inside = |value: f64| value > 0.0 && value < 1.0;
        within("alpha", self.alpha, "above 0 and below 1", inside(self.alpha))?;
        within("power", self.power, "above alpha and below 1", inside(self.power) && self.power > self.alpha)?;
        within("the number of arms", f64::from(self.arms), "2 or more", self.arms >= 2)?;
        let correlation = self.covariate_correlation;
        within("the correlation with the covariate", correlation, "above -1 and below 1", correlation.abs() < 1.0)?;
        within("the cluster size", self.cluster_size, "1 or more", self.cluster_size >= 1.0)?;
        let within_clusters = self.intra_class_correlation;
        let is_share = (0.0..=1.0).contains(&within_clusters);
        within("the intra-class correlation", within_clusters, "from 0 to 1", is_share)?;
        if let Some(share) = self.share {
            let rest = 1.0 - f64::from(self.arms - 1) * share;
            within("the share of a treated arm", share, "above 0 and below 1", inside(share))?;
            if rest <= 1e-9 {
                return Err(Impossible::NoControl { treated: self.arms - 1, share, rest });
            }
        }
        Ok(())
    }

    /// Units of a treated arm for each of the control.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.share.map_or(1.0, |share| share / (1.0 - f64::from(self.arms - 1) * share))
    }

    /// By what the number of units is multiplied: `1 - rho^2` for the covariate (Deng et al. 2013), `1 + (m - 1) icc` for
    /// clusters of `m` units (Kish 1965).
    #[must_use]
    pub fn factor(&self) -> f64 {
        let unexplained = 1.0 - self.covariate_correlation * self.covariate_correlation;
        unexplained * (1.0 + (self.cluster_size - 1.0) * self.intra_class_correlation)
    }

    /// Normal quantiles of the level of one comparison and of the power.
    fn quantiles(&self) -> (f64, f64) {
        (self.level_quantile(), normal_quantile(self.power))
    }

    fn level_quantile(&self) -> f64 {
        let comparisons = if self.is_corrected { f64::from(self.arms - 1) } else { 1.0 };
        normal_quantile(1.0 - self.alpha / (2.0 * comparisons))
    }

    fn size(&self, exact: f64) -> Size {
        let units = |exact: f64| {
            let clusters = (exact / self.cluster_size - 1e-9).ceil().max(1.0);
            if self.cluster_size > 1.0 { (clusters * self.cluster_size).ceil() } else { clusters }
        };
        let (control, treated) = (units(exact), units(exact * self.ratio()));
        let clusters = [control, treated].map(|units| (units / self.cluster_size).round() as u64);
        Size {
            control_units: control as u64,
            treated_units: treated as u64,
            total_units: (control + treated * f64::from(self.arms - 1)) as u64,
            clusters: (self.cluster_size > 1.0).then_some(clusters),
            exact_control_units: exact,
        }
    }
}

impl Outcome {
    fn check(&self) -> Result<(), Impossible> {
        match *self {
            Self::Rate { baseline } => {
                within("the baseline rate", baseline, "above 0 and below 1", baseline > 0.0 && baseline < 1.0)
            }
            Self::Mean { deviation } => within("the standard deviation", deviation, "above 0", deviation > 0.0),
        }
    }

    fn check_difference(&self, difference: f64) -> Result<(), Impossible> {
        if let Self::Rate { baseline } = *self {
            let treated = baseline + difference;
            within("the treated rate", treated, "above 0 and below 1", treated > 0.0 && treated < 1.0)?;
        }
        within("the difference", difference, "a finite number", true)?;
        if difference == 0.0 { Err(Impossible::NoDifference) } else { Ok(()) }
    }

    /// Standard deviations, times the root of the control's units, of the difference where there is none and where it is as
    /// given. Proportions differ in the two (Fleiss, Levin and Paik 2003, section 4.2).
    fn spreads(&self, difference: f64, ratio: f64) -> (f64, f64) {
        match *self {
            Self::Mean { deviation } => {
                let spread = deviation * (1.0 + 1.0 / ratio).sqrt();
                (spread, spread)
            }
            Self::Rate { baseline } => {
                let treated = baseline + difference;
                let pooled = (baseline + ratio * treated) / (1.0 + ratio);
                let null = (pooled * (1.0 - pooled) * (1.0 + 1.0 / ratio)).sqrt();
                (null, (baseline * (1.0 - baseline) + treated * (1.0 - treated) / ratio).sqrt())
            }
        }
    }
}

/// Units to find a difference: `n = (z_(alpha/2) s_0 + z_power s_1)^2 / d^2`. Proportions by Fleiss, without the correction
/// for continuity; means by `2 (z + z)^2 sd^2 / d^2`.
///
/// # Errors
/// Where a number is out of range.
pub fn units(outcome: Outcome, difference: f64, design: &Design) -> Result<Size, Impossible> {
    design.check()?;
    outcome.check()?;
    outcome.check_difference(difference)?;
    Ok(design.size(exact_units(outcome, difference, design)))
}

fn exact_units(outcome: Outcome, difference: f64, design: &Design) -> f64 {
    let (level, power) = design.quantiles();
    let (null, alternative) = outcome.spreads(difference, design.ratio());
    let needed = (level * null + power * alternative) / difference;
    needed * needed * design.factor()
}

/// The least difference upwards that so many units in each treated arm find with the design's power; the control has its
/// share.
///
/// # Errors
/// Where a number is out of range.
pub fn detectable(outcome: Outcome, treated_units: f64, design: &Design) -> Result<f64, Impossible> {
    design.check()?;
    outcome.check()?;
    within("the number of units", treated_units, "2 or more", treated_units >= 2.0)?;
    let control_units = treated_units / design.ratio();
    match outcome {
        Outcome::Mean { .. } => {
            let (level, power) = design.quantiles();
            let (spread, _) = outcome.spreads(0.0, design.ratio());
            Ok((level + power) * spread * (design.factor() / control_units).sqrt())
        }
        Outcome::Rate { baseline } => {
            let (mut low, mut high) = (0.0, (1.0 - baseline) * (1.0 - 1e-12));
            if exact_units(outcome, high, design) > control_units {
                return Err(Impossible::TooFewUnits { units: treated_units, baseline });
            }
            for _ in 0..200 {
                let middle = 0.5 * (low + high);
                let suffices = exact_units(outcome, middle, design) <= control_units;
                (low, high) = if suffices { (low, middle) } else { (middle, high) };
            }
            Ok(high)
        }
    }
}

/// The probability with which so many units in each treated arm find a difference, in its own direction.
///
/// # Errors
/// Where a number is out of range.
pub fn power(outcome: Outcome, difference: f64, treated_units: f64, design: &Design) -> Result<f64, Impossible> {
    design.check()?;
    outcome.check()?;
    outcome.check_difference(difference)?;
    within("the number of units", treated_units, "2 or more", treated_units >= 2.0)?;
    let (null, alternative) = outcome.spreads(difference, design.ratio());
    let effective = treated_units / design.ratio() / design.factor();
    Ok(normal_cdf((difference.abs() * effective.sqrt() - design.level_quantile() * null) / alternative))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(value: f64, expected: f64, tolerance: f64) {
        assert!((value - expected).abs() < tolerance, "{value} is not {expected}");
    }

    #[test]
    fn proportions_by_fleiss() {
        let size = units(Outcome::Rate { baseline: 0.005726 }, 0.012531 - 0.005726, &Design::default()).unwrap();
        close(size.exact_control_units, 3_065.004, 0.5);
        assert_eq!((size.control_units, size.treated_units, size.total_units), (3_066, 3_066, 6_132));
        let size = units(Outcome::Rate { baseline: 0.02 }, 0.002, &Design::default()).unwrap();
        assert_eq!(size.control_units, 80_682);
    }

    #[test]
    fn means_and_the_least_difference_that_can_be_found() {
        let spend = Outcome::Mean { deviation: 11.588 };
        close(detectable(spend, 21_306.0, &Design::default()).unwrap(), 0.314_54, 5e-6);
        let size = units(Outcome::Mean { deviation: 75.0 }, 0.35, &Design::default()).unwrap();
        assert_eq!(size.control_units, 720_816);
    }

    #[test]
    fn a_covariate_saves_its_squared_correlation() {
        let outcome = Outcome::Mean { deviation: 75.0 };
        let plain = units(outcome, 0.35, &Design::default()).unwrap().exact_control_units;
        let design = Design { covariate_correlation: 0.6, ..Design::default() };
        close(units(outcome, 0.35, &design).unwrap().exact_control_units / plain, 0.64, 1e-12);
    }

    #[test]
    fn clusters_cost_their_design_effect() {
        let design = Design { cluster_size: 20.0, intra_class_correlation: 0.05, ..Design::default() };
        let outcome = Outcome::Mean { deviation: 1.0 };
        let plain = units(outcome, 0.1, &Design::default()).unwrap().exact_control_units;
        let size = units(outcome, 0.1, &design).unwrap();
        close(size.exact_control_units / plain, 1.95, 1e-12);
        let clusters = size.clusters.unwrap()[0];
        assert_eq!(clusters * 20, size.control_units);
        assert_eq!(clusters, (plain * 1.95 / 20.0).ceil() as u64);
    }

    #[test]
    fn unequal_shares_and_further_arms_cost_units() {
        let outcome = Outcome::Mean { deviation: 1.0 };
        let even = units(outcome, 0.1, &Design::default()).unwrap().total_units as f64;
        // The variance is 1/s + 1/(1-s) over the total: 4 where s = 1/2, 1/.09 where s = .1.
        let design = Design { share: Some(0.1), ..Design::default() };
        let skewed = units(outcome, 0.1, &design).unwrap();
        close(skewed.total_units as f64 / even, 1.0 / 0.09 / 4.0, 1e-3);
        close(skewed.control_units as f64 / skewed.treated_units as f64, 9.0, 1e-2);
        // Two comparisons at .025 each: z = 2.241403 in place of 1.959964.
        let three = units(outcome, 0.1, &Design { arms: 3, ..Design::default() }).unwrap();
        let plain = units(outcome, 0.1, &Design { arms: 3, is_corrected: false, ..Design::default() }).unwrap();
        let expected = ((2.241_402_7 + 0.841_621_2) / (1.959_964 + 0.841_621_2_f64)).powi(2);
        close(three.exact_control_units / plain.exact_control_units, expected, 1e-6);
        assert_eq!(three.total_units, 3 * three.control_units);
    }

    #[test]
    fn power_units_and_differences_are_one_relation() {
        for outcome in [Outcome::Rate { baseline: 0.05 }, Outcome::Mean { deviation: 3.0 }] {
            for share in [None, Some(0.2)] {
                let design = Design { share, power: 0.9, covariate_correlation: 0.3, ..Design::default() };
                let exact = exact_units(outcome, 0.02, &design);
                close(power(outcome, 0.02, exact * design.ratio(), &design).unwrap(), 0.9, 1e-9);
                close(detectable(outcome, exact * design.ratio(), &design).unwrap(), 0.02, 1e-9);
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_value() {
        let told = |error: Impossible| error.to_string();
        let design = Design::default();
        let rate = Outcome::Rate { baseline: 0.02 };
        assert!(told(units(rate, 0.0, &design).unwrap_err()).contains("difference is 0"));
        assert!(told(units(rate, 0.99, &design).unwrap_err()).contains("the treated rate is 1.01"));
        assert!(told(units(Outcome::Mean { deviation: -1.0 }, 1.0, &design).unwrap_err()).contains("-1"));
        let crowded = Design { arms: 4, share: Some(0.4), ..design };
        assert!(told(units(rate, 0.01, &crowded).unwrap_err()).contains("leave the control"));
        assert!(detectable(Outcome::Rate { baseline: 0.9 }, 3.0, &design).is_err());
        assert!(units(rate, f64::NAN, &design).is_err());
    }
}
