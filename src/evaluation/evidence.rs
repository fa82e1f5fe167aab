//! What a log says about a target policy, batch by batch: the input of every estimator.

use std::fmt;

/// Which fit of the reward model an estimator reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// On all rounds.
    Plain,
    /// On the folds that the round is not in.
    CrossFitted,
    /// On all rounds, weighted so that the variance of the doubly robust estimate is least (Farajtabar et al. 2018).
    MoreRobust,
}

impl Fit {
    /// All fits.
    pub const ALL: [Self; 3] = [Self::Plain, Self::CrossFitted, Self::MoreRobust];
}

/// What an estimator cannot do without; whatever nobody needs is not computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Reward models, by [`Fit`].
    pub models: [bool; 3],
    /// The logging policy's probability of every action.
    pub logging: bool,
}

impl Needs {
    /// Propensities of the logged actions, and no more.
    pub const NOTHING: Self = Self { models: [false; 3], logging: false };

    /// One fit of the reward model.
    #[must_use]
    pub const fn model(fit: Fit) -> Self {
        let mut models = [false; 3];
        models[fit as usize] = true;
        Self { models, logging: false }
    }

    /// What either needs.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let models = std::array::from_fn(|fit| self.models[fit] || other.models[fit]);
        Self { models, logging: self.logging || other.logging }
    }
}

/// A batch of logged rounds beside what the target policy would have done in them.
///
/// Tables are row-major, `rounds × actions`. Whoever fills this has checked it: propensities in (0, 1], finite rewards,
/// target rows that sum to 1, no target mass where the log says that the logging policy had none.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Number of actions.
    pub action_count: usize,
    /// Logged action of each round.
    pub actions: &'a [u32],
    /// Its reward.
    pub rewards: &'a [f64],
    /// The probability with which the logging policy chose it.
    pub propensities: &'a [f64],
    /// The target policy's probability of every action.
    pub target: &'a [f64],
    /// The logging policy's probability of every action, where the log carries it.
    pub logging: Option<&'a [f64]>,
    /// Expected reward of every action, by [`Fit`].
    pub models: [Option<&'a [f64]>; 3],
    /// The factors of the actions (such as channel, hour, offer, creative): `factors[action]` is one level per factor.
    pub factors: &'a [Vec<u16>],
}

impl<'a> Evidence<'a> {
    /// Number of rounds.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.actions.len()
    }

    /// The target's probability of every action in a round.
    #[must_use]
    pub fn target_of(&self, round: usize) -> &'a [f64] {
        &self.target[round * self.action_count..][..self.action_count]
    }

    /// Importance weight of a round: the target's probability of the logged action over its propensity.
    #[must_use]
    pub fn weight(&self, round: usize) -> f64 {
        self.target_of(round)[self.actions[round] as usize] / self.propensities[round]
    }

    /// The modelled rewards, `rounds × actions`.
    ///
    /// # Errors
    /// Where no such model was fitted.
    pub fn model(&self, fit: Fit) -> Result<Modelled<'a>, MissingEvidence> {
        let table = self.models[fit as usize].ok_or(MissingEvidence::Model(fit))?;
        Ok(Modelled { table, action_count: self.action_count })
    }

    /// The logging policy's probability of every action, `rounds × actions`.
    ///
    /// # Errors
    /// Where the log does not carry it.
    pub fn logging(&self) -> Result<&'a [f64], MissingEvidence> {
        self.logging.ok_or(MissingEvidence::Logging)
    }
}

/// Expected reward of every action in every round of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Modelled<'a> {
    table: &'a [f64],
    action_count: usize,
}

impl Modelled<'_> {
    /// Of one action.
    #[must_use]
    pub fn of(&self, round: usize, action: u32) -> f64 {
        self.table[round * self.action_count + action as usize]
    }

    /// Of a law over the actions.
    #[must_use]
    pub fn under(&self, round: usize, law: &[f64]) -> f64 {
        let rewards = &self.table[round * self.action_count..][..self.action_count];
        rewards.iter().zip(law).map(|(reward, probability)| reward * probability).sum()
    }
}

/// What an estimator needs and the evidence lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingEvidence {
    /// A fit of the reward model.
    Model(Fit),
    /// The logging policy's probability of every action.
    Logging,
}

impl fmt::Display for MissingEvidence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(_) => formatter.write_str("it needs a reward model: add [reward_model]"),
            Self::Logging => formatter.write_str("it needs the logging policy's probability of every action"),
        }
    }
}

impl std::error::Error for MissingEvidence {}
