//! One ridge model for all actions: the shared form.
//!
//! The features of (row, action) are `phi = [x, send, send * x, one-hots of the action's levels]` with `x` holding the
//! intercept and `send` = 1 where the action has levels. They are never written out for a decision: with `A = L L'` and
//! `M = L^-1` the vector `M phi` is `z(send) + sum over levels of a column of M`, and since `M` is lower triangular and
//! the levels come last, those columns touch the level rows alone. A row costs one triangular product of the dense part;
//! an action then costs as many additions as it has factors.

use super::parts::Parts;
use super::ridge::{Link, Ridge, Workspace};
use super::room::Room;
use crate::random::LANES;

/// The model and the `f32` copy that decisions read.
#[derive(Clone, Debug)]
pub struct Joint {
    model: Ridge,
    /// Length of `x`; also that of `send * x`, in which the intercept becomes `send`.
    width: usize,
    /// Number of one-hots.
    levels: usize,
    /// Columns of `M` for `x`, then for `send * x`: `[column][block of rows][16]`.
    columns: Vec<[f32; LANES]>,
    /// The level corner of `M`: `[row][block of columns][16]`, 0 above the diagonal.
    corner: Vec<[f32; LANES]>,
    /// `|sum of an action's level columns of M|^2`, in `f64` because it nearly cancels against other terms.
    squares: Vec<f64>,
    /// Products of the level columns of `M` with each other, from which `squares` are summed.
    products: Vec<f64>,
}

/// What a row comes to, whatever the action.
#[derive(Debug)]
pub struct JointRow {
    /// `M phi` without levels: dense rows and level rows; for no contact and for contact.
    silent: Room<[f32; LANES], 16>,
    contact: Room<[f32; LANES], 16>,
    /// Products over the dense rows: silent with silent, silent with contact, contact with contact.
    dense: [f64; 3],
}

impl Joint {
    /// A model that has seen nothing; without intercept, `send` itself is left out too (the levels stand for it).
    pub fn new(width: usize, parts: &Parts, ridge: f64) -> Self {
        Self::from_model(Ridge::new(2 * width + parts.count() - 2, ridge), width, parts)
    }

    /// The form around a model of `2 * width + levels` weights.
    pub fn from_model(model: Ridge, width: usize, parts: &Parts) -> Self {
        let dimension = model.dimension();
        let levels = parts.count() - 2;
        let columns = vec![[0.0; LANES]; 2 * width * dimension.div_ceil(LANES)];
        let corner = vec![[0.0; LANES]; levels * levels.div_ceil(LANES)];
        let mut joint = Self {
            model,
            width,
            levels,
            columns,
            corner,
            squares: vec![0.0; parts.actions()],
            products: vec![0.0; levels * levels],
        };
        joint.publish(parts);
        joint
    }

    /// The model.
    pub fn model(&self) -> &Ridge {
        &self.model
    }

    /// Number of features that are not levels.
    fn dense(&self) -> usize {
        2 * self.width
    }

    /// Blocks of rows of `M`.
    fn blocks(&self) -> usize {
        self.model.dimension().div_ceil(LANES)
    }

    /// Learns one row: `workspace.features` is overwritten with `phi`.
    pub fn update(&mut self, x: &[f32], parts: &[u16], workspace: &mut Workspace, link: Link, target: f64) {
        workspace.clear(self.model.dimension());
        let phi = workspace.features.as_flattened_mut();
        for (index, &value) in x[..self.width].iter().enumerate() {
            phi[index] = f64::from(value);
            if !parts.is_empty() {
                phi[self.width + index] = f64::from(value);
            }
        }
        for &part in parts.iter().skip(1) {
            phi[self.dense() + usize::from(part) - 2] = 1.0;
        }
        let prediction = self.model.predict(workspace);
        self.model.update(workspace, link, prediction, 0.0, target);
    }

    /// See [`Ridge::forget`]. Decisions see it after [`Joint::publish`].
    pub fn forget(&mut self, share: f64, ridge: f64, workspace: &mut Workspace) {
        self.model.forget(share, ridge, workspace);
    }

    /// Brings the copy that decisions read up to date.
    pub fn publish(&mut self, parts: &Parts) {
        let (dense, blocks) = (self.dense(), self.blocks());
        let corner_blocks = self.levels.div_ceil(LANES);
        for row in 0..self.model.dimension() {
            let values = self.model.factor_row(row);
            for (column, value) in values[..dense].iter().enumerate() {
                self.columns[column * blocks + row / LANES][row % LANES] = *value as f32;
            }
            if row >= dense {
                let copies = &mut self.corner[(row - dense) * corner_blocks..(row - dense + 1) * corner_blocks];
                for (copy, value) in copies.as_flattened_mut().iter_mut().zip(&values[dense..=row]) {
                    *copy = *value as f32;
                }
            }
        }
        self.publish_squares(parts);
    }

