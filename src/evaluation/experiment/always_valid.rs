//! Looking as often as one likes: the normal mixture behind the sequential test and the confidence sequence.

use super::effect::{Difference, Effect, Sequential};
use super::{Sample, Unanalysable};
use crate::registry::{Parameter, Range, Values};
use crate::statistics::Moments;

/// Logarithm of the likelihood ratio of a normal mixture of effects against no effect (Robbins 1970): with an estimate `y`
/// of variance `s^2` and effects mixed by N(0, `t^2`), `ln L = ln sqrt(s^2/(s^2+t^2)) + t^2 y^2 / (2 s^2 (s^2+t^2))`.
///
/// For `n` pairs whose difference has variance `V` this is the statistic of Johari et al. (2017) with `s^2 = V/n`.
#[must_use]
pub fn mixture_likelihood_ratio(effect: f64, variance: f64, mixing_variance: f64) -> f64 {
    let whole = variance + mixing_variance;
    0.5 * libm::log(variance / whole) + mixing_variance * effect * effect / (2.0 * variance * whole)
}

/// Half width of the asymptotic confidence sequence of a mean of `count` values of standard deviation `deviation`
/// (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021, theorem 2.2):
/// `deviation sqrt(2 (t r + 1) / (t^2 r) ln(sqrt(t r + 1) / alpha))`, with `t` the count and `r` the mixing ratio.
#[must_use]
pub fn half_width(deviation: f64, count: f64, mixing_ratio: f64, alpha: f64) -> f64 {
    let scaled = count * mixing_ratio + 1.0;
    let logarithm = 0.5 * libm::log(scaled) - libm::log(alpha);
    deviation * (2.0 * scaled / (count * count * mixing_ratio) * logarithm).sqrt()
}

/// The mixing ratio whose confidence sequence is about the tightest at this count (the same, appendix C.3).
#[must_use]
pub fn mixing_ratio_tightest_at(count: f64, alpha: f64) -> f64 {
    let twice = -2.0 * libm::log(alpha);
    (twice + libm::log(twice) + 1.0) / count
}

/// When an analysis looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looks {
    /// Units of control and arm before the first look.
    first_units: usize,
    /// Units between looks.
    every_units: usize,
}

/// How many units come before the first look.
pub(super) const FIRST_UNITS: Parameter = Parameter::integer(
    "first_units",
    500,
    4,
    i64::MAX,
    "units of control and arm before the first look: the guarantee rests on their variance being known well",
);

/// How often to look.
pub(super) const EVERY_UNITS: Parameter =
    Parameter::integer("every_units", 1, 1, i64::MAX, "units from one look to the next");

/// Where the sequence is tightest.
pub(super) const PLANNED_UNITS: Parameter = Parameter::integer(
    "planned_units",
    10_000,
    1,
    i64::MAX,
    "units of control and arm at which it should be most sensitive; must be chosen before the data are seen",
);

/// The range of variances and ratios of the mixture.
pub(super) const MIXING: Range = Range::POSITIVE;

impl Looks {
    pub(super) fn from(values: &Values) -> Self {
        let units = |name| usize::try_from(values.integer(name)).unwrap_or(usize::MAX);
        Self { first_units: units("first_units"), every_units: units("every_units") }
    }
}

/// What is known at a look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Units of control and arm so far.
    pub(super) units: f64,
    /// Estimated effect.
    pub(super) effect: f64,
    /// Its variance.
    pub(super) variance: f64,
}

/// Walks through the rows in order, once for every arm; `mixing_variance` says how wide effects are mixed at a look.
pub(super) fn walk(
    sample: &Sample<'_>,
    alpha: f64,
    looks: Looks,
    mixing_variance: &dyn Fn(&Look) -> f64,
) -> Result<Vec<Effect>, Unanalysable> {
    sample.check()?;
    let end = sample.moments(sample.outcomes);
    Ok((1..sample.arm_count).map(|arm| one_arm(sample, &end, arm, alpha, looks, mixing_variance)).collect())
}

/// The greatest logarithm of a likelihood ratio so far, and what the looks saw.
struct Path {
    greatest: f64,
    seen: Sequential,
}

impl Path {
    fn take(&mut self, look: &Look, alpha: f64, mixing_variance: f64) -> f64 {
        let half = half_of(look, alpha, mixing_variance);
        self.seen.looks += 1;
        self.seen.low = self.seen.low.max(look.effect - half);
        self.seen.high = self.seen.high.min(look.effect + half);
        if look.variance > 0.0 {
            self.greatest = self.greatest.max(mixture_likelihood_ratio(look.effect, look.variance, mixing_variance));
        }
        if self.greatest >= -libm::log(alpha) && self.seen.stopped_at.is_none() {
            self.seen.stopped_at = Some(look.units as usize);
        }
        half
    }
}

/// The half width at a look. A mixture of variance `m` is the sequence with the ratio `m / (units variance)`.
fn half_of(look: &Look, alpha: f64, mixing_variance: f64) -> f64 {
    let deviation = (look.units * look.variance).sqrt();
    if deviation > 0.0 {
        half_width(deviation, look.units, mixing_variance / (deviation * deviation), alpha)
    } else {
        f64::INFINITY
    }
}

fn one_arm(
    sample: &Sample<'_>,
    end: &[Moments],
    arm: usize,
    alpha: f64,
    looks: Looks,
    mixing_variance: &dyn Fn(&Look) -> f64,
) -> Effect {
    let mut arms = [Moments::default(); 2];
    let mut path = Path {
        greatest: 0.0,
        seen: Sequential {
            looks: 0,
            first_units: Some(looks.first_units),
            stopped_at: None,
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
        },
    };
    let mut next = looks.first_units;
    let (mut units, mut half) = (0, f64::INFINITY);
    for (row, of) in sample.arms.iter().enumerate() {
        let side = match *of as usize {
            0 => 0,
            of if of == arm => 1,
            _ => continue,
        };
        add(&mut arms[side], sample.outcomes[row]);
        units += 1;
        if units >= next && arms.iter().all(|moments| moments.count >= 2.0) {
            next = units.saturating_add(looks.every_units);
            let look = look(&arms);
            half = path.take(&look, alpha, mixing_variance(&look));
        }
    }
    let variance = end[0].variance() / end[0].count + end[arm].variance() / end[arm].count;
    let difference = Difference::of(arm, &end[0], &end[arm], variance.sqrt());
    // Before the first look nothing is known; a last look that fell between two is made up for.
    if units >= looks.first_units && next != units.saturating_add(looks.every_units) {
        let look = look(&arms);
        half = path.take(&look, alpha, mixing_variance(&look));
    }
    let p_value = libm::exp(-path.greatest).min(1.0);
    let effect = difference.effect(0.0, p_value, alpha);
    Effect { low: difference.effect - half, high: difference.effect + half, sequential: Some(path.seen), ..effect }
}

fn look(arms: &[Moments; 2]) -> Look {
    Look {
        units: arms[0].count + arms[1].count,
        effect: arms[1].mean - arms[0].mean,
        variance: arms[0].variance() / arms[0].count + arms[1].variance() / arms[1].count,
    }
}

/// One value more (Welford 1962).
pub(super) fn add(moments: &mut Moments, value: f64) {
    moments.count += 1.0;
    let deviation = value - moments.mean;
    moments.mean += deviation / moments.count;
    moments.squares += deviation * (value - moments.mean);
}
