//! Picking with equal chances among the bits of a row.

/// Number of bits set.
#[inline]
pub(super) fn count(words: impl Iterator<Item = u64>) -> u32 {
    words.map(u64::count_ones).sum()
}

/// The bit that a uniform in (0, 1) falls on when the `count` set bits share the unit interval equally, in order.
/// 0 where no bit is set.
#[inline]
pub(super) fn bit(words: impl Iterator<Item = u64>, count: u32, u: f32) -> u16 {
    // The product in `f64` is exact, so that each bit gets its share to within 2^-24.
    let mut left = ((f64::from(u) * f64::from(count)) as u32).min(count.saturating_sub(1));
    for (index, mut word) in words.enumerate() {
        let here = word.count_ones();
        if left < here {
            for _ in 0..left {
                word &= word - 1;
            }
            return (index * 64) as u16 + word.trailing_zeros() as u16;
        }
        left -= here;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_bits_share_the_unit_interval_in_order() {
        let words = [1 << 3 | 1 << 60, 1 << 5];
        let pick = |u| bit(words.into_iter(), count(words.into_iter()), u);
        assert_eq!(
            [pick(1e-7), pick(0.33), pick(0.34), pick(0.66), pick(0.67), pick(0.999_999_9)],
            [3, 3, 60, 60, 69, 69]
        );
    }
}
