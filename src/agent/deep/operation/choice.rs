//! The value of the action that was taken.

use super::{like, values};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use std::sync::Arc;

/// From `rows × (actions · outputs)` the outputs of one action per row: `rows × outputs`.
///
/// # Errors
/// Where shapes do not fit.
pub fn chosen(all: &Tensor, actions: &[u16], outputs: usize) -> Result<Tensor> {
    all.contiguous()?.apply_op1(Chosen { actions: actions.into(), outputs })
}

struct Chosen {
    actions: Arc<[u16]>,
    outputs: usize,
}

impl CustomOp1 for Chosen {
    fn name(&self) -> &'static str {
        "chosen"
    }

    fn cpu_fwd(&self, all: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = layout.shape().dims2()?;
        let fits = |action: &u16| (usize::from(*action) + 1) * self.outputs <= width;
        if self.actions.len() != rows || !self.actions.iter().all(fits) {
            bail!("{} actions are taken of {rows} rows of {width} values", self.actions.len());
        }
        let all = values(all, layout)?;
        let mut taken = Vec::with_capacity(rows * self.outputs);
        for (row, action) in all.chunks_exact(width).zip(&*self.actions) {
            taken.extend_from_slice(&row[usize::from(*action) * self.outputs..][..self.outputs]);
        }
        Ok((CpuStorage::F32(taken), (rows, self.outputs).into()))
    }

    fn bwd(&self, all: &Tensor, _result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (rows, width) = all.dims2()?;
        let gradient = gradient.flatten_all()?.to_vec1::<f32>()?;
        let mut spread = vec![0.0; rows * width];
        let rows = spread.chunks_exact_mut(width).zip(&*self.actions).zip(gradient.chunks_exact(self.outputs));
        for ((row, action), gradient) in rows {
            row[usize::from(*action) * self.outputs..][..self.outputs].copy_from_slice(gradient);
        }
        Ok(Some(like(all.shape(), spread)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_gradients, drawn};
    use super::*;

    #[test]
    fn each_row_gives_the_outputs_of_its_action() {
        let all = Tensor::arange(0f32, 12.0, &candle_core::Device::Cpu).unwrap().reshape((2, 6)).unwrap();
        assert_eq!(chosen(&all, &[2, 0], 2).unwrap().to_vec2::<f32>().unwrap(), [[4.0, 5.0], [6.0, 7.0]]);
        assert!(chosen(&all, &[3, 0], 2).is_err() && chosen(&all, &[1], 2).is_err());
    }

    #[test]
    fn only_what_was_taken_has_a_gradient() {
        let (all, scale) = (drawn(&[3, 4], 1), drawn(&[3, 2], 2).as_detached_tensor());
        let loss = || (chosen(&all, &[1, 0, 1], 2).unwrap() * &scale).unwrap().sum_all().unwrap();
        assert_gradients(&[&all], loss, 1e-3);
    }
}