    /// From the products of level columns with each other: `d^2` of them for all actions together.
    fn publish_squares(&mut self, parts: &Parts) {
        let levels = self.levels;
        let mut column = Room::<f32, 128>::new(0.0, levels);
        let mut crossed = Room::<[f64; LANES], 8>::new([0.0; LANES], levels.div_ceil(LANES));
        self.squares.fill(0.0);
        for level in 0..levels {
            for (row, value) in column.iter_mut().enumerate() {
                *value = if row >= level { self.corner_at(row, level) } else { 0.0 };
            }
            crossed.fill([0.0; LANES]);
            cross(&self.corner, &column, &mut crossed);
            self.products[level * levels..(level + 1) * levels].copy_from_slice(&crossed.as_flattened()[..levels]);
        }
        for (action, square) in self.squares.iter_mut().enumerate() {
            let members = parts.of(action).get(1..).unwrap_or_default();
            for first in members {
                let products = &self.products[(usize::from(*first) - 2) * levels..][..levels];
                *square += members.iter().map(|second| products[usize::from(*second) - 2]).sum::<f64>();
            }
        }
    }

    /// `M` at (level row, level column).
    #[inline(always)]
    fn corner_at(&self, row: usize, column: usize) -> f32 {
        self.corner[row * self.levels.div_ceil(LANES) + column / LANES][column % LANES]
    }

    /// Means of the parts (base, send, levels) for one row.
    pub fn means(&self, x: &[f32], means: &mut [f32]) {
        let weights = self.model.weights();
        let dot = |weights: &[f64]| weights.iter().zip(x).fold(0.0, |sum, (w, x)| sum + w * f64::from(*x)) as f32;
        means[0] = dot(&weights[..self.width]);
        means[1] = dot(&weights[self.width..self.dense()]);
        for (mean, weight) in means[2..].iter_mut().zip(&weights[self.dense()..]) {
            *mean = *weight as f32;
        }
    }

    /// What the variances and samples of a row need.
    pub fn row(&self, x: &[f32]) -> JointRow {
        let blocks = self.blocks();
        let mut row = JointRow {
            silent: Room::new([0.0; LANES], blocks),
            contact: Room::new([0.0; LANES], blocks),
            dense: [0.0; 3],
        };
        if self.width > 0 {
            let (base, send) = self.columns.split_at(self.width * blocks);
            project_columns(base, &x[..self.width], 0, &mut row.silent);
            row.contact.copy_from_slice(&row.silent);
            project_columns(send, &x[..self.width], self.width, &mut row.contact);
        }
        let (silent, contact) = (row.silent.as_flattened(), row.contact.as_flattened());
        row.dense = products(&silent[..self.dense()], &contact[..self.dense()]);
        row
    }

    /// Posterior variances of the scores of all actions.
    pub fn variances(&self, row: &JointRow, parts: &Parts, variances: &mut [f32]) {
        let range = self.dense()..self.model.dimension();
        let (silent, contact) = (&row.silent.as_flattened()[range.clone()], &row.contact.as_flattened()[range]);
        let products = products(silent, contact);
        let mut crossed = Room::<[f64; LANES], 4>::new([0.0; LANES], self.levels.div_ceil(LANES));
        cross(&self.corner, contact, &mut crossed);
        let crossed = crossed.as_flattened();
        let base = [row.dense[0] + products[0], row.dense[2] + products[2]];
        for (action, (variance, square)) in variances.iter_mut().zip(&self.squares).enumerate() {
            *variance = match parts.of(action) {
                [] => base[0],
                [_, levels @ ..] => {
                    let cross = levels.iter().fold(0.0, |sum, part| sum + crossed[usize::from(*part) - 2]);
                    f64::max(base[1] + 2.0 * cross + square, 0.0)
                }
            } as f32;
        }
    }

    /// Number of standard normals that a joint posterior sample of all scores takes.
    pub fn normals(&self) -> usize {
        2 + self.levels
    }

