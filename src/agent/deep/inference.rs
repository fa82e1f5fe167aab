//! A network in plain Rust, frozen: what decides.
//!
//! An operation of candle costs microseconds before it computes anything, which is most of what a decision on a few rows
//! takes. Here a network is a chain of dense layers over 16 rows at a time ([`crate::matrix::LinearMap`]); one row alone, or the last few,
//! go through the same layers with 16 outputs at a time. Either way an output is summed in the order of its inputs, from its
//! bias, so that a row has the same bits in any batch.
//!
//! What is linear is folded when the snapshot is taken: the parts of actions into their weights, the streams of a dueling
//! head into one layer, the mean of quantiles into one output. Differences from candle's form are rounding (below 1e-5 in
//! tests). Nothing is allocated while it decides, up to layers of 256 outputs.

mod encoder;
mod layer;

use super::network::Architecture;
use super::normaliser::Scaling;
use super::operation::Activation;
use super::parameters::Weights;
use crate::agent::linear::room::Room;
use crate::matrix::Matrix;
use crate::protocol::{Event, Observation};
use crate::random::LANES;
use encoder::PlainEncoder;
use layer::Layer;

/// Outputs of a layer up to which nothing is allocated.
const WIDE: usize = 256;
/// Rows of a block up to which each goes by itself.
const FEW_ROWS: usize = 3;

/// What of several outputs for each action is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// All of them.
    All,
    /// Their mean: the value of a distribution by its quantiles.
    Mean,
    /// None of them, but what the head reads: the last hidden layer, of a network that has one and no streams.
    Hidden,
}

/// A frozen network.
#[derive(Clone, Debug)]
pub struct Forward {
    features: usize,
    scaling: Scaling,
    encoder: Option<PlainEncoder>,
    layers: Vec<Layer>,
    /// Widest of inputs and layers.
    widest: usize,
}

impl Forward {
    /// The network of this description with these weights, whose names begin with `prefix`.
    #[must_use]
    pub fn new(
        architecture: &Architecture,
        weights: &Weights,
        prefix: &str,
        scaling: Scaling,
        reading: Reading,
    ) -> Self {
        let get = |name: String| weights.get(&format!("{prefix}{name}"));
        let layer = |name: &str, inputs: usize| {
            let (weight, bias) = (get(format!("{name}.weight")), get(format!("{name}.bias")));
            Layer::new(inputs, weight.to_vec(), bias.to_vec(), architecture.activation)
        };
        let (trunk, stream) = architecture.trunk();
        let (mut layers, mut inputs) = (Vec::new(), architecture.inputs());
        for (index, width) in trunk.iter().enumerate() {
            layers.push(layer(&format!("trunk.{index}"), inputs));
            inputs = *width;
        }
        let head = match (reading, stream) {
            (Reading::Hidden, _) => None,
            (_, None) => Some(action_weights(architecture, inputs, &get, "head")),
            (_, Some(width)) => {
                // The hidden layers of both streams stand below each other, that of the state first.
                let joined = |what: &str| {
                    [get(format!("value.hidden.{what}")), get(format!("advantage.hidden.{what}"))].concat()
                };
                layers.push(Layer::new(inputs, joined("weight"), joined("bias"), architecture.activation));
                inputs = 2 * width;
                Some(dueling_weights(architecture, width, &get))
            }
        };
        if let Some((weight, bias)) = head {
            let outputs = architecture.outputs;
            let (weight, bias) = match reading {
                Reading::Mean => (means(&weight, inputs, outputs), means(&bias, 1, outputs)),
                _ => (weight, bias),
            };
            layers.push(Layer::new(inputs, weight, bias, Activation::None));
        }
        let widest = layers.iter().map(Layer::outputs).fold(architecture.inputs(), usize::max);
        let encoder = architecture.encoder.as_ref();
        let encoder = encoder.map(|shape| PlainEncoder::new(shape, &|name: &str| get(format!("encoder.{name}"))));
        Self { features: architecture.features, scaling, encoder, layers, widest }
    }

