//! What a conversion is worth: a fixed amount, or a truncated log-normal with a point mass at its floor.

use crate::registry::{Parameter, Range, Refusal, Values};
use crate::statistics::normal_cdf;

/// Keys of `[market.spend]`.
pub const SPEND: &[Parameter] = &[
    Parameter::optional_number("value", Range::NON_NEGATIVE, "every conversion spends this much; leave the rest out"),
    Parameter::optional_number("mean", Range::ANY, "mean of ln(spend) before truncation"),
    Parameter::optional_number(
        "standard_deviation",
        Range::POSITIVE,
        "standard deviation of ln(spend) before truncation",
    ),
    Parameter::number("floor", 0.0, Range::NON_NEGATIVE, "smallest spend; the log-normal part lies above it"),
    Parameter::optional_number("cap", Range::POSITIVE, "largest spend; the log-normal part lies at or below it"),
    Parameter::number(
        "floor_probability",
        0.0,
        Range::half_open(0.0, 1.0),
        "share of conversions that spend exactly the floor",
    ),
];

/// What a conversion spends, in currency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Spend {
    Fixed(f64),
    /// `floor` with `floor_probability`, else exp N(mean, deviation) given that it lies in (floor, cap].
    LogNormal {
        mean: f64,
        deviation: f64,
        floor: f64,
        cap: f64,
        floor_probability: f64,
    },
}

impl Spend {
    /// Reads `[market.spend]`.
    pub(super) fn new(spend: &Values) -> Result<Self, Refusal> {
        if let Some(value) = spend.optional_number("value") {
            if let Some(key) = ["mean", "standard_deviation", "cap"].into_iter().find(|key| spend.get(key).is_some()) {
                return Err(Refusal::new(
                    spend,
                    key,
                    format!("`value` and `{key}` are both given"),
                    "keep `value` for a fixed spend, or the log-normal's keys",
                ));
            }
            return Ok(Self::Fixed(value));
        }
        let need = |key: &str| {
            spend.optional_number(key).ok_or_else(|| {
                Refusal::new(
                    spend,
                    key,
                    format!("spend has no `{key}`"),
                    "give `value`, or both `mean` and `standard_deviation` of ln(spend)",
                )
            })
        };
        let (mean, deviation) = (need("mean")?, need("standard_deviation")?);
        let floor = spend.number("floor");
        let cap = spend.optional_number("cap").unwrap_or(f64::INFINITY);
        if cap <= floor {
            return Err(Refusal::new(
                spend,
                "cap",
                format!("`cap` is {cap}, not above `floor`, which is {floor}"),
                "give a `cap` above the floor",
            ));
        }
        let spend_law =
            Self::LogNormal { mean, deviation, floor, cap, floor_probability: spend.number("floor_probability") };
        let (low, high) = spend_law.ends();
        if high - low < 1e-9 {
            return Err(Refusal::new(
                spend,
                "cap",
                format!("almost nothing of the log-normal lies between {floor} and {cap}"),
                "correct `mean`, `standard_deviation`, `floor` or `cap`",
            ));
        }
        Ok(spend_law)
    }

    /// Distribution function of the untruncated log-normal at floor and cap.
    fn ends(&self) -> (f64, f64) {
        match *self {
            Self::Fixed(_) => (0.0, 1.0),
            Self::LogNormal { mean, deviation, floor, cap, .. } => {
                (normal_cdf((libm::log(floor) - mean) / deviation), normal_cdf((libm::log(cap) - mean) / deviation))
            }
        }
    }

    /// The spend at quantile `u` of its law, in (0, 1): one uniform makes one spend.
    pub(super) fn quantile(&self, u: f64) -> f64 {
        match *self {
            Self::Fixed(value) => value,
            Self::LogNormal { mean, deviation, floor, cap, floor_probability } => {
                if u < floor_probability {
                    return floor;
                }
                let (low, high) = self.ends();
                let rest = (u - floor_probability) / (1.0 - floor_probability);
                let spend = libm::exp(mean + deviation * normal_quantile(low + rest * (high - low)));
                spend.clamp(floor, cap)
            }
        }
    }

