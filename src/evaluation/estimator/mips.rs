//! Inverse propensity scoring on what actions have in common.

use super::{Build, Estimator, Family, Member, Terms};
use crate::evaluation::evidence::{Evidence, MissingEvidence, Needs};
use crate::registry::{Entry, Kind, Parameter};
use std::collections::BTreeMap;

/// The entry of `mips`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "mips",
    summary: "marginalised inverse propensity scoring: weights of the actions' factors instead of the actions",
    source: "Saito and Joachims 2022",
    parameters: &[Parameter::of(
        "factors",
        Kind::Integers { default: None, minimum: 0, maximum: 15 },
        "the factors that weights are made of, from 0; a leading part is chosen from the data where it is not given",
    )],
    build: |values| {
        let given = values.integers("factors");
        if !given.is_empty() {
            let chosen = given.iter().map(|factor| *factor as usize).collect();
            return Ok(Family::of(Marginalised { factors: Factors::Chosen(chosen) }));
        }
        let member = |count: usize| Member {
            value: count as f64,
            estimator: Box::new(Marginalised { factors: Factors::Leading(count) }) as Box<dyn Estimator>,
        };
        Ok(Family { parameter: Some("leading_factors"), members: LEADING.iter().copied().map(member).collect() })
    },
};

/// How many leading factors may be chosen: all that a campaign has, then fewer.
const LEADING: &[usize] = &[16, 3, 2, 1];

/// `mean(w(x, e) r)` with `w(x, e)` the target's over the logging policy's probability of any action with the factors `e`
/// of the logged one: far smaller weights than those of single actions. Unbiased where the reward depends on the action
/// through these factors alone ("no direct effect") and the propensities are right; biased by what the left-out factors
/// do otherwise. With factors that tell all actions apart it is `ips`.
///
/// Difference from the source: its embeddings may be random given the action; ours are functions of it.
#[derive(Debug)]
struct Marginalised {
    factors: Factors,
}

#[derive(Debug)]
enum Factors {
    Leading(usize),
    Chosen(Vec<usize>),
}

impl Marginalised {
    /// By action, which actions share its factors: the lowest of them stands for all.
    fn groups(&self, factors: &[Vec<u16>]) -> Vec<usize> {
        let key = |levels: &Vec<u16>| -> Vec<Option<u16>> {
            match &self.factors {
                Factors::Leading(count) => levels.iter().take(*count).copied().map(Some).collect(),
                Factors::Chosen(chosen) => chosen.iter().map(|factor| levels.get(*factor).copied()).collect(),
            }
        };
        let mut first = BTreeMap::new();
        factors.iter().enumerate().map(|(action, levels)| *first.entry(key(levels)).or_insert(action)).collect()
    }
}

impl Estimator for Marginalised {
    fn needs(&self) -> Needs {
        Needs::FACTORS
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        let groups = self.groups(evidence.factors);
        let logging = evidence.logging()?.chunks_exact(evidence.action_count);
        for (round, logging) in logging.enumerate() {
            let group = groups[evidence.actions[round] as usize];
            let (mut over, mut under) = (0.0, 0.0);
            for (action, (target, logging)) in evidence.target_of(round).iter().zip(logging).enumerate() {
                let shares = f64::from(u8::from(groups[action] == group));
                over += shares * target;
                under += shares * logging;
            }
            terms.plain.push(over / under * evidence.rewards[round]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::EightRounds;

    #[test]
    fn factors_that_tell_all_actions_apart_give_inverse_propensity() {
        let mut rounds = EightRounds::new();
        rounds.factors = vec![vec![0, 0], vec![0, 1], vec![1, 0]];
        assert!((rounds.value(&Marginalised { factors: Factors::Leading(16) }) - 0.75).abs() < 1e-12);
        // The second factor puts actions 0 and 2 together. Rewarded: action 1 in context 0, 0.6 / 0.25; action 2 in
        // context 1, 0.9 / 0.5; action 0 there, the same.
        let value = (2.4 + 1.8 + 1.8) / 8.0;
        assert!((rounds.value(&Marginalised { factors: Factors::Chosen(vec![1]) }) - value).abs() < 1e-12);
    }

    #[test]
    fn actions_in_common_share_their_weight() {
        // Actions 1 and 2 are one: in context 0 0.8 / 0.5, in context 1 0.9 / 0.75 and, for action 0, 0.1 / 0.25.
        let value = (1.6 + 1.2 + 0.4) / 8.0;
        assert!((EightRounds::new().value(&Marginalised { factors: Factors::Leading(1) }) - value).abs() < 1e-12);
    }
}
