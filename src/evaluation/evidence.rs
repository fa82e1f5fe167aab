//! What a log says about a target policy, batch by batch: the input of every estimator.

use std::fmt;
use std::ops::Range;

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
    /// The factors of the actions.
    pub factors: bool,
    /// The probability of the logged action under the mixture of all logging policies.
    pub mixture: bool,
}

impl Needs {
    /// Propensities of the logged actions, and no more.
    pub const NOTHING: Self = Self { models: [false; 3], logging: false, factors: false, mixture: false };
    /// The logging policy's probability of every action.
    pub const LOGGING: Self = Self { logging: true, ..Self::NOTHING };
    /// The logging policy's probability of every action, and the factors of the actions.
    pub const FACTORS: Self = Self { factors: true, ..Self::LOGGING };
    /// The mixture of all logging policies.
    pub const MIXTURE: Self = Self { mixture: true, ..Self::NOTHING };

    /// One fit of the reward model.
    #[must_use]
    pub const fn model(fit: Fit) -> Self {
        let mut models = [false; 3];
        models[fit as usize] = true;
        Self { models, ..Self::NOTHING }
    }

    /// What either needs.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let models = std::array::from_fn(|fit| self.models[fit] || other.models[fit]);
        Self {
            models,
            logging: self.logging || other.logging,
            factors: self.factors || other.factors,
            mixture: self.mixture || other.mixture,
        }
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
    /// Only a saving of work. Whoever fills this leaves it empty; the [`Appraiser`](super::Appraiser) computes it once for
    /// all estimators.
    pub saved: Saved<'a>,
    /// The factors of the actions (such as channel, hour, offer, creative): `factors[action]` is one level per factor.
    /// Empty where the log does not name any.
    pub factors: &'a [Vec<u16>],
    /// Where several policies logged: the mean, by their shares of the rounds, of the probabilities that each of them
    /// would have given the logged action in this round's context.
    pub mixture: Option<&'a [f64]>,
}

