//! Soft-max over allowed actions: what is forbidden has probability 0 and no gradient.

use super::{like, values};
use crate::math;
use crate::protocol::ActionBits;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use std::sync::Arc;

/// Log-probability of what is forbidden: finite, so that 0 times it is 0, and its exponential is 0.
pub const FORBIDDEN: f32 = -1e9;

/// Which actions each row allows; bit a of word a / 64 is action a.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    actions: usize,
    words_per_row: usize,
    words: Arc<[u64]>,
}

impl Mask {
    /// From the words of all rows, one row after the other.
    #[must_use]
    pub fn new(actions: usize, words: Vec<u64>) -> Self {
        Self { actions, words_per_row: actions.div_ceil(64), words: words.into() }
    }

    /// From what a batch allows.
    #[must_use]
    pub fn of(allowed: &ActionBits) -> Self {
        let words = (0..allowed.rows()).flat_map(|row| allowed.row(row).iter().copied()).collect();
        Self::new(allowed.actions(), words)
    }

    /// Whether a row allows an action.
    #[inline]
    #[must_use]
    pub fn allows(&self, row: usize, action: usize) -> bool {
        self.words[row * self.words_per_row + action / 64] >> (action % 64) & 1 == 1
    }

    /// Words of a row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[u64] {
        &self.words[row * self.words_per_row..(row + 1) * self.words_per_row]
    }

    fn check(&self, length: usize) -> Result<()> {
        if length * self.words_per_row != self.words.len() * self.actions {
            bail!("a mask of {} words is given for {length} values over {} actions", self.words.len(), self.actions);
        }
        Ok(())
    }
}

/// Logits to log-probabilities, in place.
pub(in crate::agent::deep) fn soften(logits: &mut [f32], allows: impl Fn(usize) -> bool) {
    let mut greatest = f32::NEG_INFINITY;
    for (action, logit) in logits.iter().enumerate() {
        greatest = if allows(action) && *logit > greatest { *logit } else { greatest };
    }
    let mut total = 0.0;
    for (action, logit) in logits.iter().enumerate() {
        total += if allows(action) { math::exp(logit - greatest) } else { 0.0 };
    }
    let base = greatest + math::ln(if total > 0.0 { total } else { 1.0 });
    for (action, logit) in logits.iter_mut().enumerate() {
        *logit = if allows(action) { *logit - base } else { FORBIDDEN };
    }
}

/// Probability of a log-probability.
#[inline(always)]
pub(in crate::agent::deep) fn probability(log_probability: f32) -> f32 {
    if log_probability == FORBIDDEN { 0.0 } else { math::exp(log_probability) }
}

/// Log-probabilities of `rows × actions` logits; [`FORBIDDEN`] where the mask forbids. A logit that is forbidden may be
/// anything, and has no gradient.
///
/// # Errors
/// Where shapes do not fit.
pub fn log_softmax(logits: &Tensor, mask: &Mask) -> Result<Tensor> {
    logits.contiguous()?.apply_op1(LogSoftmax(mask.clone()))
}

struct LogSoftmax(Mask);

impl CustomOp1 for LogSoftmax {
    fn name(&self) -> &'static str {
        "masked-log-softmax"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut results = values(logits, layout)?.to_vec();
        self.0.check(results.len())?;
        for (row, results) in results.chunks_exact_mut(self.0.actions).enumerate() {
            soften(results, |action| self.0.allows(row, action));
        }
        Ok((CpuStorage::F32(results), layout.shape().clone()))
    }

    /// g - p Σ g.
    fn bwd(&self, _logits: &Tensor, result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (results, mut gradients) = (dense(result)?, dense(gradient)?);
        let actions = self.0.actions;
        for (row, (results, gradients)) in
            results.chunks_exact(actions).zip(gradients.chunks_exact_mut(actions)).enumerate()
        {
            let mut total = 0.0;
            for (action, gradient) in gradients.iter().enumerate() {
                total += if self.0.allows(row, action) { *gradient } else { 0.0 };
            }
            for (action, (result, gradient)) in results.iter().zip(gradients).enumerate() {
                *gradient = if self.0.allows(row, action) { *gradient - probability(*result) * total } else { 0.0 };
            }
        }
        Ok(Some(like(result.shape(), gradients)?))
    }
}

