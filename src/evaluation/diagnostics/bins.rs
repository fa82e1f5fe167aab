//! Bins that need no range in advance: they follow the binary exponent.

/// Bins of positive numbers, eight to a doubling.
const PER_DOUBLING_BITS: u32 = 3;
const SHIFT: u32 = 52 - PER_DOUBLING_BITS;
/// From 2^-32 to 2^48; what lies outside counts in the first or last.
const LOWEST: u64 = (1_023 - 32) << PER_DOUBLING_BITS;
const COUNT: usize = 80 << PER_DOUBLING_BITS;

/// Counts of positive numbers by size.
#[derive(Clone, Debug)]
pub(super) struct Sizes(Vec<u64>);

impl Default for Sizes {
    fn default() -> Self {
        Self(vec![0; COUNT])
    }
}

impl Sizes {
    pub(super) fn add(&mut self, value: f64) {
        let bin = (value.to_bits() >> SHIFT).saturating_sub(LOWEST) as usize;
        self.0[bin.min(COUNT - 1)] += 1;
    }

    /// Upper end of the bin in which the share of the counts is reached; 0 without counts.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let total: u64 = self.0.iter().sum();
        let mut below = 0;
        for (bin, count) in self.0.iter().enumerate() {
            below += count;
            if *count > 0 && below as f64 >= share * total as f64 {
                return f64::from_bits((LOWEST + bin as u64 + 1) << SHIFT);
            }
        }
        0.0
    }
}

/// Which of these ascending edges is the last at or below the value; values below all count in the first.
pub(super) fn bar(edges: &[f64], value: f64) -> usize {
    edges.iter().skip(1).filter(|edge| value >= **edge).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_a_bin() {
        let mut sizes = Sizes::default();
        (1..=1_000).for_each(|value| sizes.add(f64::from(value)));
        for share in [0.1, 0.5, 0.9, 0.99] {
            let ratio = sizes.quantile(share) / (share * 1_000.0);
            assert!((1.0..1.13).contains(&ratio), "{share}: {ratio}");
        }
        assert_eq!(Sizes::default().quantile(0.5), 0.0);
        sizes.add(0.0);
        sizes.add(f64::MAX);
    }

    #[test]
    fn bars_hold_their_lower_edge() {
        let edges = [0.0, 1.0, 10.0];
        assert_eq!([0.0, 0.5, 1.0, 9.0, 10.0, 1e9].map(|value| bar(&edges, value)), [0, 0, 1, 1, 2, 2]);
    }
}
