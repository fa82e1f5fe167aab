//! The experiment lab: the same test on many markets, and how often each analysis of it is right.

use super::Assignment;
use super::lived::{Lived, Protocol, TrialError};
use super::measure::Outcome;
use super::question::Question;
use super::truth::{Truth, levels, truths};
use crate::evaluation::experiment::Effect;
use crate::statistics::mean_and_variance;
use rayon::prelude::*;

/// With more consumers than this, markets are lived one after the other, each on all threads: memory stays bounded by one
/// market and one copy. Never changes a result.
const SIDE_BY_SIDE_CONSUMERS: u32 = 20_000;

/// The same work on each of the first so many markets, in their order.
pub(super) fn on_markets<T: Send>(
    protocol: &Protocol<'_>,
    markets: u32,
    one: impl Fn(u32) -> Result<T, TrialError> + Sync + Send,
) -> Result<Vec<T>, TrialError> {
    let done: Vec<Result<T, TrialError>> = if protocol.world.spec().consumers <= SIDE_BY_SIDE_CONSUMERS {
        (0..markets).into_par_iter().map(one).collect()
    } else {
        (0..markets).map(one).collect()
    };
    done.into_iter().collect()
}

/// What is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repetition {
    /// Markets on which tests are carried out, 1 or more.
    pub tests: u32,
    /// Markets on which the truth is measured, the first ones; 0 where it is not asked for.
    pub truths: u32,
    /// Whether the arms of the file are tested against each other.
    pub between_arms: bool,
    /// Whether the control is tested against itself.
    pub between_equals: bool,
}

/// Which test an analysis was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Every arm has the policy of the control: whoever finds a difference is wrong.
    Equals,
    /// The arms of the file.
    Arms,
}

impl Kind {
    /// The word in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equals => "equal arms",
            Self::Arms => "the arms",
        }
    }
}

/// What one analysis told of one arm in one test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Told {
    effect: f64,
    low: f64,
    high: f64,
    /// What lay inside at every look.
    always: (f64, f64),
    is_rejected: bool,
}

impl From<&Effect> for Told {
    fn from(effect: &Effect) -> Self {
        Self {
            effect: effect.effect,
            low: effect.low,
            high: effect.high,
            always: effect.sequential.map_or((effect.low, effect.high), |seen| (seen.low, seen.high)),
            is_rejected: effect.is_rejected,
        }
    }
}

/// A share of tests with its Monte Carlo standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// From 0 to 1; not a number where no test counts.
    pub share: f64,
    /// `sqrt(share (1 - share) / tests)`; not a number of fewer than two tests, which tell nothing of it.
    pub standard_error: f64,
}

impl Rate {
    fn of(hits: usize, count: usize) -> Self {
        let share = known(count, 1, hits as f64 / count as f64);
        Self { share, standard_error: known(count, 2, (share * (1.0 - share) / count as f64).sqrt()) }
    }
}

/// A figure of so many tests; not a number where they are fewer than it takes.
fn known(count: usize, needed: usize, figure: f64) -> f64 {
    if count < needed { f64::NAN } else { figure }
}

/// How an analysis did over all tests.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Which test.
    pub kind: Kind,
    /// The analysis.
    pub analysis: String,
    /// What was compared.
    pub outcome: Outcome,
    /// The treated arm.
    pub arm: usize,
    /// Tests that could be analysed.
    pub tests: usize,
    /// Tests that could not, such as one without a unit in an arm.
    pub refused: usize,
    /// Share of tests that found a difference: of equal arms the type-I error, else the power.
    pub rejected: Rate,
    /// The true effect; 0 of equal arms.
    pub truth: f64,
    /// Its Monte Carlo standard error.
    pub truth_standard_error: f64,
    /// Mean of the estimates; like all that follows, not a number where too few tests tell of it.
    pub mean_effect: f64,
    /// Mean of the estimates less the truth.
    pub bias: f64,
    /// Its Monte Carlo standard error.
    pub bias_standard_error: f64,
    /// Standard deviation of the estimates over tests.
    pub spread: f64,
    /// Share of tests whose interval held the truth; of an analysis that looks repeatedly, the interval that is told.
    pub covered: Rate,
    /// Share of tests whose intervals held the truth at every look; the same as `covered` where there is one.
    pub covered_always: Rate,
    /// Mean width of the intervals that are finite.
    pub width: f64,
}

