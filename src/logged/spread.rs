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
                self.weights[(exponent(weight) + 7).clamp(0, WEIGHT_BINS as i64 - 1) as usize] += 1;
            } else {
                self.zero += 1;
            }
            let propensity = evidence.propensities[round];
            // A power of two is the upper end of its bin.
            let halvings = -exponent(propensity) - i64::from(propensity.to_bits() << 12 != 0);
            let bin = halvings.clamp(0, PROPENSITY_BINS as i64 - 1) as usize;
            self.rounds[bin] += 1;
            self.mass[bin] += weight;
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

/// The power of two at or below a positive number (far below all bins where it is subnormal).
fn exponent(number: f64) -> i64 {
    (number.to_bits() >> 52) as i64 - 1_023
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::Saved;

    #[test]
    fn bins_begin_and_end_at_powers_of_two() {
        // Weights 1/2, 1, 4 (propensities 1, 1/2, 1/8), and 0.
        let evidence = Evidence {
            action_count: 2,
            actions: &[0, 0, 0, 1],
            rewards: &[0.0; 4],
            propensities: &[1.0, 0.5, 0.125, 0.3],
            target: &[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1.0, 0.0],
            logging: None,
            models: [None; 3],
            saved: Saved::default(),
            factors: &[],
            mixture: None,
        };
        let mut spread = Spread::default();
        spread.take(&evidence);
        assert_eq!((spread.zero, spread.weights[6], spread.weights[7], spread.weights[9]), (1, 1, 1, 1));
        assert_eq!((spread.rounds[0], spread.rounds[1], spread.rounds[3]), (1, 2, 1));
        assert_eq!((spread.mass[0], spread.mass[1], spread.mass[3]), (0.5, 1.0, 4.0));
        assert_eq!([1e-300, 0.999, 1.0, 1.5, 2.0].map(exponent), [-997, -1, 0, 0, 1]);
    }
}
