//! Policies and agents: what decides. An agent knows only its observation.

pub mod softmax_linear;

use crate::protocol::{Agent, Policy, Spec};
use crate::registry::{Entry, Refusal, Values};
use std::io;

/// How a fixed policy is made.
pub type PolicyBuild = fn(&Values, &Spec) -> Result<Box<dyn Policy>, Refusal>;

/// How a learning agent is made, and brought back from what it saved.
#[derive(Clone, Copy, Debug)]
pub struct AgentBuild {
    /// A fresh agent that has learned nothing.
    pub create: fn(&Values, &Spec) -> Result<Box<dyn Agent>, Refusal>,
    /// The agent that `save` wrote.
    pub load: fn(&mut dyn io::Read) -> io::Result<Box<dyn Agent>>,
}

/// All fixed policies.
pub const POLICIES: &[Entry<PolicyBuild>] = &[softmax_linear::ENTRY];

/// All learning agents.
pub const AGENTS: &[Entry<AgentBuild>] = &[];