/// What the lab found.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// Equal arms first, then by outcome, analysis and arm, as asked.
    pub verdicts: Vec<Verdict>,
    /// Per treated arm and outcome; empty where truth was not asked for. The last of each arm is profit and future value
    /// together.
    pub truths: Vec<Vec<Truth>>,
    /// Share of the tests between the arms whose counts do not fit the shares (p < .001), of consumers or of communities.
    pub ratio_alarms: Option<Rate>,
}

/// All that one market tells.
struct Market {
    equals: Option<Vec<Vec<Option<Told>>>>,
    arms: Option<Vec<Vec<Option<Told>>>>,
    levels: Option<Vec<Vec<f64>>>,
    is_alarm: Option<bool>,
}

/// A lab: a test, what is asked of it, and how often.
#[derive(Clone, Copy)]
pub struct Lab<'a> {
    /// The test.
    pub protocol: Protocol<'a>,
    /// What is asked.
    pub questions: &'a [Question],
    /// Two-sided level.
    pub alpha: f64,
    /// How often.
    pub repetition: Repetition,
}

impl Lab<'_> {
    /// Carries everything out on the threads of the current pool; `lived` hears of each market. The result does not
    /// depend on the number of threads.
    ///
    /// # Errors
    /// The first in the order of the markets.
    pub fn run(&self, lived: &(dyn Fn() + Sync)) -> Result<Findings, TrialError> {
        let Repetition { tests, truths, .. } = self.repetition;
        let one = |replication: u32| {
            let market = self.market(replication);
            lived();
            market
        };
        let markets = on_markets(&self.protocol, tests.max(truths), one)?;
        Ok(self.findings(&markets))
    }

    /// Lives one market under every assignment that is needed, then asks.
    fn market(&self, replication: u32) -> Result<Market, TrialError> {
        let Repetition { tests, truths, between_arms, between_equals } = self.repetition;
        let protocol = &self.protocol;
        let (is_tested, has_truth) = (replication < tests, replication < truths);
        let mixed = if is_tested && between_arms { Some(protocol.assignment(replication)?) } else { None };
        let null = if is_tested && between_equals { Some(protocol.null_assignment(replication)?) } else { None };
        let whole = if has_truth { protocol.policies.len() } else { usize::from(null.is_some()) };
        let everyone: Vec<Assignment> = (0..whole).map(Assignment::everyone).collect();
        let assignments: Vec<&Assignment> = everyone.iter().chain(&mixed).collect();
        let lived = protocol.live(replication, &assignments)?;
        let arms = mixed.as_ref().map(|mixed| self.told(&lived[whole], mixed));
        Ok(Market {
            arms,
            equals: null.as_ref().map(|null| self.told(&lived[0], null)),
            levels: has_truth.then(|| levels(&lived[..whole], &self.outcomes())),
            is_alarm: mixed.as_ref().and_then(|mixed| protocol.sample_ratio(mixed)).map(|ratio| ratio.is_alarm),
        })
    }

    /// Every question's answer per treated arm; `None` where the test could not be analysed.
    fn told(&self, lived: &Lived, assignment: &Assignment) -> Vec<Vec<Option<Told>>> {
        let arms = self.protocol.policies.len();
        let mut answers = Vec::with_capacity(self.questions.len());
        let mut rows = None;
        for (index, question) in self.questions.iter().enumerate() {
            // Questions about the same outcome stand together.
            if index == 0 || self.questions[index - 1].outcome != question.outcome {
                rows = self.protocol.rows(lived, assignment, &question.outcome);
            }
            let effects = rows.as_ref().and_then(|rows| question.ask(rows, arms, self.alpha).ok());
            answers.push(match effects {
                Some(effects) => effects.iter().map(|effect| Some(Told::from(effect))).collect(),
                None => vec![None; arms - 1],
            });
        }
        answers
    }

    /// Each outcome once, in the order of the questions.
    fn outcomes(&self) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = self.questions.iter().map(|question| question.outcome).collect();
        outcomes.dedup();
        outcomes
    }

    fn findings(&self, markets: &[Market]) -> Findings {
        let outcomes = self.outcomes();
        let arms = self.protocol.policies.len();
        let levels: Vec<Vec<Vec<f64>>> = markets.iter().filter_map(|market| market.levels.clone()).collect();
        let truths = if levels.is_empty() { Vec::new() } else { truths(&levels, arms, outcomes.len() + 1) };
        let mut verdicts = Vec::new();
        for kind in [Kind::Equals, Kind::Arms] {
            for (index, question) in self.questions.iter().enumerate() {
                let outcome = outcomes.iter().position(|outcome| *outcome == question.outcome).unwrap_or(0);
                for arm in 1..arms {
                    let told: Vec<Option<Told>> = markets
                        .iter()
                        .filter_map(|market| match kind {
                            Kind::Equals => market.equals.as_ref(),
                            Kind::Arms => market.arms.as_ref(),
                        })
                        .map(|answers| answers[index][arm - 1])
                        .collect();
                    if told.is_empty() {
                        continue;
                    }
                    let equal = Truth { by_market: vec![0.0; told.len()] };
                    let truth = match kind {
                        Kind::Equals => Some(&equal),
                        Kind::Arms => truths.get(arm - 1).map(|own| &own[outcome]),
                    };
                    verdicts.push(verdict(kind, question, arm, &told, truth));
                }
            }
        }
        let checked: Vec<bool> = markets.iter().filter_map(|market| market.is_alarm).collect();
        let alarms = checked.iter().filter(|is_alarm| **is_alarm).count();
        let ratio_alarms = (!checked.is_empty()).then(|| Rate::of(alarms, checked.len()));
        Findings { verdicts, truths, ratio_alarms }
    }
}

