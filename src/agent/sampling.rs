//! Samples from posteriors, the same bits on every platform.
//!
//! `rand_distr` takes logarithms from the platform wherever any crate of the build turns on `num-traits/std`, so that
//! these are computed here, through `libm`.

use crate::random::Stream;

const LN_4: f64 = 2.0 * std::f64::consts::LN_2;
const LN_5: f64 = 1.609_437_912_434_100_4;

/// Uniform strictly inside (0, 1), from 52 bits.
fn uniform(stream: &mut Stream) -> f64 {
    let bits = u64::from(stream.word()) << 20 | u64::from(stream.word()) >> 12;
    (bits as f64 + 0.5) * (1.0 / (1_u64 << 52) as f64)
}

/// Standard normals, two at a time (Box & Muller 1958).
#[derive(Debug, Default)]
pub(super) struct Normals {
    spare: Option<f64>,
}

impl Normals {
    /// The next one.
    pub(super) fn sample(&mut self, stream: &mut Stream) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * libm::log(uniform(stream))).sqrt();
        let (sine, cosine) = libm::sincos(std::f64::consts::TAU * uniform(stream));
        self.spare = Some(radius * sine);
        radius * cosine
    }
}

/// Beta with two positive shapes (Cheng 1978, *Generating beta variates with nonintegral shape parameters*: algorithm BB
/// where both shapes are above 1, BC elsewhere).
pub(super) fn beta(stream: &mut Stream, successes: f64, failures: f64) -> f64 {
    let (small, large) = if successes < failures { (successes, failures) } else { (failures, successes) };
    let odds = if small > 1.0 { odds_bb(stream, small, large) } else { odds_bc(stream, large, small) };
    // `odds` belongs to the smaller shape under BB and to the larger one under BC.
    let (of_odds, other) = if small > 1.0 { (small, large) } else { (large, small) };
    let share = if odds.is_infinite() { 1.0 } else { odds / (other + odds) };
    if of_odds == successes { share } else { 1.0 - share }
}

fn odds_bb(stream: &mut Stream, small: f64, large: f64) -> f64 {
    let sum = small + large;
    let slope = ((sum - 2.0) / (2.0 * small * large - sum)).sqrt();
    let gamma = small + 1.0 / slope;
    loop {
        let (u1, u2) = (uniform(stream), uniform(stream));
        let v = slope * libm::log(u1 / (1.0 - u1));
        let odds = small * libm::exp(v);
        let z = u1 * u1 * u2;
        let r = gamma * v - LN_4;
        let s = small + r - odds;
        if s + 1.0 + LN_5 >= 5.0 * z {
            return odds;
        }
        let t = libm::log(z);
        if s >= t || r + sum * libm::log(sum / (large + odds)) >= t {
            return odds;
        }
    }
}

fn odds_bc(stream: &mut Stream, large: f64, small: f64) -> f64 {
    let sum = large + small;
    let slope = 1.0 / small;
    let delta = 1.0 + large - small;
    let kappa_1 = delta * (1.0 / 72.0 + 3.0 / 72.0 * small) / (large * slope - 14.0 / 18.0);
    let kappa_2 = 0.25 + (0.5 + 0.25 / delta) * small;
    loop {
        let (u1, u2) = (uniform(stream), uniform(stream));
        let z = u1 * u1 * u2;
        let v = slope * libm::log(u1 / (1.0 - u1));
        let odds = large * libm::exp(v);
        if u1 < 0.5 {
            let y = u1 * u2;
            if 0.25 * u2 + z - y >= kappa_1 {
                continue;
            }
        } else if z <= 0.25 {
            return odds;
        } else if z >= kappa_2 {
            continue;
        }
        if sum * (libm::log(sum / (small + odds)) + v) - LN_4 >= libm::log(z) {
            return odds;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};
    use crate::statistics::{chi_square, chi_square_p_value, mean_and_variance, normal_cdf};
    use statrs::distribution::{Beta, ContinuousCDF};

    /// Counts of 20 cells of equal probability pass against their expectation.
    fn fits(samples: &[f64], cumulative: impl Fn(f64) -> f64) -> bool {
        let mut cells = [0.0; 20];
        samples.iter().for_each(|sample| cells[((cumulative(*sample) * 20.0) as usize).min(19)] += 1.0);
        let (statistic, degrees) = chi_square(&cells, &[samples.len() as f64 / 20.0; 20], 5.0);
        chi_square_p_value(statistic, degrees) > 1e-4
    }

    #[test]
    fn betas_follow_their_distribution() {
        let shapes =
            [(1.0, 1.0), (0.5, 0.5), (2.0, 5.0), (5.0, 2.0), (0.3, 4.0), (4.0, 0.3), (3.0, 3.0), (80.0, 9_000.0)];
        for (index, (a, b)) in shapes.into_iter().enumerate() {
            let mut stream = Seed::new(17).stream(Purpose::Posterior, index as u32, 0);
            let samples: Vec<f64> = (0..20_000).map(|_| beta(&mut stream, a, b)).collect();
            assert!(samples.iter().all(|sample| (0.0..=1.0).contains(sample)));
            let law = Beta::new(a, b).unwrap();
            assert!(fits(&samples, |x| law.cdf(x)), "Beta({a}, {b})");
            let standard_error = (a * b / ((a + b) * (a + b) * (a + b + 1.0)) / 20_000.0).sqrt();
            assert!((mean_and_variance(&samples).0 - a / (a + b)).abs() < 4.0 * standard_error, "Beta({a}, {b})");
        }
    }

    #[test]
    fn normals_follow_their_distribution() {
        let mut stream = Seed::new(17).stream(Purpose::Posterior, 0, 1);
        let mut normals = Normals::default();
        let samples: Vec<f64> = (0..20_000).map(|_| normals.sample(&mut stream)).collect();
        assert!(fits(&samples, normal_cdf));
        let products: Vec<f64> = samples.chunks(2).map(|pair| pair[0] * pair[1]).collect();
        assert!(mean_and_variance(&products).0.abs() < 4.0 / 100.0, "the two of a pair are independent");
    }

    #[test]
    fn values_are_stable() {
        let mut stream = Seed::new(7).stream(Purpose::Posterior, 3, 5);
        let values = [Normals::default().sample(&mut stream), beta(&mut stream, 2.0, 3.0), beta(&mut stream, 0.5, 2.0)];
        let expected = [4_607_195_110_219_823_758, 4_601_062_981_965_754_714, 4_587_504_265_607_614_160];
        assert_eq!(values.map(f64::to_bits), expected);
    }
}
