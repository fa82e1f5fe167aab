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

use super::forgetting::{Fades, Memory};
use crate::protocol::{Diverged, Spec, Transitions};
use crate::registry::{Parameter, Values};
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

/// Number, mean and spread of some values, updated one by one (Welford 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// How many; a fraction where some have been forgotten.
    pub count: f64,
    /// Their mean; 0 where there are none.
    pub mean: f64,
    /// Sum of squared distances from the mean.
    pub squares: f64,
}

impl Moments {
    /// Takes in one more value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        let distance = value - self.mean;
        self.mean += distance / self.count;
        self.squares += distance * (value - self.mean);
    }

    /// Takes in what others have counted (Chan, Golub & LeVeque 1979).
    pub fn merge(&mut self, other: &Self) {
        if other.count > 0.0 {
            let count = self.count + other.count;
            let distance = other.mean - self.mean;
            self.mean += distance * other.count / count;
            self.squares += other.squares + distance * distance * self.count * other.count / count;
            self.count = count;
        }
    }

    /// Lets every value count for this share of what it did.
    pub fn scale(&mut self, share: f64) {
        self.count *= share;
        self.squares *= share;
    }
}

/// All that was learned, or what was learned in one tick.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Estimates {
    arms: Vec<Moments>,
    contacts: Moments,
    rounds: f64,
}

impl Estimates {
    fn new(arms: usize) -> Self {
        Self { arms: vec![Moments::default(); arms], ..Self::default() }
    }

    fn add(&mut self, action: u16, parts: &[u16], value: f64) {
        self.rounds += 1.0;
        if action != 0 {
            self.contacts.add(value);
        }
        for &arm in parts {
            self.arms[usize::from(arm)].add(value);
        }
    }
}

impl Fades for Estimates {
    fn cleared(&self) -> Self {
        Self::new(self.arms.len())
    }

    fn merge(&mut self, other: &Self) {
        self.arms.iter_mut().zip(&other.arms).for_each(|(arm, other)| arm.merge(other));
        self.contacts.merge(&other.contacts);
        self.rounds += other.rounds;
    }

    fn scale(&mut self, share: f64) {
        self.arms.iter_mut().for_each(|arm| arm.scale(share));
        self.contacts.scale(share);
        self.rounds *= share;
    }
}

/// The arms of an action space and what each has earned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arms {
    /// The arms that each action is made of: itself, or one level per factor.
    parts: Vec<Vec<u16>>,
    known: Estimates,
    memory: Memory<Estimates>,
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
        Self { parts, known: Estimates::new(count), memory: Memory::new(values) }
    }

    /// Number of actions.
    #[must_use]
    pub fn actions(&self) -> usize {
        self.parts.len()
    }

    /// What is known of each arm.
    #[must_use]
    pub fn arms(&self) -> &[Moments] {
        &self.known.arms
    }

    /// Number of decisions learned from and not forgotten.
    #[must_use]
    pub fn rounds(&self) -> f64 {
        self.known.rounds
    }

    /// Whether anything is ever forgotten.
    #[must_use]
    pub fn forgets(&self) -> bool {
        !matches!(self.memory, Memory::Everything)
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
        self.memory.pass_time(batch.observation.tick, &mut self.known);
        for (&action, &reward) in batch.actions.iter().zip(batch.rewards) {
            let value = clip(f64::from(reward));
            let parts = &self.parts[usize::from(action)];
            self.known.add(action, parts, value);
            if let Some(step) = self.memory.newest() {
                step.add(action, parts, value);
            }
        }
        Ok(())
    }

    /// Whether every part of the action has been tried.
    #[must_use]
    pub fn is_tried(&self, action: usize) -> bool {
        self.parts[action].iter().all(|arm| self.known.arms[usize::from(*arm)].count > 0.0)
    }

    /// The value of an action whose arms have these values.
    #[inline]
    #[must_use]
    pub fn combine(&self, action: usize, of_arm: &[f64]) -> f64 {
        match self.parts[action].as_slice() {
            [arm] => of_arm[usize::from(*arm)],
            arms => {
                let common = self.known.contacts.mean;
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

#[cfg(test)]
pub(super) mod tests {
    use super::super::contact;
    use super::*;
    use crate::protocol::{Action, Observation};
    use crate::registry::Value;
    use crate::units::Money;

    /// Lets `learn` see these actions and rewards, as if each had been certain.
    pub(in crate::agent) fn experience<T>(
        actions: &[u16],
        rewards: &[f32],
        learn: impl FnOnce(&Transitions<'_>) -> T,
    ) -> T {
        let observation = Observation { consumer_ids: (0..actions.len() as u32).collect(), ..Observation::default() };
        experience_at(&observation, actions, rewards, learn)
    }

    /// The same with what was seen.
    pub(in crate::agent) fn experience_at<T>(
        observation: &Observation,
        actions: &[u16],
        rewards: &[f32],
        learn: impl FnOnce(&Transitions<'_>) -> T,
    ) -> T {
        let propensities = vec![1.0; actions.len()];
        learn(&Transitions { observation, actions, propensities: &propensities, rewards, terminated: &[] })
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
        assert_eq!((moments.count, moments.mean), (8.0, 5.0));
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
