//! The gradient of a network's reward of one action by all of its weights, and its length under a diagonal covariance.
//!
//! The gradient is never written out. With h the inputs of a layer and δ the slopes of the reward by its sums, the gradient by
//! weight (o, j) is `δ_o h_j`, so that `Σ (δ_o h_j)² / u_oj = Σ_o δ_o² Σ_j h_j² / u_oj`: the inner sum is the same for all
//! actions, and an action costs no more than passing δ back.

use super::super::network::Architecture;
use super::super::normaliser::Scaling;
use super::super::operation::Activation;
use super::super::parameters::Weights;

/// A dense layer and where its weights stand among all.
#[derive(Clone, Debug)]
struct Dense {
    inputs: usize,
    weights: Vec<f32>,
    biases: Vec<f32>,
    /// Place of the first weight; biases follow the weights.
    first: usize,
}

/// A frozen network without encoder and streams, one output for each action.
#[derive(Clone, Debug)]
pub(super) struct Slopes {
    scaling: Scaling,
    activation: Activation,
    features: usize,
    layers: Vec<Dense>,
    /// Weights of each action, its parts summed, and what they are the gradient of.
    head: Dense,
    /// The rows of the head's weights that an action is the sum of.
    parts: Vec<Vec<u16>>,
    rows: usize,
}

/// What one row comes to, whatever the action.
#[derive(Clone, Debug, Default)]
pub(super) struct RowSlopes {
    /// Inputs of each layer, of the head last.
    inputs: Vec<Vec<f32>>,
    /// Slopes of each layer's activation.
    bends: Vec<Vec<f32>>,
    /// `Σ_j h_j² / u_oj` and the bias's `1 / u_o`, for each output of each layer.
    lengths: Vec<Vec<f32>>,
    /// The same of the rows of the head's weights, without biases.
    head_lengths: Vec<f32>,
}

impl Slopes {
    /// The network of this description with these weights.
    pub fn new(architecture: &Architecture, weights: &Weights, scaling: Scaling) -> Self {
        let (mut first, mut inputs, mut layers) = (0, architecture.features, Vec::new());
        for (index, width) in architecture.widths.iter().enumerate() {
            let get = |what: &str| weights.get(&format!("trunk.{index}.{what}")).to_vec();
            layers.push(Dense { inputs, weights: get("weight"), biases: get("bias"), first });
            first += (inputs + 1) * width;
            inputs = *width;
        }
        let actions = architecture.actions.count();
        let (rows, parts) = match architecture.parts() {
            None => (actions, (0..actions).map(|action| vec![action as u16]).collect()),
            Some(parts) => (weights.get("head.parts").len() / inputs.max(1), parts.to_vec()),
        };
        let own = weights.get(if architecture.parts().is_some() { "head.parts" } else { "head.weight" });
        let mut summed = vec![0.0; actions * inputs];
        for (row, parts) in summed.chunks_exact_mut(inputs.max(1)).zip(&parts) {
            for part in parts {
                let part = &own[usize::from(*part) * inputs..][..inputs];
                row.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
            }
        }
        let head = Dense { inputs, weights: summed, biases: weights.get("head.bias").to_vec(), first };
        let (activation, features) = (architecture.activation, architecture.features);
        Self { scaling, activation, features, layers, head, parts, rows }
    }

    /// Number of weights that there is a gradient by.
    pub fn len(&self) -> usize {
        self.head.first + self.rows * self.head.inputs + self.head.biases.len()
    }

    /// Place of an action's bias.
    fn bias(&self, action: usize) -> usize {
        self.head.first + self.rows * self.head.inputs + action
    }

    /// Reads a row of raw features, which `row.inputs` has room for; lengths are those under these inverse covariances.
    pub fn open(&self, read: impl FnOnce(&mut [f32]), inverses: &[f32], row: &mut RowSlopes) {
        let depth = self.layers.len();
        row.inputs.resize_with(depth + 1, Vec::new);
        row.bends.resize_with(depth, Vec::new);
        row.lengths.resize_with(depth, Vec::new);
        row.inputs[0].resize(self.features, 0.0);
        read(&mut row.inputs[0]);
        self.scaling.apply(&mut row.inputs[0]);
        for (index, layer) in self.layers.iter().enumerate() {
            let (before, after) = row.inputs.split_at_mut(index + 1);
            let (h, next) = (&before[index], &mut after[0]);
            next.clear();
            next.extend(layer.weights.chunks_exact(layer.inputs.max(1)).zip(&layer.biases).map(|(w, b)| b + dot(w, h)));
            self.activation.apply(next);
            row.bends[index].clear();
            row.bends[index].extend(next.iter().map(|value| bend(self.activation, *value)));
            let outputs = layer.biases.len();
            let biases = &inverses[layer.first + layer.weights.len()..][..outputs];
            let weights = inverses[layer.first..].chunks_exact(layer.inputs.max(1));
            row.lengths[index].clear();
            row.lengths[index].extend(weights.zip(biases).map(|(inverses, bias)| bias + squares(inverses, h)));
        }
        let h = &row.inputs[depth];
        let rows = inverses[self.head.first..].chunks_exact(self.head.inputs.max(1)).take(self.rows);
        row.head_lengths.clear();
        row.head_lengths.extend(rows.map(|inverses| squares(inverses, h)));
    }

