//! Resampling of units. All estimates see the same resamples, so that their differences are paired.

use super::{Ratio, value_of};
use crate::random::{LANES, Purpose, Seed};
use crate::statistics::{normal_cdf, normal_quantile};
use multiversion::multiversion;
use rayon::prelude::*;

/// Units whose weights are drawn at once: they stay in cache while every column reads them.
const TILE_UNITS: usize = 256;
/// Distribution function of Poisson(1) at 0, 1, …, in units of 2^-32: a word at or above the k-th means more than k. The
/// mean of the weights is 1 to 3e-9, their variance to 1e-8; a weight of 13 or more, of probability 6e-11, is lost.
const POISSON: [u32; 12] = [
    1_580_030_169,
    3_160_060_337,
    3_950_075_422,
    4_213_413_783,
    4_279_248_374,
    4_292_415_292,
    4_294_609_778,
    4_294_923_276,
    4_294_962_463,
    4_294_966_817,
    4_294_967_253,
    4_294_967_292,
];

/// How units are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resampling {
    /// As many units as there are, with replacement. Each draw takes 32 bits, so that units differ in probability by at
    /// most their number over 2^32.
    Multinomial,
    /// Each unit a Poisson(1) number of times.
    Poisson,
}

/// Totals of columns over resampled units.
#[derive(Debug)]
pub(super) struct Replicates {
    /// `[column][resample]`.
    totals: Vec<Vec<f64>>,
    resamples: usize,
}

impl Replicates {
    /// Columns are as long as there are units, or empty: their totals are then 0.
    pub(super) fn draw(columns: &[&[f64]], resampling: Resampling, resamples: u32, seed: Seed) -> Self {
        let groups: Vec<Vec<[f64; LANES]>> = (0..resamples.div_ceil(LANES as u32))
            .into_par_iter()
            .map(|group| match resampling {
                Resampling::Poisson => poisson_totals(columns, group, seed),
                Resampling::Multinomial => multinomial_totals(columns, group, seed),
            })
            .collect();
        let resamples = resamples as usize;
        let column = |column: usize| {
            let totals = groups.iter().flat_map(|totals: &Vec<[f64; LANES]>| totals[column]);
            totals.take(resamples).collect()
        };
        Self { totals: (0..columns.len()).map(column).collect(), resamples }
    }

    /// The estimate of each resample, from the columns of rounds, plain, numerator and denominator: a column that there is
    /// not counts as 0, and an estimate that does not exist is no number.
    pub(super) fn values(&self, columns: [usize; 4], has_ratio: bool) -> Vec<f64> {
        let total = |column: usize, resample: usize| self.totals.get(column).map_or(0.0, |totals| totals[resample]);
        (0..self.resamples).map(|resample| value_of(columns.map(|column| total(column, resample)), has_ratio)).collect()
    }
}

/// Totals of 16 resamples: the draw of resample `b` for unit `u` has the address (b, 0, u / 4), word `u % 4`.
fn poisson_totals(columns: &[&[f64]], group: u32, seed: Seed) -> Vec<[f64; LANES]> {
    let units = columns.first().map_or(0, |column| column.len());
    let mut totals = vec![[0.0; LANES]; columns.len()];
    let mut weights = vec![[0.0; LANES]; TILE_UNITS];
    for first in (0..units).step_by(TILE_UNITS) {
        let tile = &mut weights[..TILE_UNITS.min(units - first)];
        draw_poisson(seed, group * LANES as u32, (first / 4) as u32, tile);
        add_tile(columns, first, tile, &mut totals);
    }
    totals
}

/// Totals of 16 resamples: draw `i` of resample `b` has the address (b, 1, i / 4), word `i % 4`.
fn multinomial_totals(columns: &[&[f64]], group: u32, seed: Seed) -> Vec<[f64; LANES]> {
    let units = columns.first().map_or(0, |column| column.len());
    // More than 255 draws of one unit among as many as there are do not happen; they would count as 255.
    let mut counts = vec![[0_u8; LANES]; units];
    for block in 0..units.div_ceil(4) {
        let words = words(seed, group * LANES as u32, block as u32);
        for words in words.iter().take(units - 4 * block) {
            for (lane, word) in words.iter().enumerate() {
                let count = &mut counts[((u64::from(*word) * units as u64) >> 32) as usize][lane];
                *count = count.saturating_add(1);
            }
        }
    }
    let mut totals = vec![[0.0; LANES]; columns.len()];
    let mut weights = vec![[0.0; LANES]; TILE_UNITS];
    for (tile, counts) in counts.chunks(TILE_UNITS).enumerate() {
        let weights = &mut weights[..counts.len()];
        for (weights, counts) in weights.iter_mut().zip(counts) {
            *weights = counts.map(f64::from);
        }
        add_tile(columns, tile * TILE_UNITS, weights, &mut totals);
    }
    totals
}

