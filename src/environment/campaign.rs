//! The market as an environment: synthetic or real customers, channels, offers, and the forces that move them.
//!
//! A tick lives in this order (docs/market.md 1.2): observe, decide, deliver and open and click, withdraw, carry over,
//! buy, drop out, count. Rewards are the profit booked in the tick; what consumers are worth beyond the horizon is the
//! terminal value, from the latent truth.
//!
//! Known biases, by construction: at most one order and one message per consumer and tick (orders: -0.8 % at the CDNOW
//! parameters against continuous time), one pending order, one scalar of fatigue for all channels, no households,
//! prices relative to a list price of 1.

mod attribution;
mod budget;
mod calibration;
mod clock;
mod events;
mod forces;
mod funnel;
mod groups;
mod latent;
mod mask;
mod model;
mod observation;
mod observed_value;
mod purchase;
pub mod reduced;
mod sections;
mod shard;
mod start;
mod state;
mod truth;

pub use crate::market::catalogue::SLOTS;
pub use mask::CONSTRAINTS;
pub use sections::{BUDGET, PARAMETERS, Sections};
pub use shard::SHARD_CONSUMERS;

use crate::protocol::{Environment, Friendships, Shard, Spec, World};
use crate::random::Seed;
use crate::registry::Refusal;
use crate::response::{Commons, Founding, Published};
use crate::units::Money;
use budget::Gate;
use forces::Series;
use model::Model;
use shard::CampaignShard;
use start::Customers;
use std::ops::Range;
use std::sync::Arc;

/// The market.
#[derive(Clone, Debug)]
pub struct Campaign {
    model: Arc<Model>,
    customers: Option<Arc<Customers>>,
    /// Names of the customers, where their file gives them.
    names: Option<Arc<[String]>>,
}

impl Campaign {
    /// Builds the market, or says all that is wrong with it.
    ///
    /// # Errors
    /// One refusal per fault.
    pub fn new(sections: &Sections) -> Result<Self, Vec<Refusal>> {
        sections.build()
    }
}

impl World for Campaign {
    fn spec(&self) -> &Spec {
        &self.model.spec
    }

    fn consumer_names(&self) -> Option<Arc<[String]>> {
        self.names.clone()
    }

    fn bytes_per_consumer(&self) -> usize {
        let columns: usize = self.model.modules.iter().map(|module| module.columns()).sum();
        let commons: usize = self.model.modules.iter().map(|module| module.common_bytes_per_consumer()).sum();
        state::bytes_per_consumer(self.model.catalogue.channels.len())
            + events::bytes_per_consumer(self.model.events_remembered)
            + size_of::<crate::market::population::Person>()
            + shard::RATES_AND_SCRATCH_BYTES
            + columns * size_of::<f32>()
            + commons
    }

    fn part_consumers(&self) -> u32 {
        let consumers = self.model.spec.consumers;
        if self.is_coupled() { consumers } else { consumers.min(PART_CONSUMERS) }
    }

    fn open_part(&self, seed: Seed, part: u32) -> Box<dyn Environment> {
        let first = part.saturating_mul(self.part_consumers());
        let end = first.saturating_add(self.part_consumers()).min(self.model.spec.consumers);
        Box::new(self.open_consumers(seed, first..end))
    }

    fn is_coupled(&self) -> bool {
        Self::is_coupled(self)
    }

    fn couplings(&self) -> Vec<&'static str> {
        let modules = self.model.module_names.iter().zip(&self.model.modules);
        let coupling = modules.filter(|(_, module)| module.is_coupling()).map(|(name, _)| *name);
        self.model.budget.map(|_| "budget").into_iter().chain(coupling).collect()
    }

    fn open_consumer(&self, seed: Seed, consumer: u32) -> Option<Box<dyn Environment>> {
        let exists = consumer < self.model.spec.consumers;
        (exists && !self.is_coupled()).then(|| Box::new(self.open_consumers(seed, consumer..consumer + 1)) as _)
    }

    fn communities(&self, seed: Seed) -> Option<Vec<u32>> {
        let founding = self.founding(seed, self.model.spec.consumers);
        self.model.modules.iter().find_map(|module| module.communities(&founding))
    }

    fn friendships(&self, seed: Seed) -> Option<Friendships> {
        let founding = self.founding(seed, self.model.spec.consumers);
        self.model.modules.iter().find_map(|module| module.friendships(&founding))
    }

    fn open(&self, seed: Seed) -> Box<dyn Environment> {
        Box::new(self.open_consumers(seed, 0..self.model.spec.consumers))
    }
}