    /// Sixteen joint posterior samples of the parts, in lanes, from [`Joint::normals`] normals and the parts' means. The
    /// base holds the means of no contact, the second part what contact adds.
    ///
    /// The dense rows come into all scores through two numbers alone, `normals . z(silent)` and `normals . z(contact)`,
    /// which are drawn from their joint law; the level rows are drawn one by one. So the samples are exact.
    pub fn samples(
        &self,
        row: &JointRow,
        means: &[f32],
        scale: f32,
        normals: &[[f32; LANES]],
        samples: &mut [[f32; LANES]],
    ) {
        let range = self.dense()..self.model.dimension();
        let (silent, contact) = (&row.silent.as_flattened()[range.clone()], &row.contact.as_flattened()[range]);
        let first = row.dense[0].sqrt();
        let shared = if first > 0.0 { row.dense[1] / first } else { 0.0 };
        let own = f64::max(row.dense[2] - shared * shared, 0.0).sqrt();
        let [first, shared, own] = [first, shared, own].map(|value| value as f32);
        let (dense, levels) = normals.split_at(2);
        let mut base: [f32; LANES] = std::array::from_fn(|lane| first * dense[0][lane]);
        let mut send: [f32; LANES] =
            std::array::from_fn(|lane| shared * dense[0][lane] + own * dense[1][lane] - base[lane]);
        for ((normal, &silent), &contact) in levels.iter().zip(silent).zip(contact) {
            for lane in 0..LANES {
                base[lane] += silent * normal[lane];
                send[lane] += (contact - silent) * normal[lane];
            }
        }
        samples[0] = base;
        samples[1] = send;
        samples_of_levels(&self.corner, levels, &mut samples[2..]);
        for (sample, mean) in samples.iter_mut().zip(means) {
            for value in sample {
                *value = mean + scale * *value;
            }
        }
    }
}

/// `z += M[:, columns] x` for columns from `first` on; rows above a column are 0 and left out block by block.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn project_columns(columns: &[[f32; LANES]], x: &[f32], first: usize, z: &mut [[f32; LANES]]) {
    for (index, (values, &feature)) in columns.chunks_exact(z.len()).zip(x).enumerate() {
        let from = (first + index) / LANES;
        // Flat slices, because nested lanes of memory on both sides are vectorised across blocks, with gathers.
        for (value, z) in values[from..].as_flattened().iter().zip(z[from..].as_flattened_mut()) {
            *z += value * feature;
        }
    }
}

/// Inner products of two vectors in `f64`: first with first, first with second, second with second.
fn products(a: &[f32], b: &[f32]) -> [f64; 3] {
    a.iter().zip(b).fold([0.0; 3], |[aa, ab, bb], (&a, &b)| {
        let (a, b) = (f64::from(a), f64::from(b));
        [aa + a * a, ab + a * b, bb + b * b]
    })
}

/// `crossed = corner' z`.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn cross(corner: &[[f32; LANES]], z: &[f32], crossed: &mut [[f64; LANES]]) {
    if crossed.is_empty() {
        return;
    }
    for (row, (values, &z)) in corner.chunks_exact(crossed.len()).zip(z).enumerate() {
        let z = f64::from(z);
        for (value, sum) in values[..=row / LANES].as_flattened().iter().zip(crossed.as_flattened_mut()) {
            *sum += f64::from(*value) * z;
        }
    }
}