    /// The reward of an action for the open row.
    pub fn reward(&self, row: &RowSlopes, action: usize) -> f32 {
        self.head.biases[action] + dot(self.head_row(action), &row.inputs[self.layers.len()])
    }

    fn head_row(&self, action: usize) -> &[f32] {
        &self.head.weights[action * self.head.inputs..][..self.head.inputs]
    }

    /// Calls with each layer, from the last to the first, and the slopes of an action's reward by its sums.
    fn pass_back(
        &self,
        row: &RowSlopes,
        action: usize,
        rooms: &mut [Vec<f32>; 2],
        mut visit: impl FnMut(usize, &[f32]),
    ) {
        let [slopes, next] = rooms;
        slopes.clear();
        slopes.extend_from_slice(self.head_row(action));
        for (index, layer) in self.layers.iter().enumerate().rev() {
            slopes.iter_mut().zip(&row.bends[index]).for_each(|(slope, bend)| *slope *= bend);
            visit(index, slopes);
            if index > 0 {
                next.clear();
                next.resize(layer.inputs, 0.0);
                for (weights, slope) in layer.weights.chunks_exact(layer.inputs).zip(slopes.iter()) {
                    next.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += slope * weight);
                }
                std::mem::swap(slopes, next);
            }
        }
    }

    /// `Σ g² / u` over all weights, for the open row and an action.
    pub fn length(&self, row: &RowSlopes, action: usize, inverses: &[f32], rooms: &mut [Vec<f32>; 2]) -> f32 {
        let parts = self.parts[action].iter().map(|part| row.head_lengths[usize::from(*part)]);
        let mut sum = parts.fold(inverses[self.bias(action)], |sum, part| sum + part);
        self.pass_back(row, action, rooms, |index, slopes| {
            let pairs = slopes.iter().zip(&row.lengths[index]);
            sum += pairs.fold(0.0, |sum, (slope, length)| sum + slope * slope * length);
        });
        sum
    }

    /// Adds the squared gradient of an action's reward for the open row.
    pub fn add_squares(&self, row: &RowSlopes, action: usize, sums: &mut [f64], rooms: &mut [Vec<f32>; 2]) {
        let square = |value: f32| f64::from(value) * f64::from(value);
        sums[self.bias(action)] += 1.0;
        let h = &row.inputs[self.layers.len()];
        for part in &self.parts[action] {
            let own = &mut sums[self.head.first + usize::from(*part) * self.head.inputs..][..self.head.inputs];
            own.iter_mut().zip(h).for_each(|(sum, h)| *sum += square(*h));
        }
        self.pass_back(row, action, rooms, |index, slopes| {
            let layer = &self.layers[index];
            for (output, slope) in slopes.iter().enumerate() {
                let own = &mut sums[layer.first + output * layer.inputs..][..layer.inputs];
                own.iter_mut().zip(&row.inputs[index]).for_each(|(sum, h)| *sum += square(*slope) * square(*h));
                sums[layer.first + layer.weights.len() + output] += square(*slope);
            }
        });
    }
}

fn dot(weights: &[f32], inputs: &[f32]) -> f32 {
    weights.iter().zip(inputs).fold(0.0, |sum, (weight, input)| sum + weight * input)
}

/// `Σ h² / u`.
fn squares(inverses: &[f32], inputs: &[f32]) -> f32 {
    inverses.iter().zip(inputs).fold(0.0, |sum, (inverse, input)| sum + inverse * input * input)
}

/// Slope of an activation, from its value.
fn bend(activation: Activation, value: f32) -> f32 {
    match activation {
        Activation::None => 1.0,
        Activation::Relu => f32::from(u8::from(value > 0.0)),
        Activation::Tanh => 1.0 - value * value,
    }
}
