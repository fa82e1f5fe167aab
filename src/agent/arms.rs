//! What is known of each action where no feature is looked at: how often it was tried and what it earned.
//!
//! `flat` keeps one arm per action. `factored` keeps one arm per level of each factor (channel, hour, offer, creative)
//! and one for no contact, and adds the levels up: 361 actions of 4 × 6 × 5 × 3 levels are 19 arms. `auto` is flat for at
//! most 32 actions, else factored.
//!
//! Differences of `factored` from the papers of the agents that use it:
//! 1. An action is worth the mean of all contacts plus, for each factor, the mean of its level less that of all
//!    contacts. This is exact where factors act additively and the other levels are spread alike over the levels of a
//!    factor; interactions of factors are not seen.
//! 2. The widths of the levels are combined as the root of the sum of their squares, as if their errors were
//!    independent. With one factor both are what `flat` does, bit for bit.

use crate::protocol::{Diverged, Metrics, Spec, Transitions};
use crate::registry::{Parameter, Range, Refusal, Values};
use serde::{Deserialize, Serialize};

/// The key that chooses the arms.
pub(super) const MODEL: Parameter = Parameter::choice(
    "model",
    "auto",
    &["auto", "flat", "factored"],
    "flat: one arm per action; factored: one per level of each factor, added up; auto: flat for at most 32 actions",
);

/// Most actions for which `auto` gives each an arm of its own.
const FLAT_ACTIONS_MAX: usize = 32;

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
        let is_factored = match values.text(MODEL.name) {
            "auto" => spec.actions.len() > FLAT_ACTIONS_MAX,
            model => model == "factored",
        };
        let parts: Vec<Vec<u16>> = if is_factored {
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

    /// Learns from all rows, in order, their rewards passed through `clip`.
    ///
    /// # Errors
    /// Where a reward is not finite; nothing is learned then.
    pub fn learn(
        &mut self,
        agent: &str,
        batch: &Transitions<'_>,
        mut clip: impl FnMut(f64) -> f64,
    ) -> Result<(), Diverged> {
        if !batch.rewards.iter().all(|reward| reward.is_finite()) {
            return Err(Diverged { agent: agent.to_owned(), quantity: "reward".to_owned() });
        }
        for (&action, &reward) in batch.actions.iter().zip(batch.rewards) {
            let value = clip(f64::from(reward));
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
    use super::super::contact;
    use super::*;
    use crate::protocol::{Action, Observation};
    use crate::registry::Value;
    use crate::units::Money;

    /// The same with a declared range of rewards.
    pub(in crate::agent) fn declared(values: Values, low: f64, high: f64) -> Values {
        values.with("reward_low", Value::Number(low)).with("reward_high", Value::Number(high))
    }

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

    #[test]
    fn auto_has_an_arm_per_action_up_to_32_actions() {
        use super::super::index_bandit::tests::flat;
        let arms = |spec: &Spec| Arms::new(&Values::defaults(&[MODEL]), spec).arms().len();
        assert_eq!(arms(&contact::tests::market()), 6);
        // Four factors of 3 levels: 82 actions are 13 arms.
        let mut spec = contact::tests::market();
        spec.actions.actions.truncate(1);
        for factor in &mut spec.actions.factors {
            factor.levels = vec!["a".into(), "b".into(), "c".into()];
        }
        for index in 0..81_u16 {
            let levels = Some(vec![index / 27, index / 9 % 3, index / 3 % 3, index % 3]);
            spec.actions.actions.push(Action { name: index.to_string(), levels, cost: Money::ZERO });
        }
        assert_eq!(arms(&spec), 13);
        spec.actions.actions.truncate(32);
        assert_eq!(arms(&spec), 32);
        assert_eq!(arms(&flat(40)), 41);
    }
}
