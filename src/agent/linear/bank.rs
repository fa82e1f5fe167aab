//! Many ridge models on the same features, scored together: the disjoint and the factored form.
//!
//! Learning is done model by model in `f64`. For decisions each model keeps an `f32` copy with 16 models side by side in
//! lanes (`[block][entry][16]`), so that one pass over a row gives mean and variance of 16 models at once. The copy
//! rounds once and is never learned from; scores carry a relative error of about 1e-6.

use super::ridge::{Link, Ridge, Workspace};
use crate::random::LANES;

/// Rows that are scored together.
pub const GROUP: usize = 4;

/// Ridge models of equal dimension.
#[derive(Clone, Debug)]
pub struct Bank {
    dimension: usize,
    models: Vec<Ridge>,
    /// `[block][weight][16]`.
    weights: Vec<[f32; LANES]>,
    /// `[block][entry of the lower triangle, row after row][16]`.
    factors: Vec<[f32; LANES]>,
    /// Models whose copy is out of date while a batch is learned.
    stale: Vec<bool>,
}

impl Bank {
    /// Models that have seen nothing.
    pub fn new(count: usize, dimension: usize, ridge: f64) -> Self {
        Self::from_models(vec![Ridge::new(dimension, ridge); count])
    }

    /// A bank of these models, all of one dimension.
    pub fn from_models(models: Vec<Ridge>) -> Self {
        let dimension = models.first().map_or(0, Ridge::dimension);
        let blocks = models.len().div_ceil(LANES);
        let stale = vec![true; models.len()];
        let weights = vec![[0.0; LANES]; blocks * dimension];
        let factors = vec![[0.0; LANES]; blocks * triangle(dimension)];
        let mut bank = Self { dimension, models, weights, factors, stale };
        bank.publish();
        bank
    }

    /// The models.
    pub fn models(&self) -> &[Ridge] {
        &self.models
    }

    /// Means of all models for one row, in lanes.
    pub fn means(&self, x: &[f32], means: &mut [[f32; LANES]]) {
        if self.dimension > 0 {
            means_in_lanes(&self.weights, &x[..self.dimension], means);
        }
    }

    /// Means and variances of all models for one row or for [`GROUP`] rows, in lanes: row after row in `x`, `means` and
    /// `variances`. A group reads each factor once; the arithmetic of a row, and so its bits, are the same either way.
    pub fn means_and_variances(&self, x: &[f32], means: &mut [[f32; LANES]], variances: &mut [[f32; LANES]]) {
        if self.dimension == 0 {
        } else if x.len() == self.dimension {
            scores_of_row(&self.weights, &self.factors, x, means, variances);
        } else {
            scores_of_group(&self.weights, &self.factors, x, means, variances);
        }
    }

    /// One row for one model alone: see [`Ridge::update`]. Decisions see it after [`Bank::publish`].
    pub fn update(&mut self, model: usize, workspace: &mut Workspace, link: Link, offset: f64, target: f64) {
        let prediction = self.models[model].predict(workspace);
        self.models[model].update(workspace, link, prediction, offset, target);
        self.stale[model] = true;
    }

    /// One row for a sum of models: each in turn learns what the others leave unexplained.
    pub fn update_sum(
        &mut self,
        parts: impl Iterator<Item = usize> + Clone,
        workspace: &mut Workspace,
        link: Link,
        target: f64,
    ) {
        let mut total: f64 = parts.clone().map(|part| self.models[part].predict(workspace)).sum();
        for part in parts {
            let prediction = self.models[part].predict(workspace);
            total += self.models[part].update(workspace, link, prediction, total - prediction, target);
            self.stale[part] = true;
        }
    }

    /// See [`Ridge::forget`]. Decisions see it after [`Bank::publish`].
    pub fn forget(&mut self, share: f64, ridge: f64, workspace: &mut Workspace) {
        self.models.iter_mut().for_each(|model| model.forget(share, ridge, workspace));
        self.stale.fill(true);
    }

