//! Optimism in the face of uncertainty: the action with the highest index, an estimate plus a width.
//!
//! [`super::ucb1`] and [`super::kl_ucb`] differ in the width alone. Common differences from their papers:
//! 1. Consumers of one tick are decided at once, so that they share the statistics, and rewards come when they have
//!    matured: the index is that of the last learning step.
//! 2. An untried allowed action comes before all others, but the papers' one-by-one order would give all rows of a
//!    batch the same action: each row draws one of its untried actions with equal chances. Everything else is certain.
//! 3. Actions differ from row to row by the mask: the best allowed action is taken.
//! 4. `model = "factored"` adds up levels of factors; see [`super::arms`].
//! 5. The papers know the range of rewards. Here an end of it that the file does not declare is that of the rewards seen
//!    so far, widened ([`RewardRange`]), so that choices do not depend on the scale of rewards. The bounds of the papers
//!    then hold only from when the range is known. [`RewardRange::metrics`] tells what is outside or learned.

use super::AgentBuild;
use super::arms::{Arms, Moments};
use super::pick;
use super::ranking::{Choice, Ranking};
use super::reward_range::RewardRange;
use crate::matrix::Matrix;
use crate::protocol::{Agent, Decision, Diverged, Metrics, Observation, Policy, Spec, Transitions, Views};
use crate::random::{Purpose, Seed};
use crate::registry::{Refusal, Values};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::io;
use std::sync::OnceLock;

/// How far above its mean an arm may lie.
pub trait Width: Clone + Debug + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// Name in the registry.
    const NAME: &'static str;
    /// Whether rewards outside the declared range are clipped to it (they are counted in any case).
    const CLIPS: bool;
    /// From the file.
    fn new(values: &Values) -> Self;
    /// The width of an arm that was tried `count` times, more than 0 (a fraction where some are forgotten), and earned `mean`, both on the scale where rewards
    /// lie in [0, 1], after this many rounds (the natural logarithm is given).
    fn width(&self, mean: f64, count: f64, log_rounds: f64) -> f64;
}

/// A bandit that follows the highest index.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct IndexBandit<W: Width> {
    width: W,
    range: RewardRange,
    arms: Arms,
    /// Follows from the rest. Made when first asked for, since many shards may teach before the next decision.
    #[serde(skip)]
    ranking: OnceLock<Ranking>,
}

impl<W: Width> IndexBandit<W> {
    /// How a registry makes it.
    pub(super) const BUILD: AgentBuild = AgentBuild {
        create: |values, spec| Ok(Box::new(Self::new(values, spec)?)),
        load: |from| Ok(Box::new(serde_json::from_reader::<_, Self>(from)?)),
    };

    /// A bandit that has learned nothing.
    ///
    /// # Errors
    /// Where the declared range of rewards is empty.
    pub fn new(values: &Values, spec: &Spec) -> Result<Self, Refusal> {
        let (width, range) = (W::new(values), RewardRange::new(values)?);
        Ok(Self { width, range, arms: Arms::new(values, spec), ranking: OnceLock::new() })
    }

    /// Index of every action, on the scale where rewards lie in [0, 1]; `None` for an untried one.
    #[must_use]
    pub fn indices(&self) -> Vec<Option<f64>> {
        let log_rounds = libm::log(self.arms.rounds().max(1.0));
        let means: Vec<f64> = self.arms.arms().iter().map(|arm| arm.mean).collect();
        let width = |arm: &Moments| {
            if arm.count > 0.0 { self.width.width(self.range.rescale(arm.mean), arm.count, log_rounds) } else { 0.0 }
        };
        let widths: Vec<f64> = self.arms.arms().iter().map(width).collect();
        let mean = |action| self.range.rescale(self.arms.combine(action, &means));
        let index = |action| mean(action) + self.arms.combine_widths(action, &widths);
        (0..self.arms.actions()).map(|action| self.arms.is_tried(action).then(|| index(action))).collect()
    }

    fn ranking(&self) -> &Ranking {
        self.ranking.get_or_init(|| Ranking::new(&self.indices()))
    }
}

