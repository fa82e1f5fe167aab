//! A finite decision process given by tables.

use crate::protocol::{Environment, Spec, World};
use crate::random::Seed;
use crate::registry::{Parameter, Refusal, Values};

/// Keys of `[market]` with `kind = "finite"`.
pub const PARAMETERS: &[Parameter] = &[];

/// A finite decision process.
#[derive(Debug)]
pub struct FiniteWorld {
    spec: Spec,
}

impl FiniteWorld {
    /// Builds the process, or says all that is wrong with it.
    ///
    /// # Errors
    /// One refusal per fault.
    pub fn new(_market: &Values) -> Result<Self, Vec<Refusal>> {
        Err(Vec::new())
    }
}

impl World for FiniteWorld {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn open(&self, _seed: Seed) -> Box<dyn Environment> {
        unreachable!()
    }
}
