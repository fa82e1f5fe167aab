//! Contacts those who are expected to bring most once contacted, whatever they would have brought without: the classical
//! response model, which takes sure things for successes (Radcliffe 2007, *Using control groups to target on predicted
//! lift*, section 2, describes it and why it fails).
//!
//! One ridge regression of the reward per action, learned from the agent's own decisions, an `epsilon` share of which is
//! random; then the best contact where its expected reward passes [`super::targeting`]. What no contact would bring plays
//! no part: that is the point of it, beside [`super::uplift_greedy`].
//!
//! Difference from practice: the reward is the profit of the window, costs taken off, not a response yes or no.

use super::linear::{INTERCEPT, Law, Learner, MODEL, Model, RIDGE, Row};
use super::targeting::{EPSILON, SHARE, Score, THRESHOLD, Targeting};
use super::{AgentBuild, linear};
use crate::protocol::{Agent, Metrics, Spec, Transitions};
use crate::registry::{Entry, Refusal, Values};
use serde::{Deserialize, Serialize};

/// `kind = "response_greedy"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: ResponseGreedy::NAME,
    summary: "contacts those of the highest expected reward once contacted, blind to what they would do anyway",
    source: "Radcliffe 2007, Using control groups to target on predicted lift, section 2",
    parameters: &[THRESHOLD, SHARE, EPSILON, MODEL, RIDGE, INTERCEPT],
    build: AgentBuild { create, load: linear::Learner::<ResponseGreedy>::load },
};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct ResponseGreedy(Targeting);

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let law = ResponseGreedy(Targeting::new(Score::Response, values));
    Ok(Box::new(Learner::new(law, Model::create(values, spec)?)))
}

impl Law for ResponseGreedy {
    const NAME: &'static str = "response_greedy";

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
    fn it_contacts_the_sure_things() {
        // Expected rewards once contacted: 0.75, 0.45, 0. A third of them: the sure things, who need no contact.
        assert_eq!(contacted(&ENTRY, Some(0.33)), [true, false, false]);
        // All whose contact seems to pay for itself: sure things and persuadable ones, at least.
        assert_eq!(contacted(&ENTRY, None)[..2], [true, true]);
    }
}