impl<W: Width> Policy for IndexBandit<W> {
    fn views(&self) -> Views {
        Views::default()
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), observation.allowed.actions());
        let ranking = self.ranking();
        for row in 0..observation.rows() {
            let allowed = observation.allowed.row(row);
            match ranking.choose(allowed) {
                Choice::Best(action) => probabilities.set(row, usize::from(action), 1.0),
                Choice::Untried(count) => {
                    for (index, mut word) in ranking.untried(allowed).enumerate() {
                        while word != 0 {
                            let action = index * 64 + word.trailing_zeros() as usize;
                            probabilities.set(row, action, 1.0 / count as f32);
                            word &= word - 1;
                        }
                    }
                }
            }
        }
    }

    fn decide(&self, observation: &Observation, seed: Seed, decision: &mut Decision) {
        decision.reset(observation.rows());
        decision.probabilities.reset(0, 0);
        let ranking = self.ranking();
        for (row, &consumer) in observation.consumer_ids.iter().enumerate() {
            let allowed = observation.allowed.row(row);
            match ranking.choose(allowed) {
                Choice::Best(action) => decision.actions[row] = action,
                Choice::Untried(count) => {
                    let u = seed.uniforms(Purpose::Policy, consumer, observation.tick, 0)[0];
                    decision.actions[row] = pick::bit(ranking.untried(allowed), count, u);
                    decision.propensities[row] = 1.0 / count as f32;
                }
            }
        }
    }
}

impl<W: Width> Agent for IndexBandit<W> {
    fn learn(&mut self, batch: &Transitions<'_>, _seed: Seed) -> Result<Metrics, Diverged> {
        let range = self.range;
        let mut outside = 0_u64;
        self.arms.learn(W::NAME, batch, |reward| {
            outside += u64::from(range.is_outside(reward));
            if W::CLIPS { range.clip(reward) } else { reward }
        })?;
        self.range.learn(batch.rewards);
        self.ranking.take();
        Ok(self.range.metrics(outside))
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        // Made here once, not by each thread that decides.
        self.ranking();
        Box::new(self.clone())
    }

    fn save(&self, to: &mut dyn io::Write) -> io::Result<()> {
        Ok(serde_json::to_writer(to, self)?)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::arms::tests::experience;
    use super::super::contact;
    use super::*;
    use crate::protocol::{ActionBits, ActionSpace};

    /// A space of no contact and `contacts` flat actions.
    pub(in crate::agent) fn flat(contacts: usize) -> Spec {
        let names: Vec<String> = (0..contacts).map(|index| format!("arm{index}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Spec { actions: ActionSpace::flat("arm", "none", &names), ..contact::tests::market() }
    }

    /// Rows that allow everything.
    pub(in crate::agent) fn free(rows: u32, actions: usize, tick: u32) -> Observation {
        let allowed = ActionBits::all(rows as usize, actions);
        Observation { tick, consumer_ids: (0..rows).collect(), allowed, ..Observation::default() }
    }

    /// Pseudo-regret of an agent that plays round by round against Bernoulli arms of these means.
    pub(in crate::agent) fn regret(agent: &mut dyn Agent, means: &[f32], rounds: u32, seed: Seed) -> f64 {
        regret_in(|reward| reward, agent, means, rounds, seed)
    }

    /// The same, told by an agent that sees rewards in another currency.
    pub(in crate::agent) fn regret_in(
        currency: fn(f32) -> f32,
        agent: &mut dyn Agent,
        means: &[f32],
        rounds: u32,
        seed: Seed,
    ) -> f64 {
        let best = means.iter().copied().fold(0.0, f32::max);
        let mut decision = Decision::default();
        let mut observation = free(1, means.len(), 0);
        let mut regret = 0.0;
        for tick in 0..rounds {
            observation.tick = tick;
            agent.decide(&observation, seed, &mut decision);
            let mean = means[usize::from(decision.actions[0])];
            let reward = f32::from(u8::from(seed.uniforms(Purpose::Problem, 0, tick, 0)[0] < mean));
            experience(&decision.actions, &[currency(reward)], |batch| agent.learn(batch, seed)).unwrap();
            regret += f64::from(best - mean);
        }
        regret
    }

    /// The problem of the regret tests: ten arms, the sixth the best.
    pub(in crate::agent) const MEANS: [f32; 10] = [0.1, 0.2, 0.25, 0.3, 0.35, 0.8, 0.4, 0.45, 0.5, 0.55];
}
