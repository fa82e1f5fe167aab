//! Reasons not to believe an estimate. Each gate looks at one figure, and warns, or refuses, with the number.

use super::digits;
use crate::evaluation::diagnostics::Diagnostics;

/// Shares of rounds that the effective sample size may have before a gate warns, or refuses. As a log of one round in a
/// hundred; the thresholds are conventions.
const EFFECTIVE_SHARE: [f64; 2] = [0.05, 0.01];
/// Shares of the sum of weights that a single round may have.
const LARGEST_WEIGHT: [f64; 2] = [0.05, 0.2];
/// Standard errors by which the mean weight may differ from 1, and estimators from each other.
pub(in crate::evaluation) const STANDARD_ERRORS: f64 = 3.0;
/// A mean weight this near to 1 is never refused: rounded propensities do as much, and the bias is of that size.
const MEAN_WEIGHT_TOLERANCE: f64 = 0.005;
/// Units below which no interval by a normal law is worth having.
pub(in crate::evaluation) const UNITS: usize = 30;
/// Effective events below which normal intervals of rates miss: with 25 to 30 they are within a few percent of their
/// coverage (Cochran 1977, section 3.3, on proportions).
const EFFECTIVE_EVENTS: f64 = 30.0;
/// Events per arm below which arms cannot be told apart, unless the weighted events are many all the same: five, as of a
/// cell in a table of counts (Cochran 1954).
const EVENTS_PER_ARM: f64 = 5.0;
/// Effective events that make up for few per arm.
const MANY_EFFECTIVE_EVENTS: f64 = 100.0;
/// Share of rounds with tiny propensities that is worth a word.
const SMALL_PROPENSITIES: f64 = 0.01;
/// Slopes of rewards on predictions that are worth a word when outside.
const SLOPES: [f64; 2] = [0.5, 2.0];

/// What gates look at.
#[derive(Clone, Copy, Debug)]
pub(in crate::evaluation) struct Facts<'a> {
    /// All that was noted on the way.
    pub diagnostics: &'a Diagnostics,
    /// Rounds read.
    pub rounds: u64,
    /// Independent units, or groups of them.
    pub units: usize,
    /// Skewness of the influences of the judged difference.
    pub skewness: f64,
    /// Registry name of what the verdict would rest on, and whether the data chose its parameter.
    pub judge: Option<(&'static str, bool)>,
    /// Whether there is a judged estimate: a ratio to a sum of weights is none where all are 0.
    pub exists: bool,
    /// Whether all estimates that exist and the intervals of the judged difference are finite.
    pub is_finite: bool,
    /// Standard errors between inverse propensity scoring by the mixture of those who logged and by each one's own law; absent
    /// where one policy logged, or where a logger's own law does not cover the target.
    pub mixture_disagreement: Option<f64>,
    /// Differences to the logging policy by the direct method, and the interval of the doubly robust one.
    pub direct: Option<(f64, [f64; 2])>,
    /// The least hidden cause that changes the sign of the difference by SNIPS.
    pub overturned_by: Option<f64>,
}

/// What a gate says.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::evaluation) enum Finding {
    /// Nothing.
    Fine,
    /// Go on, but know this.
    Warn(String),
    /// Do not believe it.
    Refuse(String),
}

