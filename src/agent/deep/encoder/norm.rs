//! Layer normalisation (Ba, Kiros & Hinton 2016) with its gradients.

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, bail};

const EPSILON: f32 = 1e-5;

/// Each row less its mean, over its standard deviation, times `gain`, plus `bias`.
pub(super) fn layer_norm(x: &Tensor, gain: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op3(gain, bias, LayerNorm)
}

/// Mean and inverse standard deviation of a row.
#[inline]
pub(in crate::agent::deep) fn moments(row: &[f32]) -> (f32, f32) {
    let count = row.len() as f32;
    let mean = row.iter().sum::<f32>() / count;
    let variance = row.iter().map(|value| (value - mean) * (value - mean)).sum::<f32>() / count;
    (mean, 1.0 / (variance + EPSILON).sqrt())
}

struct LayerNorm;

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gain: &CpuStorage,
        gain_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, width) = x_layout.shape().dims2()?;
        let gain = super::super::operation::values(gain, gain_layout)?;
        let bias = super::super::operation::values(bias, bias_layout)?;
        if gain.len() != width || bias.len() != width {
            bail!("rows of {width} values are normalised by {} gains", gain.len());
        }
        let mut all = super::super::operation::values(x, x_layout)?.to_vec();
        for row in all.chunks_exact_mut(width) {
            let (mean, inverse) = moments(row);
            for (value, (gain, bias)) in row.iter_mut().zip(gain.iter().zip(bias)) {
                *value = (*value - mean) * inverse * gain + bias;
            }
        }
        Ok((CpuStorage::F32(all), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gain: &Tensor,
        _bias: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (rows, width) = x.dims2()?;
        let dense = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
        let (x, gain, mut gradient) = (dense(x)?, dense(gain)?, dense(gradient)?);
        let (mut of_gain, mut of_bias) = (vec![0.0; width], vec![0.0; width]);
        for (row, slopes) in x.chunks_exact(width).zip(gradient.chunks_exact_mut(width)) {
            let (mean, inverse) = moments(row);
            let (mut sum, mut along) = (0.0, 0.0);
            for (place, (value, slope)) in row.iter().zip(slopes.iter_mut()).enumerate() {
                let normal = (value - mean) * inverse;
                of_gain[place] += *slope * normal;
                of_bias[place] += *slope;
                *slope *= gain[place];
                sum += *slope;
                along += *slope * normal;
            }
            let count = width as f32;
            for (value, slope) in row.iter().zip(slopes) {
                *slope = inverse * (*slope - sum / count - (value - mean) * inverse * along / count);
            }
        }
        let vector = |values| Tensor::from_vec(values, width, &Device::Cpu);
        Ok((
            Some(Tensor::from_vec(gradient, (rows, width), &Device::Cpu)?),
            Some(vector(of_gain)?),
            Some(vector(of_bias)?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::operation::testing::{assert_gradients, drawn};
    use super::*;

    #[test]
    fn rows_are_normalised_and_gradients_equal_differences() {
        let (x, gain, bias) = (drawn(&[2, 5], 1), drawn(&[5], 2), drawn(&[5], 3));
        let ones = Tensor::ones(5, candle_core::DType::F32, &Device::Cpu).unwrap();
        let normal = layer_norm(&x, &ones, &ones.zeros_like().unwrap()).unwrap().to_vec2::<f32>().unwrap();
        for row in normal {
            let (sum, squares) = row.iter().fold((0.0, 0.0), |(sum, squares), v| (sum + v, squares + v * v));
            assert!(sum.abs() < 1e-5 && (squares / 5.0 - 1.0f32).abs() < 1e-3);
        }
        let scale = drawn(&[2, 5], 4).as_detached_tensor();
        let loss = || (layer_norm(&x, &gain, &bias).unwrap() * &scale).unwrap().sum_all().unwrap();
        assert_gradients(&[&x, &gain, &bias], loss, 2e-2);
    }
}
