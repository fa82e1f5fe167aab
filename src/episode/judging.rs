//! A frozen policy over the horizon.

use super::maturing::{Matured, Window};
use super::record::ShardRecord;
use super::truth::{Twin, Witness};
use super::{Exchange, Record, discount_weights};
use crate::protocol::{Environment, MaskedAction, Policy, Shard, Spec, Views};
use crate::random::Seed;
use rayon::prelude::*;

/// Shards that step together where an uncoupled market is logged: bounds what waits for its window, and is part of the
/// order of the log. The parts of a market are whole numbers of them.
const LOGGED_SHARDS: usize = 16;

/// Receives every decision of a judged policy, tick by tick.
///
/// Order: in a coupled market by (tick, consumer). In an uncoupled one the shards come in groups of 16, each group by
/// (tick, consumer). A step comes when its window has closed, or at the horizon. Never dependent on threads.
pub trait DecisionSink: Send {
    /// Whether it reads [`Matured::probabilities`].
    fn wants_probabilities(&self) -> bool {
        false
    }
    /// Whether it reads [`Matured::truth`]: a twin of the market then lives beside it.
    fn wants_truth(&self) -> bool {
        false
    }
    /// Ticks of the window whose profit it reads, at least 1.
    fn window_ticks(&self) -> u32 {
        1
    }
    /// Takes one tick of one shard. `closed`: the window closed within the horizon.
    fn take(&mut self, step: &Matured, closed: bool);
}

/// What is kept of a judged policy besides the totals.
#[derive(Default)]
pub struct Recorder<'a> {
    /// Keep values per consumer.
    pub by_consumer: bool,
    /// Who takes the decisions.
    pub sink: Option<&'a mut dyn DecisionSink>,
}

/// Drives a frozen policy over the horizon of an environment that stands at tick 0.
///
/// The parts of a market ([`crate::protocol::World::open_part`]) may be judged one after the other, with the same sink:
/// their records, appended in order, are that of the whole market, and so is the log.
///
/// # Errors
/// Where the policy chooses an action that the mask forbids (and the environment enforces its mask).
pub fn judge(
    environment: &mut dyn Environment,
    policy: &dyn Policy,
    seed: Seed,
    recorder: Recorder<'_>,
) -> Result<Record, MaskedAction> {
    run(environment, policy, seed, recorder, &[])
}

/// The same, with what each consumer did in the periods that end before these ticks (ascending) in
/// [`Record::by_period`].
///
/// # Errors
/// Where the policy chooses an action that the mask forbids (and the environment enforces its mask).
pub fn judge_by_period(
    environment: &mut dyn Environment,
    policy: &dyn Policy,
    seed: Seed,
    period_ends: &[u32],
) -> Result<Record, MaskedAction> {
    run(environment, policy, seed, Recorder::default(), period_ends)
}

fn run(
    environment: &mut dyn Environment,
    policy: &dyn Policy,
    seed: Seed,
    recorder: Recorder<'_>,
    period_ends: &[u32],
) -> Result<Record, MaskedAction> {
    let spec = environment.spec().clone();
    let judging = Judging {
        weights: discount_weights(spec.discount, spec.horizon),
        spec,
        policy,
        seed,
        by_consumer: recorder.by_consumer,
        period_ends,
    };
    let records = match (environment.is_coupled(), recorder.sink) {
        (false, None) => judging.shard_by_shard(environment.shards_mut())?,
        (false, Some(sink)) => {
            let mut records = Vec::new();
            for shards in environment.shards_mut().chunks_mut(LOGGED_SHARDS) {
                records.extend(judging.tick_by_tick(&mut Uncoupled(shards), Some(&mut *sink))?);
            }
            records
        }
        (true, sink) => judging.tick_by_tick(&mut Coupled(environment), sink)?,
    };
    Ok(judging.total(records))
}

/// Shards that live a tick together, and what joins them after it.
trait Together {
    fn shards_mut(&mut self) -> Vec<&mut dyn Shard>;
    fn end_tick(&mut self);
    /// A copy at the same state, with the same luck ahead.
    fn twin(&self) -> Twin;
}

struct Coupled<'a>(&'a mut dyn Environment);

impl Together for Coupled<'_> {
    fn shards_mut(&mut self) -> Vec<&mut dyn Shard> {
        self.0.shards_mut()
    }

    fn end_tick(&mut self) {
        self.0.end_tick();
    }

    fn twin(&self) -> Twin {
        Twin::Market(self.0.fork())
    }
}

struct Uncoupled<'a, 'b>(&'a mut [&'b mut dyn Shard]);

impl Together for Uncoupled<'_, '_> {
    fn shards_mut(&mut self) -> Vec<&mut dyn Shard> {
        self.0.iter_mut().map(|shard| &mut **shard as &mut dyn Shard).collect()
    }

    fn end_tick(&mut self) {}

    fn twin(&self) -> Twin {
        Twin::Shards(self.0.iter().map(|shard| shard.fork()).collect())
    }
}

struct Judging<'a> {
    spec: Spec,
    weights: Vec<f64>,
    policy: &'a dyn Policy,
    seed: Seed,
    by_consumer: bool,
    period_ends: &'a [u32],
}

