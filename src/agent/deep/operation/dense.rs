//! A layer: x·Wᵀ + b, then the activation.

use super::product::{add_product, column_sums, product};
use super::values;
use crate::math;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};
use multiversion::multiversion;
use serde::{Deserialize, Serialize};

/// What a layer does to its sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Nothing.
    None,
    /// max(0, x).
    Relu,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// Of one number.
    #[inline(always)]
    #[must_use]
    pub fn of(self, x: f32) -> f32 {
        match self {
            Self::None => x,
            Self::Relu => {
                // Written so that a NaN stays one.
                if x < 0.0 { 0.0 } else { x }
            }
            Self::Tanh => 1.0 - 2.0 / (math::exp(2.0 * x) + 1.0),
        }
    }

    /// Of many, in place.
    pub fn apply(self, values: &mut [f32]) {
        activate(self, values);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn activate(activation: Activation, values: &mut [f32]) {
    match activation {
        Activation::None => {}
        Activation::Relu => values.iter_mut().for_each(|value| *value = Activation::Relu.of(*value)),
        Activation::Tanh => values.iter_mut().for_each(|value| *value = Activation::Tanh.of(*value)),
    }
}

/// activation(x·Wᵀ + b): x is `rows × inputs`, W `outputs × inputs`, b `outputs`.
///
/// # Errors
/// Where shapes do not fit.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor> {
    x.contiguous()?.apply_op3(weight, bias, Dense(activation))
}

struct Dense(Activation);

impl CustomOp3 for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((rows, inputs), (outputs, wanted)) = (x_layout.shape().dims2()?, weight_layout.shape().dims2()?);
        let bias = values(bias, bias_layout)?;
        if inputs != wanted || bias.len() != outputs {
            bail!("a layer of {wanted} inputs and {} outputs is given {inputs} for {outputs}", bias.len());
        }
        let mut sums = Vec::with_capacity(rows * outputs);
        (0..rows).for_each(|_| sums.extend_from_slice(bias));
        add_product(values(x, x_layout)?, values(weight, weight_layout)?, inputs, outputs, &mut sums)?;
        self.0.apply(&mut sums);
        Ok((CpuStorage::F32(sums), (rows, outputs).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let of_sums = match self.0 {
            Activation::None => gradient.contiguous()?,
            activation => result.detach().apply_op2_no_bwd(&gradient.contiguous()?, &Slope(activation))?,
        };
        let of_x = if x.track_op() { Some(product(&of_sums, weight, false)?) } else { None };
        if !weight.track_op() {
            return Ok((of_x, None, None));
        }
        Ok((of_x, Some(product(&of_sums, x, true)?), Some(column_sums(&of_sums)?)))
    }
}

/// Gradient of the sums from the result of the activation and the result's gradient.
struct Slope(Activation);

impl CustomOp2 for Slope {
    fn name(&self) -> &'static str {
        "slope"
    }

    fn cpu_fwd(
        &self,
        result: &CpuStorage,
        result_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (result, gradient) = (values(result, result_layout)?, values(gradient, gradient_layout)?);
        let pairs = result.iter().zip(gradient);
        let slopes = match self.0 {
            Activation::None => gradient.to_vec(),
            Activation::Relu => pairs.map(|(y, g)| if *y > 0.0 { *g } else { 0.0 }).collect(),
            Activation::Tanh => pairs.map(|(y, g)| g * (1.0 - y * y)).collect(),
        };
        Ok((CpuStorage::F32(slopes), result_layout.shape().clone()))
    }
}

/// The activation alone, for tests and for what is no layer.
#[cfg(test)]
fn alone(x: &Tensor, activation: Activation) -> Result<Tensor> {
    let mut values = x.flatten_all()?.to_vec1::<f32>()?;
    activation.apply(&mut values);
    super::like(x.shape(), values)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_gradients, drawn};
    use super::*;

    #[test]
    fn a_layer_is_what_candle_computes_and_so_are_its_gradients() {
        let (x, weight, bias) = (drawn(&[5, 4], 0), drawn(&[3, 4], 1), drawn(&[3], 2));
        for activation in [Activation::None, Activation::Relu, Activation::Tanh] {
            let ours = linear(&x, &weight, &bias, activation).unwrap();
            let sums = x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(&bias).unwrap();
            let theirs = match activation {
                Activation::None => sums,
                Activation::Relu => sums.relu().unwrap(),
                Activation::Tanh => sums.tanh().unwrap(),
            };
            let gap =
                |a: &Tensor, b: &Tensor| (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(gap(&ours, &theirs) < 1e-6, "{activation:?}");
            let scale = drawn(&[5, 3], 3).as_detached_tensor();
            let gradients = |y: &Tensor| (y * &scale).unwrap().sum_all().unwrap().backward().unwrap();
            let (of_ours, of_theirs) = (gradients(&ours), gradients(&theirs));
            for variable in [&x, &weight, &bias] {
                let gap = gap(of_ours.get(variable).unwrap(), of_theirs.get(variable).unwrap());
                assert!(gap < 1e-5, "{activation:?}: {gap}");
            }
            let loss = || (linear(&x, &weight, &bias, activation).unwrap() * &scale).unwrap().sum_all().unwrap();
            // Differences across the kink of a ReLU are no gradients.
            if activation != Activation::Relu {
                assert_gradients(&[&x, &weight, &bias], loss, 2e-2);
            }
        }
    }

    #[test]
    fn the_tangent_is_accurate_and_bounded() {
        let x = Tensor::from_vec(
            (-4_000..4_000).map(|step| step as f32 / 200.0).collect(),
            8_000,
            &candle_core::Device::Cpu,
        )
        .unwrap();
        let (ours, exact) = (alone(&x, Activation::Tanh).unwrap(), x.to_vec1::<f32>().unwrap());
        for (y, x) in ours.to_vec1::<f32>().unwrap().into_iter().zip(exact) {
            assert!((f64::from(y) - libm::tanh(f64::from(x))).abs() < 3e-7, "tanh({x}) = {y}");
        }
        assert_eq!(Activation::Tanh.of(1e9), 1.0);
        assert_eq!(Activation::Tanh.of(-1e9), -1.0);
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        assert!(linear(&drawn(&[5, 4], 0), &drawn(&[3, 5], 1), &drawn(&[3], 2), Activation::None).is_err());
        assert!(linear(&drawn(&[5, 4], 0), &drawn(&[3, 4], 1), &drawn(&[2], 2), Activation::None).is_err());
    }
}
