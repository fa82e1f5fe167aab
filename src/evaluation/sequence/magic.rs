//! A blend of a model and weighted doubly robust estimates of several lengths.

use super::interval::variance_of_mean;
use super::returns::Stepwise;
use super::values::{FOLDS, RIDGE, Recipe, STATIONARY, ValueModel};
use super::{Linearised, Prepared, SequenceBuild, SequenceEstimator, SequenceFailure, Trajectories, wdr};
use crate::registry::{Entry, Parameter, Range};
use crate::statistics::normal_quantile;

/// The entry of `magic`.
pub(super) const ENTRY: Entry<SequenceBuild> = Entry {
    name: "magic",
    summary: "the blend of fqe's values and wdr, cut at several lengths, whose estimated squared error is least",
    source: "Thomas and Brunskill 2016",
    parameters: &[STATIONARY, RIDGE, FOLDS, BIAS_CONFIDENCE],
    build: |values| {
        Ok(Box::new(Blended { recipe: Recipe::of(values), bias_confidence: values.number("bias_confidence") }))
    },
};

const BIAS_CONFIDENCE: Parameter = Parameter::number(
    "bias_confidence",
    0.9,
    Range { low: 0.0, high: 1.0, low_open: true, high_open: true },
    "confidence of the interval of wdr outside which a shorter estimate counts as biased",
);

/// Rounds over all pairs in the search for the blend; it stops as soon as nothing moves.
const MOST_ROUNDS: usize = 10_000;

/// `sum_j x_j g_j`, where `g_j` is `wdr` with importance weights up to step j and the model's value of the state after it;
/// the first is the model alone (before any step), the last is `wdr` itself. The shares x, at least 0 and 1 together,
/// minimise `x' (Omega + b b') x` with the covariance Omega of the `g_j` and their biases b.
///
/// Consistent where `wdr` or the model is, and between them near the better one in squared error. Where the model is bad
/// and the log too small to show it (`wdr` with a wide interval), the blend leans on the model all the same, and so does
/// the interval, which holds the shares for given.
///
/// Differences from the source: (1) lengths double (0, 1, 3, 7, … steps) instead of all; (2) `b_j` is the distance of
/// `g_j` from a normal interval of `wdr`, not from one by bootstrap; (3) Omega is that of the influences, those of the
/// fitted model included, which the source takes as given: all of them in the model alone, in a longer estimate those in
/// proportion to the discounted steps that it leaves to the model (exact for a process at rest). Without them the model
/// would seem to have no error at all. The bootstrap holds the model; intervals by Student's t are the ones to read.
#[derive(Debug)]
struct Blended {
    recipe: Recipe,
    bias_confidence: f64,
}

impl SequenceEstimator for Blended {
    fn prepare<'a>(&self, log: &'a Trajectories) -> Result<Box<dyn Prepared + 'a>, SequenceFailure> {
        let model = ValueModel::new(log, self.recipe)?;
        let steps = wdr::with_values(log, &model.row_values(self.recipe.folds)?)?.steps;
        Ok(Box::new(Blend::new(steps, Some(model.with_influences()?.influence), self.bias_confidence)))
    }
}

struct Blend<'a> {
    steps: Stepwise<'a>,
    /// Discount of each step times the shares of the estimates that reach it.
    factors: Vec<f64>,
    model_share: f64,
    influence: Vec<f64>,
}

/// Number of corrected steps of each estimate, rising from none to all.
fn lengths(longest: usize) -> Vec<usize> {
    let doubling = (0..usize::BITS).map(|power| (1_usize << power) - 1).take_while(|length| *length < longest);
    doubling.chain([longest]).collect()
}

impl<'a> Blend<'a> {
    /// `of_model` are the influences of the model's own value; none where its values are given.
    fn new(steps: Stepwise<'a>, of_model: Option<Vec<f64>>, bias_confidence: f64) -> Self {
        let once = vec![1.0; steps.log.len()];
        let sums = steps.sums(&once);
        let lengths = lengths(steps.log.longest());
        let cut = |length: usize| -> Vec<f64> {
            steps.discounts.iter().enumerate().map(|(step, own)| if step < length { *own } else { 0.0 }).collect()
        };
        let values: Vec<f64> = lengths.iter().map(|length| steps.normalised(&once, &cut(*length))).collect();
        let given: Vec<Vec<f64>> =
            lengths.iter().map(|length| steps.normalised_influence(&sums, &cut(*length))).collect();
        // What the model's fit adds to the spread of its starts.
        let fit: Vec<f64> = of_model
            .map_or(vec![0.0; once.len()], |own| own.iter().zip(&given[0]).map(|(own, start)| own - start).collect());
        let whole: f64 = steps.discounts.iter().sum();
        let with_fit = |(influence, length): (Vec<f64>, &usize)| -> Vec<f64> {
            let left = steps.discounts[*length..].iter().sum::<f64>() / whole;
            influence.iter().zip(&fit).map(|(own, fit)| own + left * fit).collect()
        };
        let influences: Vec<Vec<f64>> = given.into_iter().zip(&lengths).map(with_fit).collect();
        let count = once.len() as f64;
        let last = lengths.len() - 1;
        let half = normal_quantile(0.5 + bias_confidence / 2.0) * variance_of_mean(&influences[last]).sqrt();
        let bias = |value: f64| f64::max((value - values[last]).abs() - half, 0.0).copysign(value - values[last]);
        let error = |a: usize, b: usize| {
            let products = influences[a].iter().zip(&influences[b]).map(|(a, b)| a * b).sum::<f64>();
            products / (count * (count - 1.0).max(1.0)) + bias(values[a]) * bias(values[b])
        };
        let errors = (0..=last).map(|a| (0..=last).map(|b| error(a, b)).collect()).collect::<Vec<Vec<f64>>>();
        let shares = best_blend(&errors);
        let reaching = |step: usize| -> f64 {
            lengths.iter().zip(&shares).filter(|(length, _)| step < **length).map(|(_, share)| share).sum()
        };
        let factors = steps.discounts.iter().enumerate().map(|(step, own)| own * reaching(step)).collect();
        let mut influence = vec![0.0; once.len()];
        for (own, share) in influences.iter().zip(&shares) {
            influence.iter_mut().zip(own).for_each(|(sum, own)| *sum += share * own);
        }
        Self { model_share: shares[0], factors, steps, influence }
    }
}

