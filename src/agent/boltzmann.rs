//! Boltzmann exploration: probabilities by the soft-max of expected rewards.
//!
//! Sutton & Barto, *Reinforcement learning*, 2nd edition 2018, section 2.8 (with expected rewards in place of preferences);
//! Luce, *Individual choice behavior*, 1959.
//!
//! `p(a) = exp(mean_a / temperature) / sum over allowed b of exp(mean_b / temperature)`.
//!
//! Differences from the sources:
//! 1. Expected rewards are those of a ridge model ([`super::linear`]); `model = "mean"` takes the mean reward of each action,
//!    shrunk to 0 by `ridge` pseudo-observations.
//! 2. The temperature is constant.

use super::linear::{INTERCEPT, Law, Learner, MODEL_OR_MEAN, Model, RIDGE, Row};
use super::{AgentBuild, linear};
use crate::math::exp;
use crate::protocol::{Agent, Spec};
use crate::registry::{Entry, Parameter, Range, Refusal, Tuning, Values};
use serde::{Deserialize, Serialize};

/// Boltzmann exploration.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: Boltzmann::NAME,
    summary: "soft-max of expected rewards",
    source: "Sutton & Barto 2018, section 2.8; Luce 1959",
    parameters: &[
        Parameter::number("temperature", 0.1, Range::closed(1e-6, 1e9), "reward that counts as one unit (currency)")
            .tuned(Tuning::LogUniform { low: 0.001, high: 10.0 }),
        MODEL_OR_MEAN,
        RIDGE,
        INTERCEPT,
    ],
    build: AgentBuild { create, load: linear::Learner::<Boltzmann>::load },
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Boltzmann {
    temperature: f32,
}

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let law = Boltzmann { temperature: values.number("temperature") as f32 };
    Ok(Box::new(Learner::new(law, Model::create(values, spec)?)))
}

impl Law for Boltzmann {
    const NAME: &'static str = "boltzmann";

    fn fill(&self, row: &mut Row<'_>, probabilities: &mut [f32]) {
        row.score_by_mean();
        let top = row.score(row.best());
        let mut sum = 0.0;
        for action in row.allowed() {
            let weight = exp((row.score(action) - top) / self.temperature);
            probabilities[action] = weight;
            sum += weight;
        }
        probabilities.iter_mut().for_each(|weight| *weight /= sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::linear::testing::{Play, spec};
    use crate::registry::Value;

    #[test]
    fn probabilities_by_the_formula() {
        // One reward of 2, 0 and 1 each with ridge 1: means 1, 0, 1/2; temperature 1/2; a fourth action is forbidden.
        let values = Values::defaults(ENTRY.parameters).with("temperature", Value::Number(0.5));
        let mut agent = create(&values, &spec(0, 4)).unwrap();
        let rows: [&[f32]; 3] = [&[]; 3];
        Play::new(&rows, 4).teach_agent(agent.as_mut(), &[0, 1, 2], &[2.0, 0.0, 1.0]);
        let mut play = Play::new(&rows[..1], 4);
        play.observation.allowed.forbid(0, 3);
        let law = play.probabilities(agent.as_ref()).row(0);
        let e = std::f32::consts::E;
        let sum = e * e + 1.0 + e;
        for (probability, expected) in law.iter().zip([e * e / sum, 1.0 / sum, e / sum, 0.0]) {
            assert!((probability - expected).abs() < 1e-6, "{law:?}");
        }
    }
}
