//! What is known of each action where no feature is looked at: how often it was tried and what it earned.
//!
//! `flat` keeps one arm per action. `factored` keeps one arm per level of each factor (channel, hour, offer, creative)
//! and one for no contact, and adds the levels up: 361 actions of 4 × 6 × 5 × 3 levels are 19 arms.
//!
//! Differences of `factored` from the papers of the agents that use it:
//! 1. An action is worth the mean of all contacts plus, for each factor, the mean of its level less that of all
//!    contacts. This is exact where factors act additively and the other levels are spread alike over the levels of a
//!    factor; interactions of factors are not seen.
//! 2. The widths of the levels are combined as the root of the sum of their squares, as if their errors were
//!    independent. With one factor both are what `flat` does, bit for bit.

use crate::protocol::{Diverged, Spec, Transitions};
use crate::registry::{Parameter, Range, Refusal, Values};
use serde::{Deserialize, Serialize};

/// The key that chooses the arms.
pub(super) const MODEL: Parameter = Parameter::choice(
    "model",
    "flat",
    &["flat", "factored"],
    "flat: one arm per action; factored: one per level of each factor, added up, for large action spaces",
);

/// Lower end of the declared rewards.
pub(super) const REWARD_LOW: Parameter =
    Parameter::number("reward_low", 0.0, Range::ANY, "lowest reward; rewards are rescaled to [0, 1] by both ends");

/// Upper end of the declared rewards.
pub(super) const REWARD_HIGH: Parameter =
    Parameter::number("reward_high", 1.0, Range::ANY, "highest reward; rewards are rescaled to [0, 1] by both ends");

/// Number, mean and spread of some values, updated one by one (Welford 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// How many.
    pub count: u64,
    /// Their mean; 0 where there are none.
    pub mean: f64,
    /// Sum of squared distances from the mean.
    pub squares: f64,
}

impl Moments {
    /// Takes in one more value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let distance = value - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (value - self.mean);
    }
}

/// The arms of an action space and what each has earned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arms {
    /// The arms that each action is made of: itself, or one level per factor.
    parts: Vec<Vec<u16>>,
    arms: Vec<Moments>,
    contacts: Moments,
    rounds: u64,
}

impl Arms {
    /// Arms as `model` says, none tried yet.
    #[must_use]
    pub fn new(values: &Values, spec: &Spec) -> Self {
        let parts: Vec<Vec<u16>> = if values.text(MODEL.name) == "factored" {
            let mut first_arms = Vec::new();
            let mut next = 1;
            for factor in &spec.actions.factors {
                first_arms.push(next);
                next += factor.levels.len() as u16;
            }
            let of_levels =
                |levels: &Vec<u16>| levels.iter().zip(&first_arms).map(|(level, first)| first + level).collect();
            spec.actions
                .actions
                .iter()
                .map(|action| action.levels.as_ref().map_or_else(|| vec![0], of_levels))
                .collect()
        } else {
            (0..spec.actions.len() as u16).map(|action| vec![action]).collect()
        };
        let count = parts.iter().flatten().max().map_or(0, |arm| usize::from(*arm) + 1);
        Self { parts, arms: vec![Moments::default(); count], contacts: Moments::default(), rounds: 0 }
    }

    /// Number of actions.
    #[must_use]
    pub fn actions(&self) -> usize {
        self.parts.len()
    }

    /// What is known of each arm.
    #[must_use]
    pub fn arms(&self) -> &[Moments] {
        &self.arms
    }

    /// Number of decisions learned from.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.rounds
    }

    /// Learns from all rows, in order, their rewards passed through `rescale`.
    ///
    /// # Errors
    /// Where a reward is not finite; nothing is learned then.
    pub fn learn(
        &mut self,
        agent: &str,
        batch: &Transitions<'_>,
        mut rescale: impl FnMut(f64) -> f64,
    ) -> Result<(), Diverged> {
        if !batch.rewards.iter().all(|reward| reward.is_finite()) {
            return Err(Diverged { agent: agent.to_owned(), quantity: "reward".to_owned() });
        }
        for (&action, &reward) in batch.actions.iter().zip(batch.rewards) {
            let value = rescale(f64::from(reward));
            self.rounds += 1;
            if action != 0 {
                self.contacts.add(value);
            }
            for &arm in &self.parts[usize::from(action)] {
                self.arms[usize::from(arm)].add(value);
            }
        }
        Ok(())
    }

    /// Whether every part of the action has been tried.
    #[must_use]
    pub fn is_tried(&self, action: usize) -> bool {
        self.parts[action].iter().all(|arm| self.arms[usize::from(*arm)].count > 0)
    }

    /// The value of an action whose arms have these values.
    #[inline]
    #[must_use]
    pub fn combine(&self, action: usize, of_arm: &[f64]) -> f64 {
        match self.parts[action].as_slice() {
            [arm] => of_arm[usize::from(*arm)],
            arms => {
                let common = self.contacts.mean;
                arms.iter().fold(common, |sum, arm| sum + (of_arm[usize::from(*arm)] - common))
            }
        }
    }

    /// The width of an action whose arms have these widths.
    #[inline]
    #[must_use]
    pub fn combine_widths(&self, action: usize, of_arm: &[f64]) -> f64 {
        match self.parts[action].as_slice() {
            [arm] => of_arm[usize::from(*arm)],
            arms => arms.iter().map(|arm| of_arm[usize::from(*arm)]).map(|width| width * width).sum::<f64>().sqrt(),
        }
    }
}

