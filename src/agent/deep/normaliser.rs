//! Running mean and variance of the features, so that a network sees numbers of order 1.
//!
//! Welford 1962 in the pairwise form of Chan, Golub & LeVeque 1983: the rows of a batch are summed in `f64`, in their
//! order, and merged with what was seen before. Deciding uses a frozen copy, which travels with the policy.

use super::checkpoint::{Checkpoint, invalid};
use crate::matrix::Matrix;
use crate::random::LANES;
use std::io;

/// Normalised values are cut off here, in standard deviations.
const CUT: f32 = 10.0;
/// Variances below this count as this: a constant feature stays near 0.
const VARIANCE_MIN: f64 = 1e-8;

/// Moments of each feature.
#[derive(Clone, Debug, PartialEq)]
pub struct Normaliser {
    count: f64,
    means: Vec<f64>,
    /// Sums of squared deviations from the mean.
    squares: Vec<f64>,
}

impl Normaliser {
    /// Nothing seen yet of so many features.
    #[must_use]
    pub fn new(features: usize) -> Self {
        Self { count: 0.0, means: vec![0.0; features], squares: vec![0.0; features] }
    }

    /// Takes in all rows.
    pub fn observe(&mut self, features: &Matrix) {
        let rows = features.rows() as f64;
        if rows == 0.0 {
            return;
        }
        let total = self.count + rows;
        for column in 0..self.means.len() {
            let values = || (0..features.rows()).map(|row| f64::from(features.get(row, column)));
            let mean = values().sum::<f64>() / rows;
            let squares: f64 = values().map(|value| (value - mean) * (value - mean)).sum();
            let difference = mean - self.means[column];
            self.means[column] += difference * rows / total;
            self.squares[column] += squares + difference * difference * self.count * rows / total;
        }
        self.count = total;
    }

    /// How to normalise from here on: before anything was seen, features pass as they are.
    #[must_use]
    pub fn freeze(&self) -> Scaling {
        let deviation = |squares: &f64| (squares / self.count).max(VARIANCE_MIN).sqrt();
        let seen = self.count > 0.0;
        Scaling {
            means: self.means.iter().map(|mean| *mean as f32).collect(),
            inverses: self.squares.iter().map(|sum| if seen { (1.0 / deviation(sum)) as f32 } else { 1.0 }).collect(),
        }
    }

    /// Keeps it under this name.
    pub fn save(&self, name: &str, to: &mut Checkpoint) {
        let features = self.means.len();
        to.put(format!("{name}.count"), &[1], &[self.count]);
        to.put(format!("{name}.means"), &[features], &self.means);
        to.put(format!("{name}.squares"), &[features], &self.squares);
    }

    /// What was kept, of so many features.
    ///
    /// # Errors
    /// Where it is absent or of other features.
    pub fn load(name: &str, features: usize, from: &Checkpoint) -> io::Result<Self> {
        let count = from.take::<f64>(&format!("{name}.count"), 1)?[0];
        let means = from.take(&format!("{name}.means"), features)?;
        let squares: Vec<f64> = from.take(&format!("{name}.squares"), features)?;
        if !(count >= 0.0 && squares.iter().all(|sum| *sum >= 0.0)) {
            return Err(invalid(format!("the moments `{name}` are none: a count or a sum of squares is negative")));
        }
        Ok(Self { count, means, squares })
    }
}

/// A frozen normaliser.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scaling {
    means: Vec<f32>,
    inverses: Vec<f32>,
}

impl Scaling {
    /// Normalises one dense row in place.
    pub fn apply(&self, row: &mut [f32]) {
        for (value, (mean, inverse)) in row.iter_mut().zip(self.means.iter().zip(&self.inverses)) {
            *value = ((*value - mean) * inverse).clamp(-CUT, CUT);
        }
    }

    /// Normalises 16 rows in place: the same bits as row by row.
    pub fn apply_in_lanes(&self, columns: &mut [[f32; LANES]]) {
        for (lanes, (mean, inverse)) in columns.iter_mut().zip(self.means.iter().zip(&self.inverses)) {
            lanes.iter_mut().for_each(|value| *value = ((*value - mean) * inverse).clamp(-CUT, CUT));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_batches_are_those_of_the_whole() {
        let rows: Vec<[f32; 2]> = (0..7).map(|row| [row as f32 * row as f32, 3.0]).collect();
        let dense: Vec<&[f32]> = rows.iter().map(|row| &row[..]).collect();
        let mut normaliser = Normaliser::new(2);
        assert_eq!(normaliser.freeze(), Scaling { means: vec![0.0; 2], inverses: vec![1.0; 2] });
        for batch in [&dense[..3], &dense[3..4], &dense[4..]] {
            normaliser.observe(&Matrix::from_rows(batch));
        }
        // 0, 1, 4, 9, 16, 25, 36: mean 13, variance (2275 - 7 * 169) / 7 = 156.
        assert!((normaliser.means[0] - 13.0).abs() < 1e-12 && (normaliser.squares[0] / 7.0 - 156.0).abs() < 1e-10);
        let mut row = [36.0, 3.0];
        normaliser.freeze().apply(&mut row);
        assert!((row[0] - 23.0 / 156f32.sqrt()).abs() < 1e-6 && row[1] == 0.0);
        row = [36.0, 4.0];
        normaliser.freeze().apply(&mut row);
        assert_eq!(row[1], CUT);
        let mut lanes = [[36.0; LANES], [4.0; LANES]];
        normaliser.freeze().apply_in_lanes(&mut lanes);
        assert_eq!([lanes[0][9].to_bits(), lanes[1][3].to_bits()], row.map(f32::to_bits));
    }
}
