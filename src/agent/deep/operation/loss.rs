//! Losses of value learning, each with the weights of its rows.

use super::{like, scalar, values};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use std::sync::Arc;

/// Mean over rows of `weight · h(prediction - target)`: Huber 1964, h(d) = d² / 2 within `width`, linear beyond.
/// An infinite width makes it half the squared error.
///
/// # Errors
/// Where lengths differ.
pub fn huber(predictions: &Tensor, targets: &[f32], weights: &[f32], width: f32) -> Result<Tensor> {
    predictions.flatten_all()?.apply_op1(Huber { targets: targets.into(), weights: weights.into(), width })
}

struct Huber {
    targets: Arc<[f32]>,
    weights: Arc<[f32]>,
    width: f32,
}

/// h and its slope.
#[inline(always)]
fn bend(difference: f32, width: f32) -> (f32, f32) {
    let size = difference.abs();
    if size <= width {
        (0.5 * difference * difference, difference)
    } else {
        (width * (size - 0.5 * width), if difference > 0.0 { width } else { -width })
    }
}

impl CustomOp1 for Huber {
    fn name(&self) -> &'static str {
        "huber"
    }

    fn cpu_fwd(&self, predictions: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let predictions = values(predictions, layout)?;
        if predictions.len() != self.targets.len() || predictions.len() != self.weights.len() {
            bail!("{} predictions are compared with {} targets", predictions.len(), self.targets.len());
        }
        let rows = predictions.iter().zip(&*self.targets).zip(&*self.weights);
        let sum = rows.fold(0.0, |sum, ((p, t), weight)| sum + f64::from(weight * bend(p - t, self.width).0));
        Ok((CpuStorage::F32(vec![(sum / predictions.len().max(1) as f64) as f32]), Shape::from(())))
    }

    fn bwd(&self, predictions: &Tensor, _result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let all = predictions.to_vec1::<f32>()?;
        let share = scalar(gradient)? / all.len().max(1) as f32;
        let rows = all.iter().zip(&*self.targets).zip(&*self.weights);
        let slopes = rows.map(|((p, t), weight)| share * weight * bend(p - t, self.width).1).collect();
        Ok(Some(like(predictions.shape(), slopes)?))
    }
}

/// Quantile Huber loss (Dabney et al. 2018, *Distributional reinforcement learning with quantile regression*, equation 10):
/// mean over rows of `weight · Σ_i mean_j |τ_i - 1(target_j < prediction_i)| h(target_j - prediction_i) / width`, with
/// τ_i = (i + 1/2) / N. Predictions are `rows × N`, targets `rows × M` row-major.
///
/// # Errors
/// Where lengths differ.
pub fn quantile_huber(predictions: &Tensor, targets: &[f32], weights: &[f32], width: f32) -> Result<Tensor> {
    let loss = QuantileHuber { targets: targets.into(), weights: weights.into(), width };
    predictions.contiguous()?.apply_op1(loss)
}

struct QuantileHuber {
    targets: Arc<[f32]>,
    weights: Arc<[f32]>,
    width: f32,
}

impl QuantileHuber {
    /// Loss and slopes of one row.
    fn of_row(&self, predictions: &[f32], targets: &[f32], mut slope: impl FnMut(usize, f32)) -> f32 {
        let mut loss = 0.0;
        for (index, prediction) in predictions.iter().enumerate() {
            let level = (index as f32 + 0.5) / predictions.len() as f32;
            let mut sum = 0.0;
            for target in targets {
                let difference = prediction - target;
                let side = if difference > 0.0 { 1.0 - level } else { level } / self.width;
                let (bent, steep) = bend(difference, self.width);
                loss += side * bent / targets.len() as f32;
                sum += side * steep;
            }
            slope(index, sum / targets.len() as f32);
        }
        loss
    }
}

impl CustomOp1 for QuantileHuber {
    fn name(&self) -> &'static str {
        "quantile-huber"
    }

    fn cpu_fwd(&self, predictions: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, quantiles) = layout.shape().dims2()?;
        if rows == 0 || self.weights.len() != rows || !self.targets.len().is_multiple_of(rows) {
            bail!("{rows} rows of quantiles are compared with {} targets", self.targets.len());
        }
        let predictions = values(predictions, layout)?.chunks_exact(quantiles);
        let pairs = predictions.zip(self.targets.chunks_exact(self.targets.len() / rows)).zip(&*self.weights);
        let sum = pairs
            .fold(0.0, |sum, ((row, targets), weight)| sum + f64::from(weight * self.of_row(row, targets, |_, _| {})));
        Ok((CpuStorage::F32(vec![(sum / rows as f64) as f32]), Shape::from(())))
    }

    fn bwd(&self, predictions: &Tensor, _result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (rows, quantiles) = predictions.dims2()?;
        let all = predictions.flatten_all()?.to_vec1::<f32>()?;
        let share = scalar(gradient)? / rows as f32;
        let mut slopes = vec![0.0; all.len()];
        let targets = self.targets.chunks_exact(self.targets.len() / rows);
        let triples = all.chunks_exact(quantiles).zip(targets).zip(&*self.weights);
        for (((row, targets), weight), slopes) in triples.zip(slopes.chunks_exact_mut(quantiles)) {
            self.of_row(row, targets, |index, slope| slopes[index] = share * weight * slope);
        }
        Ok(Some(like(predictions.shape(), slopes)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_gradients, drawn};
    use super::*;
    use candle_core::Device;

    #[test]
    fn losses_by_hand() {
        let predictions = Tensor::from_vec(vec![0.5f32, 3.0], 2, &Device::Cpu).unwrap();
        // (2 · 0.125 + 1 · 2.5) / 2.
        let loss = huber(&predictions, &[0.0, 0.0], &[2.0, 1.0], 1.0).unwrap().to_scalar::<f32>().unwrap();
        assert!((loss - 1.375).abs() < 1e-7);
        let squared = huber(&predictions, &[0.0, 0.0], &[2.0, 1.0], f32::INFINITY).unwrap();
        assert_eq!(squared.to_scalar::<f32>().unwrap(), 2.375);
        assert!(huber(&predictions, &[0.0], &[2.0, 1.0], 1.0).is_err());
        // One row, quantiles at 1/4 and 3/4, one target 0: 3/4 · 0.125 (from above) + 3/4 · 0.5 (from below).
        let quantiles = Tensor::from_vec(vec![0.5f32, -1.0], (1, 2), &Device::Cpu).unwrap();
        let loss = quantile_huber(&quantiles, &[0.0], &[1.0], 1.0).unwrap().to_scalar::<f32>().unwrap();
        assert!((loss - (0.75 * 0.125 + 0.75 * 0.5)).abs() < 1e-7, "{loss}");
    }

    #[test]
    fn gradients_equal_differences() {
        let predictions = drawn(&[6], 1);
        let weights = [1.0, 0.5, 2.0, 0.25, 1.0, 1.0];
        let targets = [0.03; 6];
        assert_gradients(&[&predictions], || huber(&predictions, &targets, &weights, 0.7).unwrap(), 2e-3);
        let (quantiles, targets) = (drawn(&[2, 3], 2), drawn(&[2, 4], 3).flatten_all().unwrap().to_vec1().unwrap());
        let loss = || quantile_huber(&quantiles, &targets, &[1.0, 0.3], 0.9).unwrap();
        assert_gradients(&[&quantiles], loss, 5e-3);
    }
}
