//! Environment x policy -> experience: judging a frozen policy, and training an agent.

/// What an agent learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reward {
    /// The profit booked in the tick of the decision.
    Tick,
    /// The profit booked in this and the following ticks, `ticks` in all; matured when the window closes.
    Window {
        /// Length of the window.
        ticks: u32,
    },
}

/// The training that every agent gets, bandit or deep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Training {
    /// Passes over the seeds.
    pub episodes: u32,
    /// Seeds of the training markets; each replication derives its own markets from them.
    pub seeds: Vec<u64>,
    /// What is learned from.
    pub reward: Reward,
}
