//! One market lived under an assignment, and the rows that an analysis gets of it.

use super::assignment::{Assignment, NoCommunities, Randomised, Span};
use super::composed::Composed;
use super::exposure::Exposed;
use super::measure::{Measure, Outcome};
use crate::episode::{Period, Record, judge_by_period};
use crate::evaluation::experiment::Sample;
use crate::evaluation::market_seed;
use crate::protocol::{Environment, MaskedAction, Observation, Policy, Views, World};
use crate::random::Seed;

/// Parts of the seed of a run: the draws of the policies (as when policies are compared), the assignment of a test, and
/// that of a test between equals.
const POLICY_PART: u32 = 2;
const ASSIGNMENT_PART: u32 = 21;
const NULL_ASSIGNMENT_PART: u32 = 22;

/// A test as it is carried out on any market of its world.
#[derive(Clone, Copy)]
pub struct Protocol<'a> {
    /// The market.
    pub world: &'a dyn World,
    /// One frozen policy for each arm; the first is the control.
    pub policies: &'a [&'a dyn Policy],
    /// Who decides before the test begins.
    pub before: &'a dyn Policy,
    /// Share of each arm; they sum to 1.
    pub shares: &'a [f64],
    /// What is assigned as one.
    pub randomised: Randomised,
    /// When the test takes place.
    pub span: Span,
    /// The feature that is known of each consumer at tick 0 and used to explain outcomes, by its index.
    pub feature: Option<usize>,
    /// Who counts as exposed to their arm alone; `None` where nobody asks.
    pub exposed: Option<Exposed>,
    /// Seed of the experiment.
    pub seed: Seed,
}

/// Why a test stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrialError {
    /// A policy chose what the mask forbids.
    #[error("replication {replication}: {source}")]
    Masked {
        /// On which market.
        replication: u32,
        /// What.
        source: MaskedAction,
    },
    /// There is nothing to assign as one.
    #[error(transparent)]
    NoCommunities(#[from] NoCommunities),
}

/// What a market did under an assignment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lived {
    /// Before the test, if it does not begin at once; then its periods.
    periods: Vec<Period>,
    has_before: bool,
    /// The feature of each consumer at tick 0, where one is asked for.
    feature: Vec<f64>,
    /// What consumers are worth beyond the horizon, sum, currency.
    pub future_value: f64,
    /// Number of consumers.
    pub consumers: u64,
}

/// What an analysis is given: one row for each consumer, or for each period of a switchback.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Arm of each row.
    pub arms: Vec<u32>,
    /// The value of each row.
    pub outcomes: Vec<f64>,
    /// What was known of each row before the test; empty where nothing is.
    pub covariates: Vec<f64>,
    /// What outcomes are counted per; empty where they are counted by row.
    pub denominators: Vec<f64>,
    /// What was randomised as one: the community of each consumer, the block of each period; empty where each row was
    /// randomised by itself.
    pub clusters: Vec<u64>,
    /// The period of each row; empty where arms do not change over time.
    pub periods: Vec<u32>,
    /// Whether the friends of each row share its arm; empty where that is not asked for.
    pub exposures: Vec<bool>,
    /// The probability of that; as long as `exposures`.
    pub exposure_probabilities: Vec<f64>,
}

impl Rows {
    /// The columns as an analysis reads them.
    #[must_use]
    pub fn sample(&self, arm_count: usize) -> Sample<'_> {
        fn some<T>(column: &[T]) -> Option<&[T]> {
            (!column.is_empty()).then_some(column)
        }
        Sample {
            covariates: some(&self.covariates),
            denominators: some(&self.denominators),
            clusters: some(&self.clusters),
            periods: some(&self.periods),
            exposures: some(&self.exposures),
            exposure_probabilities: some(&self.exposure_probabilities),
            ..Sample::new(&self.arms, arm_count, &self.outcomes)
        }
    }
}

