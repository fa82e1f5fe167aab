//! Replay: the rounds in which the target would have done what was done.

use super::{Build, Estimator, Family, Terms};
use crate::evaluation::evidence::{Evidence, MissingEvidence, Needs};
use crate::registry::Entry;

/// The entry of `replay`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "replay",
    summary: "replay: the mean reward of the rounds where the target agrees with the log",
    source: "Li, Chu, Langford and Wang 2011",
    parameters: &[],
    build: |_| Ok(Family::of(Replay)),
};

/// `sum(pi(a|x) r) / sum(pi(a|x))`: the mean reward of the rounds where a draw of the target equals the logged action.
///
/// Right where the logging policy chose uniformly. Anything else biases it towards what the log did often, since no weight
/// makes up for it: it is the plain matching that people do by hand, and stands here beside [`snips`](super::snips) to
/// show what that is worth.
///
/// Differences from the source: 1. The source draws the target's action and keeps the rounds that match; here each round
/// counts with the probability that it matches, which is the limit of many such draws and has no luck of its own.
/// 2. The source's target learns while it replays; ours is fixed.
#[derive(Debug)]
struct Replay;

impl Estimator for Replay {
    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        for round in 0..evidence.rounds() {
            let agreement = evidence.target_of(round)[evidence.actions[round] as usize];
            terms.numerator.push(agreement * evidence.rewards[round]);
            terms.denominator.push(agreement);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::EightRounds;

    #[test]
    fn the_eight_rounds_agree_in_part() {
        // (0.6 + 0.8 + 0.1) / (0.2 + 0.6 + 0.2 + 0.6 + 0.1 + 0.8 + 0.1 + 0.8).
        assert!((EightRounds::new().value(&Replay) - 1.5 / 3.4).abs() < 1e-12);
    }

    #[test]
    fn a_target_of_one_action_is_worth_the_rounds_with_it() {
        let mut rounds = EightRounds::new();
        rounds.target = [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].iter().flat_map(|law| law.repeat(4)).collect();
        // Rounds 1 and 3 earned 1 and 0; rounds 5 and 7 earned 1 and 0.
        assert!((rounds.value(&Replay) - 0.5).abs() < 1e-12);
    }
}