fn add_tile(columns: &[&[f64]], first: usize, weights: &[[f64; LANES]], totals: &mut [[f64; LANES]]) {
    for (column, totals) in columns.iter().zip(totals) {
        if !column.is_empty() {
            add(&column[first..first + weights.len()], weights, totals);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn add(values: &[f64], weights: &[[f64; LANES]], totals: &mut [f64; LANES]) {
    let mut sums = *totals;
    for (value, weights) in values.iter().zip(weights) {
        for lane in 0..LANES {
            sums[lane] += weights[lane] * value;
        }
    }
    *totals = sums;
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn words(seed: Seed, first_resample: u32, block: u32) -> [[u32; LANES]; 4] {
    seed.words_in_lanes(Purpose::Bootstrap, first_resample, 1, block)
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn draw_poisson(seed: Seed, first_resample: u32, first_block: u32, weights: &mut [[f64; LANES]]) {
    for (block, weights) in weights.chunks_mut(4).enumerate() {
        let words = seed.words_in_lanes(Purpose::Bootstrap, first_resample, 0, first_block + block as u32);
        for (weights, words) in weights.iter_mut().zip(&words) {
            for lane in 0..LANES {
                let mut count = 0_i32;
                for threshold in POISSON {
                    count += i32::from(words[lane] >= threshold);
                }
                weights[lane] = f64::from(count);
            }
        }
    }
}

/// The estimate without each unit in turn; no number where nothing is left to divide by.
pub(super) fn left_out(ratio: Ratio<'_>) -> Vec<f64> {
    let columns = ratio.columns();
    let totals = columns.map(|column| column.iter().sum::<f64>());
    let without = |unit: usize| {
        let mut rest = totals;
        for (total, column) in rest.iter_mut().zip(columns) {
            *total -= column.get(unit).unwrap_or(&0.0);
        }
        value_of(rest, ratio.has_ratio())
    };
    (0..ratio.rounds.len()).map(without).collect()
}

/// Shares of the sorted replicates at which the corrected interval ends (Efron 1987, equations 2.3 and 6.6).
pub(super) fn corrected(shares: [f64; 2], value: f64, sorted: &[f64], left_out: &[f64]) -> [f64; 2] {
    if sorted.is_empty() {
        return shares;
    }
    let count = sorted.len() as f64;
    let below = sorted.partition_point(|replicate| *replicate < value) as f64;
    let bias = normal_quantile(f64::clamp(below / count, 0.5 / count, 1.0 - 0.5 / count));
    let left_out: Vec<f64> = left_out.iter().copied().filter(|value| !value.is_nan()).collect();
    let mean = left_out.iter().sum::<f64>() / left_out.len() as f64;
    let (mut squares, mut cubes) = (0.0, 0.0);
    for value in left_out {
        let deviation = mean - value;
        squares += deviation * deviation;
        cubes += deviation * deviation * deviation;
    }
    let acceleration = if squares > 0.0 { cubes / (6.0 * squares * squares.sqrt()) } else { 0.0 };
    shares.map(|share| {
        let shifted = bias + normal_quantile(share);
        normal_cdf(bias + shifted / (1.0 - acceleration * shifted))
    })
}

/// Quantile of sorted values, between the two nearest in proportion (Hyndman and Fan 1996, type 7).
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_weights_have_mean_and_variance_one() {
        let tails: Vec<f64> = POISSON.iter().map(|threshold| 1.0 - f64::from(*threshold) / 4_294_967_296.0).collect();
        let mean: f64 = tails.iter().sum();
        let square: f64 = tails.iter().enumerate().map(|(count, tail)| (2 * count + 1) as f64 * tail).sum();
        assert!((mean - 1.0).abs() < 3e-9 && (square - mean * mean - 1.0).abs() < 1e-8, "{mean} {square}");
        // The first is exp(-1).
        assert!((1.0 - tails[0] - (-1.0_f64).exp()).abs() < 1e-9);
    }

    #[test]
    fn resamples_have_the_mean_and_spread_of_the_sample() {
        let values: Vec<f64> = (0..1_003).map(|unit| f64::from(unit * unit % 101)).collect();
        let rounds = vec![1.0; values.len()];
        let (mean, variance) = crate::statistics::mean_and_variance(&values);
        let error = (variance / 1_003.0).sqrt();
        for resampling in [Resampling::Multinomial, Resampling::Poisson] {
            let replicates = Replicates::draw(&[&rounds, &values, &[]], resampling, 2_000, Seed::new(5));
            let (centre, spread) = crate::statistics::mean_and_variance(&replicates.values([0, 1, 2, 2], false));
            assert!((centre - mean).abs() < 3.0 * error / 2_000_f64.sqrt(), "{resampling:?}");
            // The standard error of a standard deviation is 1 / sqrt(2 * 2,000) of it.
            assert!((spread.sqrt() / error - 1.0).abs() < 3.0 / 4_000_f64.sqrt(), "{resampling:?}");
            let total = replicates.totals[0][7];
            assert!(resampling == Resampling::Poisson || total == 1_003.0);
        }
    }

    #[test]
    fn quantiles_by_hand() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[1.0], 0.3), 1.0);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn without_skewness_or_bias_nothing_is_corrected() {
        let sorted: Vec<f64> = (-500..500).map(|value| f64::from(value) + 0.5).collect();
        let shares = corrected([0.025, 0.975], 0.0, &sorted, &[-1.0, 0.0, 1.0]);
        assert!((shares[0] - 0.025).abs() < 1e-9 && (shares[1] - 0.975).abs() < 1e-9);
        // A long upper tail moves both ends up: by hand, acceleration 6 / (6 * 6^1.5) for deviations 2, -1, -1.
        let shares = corrected([0.025, 0.975], 0.0, &sorted, &[-2.0, 1.0, 1.0]);
        let end = |z: f64| normal_cdf(z / (1.0 - z / 6_f64.powf(1.5)));
        assert!((shares[0] - end(-1.959_963_985)).abs() < 1e-9 && (shares[1] - end(1.959_963_985)).abs() < 1e-9);
    }
}