/// Entropy of each row, natural units, from its log-probabilities.
///
/// # Errors
/// Where the argument is no matrix.
pub fn entropy(log_probabilities: &Tensor) -> Result<Tensor> {
    log_probabilities.contiguous()?.apply_op1(Entropy)
}

struct Entropy;

impl CustomOp1 for Entropy {
    fn name(&self) -> &'static str {
        "entropy"
    }

    fn cpu_fwd(&self, log_probabilities: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, actions) = layout.shape().dims2()?;
        let all = values(log_probabilities, layout)?;
        let of_row = |row: &[f32]| row.iter().fold(0.0, |sum, log| sum - probability(*log) * log);
        Ok((CpuStorage::F32(all.chunks_exact(actions).map(of_row).collect()), rows.into()))
    }

    /// -p (1 + log p) for each log-probability.
    fn bwd(&self, log_probabilities: &Tensor, _result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (mut all, gradients) = (dense(log_probabilities)?, dense(gradient)?);
        let (_, actions) = log_probabilities.dims2()?;
        for (row, gradient) in all.chunks_exact_mut(actions).zip(gradients) {
            row.iter_mut().for_each(|log| *log = -gradient * probability(*log) * (1.0 + *log));
        }
        Ok(Some(like(log_probabilities.shape(), all)?))
    }
}

/// Expected value of each row, from its log-probabilities and as many values; that of what is forbidden may be anything.
///
/// # Errors
/// Where the argument is no matrix, or the values are not as many.
pub fn expectation(log_probabilities: &Tensor, values: &[f32]) -> Result<Tensor> {
    log_probabilities.contiguous()?.apply_op1(Expectation(values.into()))
}

struct Expectation(Arc<[f32]>);

/// p v, and 0 where nothing has the probability.
#[inline(always)]
fn share(log_probability: f32, value: f32) -> f32 {
    if log_probability == FORBIDDEN { 0.0 } else { math::exp(log_probability) * value }
}

impl CustomOp1 for Expectation {
    fn name(&self) -> &'static str {
        "expectation"
    }

    fn cpu_fwd(&self, log_probabilities: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, actions) = layout.shape().dims2()?;
        let all = values(log_probabilities, layout)?;
        if all.len() != self.0.len() {
            bail!("{} values are given for {} log-probabilities", self.0.len(), all.len());
        }
        let of_row = |(logs, values): (&[f32], &[f32])| {
            logs.iter().zip(values).fold(0.0, |sum, (log, value)| sum + share(*log, *value))
        };
        let rows_of = all.chunks_exact(actions).zip(self.0.chunks_exact(actions));
        Ok((CpuStorage::F32(rows_of.map(of_row).collect()), rows.into()))
    }

    /// p v for each log-probability.
    fn bwd(&self, log_probabilities: &Tensor, _result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (mut all, gradients) = (dense(log_probabilities)?, dense(gradient)?);
        let (_, actions) = log_probabilities.dims2()?;
        let rows = all.chunks_exact_mut(actions).zip(self.0.chunks_exact(actions));
        for ((row, values), gradient) in rows.zip(gradients) {
            row.iter_mut().zip(values).for_each(|(log, value)| *log = gradient * share(*log, *value));
        }
        Ok(Some(like(log_probabilities.shape(), all)?))
    }
}

