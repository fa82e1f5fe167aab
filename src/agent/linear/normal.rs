//! Standard normals in lanes, from uniforms: Box & Muller (*A note on the generation of random normal deviates*, 1958).
//!
//! Two uniforms u, v give `sqrt(-2 ln u) (cos 2 pi v, sin 2 pi v)`. Sine and cosine are the Cephes single-precision
//! polynomials (Moshier 1989) on a quarter turn, so that the bits are the same everywhere; with 23-bit uniforms the
//! normals reach ±5.8.

use crate::math::ln;
use crate::random::LANES;

/// Four uniforms in (0, 1) to four independent standard normals, lane by lane.
#[inline(always)]
#[must_use]
pub fn normals(uniforms: [[f32; LANES]; 4]) -> [[f32; LANES]; 4] {
    let mut normals = [[0.0; LANES]; 4];
    for lane in 0..LANES {
        [normals[0][lane], normals[1][lane]] = pair(uniforms[0][lane], uniforms[1][lane]);
    }
    for lane in 0..LANES {
        [normals[2][lane], normals[3][lane]] = pair(uniforms[2][lane], uniforms[3][lane]);
    }
    normals
}

#[inline(always)]
fn pair(u: f32, v: f32) -> [f32; 2] {
    let radius = (-2.0 * ln(u)).sqrt();
    let (cosine, sine) = turn(v);
    [radius * cosine, radius * sine]
}

/// Cosine and sine of `2 pi v` for `v` in [0, 1].
#[inline(always)]
fn turn(v: f32) -> (f32, f32) {
    // Adding and taking away 1.5 * 2^23 rounds to a whole number, whose low bits are then those of the sum.
    let shifted = 4.0 * v + 12_582_912.0;
    let quadrant = shifted.to_bits();
    let angle = (4.0 * v - (shifted - 12_582_912.0)) * std::f32::consts::FRAC_PI_2;
    let square = angle * angle;
    let sine = ((-1.951_529_6e-4 * square + 8.332_161e-3) * square - 1.666_665_5e-1) * square * angle + angle;
    let cosine =
        ((2.443_315_7e-5 * square - 1.388_731_6e-3) * square + 4.166_664_6e-2) * square * square - 0.5 * square + 1.0;
    let swapped = quadrant & 1 == 1;
    let (x, y) = if swapped { (sine, cosine) } else { (cosine, sine) };
    let x = if quadrant.wrapping_add(1) & 2 != 0 { -x } else { x };
    let y = if quadrant & 2 != 0 { -y } else { y };
    (x, y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};

    #[test]
    fn turns_agree_with_libm() {
        for step in 0..=4_000 {
            let v = step as f32 / 4_000.0;
            let (cosine, sine) = turn(v);
            let angle = std::f64::consts::TAU * f64::from(v);
            assert!((f64::from(cosine) - libm::cos(angle)).abs() < 5e-7, "cos at {v}: {cosine}");
            assert!((f64::from(sine) - libm::sin(angle)).abs() < 5e-7, "sin at {v}: {sine}");
        }
    }

    #[test]
    fn moments_are_those_of_independent_standard_normals() {
        let draws = 4_000u32;
        let count = f64::from(draws) * LANES as f64;
        let (mut sum, mut squares, mut fourths, mut products) = ([0.0; 4], [0.0; 4], [0.0; 4], 0.0);
        for draw in 0..draws {
            let values = normals(Seed::new(3).uniforms_of_blocks(Purpose::Posterior, draw, 0, 0));
            for word in 0..4 {
                for z in values[word].map(f64::from) {
                    sum[word] += z;
                    squares[word] += z * z;
                    fourths[word] += z * z * z * z;
                }
            }
            products += (0..LANES).map(|lane| f64::from(values[0][lane]) * f64::from(values[1][lane])).sum::<f64>();
        }
        // Standard errors: 1, sqrt(2), sqrt(96) and 1, each over sqrt(count).
        let error = 1.0 / count.sqrt();
        for word in 0..4 {
            assert!((sum[word] / count).abs() < 4.0 * error);
            assert!((squares[word] / count - 1.0).abs() < 4.0 * error * 2f64.sqrt());
            assert!((fourths[word] / count - 3.0).abs() < 4.0 * error * 96f64.sqrt());
        }
        assert!((products / count).abs() < 4.0 * error);
    }

    #[test]
    fn values_are_stable() {
        let values = normals([[0.25; LANES], [0.125; LANES], [0.9; LANES], [0.6; LANES]]);
        assert!((values[0][0] - 1.177_41).abs() < 1e-5 && (values[1][7] - 1.177_41).abs() < 1e-5);
        assert!((values[2][3] + 0.371_37).abs() < 1e-5 && (values[3][15] + 0.269_82).abs() < 1e-5);
    }
}
