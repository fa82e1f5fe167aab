//! One pass over the rounds that notes all that diagnostics are made of.

use super::bins::{Sizes, bar};
use super::hidden::Bounds;
use super::{Bin, Calibration, Clipped, Diagnostics, Quantile};
use crate::evaluation::evidence::{Evidence, Fit};

/// Edges of the overlap histogram.
const WEIGHTS: [f64; 11] = [0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1_000.0];
/// Edges of the histogram of propensities.
const PROPENSITIES: [f64; 9] = [0.0, 1e-4, 1e-3, 0.003, 0.01, 0.03, 0.1, 0.3, 0.9];
/// Weights to clip at.
const MAXIMA: [f64; 8] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 10_000.0];
/// Bits of a prediction that do not tell its bin.
const PREDICTION_SHIFT: u32 = 51;
const PREDICTION_BINS: usize = 1 << (64 - PREDICTION_SHIFT);
/// Shares of the weight quantiles.
const SHARES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];

/// What has been met so far.
#[derive(Clone, Debug, Default)]
pub(in crate::evaluation) struct Scan {
    pub rounds: u64,
    weight: f64,
    weight_squares: f64,
    weight_max: f64,
    sizes: Sizes,
    overlap: [[f64; 2]; WEIGHTS.len()],
    propensities: [[f64; 2]; PROPENSITIES.len()],
    small_propensities: u64,
    clipped: [f64; MAXIMA.len()],
    events: u64,
    weighted: f64,
    weighted_squares: f64,
    /// By action.
    pub actions: Vec<ActionSums>,
    /// By action, the sum of the target's probabilities.
    pub targets: Vec<f64>,
    calibration: Predictions,
    hidden: Bounds,
    /// Whether the log says what the logging policy could have done.
    pub knows_logging: bool,
    propensities_are_estimated: bool,
}

/// What was met of one action.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::evaluation) struct ActionSums {
    /// Rounds in which it was logged.
    pub rounds: u64,
    /// Those with a reward other than 0.
    pub events: u64,
    /// Sum of its squared weights.
    pub weight_squares: f64,
}

impl Scan {
    pub(in crate::evaluation) fn new(actions: usize, propensities_are_estimated: bool) -> Self {
        Self {
            actions: vec![ActionSums::default(); actions],
            targets: vec![0.0; actions],
            propensities_are_estimated,
            ..Self::default()
        }
    }

    pub(in crate::evaluation) fn take(&mut self, evidence: &Evidence<'_>) {
        self.knows_logging |= evidence.logging.is_some();
        let model = [Fit::CrossFitted, Fit::Plain].into_iter().find_map(|fit| evidence.model(fit).ok());
        self.actions.resize(evidence.action_count.max(self.actions.len()), ActionSums::default());
        self.targets.resize(self.actions.len(), 0.0);
        for round in 0..evidence.rounds() {
            let (action, reward) = (evidence.actions[round], evidence.rewards[round]);
            let (weight, propensity) = (evidence.weight(round), evidence.propensities[round]);
            self.weigh(weight, propensity, reward);
            let target = evidence.target_of(round);
            for (sum, target) in self.targets.iter_mut().zip(target) {
                *sum += target;
            }
            let sums = &mut self.actions[action as usize];
            sums.rounds += 1;
            sums.events += u64::from(reward != 0.0);
            sums.weight_squares += weight * weight;
            if let Some(model) = &model {
                self.calibration.add(model.of(round, action), reward);
            }
            if self.propensities_are_estimated {
                self.hidden.add(target[action as usize], propensity, reward);
            }
        }
    }

    fn weigh(&mut self, weight: f64, propensity: f64, reward: f64) {
        self.rounds += 1;
        self.weight += weight;
        self.weight_squares += weight * weight;
        self.weight_max = self.weight_max.max(weight);
        self.sizes.add(weight);
        let overlap = &mut self.overlap[bar(&WEIGHTS, weight)];
        overlap[0] += 1.0;
        overlap[1] += weight;
        let bar = &mut self.propensities[bar(&PROPENSITIES, propensity)];
        bar[0] += 1.0;
        bar[1] += weight;
        self.small_propensities += u64::from(propensity < 0.001);
        if reward != 0.0 {
            self.events += 1;
            self.weighted += weight * reward.abs();
            self.weighted_squares += weight * reward * (weight * reward);
            for (sum, maximum) in self.clipped.iter_mut().zip(MAXIMA) {
                *sum += f64::min(weight, maximum) * reward;
            }
        }
    }

    /// All that follows from rounds alone.
    pub(in crate::evaluation) fn finish(&self) -> Diagnostics {
        let rounds = self.rounds as f64;
        let squares: f64 = self.targets.iter().map(|target| (target / rounds) * (target / rounds)).sum();
        let effective_sample_size = share(self.weight * self.weight, self.weight_squares);
        Diagnostics {
            effective_sample_size,
            effective_share: share(effective_sample_size, rounds),
            weight_mean: share(self.weight, rounds),
            weight_max: self.weight_max,
            share_of_largest_weight: share(self.weight_max, self.weight),
            weight_quantiles: SHARES.map(|share| Quantile { share, weight: self.sizes.quantile(share) }).to_vec(),
            overlap: self.bars(&WEIGHTS, &self.overlap),
            propensities: self.bars(&PROPENSITIES, &self.propensities),
            share_of_small_propensities: share(self.small_propensities as f64, rounds),
            events: self.events,
            events_per_arm: self.events as f64 * squares,
            effective_events: share(self.weighted * self.weighted, self.weighted_squares),
            calibration: self.calibration.finish(),
            clipping: (MAXIMA.iter().zip(self.clipped))
                .map(|(maximum_weight, sum)| Clipped { maximum_weight: *maximum_weight, value: share(sum, rounds) })
                .collect(),
            hidden_causes: self.hidden.finish(),
            ..Diagnostics::default()
        }
    }