    /// Brings the copy that decisions read up to date.
    pub fn publish(&mut self) {
        let entries = triangle(self.dimension);
        for (index, (model, stale)) in self.models.iter().zip(&mut self.stale).enumerate() {
            if !std::mem::take(stale) {
                continue;
            }
            let (block, lane) = (index / LANES, index % LANES);
            let weights = &mut self.weights[block * self.dimension..(block + 1) * self.dimension];
            for (copy, weight) in weights.iter_mut().zip(model.weights()) {
                copy[lane] = *weight as f32;
            }
            let mut rest = &mut self.factors[block * entries..(block + 1) * entries];
            for row in 0..self.dimension {
                let (copies, tail) = rest.split_at_mut(row + 1);
                for (copy, value) in copies.iter_mut().zip(model.factor_row(row)) {
                    copy[lane] = *value as f32;
                }
                rest = tail;
            }
        }
    }
}

/// Entries of a lower triangle.
fn triangle(dimension: usize) -> usize {
    dimension * (dimension + 1) / 2
}

/// `weights . x` of 16 models.
#[inline(always)]
fn mean_of_block(weights: &[[f32; LANES]], x: &[f32]) -> [f32; LANES] {
    let mut mean = [0.0; LANES];
    for (weight, &feature) in weights.iter().zip(x) {
        for lane in 0..LANES {
            mean[lane] += weight[lane] * feature;
        }
    }
    mean
}