impl Judging<'_> {
    /// All ticks of a shard while it is in cache; shards in parallel.
    fn shard_by_shard(&self, shards: Vec<&mut dyn Shard>) -> Result<Vec<Record>, MaskedAction> {
        let views = self.policy.views();
        let lived: Vec<Result<Record, MaskedAction>> = shards
            .into_par_iter()
            .map_init(Exchange::default, |exchange, shard| {
                let mut record = self.open(shard);
                for tick in 0..self.spec.horizon {
                    // What may be seen of each consumer before the decision.
                    exchange.observe(shard, views, self.policy);
                    // One action per consumer, and what it brought.
                    exchange.act(shard, self.policy, self.seed)?;
                    // Integers are counted; nothing else is kept.
                    record.count(shard, tick, &exchange.decision, &exchange.outcome, &self.weights);
                }
                Ok(self.close(shard, record))
            })
            .collect();
        // The first error in shard order, whichever thread met one first.
        lived.into_iter().collect()
    }

    /// All shards of a tick, then the barrier, then the next tick.
    fn tick_by_tick(
        &self,
        together: &mut dyn Together,
        mut sink: Option<&mut (dyn DecisionSink + '_)>,
    ) -> Result<Vec<Record>, MaskedAction> {
        let logged = sink.is_some();
        let ticks = sink.as_ref().map_or(1, |sink| sink.window_ticks().max(1));
        let law = sink.as_ref().is_some_and(|sink| sink.wants_probabilities());
        let own = self.policy.views();
        let views = Views { features: logged || own.features, ..own };
        let mut twin = sink.as_ref().is_some_and(|sink| sink.wants_truth()).then(|| together.twin());
        let mut lanes: Vec<Lane> = together
            .shards_mut()
            .iter()
            .map(|shard| Lane::new(self.open(*shard), logged.then(|| Window::new(ticks)), twin.is_some()))
            .collect();
        for tick in 0..self.spec.horizon {
            let steps: Vec<Result<(), MaskedAction>> = together
                .shards_mut()
                .into_par_iter()
                .zip(&mut lanes)
                .map(|(shard, lane)| lane.step(self, shard, views, tick, law))
                .collect();
            steps.into_iter().collect::<Result<(), MaskedAction>>()?;
            if let Some(twin) = &mut twin {
                witness(together, &mut lanes, twin)?;
            }
            // The barrier: budgets and other shared quantities, in shard order.
            together.end_tick();
            if let Some(sink) = sink.as_deref_mut() {
                lanes.iter_mut().filter_map(Lane::matured).for_each(|step| sink.take(step, true));
            }
        }
        if let Some(sink) = sink {
            // All lanes have the same number of open windows.
            for _ in 1..ticks {
                lanes.iter_mut().filter_map(Lane::cut_off).for_each(|step| sink.take(step, false));
            }
        }
        let shards = together.shards_mut();
        Ok(shards.iter().zip(lanes).map(|(shard, lane)| self.close(*shard, lane.record)).collect())
    }

    fn open(&self, shard: &dyn Shard) -> ShardRecord {
        ShardRecord::new(&self.spec, shard.consumers().len(), self.by_consumer, self.period_ends)
    }

    fn close(&self, shard: &dyn Shard, record: ShardRecord) -> Record {
        let mut terminal_values = Vec::new();
        shard.terminal_values(&mut terminal_values);
        record.close(&terminal_values, &self.weights, self.by_consumer)
    }

    /// Adds the shards up, in shard order.
    fn total(&self, records: Vec<Record>) -> Record {
        let mut total = Record::new(&self.spec, self.by_consumer);
        records.into_iter().for_each(|record| total.append(record));
        total
    }
}

/// The same tick of the twin, and what the two tell together.
fn witness(together: &mut dyn Together, lanes: &mut [Lane], twin: &mut Twin) -> Result<(), MaskedAction> {
    let steps: Vec<Result<(), MaskedAction>> = together
        .shards_mut()
        .into_par_iter()
        .zip(twin.shards_mut())
        .zip(lanes)
        .map(|((shard, twin), lane)| lane.witness(shard, twin))
        .collect();
    twin.end_tick();
    steps.into_iter().collect()
}

/// One shard's buffers between the barriers.
struct Lane {
    exchange: Exchange,
    record: ShardRecord,
    window: Option<Window>,
    witness: Option<Witness>,
}

impl Lane {
    fn new(record: ShardRecord, window: Option<Window>, with_truth: bool) -> Self {
        Self { exchange: Exchange::default(), record, window, witness: with_truth.then(Witness::default) }
    }

    /// Compares the tick that was just lived with that of the twin.
    fn witness(&mut self, shard: &dyn Shard, twin: &mut dyn Shard) -> Result<(), MaskedAction> {
        if let (Some(witness), Some(window)) = (&mut self.witness, &mut self.window) {
            witness.compare(shard, window.newest_profits(), twin)?;
            window.tell(&mut witness.truth);
        }
        Ok(())
    }

    fn step(
        &mut self,
        judging: &Judging<'_>,
        shard: &mut dyn Shard,
        views: Views,
        tick: u32,
        law: bool,
    ) -> Result<(), MaskedAction> {
        let exchange = &mut self.exchange;
        exchange.observe(shard, views, judging.policy);
        if let Some(witness) = &mut self.witness {
            witness.expect(shard);
        }
        exchange.act(shard, judging.policy, judging.seed)?;
        self.record.count(shard, tick, &exchange.decision, &exchange.outcome, &judging.weights);
        if let Some(window) = &mut self.window {
            if law {
                // A rule decides without writing its law down: the log asks for it.
                let Exchange { observation, decision, .. } = exchange;
                judging.policy.probabilities(observation, judging.seed, &mut decision.probabilities);
            }
            window.push(exchange, law);
        }
        Ok(())
    }

    fn matured(&mut self) -> Option<&Matured> {
        self.window.as_mut()?.matured().map(|step| &*step)
    }

    fn cut_off(&mut self) -> Option<&Matured> {
        self.window.as_mut()?.cut_off().map(|step| &*step)
    }
}
