//! Experiments that took place elsewhere: a file of questions, a file of outcomes, and what they come to.
//!
//! [`load`] checks both files and gathers all that is wrong with them; [`Inquiry::analyse`] answers.

mod columns;
mod file;
mod finding;
pub mod schema;
mod whom;

pub use columns::Columns;
pub use file::{Inquiry, Metric, Role, load, parse};
pub use finding::{ArmSize, Finding, Findings, MetricFinding, Verdict};
pub use whom::{LeafFinding, RankingFinding, UpliftFinding};

use toml::de::DeTable;

/// Whether a text is meant as an experiment file and not as a scenario: it has `[data]` or `[[metric]]`, and
/// neither `[market]` nor the key `scenario`.
#[must_use]
pub fn is_inquiry(text: &str) -> bool {
    let (document, _) = DeTable::parse_recoverable(text);
    let has = |key: &str| document.get_ref().get(key).is_some();
    (has("data") || has("metric")) && !has("market") && !has("scenario")
}

#[cfg(test)]
mod tests;