/// `|M x|^2` of 16 models.
#[inline(always)]
fn variance_of_block(factor: &[[f32; LANES]], x: &[f32]) -> [f32; LANES] {
    let mut variance = [0.0; LANES];
    let mut rest = factor;
    for row in 0..x.len() {
        let (values, tail) = rest.split_at(row + 1);
        let mut z = [0.0; LANES];
        for (value, &feature) in values.iter().zip(x) {
            for lane in 0..LANES {
                z[lane] += value[lane] * feature;
            }
        }
        for lane in 0..LANES {
            variance[lane] += z[lane] * z[lane];
        }
        rest = tail;
    }
    variance
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn means_in_lanes(weights: &[[f32; LANES]], x: &[f32], means: &mut [[f32; LANES]]) {
    for (weights, mean) in weights.chunks_exact(x.len()).zip(means) {
        *mean = mean_of_block(weights, x);
    }
}

/// `|M x|^2` of 16 models for [`GROUP`] rows.
#[inline(always)]
fn variances_of_block(factor: &[[f32; LANES]], [a, b, c, d]: [&[f32]; GROUP]) -> [[f32; LANES]; GROUP] {
    // One array each, here and below: arrays of arrays do not stay in registers.
    let (mut va, mut vb, mut vc, mut vd) = ([0.0; LANES], [0.0; LANES], [0.0; LANES], [0.0; LANES]);
    let mut rest = factor;
    for row in 0..a.len() {
        let (values, tail) = rest.split_at(row + 1);
        let (mut za, mut zb, mut zc, mut zd) = ([0.0; LANES], [0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for ((((value, &a), &b), &c), &d) in values.iter().zip(a).zip(b).zip(c).zip(d) {
            for lane in 0..LANES {
                za[lane] += value[lane] * a;
            }
            for lane in 0..LANES {
                zb[lane] += value[lane] * b;
            }
            for lane in 0..LANES {
                zc[lane] += value[lane] * c;
            }
            for lane in 0..LANES {
                zd[lane] += value[lane] * d;
            }
        }
        for lane in 0..LANES {
            va[lane] += za[lane] * za[lane];
        }
        for lane in 0..LANES {
            vb[lane] += zb[lane] * zb[lane];
        }
        for lane in 0..LANES {
            vc[lane] += zc[lane] * zc[lane];
        }
        for lane in 0..LANES {
            vd[lane] += zd[lane] * zd[lane];
        }
        rest = tail;
    }
    [va, vb, vc, vd]
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn scores_of_group(
    weights: &[[f32; LANES]],
    factors: &[[f32; LANES]],
    x: &[f32],
    means: &mut [[f32; LANES]],
    variances: &mut [[f32; LANES]],
) {
    let dimension = x.len() / GROUP;
    let rows: [&[f32]; GROUP] = std::array::from_fn(|row| &x[row * dimension..(row + 1) * dimension]);
    let entries = dimension * (dimension + 1) / 2;
    let blocks = weights.len() / dimension;
    let block_values = weights.chunks_exact(dimension).zip(factors.chunks_exact(entries)).enumerate();
    for (block, (weights, factor)) in block_values {
        let found = variances_of_block(factor, rows);
        for row in 0..GROUP {
            means[row * blocks + block] = mean_of_block(weights, rows[row]);
            variances[row * blocks + block] = found[row];
        }
    }
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn scores_of_row(
    weights: &[[f32; LANES]],
    factors: &[[f32; LANES]],
    x: &[f32],
    means: &mut [[f32; LANES]],
    variances: &mut [[f32; LANES]],
) {
    let entries = x.len() * (x.len() + 1) / 2;
    let blocks = weights.chunks_exact(x.len()).zip(factors.chunks_exact(entries));
    for ((weights, factor), (mean, variance)) in blocks.zip(means.iter_mut().zip(variances)) {
        *mean = mean_of_block(weights, x);
        *variance = variance_of_block(factor, x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_equal_the_models_one_by_one() {
        let (count, dimension) = (19, 5);
        let mut bank = Bank::new(count, dimension, 0.5);
        let mut workspace = Workspace::default();
        for step in 0..200 {
            workspace.clear(dimension);
            for (index, value) in workspace.features.as_flattened_mut()[..dimension].iter_mut().enumerate() {
                *value = f64::from((step * 7 + index * 11) as u32 % 13) / 6.0 - 1.0;
            }
            bank.update(step % count, &mut workspace, Link::Identity, 0.0, (step % 3) as f64);
        }
        bank.publish();
        let x = [1.0, -0.5, 0.25, 2.0, 0.125];
        let (mut means, mut variances) = ([[0.0; LANES]; 2], [[0.0; LANES]; 2]);
        bank.means_and_variances(&x, &mut means, &mut variances);
        let mut group = [0.5; 5 * GROUP];
        group[10..15].copy_from_slice(&x);
        let (mut group_means, mut group_variances) = ([[0.0; LANES]; 2 * GROUP], [[0.0; LANES]; 2 * GROUP]);
        bank.means_and_variances(&group, &mut group_means, &mut group_variances);
        assert_eq!((&group_means[4..6], &group_variances[4..6]), (&means[..], &variances[..]));
        for (index, model) in bank.models().iter().enumerate() {
            let mean: f64 = model.weights().iter().zip(x).map(|(w, x)| w * f64::from(x)).sum();
            let z = |row| model.factor_row(row).iter().zip(x).map(|(m, x)| m * f64::from(x)).sum::<f64>();
            let variance: f64 = (0..dimension).map(|row| z(row) * z(row)).sum();
            assert!((f64::from(means.as_flattened()[index]) - mean).abs() < 1e-6);
            assert!((f64::from(variances.as_flattened()[index]) / variance - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn a_sum_of_models_explains_an_additive_target() {
        let mut bank = Bank::new(3, 1, 1e-3);
        let mut workspace = Workspace::default();
        workspace.clear(1);
        workspace.features[0][0] = 1.0;
        for step in 0..400 {
            let part = 1 + step % 2;
            let parts = [0, part].into_iter();
            bank.update_sum(parts, &mut workspace, Link::Identity, if part == 1 { 5.0 } else { 1.0 });
        }
        let value = |part: usize| bank.models()[part].predict(&workspace);
        assert!((value(0) + value(1) - 5.0).abs() < 1e-2);
        assert!((value(0) + value(2) - 1.0).abs() < 1e-2);
    }
}