    /// Expected spend, in closed form: E[X; a < ln X <= b] = exp(mean + deviation² / 2) (Phi(B - deviation) - Phi(A -
    /// deviation)) with A and B the standardised ends.
    pub(super) fn mean(&self) -> f64 {
        match *self {
            Self::Fixed(value) => value,
            Self::LogNormal { mean, deviation, floor, cap, floor_probability } => {
                let (low, high) = self.ends();
                let shifted = |end: f64| normal_cdf((libm::log(end) - mean) / deviation - deviation);
                let above = libm::exp(mean + deviation * deviation / 2.0) * (shifted(cap) - shifted(floor));
                floor_probability * floor + (1.0 - floor_probability) * above / (high - low)
            }
        }
    }
}

/// Quantile of the standard normal; relative error about 1e-16. Wichura, *Algorithm AS 241* (Applied Statistics 37,
/// 1988), PPND16, with its logarithm from `libm` so that the bits are the same on every platform.
fn normal_quantile(p: f64) -> f64 {
    let horner = |coefficients: &[f64; 8], x: f64| coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c);
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * horner(&CENTRE.0, r) / horner(&CENTRE.1, r);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = (-libm::log(tail.max(f64::MIN_POSITIVE))).sqrt();
    let (fraction, r) = if r <= 5.0 { (&MIDDLE, r - 1.6) } else { (&FAR, r - 5.0) };
    let z = horner(&fraction.0, r) / horner(&fraction.1, r);
    if q < 0.0 { -z } else { z }
}

/// Numerator and denominator for |p - 0.5| up to 0.425.
const CENTRE: ([f64; 8], [f64; 8]) = (
    [
        3.387_132_872_796_366_5,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_4e3,
        1.373_169_376_550_946e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_659_7e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_545e3,
    ],
);
/// The same for tails down to e^-25.
const MIDDLE: ([f64; 8], [f64; 8]) = (
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
);
/// The same for tails beyond.
const FAR: ([f64; 8], [f64; 8]) = (
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_7e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Value;

    /// Spend of Hillstrom's buyers.
    const HILLSTROM: Spend = Spend::LogNormal {
        mean: 4.567_480_614_846_204,
        deviation: 1.088_849_092_831_491_8,
        floor: 29.99,
        cap: 499.0,
        floor_probability: 136.0 / 578.0,
    };

    #[test]
    fn the_quantile_is_the_inverse_of_the_distribution_function() {
        for step in 1..2000 {
            let p = f64::from(step) / 2000.0;
            assert!((normal_cdf(normal_quantile(p)) - p).abs() < 1e-14, "{p}");
        }
        for exponent in 2..300 {
            let p = libm::pow(10.0, -f64::from(exponent));
            assert!((normal_cdf(normal_quantile(p)) / p - 1.0).abs() < 1e-10, "{p}");
        }
    }

    #[test]
    fn the_mean_in_closed_form_is_the_integral_of_the_quantile() {
        // Midpoint rule over the quantile function; its error falls with the square of the step.
        let steps = 400_000;
        let integral: f64 =
            (0..steps).map(|step| HILLSTROM.quantile((f64::from(step) + 0.5) / f64::from(steps))).sum::<f64>()
                / f64::from(steps);
        assert!((HILLSTROM.mean() - integral).abs() < 1e-3, "{} and {integral}", HILLSTROM.mean());
        // Adaptive quadrature of the density, computed apart (scipy.integrate.quad).
        assert!((HILLSTROM.mean() - 115.994_117_603_653_95).abs() < 1e-9);
    }

    #[test]
    fn quantiles_stay_between_floor_and_cap() {
        assert_eq!(HILLSTROM.quantile(0.2), 29.99);
        assert!(HILLSTROM.quantile(0.236) > 29.99);
        let most = HILLSTROM.quantile(1.0 - f64::from(f32::EPSILON) / 4.0);
        assert!(most <= 499.0 && most > 498.9);
    }

    #[test]
    fn an_unbounded_law_keeps_its_textbook_mean() {
        let values =
            Values::defaults(SPEND).with("mean", Value::Number(3.0)).with("standard_deviation", Value::Number(0.5));
        let spend = Spend::new(&values).unwrap();
        assert!((spend.mean() - libm::exp(3.125)).abs() < 1e-12);
        let both = values.with("value", Value::Number(1.0));
        assert_eq!(Spend::new(&both).unwrap_err().key, "mean");
    }
}
