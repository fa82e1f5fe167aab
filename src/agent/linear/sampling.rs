//! Posterior sampling: how often each action has the highest score in a finite number of addressed posterior samples.
//!
//! A bank's parts are independent given the data, and for one row a part matters only through `weights . x`, so that a
//! sample takes one normal per part: `mean + scale * deviation * normal`. That is exact for disjoint models and exact
//! under the mean-field posterior of the factored form. The shared form draws from the joint law of all scores. A base
//! that stands in every action shifts all scores alike and is left out of the comparison.

use super::normal::normals;
use super::parts::Parts;
use super::room::Room;
use super::{Form, Model, Scratch};
use crate::random::{LANES, Purpose, Seed};

/// Parts or normals of 64 before scratch leaves the stack.
type SampleRoom = Room<[f32; LANES], 64>;

/// Where the normals of a row come from.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// The seed of the decision.
    pub seed: Seed,
    /// Who.
    pub consumer: u32,
    /// When.
    pub tick: u32,
}

impl Model {
    /// Adds 1 to `wins[a]` for each of `samples` posterior samples in which a scores highest for the open row, of equals
    /// the first. `scale` multiplies the posterior standard deviation.
    pub fn count_wins(
        &self,
        scratch: &mut Scratch,
        scale: f32,
        samples: usize,
        address: Address,
        allowed: &[u64],
        wins: &mut [f32],
    ) {
        let count = self.parts.count();
        let mut values = SampleRoom::new([0.0; LANES], count);
        let rounded = samples.next_multiple_of(LANES);
        let mut tally = |first: usize, values: &[[f32; LANES]]| {
            let winners = winners(&self.parts, values, allowed);
            for winner in winners.into_iter().take(samples - first) {
                wins[winner as usize] += 1.0;
            }
        };
        match &self.form {
            Form::Bank(bank) => {
                bank.means_and_variances(&scratch.x, &mut scratch.means, &mut scratch.variances);
                scratch
                    .variances
                    .as_flattened_mut()
                    .iter_mut()
                    .for_each(|variance| *variance = scale * variance.sqrt());
                let (means, deviations) = (scratch.means.as_flattened(), scratch.variances.as_flattened());
                for first in (0..samples).step_by(LANES) {
                    draw_parts(address, first as u32, rounded as u32, means, deviations, &mut values);
                    tally(first, &values);
                }
            }
            Form::Joint(joint) => {
                joint.means(&scratch.x, &mut scratch.means.as_flattened_mut()[..count]);
                let row = joint.row(&scratch.x);
                let mut noise = SampleRoom::new([0.0; LANES], joint.normals());
                for first in (0..samples).step_by(LANES) {
                    draw_normals(address, first as u32, rounded as u32, &mut noise);
                    joint.samples(&row, scratch.means.as_flattened(), scale, &noise, &mut values);
                    tally(first, &values);
                }
            }
        }
    }
}

/// Normal k of sample s stands in word k % 4 of block `k / 4 * samples + s`, `samples` rounded up to whole lanes.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn draw_normals(address: Address, first: u32, samples: u32, noise: &mut [[f32; LANES]]) {
    let Address { seed, consumer, tick } = address;
    for (quad, noise) in noise.chunks_mut(4).enumerate() {
        let block = quad as u32 * samples + first;
        let drawn = normals(seed.uniforms_of_blocks(Purpose::Posterior, consumer, tick, block));
        noise.copy_from_slice(&drawn[..noise.len()]);
    }
}

/// Sixteen samples of every part; the normals are those of [`draw_normals`].
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn draw_parts(
    address: Address,
    first: u32,
    samples: u32,
    means: &[f32],
    deviations: &[f32],
    values: &mut [[f32; LANES]],
) {
    let Address { seed, consumer, tick } = address;
    let quads = values.chunks_mut(4).zip(means.chunks(4).zip(deviations.chunks(4))).enumerate();
    for (quad, (values, (means, deviations))) in quads {
        let block = quad as u32 * samples + first;
        let drawn = normals(seed.uniforms_of_blocks(Purpose::Posterior, consumer, tick, block));
        for ((value, normal), (mean, deviation)) in values.iter_mut().zip(drawn).zip(means.iter().zip(deviations)) {
            for lane in 0..LANES {
                value[lane] = mean + deviation * normal[lane];
            }
        }
    }
}

/// The allowed action of the highest sum of parts, in each of 16 samples.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn winners(parts: &Parts, values: &[[f32; LANES]], allowed: &[u64]) -> [u32; LANES] {
    let mut best = [f32::NEG_INFINITY; LANES];
    let mut found = [0; LANES];
    for (index, &word) in allowed.iter().enumerate() {
        let mut rest = word;
        while rest != 0 {
            let action = index * 64 + rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let mut score = [0.0; LANES];
            for &part in parts.of(action) {
                let value = &values[usize::from(part)];
                for lane in 0..LANES {
                    score[lane] += value[lane];
                }
            }
            for lane in 0..LANES {
                let better = score[lane] > best[lane];
                best[lane] = if better { score[lane] } else { best[lane] };
                found[lane] = if better { action as u32 } else { found[lane] };
            }
        }
    }
    found
}
