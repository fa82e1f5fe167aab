//! One market lived under an assignment, and the rows that an analysis gets of it.

use super::assignment::{Assignment, NoCommunities, Randomised, Span};
use super::composed::Composed;
use super::measure::Measure;
use crate::episode::{Period, Record, judge_by_period};
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

/// What an analysis is given: one row for each unit that was randomised or observed by itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Arm of each row.
    pub arms: Vec<u8>,
    /// What was randomised as one: the community of each row, the block of periods of each row; empty where each row was
    /// randomised by itself.
    pub clusters: Vec<u32>,
    /// The value of each row.
    pub values: Vec<f64>,
    /// What was known of each row before the test; empty where nothing is.
    pub covariates: Vec<f64>,
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
        Assignment::draw(self.randomised, self.shares, self.world, self.span, seed, market)
    }

    /// Lives the market of a replication: the same people and luck under every assignment.
    ///
    /// # Errors
    /// Where a policy chooses what the mask forbids.
    pub fn live(&self, replication: u32, assignment: &Assignment) -> Result<Lived, TrialError> {
        let policy = Composed::new(self.policies, self.before, self.span.first_tick, assignment);
        let ends = self.period_ends();
        let seed = self.seed.derive(POLICY_PART, replication);
        let mut record = Record::new(self.world.spec(), false);
        let mut feature = Vec::new();
        for part in 0..self.world.parts() {
            let mut market = self.world.open_part(market_seed(self.seed, replication), part);
            if let Some(index) = self.feature {
                read_feature(market.as_mut(), index, &mut feature);
            }
            let lived = judge_by_period(market.as_mut(), &policy, seed, &ends);
            record.append(lived.map_err(|source| TrialError::Masked { replication, source })?);
        }
        Ok(Lived {
            periods: record.by_period.take().unwrap_or_default(),
            has_before: self.span.first_tick > 0,
            feature,
            future_value: record.terminal_value_micros as f64 / 1e6,
            consumers: record.consumers,
        })
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
    /// equal. `None` where the market does not know the measure by consumer.
    #[must_use]
    pub fn rows(&self, lived: &Lived, assignment: &Assignment, measure: Measure) -> Option<Rows> {
        match self.randomised {
            Randomised::Consumer | Randomised::Community => {
                let covariates = match (lived.feature.is_empty(), lived.has_before) {
                    (false, _) => lived.feature.clone(),
                    (true, true) => measure.values(lived.periods.first()?)?,
                    (true, false) => Vec::new(),
                };
                Some(Rows {
                    arms: assignment.by_consumer().to_vec(),
                    clusters: assignment.communities().map(<[u32]>::to_vec).unwrap_or_default(),
                    values: measure.values(lived.periods.last()?)?,
                    covariates,
                })
            }
            Randomised::Period { ticks, washout_ticks } => {
                let arms = assignment.by_period().to_vec();
                let step = 1 + usize::from(washout_ticks > 0);
                // A period's mean per consumer and tick, as if it had lasted as long as all periods together.
                let scale = f64::from(ticks) * arms.len() as f64 / f64::from(ticks - washout_ticks);
                let counted = lived.test_periods().iter().skip(step - 1).step_by(step);
                let values: Option<Vec<f64>> =
                    counted.map(|period| Some(measure.total(period)? * scale / lived.consumers as f64)).collect();
                let blocks = (0..arms.len() as u32).map(|period| period / self.policies.len() as u32).collect();
                Some(Rows { arms, clusters: blocks, values: values?, covariates: Vec::new() })
            }
        }
    }
}

impl Lived {
    fn test_periods(&self) -> &[Period] {
        &self.periods[usize::from(self.has_before).min(self.periods.len())..]
    }

    /// Mean over consumers over the whole test; `None` where the market does not know the measure by consumer.
    #[must_use]
    pub fn mean(&self, measure: Measure) -> Option<f64> {
        let total: Option<f64> = self.test_periods().iter().map(|period| measure.total(period)).sum();
        Some(total? / self.consumers.max(1) as f64)
    }

    /// Mean over consumers of the profit of the test and of what they are worth beyond the horizon.
    #[must_use]
    pub fn mean_value(&self) -> f64 {
        self.mean(Measure::Profit).unwrap_or(0.0) + self.future_value / self.consumers.max(1) as f64
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
