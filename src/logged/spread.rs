//! How weights and propensities are spread: what figures show.

use crate::evaluation::Evidence;

/// Bins of weights: below 2^-6, then one for each doubling, then above 2^10.
pub const WEIGHT_BINS: usize = 18;
/// Bins of propensities: one for each halving from 1 down to 2^-15, the last for all below.
pub const PROPENSITY_BINS: usize = 16;

/// Counts by bin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    /// Rounds of weight 0.
    pub zero: u64,
    /// Rounds by weight: bin 0 below 2^-6, bin i from 2^(i - 7) to 2^(i - 6), the last above.
    pub weights: [u64; WEIGHT_BINS],
    /// Rounds by propensity: bin i from 2^-(i + 1) to 2^-i.
    pub rounds: [u64; PROPENSITY_BINS],
    /// Sum of weights by propensity: what the target puts there.
    pub mass: [f64; PROPENSITY_BINS],
}

impl Spread {
    /// Takes a batch.
    pub(super) fn take(&mut self, evidence: &Evidence<'_>) {
        for round in 0..evidence.rounds() {
            let weight = evidence.weight(round);
            if weight > 0.0 {
                let bin = (libm::floor(libm::log2(weight)) + 7.0).clamp(0.0, (WEIGHT_BINS - 1) as f64);
                self.weights[bin as usize] += 1;
            } else {
                self.zero += 1;
            }
            let bin = libm::floor(-libm::log2(evidence.propensities[round])).clamp(0.0, (PROPENSITY_BINS - 1) as f64);
            self.rounds[bin as usize] += 1;
            self.mass[bin as usize] += weight;
        }
    }

    /// What a bin of weights is called.
    #[must_use]
    pub fn weight_label(bin: usize) -> String {
        match bin {
            0 => "< 1/64".to_owned(),
            1..=6 => format!("1/{}", 1 << (7 - bin)),
            _ => format!("{}", 1 << (bin - 7)),
        }
    }
}
