//! Policies and agents: what decides. An agent knows only its observation.
//!
//! Fixed policies: [`none`], [`always`], [`rule`], [`uniform`], [`table`], and [`saved`], an agent that was trained before. Bandits that learn one value per action and
//! look at no feature: [`ucb1`], [`kl_ucb`], [`thompson`], and two that forget: [`sliding_window_ucb`],
//! [`discounted_thompson`]. Bandits that learn linear models of the features: `epsilon_greedy`, `boltzmann`, `lin_ucb`,
//! `lin_thompson`, `logistic_thompson`, `square_cb`, and `discounted_lin_ucb`, which forgets. Beyond the best expected
//! reward: `budget_paced` puts a price on costs, `parity_constrained` on treating groups differently, and
//! [`lagrangian`] on either, and on opt-outs, around any other agent; `response_greedy` and `uplift_greedy` score people for a contact, with
//! and without regard for what they would do anyway. Many consumers with few data each: [`clustered`],
//! [`hierarchical_thompson`]. Looking ahead: [`q_learning`] by a table, those of `deep` by networks.

pub mod always;
mod arm_groups;
pub mod arms;
mod certain;
pub mod clustered;
mod clusters;
mod contact;
#[cfg(feature = "deep")]
pub mod deep;
pub mod discounted_thompson;
mod forgetting;
pub mod hierarchical_thompson;
mod hierarchy;
pub mod index_bandit;
pub mod kl_ucb;
pub mod lagrangian;
mod naming;
pub mod none;
mod persons;
mod pick;
pub mod q_learning;
pub mod ranking;
pub mod reward_range;
pub mod rule;
mod sampling;
pub mod saved;
mod segment;
pub mod sliding_window_ucb;
pub mod softmax_linear;
pub mod table;
pub mod thompson;
pub mod ucb1;
pub mod uniform;

mod linear;

mod boltzmann;
mod budget_paced;
mod discounted_lin_ucb;
mod epsilon_greedy;
mod lin_thompson;
mod lin_ucb;
mod logistic_thompson;
mod parity_constrained;
mod response_greedy;
mod square_cb;
mod targeting;
mod uplift_greedy;

use crate::protocol::{Agent, Policy, Spec};
use crate::registry::{Entry, Refusal, Values};
use std::io;

/// How a fixed policy is made.
pub type PolicyBuild = fn(&Values, &Spec) -> Result<Box<dyn Policy>, Refusal>;

/// How an agent starts.
pub type AgentCreate = fn(&Values, &Spec) -> Result<Box<dyn Agent>, Refusal>;

/// How a learning agent is made, and brought back from what it saved.
#[derive(Clone, Copy, Debug)]
pub struct AgentBuild {
    /// A fresh agent that has learned nothing.
    pub create: AgentCreate,
    /// The agent that `save` wrote.
    pub load: fn(&mut dyn io::Read) -> io::Result<Box<dyn Agent>>,
}

/// All fixed policies.
pub const POLICIES: &[Entry<PolicyBuild>] =
    &[none::ENTRY, always::ENTRY, rule::ENTRY, uniform::ENTRY, table::ENTRY, softmax_linear::ENTRY, saved::ENTRY];

/// All learning agents.
pub const AGENTS: &[Entry<AgentBuild>] = &[
    epsilon_greedy::ENTRY,
    boltzmann::ENTRY,
    ucb1::ENTRY,
    kl_ucb::ENTRY,
    thompson::ENTRY,
    lin_ucb::ENTRY,
    lin_thompson::ENTRY,
    logistic_thompson::ENTRY,
    square_cb::ENTRY,
    discounted_thompson::ENTRY,
    sliding_window_ucb::ENTRY,
    discounted_lin_ucb::ENTRY,
    budget_paced::ENTRY,
    parity_constrained::ENTRY,
    lagrangian::ENTRY,
    response_greedy::ENTRY,
    uplift_greedy::ENTRY,
    clustered::ENTRY,
    hierarchical_thompson::ENTRY,
    q_learning::ENTRY,
    #[cfg(feature = "deep")]
    deep::dqn::ENTRY,
    #[cfg(feature = "deep")]
    deep::qr_dqn::ENTRY,
    #[cfg(feature = "deep")]
    deep::fitted_q::ENTRY,
    #[cfg(feature = "deep")]
    deep::bc::ENTRY,
    #[cfg(feature = "deep")]
    deep::cql::ENTRY,
    #[cfg(feature = "deep")]
    deep::iql::ENTRY,
    #[cfg(feature = "deep")]
    deep::reinforce::ENTRY,
    #[cfg(feature = "deep")]
    deep::a2c::ENTRY,
    #[cfg(feature = "deep")]
    deep::ppo::ENTRY,
    #[cfg(feature = "deep")]
    deep::discrete_sac::ENTRY,
    #[cfg(feature = "deep")]
    deep::neural_linear::ENTRY,
    #[cfg(feature = "deep")]
    deep::bootstrapped_thompson::ENTRY,
    #[cfg(feature = "deep")]
    deep::neural_ucb::ENTRY,
];
