//! Estimators of sequences that a file can name: those of judging, and those that take a network from the agents.

use crate::evaluation::sequence::{SEQUENCE_ESTIMATORS, SequenceBuild};
use crate::registry::{Entry, find};

/// Those that need a network; none without the feature `deep`.
#[cfg(feature = "deep")]
pub(super) const NEURAL: &[Entry<SequenceBuild>] = &[super::neural::ENTRY];
/// Those that need a network; none without the feature `deep`.
#[cfg(not(feature = "deep"))]
pub(super) const NEURAL: &[Entry<SequenceBuild>] = &[];

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Entry<SequenceBuild>> {
    SEQUENCE_ESTIMATORS.iter().chain(NEURAL)
}

/// That of a name.
pub(super) fn of_name(name: &str) -> Option<&'static Entry<SequenceBuild>> {
    find(SEQUENCE_ESTIMATORS, name).or_else(|| find(NEURAL, name))
}

/// Whether it is one that this program is built without.
pub(super) fn is_left_out(name: &str) -> bool {
    name == crate::evaluation::sequence::fqe_neural::NAME && of_name(name).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_neural_estimator_is_there_with_networks_alone() {
        assert_eq!(of_name("fqe_neural").is_some(), cfg!(feature = "deep"));
        assert_eq!(is_left_out("fqe_neural"), !cfg!(feature = "deep"));
        assert_eq!(all().count(), SEQUENCE_ESTIMATORS.len() + usize::from(cfg!(feature = "deep")));
        assert!(of_name("fqe").is_some() && of_name("fqee").is_none() && !is_left_out("fqee"));
    }
}
