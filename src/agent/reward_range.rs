//! The interval that rewards lie in, for agents whose bounds and posteriors need one.

use crate::protocol::Metrics;
use crate::registry::{Parameter, Range, Refusal, Values};
use serde::{Deserialize, Serialize};

/// Lower end of the declared rewards.
pub(super) const REWARD_LOW: Parameter = Parameter::optional_number(
    "reward_low",
    Range::ANY,
    "lowest reward, in currency; rewards are rescaled to [0, 1] by both ends; learned from the rewards if absent",
);

/// Upper end of the declared rewards.
pub(super) const REWARD_HIGH: Parameter = Parameter::optional_number(
    "reward_high",
    Range::ANY,
    "highest reward, in currency; rewards are rescaled to [0, 1] by both ends; learned from the rewards if absent",
);

/// The interval that rewards lie in: declared in the file, or learned end by end.
///
/// An end that is not declared is that of all rewards seen so far, widened by their spread / (n - 1) after n rewards: of
/// a uniform law that is the estimate of the end without bias, and of a law that reaches its ends it soon is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RewardRange {
    declared_low: Option<f64>,
    declared_high: Option<f64>,
    /// Number of rewards seen.
    seen: u64,
    /// Lowest reward seen; 0 before the first.
    lowest: f64,
    /// Highest reward seen; 0 before the first.
    highest: f64,
}

impl RewardRange {
    /// From `reward_low` and `reward_high`, where they are given.
    ///
    /// # Errors
    /// Where the declared interval is empty.
    pub fn new(values: &Values) -> Result<Self, Refusal> {
        let declared_low = values.optional_number(REWARD_LOW.name);
        let declared_high = values.optional_number(REWARD_HIGH.name);
        if let (Some(low), Some(high)) = (declared_low, declared_high) {
            let width = high - low;
            if !(width > 0.0 && width.is_finite()) {
                let message = format!("`reward_high = {high}` is not above `reward_low = {low}`");
                let help = "give the lowest and the highest reward of one decision, or leave both out to learn them";
                return Err(Refusal::new(values, REWARD_HIGH.name, message, help));
            }
        }
        Ok(Self { declared_low, declared_high, seen: 0, lowest: 0.0, highest: 0.0 })
    }

    /// Takes in rewards; all are finite.
    pub fn learn(&mut self, rewards: &[f32]) {
        for &reward in rewards {
            let reward = f64::from(reward);
            (self.lowest, self.highest) =
                if self.seen == 0 { (reward, reward) } else { (self.lowest.min(reward), self.highest.max(reward)) };
            self.seen += 1;
        }
    }

    /// Both ends.
    fn ends(&self) -> (f64, f64) {
        let spread = self.highest - self.lowest;
        let margin = spread / self.seen.saturating_sub(1).max(1) as f64;
        (self.declared_low.unwrap_or(self.lowest - margin), self.declared_high.unwrap_or(self.highest + margin))
    }

    /// Lower end and width; width 1 where all rewards are the same, which then are 0 on the scale of the interval.
    fn low_and_width(&self) -> (f64, f64) {
        let (low, high) = self.ends();
        (low, if high > low { high - low } else { 1.0 })
    }

    /// Whether the reward lies beyond an end that was declared.
    #[inline]
    #[must_use]
    pub fn is_outside(&self, reward: f64) -> bool {
        self.declared_low.is_some_and(|low| reward < low) || self.declared_high.is_some_and(|high| reward > high)
    }

    /// The reward, or the declared end that it lies beyond.
    #[inline]
    #[must_use]
    pub fn clip(&self, reward: f64) -> f64 {
        let raised = self.declared_low.map_or(reward, |low| reward.max(low));
        self.declared_high.map_or(raised, |high| raised.min(high))
    }

    /// The reward on the scale where the interval is [0, 1].
    #[inline]
    #[must_use]
    pub fn rescale(&self, reward: f64) -> f64 {
        let (low, width) = self.low_and_width();
        (reward - low) / width
    }

    /// What `rescale` was given.
    #[inline]
    #[must_use]
    pub fn restore(&self, value: f64) -> f64 {
        let (low, width) = self.low_and_width();
        low + width * value
    }

    /// What learning reports: `rewards_outside_range`, how many rewards of the step lay beyond a declared end, and
    /// `reward_low` and `reward_high`, in currency, for each end that is learned.
    #[must_use]
    pub fn metrics(&self, outside: u64) -> Metrics {
        let (low, high) = self.ends();
        let mut metrics = vec![("rewards_outside_range", outside as f64)];
        if self.declared_low.is_none() {
            metrics.push(("reward_low", low));
        }
        if self.declared_high.is_none() {
            metrics.push(("reward_high", high));
        }
        metrics
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::registry::Value;

    /// The same with a declared range of rewards.
    pub(in crate::agent) fn declared(values: Values, low: f64, high: f64) -> Values {
        values.with("reward_low", Value::Number(low)).with("reward_high", Value::Number(high))
    }

    #[test]
    fn an_empty_range_is_refused() {
        let range = |low: f64, high: f64| RewardRange::new(&declared(Values::defaults(&[]), low, high));
        assert_eq!(range(0.0, 1.0).unwrap().rescale(0.25), 0.25);
        assert_eq!(range(1.0, 1.0).unwrap_err().key, "reward_high");
        assert_eq!(range(-1e308, 1e308).unwrap_err().key, "reward_high");
    }

    #[test]
    fn ends_that_are_not_declared_are_learned() {
        let mut range = RewardRange::new(&Values::defaults(&[REWARD_LOW, REWARD_HIGH])).unwrap();
        assert_eq!(range.rescale(0.0), 0.0);
        range.learn(&[7.0]);
        assert_eq!((range.ends(), range.rescale(7.0)), ((7.0, 7.0), 0.0));
        range.learn(&[-5.0, 13.0, 0.0]);
        // Four rewards from -5 to 13: 18 / 3 more at either end.
        assert_eq!(range.ends(), (-11.0, 19.0));
        assert_eq!((range.rescale(4.0), range.restore(0.5)), (0.5, 4.0));
        assert!(!range.is_outside(1e9) && range.clip(1e9) == 1e9);
        let expected = [("rewards_outside_range", 0.0), ("reward_low", -11.0), ("reward_high", 19.0)];
        assert_eq!(range.metrics(0), expected);

        let half = Values::defaults(&[REWARD_LOW, REWARD_HIGH]).with("reward_low", Value::Number(0.0));
        let mut range = RewardRange::new(&half).unwrap();
        range.learn(&[-2.0, 4.0, 6.0]);
        assert_eq!((range.ends(), range.clip(-2.0), range.clip(50.0)), ((0.0, 10.0), 0.0, 50.0));
        assert!(range.is_outside(-2.0) && !range.is_outside(50.0));
    }
}
