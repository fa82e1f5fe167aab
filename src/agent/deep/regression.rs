//! A regression of several numbers on a row and an action, with a frozen copy: what fitted iterations are made of.
//!
//! Dense layers with tanh, as those of rectifiers can die and then say nothing, and a head with weights of its own for every
//! action; Adam, gradients at most of length 10.

use super::network::{Actions, Architecture, Input, Network, Scheme};
use super::operation::{Activation, chosen, huber};
use super::optimizer::{Adam, Settings};
use super::parameters::{Parameters, read};
use crate::random::Seed;

/// The network with its frozen copy.
#[derive(Clone, Debug)]
pub struct ActionRegression {
    inputs: usize,
    outputs: usize,
    parameters: Parameters,
    network: Network,
    frozen_parameters: Parameters,
    frozen: Network,
    adam: Adam,
}

impl ActionRegression {
    /// With so many inputs, hidden layers of these widths (at least one), and so many outputs for each action.
    #[must_use]
    pub fn new(inputs: usize, widths: Vec<usize>, actions: usize, outputs: usize, seed: Seed) -> Self {
        let architecture = Architecture {
            features: inputs,
            encoder: None,
            widths,
            activation: Activation::Tanh,
            actions: Actions::flat(actions),
            outputs,
            dueling: false,
            scheme: Scheme::Kaiming,
        };
        let (parameters, frozen_parameters) = (Parameters::new(seed), Parameters::frozen(seed));
        let build = |parameters| Network::new(&architecture, parameters, "").expect("names are new");
        let (network, frozen) = (build(&parameters), build(&frozen_parameters));
        let adam = Adam::new(&parameters, Settings { norm_max: Some(10.0), ..Settings::default() });
        Self { inputs, outputs, parameters, network, frozen_parameters, frozen, adam }
    }

    fn input(&self, values: Vec<f32>) -> Input {
        let rows = values.len() / self.inputs.max(1);
        Input::new(self.inputs, rows, values).expect("a row has all inputs")
    }

    /// The frozen copy's outputs: `rows × actions × outputs`, of `rows × inputs`.
    #[must_use]
    pub fn frozen_outputs(&self, inputs: Vec<f32>) -> Vec<f32> {
        let outputs = self.frozen.forward(&self.input(inputs)).expect("shapes are those of the network");
        read(&outputs, <[f32]>::to_vec)
    }

    /// The last hidden layer: `rows × width`.
    #[must_use]
    pub fn hidden(&self, inputs: Vec<f32>) -> Vec<f32> {
        let hidden = self.network.trunk(&self.input(inputs)).expect("shapes are those of the network");
        read(&hidden, <[f32]>::to_vec)
    }

    /// One step of this size down the mean over rows and outputs of `weight · (output - target)² / 2`; the loss before it.
    /// Where that or the gradient is not finite, nothing changes and it is no number.
    pub fn descend(&mut self, inputs: &[f32], actions: &[u16], targets: &[f32], weights: &[f32], size: f64) -> f64 {
        let loss = self
            .network
            .forward(&self.input(inputs.to_vec()))
            .and_then(|all| chosen(&all, actions, self.outputs))
            .and_then(|predictions| huber(&predictions, targets, weights, f32::INFINITY))
            .expect("shapes are those of the network");
        let value = f64::from(read(&loss, |loss| loss[0]));
        if !value.is_finite() {
            return f64::NAN;
        }
        let gradients = loss.backward().expect("every operation has a gradient");
        let norm = self.adam.step(&self.parameters, &gradients, size);
        if norm.is_finite() { value } else { f64::NAN }
    }

    /// The frozen copy becomes the network.
    pub fn copy(&mut self) {
        self.frozen_parameters.approach(&self.parameters, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A parabola for one action and a step for the other; the frozen copy stays until it is told.
    #[test]
    fn curves_are_learned_and_the_copy_waits() {
        let mut regression = ActionRegression::new(1, vec![16], 2, 1, Seed::new(1));
        let inputs: Vec<f32> = (0..40).map(|row| (row / 2) as f32 / 10.0 - 1.0).collect();
        let actions: Vec<u16> = (0..40).map(|row| row % 2).collect();
        let curve = |x: f32, action: u16| if action == 0 { x * x } else { f32::from(u8::from(x > 0.0)) };
        let targets: Vec<f32> = inputs.iter().zip(&actions).map(|(x, action)| curve(*x, *action)).collect();
        let before = regression.frozen_outputs(inputs.clone());
        let mut loss = f64::INFINITY;
        for _ in 0..1_500 {
            loss = regression.descend(&inputs, &actions, &targets, &[1.0; 40], 1e-2);
        }
        assert!(loss < 2e-3, "{loss}");
        assert_eq!(regression.frozen_outputs(inputs.clone()), before);
        regression.copy();
        let after = regression.frozen_outputs(inputs.clone());
        let gap = |row: usize| (after[2 * row + usize::from(actions[row])] - targets[row]).abs();
        assert!((0..40).all(|row| gap(row) < 0.3));
        assert_eq!(regression.hidden(inputs.clone()).len(), 40 * 16);
        assert!(regression.descend(&inputs, &actions, &[f32::NAN; 40], &[1.0; 40], 1e-2).is_nan());
        assert_eq!(regression.frozen_outputs(inputs), after);
    }
}
