//! A response given by a table of logit coefficients.

use crate::market::customers::CustomerTable;
use crate::matrix::Matrix;
use crate::protocol::{Environment, Observation, Spec, World};
use crate::random::Seed;
use crate::registry::{Parameter, Refusal, Values};

/// Keys of `[market]` with `kind = "logit"`.
pub const PARAMETERS: &[Parameter] = &[];

/// A market whose response is a table of logit coefficients.
#[derive(Clone, Debug)]
pub struct LogitWorld {
    spec: Spec,
}

impl LogitWorld {
    /// Builds the market, or says all that is wrong with it.
    ///
    /// # Errors
    /// One refusal per fault.
    pub fn new(_market: &Values, _customers: Option<&CustomerTable>) -> Result<Self, Vec<Refusal>> {
        Err(Vec::new())
    }

    /// Expected reward of every action for what is observed, `rows × actions`, where the observation says all that
    /// the response depends on.
    pub fn expected_rewards(&self, _observation: &Observation, _expected: &mut Matrix) {}
}

impl World for LogitWorld {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn open(&self, _seed: Seed) -> Box<dyn Environment> {
        unreachable!()
    }
}
