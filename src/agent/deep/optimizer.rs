//! Adam and AdamW over all parameters in one pass, in place.
//!
//! Kingma & Ba 2015 (*Adam*), with the decoupled weight decay of Loshchilov & Hutter 2019 (*AdamW*); the update is the one
//! that PyTorch documents: `p -= rate · decay · p`, then `p -= rate · m̂ / (√v̂ + epsilon)`. Gradients are first scaled so that
//! their norm over all parameters is at most `norm_max` (Pascanu, Mikolov & Bengio 2013), as `clip_grad_norm_` does.
//!
//! Candle's own optimiser makes a dozen passes and as many temporaries for each parameter.

use super::checkpoint::{Checkpoint, invalid};
use super::parameters::{Parameters, alter, read};
use candle_core::backprop::GradStore;
use multiversion::multiversion;
use serde::{Deserialize, Serialize};
use std::io;

/// Constants of the update.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Decay of the mean of gradients.
    pub beta_1: f64,
    /// Decay of the mean of squared gradients.
    pub beta_2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Decoupled weight decay; 0 is Adam.
    pub decay: f64,
    /// Largest norm of the gradient; larger ones are scaled down. Infinite: never.
    pub norm_max: Option<f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, decay: 0.0, norm_max: None }
    }
}

/// The optimiser with its moments, in the order of the parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    settings: Settings,
    steps: u64,
    means: Vec<f32>,
    squares: Vec<f32>,
}

/// What a step multiplies with; computed once, in `f64`.
#[derive(Clone, Copy)]
struct Factors {
    scale: f32,
    beta_1: f32,
    rest_1: f32,
    beta_2: f32,
    rest_2: f32,
    keep: f32,
    rate: f32,
    root: f32,
    epsilon: f32,
}

impl Adam {
    /// For these parameters, no step done.
    #[must_use]
    pub fn new(parameters: &Parameters, settings: Settings) -> Self {
        let count = parameters.len();
        Self { settings, steps: 0, means: vec![0.0; count], squares: vec![0.0; count] }
    }

    /// Steps done.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step down these gradients at this learning rate; returns their norm before clipping. Parameters without a
    /// gradient stay. Where the norm is not finite, nothing is changed.
    pub fn step(&mut self, parameters: &Parameters, gradients: &GradStore, rate: f64) -> f64 {
        let variables = parameters.variables();
        let square = |values: &[f32]| values.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>();
        let norm = variables
            .iter()
            .filter_map(|variable| gradients.get(variable))
            .map(|g| read(g, square))
            .sum::<f64>()
            .sqrt();
        if !norm.is_finite() {
            return norm;
        }
        self.steps += 1;
        let factors = self.factors(norm, rate);
        let mut first = 0;
        for variable in &variables {
            let range = first..first + variable.elem_count();
            first = range.end;
            if let Some(gradient) = gradients.get(variable) {
                let (means, squares) = (&mut self.means[range.clone()], &mut self.squares[range]);
                read(gradient, |gradient| alter(variable, |values| update(values, gradient, means, squares, factors)));
            }
        }
        norm
    }

    fn factors(&self, norm: f64, rate: f64) -> Factors {
        let Settings { beta_1, beta_2, epsilon, decay, norm_max } = self.settings;
        let power = |beta: f64| 1.0 - libm::pow(beta, self.steps as f64);
        Factors {
            // As `clip_grad_norm_`, which keeps a little distance from 0.
            scale: norm_max.map_or(1.0, |most| (most / (norm + 1e-6)).min(1.0)) as f32,
            // 1 - beta in `f32` would be off by a hundred-thousandth.
            beta_1: beta_1 as f32,
            rest_1: (1.0 - beta_1) as f32,
            beta_2: beta_2 as f32,
            rest_2: (1.0 - beta_2) as f32,
            keep: (1.0 - rate * decay) as f32,
            rate: (rate / power(beta_1)) as f32,
            root: (1.0 / power(beta_2).sqrt()) as f32,
            epsilon: epsilon as f32,
        }
    }

    /// Keeps steps and moments under this name.
    pub fn save(&self, name: &str, to: &mut Checkpoint) {
        to.put(format!("{name}.steps"), &[1], &[self.steps]);
        to.put(format!("{name}.means"), &[self.means.len()], &self.means);
        to.put(format!("{name}.squares"), &[self.squares.len()], &self.squares);
    }

