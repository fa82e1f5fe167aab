//! What can be told about one consumer once a run is over.

use serde::Serialize;

/// What the simulator can tell about the consumers of a shard: for explaining a run, never for deciding.
///
/// It is read, not kept: a shard that nobody asks pays nothing for it.
pub trait Story {
    /// Who the consumer is: latent traits that never change, as (name, value).
    fn traits(&self, row: usize) -> Vec<(String, f64)>;
    /// What carries the past on, as it stands now: (name, value).
    fn state(&self, row: usize) -> Vec<(String, f64)>;
    /// The rules that forbid something in the coming tick, each with what it forbids. Together they forbid exactly what the
    /// mask forbids, or would where it is only audited.
    fn forbidden(&self, row: usize) -> Vec<Forbidden>;
    /// Whether rules are only audited.
    fn is_audited(&self) -> bool;
    /// What happened in the tick lived last, in the order in which it happened.
    fn events(&self, row: usize) -> Vec<Happening>;
}

/// A rule that forbids actions to a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Forbidden {
    /// Which rule, in words.
    pub rule: String,
    /// What it forbids: indices into the action space, ascending.
    pub actions: Vec<u16>,
}

/// Something that happened to a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Happening {
    /// One word, such as `opened` or `ordered`.
    pub kind: &'static str,
    /// The same as a person would tell it.
    pub told: String,
}

impl Happening {
    /// From its parts.
    #[must_use]
    pub fn new(kind: &'static str, told: impl Into<String>) -> Self {
        Self { kind, told: told.into() }
    }
}