/// Consumers of a part: enough shards to keep many threads busy, few enough to fit a small machine several times.
const PART_CONSUMERS: u32 = 256 * SHARD_CONSUMERS;

impl Campaign {
    /// Consecutive consumers, from the first of a shard on.
    fn open_consumers(&self, seed: Seed, consumers: Range<u32>) -> CampaignEnvironment {
        use rayon::prelude::*;
        let starts: Vec<u32> = consumers.clone().step_by(SHARD_CONSUMERS as usize).collect();
        let ticks = -(self.model.history.ticks as i32)..self.model.spec.horizon as i32;
        let series = Arc::new(Series::draw(&self.model.modules, seed, ticks.clone()));
        let shards = starts
            .into_par_iter()
            .map(|first| {
                let range = first..consumers.end.min(first.saturating_add(SHARD_CONSUMERS));
                CampaignShard::open(&self.model, seed, range, self.customers.as_deref(), &series)
            })
            .collect();
        let mut environment = CampaignEnvironment {
            model: Arc::clone(&self.model),
            seed,
            tick: ticks.start,
            shards,
            spent: Money::ZERO,
            budget: self.model.budget,
            sharing: self.model.spec.consumers,
            commons: self.found(seed, consumers.end),
        };
        environment.live_history();
        environment.share_budget();
        environment
    }

    /// The market of the first so many consumers with their share of the budget, for trials.
    #[must_use]
    pub fn open_some(&self, seed: Seed, consumers: u32) -> Box<dyn Environment> {
        let all = self.model.spec.consumers;
        let consumers = consumers.min(all);
        let mut environment = self.open_consumers(seed, 0..consumers);
        let share = |total: Money| (i128::from(total.micros()) * i128::from(consumers) / i128::from(all.max(1))) as i64;
        environment.budget = self.model.budget.map(|total| Money::from_micros(share(total)));
        environment.sharing = consumers;
        environment.share_budget();
        Box::new(environment)
    }

    /// The people and the past of one seed, with the luck of another from tick 0 on: for means over luck. Series that are
    /// drawn for the whole market stay those of the first seed.
    #[must_use]
    pub fn open_with_luck(&self, people: Seed, luck: Seed) -> Box<dyn Environment> {
        let mut environment = self.open_consumers(people, 0..self.model.spec.consumers);
        environment.seed = luck;
        for shard in &mut environment.shards {
            shard.reseed(luck);
        }
        environment.share_budget();
        Box::new(environment)
    }

    /// Whether consumers touch each other.
    #[must_use]
    pub fn is_coupled(&self) -> bool {
        self.model.budget.is_some() || self.model.modules.iter().any(|module| module.is_coupling())
    }

    /// Whether rules are only audited.
    #[must_use]
    pub fn is_audited(&self) -> bool {
        self.model.mask.audit
    }

    /// Names of the modules that draw luck of their own before the orders of a tick.
    #[must_use]
    pub fn modules_that_draw(&self) -> Vec<&'static str> {
        let names = self.model.module_names.iter().zip(&self.model.modules);
        names.filter(|(_, module)| module.draws_in_tick()).map(|(name, _)| *name).collect()
    }

    /// Money for messages over the whole run.
    #[must_use]
    pub fn budget(&self) -> Option<Money> {
        self.model.budget
    }

    /// What can be sent.
    #[must_use]
    pub fn catalogue(&self) -> &crate::market::catalogue::Catalogue {
        &self.model.catalogue
    }

    fn founding(&self, seed: Seed, consumers: u32) -> Founding<'_> {
        Founding { seed, consumers, population: &self.model.population, channels: self.model.catalogue.channels.len() }
    }

    /// What each module shares among all consumers.
    fn found(&self, seed: Seed, consumers: u32) -> Vec<Option<Box<dyn Commons>>> {
        let founding = self.founding(seed, consumers);
        self.model.modules.iter().map(|module| module.found(&founding)).collect()
    }
}

