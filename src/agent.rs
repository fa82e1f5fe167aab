//! Policies and agents: what decides. An agent knows only its observation.

mod linear;

mod boltzmann;
mod epsilon_greedy;
mod lin_thompson;
mod lin_ucb;
mod logistic_thompson;
mod square_cb;

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
pub const POLICIES: &[Entry<PolicyBuild>] = &[];

/// All learning agents.
pub const AGENTS: &[Entry<AgentBuild>] = &[
    boltzmann::ENTRY,
    epsilon_greedy::ENTRY,
    lin_thompson::ENTRY,
    lin_ucb::ENTRY,
    logistic_thompson::ENTRY,
    square_cb::ENTRY,
];
