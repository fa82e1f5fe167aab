//! A dense layer for 16 rows, or for one.

use super::super::operation::Activation;
use crate::matrix::LinearMap;
use crate::random::LANES;
use multiversion::multiversion;

/// A dense layer, its weights in both orders.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    map: LinearMap,
    /// `[group of 16 outputs][input]`, after 16 biases.
    groups: Vec<[f32; LANES]>,
    activation: Activation,
}

impl Layer {
    /// From weights `[output][input]`.
    pub fn new(inputs: usize, weights: Vec<f32>, biases: Vec<f32>, activation: Activation) -> Self {
        let mut groups = Vec::with_capacity((inputs + 1) * biases.len().div_ceil(LANES));
        for first in (0..biases.len()).step_by(LANES) {
            let outputs = first..biases.len().min(first + LANES);
            let mut lanes = [0.0; LANES];
            lanes[..outputs.len()].copy_from_slice(&biases[outputs.clone()]);
            groups.push(lanes);
            for input in 0..inputs {
                let mut lanes = [0.0; LANES];
                outputs.clone().zip(&mut lanes).for_each(|(output, lane)| *lane = weights[output * inputs + input]);
                groups.push(lanes);
            }
        }
        Self { map: LinearMap::from_parts(inputs, weights, biases), groups, activation }
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.map.outputs()
    }

    /// 16 rows.
    pub fn apply(&self, x: &[[f32; LANES]], y: &mut [[f32; LANES]]) {
        self.map.apply(x, y);
        self.activation.apply(y.as_flattened_mut());
    }

    /// One row: the same bits.
    pub fn apply_to_row(&self, x: &[f32], y: &mut [f32]) {
        sum_outputs(&self.groups, x, y);
        self.activation.apply(y);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn sum_outputs(groups: &[[f32; LANES]], x: &[f32], y: &mut [f32]) {
    for (group, y) in groups.chunks_exact(x.len() + 1).zip(y.chunks_mut(LANES)) {
        let mut sums = group[0];
        for (weights, input) in group[1..].iter().zip(x) {
            for lane in 0..LANES {
                sums[lane] += input * weights[lane];
            }
        }
        y.copy_from_slice(&sums[..y.len()]);
    }
}
