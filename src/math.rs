//! Elementary functions of the hot loop: branch-free, the same bits on every platform and instruction set.
//!
//! Nothing here uses a platform's `libm` or fused multiply-add, so that a run gives the same bytes everywhere. The
//! polynomials follow the Cephes single-precision routines (Moshier 1989) in structure; accuracy is stated per function
//! and tested against the `libm` crate.

const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// Adding and subtracting this rounds an `f32` of small magnitude to the nearest integer.
const ROUNDING: f32 = 12_582_912.0;

/// e^x for finite `x`; arguments are clamped to [-87, 88]. Relative error below 2e-7.
#[inline(always)]
#[must_use]
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUNDING;
    let n = shifted - ROUNDING;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let value = p * (r * r) + r + 1.0;
    // The low bits of `shifted` hold n in two's complement.
    let exponent = (shifted.to_bits() << 23).wrapping_add(127 << 23);
    value * f32::from_bits(exponent)
}

/// Natural logarithm of a positive, normal `f32`. Absolute error below 1e-7 near 1, relative error below 2e-7 elsewhere.
#[inline(always)]
#[must_use]
pub fn ln(x: f32) -> f32 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 23) as i32 - 126) as f32;
    let mut mantissa = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000);
    let small = mantissa < std::f32::consts::FRAC_1_SQRT_2;
    exponent -= if small { 1.0 } else { 0.0 };
    mantissa += if small { mantissa } else { 0.0 };
    let m = mantissa - 1.0;
    let mut p = 7.037_683_6e-2;
    p = p * m - 1.151_461e-1;
    p = p * m + 1.167_699_9e-1;
    p = p * m - 1.242_014_1e-1;
    p = p * m + 1.424_932_3e-1;
    p = p * m - 1.666_805_8e-1;
    p = p * m + 2.000_071_5e-1;
    p = p * m - 2.499_999_4e-1;
    p = p * m + 3.333_333e-1;
    let z = m * m;
    let mut y = p * m * z;
    y += exponent * LN_2_LOW;
    y -= 0.5 * z;
    m + y + exponent * LN_2_HIGH
}

/// 1 / (1 + e^-x).
#[inline(always)]
#[must_use]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// ln(p / (1 - p)).
#[inline(always)]
#[must_use]
pub fn logit(probability: f32) -> f32 {
    ln(probability / (1.0 - probability))
}

/// Quantile of the standard normal at `u` strictly inside (0, 1). Relative error below 3e-6, absolute below 1e-6 near 0.
///
/// Giles, *Approximating the erfinv function* (GPU Computing Gems, 2011), the single-precision polynomials; both are
/// evaluated and one is selected, so that lanes do not branch.
#[inline(always)]
#[must_use]
pub fn normal_quantile(u: f32) -> f32 {
    let w = -ln(4.0 * u * (1.0 - u));
    let v = w - 2.5;
    let mut centre = 2.810_226_4e-8;
    centre = centre * v + 3.432_739_4e-7;
    centre = centre * v - 3.523_387_7e-6;
    centre = centre * v - 4.391_506_5e-6;
    centre = centre * v + 2.185_808_7e-4;
    centre = centre * v - 1.253_725e-3;
    centre = centre * v - 4.177_681_6e-3;
    centre = centre * v + 2.466_407_3e-1;
    centre = centre * v + 1.501_409_4;
    let v = w.max(0.0).sqrt() - 3.0;
    let mut tail = -2.002_142_6e-4;
    tail = tail * v + 1.009_505_6e-4;
    tail = tail * v + 1.349_343_2e-3;
    tail = tail * v - 3.673_428_4e-3;
    tail = tail * v + 5.739_507_7e-3;
    tail = tail * v - 7.622_461_3e-3;
    tail = tail * v + 9.438_870_5e-3;
    tail = tail * v + 1.001_674;
    tail = tail * v + 2.832_976_8;
    let scaled = if w < 5.0 { centre } else { tail };
    scaled * (2.0 * u - 1.0) * std::f32::consts::SQRT_2
}

/// Factor by which a quantity with this half-life decays in `days`.
#[must_use]
pub fn decay(half_life_days: f64, days: f64) -> f32 {
    libm::exp2(-days / half_life_days) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_agrees_with_libm() {
        for step in -87_000..=88_000 {
            let x = step as f32 / 1000.0;
            let expected = libm::exp(f64::from(x));
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(error < 2e-7, "exp({x}): relative error {error}");
        }
    }

    #[test]
    fn ln_agrees_with_libm() {
        for step in 0..1_000_000 {
            let x = 1e-6 + step as f32 * 3.7e-5;
            let expected = libm::log(f64::from(x));
            let error = (f64::from(ln(x)) - expected).abs() / expected.abs().max(0.5);
            assert!(error < 2e-7, "ln({x}): error {error}");
        }
    }

    #[test]
    fn the_normal_quantile_agrees_with_a_double_precision_one() {
        for step in 0..400_000 {
            // Dense in the middle, and every power of two down to the smallest uniform.
            let u = if step < 23 { 0.5f32.powi(step + 2) } else { (step as f32 + 0.5) / 400_000.0 };
            for u in [u, 1.0 - u] {
                let expected = crate::statistics::normal_quantile(f64::from(u));
                let error = (f64::from(normal_quantile(u)) - expected).abs() / expected.abs().max(0.3);
                assert!(error < 3e-6, "normal_quantile({u}): error {error}");
            }
        }
        assert_eq!(normal_quantile(0.5), 0.0);
    }

    #[test]
    fn values_are_stable() {
        assert_eq!(exp(1.0).to_bits(), 0x402d_f854);
        assert_eq!(exp(0.0).to_bits(), 1f32.to_bits());
        assert_eq!(ln(1.0).to_bits(), 0f32.to_bits());
        assert_eq!(sigmoid(0.0).to_bits(), 0.5f32.to_bits());
    }

    #[test]
    fn a_half_life_halves() {
        assert_eq!(decay(7.0, 7.0), 0.5);
        assert!((decay(2.0, 1.0) - std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-7);
    }
}
