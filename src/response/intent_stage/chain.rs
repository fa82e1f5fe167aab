//! The hidden chain behind [`super`]: rates, the law over a tick, the law at rest, and moves that pushes tilt upwards.

use crate::math::exp;
use crate::random::{LANES, Purpose, Seed};
use multiversion::multiversion;

/// Number of stages.
pub const STAGES: usize = 5;
/// Most that pushes add to a logit.
const PUSH_MAX: f32 = 20.0;
/// Block of the draws of a tick.
pub const TICK_BLOCK: u32 = 0;

/// From stage, to stage.
pub type Square = [[f64; STAGES]; STAGES];

/// The matrix A with dP/dt = P A: rates off the diagonal, each row summing to 0.
pub fn generator(rates: &[f64; STAGES * STAGES]) -> Square {
    let mut matrix = [[0.0; STAGES]; STAGES];
    for (from, row) in matrix.iter_mut().enumerate() {
        for to in (0..STAGES).filter(|to| *to != from) {
            row[to] = rates[from * STAGES + to];
            row[from] -= rates[from * STAGES + to];
        }
    }
    matrix
}

fn product(a: &Square, b: &Square) -> Square {
    std::array::from_fn(|row| {
        std::array::from_fn(|column| (0..STAGES).map(|inner| a[row][inner] * b[inner][column]).sum())
    })
}

/// Makes every row sum to 1 again after rounding.
fn normalised(matrix: Square) -> Square {
    matrix.map(|row| {
        let sum: f64 = row.iter().sum();
        row.map(|value| value / sum)
    })
}

/// exp(A * days), by the series of a small part of the time, squared up again.
pub fn exponential(generator: &Square, days: f64) -> Square {
    let greatest = generator.iter().flatten().fold(0.0_f64, |greatest, rate| greatest.max(rate.abs()));
    let (mut part, mut halvings) = (days, 0);
    while greatest * part > 0.1 {
        part *= 0.5;
        halvings += 1;
    }
    let identity: Square = std::array::from_fn(|row| std::array::from_fn(|column| f64::from(u8::from(row == column))));
    let (mut sum, mut term) = (identity, identity);
    for power in 1..=12 {
        term = product(&term, generator).map(|row| row.map(|value| value * part / f64::from(power)));
        for (total, added) in sum.iter_mut().flatten().zip(term.iter().flatten()) {
            *total += added;
        }
    }
    for _ in 0..halvings {
        sum = normalised(product(&sum, &sum));
    }
    sum
}

/// The law to which the chain tends from sleep.
pub fn stationary(over_a_tick: &Square) -> [f64; STAGES] {
    let mut power = *over_a_tick;
    for _ in 0..60 {
        power = normalised(product(&power, &power));
    }
    power[0]
}

/// Probabilities of being at or below each stage but the last.
pub fn cumulative(law: [f64; STAGES]) -> [f32; STAGES - 1] {
    let mut sum = 0.0;
    std::array::from_fn(|stage| {
        sum += law[stage];
        sum as f32
    })
}

/// The law of the next stage.
#[derive(Clone, Copy, Debug)]
pub struct Moves {
    /// Per present stage: probability of being at or below each stage but the last, at rest.
    pub cumulative: [[f32; STAGES - 1]; STAGES],
}

impl Moves {
    /// The next stage: the inverse of the distribution function in which the stages above the present one weigh
    /// `exp(push)` times as much.
    #[inline(always)]
    fn next(&self, stage: f32, push: f32, uniform: f32) -> f32 {
        let mut at_or_below = self.cumulative[0];
        for (present, row) in self.cumulative.iter().enumerate().skip(1) {
            for (value, other) in at_or_below.iter_mut().zip(row) {
                *value = if stage >= present as f32 { *other } else { *value };
            }
        }
        // What lies at or below the present stage; all of it for the last.
        let mut here = 1.0;
        for (present, value) in at_or_below.iter().enumerate() {
            here = if stage == present as f32 { *value } else { here };
        }
        let weight = exp(push.min(PUSH_MAX));
        let threshold = uniform * (here + (1.0 - here) * weight);
        let mut next = 0.0;
        for value in at_or_below {
            let mass = value.min(here) + (value - here).max(0.0) * weight;
            next += if threshold >= mass { 1.0 } else { 0.0 };
        }
        next
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
pub fn move_on(moves: &Moves, seed: Seed, first: u32, tick: u32, stages: &mut [f32], pushes: &[f32]) {
    for (block, (stages, pushes)) in stages.chunks_mut(LANES).zip(pushes.chunks(LANES)).enumerate() {
        let entity = first.wrapping_add((block * LANES) as u32);
        let uniforms = seed.uniforms_in_lanes(Purpose::Stage, entity, tick, TICK_BLOCK)[0];
        let count = stages.len();
        let (mut stage, mut push) = ([0.0; LANES], [0.0; LANES]);
        stage[..count].copy_from_slice(stages);
        push[..count].copy_from_slice(pushes);
        for lane in 0..LANES {
            stage[lane] = moves.next(stage[lane], push[lane], uniforms[lane]);
        }
        stages.copy_from_slice(&stage[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_stages_move_as_the_closed_form_says() {
        // Only dormant and browsing: P(browsing after t | dormant) = a / (a + b) * (1 - exp(-(a + b) t)).
        let mut rates = [0.0; STAGES * STAGES];
        (rates[1], rates[STAGES]) = (0.2, 0.3);
        let matrix = exponential(&generator(&rates), 2.0);
        let expected = 0.4 * (1.0 - libm::exp(-1.0));
        assert!((matrix[0][1] - expected).abs() < 1e-12 && (matrix[0][0] - 1.0 + expected).abs() < 1e-12);
        assert_eq!(matrix[4][4], 1.0);
    }

    #[test]
    fn pushes_only_ever_move_upwards_and_weigh_as_stated() {
        // From dormant: at rest .5 stay, .3 browse, .2 build knowledge; pushed by ln 2 the last two weigh double.
        let mut moves = Moves { cumulative: [[0.5, 0.8, 1.0, 1.0]; STAGES] };
        moves.cumulative[4] = [0.1, 0.2, 0.3, 0.4];
        let push = std::f32::consts::LN_2;
        for (uniform, at_rest, pushed) in
            [(0.3, 0.0, 0.0), (0.4, 0.0, 1.0), (0.6, 1.0, 1.0), (0.72, 1.0, 1.0), (0.75, 1.0, 2.0), (0.9, 2.0, 2.0)]
        {
            // Pushed: .5 / 1.5 = .333 stay, up to .7333 browse.
            let seen = (moves.next(0.0, 0.0, uniform), moves.next(0.0, push, uniform));
            assert_eq!(seen, (at_rest, pushed), "{uniform}");
        }
        // There is nothing above the last stage: pushes change nothing.
        for uniform in [0.05, 0.15, 0.35, 0.45, 0.95] {
            assert_eq!(moves.next(4.0, 5.0, uniform), moves.next(4.0, 0.0, uniform));
        }
    }
}
