//! Operations of their own on candle's public interface, each with its gradient: what candle does slowly on the CPU, and
//! what it does not do.
//!
//! * [`linear`]: x·Wᵀ + b and the activation in one operation. Candle's own bias gradient (`sum(0)`) and ReLU gradient take
//!   longer than the product itself.
//! * [`log_softmax`], [`entropy`], [`expectation`]: over allowed actions.
//! * [`chosen`]: the value of the action that was taken.
//! * [`huber`], [`quantile_huber`]: losses with importance weights.
//! * [`likelihood`], [`clipped_likelihood`], [`clipped_square`]: losses of laws and of the values beside them.
//!
//! All are for `f32` on the CPU, in one thread, and compute row by row in a stated order; exponentials and logarithms are
//! those of [`crate::math`].

mod choice;
mod dense;
mod loss;
mod policy;
mod product;
mod softmax;

pub use choice::chosen;
pub use dense::{Activation, linear};
pub use loss::{huber, quantile_huber};
pub use policy::{clipped_likelihood, clipped_square, likelihood};
pub use softmax::{FORBIDDEN, Mask, entropy, expectation, log_softmax};
pub(super) use softmax::{probability, soften};

use candle_core::{CpuStorage, Device, Layout, Result, Shape, Tensor, bail};

/// The values behind a contiguous argument.
pub(super) fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((from, to))) => Ok(&values[from..to]),
        _ => bail!("the argument is contiguous and f32"),
    }
}

/// A tensor of the shape of another.
fn like(shape: &Shape, values: Vec<f32>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.clone(), &Device::Cpu)
}

/// One number.
fn scalar(tensor: &Tensor) -> Result<f32> {
    tensor.to_scalar::<f32>()
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::random::{Purpose, Seed};
    use candle_core::Var;

    /// Numbers in [-2, 2).
    pub fn drawn(shape: &[usize], number: u32) -> Var {
        let mut stream = Seed::new(77).stream(Purpose::Problem, number, 0);
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| 4.0 * stream.uniform() - 2.0).collect();
        Var::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    /// Compares the gradients of a scalar with central differences, value by value.
    pub fn assert_gradients(variables: &[&Var], loss: impl Fn() -> Tensor, tolerance: f32) {
        let gradients = loss().backward().unwrap();
        for (index, variable) in variables.iter().enumerate() {
            let Some(gradient) = gradients.get(variable) else { panic!("variable {index} has no gradient") };
            let gradient = gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            for (place, gradient) in gradient.into_iter().enumerate() {
                let step = 1e-2;
                let moved = |by: f32| {
                    super::super::parameters::alter(variable, |values| values[place] += by);
                    let loss = loss().to_scalar::<f32>().unwrap();
                    super::super::parameters::alter(variable, |values| values[place] -= by);
                    loss
                };
                let difference = (moved(step) - moved(-step)) / (2.0 * step);
                let error = (difference - gradient).abs();
                assert!(error < tolerance, "variable {index}, value {place}: {gradient}, by differences {difference}");
            }
        }
    }
}