impl Protocol<'_> {
    /// The assignment of a replication.
    ///
    /// # Errors
    /// Where communities are to be assigned and the market has none.
    pub fn assignment(&self, replication: u32) -> Result<Assignment, NoCommunities> {
        self.draw(ASSIGNMENT_PART, replication)
    }

    /// Another assignment of the same market, of its own luck: for a test between equals.
    ///
    /// # Errors
    /// Where communities are to be assigned and the market has none.
    pub fn null_assignment(&self, replication: u32) -> Result<Assignment, NoCommunities> {
        self.draw(NULL_ASSIGNMENT_PART, replication)
    }

    fn draw(&self, part: u32, replication: u32) -> Result<Assignment, NoCommunities> {
        let (seed, market) = (self.seed.derive(part, replication), market_seed(self.seed, replication));
        let drawn = Assignment::draw(self.randomised, self.shares, self.world, self.span, seed, market)?;
        Ok(match self.exposed {
            Some(exposed) => drawn.with_exposure(exposed, self.shares, self.world, market),
            None => drawn,
        })
    }

    /// Lives the market of a replication once under each assignment: the same people with the same luck.
    ///
    /// # Errors
    /// Where a policy chooses what the mask forbids.
    pub fn live(&self, replication: u32, assignments: &[&Assignment]) -> Result<Vec<Lived>, TrialError> {
        let ends = self.period_ends();
        let seed = self.seed.derive(POLICY_PART, replication);
        let mut feature = Vec::new();
        let mut records = vec![Record::new(self.world.spec(), false); assignments.len()];
        for part in 0..self.world.parts() {
            let mut market = self.world.open_part(market_seed(self.seed, replication), part);
            if let Some(index) = self.feature {
                read_feature(market.as_mut(), index, &mut feature);
            }
            for (assignment, record) in assignments.iter().zip(&mut records) {
                let policy = Composed::new(self.policies, self.before, self.span.first_tick, assignment);
                let lived = judge_by_period(market.fork().as_mut(), &policy, seed, &ends);
                record.append(lived.map_err(|source| TrialError::Masked { replication, source })?);
            }
        }
        let lived = |mut record: Record| Lived {
            periods: record.by_period.take().unwrap_or_default(),
            has_before: self.span.first_tick > 0,
            feature: feature.clone(),
            future_value: record.terminal_value_micros as f64 / 1e6,
            consumers: record.consumers,
        };
        Ok(records.into_iter().map(lived).collect())
    }

    /// Where what happened is cut: before the test, then the test as a whole, or the washout and the rest of each period.
    fn period_ends(&self) -> Vec<u32> {
        let Span { first_tick, end_tick } = self.span;
        let mut ends: Vec<u32> = (first_tick > 0).then_some(first_tick).into_iter().collect();
        match self.randomised {
            Randomised::Consumer | Randomised::Community => ends.push(end_tick),
            Randomised::Period { ticks, washout_ticks } => {
                for period in 0..self.span.periods(ticks, self.policies.len()) {
                    let start = first_tick + period * ticks;
                    ends.extend((washout_ticks > 0).then_some(start + washout_ticks));
                    ends.push(start + ticks);
                }
            }
        }
        ends
    }

    /// The rows of a lived market under an assignment, which need not be the one it was lived under where all arms are
    /// equal. `None` where the market does not know a measure by consumer.
    #[must_use]
    pub fn rows(&self, lived: &Lived, assignment: &Assignment, outcome: &Outcome) -> Option<Rows> {
        match self.randomised {
            Randomised::Consumer | Randomised::Community => consumers(lived, assignment, outcome),
            Randomised::Period { ticks, washout_ticks } => {
                self.periods(lived, assignment, outcome, ticks, washout_ticks)
            }
        }
    }

    /// One row per period: its mean per consumer and tick, as if it had lasted as long as all periods together.
    fn periods(
        &self,
        lived: &Lived,
        assignment: &Assignment,
        outcome: &Outcome,
        ticks: u32,
        washout_ticks: u32,
    ) -> Option<Rows> {
        let arms: Vec<u32> = assignment.by_period().iter().map(|arm| u32::from(*arm)).collect();
        let count = arms.len() as u32;
        let step = 1 + usize::from(washout_ticks > 0);
        let scale = f64::from(ticks) * f64::from(count) / f64::from(ticks.saturating_sub(washout_ticks).max(1));
        let counted = || lived.test_periods().iter().skip(step - 1).step_by(step);
        let means = |measure: Measure| -> Option<Vec<f64>> {
            counted().map(|period| Some(measure.total(period)? * scale / lived.consumers.max(1) as f64)).collect()
        };
        Some(Rows {
            arms,
            outcomes: means(outcome.measure)?,
            denominators: outcome.per.map_or(Some(Vec::new()), means)?,
            clusters: (0..count).map(|period| u64::from(period) / self.policies.len().max(1) as u64).collect(),
            periods: (0..count).collect(),
            ..Rows::default()
        })
    }
}

/// One row per consumer: the test as a whole.
fn consumers(lived: &Lived, assignment: &Assignment, outcome: &Outcome) -> Option<Rows> {
    let test = lived.periods.last()?;
    let covariates = match (lived.feature.is_empty(), lived.has_before) {
        (false, _) => lived.feature.clone(),
        (true, true) => outcome.measure.values(lived.periods.first()?)?,
        (true, false) => Vec::new(),
    };
    let exposure = assignment.exposure().cloned().unwrap_or_default();
    Some(Rows {
        arms: assignment.by_consumer().iter().map(|arm| u32::from(*arm)).collect(),
        outcomes: outcome.measure.values(test)?,
        denominators: outcome.per.map_or(Some(Vec::new()), |measure| measure.values(test))?,
        clusters: assignment.communities().unwrap_or(&[]).iter().map(|one| u64::from(*one)).collect(),
        covariates,
        exposures: exposure.met,
        exposure_probabilities: exposure.probabilities,
        periods: Vec::new(),
    })
}

impl Lived {
    fn test_periods(&self) -> &[Period] {
        &self.periods[usize::from(self.has_before).min(self.periods.len())..]
    }

    /// Mean over consumers over the whole test, or the ratio of two of them; `None` where the market does not know a measure
    /// by consumer, or where there is nothing to be counted per.
    #[must_use]
    pub fn level(&self, outcome: &Outcome) -> Option<f64> {
        let total =
            |measure: Measure| -> Option<f64> { self.test_periods().iter().map(|period| measure.total(period)).sum() };
        let per = outcome.per.map_or(Some(self.consumers as f64), total)?;
        (per > 0.0).then_some(total(outcome.measure)? / per)
    }

    /// Mean over consumers of the profit of the test and of what they are worth beyond the horizon.
    #[must_use]
    pub fn mean_value(&self) -> f64 {
        self.level(&Outcome::of(Measure::Profit)).unwrap_or(0.0) + self.future_value / self.consumers.max(1) as f64
    }
}

/// One column of what may be observed at tick 0, consumer by consumer.
fn read_feature(market: &mut dyn Environment, index: usize, column: &mut Vec<f64>) {
    let mut observation = Observation::default();
    for shard in market.shards_mut() {
        shard.observe(Views::FEATURES, &mut observation);
        column.extend((0..observation.rows()).map(|row| f64::from(observation.features.get(row, index))));
    }
}