    fn bars(&self, edges: &[f64], bars: &[[f64; 2]]) -> Vec<Bin> {
        let bin = |(index, bar): (usize, &[f64; 2])| Bin {
            from: edges[index],
            to: edges.get(index + 1).copied(),
            rounds: share(bar[0], self.rounds as f64),
            target_mass: share(bar[1], self.weight),
        };
        bars.iter().enumerate().map(bin).collect()
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

/// Predictions and rewards of logged actions.
#[derive(Clone, Debug, Default)]
struct Predictions {
    count: f64,
    sums: [f64; 4],
    /// Sum of reward less prediction, by bin of the prediction: sign, exponent, half of a doubling. Empty until there is one.
    errors: Vec<f64>,
}

impl Predictions {
    fn add(&mut self, predicted: f64, reward: f64) {
        self.count += 1.0;
        for (sum, value) in self.sums.iter_mut().zip([predicted, reward, predicted * predicted, predicted * reward]) {
            *sum += value;
        }
        self.errors.resize(PREDICTION_BINS, 0.0);
        self.errors[(predicted.to_bits() >> PREDICTION_SHIFT) as usize] += reward - predicted;
    }

    fn finish(&self) -> Option<Calibration> {
        let [predicted, reward, squares, products] = self.sums.map(|sum| sum / self.count);
        let variance = squares - predicted * predicted;
        (self.count > 0.0).then(|| Calibration {
            expected_calibration_error: self.errors.iter().map(|error| error.abs()).sum::<f64>() / self.count,
            slope: (variance > 1e-12 * squares).then(|| (products - predicted * reward) / variance),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::{EightRounds, Market};

    fn scanned(log: &EightRounds, estimated: bool) -> Diagnostics {
        let mut scan = Scan::new(3, estimated);
        let evidence = log.evidence();
        scan.take(&evidence.part(0..3));
        scan.take(&evidence.part(3..evidence.rounds()));
        scan.finish()
    }

    #[test]
    fn the_eight_rounds_by_hand() {
        let found = scanned(&EightRounds::new(), true);
        assert!((found.effective_sample_size - 5.121_212_121).abs() < 1e-9);
        assert!((found.weight_mean - 13.0 / 8.0).abs() < 1e-12);
        assert!((found.share_of_largest_weight - 3.2 / 13.0).abs() < 1e-12);
        assert_eq!((found.events, found.weight_max, found.share_of_small_propensities), (3, 3.2, 0.0));
        // (2.4 + 3.2 + 0.4)² / (5.76 + 10.24 + 0.16).
        assert!((found.effective_events - 36.0 / 16.16).abs() < 1e-12);
        // The target's shares of actions: 0.15, 0.35, 0.5.
        assert!((found.events_per_arm - 3.0 * (0.0225 + 0.1225 + 0.25)).abs() < 1e-12);
        // Weights of at most 1, 3: (1 + 1 + 0.4) / 8, (2.4 + 3 + 0.4) / 8, then 0.75.
        let clipped: Vec<f64> = found.clipping.iter().map(|clipped| clipped.value).collect();
        assert!((clipped[0] - 0.3).abs() < 1e-12 && (clipped[1] - 0.725).abs() < 1e-12);
        assert!((clipped[2] - 0.75).abs() < 1e-12);
        assert!((found.overlap.iter().map(|bin| bin.rounds).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((found.overlap[6].target_mass - 6.4 / 13.0).abs() < 1e-12);
        assert!((found.propensities.iter().map(|bin| bin.target_mass).sum::<f64>() - 1.0).abs() < 1e-12);
        // SNIPS without hidden causes is 6 / 13.
        let hidden = found.hidden_causes[0];
        assert!(hidden.low < 6.0 / 13.0 && 6.0 / 13.0 < hidden.high);
    }

    #[test]
    fn a_true_model_is_calibrated_and_a_bent_one_is_not() {
        let mut log = Market::TWO_CONTEXTS.log(20_000, 3);
        let right = scanned(&log, false).calibration.unwrap();
        // Six cells with a standard error of about 0.008 each; the slope's is about 0.02.
        assert!(right.expected_calibration_error < 0.01 && (right.slope.unwrap() - 1.0).abs() < 0.07, "{right:?}");
        log.model.iter_mut().for_each(|reward| *reward = 2.0 * *reward + 0.1);
        let bent = scanned(&log, false).calibration.unwrap();
        assert!(bent.expected_calibration_error > 0.2 && (bent.slope.unwrap() - 0.5).abs() < 0.04, "{bent:?}");
        log.model.fill(0.3);
        assert_eq!(scanned(&log, false).calibration.unwrap().slope, None);
    }
}
