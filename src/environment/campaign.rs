//! The market as an environment: synthetic or real customers, channels, offers, and the forces that move them.
//!
//! A tick lives in this order (docs/market.md 1.2): observe, decide, deliver and open and click, withdraw, carry over,
//! buy, drop out, count. Rewards are the profit booked in the tick; what consumers are worth beyond the horizon is the
//! terminal value, from the latent truth.
//!
//! Known biases, by construction: at most one order and one message per consumer and tick (orders: -0.8 % at the CDNOW
//! parameters against continuous time), one pending order, one scalar of fatigue for all channels, no households,
//! prices relative to a list price of 1.

mod budget;
mod clock;
mod funnel;
mod mask;
mod model;
mod observation;
mod purchase;
mod sections;
mod shard;
mod start;
mod state;

pub use crate::market::catalogue::SLOTS;
pub use mask::CONSTRAINTS;
pub use sections::{BUDGET, PARAMETERS, Sections};
pub use shard::SHARD_CONSUMERS;

use crate::protocol::{Environment, Shard, Spec, World};
use crate::random::Seed;
use crate::registry::Refusal;
use crate::units::Money;
use budget::Gate;
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
        state::bytes_per_consumer(self.model.catalogue.channels.len())
            + size_of::<crate::market::population::Person>()
            + shard::RATES_AND_SCRATCH_BYTES
            + columns * size_of::<f32>()
    }

    fn part_consumers(&self) -> u32 {
        let consumers = self.model.spec.consumers;
        if couples(&self.model) { consumers } else { consumers.min(PART_CONSUMERS) }
    }

    fn open_part(&self, seed: Seed, part: u32) -> Box<dyn Environment> {
        let first = part.saturating_mul(self.part_consumers());
        let end = first.saturating_add(self.part_consumers()).min(self.model.spec.consumers);
        self.open_consumers(seed, first..end)
    }

    fn open(&self, seed: Seed) -> Box<dyn Environment> {
        self.open_consumers(seed, 0..self.model.spec.consumers)
    }
}

/// Consumers of a part: enough shards to keep many threads busy, few enough to fit a small machine several times.
const PART_CONSUMERS: u32 = 256 * SHARD_CONSUMERS;

/// Whether consumers touch each other.
fn couples(model: &Model) -> bool {
    model.budget.is_some()
}

impl Campaign {
    /// Consecutive consumers, from the first of a shard on.
    fn open_consumers(&self, seed: Seed, consumers: Range<u32>) -> Box<dyn Environment> {
        use rayon::prelude::*;
        let starts: Vec<u32> = consumers.clone().step_by(SHARD_CONSUMERS as usize).collect();
        let shards = starts
            .into_par_iter()
            .map(|first| {
                let range = first..consumers.end.min(first.saturating_add(SHARD_CONSUMERS));
                CampaignShard::open(&self.model, seed, range, self.customers.as_deref())
            })
            .collect();
        let mut environment =
            CampaignEnvironment { model: Arc::clone(&self.model), seed, tick: 0, shards, spent: Money::ZERO };
        environment.share_budget();
        Box::new(environment)
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
}

impl CampaignEnvironment {
    /// Tells every shard who may use paid actions in the coming tick.
    fn share_budget(&mut self) {
        let Some(total) = self.model.budget else { return };
        let remaining = total - self.spent;
        let dearest = self.model.catalogue.messages.iter().map(|message| message.cost).max().unwrap_or(Money::ZERO);
        let gate = Gate::new(remaining, dearest, self.seed, self.tick, self.model.spec.consumers);
        let left = if total > Money::ZERO { remaining.micros() as f32 / total.micros() as f32 } else { 0.0 };
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
        couples(&self.model)
    }

    fn shards_mut(&mut self) -> Vec<&mut dyn Shard> {
        self.shards.iter_mut().map(|shard| shard as &mut dyn Shard).collect()
    }

    fn end_tick(&mut self) {
        self.tick += 1;
        self.spent = self.shards.iter().map(|shard| shard.spent).sum();
        self.share_budget();
    }
}

#[cfg(test)]
mod tests;
