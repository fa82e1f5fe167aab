//! What arms earn in some groups of consumers, each learned with the help of the others: empirical Bayes on three levels.
//!
//! The mean reward of arm a in group g is `m_a + b_g + s_ga`: what the arm earns over all consumers, by how much the group
//! earns more whatever is done, and what is special about the arm in the group, `s_ga ~ N(0, group variance)`. A group in
//! which an arm was hardly tried borrows from all others; how much, the data say.
//!
//! * `m_a`: Gaussian around the mean of all rewards of the arm, with a weak prior.
//! * `b_g`: the mean distance of the group's rewards from `m_a`, taken as known.
//! * group variance: by moments (DerSimonian & Laird 1986): the mean squared distance of the group's arms from `m_a + b_g`,
//!   weighted by rows, less what their errors explain; not below 0.
//!
//! Approximations: the rewards of a group count in `m_a` too, and the variances are taken as known.

use super::arms::Moments;
use super::linear::normal::normals;
use crate::random::{LANES, Purpose, Seed};
use serde::{Deserialize, Serialize};

/// Draws that belong to no consumer.
const NOBODY: u32 = u32::MAX;

/// Rewards of one arm in one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Cell {
    pub(super) rewards: Moments,
    /// Sum over consumers of their squared numbers of rows: rows of one consumer say less than those of many.
    pub(super) repeats: f64,
}

impl Cell {
    /// Variance of the mean reward around what is to be learned.
    fn error(&self, variances: &Variances) -> f64 {
        let count = self.rewards.count;
        (variances.noise + variances.person * self.repeats / count) / count
    }
}

/// How much rewards of an arm in a group differ, by why they do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Variances {
    /// Between rewards of one consumer.
    pub(super) noise: f64,
    /// Between consumers.
    pub(super) person: f64,
}

/// Rewards by group and arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Hierarchy {
    arms: usize,
    /// `[group][arm]`.
    groups: Vec<Cell>,
    /// Per arm, all groups together.
    all: Vec<Cell>,
    prior_mean: f64,
    prior_strength: f64,
}

impl Hierarchy {
    /// Nothing learned. The prior of an arm's mean counts for `prior_strength` rewards.
    pub(super) fn new(groups: usize, arms: usize, prior_mean: f64, prior_strength: f64) -> Self {
        let groups = vec![Cell::default(); groups.max(1) * arms];
        Self { arms, groups, all: vec![Cell::default(); arms], prior_mean, prior_strength }
    }

    /// Takes in a reward of a consumer who had `rows_before` of this arm.
    pub(super) fn add(&mut self, group: usize, arm: usize, reward: f64, rows_before: f64) {
        for cell in [&mut self.groups[group * self.arms + arm], &mut self.all[arm]] {
            cell.rewards.add(reward);
            cell.repeats += 2.0 * rows_before + 1.0;
        }
    }

    /// Forgets what was learned by group; what was learned over all consumers stays.
    pub(super) fn clear_groups(&mut self) {
        self.groups.fill(Cell::default());
    }

    /// Sum of squares within cells of group and arm, its degrees of freedom, and what a unit of variance between
    /// consumers adds to it.
    pub(super) fn within(&self) -> (f64, f64, f64) {
        self.groups.iter().filter(|cell| cell.rewards.count > 0.0).fold(
            (0.0, 0.0, 0.0),
            |(squares, degrees, weight), cell| {
                let count = cell.rewards.count;
                (squares + cell.rewards.squares, degrees + count - 1.0, weight + count - cell.repeats / count)
            },
        )
    }

    /// Posterior mean and variance of `m_a`.
    fn mean_of_arm(&self, arm: usize, variances: &Variances) -> (f64, f64) {
        let cell = &self.all[arm];
        let count = cell.rewards.count;
        let weight = self.prior_strength + count;
        let mean = (self.prior_strength * self.prior_mean + count * cell.rewards.mean) / weight;
        let spread = if count > 0.0 { cell.error(variances) * count } else { variances.noise + variances.person };
        (mean, spread / weight)
    }

    /// By how much the group earns more than all, over the arms that it tried.
    fn level_of_group(&self, cells: &[Cell], means: &[(f64, f64)]) -> f64 {
        let (sum, rows) = cells.iter().zip(means).fold((0.0, 0.0), |(sum, rows), (cell, (mean, _))| {
            let count = cell.rewards.count;
            (sum + count * (cell.rewards.mean - mean), rows + count)
        });
        if rows > 0.0 { sum / rows } else { 0.0 }
    }

