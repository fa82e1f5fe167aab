//! Inverse propensity scoring where weights are small, the model where they are large.

use super::{Build, Estimator, Terms, grid};
use crate::evaluation::evidence::{Evidence, Fit, MissingEvidence, Needs};
use crate::registry::{Entry, Parameter, Range};

/// The entry of `switch`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "switch",
    summary: "inverse propensity scoring for actions with a ratio of at most tau, the model for the others",
    source: "Wang, Agarwal and Dudik 2017",
    parameters: &[Parameter::optional_number(
        "tau",
        Range::NON_NEGATIVE,
        "actions with a larger ratio of probabilities are left to the model; chosen from the data where it is not given",
    )],
    build: |values| Ok(grid::family(values, "tau", grid::WEIGHTS.iter().copied(), |tau| Switch { tau })),
};

/// `mean(w r 1[w <= tau] + sum over a of pi(a|x) q(x, a) 1[ratio(a|x) > tau])` with `ratio = pi / logging`: the model
/// speaks only of what the log cannot. Needs the logging probability of every action, since actions that were not taken
/// are sorted by their ratio too. Biased by the model's error there; without the model's help against variance elsewhere.
/// `tau = 0` is the direct method, a large one is `ips`.
#[derive(Debug)]
struct Switch {
    tau: f64,
}

impl Estimator for Switch {
    fn needs(&self) -> Needs {
        Needs::model(Fit::Plain).or(Needs::LOGGING)
    }

    fn terms(&self, evidence: &Evidence<'_>, terms: &mut Terms) -> Result<(), MissingEvidence> {
        let model = evidence.model(Fit::Plain)?;
        let logging = evidence.logging()?.chunks_exact(evidence.action_count);
        for (round, logging) in logging.enumerate() {
            let weight = evidence.weight(round);
            let mut term = if weight <= self.tau { weight * evidence.rewards[round] } else { 0.0 };
            for (action, (target, logging)) in evidence.target_of(round).iter().zip(logging).enumerate() {
                // Without a division: a target of 0 is never left to the model, one without logging always is.
                if *target > self.tau * logging {
                    term += target * model.of(round, action as u32);
                }
            }
            terms.plain.push(term);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::estimator::testing::EightRounds;

    #[test]
    fn the_eight_rounds_at_three_thresholds() {
        for (tau, value) in [(0.5, 0.39), (1.0, 0.37), (2.5, 0.55)] {
            assert!((EightRounds::new().value(&Switch { tau }) - value).abs() < 1e-12, "{tau}");
        }
    }
}