fn dense(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1::<f32>()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_gradients, drawn};
    use super::*;

    fn mask() -> Mask {
        let mut allowed = ActionBits::all(3, 70);
        (1..68).for_each(|action| allowed.forbid(1, action));
        (1..70).for_each(|action| allowed.forbid(2, action));
        Mask::of(&allowed)
    }

    #[test]
    fn nothing_forbidden_equals_candle() {
        let logits = drawn(&[2, 5], 1);
        let mask = Mask::of(&ActionBits::all(2, 5));
        let (ours, theirs) = (log_softmax(&logits, &mask).unwrap(), candle_nn::ops::log_softmax(&logits, 1).unwrap());
        let gap = (ours - theirs).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(gap < 1e-6);
    }

    #[test]
    fn what_is_forbidden_has_no_probability_no_gradient_and_no_say() {
        let logits = drawn(&[3, 70], 1);
        super::super::super::parameters::alter(&logits, |values| {
            values[70 + 5] = f32::INFINITY;
            values[70 + 6] = f32::NEG_INFINITY;
            values[70 + 7] = f32::NAN;
        });
        let laws = log_softmax(&logits, &mask()).unwrap();
        let law = laws.to_vec2::<f32>().unwrap();
        assert_eq!(law[1][5], FORBIDDEN);
        assert_eq!(law[2][0], 0.0);
        for row in &law {
            let total: f32 = row.iter().map(|log| probability(*log)).sum();
            assert!((total - 1.0).abs() < 1e-5);
        }
        let loss = (laws.sum_all().unwrap() + entropy(&laws).unwrap().sum_all().unwrap()).unwrap();
        let gradient = loss.backward().unwrap().get(&logits).unwrap().to_vec2::<f32>().unwrap();
        assert!(gradient.iter().flatten().all(|value| value.is_finite()));
        assert!(gradient[1][1..68].iter().all(|value| *value == 0.0) && gradient[1][68] != 0.0);
        assert_eq!(entropy(&laws).unwrap().to_vec1::<f32>().unwrap()[2], 0.0);
    }

    #[test]
    fn gradients_equal_differences() {
        let (logits, scale) = (drawn(&[2, 4], 1), drawn(&[2, 4], 2).as_detached_tensor());
        let mut allowed = ActionBits::all(2, 4);
        allowed.forbid(1, 2);
        let mask = Mask::of(&allowed);
        // Forbidden log-probabilities are constants: without weight here, lest differences drown in them.
        let weight = Tensor::from_vec(vec![1f32, 1., 1., 1., 1., 1., 0., 1.], (2, 4), scale.device()).unwrap();
        let scale = (scale * weight).unwrap();
        let of_logs = || (log_softmax(&logits, &mask).unwrap() * &scale).unwrap().sum_all().unwrap();
        assert_gradients(&[&logits], of_logs, 5e-3);
        let of_entropy = || entropy(&log_softmax(&logits, &mask).unwrap()).unwrap().sum_all().unwrap();
        assert_gradients(&[&logits], of_entropy, 5e-3);
        let values = [0.5, -1.0, 2.0, 0.25, 1.0, -0.5, f32::NAN, 2.0];
        let of_values = || expectation(&log_softmax(&logits, &mask).unwrap(), &values).unwrap().sum_all().unwrap();
        assert_gradients(&[&logits], of_values, 5e-3);
    }

    /// Even odds of 1 and 3, and of what is forbidden nothing.
    #[test]
    fn the_expected_value_of_a_fair_coin_is_its_mean() {
        let logits = Tensor::from_vec(vec![3f32, 9.0, 3.0], (1, 3), &candle_core::Device::Cpu).unwrap();
        let mut allowed = ActionBits::all(1, 3);
        allowed.forbid(0, 1);
        let laws = log_softmax(&logits, &Mask::of(&allowed)).unwrap();
        let mean = expectation(&laws, &[1.0, f32::INFINITY, 3.0]).unwrap().to_vec1::<f32>().unwrap()[0];
        assert!((mean - 2.0).abs() < 1e-6);
        assert!(expectation(&laws, &[1.0]).is_err());
    }

    #[test]
    fn a_fair_coin_has_the_entropy_of_one_bit() {
        let logits = Tensor::from_vec(vec![3f32, 3.0], (1, 2), &candle_core::Device::Cpu).unwrap();
        let laws = log_softmax(&logits, &Mask::of(&ActionBits::all(1, 2))).unwrap();
        assert!((entropy(&laws).unwrap().to_vec1::<f32>().unwrap()[0] - std::f32::consts::LN_2).abs() < 1e-6);
    }
}
