//! How far a log supports what is estimated from it.

mod bins;
mod hidden;
mod scan;

pub(super) use self::scan::Scan;

use serde::Serialize;

/// How far the log supports the estimates.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Diagnostics {
    /// `(sum w)² / sum w²` over rounds.
    pub effective_sample_size: f64,
    /// The same over the number of rounds.
    pub effective_share: f64,
    /// Mean weight; 1 where propensities are right.
    pub weight_mean: f64,
    /// Its standard error over units.
    pub weight_mean_standard_error: f64,
    /// Largest weight.
    pub weight_max: f64,
    /// Largest weight over the sum of weights.
    pub share_of_largest_weight: f64,
    /// How large weights are at some shares of the rounds; read from bins of 9 %, upper ends.
    pub weight_quantiles: Vec<Quantile>,
    /// Rounds and target's mass by size of the weight: where the target does what the log seldom did.
    pub overlap: Vec<Bin>,
    /// Rounds by size of the propensity.
    pub propensities: Vec<Bin>,
    /// Share of rounds with a propensity below 1/1,000.
    pub share_of_small_propensities: f64,
    /// Share of the target's mass on cells that the log cannot speak of.
    pub unsupported_target_mass: f64,
    /// Rounds with a reward other than 0.
    pub events: u64,
    /// Events over the number of actions that the target uses in effect, `1 / sum of squared shares`.
    pub events_per_arm: f64,
    /// `(sum w |r|)² / sum (w r)²`: how many events carry the weighted estimate.
    pub effective_events: f64,
    /// Direct method less doubly robust, in standard errors of that difference; absent without both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct_disagreement: Option<f64>,
    /// How well the reward model is calibrated on the logged actions; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// What IPS would say with weights of at most this.
    pub clipping: Vec<Clipped>,
    /// How far hidden causes of the logged actions could move SNIPS, where propensities are estimated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hidden_causes: Vec<Hidden>,
    /// What a reader should know.
    pub warnings: Vec<String>,
}

/// A quantile of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantile {
    /// Share of rounds below.
    pub share: f64,
    /// The weight.
    pub weight: f64,
}

/// One bar of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// From here …
    pub from: f64,
    /// … to below here; absent in the last, which has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<f64>,
    /// Share of the rounds.
    pub rounds: f64,
    /// Share of the sum of weights, which is the target's mass.
    pub target_mass: f64,
}

/// How modelled rewards and rewards agree on logged actions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Mean distance of reward and prediction by bins of the prediction, two bins per doubling.
    pub expected_calibration_error: f64,
    /// Slope of rewards on predictions: 1 is right, below 1 the model spreads too far. Absent for a constant model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slope: Option<f64>,
}

/// A clipped estimate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Clipped {
    /// Weights above count as this.
    pub maximum_weight: f64,
    /// `mean(min(w, M) r)`.
    pub value: f64,
}

/// Bounds under hidden causes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Hidden {
    /// The odds of an action are known to this factor.
    pub gamma: f64,
    /// Least value of SNIPS.
    pub low: f64,
    /// Largest.
    pub high: f64,
}
