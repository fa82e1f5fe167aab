//! Policies that may look inside the market: where regret has a true zero.

mod dynamic_programming;
mod myopic;
mod state_actions;

use crate::environment::campaign::Campaign;
use crate::environment::finite::FiniteWorld;
use crate::environment::logit::LogitWorld;
use crate::protocol::Policy;
use crate::registry::{Entry, Refusal, Values};

/// The market that an oracle looks into.
#[derive(Clone, Copy, Debug)]
pub enum Inside<'a> {
    /// `kind = "market"`.
    Campaign(&'a Campaign),
    /// `kind = "finite"`.
    Finite(&'a FiniteWorld),
    /// `kind = "logit"`.
    Logit(&'a LogitWorld),
}

/// How an oracle is made; refused where the market has no such oracle.
pub type OracleBuild = fn(&Values, Inside<'_>) -> Result<Box<dyn Policy>, Refusal>;

/// All oracles.
pub const ORACLES: &[Entry<OracleBuild>] = &[dynamic_programming::ENTRY, myopic::ENTRY];
