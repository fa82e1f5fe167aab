//! Epsilon-greedy: the best expected reward, and now and then any action.
//!
//! Sutton & Barto, *Reinforcement learning*, 2nd edition 2018, section 2.2; with a linear model, section 1.1 of Langford &
//! Zhang, *The epoch-greedy algorithm for contextual multi-armed bandits*, NIPS 2007.
//!
//! With n allowed actions: `epsilon / n` each, and `1 - epsilon` more for the one of the highest expected reward.
//!
//! Differences from the sources:
//! 1. Expected rewards are those of a ridge model ([`super::linear`]); `model = "mean"` takes the mean reward of each action,
//!    shrunk to 0 by `ridge` pseudo-observations.
//! 2. Ties go to the first action.

use super::linear::{INTERCEPT, Law, Learner, MODEL_OR_MEAN, Model, RIDGE, Row, mix_uniform};
use super::{AgentBuild, linear};
use crate::protocol::{Agent, Spec};
use crate::registry::{Entry, Parameter, Range, Refusal, Tuning, Values};
use serde::{Deserialize, Serialize};

/// Epsilon-greedy.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: EpsilonGreedy::NAME,
    summary: "the best expected reward, and with probability epsilon any action",
    source: "Sutton & Barto 2018, section 2.2",
    parameters: &[
        Parameter::number(
            "epsilon",
            0.1,
            Range::PROBABILITY,
            "share of decisions drawn uniformly from allowed actions",
        )
        .tuned(Tuning::LogUniform { low: 0.005, high: 0.5 }),
        MODEL_OR_MEAN,
        RIDGE,
        INTERCEPT,
    ],
    build: AgentBuild { create, load: linear::Learner::<EpsilonGreedy>::load },
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct EpsilonGreedy {
    epsilon: f32,
}

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let law = EpsilonGreedy { epsilon: values.number("epsilon") as f32 };
    Ok(Box::new(Learner::new(law, Model::create(values, spec)?)))
}

impl Law for EpsilonGreedy {
    const NAME: &'static str = "epsilon_greedy";

    fn fill(&self, row: &mut Row<'_>, probabilities: &mut [f32]) {
        row.score_by_mean();
        probabilities[row.best()] = 1.0;
        mix_uniform(row, self.epsilon, probabilities);
    }

    fn certain(&self, row: &mut Row<'_>) -> Option<usize> {
        (self.epsilon == 0.0).then(|| {
            row.score_by_mean();
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
    fn the_best_mean_gets_the_rest() {
        let values = Values::defaults(ENTRY.parameters).with("model", Value::Text("mean".into()));
        let mut agent = create(&values, &spec(3, 4)).unwrap();
        assert!(!agent.views().features);
        let seen = [[0.0; 3]; 3];
        let rows: Vec<&[f32]> = seen.iter().map(|x| &x[..]).collect();
        Play::new(&rows, 4).teach_agent(agent.as_mut(), &[2, 1, 2], &[1.0, 1.0, 3.0]);
        // Means 0, 1/2, 4/3, 0.
        let law = Play::new(&rows[..1], 4).probabilities(agent.as_ref()).row(0);
        for (probability, expected) in law.iter().zip([0.025, 0.025, 0.925, 0.025]) {
            assert!((probability - expected).abs() < 1e-6);
        }
    }
}
