//! From a scenario file to a checked experiment; the only place that names every registry.

use crate::episode::Training;
use crate::evaluation::{Contestant, Guardrail};
use crate::protocol::World;
use crate::random::Seed;

/// All that a scenario file asks for, checked and built.
pub struct Experiment {
    /// Name in the file.
    pub name: String,
    /// The question it asks, in a sentence.
    pub question: String,
    /// The file as it was read, with every file it names, so that a run can go on from a copy.
    pub text: String,
    /// SHA-256 over the text and the content of every file that it names, in hexadecimal.
    pub hash: String,
    /// Seed of the run.
    pub seed: Seed,
    /// Number of replications.
    pub replications: u32,
    /// The market.
    pub world: Box<dyn World>,
    /// Who competes, in file order.
    pub contestants: Vec<Contestant>,
    /// What every agent gets before it is judged.
    pub training: Training,
    /// What must hold for exit code 0.
    pub guardrails: Vec<Guardrail>,
}
