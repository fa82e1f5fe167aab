//! Keys that agents which learn from a log share, and what they say.

use super::super::frames::FrameShape;
use super::super::objective::FittingSettings;
use crate::protocol::Spec;
use crate::random::Seed;
use crate::registry::{Parameter, Range, Refusal, Tuning, Values};
use serde::{Deserialize, Serialize};

/// Seed of the draw that says whom memory follows.
const FOLLOWING: Seed = Seed::new(0x006f_6666_6c69_6e65);

pub(in super::super) const BATCH: Parameter = Parameter::integer("batch", 256, 1, 65_536, "frames of an update");
pub(in super::super) const UPDATES: Parameter =
    Parameter::integer("updates", 20_000, 1, 100_000_000, "updates when the log is over");
pub(in super::super) const MEMORY: Parameter =
    Parameter::integer("memory", 1_000_000, 16, 100_000_000, "frames of the log that are remembered");
pub(in super::super) const STEPS: Parameter =
    Parameter::integer("steps", 1, 1, 100, "ticks of a return before the value of what follows")
        .tuned(Tuning::Integers(&[1, 2, 3, 5]));
pub(in super::super) const UPDATES_PER_TARGET: Parameter =
    Parameter::integer("updates_per_target", 200, 1, 1_000_000, "updates from one of the target network to the next");
pub(in super::super) const TARGET_SHARE: Parameter = Parameter::number(
    "target_share",
    1.0,
    Range { low: 0.0, high: 1.0, low_open: true, high_open: false },
    "share by which the target network approaches the online one; 1 copies",
);
pub(in super::super) const CONTACT_SHARE: Parameter = Parameter::optional_number(
    "contact_share",
    Range::PROBABILITY,
    "chance of a contact while it still gathers, even among contacts; if absent, all allowed actions are even",
);
pub(in super::super) const EPSILON_JUDGED: Parameter =
    Parameter::number("epsilon_judged", 0.0, Range::PROBABILITY, "share of random decisions when it is judged");
pub(in super::super) const NETWORK_SEED: Parameter =
    Parameter::integer("network_seed", 1, 0, i64::MAX, "seed of the initial weights");

/// How the law is read off the network that decides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reader {
    /// The greatest mean output of an action, and this share of random decisions.
    Greedy(f64),
    /// The soft-max of the outputs.
    SoftMax,
}

/// When it is fitted, and how it acts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfflineSettings {
    pub(super) capacity: usize,
    pub(super) updates: u64,
    pub(super) reader: Reader,
    pub(super) contact_share: Option<f64>,
}

/// What an agent is made of, beside its objective.
pub type Parts = (OfflineSettings, FittingSettings, FrameShape, Seed);

impl OfflineSettings {
    /// From the keys that agents of this kind share; those that look ahead no further have none for it.
    ///
    /// # Errors
    /// Where the market shows no features.
    pub fn new(values: &Values, spec: &Spec, outputs: usize, reader: Reader) -> Result<Parts, Refusal> {
        let (fitting, shape, seed) = FittingSettings::of(values, spec, outputs)?;
        let settings = Self {
            capacity: fitting.replay.capacity,
            updates: values.integer(UPDATES.name) as u64,
            reader,
            contact_share: values.optional_number(CONTACT_SHARE.name),
        };
        let followed = share_of(settings.capacity, 1, spec.horizon, spec.consumers);
        Ok((settings, FittingSettings { followed: (FOLLOWING, followed), ..fitting }, shape, seed))
    }
}

/// Share of consumers whose frames, the last that is only seen included, memory has room for.
pub(super) fn share_of(capacity: usize, markets: u32, ticks: u32, consumers: u32) -> f64 {
    capacity as f64 / (f64::from(markets.max(1)) * (f64::from(ticks) + 1.0) * f64::from(consumers.max(1)))
}
