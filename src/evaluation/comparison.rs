//! Every contestant on the same markets, with the same luck.

use super::entrant::Entrant;
use super::{BASELINE, Contender, Contestant, Spread};
use crate::episode::{DecisionSink, Learning, Record, Training, TrainingError};
use crate::protocol::{Environment, MaskedAction, World};
use crate::random::Seed;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Parts of the seed of a run: the judged markets, the draws of the policies on them.
const MARKET_PART: u32 = 1;
const POLICY_PART: u32 = 2;
/// With more consumers than this, contestants are judged one after the other, each on all threads: memory stays
/// bounded by one market (or part of it) and one copy. Never changes a result.
pub(super) const SIDE_BY_SIDE_CONSUMERS: u32 = 20_000;

/// The seed of the market of a replication, the same for all contestants.
#[must_use]
pub fn market_seed(seed: Seed, replication: u32) -> Seed {
    seed.derive(MARKET_PART, replication)
}

/// The seed of all that policies draw on the market of a replication, the same for all contestants.
#[must_use]
pub fn policy_seed(seed: Seed, replication: u32) -> Seed {
    seed.derive(POLICY_PART, replication)
}

/// Who meets whom.
#[derive(Clone, Copy)]
pub struct Comparison<'a> {
    /// The market.
    pub world: &'a dyn World,
    /// Who competes.
    pub contestants: &'a [&'a Contestant],
    /// What every agent gets before it is judged.
    pub training: &'a Training,
    /// Seed of the run.
    pub seed: Seed,
    /// Number of replications.
    pub replications: u32,
}

/// Which unit of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// Index into the contestants; `None` for the twin whom nobody contacts.
    pub contestant: Option<usize>,
    /// The contestant's name.
    pub name: &'a str,
    /// From 0.
    pub replication: u32,
}

/// What one contestant did in one replication.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// The judged run.
    pub record: Record,
    /// How learning went, for agents.
    pub learning: Option<Learning>,
    /// The exact discounted value of the judged policy, where the environment can compute it.
    pub exact_value: Option<f64>,
    /// How its consumers differ, where one replication is judged in parts: the record keeps no value per consumer then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
    /// What the trained agent saved; of replication 0 only, and not part of the stored unit.
    #[serde(skip)]
    pub agent: Option<Vec<u8>>,
}

