//! One Bayesian linear model: a Gaussian posterior over weights, kept as the inverse of a Cholesky factor.
//!
//! Ridge regression starts from `A = ridge * I` and grows by `A += x x'`; with `A = L L'` this keeps `M = L^-1` (lower
//! triangular), so that everything asked of the model is a product and never a solve:
//!
//! * `z = M x` gives the posterior variance `x' A^-1 x = |z|^2`, which cannot be negative;
//! * `M' z = A^-1 x` is the gain of an observation;
//! * a posterior sample is `weights + M' normals`.
//!
//! The update uses that `A + x x' = L (I + z z') L'`. With `t_i = 1 + z_1^2 + … + z_i^2` the factor of `I + z z'` is known
//! in closed form, and the rows of `M` become `sqrt(t_(i-1) / t_i) * (M_i - z_i / t_(i-1) * sum_(k<i) z_k M_k)`: `d^2`
//! multiplications, no cancellation between large numbers. This is Carlson's square-root filter (*Fast triangular
//! formulation of the square root filter*, AIAA Journal 11, 1973), on the inverse of the usual factor of Gill, Golub,
//! Murray & Saunders (*Methods for modifying matrix factorizations*, 1974, section 3).
//!
//! All of it is `f64` with sums in a fixed order (eight partial sums, folded in halves), so that results depend neither
//! on a BLAS nor on the instruction set.

use serde::{Deserialize, Serialize};

/// Values of a row that one lane operation handles.
pub const WIDE: usize = 8;

/// What an observation says about `weights . x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// `target = weights . x` plus noise of unit variance.
    Identity,
    /// `target` is 1 with probability `sigmoid(weights . x)`, else 0.
    Logistic,
}

/// The posterior `N(weights, A^-1)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Record", try_from = "Record")]
pub struct Ridge {
    dimension: usize,
    /// Lanes of a row: `dimension / 8`, rounded up.
    chunks: usize,
    /// `M`, row after row, each in `chunks` lanes; 0 above the diagonal.
    factor: Vec<[f64; WIDE]>,
    weights: Vec<[f64; WIDE]>,
}

/// What is written of a model: `M` as a packed lower triangle, row after row.
#[derive(Serialize, Deserialize)]
struct Record {
    weights: Vec<f64>,
    factor: Vec<f64>,
}

impl From<Ridge> for Record {
    fn from(model: Ridge) -> Self {
        let factor = (0..model.dimension).flat_map(|row| model.factor_row(row)[..=row].to_vec()).collect();
        Self { weights: model.weights().to_vec(), factor }
    }
}

impl TryFrom<Record> for Ridge {
    type Error = String;

    fn try_from(record: Record) -> Result<Self, String> {
        let dimension = record.weights.len();
        if record.factor.len() != dimension * (dimension + 1) / 2 {
            return Err(format!("a factor of {} values does not fit {dimension} weights", record.factor.len()));
        }
        if !record.weights.iter().chain(&record.factor).all(|value| value.is_finite()) {
            return Err("a weight or a value of a factor is not finite".into());
        }
        let mut model = Self::new(dimension, 1.0);
        model.weights.as_flattened_mut()[..dimension].copy_from_slice(&record.weights);
        let mut rest = record.factor.as_slice();
        for row in 0..dimension {
            let (values, tail) = rest.split_at(row + 1);
            model.factor[row * model.chunks..(row + 1) * model.chunks].as_flattened_mut()[..=row]
                .copy_from_slice(values);
            rest = tail;
        }
        Ok(model)
    }
}

/// Scratch of updates, kept between them so that learning allocates nothing. No part of the state of a model.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    /// The row's features, to be filled in before an update.
    pub features: Vec<[f64; WIDE]>,
    direction: Vec<f64>,
    shares: Vec<f64>,
    shrinks: Vec<f64>,
    running: Vec<[f64; WIDE]>,
}

impl Workspace {
    /// Makes room for this many features, all 0.
    pub fn clear(&mut self, dimension: usize) {
        let chunks = dimension.div_ceil(WIDE);
        self.features.clear();
        self.features.resize(chunks, [0.0; WIDE]);
    }
}

impl Ridge {
    /// A model that has seen nothing: weights 0 with variance `1 / ridge` each.
    pub fn new(dimension: usize, ridge: f64) -> Self {
        let chunks = dimension.div_ceil(WIDE);
        let mut factor = vec![[0.0; WIDE]; dimension * chunks];
        for row in 0..dimension {
            factor[row * chunks + row / WIDE][row % WIDE] = 1.0 / ridge.sqrt();
        }
        Self { dimension, chunks, factor, weights: vec![[0.0; WIDE]; chunks] }
    }

    /// Number of weights.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Posterior means of the weights.
    pub fn weights(&self) -> &[f64] {
        &self.weights.as_flattened()[..self.dimension]
    }

    /// A row of `M`: `dimension` values and padding, 0 beyond the diagonal.
    pub fn factor_row(&self, row: usize) -> &[f64] {
        self.factor[row * self.chunks..(row + 1) * self.chunks].as_flattened()
    }

    /// `weights . x` for the features in the workspace.
    pub fn predict(&self, workspace: &Workspace) -> f64 {
        let mut sums = [0.0; WIDE];
        for (weights, features) in self.weights.iter().zip(&workspace.features) {
            for lane in 0..WIDE {
                sums[lane] += weights[lane] * features[lane];
            }
        }
        fold(sums)
    }