/// By round, what follows from the rest of the [`Evidence`] and many estimators ask for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Saved<'a> {
    /// Importance weights.
    pub(super) weights: Option<&'a [f64]>,
    /// By [`Fit`], what the target earns by the model.
    pub(super) direct: [Option<&'a [f64]>; 3],
    /// By [`Fit`], what the logged action earns by the model.
    pub(super) logged: [Option<&'a [f64]>; 3],
}

impl<'a> Saved<'a> {
    fn part(&self, rounds: Range<usize>) -> Self {
        let part = |values: Option<&'a [f64]>| values.map(|values| &values[rounds.clone()]);
        Self { weights: part(self.weights), direct: self.direct.map(part), logged: self.logged.map(part) }
    }
}

impl<'a> Evidence<'a> {
    /// Number of rounds.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.actions.len()
    }

    /// The target's probability of every action in a round.
    #[must_use]
    #[inline]
    pub fn target_of(&self, round: usize) -> &'a [f64] {
        &self.target[round * self.action_count..][..self.action_count]
    }

    /// Importance weight of a round: the target's probability of the logged action over its propensity.
    #[must_use]
    #[inline]
    pub fn weight(&self, round: usize) -> f64 {
        if let Some(weights) = self.saved.weights {
            return weights[round];
        }
        self.target_of(round)[self.actions[round] as usize] / self.propensities[round]
    }

    /// With the propensities of the mixture of all logging policies, where it is known.
    #[must_use]
    pub fn by_mixture(&self) -> Self {
        let Some(propensities) = self.mixture else { return *self };
        // What was saved of weights is against the policy that logged the row.
        Self { propensities, saved: Saved { weights: None, ..self.saved }, ..*self }
    }

    /// Some of the rounds.
    #[must_use]
    pub fn part(&self, rounds: Range<usize>) -> Self {
        let cells = rounds.start * self.action_count..rounds.end * self.action_count;
        Self {
            action_count: self.action_count,
            actions: &self.actions[rounds.clone()],
            rewards: &self.rewards[rounds.clone()],
            propensities: &self.propensities[rounds.clone()],
            target: &self.target[cells.clone()],
            logging: self.logging.map(|table| &table[cells.clone()]),
            models: self.models.map(|model| model.map(|table| &table[cells.clone()])),
            saved: self.saved.part(rounds.clone()),
            factors: self.factors,
            mixture: self.mixture.map(|mixture| &mixture[rounds]),
        }
    }

    /// Whether it has what is needed.
    ///
    /// # Errors
    /// The first thing that it lacks.
    pub fn covers(&self, needs: Needs) -> Result<(), MissingEvidence> {
        for fit in Fit::ALL {
            if needs.models[fit as usize] {
                self.model(fit)?;
            }
        }
        if needs.logging {
            self.logging()?;
        }
        if needs.factors && self.factors.len() != self.action_count {
            return Err(MissingEvidence::Factors);
        }
        if needs.mixture {
            self.mixture()?;
        }
        Ok(())
    }

    /// The probability of the logged action under the mixture of all logging policies.
    ///
    /// # Errors
    /// Where nobody said who logged which round.
    pub fn mixture(&self) -> Result<&'a [f64], MissingEvidence> {
        self.mixture.ok_or(MissingEvidence::Mixture)
    }

    /// What the target earns by the model, by round.
    ///
    /// # Errors
    /// Where no such model was fitted.
    pub fn direct(&self, fit: Fit) -> Result<impl Iterator<Item = f64> + use<'a>, MissingEvidence> {
        let model = self.model(fit)?;
        let (direct, evidence) = (self.saved.direct[fit as usize], *self);
        Ok((0..self.rounds()).map(move |round| match direct {
            Some(values) => values[round],
            None => model.under(round, evidence.target_of(round)),
        }))
    }

    /// What the logged action earns by the model, by round.
    ///
    /// # Errors
    /// Where no such model was fitted.
    pub fn logged(&self, fit: Fit) -> Result<impl Iterator<Item = f64> + use<'a>, MissingEvidence> {
        let model = self.model(fit)?;
        let (logged, actions) = (self.saved.logged[fit as usize], self.actions);
        Ok((0..self.rounds()).map(move |round| match logged {
            Some(values) => values[round],
            None => model.of(round, actions[round]),
        }))
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
    #[inline]
    pub fn of(&self, round: usize, action: u32) -> f64 {
        self.table[round * self.action_count + action as usize]
    }

    /// Of a law over the actions.
    #[must_use]
    pub fn under(&self, round: usize, law: &[f64]) -> f64 {
        expectation(&self.table[round * self.action_count..][..self.action_count], law)
    }
}

/// The mean of values under a law over them. Four sums side by side, so that the order of addition is stated and short.
#[inline(always)]
pub(super) fn expectation(values: &[f64], law: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (values, last_values) = values.as_chunks::<4>();
    let (law, last_law) = law.as_chunks::<4>();
    for (values, law) in values.iter().zip(law) {
        for lane in 0..4 {
            sums[lane] += values[lane] * law[lane];
        }
    }
    let rest: f64 = last_values.iter().zip(last_law).map(|(value, probability)| value * probability).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// What an estimator needs and the evidence lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingEvidence {
    /// A fit of the reward model.
    Model(Fit),
    /// The logging policy's probability of every action.
    Logging,
    /// The factors of the actions.
    Factors,
    /// Who logged which round.
    Mixture,
}

impl fmt::Display for MissingEvidence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(_) => formatter.write_str("it needs a reward model: add [reward_model]"),
            Self::Logging => formatter.write_str("it needs the logging policy's probability of every action"),
            Self::Factors => formatter.write_str("it needs the factors of the actions"),
            Self::Mixture => formatter.write_str("it needs a log of several policies that says which of them logged"),
        }
    }
}

impl std::error::Error for MissingEvidence {}