/// The declared interval of rewards.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RewardRange {
    low: f64,
    width: f64,
}

impl RewardRange {
    /// From `reward_low` and `reward_high`.
    ///
    /// # Errors
    /// Where the interval is empty.
    pub fn new(values: &Values) -> Result<Self, Refusal> {
        let (low, high) = (values.number(REWARD_LOW.name), values.number(REWARD_HIGH.name));
        let width = high - low;
        if width > 0.0 && width.is_finite() {
            return Ok(Self { low, width });
        }
        let message = format!("`reward_high = {high}` is not above `reward_low = {low}`");
        Err(Refusal::new(values, REWARD_HIGH.name, message, "give the lowest and the highest reward of one decision"))
    }

    /// The reward on the scale where the interval is [0, 1].
    #[inline]
    #[must_use]
    pub fn rescale(&self, reward: f64) -> f64 {
        (reward - self.low) / self.width
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::contact;
    use super::*;
    use crate::protocol::Observation;
    use crate::registry::Value;

    /// Lets `learn` see these actions and rewards, as if each had been certain.
    pub(in crate::agent) fn experience<T>(
        actions: &[u16],
        rewards: &[f32],
        learn: impl FnOnce(&Transitions<'_>) -> T,
    ) -> T {
        let observation = Observation { consumer_ids: (0..actions.len() as u32).collect(), ..Observation::default() };
        let propensities = vec![1.0; actions.len()];
        learn(&Transitions { observation: &observation, actions, propensities: &propensities, rewards })
    }

    fn market_arms(model: &str) -> Arms {
        Arms::new(&Values::default().with("model", Value::Text(model.into())), &contact::tests::market())
    }

    #[test]
    fn moments_are_those_of_the_textbook() {
        let mut moments = Moments::default();
        for value in [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0] {
            moments.add(value);
        }
        assert_eq!((moments.count, moments.mean), (8, 5.0));
        assert!((moments.squares - 32.0).abs() < 1e-12);
    }

    #[test]
    fn additive_rewards_are_found_by_levels_that_never_met() {
        // Every contact but the last is tried once; reward = channel + hour + offer effects, design balanced.
        let mut arms = market_arms("factored");
        assert_eq!(arms.arms().len(), 1 + 2 + 2 + 2 + 1);
        let rewards = [0.0, 1.0, 2.0, 3.0, 4.0];
        experience(&[0, 1, 2, 3, 4], &rewards, |batch| arms.learn("x", batch, |reward| reward)).unwrap();
        let means: Vec<f64> = arms.arms().iter().map(|moments| moments.mean).collect();
        for (action, reward) in rewards.into_iter().enumerate() {
            assert!((arms.combine(action, &means) - f64::from(reward)).abs() < 1e-12, "{action}");
        }
        assert!(arms.is_tried(4) && !arms.is_tried(5), "push was never sent");
        assert!((arms.combine_widths(1, &[9.0, 3.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0]) - 5.0).abs() < 1e-12);
    }

    #[test]
    fn a_reward_that_is_not_finite_teaches_nothing() {
        let mut arms = market_arms("flat");
        let before = arms.clone();
        let result = experience(&[1, 2], &[1.0, f32::NAN], |batch| arms.learn("x", batch, |reward| reward));
        assert_eq!(result, Err(Diverged { agent: "x".into(), quantity: "reward".into() }));
        assert_eq!(arms, before);
    }

    #[test]
    fn an_empty_range_is_refused() {
        let values = Values::defaults(&[REWARD_LOW, REWARD_HIGH]);
        assert_eq!(RewardRange::new(&values).unwrap().rescale(0.25), 0.25);
        let refusal = RewardRange::new(&values.with("reward_low", Value::Number(1.0))).unwrap_err();
        assert_eq!(refusal.key, "reward_high");
    }
}