/// A sink that has an end.
pub trait Log: DecisionSink {
    /// Completes the log.
    ///
    /// # Errors
    /// Where writing failed now or before.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Where units are kept, so that a run can go on after an interruption.
pub trait Store: Sync {
    /// The unit, if it was kept whole.
    fn restore(&self, address: Address<'_>) -> Option<Unit>;
    /// Who takes the decisions of a contestant, if anyone.
    ///
    /// # Errors
    /// Where the log cannot be opened.
    fn log(&self, address: Address<'_>) -> io::Result<Option<Box<dyn Log>>>;
    /// Hears that an agent has learned on so many markets of all, and what it earned on the last: discounted profit per
    /// consumer.
    fn market_learned(&self, _address: Address<'_>, _markets: u32, _of: u32, _profit_per_consumer: f64) {}
    /// Keeps what an agent that diverged had learned before, and says where; `None` where it is not kept.
    ///
    /// # Errors
    /// Where writing fails.
    fn keep_diverged(&self, _address: Address<'_>, _agent: &[u8]) -> io::Result<Option<PathBuf>> {
        Ok(None)
    }
    /// Hears that a contestant has lived one part of a market of several; what it did is kept with the last.
    fn part_lived(&self, _address: Address<'_>) {}
    /// Keeps a finished unit.
    ///
    /// # Errors
    /// Where writing fails.
    fn keep(&self, address: Address<'_>, unit: &Unit) -> io::Result<()>;
}

/// All units of a comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Results {
    /// The twin, per replication.
    pub baseline: Vec<Unit>,
    /// Per contestant, per replication.
    pub contestants: Vec<Vec<Unit>>,
}

/// Why a comparison stopped.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    /// A policy chose what the mask forbids.
    #[error("policy `{policy}`, replication {replication}: {source}")]
    Judging {
        /// Who.
        policy: String,
        /// When.
        replication: u32,
        /// What.
        source: MaskedAction,
    },
    /// An agent failed while it learned.
    #[error("policy `{policy}`, replication {replication}, while learning: {source}{}", kept_note(kept.as_deref()))]
    Training {
        /// Who.
        policy: String,
        /// When.
        replication: u32,
        /// What.
        source: TrainingError,
        /// What it had learned before it diverged.
        kept: Option<PathBuf>,
    },
    /// A unit, log or agent could not be written.
    #[error("policy `{policy}`, replication {replication}: cannot write: {source}")]
    Keeping {
        /// Who.
        policy: String,
        /// When.
        replication: u32,
        /// What.
        source: io::Error,
    },
}

/// Where the state before a divergence is, as the end of a message; nothing where it is not kept.
#[must_use]
pub fn kept_note(kept: Option<&Path>) -> String {
    let note = |path: &Path| {
        format!("; what it had learned before is in `{}` (judge it by `kind = \"saved\"`)", path.display())
    };
    kept.map_or_else(String::new, note)
}

impl Comparison<'_> {
    /// Runs what the store does not hold yet, on the threads of the current pool.
    ///
    /// # Errors
    /// The first in (replication, contestant) order; where the market is judged in parts, in (replication, part,
    /// contestant) order, training before the first part.
    pub fn run(&self, store: &dyn Store) -> Result<Results, ComparisonError> {
        for contestant in self.contestants {
            if let Contender::Fixed(policy) = &contestant.contender {
                policy.prepare();
            }
        }
        let side_by_side = self.world.spec().consumers <= SIDE_BY_SIDE_CONSUMERS;
        let replications: Vec<Result<Vec<Unit>, ComparisonError>> = if side_by_side {
            (0..self.replications).into_par_iter().map(|replication| self.replicate(replication, store, true)).collect()
        } else {
            // Stops at the first error.
            let mut units = Vec::new();
            for replication in 0..self.replications {
                units.push(Ok(self.replicate(replication, store, false)?));
            }
            units
        };
        let mut results = Results { baseline: Vec::new(), contestants: vec![Vec::new(); self.contestants.len()] };
        for replication in replications {
            let mut units = replication?.into_iter();
            results.baseline.extend(units.next());
            for (of_contestant, unit) in results.contestants.iter_mut().zip(units) {
                of_contestant.push(unit);
            }
        }
        Ok(results)
    }

    /// One market, lived by the twin and by every contestant.
    fn replicate(&self, replication: u32, store: &dyn Store, side_by_side: bool) -> Result<Vec<Unit>, ComparisonError> {
        let addresses = (0..=self.contestants.len()).map(|index| self.address(index.checked_sub(1), replication));
        let restored: Vec<(Address<'_>, Option<Unit>)> =
            addresses.map(|address| (address, store.restore(address))).collect();
        if restored.iter().all(|(_, unit)| unit.is_some()) {
            return Ok(restored.into_iter().filter_map(|(_, unit)| unit).collect());
        }
        if self.world.parts() > 1 {
            return self.part_by_part(replication, restored, store);
        }
        // The history is lived once; every contestant gets a copy of the same market.
        let market = self.world.open(market_seed(self.seed, replication));
        if side_by_side {
            let work: Vec<_> = restored
                .into_iter()
                .map(|(address, unit)| (address, unit.map_or_else(|| Err(market.fork()), Ok)))
                .collect();
            let units: Vec<Result<Unit, ComparisonError>> = work
                .into_par_iter()
                .map(|(address, unit)| unit.or_else(|copy| self.unit(address, || copy, store)))
                .collect();
            return units.into_iter().collect();
        }
        let one = |(address, unit): (Address<'_>, Option<Unit>)| match unit {
            Some(unit) => Ok(unit),
            None => self.unit(address, || market.fork(), store),
        };
        restored.into_iter().map(one).collect()
    }

    /// A market that is never open as a whole: each part is lived by everybody before the next is opened.
    fn part_by_part(
        &self,
        replication: u32,
        restored: Vec<(Address<'_>, Option<Unit>)>,
        store: &dyn Store,
    ) -> Result<Vec<Unit>, ComparisonError> {
        // Intervals by consumer pair all with all, and no value per consumer is stored: one missing unit and all are
        // judged again.
        let by_consumer = self.replications == 1;
        let seed = policy_seed(self.seed, replication);
        let mut lineup: Vec<Result<Unit, Entrant<'_>>> = Vec::new();
        // Agents learn on markets of their own, before there is a part to hold beside them.
        for (address, unit) in restored {
            lineup.push(match unit.filter(|_| !by_consumer) {
                Some(unit) => Ok(unit),
                None => Err(self.enter(address, store)?),
            });
        }
        let mut spreads = Vec::new();
        for part in 0..self.world.parts() {
            let market = self.world.open_part(market_seed(self.seed, replication), part);
            debug_assert!(!market.is_coupled(), "what couples consumers couples the parts of their market");
            let mut each = Vec::new();
            for entrant in lineup.iter_mut().filter_map(|unit| unit.as_mut().err()) {
                let mut record = entrant.judge(market.fork().as_mut(), seed, by_consumer)?;
                store.part_lived(entrant.address());
                each.extend(record.by_consumer.take());
                entrant.unit_mut().record.append(record);
            }
            Spread::add_part(&mut spreads, &each);
        }
        let mut spreads = spreads.into_iter();
        let finish = |unit: Result<Unit, Entrant<'_>>| {
            unit.or_else(|mut entrant| {
                entrant.unit_mut().spread = spreads.next();
                entrant.finish(self.world, seed, store)
            })
        };
        lineup.into_iter().map(finish).collect()
    }

    fn address(&self, contestant: Option<usize>, replication: u32) -> Address<'_> {
        let name = contestant.map_or(BASELINE, |index| &self.contestants[index].name);
        Address { contestant, name, replication }
    }

    fn enter<'a>(&'a self, address: Address<'a>, store: &dyn Store) -> Result<Entrant<'a>, ComparisonError> {
        let contender = address.contestant.map(|index| &self.contestants[index].contender);
        Entrant::enter(address, contender, self.world, self.training, store)
    }

    /// Trains where there is something to train, judges on the whole market, and keeps the result.
    fn unit(
        &self,
        address: Address<'_>,
        market: impl FnOnce() -> Box<dyn Environment>,
        store: &dyn Store,
    ) -> Result<Unit, ComparisonError> {
        let mut entrant = self.enter(address, store)?;
        let seed = policy_seed(self.seed, address.replication);
        entrant.unit_mut().record = entrant.judge(market().as_mut(), seed, self.replications == 1)?;
        entrant.finish(self.world, seed, store)
    }
}

impl Address<'_> {
    pub(super) fn judging(self, source: MaskedAction) -> ComparisonError {
        ComparisonError::Judging { policy: self.name.to_owned(), replication: self.replication, source }
    }

    pub(super) fn training(self, source: TrainingError, kept: Option<PathBuf>) -> ComparisonError {
        ComparisonError::Training { policy: self.name.to_owned(), replication: self.replication, source, kept }
    }

    pub(super) fn keeping(self, source: io::Error) -> ComparisonError {
        ComparisonError::Keeping { policy: self.name.to_owned(), replication: self.replication, source }
    }
}
