//! Linear Thompson sampling: an action as often as a posterior sample of the rewards has it first.
//!
//! Agrawal & Goyal, *Thompson sampling for contextual bandits with linear payoffs*, ICML 2013, algorithm 1:
//! `theta ~ N(mean, alpha^2 A^-1)`, play the argmax of `theta . x`.
//!
//! Differences from the paper:
//! 1. The law is finite: `samples` posterior samples, addressed by consumer and tick, give every action its share of wins;
//!    the action is drawn from these shares, and they are its logged propensities. On average over addresses an action
//!    has the very probability that the paper gives it.
//! 2. `floor` mixes in the uniform law over allowed actions, so that none that is allowed has probability 0.
//! 3. `alpha` is a parameter, not the paper's `R sqrt(9 d ln(t / delta))`, which is far too wide in practice; 1 is the exact
//!    posterior under noise of unit variance.
//! 4. What is sampled per form of the model: disjoint, each action's score (the actions are independent, so that this is
//!    the paper's law); shared, the joint law of all scores, exactly; factored, each part under the mean-field posterior.

use super::linear::{Address, INTERCEPT, Law, Learner, MODEL, Model, RIDGE, Row, mix_uniform};
use super::{AgentBuild, linear};
use crate::protocol::{Agent, Spec};
use crate::registry::{Entry, Parameter, Range, Refusal, Tuning, Values};
use serde::{Deserialize, Serialize};

/// Width of the posterior.
pub const ALPHA: Parameter =
    Parameter::number("alpha", 1.0, Range::NON_NEGATIVE, "multiplies the posterior standard deviation")
        .tuned(Tuning::LogUniform { low: 0.01, high: 10.0 });

/// Number of posterior samples that make a law.
pub const SAMPLES: Parameter =
    Parameter::integer("samples", 32, 1, 4096, "posterior samples that make the law of one decision");

/// The uniform share of a posterior sampler.
pub const FLOOR: Parameter = Parameter::number(
    "floor",
    0.01,
    Range::PROBABILITY,
    "share of decisions drawn uniformly from allowed actions, so that each keeps a probability above 0",
);

/// Linear Thompson sampling.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: LinThompson::NAME,
    summary: "posterior sampling of a linear reward",
    source: "Agrawal & Goyal 2013, algorithm 1",
    parameters: &[ALPHA, MODEL, RIDGE, INTERCEPT, SAMPLES, FLOOR],
    build: AgentBuild { create, load: linear::Learner::<LinThompson>::load },
};

/// The law of posterior samplers: shares of wins and a floor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sampler {
    alpha: f32,
    samples: usize,
    floor: f32,
}

impl Sampler {
    /// From `alpha`, `samples` and `floor`.
    pub fn new(values: &Values) -> Self {
        Self {
            alpha: values.number("alpha") as f32,
            samples: values.integer("samples").max(1) as usize,
            floor: values.number("floor") as f32,
        }
    }

    /// Writes the law of a row.
    pub fn fill(&self, row: &mut Row<'_>, probabilities: &mut [f32]) {
        let consumer = row.observation.consumer_ids[row.index];
        let address = Address { seed: row.seed, consumer, tick: row.observation.tick };
        let allowed = row.observation.allowed.row(row.index);
        row.model.count_wins(row.scratch, self.alpha, self.samples, address, allowed, probabilities);
        let share = 1.0 / self.samples as f32;
        probabilities.iter_mut().for_each(|wins| *wins *= share);
        mix_uniform(row, self.floor, probabilities);
    }
}

/// The law of the agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinThompson(Sampler);

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    Ok(Box::new(learner(values, spec)?))
}

/// The agent as it begins, for those that give it features of their own.
pub fn learner(values: &Values, spec: &Spec) -> Result<Learner<LinThompson>, Refusal> {
    Ok(Learner::new(LinThompson(Sampler::new(values)), Model::create(values, spec)?))
}

impl Law for LinThompson {
    const NAME: &'static str = "lin_thompson";

    fn fill(&self, row: &mut Row<'_>, probabilities: &mut [f32]) {
        self.0.fill(row, probabilities);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::linear::testing::{Play, spec};
    use crate::registry::Value;
    use crate::statistics::normal_cdf;

    #[test]
    fn shares_agree_with_the_probability_that_one_normal_exceeds_another() {
        // Intercept only: arm 0 saw rewards 1, 0, 1 (mean 2/4, variance 1/4), arm 1 saw 1 (mean 1/2, variance 1/2) and
        // arm 2 is forbidden; arm 0 also saw -1: mean 1/5, variance 1/5.
        let values = Values::defaults(ENTRY.parameters)
            .with("model", Value::Text("disjoint".into()))
            .with("samples", Value::Integer(1_000))
            .with("floor", Value::Number(0.0));
        let mut agent = create(&values, &spec(0, 3)).unwrap();
        let seen: [&[f32]; 5] = [&[]; 5];
        Play::new(&seen, 3).teach_agent(agent.as_mut(), &[0, 0, 0, 1, 0], &[1.0, 0.0, 1.0, 1.0, -1.0]);
        let rows: [&[f32]; 40] = [&[]; 40];
        let mut play = Play::new(&rows, 3);
        (0..40).for_each(|row| play.observation.allowed.forbid(row, 2));
        let probabilities = play.probabilities(agent.as_ref());
        let expected = normal_cdf((0.2 - 0.5) / (0.2 + 0.5f64).sqrt());
        let mean = (0..40).map(|row| f64::from(probabilities.get(row, 0))).sum::<f64>() / 40.0;
        let error = (expected * (1.0 - expected) / 40_000.0).sqrt();
        assert!((mean - expected).abs() < 4.0 * error, "{mean} {expected}");
        assert_eq!(probabilities.get(0, 2), 0.0);
    }

    #[test]
    fn the_floor_reaches_every_allowed_action_and_the_law_sums_to_one() {
        for model in ["disjoint", "shared", "factored"] {
            let values = Values::defaults(ENTRY.parameters).with("model", Value::Text(model.into()));
            let agent = create(&values, &spec(2, 6)).unwrap();
            let mut play = Play::new(&[&[1.0, -1.0], &[0.5, 0.5]], 6);
            play.observation.allowed.forbid(1, 4);
            let law = play.probabilities(agent.as_ref());
            for row in 0..2 {
                assert!((law.row(row).iter().sum::<f32>() - 1.0).abs() < 1e-6);
                for action in 0..6 {
                    let allowed = play.observation.allowed.allows(row, action);
                    let floor = 0.01 / if row == 0 { 6.0 } else { 5.0 };
                    assert!(if allowed { law.get(row, action) >= floor } else { law.get(row, action) == 0.0 });
                }
            }
        }
    }
}
