//! Inverse propensity scoring with bounded weights.

use super::{Build, Estimator, Terms, grid};
use crate::evaluation::evidence::{Evidence, MissingEvidence, Needs};
use crate::registry::{Entry, Parameter, Range};

/// The entry of `clipped_ips`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "clipped_ips",
    summary: "inverse propensity scoring with weights of at most maximum_weight",
    source: "Ionides 2008; Bottou et al. 2013",
    parameters: &[Parameter::optional_number(
        "maximum_weight",
        Range::POSITIVE,
        "weights above this count as this; chosen from the data where it is not given",
    )],
    build: |values| {
        Ok(grid::family(values, "maximum_weight", grid::WEIGHTS.iter().copied(), |maximum| Clipped { maximum }))
    },
};

/// `mean(min(w, M) r)`: variance of at most `M` times that of the rewards, bought with a bias towards 0, by
/// `E[(w - M)+ r]`. Rewards that can be negative or that lie far from 0 make the bias worse: shift them, or take
/// `switch_dr`, which is biased towards a model instead.
#[derive(Debug)]
struct Clipped {
    maximum: f64,
}

impl Estimator for Clipped {
    fn needs(&self) -> Needs {
        Needs::NOTHING
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        let clipped = |round| f64::min(evidence.weight(round), self.maximum) * evidence.rewards[round];
        terms.plain.extend((0..evidence.rounds()).map(clipped));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::EightRounds;

    #[test]
    fn the_eight_rounds_clipped_at_two() {
        assert!((EightRounds::new().value(&Clipped { maximum: 2.0 }) - 0.55).abs() < 1e-12);
    }
}
