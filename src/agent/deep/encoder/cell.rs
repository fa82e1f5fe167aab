//! The step of a gated recurrent unit, in one operation.

use super::super::operation::Activation;
use crate::math;
use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, bail};

/// The next state of each row: `r = σ(i_r + m_r)`, `z = σ(i_z + m_z)`, `n = tanh(i_n + r m_n)`, `h' = (1 - z) n + z h`. Gates
/// and memory are `rows × 3 width` (r, z, n side by side); rows that are not present keep their state.
pub(super) fn gru_cell(gates: &Tensor, memory: &Tensor, state: &Tensor, present: Vec<bool>) -> Result<Tensor> {
    gates.contiguous()?.apply_op3(&memory.contiguous()?, &state.contiguous()?, Cell(present))
}

struct Cell(Vec<bool>);

/// r, z, n of one place.
#[inline(always)]
pub(in crate::agent::deep) fn gates_of(gates: &[f32], memory: &[f32], place: usize, width: usize) -> (f32, f32, f32) {
    let r = math::sigmoid(gates[place] + memory[place]);
    let z = math::sigmoid(gates[width + place] + memory[width + place]);
    (r, z, Activation::Tanh.of(gates[2 * width + place] + r * memory[2 * width + place]))
}

impl CustomOp3 for Cell {
    fn name(&self) -> &'static str {
        "gru-cell"
    }

    fn cpu_fwd(
        &self,
        gates: &CpuStorage,
        gates_layout: &Layout,
        memory: &CpuStorage,
        memory_layout: &Layout,
        state: &CpuStorage,
        state_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = state_layout.shape().dims2()?;
        let wide = (rows, 3 * width);
        if self.0.len() != rows || gates_layout.shape().dims2()? != wide || memory_layout.shape().dims2()? != wide {
            bail!("a cell of width {width} is given other shapes");
        }
        let gates = super::super::operation::values(gates, gates_layout)?.chunks_exact(3 * width);
        let memory = super::super::operation::values(memory, memory_layout)?.chunks_exact(3 * width);
        let mut next = super::super::operation::values(state, state_layout)?.to_vec();
        for (((next, gates), memory), present) in next.chunks_exact_mut(width).zip(gates).zip(memory).zip(&self.0) {
            for (place, value) in next.iter_mut().enumerate().filter(|_| *present) {
                let (_, z, n) = gates_of(gates, memory, place, width);
                *value = (1.0 - z) * n + z * *value;
            }
        }
        Ok((CpuStorage::F32(next), (rows, width).into()))
    }

    fn bwd(
        &self,
        gates: &Tensor,
        memory: &Tensor,
        state: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (rows, width) = state.dims2()?;
        let dense = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
        let (gates, memory, state, gradient) = (dense(gates)?, dense(memory)?, dense(state)?, dense(gradient)?);
        let (mut of_gates, mut of_memory) = (vec![0.0; gates.len()], vec![0.0; gates.len()]);
        let mut of_state = gradient.clone();
        for row in (0..rows).filter(|row| self.0[*row]) {
            let wide = row * 3 * width..(row + 1) * 3 * width;
            let (i, m) = (&gates[wide.clone()], &memory[wide.clone()]);
            let (of_i, of_m) = (&mut of_gates[wide.clone()], &mut of_memory[wide]);
            for place in 0..width {
                let (r, z, n) = gates_of(i, m, place, width);
                let (h, g) = (state[row * width + place], gradient[row * width + place]);
                let of_n = g * (1.0 - z) * (1.0 - n * n);
                let of_z = g * (h - n) * z * (1.0 - z);
                let of_r = of_n * m[2 * width + place] * r * (1.0 - r);
                (of_i[place], of_i[width + place], of_i[2 * width + place]) = (of_r, of_z, of_n);
                (of_m[place], of_m[width + place], of_m[2 * width + place]) = (of_r, of_z, of_n * r);
                of_state[row * width + place] = g * z;
            }
        }
        let tensor = |values, columns| Tensor::from_vec(values, (rows, columns), &Device::Cpu);
        Ok((Some(tensor(of_gates, 3 * width)?), Some(tensor(of_memory, 3 * width)?), Some(tensor(of_state, width)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::operation::testing::{assert_gradients, drawn};
    use super::*;

    #[test]
    fn a_cell_has_the_gates_of_its_formula_and_their_gradients() {
        let (gates, memory, state) = (drawn(&[2, 6], 1), drawn(&[2, 6], 2), drawn(&[2, 2], 3));
        let next = gru_cell(&gates, &memory, &state, vec![true, false]).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(next[1], state.to_vec2::<f32>().unwrap()[1]);
        let (i, m) = (gates.to_vec2::<f32>().unwrap(), memory.to_vec2::<f32>().unwrap());
        let sigmoid = |x: f32| 1.0 / (1.0 + libm::expf(-x));
        let (r, z) = (sigmoid(i[0][1] + m[0][1]), sigmoid(i[0][3] + m[0][3]));
        let n = libm::tanhf(i[0][5] + r * m[0][5]);
        let expected = (1.0 - z) * n + z * state.to_vec2::<f32>().unwrap()[0][1];
        assert!((next[0][1] - expected).abs() < 1e-6);
        let scale = drawn(&[2, 2], 4).as_detached_tensor();
        let loss = || {
            let next = gru_cell(&gates, &memory, &state, vec![true, false]).unwrap();
            (next * &scale).unwrap().sum_all().unwrap()
        };
        assert_gradients(&[&gates, &memory, &state], loss, 3e-3);
    }
}
