//! Losses of laws, and of the values that they are compared with: means over rows, each row by a formula of its own.

use super::{like, scalar, values};
use crate::math;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

/// Mean over rows of `-advantage · log π(a | s)`, from the log-probabilities of what was done (Williams 1992).
///
/// # Errors
/// Where lengths differ.
pub fn likelihood(chosen: &Tensor, advantages: &[f32]) -> Result<Tensor> {
    let advantages = advantages.to_vec();
    mean_of(chosen, advantages.len(), move |row, log| (-advantages[row] * log, -advantages[row]))
}

/// Mean over rows of `max(-ratio · advantage, -clip(ratio, 1 ± width) · advantage)` with
/// `ratio = π(a | s) / π_old(a | s)` (Schulman et al. 2017, equation 7), from the log-probabilities of what was done, now
/// and when it was done.
///
/// # Errors
/// Where lengths differ.
pub fn clipped_likelihood(chosen: &Tensor, old: &[f32], advantages: &[f32], width: f32) -> Result<Tensor> {
    if old.len() != advantages.len() {
        bail!("{} old log-probabilities are given for {} advantages", old.len(), advantages.len());
    }
    let (old, advantages) = (old.to_vec(), advantages.to_vec());
    mean_of(chosen, advantages.len(), move |row, log| {
        let (advantage, ratio) = (advantages[row], math::exp(log - old[row]));
        let (free, clipped) = (-advantage * ratio, -advantage * ratio.clamp(1.0 - width, 1.0 + width));
        // Written so that a NaN stays one.
        if clipped > free { (clipped, 0.0) } else { (free, free) }
    })
}

/// Mean over rows of half the squared distance of values from returns. With a width, of the greater of that and of what it
/// would be had the value moved by at most the width from where it was: a detail of OpenAI's baselines that Huang et al. 2022
/// name.
///
/// # Errors
/// Where lengths differ.
pub fn clipped_square(predictions: &Tensor, old: &[f32], returns: &[f32], width: Option<f32>) -> Result<Tensor> {
    if old.len() != returns.len() {
        bail!("{} old values are given for {} returns", old.len(), returns.len());
    }
    let (old, returns, width) = (old.to_vec(), returns.to_vec(), width.unwrap_or(f32::INFINITY));
    mean_of(predictions, returns.len(), move |row, value| {
        let gap = value - returns[row];
        let moved = value - old[row];
        let near = old[row] + moved.clamp(-width, width) - returns[row];
        if moved.abs() > width && near * near > gap * gap { (0.5 * near * near, 0.0) } else { (0.5 * gap * gap, gap) }
    })
}

/// The mean over rows of a formula that gives its value and its slope.
fn mean_of(
    column: &Tensor,
    rows: usize,
    formula: impl Fn(usize, f32) -> (f32, f32) + Send + Sync + 'static,
) -> Result<Tensor> {
    if column.elem_count() != rows {
        bail!("{} rows are compared with {rows}", column.elem_count());
    }
    column.flatten_all()?.contiguous()?.apply_op1(MeanOf(formula))
}

struct MeanOf<F>(F);

impl<F: Fn(usize, f32) -> (f32, f32) + Send + Sync> CustomOp1 for MeanOf<F> {
    fn name(&self) -> &'static str {
        "mean-of-rows"
    }

    fn cpu_fwd(&self, column: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let column = values(column, layout)?;
        let sum: f64 = column.iter().enumerate().map(|(row, value)| f64::from((self.0)(row, *value).0)).sum();
        Ok((CpuStorage::F32(vec![(sum / column.len().max(1) as f64) as f32]), Shape::from(())))
    }

    fn bwd(&self, column: &Tensor, _result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let all = column.to_vec1::<f32>()?;
        let share = scalar(gradient)? / all.len().max(1) as f32;
        let slopes = all.iter().enumerate().map(|(row, value)| share * (self.0)(row, *value).1).collect();
        Ok(Some(like(column.shape(), slopes)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_gradients, drawn};
    use super::*;
    use candle_core::{Device, Var};

    fn slopes(column: &Var, loss: &Tensor) -> Vec<f32> {
        loss.backward().unwrap().get(column).unwrap().to_vec1().unwrap()
    }

    fn assert_near(found: &[f32], expected: &[f64]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    /// Ratios 1.5, 1.5, 0.5, 0.5, 1.1 with a width of 0.2: what is better than expected has nothing to gain beyond 1.2,
    /// what is worse nothing below 0.8.
    #[test]
    fn the_clipped_objective_by_hand() {
        let ratios = [1.5f64, 1.5, 0.5, 0.5, 1.1];
        let advantages = [2.0, -2.0, 2.0, -2.0, 3.0];
        let old = [-1.0f32, -0.5, -0.25, -2.0, -1.0];
        let logs = ratios.iter().zip(old).map(|(ratio, old)| old + libm::log(*ratio) as f32).collect();
        let column = Var::from_vec(logs, 5, &Device::Cpu).unwrap();
        let loss = clipped_likelihood(&column, &old, &advantages, 0.2).unwrap();
        assert_near(&[loss.to_scalar().unwrap()], &[(-2.4 + 3.0 - 1.0 + 1.6 - 3.3) / 5.0]);
        assert_near(&slopes(&column, &loss), &[0.0, 3.0 / 5.0, -1.0 / 5.0, 0.0, -3.3 / 5.0]);
    }

    /// A value at 3 that was 1, returns 0, 2.9 and 5: the clipped value is 1.5.
    #[test]
    fn the_clipped_error_of_values_by_hand() {
        let column = Var::from_vec(vec![3.0f32; 3], 3, &Device::Cpu).unwrap();
        let (old, returns) = ([1.0; 3], [0.0, 2.9, 5.0]);
        let loss = clipped_square(&column, &old, &returns, Some(0.5)).unwrap();
        assert_near(&[loss.to_scalar().unwrap()], &[(4.5 + 0.5 * 1.4 * 1.4 + 0.5 * 3.5 * 3.5) / 3.0]);
        assert_near(&slopes(&column, &loss), &[1.0, 0.0, 0.0]);
        let plain = clipped_square(&column, &old, &returns, None).unwrap();
        assert_near(&[plain.to_scalar().unwrap()], &[(4.5 + 0.005 + 2.0) / 3.0]);
        assert_near(&slopes(&column, &plain), &[1.0, 0.1 / 3.0, -2.0 / 3.0]);
    }

    #[test]
    fn gradients_are_those_of_differences() {
        let column = drawn(&[6], 1);
        let weights = drawn(&[6], 2).to_vec1::<f32>().unwrap();
        assert_gradients(&[&column], || likelihood(&column, &weights).unwrap(), 1e-3);
        let old: Vec<f32> = column.to_vec1::<f32>().unwrap().iter().map(|log| log - 0.05).collect();
        assert_gradients(&[&column], || clipped_likelihood(&column, &old, &weights, 0.2).unwrap(), 2e-3);
        assert_gradients(&[&column], || clipped_square(&column, &old, &weights, Some(0.2)).unwrap(), 1e-2);
    }

    #[test]
    fn lengths_that_differ_are_refused() {
        let column = drawn(&[3], 1);
        assert!(likelihood(&column, &[1.0; 2]).is_err());
        assert!(clipped_likelihood(&column, &[1.0; 2], &[1.0; 3], 0.2).is_err());
        assert!(clipped_square(&column, &[1.0; 3], &[1.0; 4], None).is_err());
    }
}
