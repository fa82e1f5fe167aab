//! Ridge regression for scores: a few features, solved exactly.

/// A linear model with an intercept; features are standardised by what it was fitted on.
#[derive(Clone, Debug, PartialEq)]
pub struct Ridge {
    means: Vec<f64>,
    scales: Vec<f64>,
    weights: Vec<f64>,
    intercept: f64,
}

impl Ridge {
    /// Least squares with the penalty `strength` on the squared weights of standardised features; the intercept is free.
    ///
    /// `features` are columns over all units, of which the `units` are fitted (Hoerl and Kennard 1970).
    #[must_use]
    pub fn fit(features: &[Vec<f64>], targets: &[f64], units: &[usize], strength: f64) -> Self {
        Self::fit_by(features, targets, |_| 1.0, units, strength)
    }

    /// The same where units have weights of 0 or more, one for each of all units.
    #[must_use]
    pub fn fit_weighted(
        features: &[Vec<f64>],
        targets: &[f64],
        weights: &[f64],
        units: &[usize],
        strength: f64,
    ) -> Self {
        Self::fit_by(features, targets, |unit| weights[unit], units, strength)
    }

    fn fit_by(
        features: &[Vec<f64>],
        targets: &[f64],
        weight: impl Fn(usize) -> f64,
        units: &[usize],
        strength: f64,
    ) -> Self {
        let whole = units.iter().map(|unit| weight(*unit)).sum::<f64>();
        let count = if whole > 0.0 { whole } else { 1.0 };
        let mean = |column: &[f64]| units.iter().map(|unit| weight(*unit) * column[*unit]).sum::<f64>() / count;
        let means: Vec<f64> = features.iter().map(|column| mean(column)).collect();
        let scales: Vec<f64> = features
            .iter()
            .zip(&means)
            .map(|(column, mean)| {
                let square = |unit: usize| weight(unit) * (column[unit] - mean).powi(2);
                let variance = units.iter().map(|unit| square(*unit)).sum::<f64>() / count;
                // A constant column says nothing; its weight is 0.
                if variance > 1e-20 * (1.0 + mean * mean) { 1.0 / variance.sqrt() } else { 0.0 }
            })
            .collect();
        let intercept = mean(targets);
        let width = features.len();
        let (mut matrix, mut right) = (vec![0.0; width * width], vec![0.0; width]);
        let mut row = vec![0.0; width];
        for unit in units {
            for column in 0..width {
                row[column] = (features[column][*unit] - means[column]) * scales[column];
            }
            for a in 0..width {
                let weighted = weight(*unit) * row[a];
                right[a] += weighted * (targets[*unit] - intercept);
                for b in 0..=a {
                    matrix[a * width + b] += weighted * row[b];
                }
            }
        }
        for diagonal in 0..width {
            matrix[diagonal * width + diagonal] += strength.max(1e-9);
        }
        let weights = solve(matrix, right);
        Self { means, scales, weights, intercept }
    }

    /// The prediction for a unit.
    #[must_use]
    pub fn predict(&self, features: &[Vec<f64>], unit: usize) -> f64 {
        let mut sum = self.intercept;
        for (column, values) in features.iter().enumerate() {
            sum += self.weights[column] * (values[unit] - self.means[column]) * self.scales[column];
        }
        sum
    }
}

/// Solves a symmetric positive definite system, given by its lower half (Cholesky).
fn solve(mut matrix: Vec<f64>, mut right: Vec<f64>) -> Vec<f64> {
    let width = right.len();
    for column in 0..width {
        for row in column..width {
            let mut value = matrix[row * width + column];
            for before in 0..column {
                value -= matrix[row * width + before] * matrix[column * width + before];
            }
            matrix[row * width + column] =
                if row == column { value.max(1e-300).sqrt() } else { value / matrix[column * width + column] };
        }
    }
    for row in 0..width {
        for before in 0..row {
            right[row] -= matrix[row * width + before] * right[before];
        }
        right[row] /= matrix[row * width + row];
    }
    for row in (0..width).rev() {
        for after in row + 1..width {
            right[row] -= matrix[after * width + row] * right[after];
        }
        right[row] /= matrix[row * width + row];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_the_penalty_shrinks_it() {
        let x = vec![1.0, 2.0, 3.0, 4.0, 5.0, 99.0];
        let z = vec![1.0, 0.0, 1.0, 1.0, 0.0, 7.0];
        let constant = vec![2.0; 6];
        let y: Vec<f64> = x.iter().zip(&z).map(|(x, z)| 2.0 * x - 3.0 * z + 1.0).collect();
        let units = [0, 1, 2, 3, 4];
        let features = [x, z, constant];
        let line = Ridge::fit(&features, &y, &units, 0.0);
        assert!((line.predict(&features, 5) - y[5]).abs() < 1e-6, "{}", line.predict(&features, 5));
        // Penalised by the number of units, one standardised feature keeps half of its weight.
        let one = [features[0].clone()];
        let (free, half) = (Ridge::fit(&one, &y, &units, 0.0), Ridge::fit(&one, &y, &units, 5.0));
        assert!((half.weights[0] / free.weights[0] - 0.5).abs() < 1e-8);
    }

    #[test]
    fn a_weight_of_two_is_a_unit_that_stands_twice() {
        let (x, y) = ([vec![1.0, 2.0, 4.0, 7.0]], [1.0, 5.0, 3.0, 8.0]);
        let weighted = Ridge::fit_weighted(&x, &y, &[2.0, 1.0, 0.0, 1.0], &[0, 1, 2, 3], 1.0);
        let twice = Ridge::fit(&x, &y, &[0, 0, 1, 3], 1.0);
        assert!((0..4).all(|unit| (weighted.predict(&x, unit) - twice.predict(&x, unit)).abs() < 1e-12));
    }
}