/// All gates, those that explain most first.
pub(super) const ALL: &[fn(&Facts<'_>) -> Finding] = &[
    no_weight,
    not_finite,
    model_alone,
    few_units,
    few_events,
    effective_sample_size,
    largest_weight,
    mean_weight,
    mixture_disagreement,
    skewed_terms,
    disagreement,
    small_propensities,
    unsupported_mass,
    calibration,
    hidden_causes,
];

/// Warns or refuses by whether a figure is at least as bad as two thresholds.
fn graded(warns: bool, refuses: bool, text: impl FnOnce() -> String) -> Finding {
    match (refuses, warns) {
        (true, _) => Finding::Refuse(text()),
        (_, true) => Finding::Warn(text()),
        _ => Finding::Fine,
    }
}

/// No logged round weighs anything: ratios of weighted sums are then no numbers, and sums speak of nothing that was seen.
fn no_weight(facts: &Facts<'_>) -> Finding {
    let is_empty = !facts.exists || (facts.rounds > 0 && facts.diagnostics.weight_max == 0.0);
    graded(false, is_empty, || {
        "no logged round does what the target would do: all weights are 0, and what is divided by them is no number"
            .to_owned()
    })
}

/// Rewards or weights so large that sums of them are no numbers any more.
fn not_finite(facts: &Facts<'_>) -> Finding {
    let Diagnostics { weight_mean, effective_sample_size, .. } = *facts.diagnostics;
    let is_finite = weight_mean.is_finite() && effective_sample_size.is_finite() && facts.is_finite;
    graded(false, !is_finite, || {
        "sums of weights or rewards are beyond what numbers hold: propensities or rewards are wrong by orders of magnitude"
            .to_owned()
    })
}

/// Estimates by the propensity of whoever logged the row, and by the mixture of all who did, agree where each of them met rows of
/// the same sort; where they do not, the mixture is not what logged the rows of either sort.
fn mixture_disagreement(facts: &Facts<'_>) -> Finding {
    let Some(errors) = facts.mixture_disagreement else {
        return Finding::Fine;
    };
    graded(false, errors.abs() > STANDARD_ERRORS, || {
        format!(
            "weights against the mixture of those who logged and against each one's own propensities differ by {:.1} standard \
             errors: the policies met rows of different sorts, and their mixture is not what logged any of them",
            errors.abs()
        )
    })
}

/// An interval of the direct method says how the model's predictions vary, and nothing of by how much they are off. The same goes
/// for what the data shrink towards the model: where its error hides in the noise, all weights are given up.
fn model_alone(facts: &Facts<'_>) -> Finding {
    let which = match facts.judge {
        Some(("dm", _)) => "dm".to_owned(),
        Some((kind @ ("switch" | "switch_dr" | "dros"), true)) => {
            format!("{kind} with a parameter that the data chose")
        }
        _ => return Finding::Fine,
    };
    Finding::Refuse(format!(
        "the verdict would rest on {which}, whose interval does not know the error of the reward model: ask for dr or snips too"
    ))
}

fn few_units(facts: &Facts<'_>) -> Finding {
    let units = facts.units;
    graded(false, units < UNITS, || {
        format!("{units} independent units are too few for any interval ({UNITS} are the least)")
    })
}

/// Rare events: an interval by a normal law needs some that count, and a ranking needs some for every arm.
fn few_events(facts: &Facts<'_>) -> Finding {
    let Diagnostics { events, events_per_arm, effective_events, .. } = facts.diagnostics;
    let spread_thin = *events_per_arm < EVENTS_PER_ARM && *effective_events < MANY_EFFECTIVE_EVENTS;
    graded(false, *effective_events < EFFECTIVE_EVENTS || spread_thin, || {
        format!(
            "{events} rounds with a reward, {} an arm that the target uses, weigh as much as {}: too few to rank policies \
             ({EVENTS_PER_ARM} an arm and {EFFECTIVE_EVENTS} in effect are the least)",
            digits(*events_per_arm),
            digits(*effective_events)
        )
    })
}

fn effective_sample_size(facts: &Facts<'_>) -> Finding {
    let share = facts.diagnostics.effective_share;
    graded(share < EFFECTIVE_SHARE[0], share < EFFECTIVE_SHARE[1], || {
        format!(
            "the {} rounds weigh as much as {} ({:.2} %): the target does what the log seldom did",
            facts.rounds,
            digits(facts.diagnostics.effective_sample_size),
            100.0 * share
        )
    })
}

fn largest_weight(facts: &Facts<'_>) -> Finding {
    let share = facts.diagnostics.share_of_largest_weight;
    graded(share > LARGEST_WEIGHT[0], share > LARGEST_WEIGHT[1], || {
        format!("one round carries {:.1} % of all weight", 100.0 * share)
    })
}

/// Relative error of propensities that a log keeps in single precision, with room.
pub(in crate::evaluation) const KEPT_DIGITS: f64 = 1e-6;

/// Weights have mean 1 where propensities are right, whatever the target.
fn mean_weight(facts: &Facts<'_>) -> Finding {
    let Diagnostics { weight_mean: mean, weight_mean_standard_error: error, .. } = *facts.diagnostics;
    let off = (mean - 1.0).abs();
    let astray = off > STANDARD_ERRORS * error && off > KEPT_DIGITS;
    graded(astray, astray && off > MEAN_WEIGHT_TOLERANCE, || {
        format!(
            "the mean weight is {}, {:.1} standard errors off 1: the propensities are wrong, or do not cover the target",
            digits(mean),
            off / error
        )
    })
}

/// A mean of skewed terms is not yet normal: more than 28 + 25 times the squared skewness of units are needed (Cochran
/// 1977, section 2.15; Sugden, Smith and Jones 2000).
fn skewed_terms(facts: &Facts<'_>) -> Finding {
    let needed = 28.0 + 25.0 * facts.skewness * facts.skewness;
    graded(false, (facts.units as f64) < needed, || {
        format!(
            "the terms have a skewness of {}: intervals hold from about {:.0} units on, and there are {}",
            digits(facts.skewness),
            needed,
            facts.units
        )
    })
}

/// The direct method far from the doubly robust one says that the model is off. That is what the correction is for, and
/// worth a word; but where the two would decide otherwise, neither is to be believed.
fn disagreement(facts: &Facts<'_>) -> Finding {
    let Some(errors) = facts.diagnostics.direct_disagreement else {
        return Finding::Fine;
    };
    let astray = errors.abs() > STANDARD_ERRORS;
    let otherwise =
        facts.direct.is_some_and(|(direct, [low, high])| (low > 0.0 && direct < 0.0) || (high < 0.0 && direct > 0.0));
    graded(astray, astray && otherwise, || {
        let so = if otherwise { ", and they decide otherwise" } else { ": the reward model is off" };
        format!("the direct method is {:.1} standard errors from the doubly robust estimate{so}", errors.abs())
    })
}

fn small_propensities(facts: &Facts<'_>) -> Finding {
    let share = facts.diagnostics.share_of_small_propensities;
    graded(share > SMALL_PROPENSITIES, false, || {
        format!("{:.1} % of the rounds have a propensity below 1/1,000", 100.0 * share)
    })
}

fn unsupported_mass(facts: &Facts<'_>) -> Finding {
    let mass = facts.diagnostics.unsupported_target_mass;
    graded(mass > 0.0, false, || {
        format!(
            "{:.2} % of what the target does is nowhere in the log, and is valued as nothing by weights",
            100.0 * mass
        )
    })
}

fn calibration(facts: &Facts<'_>) -> Finding {
    let slope = facts.diagnostics.calibration.and_then(|calibration| calibration.slope);
    match slope {
        Some(slope) if !(SLOPES[0]..=SLOPES[1]).contains(&slope) => Finding::Warn(format!(
            "rewards rise by {} where the reward model says 1: it spreads too {}",
            digits(slope),
            if slope < 1.0 { "far" } else { "little" }
        )),
        _ => Finding::Fine,
    }
}

fn hidden_causes(facts: &Facts<'_>) -> Finding {
    match facts.overturned_by {
        Some(gamma) => Finding::Warn(format!(
            "propensities are estimated: a hidden cause that moves the odds of an action by {gamma} could turn the answer"
        )),
        None => Finding::Fine,
    }
}