    /// Columns of the result.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, Layer::outputs)
    }

    /// The outputs for every row of an observation: `rows × outputs`.
    pub fn evaluate(&self, observation: &Observation, results: &mut Matrix) {
        results.reset(observation.rows(), self.outputs());
        let events = |row: usize| observation.events.as_ref().map_or(&[][..], |events| events.row(row));
        let room = || Room::<_, WIDE>::new([0.0; LANES], self.widest);
        let mut block = (observation.rows() > FEW_ROWS).then(|| [room(), room()]);
        let mut lone = [Room::<_, WIDE>::new(0.0, self.widest), Room::new(0.0, self.widest)];
        for index in 0..results.blocks() {
            let first = index * LANES;
            let rows = (observation.rows() - first).min(LANES);
            if let Some(block) = block.as_mut().filter(|_| rows > FEW_ROWS) {
                self.block(&observation.features, index, rows, &events, block, results);
                continue;
            }
            for row in first..first + rows {
                observation.features.copy_row(row, &mut lone[0][..self.features]);
                self.row(events(row), &mut lone, |outputs| results.set_row(row, outputs));
            }
        }
    }

    /// The outputs for one dense row of raw features and its events, newest first.
    pub fn evaluate_row(&self, features: &[f32], events: &[Event], results: &mut [f32]) {
        let mut lone = [Room::<_, WIDE>::new(0.0, self.widest), Room::new(0.0, self.widest)];
        lone[0][..self.features].copy_from_slice(features);
        self.row(events, &mut lone, |outputs| results.copy_from_slice(outputs));
    }

    fn block<'a>(
        &self,
        features: &Matrix,
        index: usize,
        rows: usize,
        events: &impl Fn(usize) -> &'a [Event],
        rooms: &mut [Room<[f32; LANES], WIDE>; 2],
        results: &mut Matrix,
    ) {
        let [first, second] = rooms;
        let (mut x, mut y) = (first, second);
        x[..self.features].copy_from_slice(features.block(index));
        self.scaling.apply_in_lanes(&mut x[..self.features]);
        let mut inputs = self.features;
        if let Some(encoder) = &self.encoder {
            let mut code = Room::<f32, WIDE>::new(0.0, encoder.width());
            for lane in 0..rows {
                encoder.encode(events(index * LANES + lane), &mut code);
                for (lanes, value) in x[inputs..].iter_mut().zip(code.iter()) {
                    lanes[lane] = *value;
                }
            }
            inputs += encoder.width();
        }
        let (last, hidden) = self.layers.split_last().expect("a network has a head");
        for layer in hidden {
            layer.apply(&x[..inputs], &mut y[..layer.outputs()]);
            std::mem::swap(&mut x, &mut y);
            inputs = layer.outputs();
        }
        last.apply(&x[..inputs], results.block_mut(index));
    }

    fn row(&self, events: &[Event], rooms: &mut [Room<f32, WIDE>; 2], give: impl FnOnce(&[f32])) {
        let [first, second] = rooms;
        let (mut x, mut y) = (first, second);
        self.scaling.apply(&mut x[..self.features]);
        let mut inputs = self.features;
        if let Some(encoder) = &self.encoder {
            encoder.encode(events, &mut x[inputs..inputs + encoder.width()]);
            inputs += encoder.width();
        }
        for layer in &self.layers {
            layer.apply_to_row(&x[..inputs], &mut y[..layer.outputs()]);
            std::mem::swap(&mut x, &mut y);
            inputs = layer.outputs();
        }
        give(&x[..inputs]);
    }
}

/// Weights and biases of a head, the parts of actions summed.
fn action_weights<'a>(
    architecture: &Architecture,
    inputs: usize,
    get: &impl Fn(String) -> &'a [f32],
    name: &str,
) -> (Vec<f32>, Vec<f32>) {
    let bias = get(format!("{name}.bias")).to_vec();
    let Some(of_action) = architecture.parts() else { return (get(format!("{name}.weight")).to_vec(), bias) };
    let (parts, width) = (get(format!("{name}.parts")), architecture.outputs * inputs);
    let mut weight = vec![0.0; of_action.len() * width];
    for (weight, of_action) in weight.chunks_exact_mut(width.max(1)).zip(of_action) {
        for part in of_action {
            let part = &parts[usize::from(*part) * width..][..width];
            weight.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
    }
    (weight, bias)
}

/// One layer for both streams: `v + a - mean a`.
fn dueling_weights<'a>(
    architecture: &Architecture,
    width: usize,
    get: &impl Fn(String) -> &'a [f32],
) -> (Vec<f32>, Vec<f32>) {
    let (mut of_advantages, mut biases) = action_weights(architecture, width, get, "advantage");
    centre(&mut of_advantages, architecture.outputs * width);
    centre(&mut biases, architecture.outputs);
    let (of_value, value_bias) = (get("value.weight".into()), get("value.bias".into()));
    let mut weights = Vec::with_capacity(2 * of_advantages.len());
    for (row, advantage) in of_advantages.chunks_exact(width.max(1)).enumerate() {
        let output = row % architecture.outputs;
        weights.extend_from_slice(&of_value[output * width..(output + 1) * width]);
        weights.extend_from_slice(advantage);
        biases[row] += value_bias[output];
    }
    (weights, biases)
}

/// Takes from each group of so many values the mean over all groups.
fn centre(values: &mut [f32], group: usize) {
    let groups = (values.len() / group.max(1)).max(1) as f32;
    for place in 0..group {
        let mean = values.iter().skip(place).step_by(group).sum::<f32>() / groups;
        values.iter_mut().skip(place).step_by(group).for_each(|value| *value -= mean);
    }
}

/// The mean of each so many neighbouring rows of this width.
fn means(rows: &[f32], width: usize, neighbours: usize) -> Vec<f32> {
    let mean = |group: &[f32], column: usize| group.iter().skip(column).step_by(width).sum::<f32>() / neighbours as f32;
    let groups = rows.chunks_exact((width * neighbours).max(1));
    groups.flat_map(|group| (0..width).map(move |column| mean(group, column))).collect()
}
