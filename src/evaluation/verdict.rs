//! What to do with an estimate: ship, hold, explore, or do not believe it.
//!
//! In this order: where more than [`UNSUPPORTED_MASS`] of the target's mass lies on what the log cannot speak of, explore
//! that; where a [gate](gates) refuses, the estimates are unreliable; where the interval of target less logging policy is
//! above 0, ship; where it is below 0, hold; where it straddles 0, hold if the log could have shown the declared margin
//! (or none is declared), and explore if it is too small for that.

pub(super) mod gates;

use self::gates::{Facts, Finding};
use super::appraisal::Estimate;
use crate::statistics::normal_quantile;
use serde::Serialize;

/// Target's mass without support from which an estimate speaks of another policy.
pub const UNSUPPORTED_MASS: f64 = 0.05;
/// Chance with which the log should have shown the margin.
const POWER: f64 = 0.8;
/// Cells that are listed.
const LISTED_CELLS: usize = 10;
/// Kinds by how well they judge: the mixture where several policies logged, since only it speaks of what the policy of a row
/// could not do and another did; then what is right if either propensities or
/// model are, and of these what bounds least; what needs no model; what shrinks towards the model, whose error its interval does
/// not know; the rest in the order of the file.
const JUDGES: &[&str] = &[
    "balanced_dr",
    "balanced_ips",
    "cross_fitted_dr",
    "dr",
    "mrdr",
    "sndr",
    "sub_gaussian_dr",
    "snips",
    "ips",
    "dros",
    "switch_dr",
];

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The target is better than the logging policy.
    Ship,
    /// It is worse, or no better by what matters.
    Hold,
    /// The log cannot tell; more of it, of the listed cells, could.
    Explore,
    /// The estimates are not to be trusted.
    Unreliable,
}

impl Decision {
    /// The word in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ship => "ship",
            Self::Hold => "hold",
            Self::Explore => "explore",
            Self::Unreliable => "unreliable",
        }
    }
}

/// The decision with its reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// What to do.
    pub decision: Decision,
    /// One sentence, with the numbers.
    pub reason: String,
    /// Name of the estimator that it rests on; absent where none was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// What to explore; empty for other decisions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<Cell>,
}

/// Something that the target does and that the log says too little of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// In words: an action, or a context and an action.
    pub name: String,
    /// Share of the target's mass.
    pub target_mass: f64,
}

/// Index of the estimate that a verdict rests on.
pub(super) fn judge(kinds: &[&str]) -> usize {
    JUDGES.iter().find_map(|judge| kinds.iter().position(|kind| kind == judge)).unwrap_or(0)
}

/// What the cells of a decision may be.
pub(super) struct Cells {
    /// Without support, by falling mass.
    pub unsupported: Vec<Cell>,
    /// Those that the estimate's variance comes from, by falling share of it.
    pub thin: Vec<Cell>,
}

/// The verdict on the judging estimate, and the warnings of the gates.
pub(super) fn decide(
    estimate: Option<&Estimate>,
    facts: &Facts<'_>,
    cells: Cells,
    margin: Option<f64>,
    confidence: f64,
) -> (Verdict, Vec<String>) {
    let (mut warnings, mut refusals) = (Vec::new(), Vec::new());
    for gate in gates::ALL {
        match gate(facts) {
            Finding::Fine => (),
            Finding::Warn(text) => warnings.push(text),
            Finding::Refuse(text) => refusals.push(text),
        }
    }
    let mass: f64 = cells.unsupported.iter().map(|cell| cell.target_mass).sum();
    let (decision, reason, cells) = match estimate {
        None => (Decision::Unreliable, "no estimator was asked for".to_owned(), Vec::new()),
        Some(_) if mass > UNSUPPORTED_MASS => {
            let share = 100.0 * mass;
            let reason = format!("{share:.1} % of what the target does is nowhere in the log: explore it first");
            (Decision::Explore, reason, cells.unsupported)
        }
        Some(_) if !refusals.is_empty() => (Decision::Unreliable, refusals.join("; "), Vec::new()),
        Some(estimate) => by_interval(estimate, margin, confidence, cells.thin),
    };
    warnings.splice(0..0, refusals);
    let judge = estimate.map(|estimate| estimate.estimator.clone());
    let listed = cells.into_iter().take(LISTED_CELLS).collect();
    (Verdict { decision, reason, judge, cells: listed }, warnings)
}

fn by_interval(
    estimate: &Estimate,
    margin: Option<f64>,
    confidence: f64,
    thin: Vec<Cell>,
) -> (Decision, String, Vec<Cell>) {
    let difference = &estimate.difference;
    let says = format!(
        "{}: target less logging policy is {} a round, between {} and {}",
        estimate.estimator,
        digits(difference.value),
        digits(difference.low),
        digits(difference.high)
    );
    let least = gates::KEPT_DIGITS * estimate.value.value.abs();
    if difference.low.abs() < least && difference.high.abs() < least {
        let reason = format!(
            "{}: the target earns what the logging policy does, to the digits that a log keeps",
            estimate.estimator
        );
        return (Decision::Hold, reason, Vec::new());
    }
    if difference.low > 0.0 {
        return (Decision::Ship, format!("{says}, above 0"), Vec::new());
    }
    if difference.high < 0.0 {
        return (Decision::Hold, format!("{says}, below 0"), Vec::new());
    }
    let shown = (normal_quantile(0.5 + confidence / 2.0) + normal_quantile(POWER)) * difference.standard_error;
    match margin {
        None => (Decision::Hold, format!("{says}: no difference is shown, and no margin is declared"), Vec::new()),
        Some(margin) if shown <= margin => {
            let reason = format!("{says}: the log would have shown a margin of {}", digits(margin));
            (Decision::Hold, reason, Vec::new())
        }
        Some(margin) => {
            let reason = format!(
                "{says}: the log shows differences from {} on, and is too small for a margin of {}",
                digits(shown),
                digits(margin)
            );
            (Decision::Explore, reason, thin)
        }
    }
}

/// Four significant digits.
pub(super) fn digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let decimals = (3.0 - libm::floor(libm::log10(value.abs()))).clamp(0.0, 12.0) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests;
