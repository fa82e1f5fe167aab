//! A contestant on its way through a replication: trained, then judged, then kept.

use super::comparison::{Address, ComparisonError, Log, Store, Unit};
use super::{Contender, NoContact};
use crate::episode::{Learning, Record, Recorder, Training, TrainingError, judge, train_heard};
use crate::protocol::{Agent, Environment, Policy, World};
use crate::random::Seed;
use std::io;
use std::path::PathBuf;

/// Ready to be judged.
pub(super) struct Entrant<'a> {
    address: Address<'a>,
    policy: Law<'a>,
    unit: Unit,
    log: Option<Box<dyn Log>>,
}

/// Whose law it is.
enum Law<'a> {
    Given(&'a dyn Policy),
    Trained(Box<dyn Policy>),
}

impl Law<'_> {
    fn policy(&self) -> &dyn Policy {
        match self {
            Self::Given(policy) => *policy,
            Self::Trained(policy) => policy.as_ref(),
        }
    }
}

impl<'a> Entrant<'a> {
    /// Trains where there is something to train; no contender is the twin.
    pub(super) fn enter(
        address: Address<'a>,
        contender: Option<&'a Contender>,
        world: &dyn World,
        training: &Training,
        store: &dyn Store,
    ) -> Result<Self, ComparisonError> {
        let mut unit = Unit::default();
        let policy = match contender {
            None => Law::Given(&NoContact),
            Some(Contender::Fixed(policy)) => Law::Given(policy.as_ref()),
            Some(Contender::Learner(fresh)) => {
                let mut agent = fresh();
                unit.learning = Some(learn(agent.as_mut(), address, world, training, store)?);
                if address.replication == 0 {
                    let saved = unit.agent.insert(Vec::new());
                    agent.save(saved).map_err(|source| address.keeping(source))?;
                }
                Law::Trained(agent.snapshot())
            }
        };
        let log = store.log(address).map_err(|source| address.keeping(source))?;
        unit.record = Record::new(world.spec(), false);
        Ok(Self { address, policy, unit, log })
    }

    /// Lives the market, or its next part; the record of it is to be added.
    pub(super) fn judge(
        &mut self,
        market: &mut dyn Environment,
        seed: Seed,
        by_consumer: bool,
    ) -> Result<Record, ComparisonError> {
        let sink = self.log.as_deref_mut().map(|log| log as _);
        let recorder = Recorder { by_consumer, sink };
        judge(market, self.policy.policy(), seed, recorder).map_err(|source| self.address.judging(source))
    }

    pub(super) fn address(&self) -> Address<'a> {
        self.address
    }

    /// The unit, to be filled.
    pub(super) fn unit_mut(&mut self) -> &mut Unit {
        &mut self.unit
    }

    /// Completes the log and keeps the unit.
    pub(super) fn finish(self, world: &dyn World, seed: Seed, store: &dyn Store) -> Result<Unit, ComparisonError> {
        let Self { address, policy, mut unit, log } = self;
        unit.exact_value = world.exact_value(policy.policy(), seed);
        log.map_or(Ok(()), Log::finish).map_err(|source| address.keeping(source))?;
        store.keep(address, &unit).map_err(|source| address.keeping(source))?;
        Ok(unit)
    }
}

/// Trains; an agent that diverges is kept as it was before the update that broke it.
fn learn(
    agent: &mut dyn Agent,
    address: Address<'_>,
    world: &dyn World,
    training: &Training,
    store: &dyn Store,
) -> Result<Learning, ComparisonError> {
    let mut heard = |learning: &Learning| {
        if let Some(&profit) = learning.returns_per_consumer.last() {
            store.market_learned(address, learning.returns_per_consumer.len() as u32, training.markets(), profit);
        }
    };
    let learned = train_heard(world, agent, training, address.replication, &mut heard);
    learned.map_err(|source| {
        let kept = match source {
            TrainingError::Diverged(_) => keep_diverged(agent, address, store),
            TrainingError::Masked(_) => Ok(None),
        };
        kept.map_or_else(|error| address.keeping(error), |kept| address.training(source, kept))
    })
}

fn keep_diverged(agent: &dyn Agent, address: Address<'_>, store: &dyn Store) -> io::Result<Option<PathBuf>> {
    let mut saved = Vec::new();
    agent.save(&mut saved)?;
    store.keep_diverged(address, &saved)
}