/// The point of least `x' errors x` among shares that sum to 1: pair by pair, the best exchange, from the last vertex.
fn best_blend(errors: &[Vec<f64>]) -> Vec<f64> {
    let size = errors.len();
    let mut shares = vec![0.0; size];
    shares[size - 1] = 1.0;
    let mut slopes: Vec<f64> = (0..size).map(|row| errors[row][size - 1]).collect();
    for _ in 0..MOST_ROUNDS {
        let mut moved: f64 = 0.0;
        for a in 0..size {
            for b in a + 1..size {
                let curvature = errors[a][a] + errors[b][b] - 2.0 * errors[a][b];
                if curvature <= 0.0 {
                    continue;
                }
                // From b to a, as far as both stay at 0 or more.
                let exchange = ((slopes[b] - slopes[a]) / curvature).clamp(-shares[a], shares[b]);
                if exchange != 0.0 {
                    shares[a] += exchange;
                    shares[b] -= exchange;
                    (0..size).for_each(|row| slopes[row] += exchange * (errors[row][a] - errors[row][b]));
                    moved = moved.max(exchange.abs());
                }
            }
        }
        if moved < 1e-12 {
            break;
        }
    }
    shares
}

impl Prepared for Blend<'_> {
    fn value(&self, counts: &[f64]) -> f64 {
        self.steps.normalised(counts, &self.factors)
    }

    fn linearised(&self) -> Result<Linearised, SequenceFailure> {
        let once = vec![1.0; self.steps.log.len()];
        let influence = self.influence.clone();
        let notes = vec![format!("{:.0} % of the blend is the model alone", 100.0 * self.model_share)];
        Ok(Linearised { value: self.value(&once), influence, notes, ..Linearised::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TARGET, drawn_log, exact_values, three_trajectories, values};
    use super::*;

    #[test]
    fn the_best_blend_of_two_is_that_of_their_variances() {
        // Independent, variances 1 and 3: shares 3 / 4 and 1 / 4.
        let shares = best_blend(&[vec![1.0, 0.0], vec![0.0, 3.0]]);
        assert!((shares[0] - 0.75).abs() < 1e-9 && (shares[1] - 0.25).abs() < 1e-9);
        // A third that is worse than both in every way gets nothing.
        let shares = best_blend(&[vec![9.0, 1.0, 3.0], vec![1.0, 1.0, 0.0], vec![3.0, 0.0, 3.0]]);
        assert!(shares[0].abs() < 1e-9 && (shares[1] - 0.75).abs() < 1e-9, "{shares:?}");
    }

    #[test]
    fn lengths_double_from_none_to_all() {
        assert_eq!(lengths(1), [0, 1]);
        assert_eq!(lengths(7), [0, 1, 3, 7]);
        assert_eq!(lengths(10), [0, 1, 3, 7, 10]);
    }

    #[test]
    fn the_blend_leans_on_a_good_model_and_leaves_a_bad_one() {
        let truth = values(TARGET, 3)[0];
        let once = vec![1.0; 400];
        // Squared errors of wdr and of the blend, with shares 1 and 3 of the exact values as the model.
        let mut errors = [[0.0; 2]; 2];
        for seed in 0..40 {
            let log = drawn_log(400, 3, seed);
            for (share, errors) in [1.0, 3.0].into_iter().zip(&mut errors) {
                let blend = Blend::new(wdr::with_values(&log, &exact_values(&log, share)).unwrap().steps, None, 0.9);
                let whole = blend.steps.normalised(&once, &blend.steps.discounts);
                errors[0] += (whole - truth) * (whole - truth);
                errors[1] += (blend.value(&once) - truth) * (blend.value(&once) - truth);
            }
        }
        assert!(errors[0][1] < 0.5 * errors[0][0], "{errors:?}");
        assert!(errors[1][1] < 1.5 * errors[1][0], "{errors:?}");
    }

    #[test]
    fn values_of_nothing_leave_wpdis_or_nothing() {
        // Three trajectories cannot show that 0 is wrong, but the lengths they blend are those of wpdis.
        let log = three_trajectories();
        let blend = Blend::new(wdr::with_values(&log, &exact_values(&log, 0.0)).unwrap().steps, None, 0.9);
        let whole = blend.steps.normalised(&[1.0; 3], &blend.steps.discounts);
        assert!((whole - 1.107_602_4).abs() < 1e-7);
        let value = blend.value(&[1.0; 3]);
        assert!((0.0..=whole + 1e-12).contains(&value));
    }
}
