//! The correlation matrix of the normal scores, and its Cholesky factor.

/// Lower triangular factor of a correlation matrix, each row as its entries that are not 0.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Factor<const N: usize> {
    rows: [Vec<(usize, f32)>; N],
}

/// A matrix that no random vector can have: the pivot of this row is not positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct NotPositiveDefinite {
    /// The first row that the rows above contradict.
    pub row: usize,
}

impl<const N: usize> Factor<N> {
    /// Cholesky's factor of a symmetric matrix with ones on the diagonal.
    pub fn new(matrix: &[[f64; N]; N]) -> Result<Self, NotPositiveDefinite> {
        let mut lower = [[0.0; N]; N];
        for row in 0..N {
            for column in 0..=row {
                let known: f64 = (0..column).map(|k| lower[row][k] * lower[column][k]).sum();
                let rest = matrix[row][column] - known;
                lower[row][column] = if column < row {
                    rest / lower[column][column]
                } else if rest > 1e-9 {
                    rest.sqrt()
                } else {
                    return Err(NotPositiveDefinite { row });
                };
            }
        }
        let rows = lower.map(|row| {
            row.iter().enumerate().filter(|(_, value)| **value != 0.0).map(|(k, value)| (k, *value as f32)).collect()
        });
        Ok(Self { rows })
    }

    /// Correlates the first `count` independent scores of `L` people in place; row i depends on scores 0..=i only.
    #[inline(always)]
    pub fn apply<const L: usize>(&self, scores: &mut [[f32; L]; N], count: usize) {
        for row in (0..count).rev() {
            let mut sums = [0.0; L];
            for &(column, weight) in &self.rows[row] {
                for (sum, score) in sums.iter_mut().zip(&scores[column]) {
                    *sum += weight * score;
                }
            }
            scores[row] = sums;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_times_its_transpose_is_the_matrix() {
        let matrix = [[1.0, 0.5, 0.2], [0.5, 1.0, -0.3], [0.2, -0.3, 1.0]];
        let factor = Factor::new(&matrix).unwrap();
        let dense = factor.rows.map(|row| {
            let mut values = [0.0; 3];
            for (column, value) in row {
                values[column] = f64::from(value);
            }
            values
        });
        for row in 0..3 {
            for column in 0..3 {
                let product: f64 = (0..3).map(|k| dense[row][k] * dense[column][k]).sum();
                assert!((product - matrix[row][column]).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn three_that_all_oppose_each_other_are_refused() {
        let matrix = [[1.0, -0.6, -0.6], [-0.6, 1.0, -0.6], [-0.6, -0.6, 1.0]];
        assert_eq!(Factor::new(&matrix), Err(NotPositiveDefinite { row: 2 }));
    }

    #[test]
    fn no_correlation_leaves_the_scores_alone() {
        let factor = Factor::new(&[[1.0, 0.0], [0.0, 1.0]]).unwrap();
        let mut scores = [[0.7], [-1.1]];
        factor.apply(&mut scores, 2);
        assert_eq!(scores, [[0.7], [-1.1]]);
    }
}
