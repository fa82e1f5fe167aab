//! The policy that knows what one message changes.

use super::{Inside, OracleBuild, contact_of, greatest, require_closed_form};
use crate::matrix::Matrix;
use crate::protocol::{Decision, Look, Observation, Policy, Views, World};
use crate::random::Seed;
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Values};

/// Treats whom the message changes by more than the threshold. In a one-shot market with threshold 0 nothing is better.
pub const ENTRY: Entry<OracleBuild> = Entry {
    name: "uplift",
    summary: "sends one action to those whose true expected profit it raises by more than a threshold",
    source: "Radcliffe (2007), with the true effect in place of an estimate",
    parameters: &[
        Parameter::of(
            "action",
            Kind::Text { default: None },
            "name of the action, as in the results; else the best of all",
        ),
        Parameter::number("threshold", 0.0, Range::ANY, "least gain in expected profit, in currency"),
    ],
    build,
};

fn build(values: &Values, inside: Inside<'_>) -> Result<Box<dyn Policy>, Refusal> {
    match inside {
        Inside::Campaign(campaign) => {
            require_closed_form(values, "uplift", campaign)?;
            let action = contact_of(values, campaign.spec())?;
            Ok(Box::new(Uplift { action, threshold: values.number("threshold") as f32 }))
        }
        Inside::Finite(_) | Inside::Logit(_) => Err(Refusal::new(
            values,
            "kind",
            "`uplift` needs a market of kind \"market\"",
            "`myopic` is the same with threshold 0 where expected rewards are given by a table",
        )),
    }
}

#[derive(Debug)]
struct Uplift {
    /// The one action that competes with no contact; `None` for all.
    action: Option<usize>,
    threshold: f32,
}

impl Uplift {
    fn score(&self, observation: &Observation, row: usize, action: usize) -> f32 {
        let expected = &observation.latent.expected;
        if action == 0 {
            expected.get(row, 0) + self.threshold
        } else if self.action.is_none_or(|chosen| chosen == action) {
            expected.get(row, action)
        } else {
            f32::NEG_INFINITY
        }
    }
}

impl Policy for Uplift {
    fn views(&self) -> Views {
        Views::default()
    }

    fn looks_inside(&self) -> Option<Look<'_>> {
        Some(Look::State)
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        greatest::write(observation, probabilities, |row, action| self.score(observation, row, action));
    }

    fn decide(&self, observation: &Observation, _seed: Seed, decision: &mut Decision) {
        greatest::decide(observation, decision, |row, action| self.score(observation, row, action));
    }
}
