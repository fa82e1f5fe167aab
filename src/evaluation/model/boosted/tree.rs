//! One regression tree on binned features.

use super::bins::BINS;

/// How trees grow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grower {
    pub(super) depth: usize,
    pub(super) penalty: f64,
    pub(super) smallest_leaf: usize,
}

/// Splits and leaves; the root is node 0.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug)]
enum Node {
    Leaf(f64),
    /// Rows whose bin of the feature is at most `last` go to `left`, others to the node after it.
    Split {
        feature: u32,
        last: u8,
        left: u32,
    },
}

impl Tree {
    /// Whether nothing was split.
    pub(super) fn is_leaf(&self) -> bool {
        self.nodes.len() < 2
    }

    /// The leaf that a row falls into.
    #[inline]
    pub(super) fn value(&self, row: &[u8]) -> f64 {
        let mut node = 0;
        loop {
            match self.nodes[node] {
                Node::Leaf(value) => return value,
                Node::Split { feature, last, left } => {
                    node = left as usize + usize::from(row[feature as usize] > last);
                }
            }
        }
    }
}

/// Sums of the rows of a bin.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    rows: usize,
    weight: f64,
    residual: f64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.weight += other.weight;
        self.residual += other.residual;
    }

    fn less(self, other: Self) -> Self {
        Self {
            rows: self.rows - other.rows,
            weight: self.weight - other.weight,
            residual: self.residual - other.residual,
        }
    }
}

/// The best split of some rows.
struct Split {
    gain: f64,
    feature: usize,
    last: u8,
}

impl Grower {
    /// Fits a tree to residuals; `binned` is `rows × features`. Ties go to the first feature and the lowest bin.
    pub(super) fn grow(&self, binned: &[u8], features: usize, weights: &[f64], residuals: &[f64]) -> Tree {
        let mut tree = Tree { nodes: vec![Node::Leaf(0.0)] };
        let mut open: Vec<(usize, Vec<u32>, usize)> = vec![(0, (0..residuals.len() as u32).collect(), 0)];
        while let Some((node, rows, depth)) = open.pop() {
            let histogram = histogram(binned, features, weights, residuals, &rows);
            let mut total = Sums::default();
            rows.iter().for_each(|&row| total.add(sums(weights, residuals, row)));
            let split = if depth < self.depth { self.best(&histogram, total, features) } else { None };
            let Some(Split { feature, last, .. }) = split else {
                let weight = total.weight + self.penalty;
                tree.nodes[node] = Node::Leaf(if weight > 0.0 { total.residual / weight } else { 0.0 });
                continue;
            };
            let left = tree.nodes.len();
            tree.nodes[node] = Node::Split { feature: feature as u32, last, left: left as u32 };
            tree.nodes.extend([Node::Leaf(0.0), Node::Leaf(0.0)]);
            let (below, above) = rows.iter().partition(|row| binned[**row as usize * features + feature] <= last);
            open.push((left, below, depth + 1));
            open.push((left + 1, above, depth + 1));
        }
        tree
    }

    fn best(&self, histogram: &[Sums], total: Sums, features: usize) -> Option<Split> {
        let score = |sums: Sums| {
            let weight = sums.weight + self.penalty;
            if weight > 0.0 { sums.residual * sums.residual / weight } else { 0.0 }
        };
        let mut best: Option<Split> = None;
        for feature in 0..features {
            let mut left = Sums::default();
            for (bin, &sums) in histogram[feature * BINS..][..BINS - 1].iter().enumerate() {
                left.add(sums);
                let right = total.less(left);
                if sums.rows == 0 || left.rows < self.smallest_leaf || right.rows < self.smallest_leaf {
                    continue;
                }
                let gain = score(left) + score(right) - score(total);
                if gain > best.as_ref().map_or(1e-12, |best| best.gain) {
                    best = Some(Split { gain, feature, last: bin as u8 });
                }
            }
        }
        best
    }
}

#[inline]
fn sums(weights: &[f64], residuals: &[f64], row: u32) -> Sums {
    let weight = weights[row as usize];
    Sums { rows: 1, weight, residual: weight * residuals[row as usize] }
}

/// `[feature * BINS + bin]`.
fn histogram(binned: &[u8], features: usize, weights: &[f64], residuals: &[f64], rows: &[u32]) -> Vec<Sums> {
    let mut histogram = vec![Sums::default(); features * BINS];
    for &row in rows {
        let own = sums(weights, residuals, row);
        for (feature, bin) in binned[row as usize * features..][..features].iter().enumerate() {
            histogram[feature * BINS + usize::from(*bin)].add(own);
        }
    }
    histogram
}