    /// Level of each group, and the variance of what is special about an arm in a group.
    pub(super) fn levels_and_variance(&self, variances: &Variances) -> (Vec<f64>, f64) {
        let means: Vec<(f64, f64)> = (0..self.arms).map(|arm| self.mean_of_arm(arm, variances)).collect();
        let groups = self.groups.chunks(self.arms.max(1));
        let levels: Vec<f64> = groups.clone().map(|cells| self.level_of_group(cells, &means)).collect();
        let (mut squares, mut rows) = (0.0, 0.0);
        for (cells, level) in groups.zip(&levels) {
            for (cell, (mean, _)) in cells.iter().zip(&means).filter(|(cell, _)| cell.rewards.count > 0.0) {
                let distance = cell.rewards.mean - mean - level;
                squares += cell.rewards.count * (distance * distance - cell.error(variances));
                rows += cell.rewards.count;
            }
        }
        (levels, if rows > 0.0 { (squares / rows).max(0.0) } else { 0.0 })
    }

    /// Weight of the group's own mean, and the variance that is left, given `m_a`.
    fn own_weight(&self, cell: &Cell, variances: &Variances, group_variance: f64) -> (f64, f64) {
        if cell.rewards.count == 0.0 || group_variance == 0.0 {
            return (0.0, group_variance);
        }
        let weight = group_variance / (group_variance + cell.error(variances));
        (weight, group_variance * (1.0 - weight))
    }

    /// Expected reward of every arm in every group, `[group][arm]`.
    pub(super) fn expected(&self, variances: &Variances) -> Vec<f64> {
        let (levels, group_variance) = self.levels_and_variance(variances);
        let expected = |(index, cell): (usize, &Cell)| {
            let (mean, _) = self.mean_of_arm(index % self.arms, variances);
            let prior = mean + levels[index / self.arms];
            prior + self.own_weight(cell, variances, group_variance).0 * (cell.rewards.mean - prior)
        };
        self.groups.iter().enumerate().map(expected).collect()
    }

    /// Posterior samples of the expected rewards of this tick, the same for all consumers of a group (Hong, Kveton, Zaheer &
    /// Ghavamzadeh 2022: the upper level is sampled first, then each group given it).
    pub(super) fn sample(&self, variances: &Variances, samples: usize, tick: u32, seed: Seed) -> Samples {
        let blocks = samples.div_ceil(LANES);
        let (levels, group_variance) = self.levels_and_variance(variances);
        let mut values = vec![[0.0; LANES]; (self.arms + self.groups.len()) * blocks];
        draw_normals(seed, NOBODY, tick, blocks, &mut values);
        let (of_arms, of_groups) = values.split_at_mut(self.arms * blocks);
        for (arm, lanes) in of_arms.chunks_mut(blocks).enumerate() {
            let (mean, variance) = self.mean_of_arm(arm, variances);
            shift(lanes, mean as f32, variance.sqrt() as f32);
        }
        for (index, (lanes, cell)) in of_groups.chunks_mut(blocks).zip(&self.groups).enumerate() {
            let (arm, level) = (index % self.arms, levels[index / self.arms] as f32);
            let (weight, left) = self.own_weight(cell, variances, group_variance);
            let (own, weight, deviation) = (cell.rewards.mean as f32, weight as f32, left.sqrt() as f32);
            let from = &of_arms[arm * blocks..(arm + 1) * blocks];
            for (value, mean) in lanes.as_flattened_mut().iter_mut().zip(from.as_flattened()) {
                let prior = mean + level;
                *value = prior + weight * (own - prior) + deviation * *value;
            }
        }
        values.drain(..self.arms * blocks);
        Samples { blocks, arms: self.arms, values }
    }
}

fn shift(lanes: &mut [[f32; LANES]], mean: f32, deviation: f32) {
    lanes.as_flattened_mut().iter_mut().for_each(|value| *value = mean + deviation * *value);
}

/// Samples of the arms of each group: `[group][arm][block of samples][16]`.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    pub(super) blocks: usize,
    arms: usize,
    values: Vec<[f32; LANES]>,
}

impl Samples {
    /// Those of a group: `[arm][block of samples][16]`.
    pub(super) fn of_group(&self, group: usize) -> &[[f32; LANES]] {
        let size = self.arms * self.blocks;
        &self.values[group * size..(group + 1) * size]
    }
}

/// Standard normals, `[number][block of samples][16]`: number k of sample s stands in word k % 4 of the counter block
/// `k / 4 * samples + s`, `samples` rounded up to whole lanes.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
pub(super) fn draw_normals(seed: Seed, consumer: u32, tick: u32, blocks: usize, noise: &mut [[f32; LANES]]) {
    for (quad, noise) in noise.chunks_mut(4 * blocks).enumerate() {
        for block in 0..blocks {
            let counter = ((quad * blocks + block) * LANES) as u32;
            let drawn = normals(seed.uniforms_of_blocks(Purpose::Posterior, consumer, tick, counter));
            for (lanes, drawn) in noise.iter_mut().skip(block).step_by(blocks).zip(drawn) {
                *lanes = drawn;
            }
        }
    }
}

