//! Judging policies on a log: from an evaluation file to estimates, diagnostics and a verdict.
//!
//! The log is read forwards, some thousand rows at a time, twice or more: first every row is checked and every name is
//! numbered; then models are fitted; then every target's law stands beside what was done. Memory does not grow with the
//! log. What is wrong with it is told with file and row, and nothing is judged then: weights are never invented.

mod batch;
mod cells;
mod dictionary;
mod file;
mod fitted;
mod judge;
mod keys;
mod law;
mod law_table;
mod layout;
mod log;
mod loggers;
mod logging;
#[cfg(feature = "deep")]
pub(crate) mod neural;
mod pass;
mod policy;
mod scan;
pub mod schema;
mod sequence_kinds;
mod sequences;
mod source;
mod spread;
mod stream;
mod target;
pub mod training;
mod twin;

pub use file::{Evaluation, is_evaluation, load, parse};
pub use judge::{Judged, ModelReport, check, judge};
pub use sequences::{NamedEstimate, SequenceAppraisal};
pub use spread::{PROPENSITY_BINS, Spread, WEIGHT_BINS};
pub use twin::{Twin, TwinResult};
