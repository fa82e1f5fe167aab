//! Candidates for a parameter that a file does not give.
//!
//! Weights are not known before the log is read, and it is read once: so the candidates are a fixed geometric grid over
//! the weights that can matter, two a decade from 1 (a target that is the logging policy has no other weight) to 10,000
//! (a log with larger weights is refused by its effective sample size). Which one is taken follows from the data.

use super::{Estimator, Family, Member};
use crate::registry::Values;

/// Weights from which a member distrusts a round, from the least biased down.
pub(super) const WEIGHTS: &[f64] = &[10_000.0, 3_000.0, 1_000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0];

/// The member with the parameter that the file gives, or one for each candidate.
pub(super) fn family<E: Estimator + 'static>(
    values: &Values,
    parameter: &'static str,
    candidates: impl Iterator<Item = f64>,
    make: impl Fn(f64) -> E,
) -> Family {
    let member = |value| Member { value, estimator: Box::new(make(value)) as Box<dyn Estimator> };
    let members = match values.optional_number(parameter) {
        Some(given) => vec![member(given)],
        None => candidates.map(member).collect(),
    };
    Family { parameter: Some(parameter), members }
}
