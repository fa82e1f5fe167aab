//! The market as an environment.

use crate::market::customers::CustomerTable;
use crate::protocol::{Environment, Spec, World};
use crate::random::Seed;
use crate::registry::{Parameter, Range, Refusal, Values};

/// Keys of `[market]` with `kind = "market"`.
pub const PARAMETERS: &[Parameter] = &[
    Parameter::integer("consumers", 1_000, 1, 100_000_000, "number of consumers"),
    Parameter::integer("ticks", 30, 1, 100_000, "number of ticks"),
    Parameter::number("margin", 0.45, Range::PROBABILITY, "gross margin, share of the price"),
];

/// Keys of `[slots]`.
pub const SLOTS: &[Parameter] = &[];
/// Keys of `[constraints]`.
pub const CONSTRAINTS: &[Parameter] = &[];
/// Keys of `[budget]`.
pub const BUDGET: &[Parameter] = &[];

/// What a file says about a market, each key checked for itself.
#[derive(Debug, Default)]
pub struct Sections {
    /// `[market]`.
    pub market: Values,
    /// `[modules.NAME]`: present and not disabled, by name.
    pub modules: Vec<(&'static str, Values)>,
    /// `[[channel]]`: name, registry name of the kind, keys.
    pub channels: Vec<(String, &'static str, Values)>,
    /// `[[offer]]`.
    pub offers: Vec<Values>,
    /// `[[creative]]`.
    pub creatives: Vec<Values>,
    /// `[slots]`.
    pub slots: Values,
    /// `[constraints]`.
    pub constraints: Values,
    /// `[budget]`, if present.
    pub budget: Option<Values>,
    /// `[market.population]`, if present.
    pub customers: Option<CustomerTable>,
}

/// The market.
#[derive(Debug)]
pub struct Campaign {
    spec: Spec,
}

impl Campaign {
    /// Builds the market, or says all that is wrong with it.
    ///
    /// # Errors
    /// One refusal per fault.
    pub fn new(_sections: &Sections) -> Result<Self, Vec<Refusal>> {
        Err(Vec::new())
    }
}

impl World for Campaign {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn open(&self, _seed: Seed) -> Box<dyn Environment> {
        unreachable!()
    }
}
