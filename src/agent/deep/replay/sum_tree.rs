//! Numbers of which one is drawn in proportion to its size, in logarithmic time (Schaul et al. 2016, appendix B.2.1).

/// A binary tree of sums. Sums are recomputed from below at every change, so that they depend on the leaves alone and not on
/// how they came about.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SumTree {
    /// Leaves begin here; a power of two.
    leaves: usize,
    sums: Vec<f64>,
}

impl SumTree {
    /// All 0.
    pub fn new(leaves: usize) -> Self {
        let leaves = leaves.max(1).next_power_of_two();
        Self { leaves, sums: vec![0.0; 2 * leaves] }
    }

    /// A leaf.
    pub fn get(&self, leaf: usize) -> f64 {
        self.sums[self.leaves + leaf]
    }

    /// Changes a leaf.
    pub fn set(&mut self, leaf: usize, value: f64) {
        let mut node = self.leaves + leaf;
        self.sums[node] = value;
        while node > 1 {
            node /= 2;
            self.sums[node] = self.sums[2 * node] + self.sums[2 * node + 1];
        }
    }

    /// Sum of all.
    pub fn total(&self) -> f64 {
        self.sums[1]
    }

    /// The leaf within which this point of [0, total) lies; never one of 0 where any is above 0.
    pub fn find(&self, mut point: f64) -> usize {
        let mut node = 1;
        while node < self.leaves {
            let left = self.sums[2 * node];
            let goes_left = (point < left && left > 0.0) || self.sums[2 * node + 1] == 0.0;
            point = if goes_left { point } else { point - left };
            node = 2 * node + usize::from(!goes_left);
        }
        node - self.leaves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_fall_on_their_leaves_and_never_on_nothing() {
        let mut tree = SumTree::new(5);
        [1.0, 0.0, 2.0, 0.0, 3.0].into_iter().enumerate().for_each(|(leaf, value)| tree.set(leaf, value));
        assert_eq!(tree.total(), 6.0);
        assert_eq!([0.0, 0.99, 1.0, 2.99, 3.0, 5.99, 6.0, 9.0].map(|point| tree.find(point)), [0, 0, 2, 2, 4, 4, 4, 4]);
        tree.set(4, 0.0);
        assert_eq!([tree.find(2.9), tree.find(3.5)], [2, 2]);
    }
}
