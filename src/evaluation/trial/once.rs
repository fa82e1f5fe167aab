//! One test, carried out and read once.

use super::assignment::{Assignment, Randomised};
use super::lab::on_markets;
use super::lived::{Protocol, TrialError};
use super::measure::Outcome;
use super::question::Question;
use super::truth::{Truth, levels, truths};
use crate::evaluation::experiment::{Effect, Margin, Promise, SampleRatio, Unanalysable, sample_ratio};
use std::collections::BTreeMap;

/// A promise that no treated arm harms an outcome by more than a margin.
#[derive(Debug)]
pub struct Guard {
    /// How the outcome is read.
    pub question: Question,
    /// Which way is good, and the harm that is put up with.
    pub margin: Margin,
}

/// What became of a promise in one arm.
#[derive(Clone, Debug, PartialEq)]
pub struct Guarded {
    /// Which outcome.
    pub outcome: Outcome,
    /// Which way is good, and the harm that is put up with.
    pub margin: Margin,
    /// The treated arm.
    pub arm: usize,
    /// The interval of the effect; absent where the outcome could not be analysed.
    pub interval: Option<(f64, f64)>,
    /// Held, broken, or neither shown nor ruled out.
    pub promise: Promise,
}

/// What one question found.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The analysis.
    pub analysis: String,
    /// What was compared.
    pub outcome: Outcome,
    /// Per treated arm, or why it could not be analysed.
    pub effects: Result<Vec<Effect>, Unanalysable>,
}

/// One test as a team would see it, and the truth that they would not.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Consumers of each arm; of a switchback, periods.
    pub counts: Vec<usize>,
    /// Communities of each arm, where they were assigned.
    pub communities: Option<Vec<usize>>,
    /// The counts of what was randomised against the shares; absent of a switchback.
    pub ratio: Option<SampleRatio>,
    /// In the order of the questions.
    pub answers: Vec<Answer>,
    /// Per promise and treated arm.
    pub guards: Vec<Guarded>,
    /// The outcomes of the truth.
    pub outcomes: Vec<Outcome>,
    /// Per treated arm and outcome; the last of each arm is profit and future value together.
    pub truths: Vec<Vec<Truth>>,
}

impl Report {
    /// Whether every promise was kept: a test that cannot tell keeps none.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.guards.iter().all(|guarded| guarded.promise == Promise::Held)
    }
}

/// Carries the test out on the market of replication 0 and measures the truth on the first `truth_markets`.
///
/// # Errors
/// Where a policy chooses what the mask forbids, or the market has no communities to assign.
pub fn test_once(
    protocol: &Protocol<'_>,
    questions: &[Question],
    guards: &[Guard],
    alpha: f64,
    truth_markets: u32,
) -> Result<Report, TrialError> {
    let assignment = protocol.assignment(0)?;
    let lived = protocol.live(0, &[&assignment])?.pop().unwrap_or_default();
    let arms = protocol.policies.len();
    let ask = |question: &Question| match protocol.rows(&lived, &assignment, &question.outcome) {
        Some(rows) => question.ask(&rows, arms, alpha),
        None => Err(Unanalysable::Missing("count by consumer, which this market does not keep")),
    };
    let answers: Vec<Answer> = questions
        .iter()
        .map(|question| Answer { analysis: question.name.clone(), outcome: question.outcome, effects: ask(question) })
        .collect();
    let mut guarded = Vec::new();
    for Guard { question, margin } in guards {
        let rows = protocol.rows(&lived, &assignment, &question.outcome).unwrap_or_default();
        let effects = question.ask(&rows, arms, alpha).unwrap_or_default();
        let sample = rows.sample(arms);
        for arm in 1..arms {
            let effect = effects.get(arm - 1);
            guarded.push(Guarded {
                outcome: question.outcome,
                margin: *margin,
                arm,
                interval: effect.map(|effect| (effect.low, effect.high)),
                promise: effect.map_or(Promise::Unproven, |effect| margin.judge(effect, &sample)),
            });
        }
    }
    let mut outcomes: Vec<Outcome> = questions.iter().map(|question| question.outcome).collect();
    outcomes.dedup();
    let whole = on_markets(protocol, truth_markets, |market| Ok(levels(&protocol.live_whole(market)?, &outcomes)))?;
    let truths = if whole.is_empty() { Vec::new() } else { truths(&whole, arms, outcomes.len() + 1) };
    let (counts, communities) = protocol.counts(&assignment);
    let ratio = protocol.sample_ratio(&assignment);
    Ok(Report { counts, communities, ratio, answers, guards: guarded, outcomes, truths })
}

impl Protocol<'_> {
    /// The counts of what was randomised against the shares: consumers, or communities; `None` of periods, which
    /// alternate by construction.
    #[must_use]
    pub fn sample_ratio(&self, assignment: &Assignment) -> Option<SampleRatio> {
        if matches!(self.randomised, Randomised::Period { .. }) {
            return None;
        }
        let (counts, communities) = self.counts(assignment);
        Some(sample_ratio(&communities.unwrap_or(counts), self.shares))
    }

    /// Consumers (of a switchback, periods) and communities of each arm.
    fn counts(&self, assignment: &Assignment) -> (Vec<usize>, Option<Vec<usize>>) {
        let mut counts = vec![0; self.policies.len()];
        for arm in assignment.by_consumer().iter().chain(assignment.by_period()) {
            counts[usize::from(*arm)] += 1;
        }
        let communities = assignment.communities().map(|communities| {
            let pairs = communities.iter().zip(assignment.by_consumer());
            let of: BTreeMap<u32, u8> = pairs.map(|(one, arm)| (*one, *arm)).collect();
            let mut counts = vec![0; self.policies.len()];
            of.values().for_each(|arm| counts[usize::from(*arm)] += 1);
            counts
        });
        (counts, communities)
    }
}
