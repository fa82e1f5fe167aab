//! Mercato: a simulated market of synthetic consumers who react to messages, and the agents that decide what to send.

pub mod agent;
#[cfg(feature = "cli")]
pub mod cli;
pub mod environment;
pub mod episode;
pub mod evaluation;
#[cfg(feature = "cli")]
pub mod logged;
pub mod market;
pub mod math;
pub mod matrix;
pub mod oracle;
#[cfg(feature = "cli")]
pub mod outcomes;
pub mod protocol;
pub mod random;
pub mod registry;
#[cfg(feature = "cli")]
pub mod report;
pub mod response;
pub mod scenario;
pub mod statistics;
pub mod trap;
pub mod units;