/// An open market.
#[derive(Clone, Debug)]
struct CampaignEnvironment {
    model: Arc<Model>,
    seed: Seed,
    tick: i32,
    shards: Vec<CampaignShard>,
    spent: Money,
    /// What may be spent in all.
    budget: Option<Money>,
    /// Consumers who share the budget.
    sharing: u32,
    /// What each module shares among all consumers.
    commons: Vec<Option<Box<dyn Commons>>>,
}

impl CampaignEnvironment {
    /// Lives up to tick 0: each shard alone where nothing is shared, else tick by tick.
    fn live_history(&mut self) {
        use rayon::prelude::*;
        if !self.shares_commons() {
            self.shards.par_iter_mut().for_each(CampaignShard::live_history);
            self.tick = 0;
            return;
        }
        for (index, commons) in self.commons.iter().enumerate() {
            let Some(commons) = commons else { continue };
            for shard in &mut self.shards {
                shard.hear_for_good(index, commons.fixed_by_consumer());
            }
        }
        self.tell_commons();
        while self.tick < 0 {
            self.shards.par_iter_mut().for_each(CampaignShard::live_history_tick);
            self.merge_commons();
            self.tick += 1;
        }
    }

    fn shares_commons(&self) -> bool {
        self.commons.iter().any(Option::is_some)
    }

    /// Merges what the shards published, in shard order, and tells them what came of it.
    fn merge_commons(&mut self) {
        for (index, commons) in self.commons.iter_mut().enumerate() {
            let Some(commons) = commons else { continue };
            let published: Vec<&Published> = self.shards.iter().map(|shard| &shard.forces.published[index]).collect();
            commons.merge(&published);
        }
        self.tell_commons();
    }

    fn tell_commons(&mut self) {
        for (index, commons) in self.commons.iter().enumerate() {
            let Some(commons) = commons else { continue };
            for shard in &mut self.shards {
                shard.hear(index, commons.market(), commons.by_consumer());
            }
        }
    }

    /// Tells every shard who may use paid actions in the coming tick.
    fn share_budget(&mut self) {
        let Some(total) = self.budget else { return };
        let remaining = total - self.spent;
        let dearest = self.model.catalogue.messages.iter().map(|message| message.cost).max().unwrap_or(Money::ZERO);
        let gate = if self.model.is_budget_rationed {
            Gate::new(remaining, dearest, self.seed, self.tick, self.sharing)
        } else {
            Gate::of_everybody(remaining, dearest)
        };
        let left = if total > Money::ZERO { remaining.micros().max(0) as f32 / total.micros() as f32 } else { 0.0 };
        for shard in &mut self.shards {
            shard.gate = gate;
            shard.budget_left = left;
        }
    }
}

impl Environment for CampaignEnvironment {
    fn spec(&self) -> &Spec {
        &self.model.spec
    }

    fn fork(&self) -> Box<dyn Environment> {
        Box::new(self.clone())
    }

    fn is_coupled(&self) -> bool {
        self.model.budget.is_some() || self.shares_commons()
    }

    fn shards_mut(&mut self) -> Vec<&mut dyn Shard> {
        self.shards.iter_mut().map(|shard| shard as &mut dyn Shard).collect()
    }

    fn end_tick(&mut self) {
        self.merge_commons();
        self.tick += 1;
        self.spent = self.shards.iter().map(|shard| shard.spent).sum();
        self.share_budget();
    }
}

#[cfg(test)]
mod tests;
