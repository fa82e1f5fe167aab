//! CUPED: what was known before the experiment is taken out of the outcome.

use super::effect::Effect;
use super::welch::against_control;
use super::{Analysis, AnalysisBuild, Reads, Sample, Unanalysable};
use crate::registry::Entry;

/// The entry of `cuped`.
pub(super) const ENTRY: Entry<AnalysisBuild> = Entry {
    name: "cuped",
    summary: "difference of means less what a covariate from before the experiment explains",
    source: "Deng, Xu, Kohavi and Walker 2013",
    parameters: &[],
    build: |_| Ok(Box::new(Cuped)),
};

/// `Y - theta (X - mean X)` with `theta = cov(X, Y) / var(X)`, then Welch's test: the variance falls by the factor
/// `1 - rho^2`.
///
/// Assumes that the treatment cannot have moved the covariate: with anything measured after the start the answer is wrong.
///
/// Differences from the paper: 1. covariance and variance are taken within arms and added over all of them (one theta for
/// all), so that an effect on the outcome does not enter theta; 2. the adjusted outcomes are compared by Welch's test, which
/// does not count the estimated theta as a lost degree of freedom.
#[derive(Debug)]
struct Cuped;

impl Analysis for Cuped {
    fn reads(&self) -> Reads {
        Reads::COVARIATE
    }

    fn effects(&self, sample: &Sample<'_>, alpha: f64) -> Result<Vec<Effect>, Unanalysable> {
        sample.check()?;
        let covariates = sample.covariates()?;
        let (theta, centre) = theta(sample, covariates)?;
        let adjusted: Vec<f64> = sample
            .outcomes
            .iter()
            .zip(covariates)
            .map(|(outcome, before)| outcome - theta * (before - centre))
            .collect();
        Ok(against_control(&sample.moments(&adjusted), alpha))
    }
}

/// The slope of the outcome on the covariate within arms, and the mean of the covariate over all units.
pub(super) fn theta(sample: &Sample<'_>, covariates: &[f64]) -> Result<(f64, f64), Unanalysable> {
    let (before, after) = (sample.moments(covariates), sample.moments(sample.outcomes));
    let mut shared = 0.0;
    for (row, arm) in sample.arms.iter().enumerate() {
        let arm = *arm as usize;
        shared += (covariates[row] - before[arm].mean) * (sample.outcomes[row] - after[arm].mean);
    }
    let spread: f64 = before.iter().map(|moments| moments.squares).sum();
    let scale: f64 = before.iter().map(|moments| moments.count * moments.mean * moments.mean).sum();
    // What rounding leaves of a constant is no spread.
    if spread <= 1e-20 * scale {
        return Err(Unanalysable::ConstantCovariate);
    }
    let centre = covariates.iter().sum::<f64>() / covariates.len() as f64;
    Ok((shared / spread, centre))
}