/// `samples[level] = sum over rows of corner[row][level] * normals[row]`, lane by lane.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn samples_of_levels(corner: &[[f32; LANES]], normals: &[[f32; LANES]], samples: &mut [[f32; LANES]]) {
    let blocks = samples.len().div_ceil(LANES);
    for (level, sample) in samples.iter_mut().enumerate() {
        let mut sum = [0.0; LANES];
        for (row, normal) in normals.iter().enumerate().skip(level) {
            let value = corner[row * blocks + level / LANES][level % LANES];
            for lane in 0..LANES {
                sum[lane] += value * normal[lane];
            }
        }
        *sample = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Action, ActionSpace, Factor};
    use crate::random::{Purpose, Seed};
    use crate::units::Money;

    const WIDTH: usize = 4;

    fn parts() -> Parts {
        let names = |count: usize| (0..count).map(|index| index.to_string()).collect();
        let mut actions = vec![Action { name: "none".into(), levels: None, cost: Money::ZERO }];
        for channel in 0..3 {
            for hour in 0..5 {
                actions.push(Action {
                    name: format!("{channel}/{hour}"),
                    levels: Some(vec![channel, hour]),
                    cost: Money::ZERO,
                });
            }
        }
        let factors = vec![Factor { name: "channel", levels: names(3) }, Factor { name: "hour", levels: names(5) }];
        Parts::of_levels(&ActionSpace { factors, actions }, 1)
    }

    /// `phi`, written out.
    fn dense_features(x: &[f32], parts: &[u16]) -> Vec<f64> {
        let mut phi = vec![0.0; 2 * WIDTH + 8];
        for (index, &value) in x.iter().enumerate() {
            phi[index] = f64::from(value);
            phi[WIDTH + index] = if parts.is_empty() { 0.0 } else { f64::from(value) };
        }
        parts.iter().skip(1).for_each(|part| phi[2 * WIDTH + usize::from(*part) - 2] = 1.0);
        phi
    }

    fn learned(parts: &Parts) -> Joint {
        let mut joint = Joint::new(WIDTH, parts, 0.8);
        let mut workspace = Workspace::default();
        let mut stream = Seed::new(1).stream(Purpose::Problem, 0, 0);
        for step in 0..500 {
            let x: Vec<f32> = (0..WIDTH).map(|i| if i == 0 { 1.0 } else { stream.uniform() * 2.0 - 1.0 }).collect();
            let action = step % parts.actions();
            joint.update(&x, parts.of(action), &mut workspace, Link::Identity, f64::from(stream.uniform()));
        }
        joint.publish(parts);
        joint
    }

    #[test]
    fn scores_equal_the_dense_computation() {
        let parts = parts();
        let joint = learned(&parts);
        let x = [1.0, -0.5, 0.75, 0.1];
        let mut means = vec![0.0; parts.count()];
        let (mut scores, mut variances) = (vec![0.0; parts.actions()], vec![0.0; parts.actions()]);
        joint.means(&x, &mut means);
        parts.sum(&means, &mut scores);
        joint.variances(&joint.row(&x), &parts, &mut variances);
        for action in 0..parts.actions() {
            let phi = dense_features(&x, parts.of(action));
            let mean: f64 = joint.model().weights().iter().zip(&phi).map(|(w, x)| w * x).sum();
            let variance: f64 = (0..phi.len())
                .map(|row| joint.model().factor_row(row).iter().zip(&phi).map(|(m, x)| m * x).sum::<f64>().powi(2))
                .sum();
            assert!((f64::from(scores[action]) - mean).abs() < 1e-6);
            assert!((f64::from(variances[action]) / variance - 1.0).abs() < 1e-5, "{} {variance}", variances[action]);
        }
    }

    #[test]
    fn samples_have_the_posterior_covariance() {
        let parts = parts();
        let joint = learned(&parts);
        let x = [1.0, 0.5, -0.25, 0.9];
        let row = joint.row(&x);
        let means = vec![0.0; parts.count()];
        let mut samples = vec![[0.0; LANES]; parts.count()];
        let draws = 1_500;
        let pairs = [(0, 0), (0, 1), (1, 1), (1, 2), (3, 14), (15, 15)];
        let mut sums = vec![0.0; pairs.len()];
        for draw in 0..draws {
            let normals: Vec<[f32; LANES]> = (0..joint.normals())
                .map(|k| {
                    super::super::normal::normals(Seed::new(2).uniforms_of_blocks(
                        Purpose::Posterior,
                        draw,
                        k as u32,
                        0,
                    ))[0]
                })
                .collect();
            joint.samples(&row, &means, 1.0, &normals, &mut samples);
            let score = |action: usize, lane: usize| -> f64 {
                parts.with_base(action).map(|part| f64::from(samples[part][lane])).sum()
            };
            for (sum, &(a, b)) in sums.iter_mut().zip(&pairs) {
                *sum += (0..LANES).map(|lane| score(a, lane) * score(b, lane)).sum::<f64>();
            }
        }
        let count = f64::from(draws) * LANES as f64;
        let image = |action: usize| -> Vec<f64> {
            let phi = dense_features(&x, parts.of(action));
            (0..phi.len()).map(|row| joint.model().factor_row(row).iter().zip(&phi).map(|(m, x)| m * x).sum()).collect()
        };
        let covariance = |a: usize, b: usize| -> f64 { image(a).iter().zip(image(b)).map(|(a, b)| a * b).sum() };
        for (sum, &(a, b)) in sums.iter().zip(&pairs) {
            // Variance of a product of normals: var(a) var(b) + cov^2.
            let error = ((covariance(a, a) * covariance(b, b) + covariance(a, b).powi(2)) / count).sqrt();
            assert!(
                (sum / count - covariance(a, b)).abs() < 4.0 * error,
                "{a} {b}: {} {}",
                sum / count,
                covariance(a, b)
            );
        }
    }
}