fn verdict(kind: Kind, question: &Question, arm: usize, told: &[Option<Told>], truth: Option<&Truth>) -> Verdict {
    let heard: Vec<Told> = told.iter().flatten().copied().collect();
    let estimates: Vec<f64> = heard.iter().map(|one| one.effect).collect();
    let count = heard.len();
    let (mean_effect, variance) = mean_and_variance(&estimates);
    let (mean_effect, variance) = (known(count, 1, mean_effect), known(count, 2, variance));
    let truth_mean = truth.map_or(f64::NAN, |truth| truth.mean().mean);
    // That equal arms do not differ is known.
    let truth_standard_error = match kind {
        Kind::Equals => 0.0,
        Kind::Arms => truth.map_or(f64::NAN, Truth::standard_error),
    };
    // Where every test has its own truth, the two move together: the difference is taken market by market.
    let paired = truth.filter(|truth| truth.by_market.len() == told.len());
    let bias_standard_error = match paired {
        Some(truth) => {
            let pairs = told.iter().zip(&truth.by_market);
            let gaps: Vec<f64> = pairs.filter_map(|(one, truth)| Some(one.as_ref()?.effect - truth)).collect();
            known(gaps.len(), 2, (mean_and_variance(&gaps).1 / gaps.len() as f64).sqrt())
        }
        None => (variance / count.max(1) as f64 + truth_standard_error * truth_standard_error).sqrt(),
    };
    let rate = |holds: &dyn Fn(&Told) -> bool| Rate::of(heard.iter().filter(|one| holds(one)).count(), count);
    let widths: Vec<f64> = heard.iter().map(|one| one.high - one.low).filter(|width| width.is_finite()).collect();
    Verdict {
        kind,
        analysis: question.name.clone(),
        outcome: question.outcome,
        arm,
        tests: count,
        refused: told.len() - count,
        rejected: rate(&|one| one.is_rejected),
        truth: truth_mean,
        truth_standard_error,
        mean_effect,
        bias: mean_effect - truth_mean,
        bias_standard_error,
        spread: variance.sqrt(),
        covered: rate(&|one| one.low <= truth_mean && truth_mean <= one.high),
        covered_always: rate(&|one| one.always.0 <= truth_mean && truth_mean <= one.always.1),
        width: known(widths.len(), 1, mean_and_variance(&widths).0),
    }
}
