//! What only the simulator knows of a logged tick: what every action would have earned in the mean, what the chosen one
//! earns in the end, and what would have happened untouched.
//!
//! Beside the market that is logged lives its twin: a copy with the same luck whom nobody contacts. The two are compared
//! tick by tick, so that a difference is an effect and nothing else (common random numbers).

use crate::matrix::Matrix;
use crate::protocol::{Decision, Environment, MaskedAction, Outcome, Shard};
use crate::units::Money;

/// What only the simulator knows of one logged tick of one shard.
#[derive(Clone, Debug, Default)]
pub struct TickTruth {
    /// Expected reward of every (row, action), `rows × actions`, where it is closed form; else of shape 0 × 0.
    pub expected_rewards: Matrix,
    /// Per row, profit of the tick, and of the order that this decision set pending, whenever it falls due.
    pub eventual_profits: Vec<Money>,
    /// Per row, profit of the same tick of the twin.
    pub twin_profits: Vec<Money>,
    /// Per row, profit since tick 0, this tick included, less that of the twin.
    pub effects_so_far: Vec<Money>,
}

/// The twin of what is logged: the whole of a coupled market, or only the shards that step together.
pub(super) enum Twin {
    /// All of a market whose consumers touch each other.
    Market(Box<dyn Environment>),
    /// Shards that do not touch each other.
    Shards(Vec<Box<dyn Shard>>),
}

impl Twin {
    pub(super) fn shards_mut(&mut self) -> Vec<&mut dyn Shard> {
        match self {
            Self::Market(market) => market.shards_mut(),
            Self::Shards(shards) => shards.iter_mut().map(|shard| &mut **shard as &mut dyn Shard).collect(),
        }
    }

    pub(super) fn end_tick(&mut self) {
        if let Self::Market(market) = self {
            market.end_tick();
        }
    }
}

/// The truth of one shard, tick after tick.
#[derive(Debug, Default)]
pub(super) struct Witness {
    nothing: Decision,
    outcome: Outcome,
    delayed: Vec<(u32, Money)>,
    effects_so_far: Vec<Money>,
    /// Of the tick lived last.
    pub(super) truth: TickTruth,
}

impl Witness {
    /// Before the shard steps.
    pub(super) fn expect(&mut self, shard: &dyn Shard) {
        let expected = &mut self.truth.expected_rewards;
        match shard.truth() {
            Some(truth) => truth.expected_rewards(expected),
            None => expected.reset(0, 0),
        }
    }

    /// After the shard stepped: lives the tick of the twin, and compares.
    pub(super) fn compare(
        &mut self,
        shard: &dyn Shard,
        profits: &[Money],
        twin: &mut dyn Shard,
    ) -> Result<(), MaskedAction> {
        self.nothing.reset(profits.len());
        twin.step(&self.nothing, &mut self.outcome)?;
        let truth = &mut self.truth;
        truth.twin_profits.clone_from(&self.outcome.profits);
        truth.eventual_profits.clear();
        truth.eventual_profits.extend_from_slice(profits);
        shard.delayed_profits(&mut self.delayed);
        for &(row, profit) in &self.delayed {
            truth.eventual_profits[row as usize] += profit;
        }
        self.effects_so_far.resize(profits.len(), Money::ZERO);
        for ((effect, &profit), &untouched) in self.effects_so_far.iter_mut().zip(profits).zip(&truth.twin_profits) {
            *effect += profit - untouched;
        }
        truth.effects_so_far.clone_from(&self.effects_so_far);
        Ok(())
    }
}
