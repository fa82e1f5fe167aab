//! Keys that agents which learn from a log share, and what they say.

use super::super::frames::FrameShape;
use super::super::network::{Architecture, Scheme};
use super::super::optimizer::Settings;
use super::super::replay::ReplaySettings;
use super::super::schedule::Schedule;
use super::super::settings;
use crate::protocol::Spec;
use crate::random::Seed;
use crate::registry::{Parameter, Range, Refusal, Values};
use serde::{Deserialize, Serialize};

pub(in super::super) const BATCH: Parameter = Parameter::integer("batch", 256, 1, 65_536, "frames of an update");
pub(in super::super) const UPDATES: Parameter =
    Parameter::integer("updates", 20_000, 1, 100_000_000, "updates when the log is over");
pub(in super::super) const MEMORY: Parameter =
    Parameter::integer("memory", 1_000_000, 16, 100_000_000, "frames of the log that are remembered");
pub(in super::super) const STEPS: Parameter =
    Parameter::integer("steps", 1, 1, 100, "ticks of a return before the value of what follows");
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

/// How it is fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfflineSettings {
    pub(super) architecture: Architecture,
    pub(super) replay: ReplaySettings,
    pub(super) optimizer: Settings,
    pub(super) learning_rate: Schedule,
    pub(super) batch_rows: usize,
    pub(super) updates: u64,
    pub(super) updates_per_target: u64,
    pub(super) target_share: f64,
    pub(super) normalise: bool,
    pub(super) reward_scale: f64,
    pub(super) reader: Reader,
    pub(super) contact_share: Option<f64>,
    /// Share of consumers that memory follows.
    pub(super) followed: f64,
}

impl OfflineSettings {
    /// From the keys that agents of this kind share; those that look ahead no further have none for it.
    ///
    /// # Errors
    /// Where the market shows no features.
    pub fn new(
        values: &Values,
        spec: &Spec,
        outputs: usize,
        reader: Reader,
    ) -> Result<(Self, FrameShape, Seed), Refusal> {
        if spec.features.is_empty() {
            return Err(Refusal::new(
                values,
                settings::HIDDEN.name,
                "this market shows no features, so that a network has nothing to read",
                "take a bandit that looks at no feature, such as `ucb1`",
            ));
        }
        let capacity = values.integer(MEMORY.name) as usize;
        let architecture = settings::architecture(values, spec, outputs, false, Scheme::Kaiming);
        let shape = FrameShape::of(spec, settings::remembered(&architecture));
        let rate = values.number(settings::LEARNING_RATE.name);
        let to = rate * values.number(settings::LEARNING_RATE_END.name);
        let settings = Self {
            replay: ReplaySettings {
                capacity,
                steps: values.optional_integer(STEPS.name).unwrap_or(1) as usize,
                discount: values.optional_number(settings::DISCOUNT.name).unwrap_or(spec.discount),
                alpha: None,
            },
            architecture,
            optimizer: Settings {
                norm_max: Some(values.number(settings::GRADIENT_NORM_MAX.name)),
                ..Settings::default()
            },
            learning_rate: Schedule::Linear { from: rate, to, until: 1.0 },
            batch_rows: values.integer(BATCH.name) as usize,
            updates: values.integer(UPDATES.name) as u64,
            updates_per_target: values.optional_integer(UPDATES_PER_TARGET.name).unwrap_or(1) as u64,
            target_share: values.optional_number(TARGET_SHARE.name).unwrap_or(1.0),
            normalise: values.boolean(settings::NORMALISE.name),
            reward_scale: values.optional_number(settings::REWARD_SCALE.name).unwrap_or(1.0),
            reader,
            contact_share: values.optional_number(CONTACT_SHARE.name),
            followed: share_of(capacity, 1, spec.horizon, spec.consumers),
        };
        Ok((settings, shape, Seed::new(values.integer(NETWORK_SEED.name) as u64)))
    }
}

/// Share of consumers whose frames, the last that is only seen included, memory has room for.
pub(super) fn share_of(capacity: usize, markets: u32, ticks: u32, consumers: u32) -> f64 {
    capacity as f64 / (f64::from(markets.max(1)) * (f64::from(ticks) + 1.0) * f64::from(consumers.max(1)))
}
