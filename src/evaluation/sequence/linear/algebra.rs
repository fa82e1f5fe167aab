//! Small dense systems, solved in a fixed order.

use super::super::SequenceFailure;
use multiversion::multiversion;

/// Sum of products.
pub(in super::super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Adds values, `times` over.
#[inline(always)]
pub(in super::super) fn add(sums: &mut [f64], values: &[f64], times: f64) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += times * value);
}

/// Adds `times a b'`, row-major.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
pub(in super::super) fn outer(sums: &mut [f64], a: &[f64], b: &[f64], times: f64) {
    for (row, a) in sums.chunks_exact_mut(b.len()).zip(a) {
        add(row, b, times * a);
    }
}

/// A row-major matrix times a vector.
pub(in super::super) fn times(matrix: &[f64], vector: &[f64]) -> Vec<f64> {
    matrix.chunks_exact(vector.len()).map(|row| dot(row, vector)).collect()
}

/// The transpose of a row-major square matrix times a vector.
pub(in super::super) fn transposed_times(matrix: &[f64], vector: &[f64]) -> Vec<f64> {
    let mut product = vec![0.0; vector.len()];
    matrix.chunks_exact(vector.len()).zip(vector).for_each(|(row, times)| add(&mut product, row, *times));
    product
}

/// A symmetric positive definite matrix as `L L'`.
pub(in super::super) struct Cholesky {
    lower: Vec<f64>,
    width: usize,
}

impl Cholesky {
    /// Of a matrix with `ridge` added to its diagonal.
    pub fn new(matrix: &[f64], width: usize, ridge: f64) -> Result<Self, SequenceFailure> {
        let mut lower = matrix.to_vec();
        for row in 0..width {
            for column in 0..=row {
                let known: f64 = (0..column).map(|k| lower[row * width + k] * lower[column * width + k]).sum();
                let rest = matrix[row * width + column] + if row == column { ridge } else { 0.0 } - known;
                if row == column && (rest <= 0.0 || !rest.is_finite()) {
                    return Err(SequenceFailure::Singular);
                }
                lower[row * width + column] =
                    if row == column { rest.sqrt() } else { rest / lower[column * width + column] };
            }
        }
        Ok(Self { lower, width })
    }

    /// Solves in place.
    pub fn solve(&self, vector: &mut [f64]) {
        let width = self.width;
        for row in 0..width {
            let known: f64 = (0..row).map(|k| self.lower[row * width + k] * vector[k]).sum();
            vector[row] = (vector[row] - known) / self.lower[row * width + row];
        }
        for row in (0..width).rev() {
            let known: f64 = (row + 1..width).map(|k| self.lower[k * width + row] * vector[k]).sum();
            vector[row] = (vector[row] - known) / self.lower[row * width + row];
        }
    }
}

/// Solves a row-major system by Gaussian elimination with partial pivoting; ties go to the lowest row.
pub(in super::super) fn eliminate(mut system: Vec<f64>, right: &[f64]) -> Result<Vec<f64>, SequenceFailure> {
    let size = right.len();
    let mut solution = right.to_vec();
    for pivot in 0..size {
        let mut best = pivot;
        for row in pivot + 1..size {
            if system[row * size + pivot].abs() > system[best * size + pivot].abs() {
                best = row;
            }
        }
        if system[best * size + pivot].abs() < 1e-12 || !system[best * size + pivot].is_finite() {
            return Err(SequenceFailure::Singular);
        }
        if best != pivot {
            (0..size).for_each(|column| system.swap(pivot * size + column, best * size + column));
            solution.swap(pivot, best);
        }
        let (above, below) = system.split_at_mut((pivot + 1) * size);
        let own = &above[pivot * size..];
        for (offset, row) in below.chunks_exact_mut(size).enumerate() {
            let factor = row[pivot] / own[pivot];
            if factor != 0.0 {
                add(&mut row[pivot..], &own[pivot..], -factor);
                solution[pivot + 1 + offset] -= factor * solution[pivot];
            }
        }
    }
    for row in (0..size).rev() {
        let known = dot(&system[row * size + row + 1..(row + 1) * size], &solution[row + 1..]);
        solution[row] = (solution[row] - known) / system[row * size + row];
    }
    Ok(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_solve_a_system_by_hand() {
        // (4 2; 2 3) x = (2, 5) is solved by (-0.5, 2).
        let matrix = vec![4.0, 2.0, 2.0, 3.0];
        let mut vector = vec![2.0, 5.0];
        Cholesky::new(&matrix, 2, 0.0).unwrap().solve(&mut vector);
        let eliminated = eliminate(matrix.clone(), &[2.0, 5.0]).unwrap();
        for (found, known) in vector.iter().chain(&eliminated).zip([-0.5, 2.0, -0.5, 2.0]) {
            assert!((found - known).abs() < 1e-12);
        }
        assert_eq!(times(&matrix, &eliminated), transposed_times(&matrix, &eliminated));
        // A zero in the first place wants another row; two equal rows have no single solution.
        assert_eq!(eliminate(vec![0.0, 2.0, 1.0, 1.0], &[4.0, 5.0]).unwrap(), [3.0, 2.0]);
        assert_eq!(eliminate(vec![1.0, 1.0, 1.0, 1.0], &[4.0, 5.0]), Err(SequenceFailure::Singular));
        assert!(Cholesky::new(&[0.0], 1, 0.0).is_err());
    }
}
