//! LinUCB: the action with the highest upper confidence bound of a linear reward.
//!
//! Li, Chu, Langford & Schapire, *A contextual-bandit approach to personalized news article recommendation*, WWW 2010,
//! algorithm 1 (disjoint linear models); Chu et al. 2011 for the shared form.
//!
//! `argmax over allowed a of mean_a(x) + alpha sqrt(x' A_a^-1 x)`, with `A_a = ridge I + sum of x x'` over the rows in which
//! a was taken and `mean_a(x) = x' A_a^-1 (sum of reward x)`. The width is in units of reward per unit of noise: where
//! rewards spread by s, an `alpha` of s times the textbook's is its equal.
//!
//! Differences from the paper:
//! 1. A constant stands before the features (`intercept = false` leaves it out, as in the paper).
//! 2. `epsilon` mixes in the uniform law, so that a log can be evaluated off-policy; 0, the default, is the paper.
//! 3. Ties go to the first action, not to a random one.
//! 4. `blind_to` names features that are shown and not read: a decision without them, for comparison with one that has them.
//! 5. The forms `shared` and `factored`, with the differences stated in [`super::linear`].

use super::linear::blind::BLIND_TO;
use super::linear::{INTERCEPT, Law, Learner, MODEL, Model, RIDGE, Row, mix_uniform};
use super::{AgentBuild, linear};
use crate::protocol::{Agent, Spec};
use crate::registry::{Entry, Parameter, Range, Refusal, Tuning, Values};
use serde::{Deserialize, Serialize};

/// How wide the bound is.
pub const ALPHA: Parameter =
    Parameter::number("alpha", 1.0, Range::NON_NEGATIVE, "width of the bound, in posterior standard deviations")
        .tuned(Tuning::LogUniform { low: 0.01, high: 10.0 });

/// The uniform share of a rule that is otherwise certain.
pub const EPSILON: Parameter =
    Parameter::number("epsilon", 0.0, Range::PROBABILITY, "share of decisions drawn uniformly from allowed actions");

/// LinUCB.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: LinUcb::NAME,
    summary: "upper confidence bound of a linear reward",
    source: "Li, Chu, Langford & Schapire 2010, algorithm 1",
    parameters: &[ALPHA, MODEL, RIDGE, INTERCEPT, EPSILON, BLIND_TO],
    build: AgentBuild { create, load: linear::Learner::<LinUcb>::load },
};

/// The law of LinUCB.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinUcb {
    alpha: f32,
    epsilon: f32,
}

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    Ok(Box::new(Learner::new(LinUcb::new(values), Model::create(values, spec)?)))
}

impl LinUcb {
    /// From `alpha` and `epsilon`.
    pub fn new(values: &Values) -> Self {
        Self { alpha: values.number("alpha") as f32, epsilon: values.number("epsilon") as f32 }
    }
}

impl Law for LinUcb {
    const NAME: &'static str = "lin_ucb";

    fn fill(&self, row: &mut Row<'_>, probabilities: &mut [f32]) {
        row.score_by_upper_bound(self.alpha);
        probabilities[row.best()] = 1.0;
        mix_uniform(row, self.epsilon, probabilities);
    }

    fn certain(&self, row: &mut Row<'_>) -> Option<usize> {
        (self.epsilon == 0.0).then(|| {
            row.score_by_upper_bound(self.alpha);
            row.best()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::linear::testing::{Play, spec};
    use crate::registry::Value;

    #[test]
    fn bounds_by_hand() {
        // One feature, no intercept, ridge 1. Arm 0 saw x = 2, reward 3: A = 5, b = 6, theta = 1.2.
        // Arm 1 saw x = 1, reward 1 and x = 1, reward 0: A = 3, b = 1, theta = 1/3. Arm 2 saw nothing.
        // At x = 1 with alpha 0.5: 1.2 + .5 / sqrt 5 = 1.4236, .3333 + .5 / sqrt 3 = .6220, 0 + .5 = .5.
        let values = Values::defaults(ENTRY.parameters)
            .with("alpha", Value::Number(0.5))
            .with("intercept", Value::Boolean(false));
        let mut model = Model::create(&values, &spec(1, 3)).unwrap();
        Play::new(&[&[2.0], &[1.0], &[1.0]], 3).teach(&mut model, &[0, 1, 1], &[3.0, 1.0, 0.0]);
        let (mut scratch, mut bounds) = (model.scratch(1), model.action_room());
        let play = Play::new(&[&[1.0]], 3);
        model.open_row(&play.observation.features, 0, 1, &mut scratch);
        model.upper_bounds(&mut scratch, 0.5, &mut bounds);
        for (bound, expected) in bounds[0].iter().zip([1.2 + 0.5 / 5f32.sqrt(), 1.0 / 3.0 + 0.5 / 3f32.sqrt(), 0.5]) {
            assert!((bound - expected).abs() < 1e-6, "{bound} {expected}");
        }
        // Against the sign of x arm 2's bound is the highest: -1.2 + .22, -.33 + .29, .5.
        let agent = Learner::new(LinUcb { alpha: 0.5, epsilon: 0.0 }, model);
        assert_eq!(Play::new(&[&[1.0], &[-1.0]], 3).decide(&agent), (vec![0, 2], vec![1.0, 1.0]));
    }

    #[test]
    fn epsilon_gives_every_allowed_action_its_share() {
        let values = Values::defaults(ENTRY.parameters).with("epsilon", Value::Number(0.4));
        let agent = create(&values, &spec(2, 5)).unwrap();
        let mut play = Play::new(&[&[1.0, 0.0]], 5);
        play.observation.allowed.forbid(0, 3);
        let law = play.probabilities(agent.as_ref()).row(0);
        for (probability, expected) in law.iter().zip([0.7, 0.1, 0.1, 0.0, 0.1]) {
            assert!((probability - expected).abs() < 1e-6, "{law:?}");
        }
    }
}
