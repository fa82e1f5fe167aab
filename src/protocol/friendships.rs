//! Who knows whom, as far as a market tells its experimenters.

/// Mutual friendships: the friends of a consumer ascend, nobody is a friend of themselves, nobody stands twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Friendships {
    /// Where the friends of each consumer begin, and where the last end.
    offsets: Vec<u32>,
    friends: Vec<u32>,
}

impl Friendships {
    /// From compressed rows: the friends of consumer i are `friends[offsets[i]..offsets[i + 1]]`.
    ///
    /// `None` where offsets fall, do not begin at 0, or do not end at the number of friends.
    #[must_use]
    pub fn from_rows(offsets: Vec<u32>, friends: Vec<u32>) -> Option<Self> {
        let ends_well = offsets.last().is_some_and(|last| *last as usize == friends.len());
        let is_sound = offsets.first() == Some(&0) && offsets.is_sorted() && ends_well;
        is_sound.then_some(Self { offsets, friends })
    }

    /// Number of consumers.
    #[must_use]
    pub fn consumers(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// The friends of a consumer, in ascending order.
    ///
    /// # Panics
    /// Where there is no such consumer.
    #[inline]
    #[must_use]
    pub fn of(&self, consumer: usize) -> &[u32] {
        &self.friends[self.offsets[consumer] as usize..self.offsets[consumer + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_that_were_given() {
        let path = Friendships::from_rows(vec![0, 1, 3, 4], vec![1, 0, 2, 1]).unwrap();
        assert_eq!((path.consumers(), path.of(0), path.of(1), path.of(2)), (3, &[1][..], &[0, 2][..], &[1][..]));
        for offsets in [vec![], vec![0, 3], vec![1, 4], vec![0, 3, 2, 4]] {
            assert_eq!(Friendships::from_rows(offsets, vec![1, 0, 2, 1]), None);
        }
    }
}
