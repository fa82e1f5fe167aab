//! Contacts those whom the contact changes most: the expected reward of the best contact less that of no contact, each from
//! a regression of its own (Künzel, Sekhon, Bickel & Yu 2019, *Metalearners for estimating heterogeneous treatment effects
//! using machine learning*, the T-learner; Radcliffe 2007; Gutierrez & Gérardy 2017, *Causal inference and uplift
//! modelling*, the two-model approach).
//!
//! One ridge regression of the reward per action, learned from the agent's own decisions, an `epsilon` share of which is
//! random; then the best contact where its uplift passes [`super::targeting`].
//!
//! Differences from the sources:
//! 1. The regressions are those of [`super::linear`], in its forms; several contacts compete, and the best is taken.
//! 2. Decisions depend on what is observed alone, so that regressions on it need no weights for their propensities.

use super::linear::{INTERCEPT, Law, Learner, MODEL, Model, RIDGE, Row};
use super::targeting::{EPSILON, SHARE, Score, THRESHOLD, Targeting};
use super::{AgentBuild, linear};
use crate::protocol::{Agent, Metrics, Spec, Transitions};
use crate::registry::{Entry, Refusal, Values};
use serde::{Deserialize, Serialize};

/// `kind = "uplift_greedy"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: UpliftGreedy::NAME,
    summary: "contacts those whom the contact changes most: expected reward of the contact less that of none",
    source: "Radcliffe 2007; Künzel, Sekhon, Bickel & Yu 2019 (T-learner); Gutierrez & Gérardy 2017",
    parameters: &[THRESHOLD, SHARE, EPSILON, MODEL, RIDGE, INTERCEPT],
    build: AgentBuild { create, load: linear::Learner::<UpliftGreedy>::load },
};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct UpliftGreedy(Targeting);

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let law = UpliftGreedy(Targeting::new(Score::Uplift, values));
    Ok(Box::new(Learner::new(law, Model::create(values, spec)?)))
}

impl Law for UpliftGreedy {
    const NAME: &'static str = "uplift_greedy";

    fn fill(&self, row: &mut Row<'_>, probabilities: &mut [f32]) {
        self.0.fill(row, probabilities);
    }

    fn certain(&self, row: &mut Row<'_>) -> Option<usize> {
        self.0.certain(row)
    }

    fn review(&mut self, model: &Model, batch: &Transitions<'_>) -> Metrics {
        self.0.review(model, batch);
        Metrics::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::targeting::tests::contacted;
    use super::*;

    #[test]
    fn it_contacts_the_persuadable() {
        // Uplifts: -0.05, 0.35, -0.05, with or without a limit on how many.
        assert_eq!(contacted(&ENTRY, Some(0.33)), [false, true, false]);
        assert_eq!(contacted(&ENTRY, None), [false, true, false]);
    }
}