/// Adds 1 to `wins[arm]` for each of `samples` samples in which it has the highest value of these arms, of equals the one
/// that comes first in `arms`. `values` are `[arm][block of samples][16]`.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
pub(super) fn count_wins(values: &[[f32; LANES]], arms: &[u16], blocks: usize, samples: usize, wins: &mut [f32]) {
    for block in 0..blocks {
        let mut best = [f32::NEG_INFINITY; LANES];
        // Arms as floats (exact below 2^24), because a lane selects best among its own kind.
        let mut found = [f32::from(arms[0]); LANES];
        for &arm in arms {
            let value = &values[usize::from(arm) * blocks + block];
            for lane in 0..LANES {
                let better = value[lane] > best[lane];
                best[lane] = if better { value[lane] } else { best[lane] };
                found[lane] = if better { f32::from(arm) } else { found[lane] };
            }
        }
        for winner in found.into_iter().take(samples - block * LANES) {
            wins[winner as usize] += 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIANCES: Variances = Variances { noise: 2.0, person: 0.0 };

    /// Two groups and two arms; the rewards of a cell are its mean plus and minus 1.
    fn taught(pairs: [usize; 4], means: [f64; 4]) -> Hierarchy {
        let mut hierarchy = Hierarchy::new(2, 2, 0.0, 1e-9);
        for cell in 0..4 {
            for _ in 0..pairs[cell] {
                hierarchy.add(cell / 2, cell % 2, means[cell] + 1.0, 0.0);
                hierarchy.add(cell / 2, cell % 2, means[cell] - 1.0, 0.0);
            }
        }
        hierarchy
    }

    #[test]
    fn shrinkage_by_hand() {
        // Balanced, 50 pairs each: m = (2, 3), b = (-1, 1), s = ∓1/2 for arm 0 and ±1/2 for arm 1.
        let hierarchy = taught([50; 4], [0.5, 2.5, 3.5, 3.5]);
        let (levels, variance) = hierarchy.levels_and_variance(&VARIANCES);
        assert!((levels[0] + 1.0).abs() < 1e-6 && (levels[1] - 1.0).abs() < 1e-6, "{levels:?}");
        // Squared distance 1/4, less the error 2 / 100.
        assert!((variance - 0.23).abs() < 1e-6, "{variance}");
        let weight = 0.23 / 0.25;
        let expected = hierarchy.expected(&VARIANCES);
        for (value, hand) in
            expected.iter().zip([1.0 - 0.5 * weight, 2.0 + 0.5 * weight, 3.0 + 0.5 * weight, 4.0 - 0.5 * weight])
        {
            assert!((value - hand).abs() < 1e-6, "{expected:?}");
        }
        // Groups that differ by their level alone are pooled: an arm that one group never tried has the other's difference.
        let hierarchy = taught([50, 50, 50, 0], [1.0, 2.0, 1.0, 0.0]);
        let expected = hierarchy.expected(&VARIANCES);
        assert!((expected[3] - 2.0).abs() < 1e-6, "{expected:?}");
    }

    #[test]
    fn samples_have_the_moments_of_the_posterior() {
        let hierarchy = taught([50; 4], [0.5, 2.5, 3.5, 3.5]);
        let (samples, expected) = (4_000, hierarchy.expected(&VARIANCES));
        let drawn = hierarchy.sample(&VARIANCES, samples, 3, Seed::new(1));
        // Given m: weight .92, variance left .23 * .08; m itself has variance 2 / 200, which counts for .08.
        let variance = 0.23 * 0.08 + 0.08 * 0.08 * 0.01;
        for cell in 0..4 {
            let lanes = &drawn.of_group(cell / 2)[cell % 2 * drawn.blocks..][..drawn.blocks];
            let values: Vec<f64> = lanes.as_flattened().iter().map(|value| f64::from(*value)).collect();
            let (mean, spread) = crate::statistics::mean_and_variance(&values);
            assert!(
                (mean - expected[cell]).abs() < 4.0 * (variance / samples as f64).sqrt(),
                "{mean} {}",
                expected[cell]
            );
            assert!((spread / variance - 1.0).abs() < 4.0 * (2.0 / samples as f64).sqrt(), "{spread} {variance}");
        }
    }

    #[test]
    fn wins_are_counted_among_the_given_arms_and_ties_go_to_the_first() {
        let mut values = [[0.0; LANES]; 6];
        values[2][0] = 1.0;
        values[4][0] = 2.0;
        values[5][1] = 1.0;
        let mut wins = [0.0; 3];
        count_wins(&values, &[0, 1, 2], 2, 20, &mut wins);
        assert_eq!(wins, [18.0, 0.0, 2.0]);
        let mut wins = [0.0; 3];
        count_wins(&values, &[1, 0], 2, 17, &mut wins);
        assert_eq!(wins, [0.0, 17.0, 0.0]);
    }
}
