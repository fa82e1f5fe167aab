//! What hidden causes of the logged actions could do to an estimate whose propensities are themselves estimated.
//!
//! If whoever chose the actions knew something that the log does not, the true odds of an action differ from the estimated
//! ones. Suppose by a factor of at most gamma either way (Rosenbaum 2002, chapter 4; the marginal model of Tan 2006): then
//! one over the propensity lies between `1 + (1/p - 1) / gamma` and `1 + (1/p - 1) gamma`, and the self-normalised
//! estimate is largest where rewards above a threshold weigh most and those below least (Zhao, Small and Bhattacharya 2019).
//!
//! Difference from the sources: thresholds are tried between bins of the reward, 16 to a doubling, so that the log is read
//! once. Bounds of rewards of two values are exact.

use super::Hidden;
use std::collections::BTreeMap;

const GAMMAS: [f64; 4] = [1.1, 1.5, 2.0, 3.0];

/// Sums by bin of the reward and gamma: least and largest weight, each alone and times the reward.
#[derive(Clone, Debug, Default)]
pub(super) struct Bounds(BTreeMap<i64, [[f64; 4]; GAMMAS.len()]>);

impl Bounds {
    pub(super) fn add(&mut self, target: f64, propensity: f64, reward: f64) {
        let sums = self.0.entry(ordered(reward) >> 48).or_default();
        let odds = 1.0 / propensity - 1.0;
        for (sums, gamma) in sums.iter_mut().zip(GAMMAS) {
            let (least, most) = (target * (1.0 + odds / gamma), target * (1.0 + odds * gamma));
            for (sum, value) in sums.iter_mut().zip([least, most, least * reward, most * reward]) {
                *sum += value;
            }
        }
    }

    pub(super) fn finish(&self) -> Vec<Hidden> {
        let bound = |(index, gamma): (usize, f64)| {
            let bins: Vec<[f64; 4]> = self.0.values().map(|sums| sums[index]).collect();
            let low = best(&bins, |sums| [sums[1], sums[3]], |sums| [sums[0], sums[2]], f64::min);
            let high = best(&bins, |sums| [sums[0], sums[2]], |sums| [sums[1], sums[3]], f64::max);
            Hidden { gamma, low, high }
        };
        if self.0.is_empty() { Vec::new() } else { GAMMAS.into_iter().enumerate().map(bound).collect() }
    }
}

/// The best ratio over thresholds, with these weights below and those above.
fn best(
    bins: &[[f64; 4]],
    below: impl Fn(&[f64; 4]) -> [f64; 2],
    above: impl Fn(&[f64; 4]) -> [f64; 2],
    better: impl Fn(f64, f64) -> f64,
) -> f64 {
    let mut sums = bins.iter().map(&above).fold([0.0; 2], |sums, bin| [sums[0] + bin[0], sums[1] + bin[1]]);
    let mut value = sums[1] / sums[0];
    for bin in bins {
        let (from, to) = (above(bin), below(bin));
        sums = [sums[0] - from[0] + to[0], sums[1] - from[1] + to[1]];
        value = better(value, sums[1] / sums[0]);
    }
    value
}

/// Bits in the order of the numbers.
fn ordered(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rounds_by_hand() {
        let mut bounds = Bounds::default();
        bounds.add(1.0, 0.5, 1.0);
        bounds.add(1.0, 0.5, 0.0);
        // Weights between 1 + 1/2 and 1 + 2: at most 3 / 4.5, at least 1.5 / 4.5.
        let hidden = bounds.finish()[2];
        assert!((hidden.high - 3.0 / 4.5).abs() < 1e-12 && (hidden.low - 1.5 / 4.5).abs() < 1e-12);
        assert!(bounds.finish().windows(2).all(|pair| pair[0].high < pair[1].high && pair[0].low > pair[1].low));
    }

    #[test]
    fn thresholds_go_in_the_order_of_rewards() {
        let values = [f64::MIN, -2.0, -1.0, -0.0, 0.0, 0.5, 3.0];
        assert!(values.windows(2).all(|pair| ordered(pair[0]) < ordered(pair[1])));
        // Rewards -1, 0.5, 3 with weights in [1.5, 3]: the largest has 3 for the last alone or for the last two.
        let mut bounds = Bounds::default();
        for reward in [-1.0, 0.5, 3.0] {
            bounds.add(1.0, 0.5, reward);
        }
        let (one, two) = ((3.0 * 3.0 + 1.5 * 0.5 - 1.5) / 6.0, (3.0 * 3.0 + 3.0 * 0.5 - 1.5) / 7.5);
        assert!((bounds.finish()[2].high - f64::max(one, two)).abs() < 1e-12);
    }
}
