//! One test, carried out and read once.

use super::lab::RATIO_ALARM;
use super::lived::{Protocol, TrialError};
use super::measure::Outcome;
use super::question::Question;
use super::truth::{Truth, levels, truths};
use crate::evaluation::Limit;
use crate::evaluation::experiment::{Effect, Unanalysable};
use rayon::prelude::*;

/// A promise about what a treated arm may do to an outcome, kept where the whole interval of the effect is on the right
/// side: a test that cannot tell keeps no promise.
#[derive(Clone, Debug, PartialEq)]
pub struct Promise {
    /// Which outcome; it is read by Welch's test, by `clustered` where communities were assigned, by `switchback` where periods were.
    pub outcome: Outcome,
    /// What the difference to the control may be at most, or at least.
    pub limit: Limit,
}

/// What became of a promise.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Which.
    pub promise: Promise,
    /// The treated arm.
    pub arm: usize,
    /// The interval of the effect; absent where the outcome could not be analysed.
    pub interval: Option<(f64, f64)>,
    /// Whether the interval is on the right side of the limit; false where there is none.
    pub held: bool,
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
    pub counts: Vec<u64>,
    /// Communities of each arm, where they were assigned.
    pub communities: Option<Vec<u64>>,
    /// The p value of the counts against the shares; absent of a switchback.
    pub ratio_p_value: Option<f64>,
    /// In the order of the questions.
    pub answers: Vec<Answer>,
    /// Per promise and treated arm.
    pub promises: Vec<Kept>,
    /// The outcomes of the truth.
    pub outcomes: Vec<Outcome>,
    /// Per treated arm and outcome; the last of each arm is profit and future value together.
    pub truths: Vec<Vec<Truth>>,
}

impl Report {
    /// Whether the counts fit the shares.
    #[must_use]
    pub fn ratio_holds(&self) -> bool {
        self.ratio_p_value.is_none_or(|p_value| p_value >= RATIO_ALARM)
    }

    /// Whether every promise was kept.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.promises.iter().all(|kept| kept.held)
    }
}

/// Carries the test out on the market of replication 0 and measures the truth on the first `truth_markets`.
///
/// # Errors
/// Where a policy chooses what the mask forbids, or the market has no communities to assign.
pub fn test_once(
    protocol: &Protocol<'_>,
    questions: &[Question],
    promises: &[(Promise, Question)],
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
        .map(|question| Answer {
            analysis: question.name.clone(),
            outcome: question.outcome,
            effects: ask(question),
        })
        .collect();
    let mut kept = Vec::new();
    for (promise, question) in promises {
        let effects = ask(question).unwrap_or_default();
        for arm in 1..arms {
            let interval = effects.get(arm - 1).map(|effect| (effect.low, effect.high));
            let held = interval.is_some_and(|(low, high)| match promise.limit {
                Limit::Max(most) => high <= most,
                Limit::Min(least) => low >= least,
            });
            kept.push(Kept { promise: promise.clone(), arm, interval, held });
        }
    }
    let mut outcomes: Vec<Outcome> = questions.iter().map(|question| question.outcome).collect();
    outcomes.dedup();
    let whole: Vec<Result<Vec<Vec<f64>>, TrialError>> = (0..truth_markets)
        .into_par_iter()
        .map(|market| Ok(levels(&protocol.live_whole(market)?, &outcomes)))
        .collect();
    let whole = whole.into_iter().collect::<Result<Vec<_>, TrialError>>()?;
    let truths = if whole.is_empty() { Vec::new() } else { truths(&whole, arms, outcomes.len() + 1) };
    let (counts, communities) = protocol.counts(&assignment);
    let ratio_p_value = protocol.ratio_p_value(&assignment);
    Ok(Report { counts, communities, ratio_p_value, answers, promises: kept, outcomes, truths })
}

impl Protocol<'_> {
    /// Consumers (of a switchback, periods) and communities of each arm.
    fn counts(&self, assignment: &super::Assignment) -> (Vec<u64>, Option<Vec<u64>>) {
        let mut counts = vec![0; self.policies.len()];
        for arm in assignment.by_consumer().iter().chain(assignment.by_period()) {
            counts[usize::from(*arm)] += 1;
        }
        let communities = assignment.communities().map(|communities| {
            let pairs = communities.iter().zip(assignment.by_consumer());
            let of: std::collections::BTreeMap<u32, u8> = pairs.map(|(one, arm)| (*one, *arm)).collect();
            let mut counts = vec![0; self.policies.len()];
            of.values().for_each(|arm| counts[usize::from(*arm)] += 1);
            counts
        });
        (counts, communities)
    }
}
