//! The two shapes that most estimates have: a mean over trajectories, and a ratio of two sums over them.

use super::returns::weighted_sum;
use super::{Linearised, Prepared, SequenceFailure};

/// `mean(values)`.
pub(super) struct Mean {
    /// One per trajectory.
    pub values: Vec<f64>,
    /// What the reader must know.
    pub notes: Vec<String>,
}

impl Prepared for Mean {
    fn value(&self, counts: &[f64]) -> f64 {
        weighted_sum(&self.values, counts) / counts.iter().sum::<f64>()
    }

    fn linearised(&self) -> Result<Linearised, SequenceFailure> {
        let value = self.values.iter().sum::<f64>() / self.values.len() as f64;
        let influence = self.values.iter().map(|own| own - value).collect();
        Ok(Linearised { value, influence, notes: self.notes.clone(), ..Linearised::default() })
    }
}

/// `sum(numerators) / sum(denominators)`.
pub(super) struct Ratio {
    /// One per trajectory.
    pub numerators: Vec<f64>,
    /// One per trajectory, not negative.
    pub denominators: Vec<f64>,
    /// What the reader must know.
    pub notes: Vec<String>,
    /// The step to name where all denominators are 0.
    pub last_step: usize,
}

impl Prepared for Ratio {
    fn value(&self, counts: &[f64]) -> f64 {
        let denominator = weighted_sum(&self.denominators, counts);
        if denominator > 0.0 { weighted_sum(&self.numerators, counts) / denominator } else { f64::NAN }
    }

    fn linearised(&self) -> Result<Linearised, SequenceFailure> {
        let denominator: f64 = self.denominators.iter().sum();
        if denominator <= 0.0 {
            return Err(SequenceFailure::Exhausted { step: self.last_step });
        }
        let value = self.numerators.iter().sum::<f64>() / denominator;
        let mean = denominator / self.denominators.len() as f64;
        let influence = self.numerators.iter().zip(&self.denominators);
        let influence = influence.map(|(numerator, weight)| (numerator - value * weight) / mean).collect();
        Ok(Linearised { value, influence, notes: self.notes.clone(), ..Linearised::default() })
    }
}
