//! Symmetric positive definite systems by Cholesky's factors, in `f64`.

/// The lower factor of a matrix; packed rows, `factor[i (i + 1) / 2 + j]` for `j <= i`.
#[derive(Clone, Debug)]
pub(super) struct Factorised {
    factor: Vec<f64>,
    size: usize,
}

/// Index of (i, j) with `j <= i` in packed rows.
#[inline(always)]
pub(super) fn packed(i: usize, j: usize) -> usize {
    i * (i + 1) / 2 + j
}

impl Factorised {
    /// Factorises a packed lower triangle; `None` where it is not positive definite.
    pub(super) fn of(mut matrix: Vec<f64>, size: usize) -> Option<Self> {
        for i in 0..size {
            for j in 0..=i {
                let (row, other) = (packed(i, 0), packed(j, 0));
                let mut sum = matrix[row + j];
                for k in 0..j {
                    sum -= matrix[row + k] * matrix[other + k];
                }
                if i == j {
                    if !(sum.is_finite() && sum > 0.0) {
                        return None;
                    }
                    matrix[row + i] = sum.sqrt();
                } else {
                    matrix[row + j] = sum / matrix[other + j];
                }
            }
        }
        Some(Self { factor: matrix, size })
    }

    /// Solves in place.
    pub(super) fn solve(&self, values: &mut [f64]) {
        for i in 0..self.size {
            let mut sum = values[i];
            for j in 0..i {
                sum -= self.factor[packed(i, j)] * values[j];
            }
            values[i] = sum / self.factor[packed(i, i)];
        }
        for i in (0..self.size).rev() {
            let mut sum = values[i];
            for j in i + 1..self.size {
                sum -= self.factor[packed(j, i)] * values[j];
            }
            values[i] = sum / self.factor[packed(i, i)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_of_three_is_solved() {
        // [[4, 2, 0], [2, 5, 1], [0, 1, 3]] x = [8, 15, 11] has x = [1, 2, 3] with the right sides below.
        let factorised = Factorised::of(vec![4.0, 2.0, 5.0, 0.0, 1.0, 3.0], 3).unwrap();
        let mut x = [8.0, 15.0, 11.0];
        factorised.solve(&mut x);
        for (x, expected) in x.iter().zip([1.0, 2.0, 3.0]) {
            assert!((x - expected).abs() < 1e-12);
        }
        assert!(Factorised::of(vec![1.0, 2.0, 1.0], 2).is_none());
    }
}