    /// Learns that `offset + weights . x` gave `target`, for the features in the workspace; `prediction` is
    /// `weights . x` before. Returns by how much `weights . x` has changed.
    ///
    /// The weights move to the mode of the new posterior; its precision grows by the curvature there. That is exact for
    /// [`Link::Identity`] and Laplace's approximation for [`Link::Logistic`].
    pub fn update(&mut self, workspace: &mut Workspace, link: Link, prediction: f64, offset: f64, target: f64) -> f64 {
        let Workspace { features, direction, shares, shrinks, running } = workspace;
        for scratch in [&mut *direction, shares, shrinks] {
            scratch.resize(self.dimension, 0.0);
        }
        running.clear();
        running.resize(self.chunks, [0.0; WIDE]);
        project(&self.factor, self.chunks, features, direction);
        let variance: f64 = direction.iter().map(|value| value * value).sum();
        let (step, curvature) = match link {
            Link::Identity => ((target - offset - prediction) / (1.0 + variance), 1.0),
            Link::Logistic => logistic_step(offset + prediction, variance, target),
        };
        let scale = curvature.sqrt();
        let mut total = 1.0;
        for ((z, share), shrink) in direction.iter_mut().zip(shares.iter_mut()).zip(shrinks.iter_mut()) {
            *z *= scale;
            let grown = total + *z * *z;
            *share = *z / total;
            *shrink = total / grown;
            total = grown;
        }
        absorb(&mut self.factor, self.chunks, direction, shares, shrinks, running);
        // `running` is now M' z, that is A^-1 x times `scale`, with A as it was before.
        let gain = step / scale;
        for (weights, running) in self.weights.iter_mut().zip(running.iter()) {
            for lane in 0..WIDE {
                weights[lane] += gain * running[lane];
            }
        }
        step * variance
    }

    /// Lets what was learned count for this share: with `A = ridge I + S` and `A weights = b`, both `S` and `b` are
    /// multiplied by it. `M` grows by `1 / sqrt(share)`, which leaves the weights alone; then the prior gets back what it
    /// has lost, one direction after the other, each an observation of 0.
    pub fn forget(&mut self, share: f64, ridge: f64, workspace: &mut Workspace) {
        if share >= 1.0 {
            return;
        }
        // Nothing is left of what counts for less, and `M` stays finite.
        let share = share.max(1e-9);
        let growth = 1.0 / share.sqrt();
        self.factor.as_flattened_mut().iter_mut().for_each(|value| *value *= growth);
        let size = ((1.0 - share) * ridge).sqrt();
        for direction in 0..self.dimension {
            workspace.clear(self.dimension);
            workspace.features.as_flattened_mut()[direction] = size;
            let prediction = self.predict(workspace);
            self.update(workspace, Link::Identity, prediction, 0.0, 0.0);
        }
    }
}

/// Sum of eight partial sums in a fixed order.
#[inline(always)]
fn fold(sums: [f64; WIDE]) -> f64 {
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// `direction = M x`.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn project(factor: &[[f64; WIDE]], chunks: usize, features: &[[f64; WIDE]], direction: &mut [f64]) {
    for (row, (values, z)) in factor.chunks_exact(chunks).zip(direction).enumerate() {
        let mut sums = [0.0; WIDE];
        for (value, feature) in values[..=row / WIDE].iter().zip(features) {
            for lane in 0..WIDE {
                sums[lane] += value[lane] * feature[lane];
            }
        }
        *z = fold(sums);
    }
}

/// Turns `M` into the inverse factor of `A + x x'` where `direction = M x`; `shares` are `z_i / t_(i-1)`, `shrinks` come in
/// as `t_(i-1) / t_i`. `running` comes in as 0 and leaves as the old `M' z`.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn absorb(
    factor: &mut [[f64; WIDE]],
    chunks: usize,
    direction: &[f64],
    shares: &[f64],
    shrinks: &mut [f64],
    running: &mut [[f64; WIDE]],
) {
    for shrink in shrinks.iter_mut() {
        *shrink = shrink.sqrt();
    }
    let scalars = direction.iter().zip(shares).zip(shrinks.iter());
    for (row, (values, ((&z, &share), &shrink))) in factor.chunks_exact_mut(chunks).zip(scalars).enumerate() {
        // Flat slices, because nested lanes of memory on both sides are vectorised across rows, with gathers.
        let values = values[..=row / WIDE].as_flattened_mut();
        for (value, sum) in values.iter_mut().zip(running.as_flattened_mut()) {
            let old = *value;
            *value = (old - share * *sum) * shrink;
            *sum += z * old;
        }
    }
}

/// The mode of a one-observation logistic posterior along the gain: `step = target - sigmoid(linear + step * variance)`,
/// and the curvature `p (1 - p)` there, at least 1e-12.
///
/// The step lies between `target - 1` and `target`; Newton's method kept inside the shrinking bracket always ends.
fn logistic_step(linear: f64, variance: f64, target: f64) -> (f64, f64) {
    let (mut low, mut high) = (target - 1.0, target);
    let mut step = target - sigmoid(linear);
    for _ in 0..60 {
        let p = sigmoid(linear + step * variance);
        let excess = step - target + p;
        if excess > 0.0 {
            high = step;
        } else {
            low = step;
        }
        let newton = step - excess / (1.0 + variance * p * (1.0 - p));
        let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
        if (next - step).abs() <= 1e-14 {
            break;
        }
        step = next;
    }
    let p = sigmoid(linear + step * variance);
    (step, f64::max(p * (1.0 - p), 1e-12))
}

/// 1 / (1 + e^-x).
fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

#[cfg(test)]
mod tests;