    /// Takes over what was kept.
    ///
    /// # Errors
    /// Where it is absent or of other parameters; nothing is changed then.
    pub fn load(&mut self, name: &str, from: &Checkpoint) -> io::Result<()> {
        let steps = from.take::<u64>(&format!("{name}.steps"), 1)?[0];
        let means = from.take(&format!("{name}.means"), self.means.len())?;
        let squares: Vec<f32> = from.take(&format!("{name}.squares"), self.squares.len())?;
        if squares.iter().any(|square| *square < 0.0) {
            return Err(invalid(format!("the moments `{name}.squares` are negative")));
        }
        (self.steps, self.means, self.squares) = (steps, means, squares);
        Ok(())
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn update(values: &mut [f32], gradient: &[f32], means: &mut [f32], squares: &mut [f32], factors: Factors) {
    let moments = means.iter_mut().zip(squares);
    for ((value, gradient), (mean, square)) in values.iter_mut().zip(gradient).zip(moments) {
        let gradient = gradient * factors.scale;
        *mean = factors.beta_1 * *mean + factors.rest_1 * gradient;
        *square = factors.beta_2 * *square + factors.rest_2 * gradient * gradient;
        *value = *value * factors.keep - factors.rate * *mean / (square.sqrt() * factors.root + factors.epsilon);
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameters::Initial;
    use super::*;
    use crate::random::Seed;
    use candle_core::{Device, Tensor};
    use candle_nn::Optimizer;

    fn toy() -> Parameters {
        let parameters = Parameters::new(Seed::new(4));
        parameters.get("w", &[3, 4], Initial::kaiming(4)).unwrap();
        parameters.get("b", &[3], Initial::Normal { deviation: 1.0 }).unwrap();
        parameters
    }

    fn loss(parameters: &Parameters, step: usize) -> Tensor {
        let [w, b] = &parameters.variables()[..] else { panic!("two parameters") };
        let x = Tensor::from_vec((0..4).map(|i| ((step * 4 + i) as f32 * 0.7).sin()).collect(), (1, 4), &Device::Cpu)
            .unwrap();
        let y = x.matmul(&w.t().unwrap()).unwrap().broadcast_add(b).unwrap();
        (y - 0.3).unwrap().sqr().unwrap().sum_all().unwrap()
    }

    #[test]
    fn a_hundred_steps_equal_those_of_candle() {
        let (ours, theirs) = (toy(), toy());
        let settings = Settings { decay: 0.01, ..Settings::default() };
        let mut adam = Adam::new(&ours, settings);
        let parameters = candle_nn::ParamsAdamW { lr: 0.01, weight_decay: 0.01, ..Default::default() };
        let mut other = candle_nn::AdamW::new(theirs.variables(), parameters).unwrap();
        for step in 0..100 {
            adam.step(&ours, &loss(&ours, step).backward().unwrap(), 0.01);
            other.backward_step(&loss(&theirs, step)).unwrap();
        }
        for (a, b) in ours.weights().values().iter().zip(theirs.weights().values()) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }

    /// One parameter, p = 1, gradients 2 and then -1, rate 0.1, decay 0.1, by hand.
    #[test]
    fn two_steps_by_hand() {
        let parameters = Parameters::new(Seed::new(1));
        let p = parameters.get("p", &[1], Initial::Constant(1.0)).unwrap();
        let mut adam = Adam::new(&parameters, Settings { decay: 0.1, ..Settings::default() });
        // m = 0.2, v = 0.004; m̂ = 2, v̂ = 4: 1 · 0.99 - 0.1 · 2 / 2 = 0.89.
        let gradients = |slope: f64| (&p * slope).unwrap().sum_all().unwrap().backward().unwrap();
        assert!((adam.step(&parameters, &gradients(2.0), 0.1) - 2.0).abs() < 1e-9);
        assert!((p.to_vec1::<f32>().unwrap()[0] - 0.89).abs() < 1e-6);
        // m = 0.08, v = 0.004996; m̂ = 0.08 / 0.19, v̂ = 0.004996 / 0.001999.
        adam.step(&parameters, &gradients(-1.0), 0.1);
        let expected = 0.89 * 0.99 - 0.1 * (0.08 / 0.19) / (0.004_996f64 / 0.001_999).sqrt();
        assert!((f64::from(p.to_vec1::<f32>().unwrap()[0]) - expected).abs() < 1e-6);
    }

    #[test]
    fn long_gradients_are_shortened_and_broken_ones_refused() {
        let parameters = Parameters::new(Seed::new(1));
        let p = parameters.get("p", &[2], Initial::Constant(0.0)).unwrap();
        let direction = Tensor::from_vec(vec![30f32, 40.0], 2, &Device::Cpu).unwrap();
        let gradients = |by: f64| ((&p * &direction).unwrap() * by).unwrap().sum_all().unwrap().backward().unwrap();
        let mut adam = Adam::new(&parameters, Settings { norm_max: Some(0.5), ..Settings::default() });
        assert!((adam.step(&parameters, &gradients(1.0), 0.1) - 50.0).abs() < 1e-6);
        // 10 % of a gradient of (0.3, 0.4).
        assert!((adam.means[0] - 0.03).abs() < 1e-6 && (adam.means[1] - 0.04).abs() < 1e-6);
        let before = (adam.clone(), parameters.weights());
        assert!(!adam.step(&parameters, &gradients(f64::NAN), 0.1).is_finite());
        assert_eq!((adam.clone(), parameters.weights()), before);
    }

    #[test]
    fn moments_are_saved_and_go_on_with_the_same_bits() {
        let run = |pause: bool| {
            let parameters = toy();
            let mut adam = Adam::new(&parameters, Settings::default());
            for step in 0..10 {
                if pause && step == 5 {
                    let mut checkpoint = Checkpoint::default();
                    adam.save("adam", &mut checkpoint);
                    adam = Adam::new(&parameters, Settings::default());
                    adam.load("adam", &checkpoint).unwrap();
                }
                adam.step(&parameters, &loss(&parameters, step).backward().unwrap(), 0.01);
            }
            parameters.weights()
        };
        assert_eq!(run(true), run(false));
    }
}
