//! SquareCB: probabilities by the inverse of the gap to the best expected reward.
//!
//! Foster & Rakhlin, *Beyond UCB: optimal and efficient contextual bandits with regression oracles*, ICML 2020,
//! algorithm 1; the inverse-gap weighting is Abe & Long 1999.
//!
//! With b the best of K allowed actions: `p(a) = 1 / (K + gamma (mean_b - mean_a))` for a other than b, and b has the rest.
//! `gamma = gamma_scale * n ^ gamma_exponent` after n learned rows (at least 1).
//!
//! Differences from the paper:
//! 1. The regression oracle is the ridge model of [`super::linear`], not an online oracle with a regret bound.
//! 2. K counts the actions that the row allows.
//! 3. The schedule of gamma is that of Vowpal Wabbit (`gamma_scale` 10, `gamma_exponent` 0.5); the paper has a constant
//!    `sqrt(K T / regret of the oracle)` for a known horizon T. It is in units of 1 / reward.

use super::linear::{INTERCEPT, Law, Learner, MODEL, Model, RIDGE, Row};
use super::{AgentBuild, linear};
use crate::protocol::{Agent, Spec};
use crate::registry::{Entry, Parameter, Range, Refusal, Tuning, Values};
use serde::{Deserialize, Serialize};

/// SquareCB.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: SquareCb::NAME,
    summary: "probabilities by the inverse gap to the best expected reward",
    source: "Foster & Rakhlin 2020, algorithm 1",
    parameters: &[
        Parameter::number("gamma_scale", 10.0, Range::POSITIVE, "gamma after one learned row, in 1 / currency")
            .tuned(Tuning::LogUniform { low: 0.1, high: 10_000.0 }),
        Parameter::number("gamma_exponent", 0.5, Range::PROBABILITY, "power of learned rows with which gamma grows")
            .tuned(Tuning::Uniform { low: 0.25, high: 0.75 }),
        MODEL,
        RIDGE,
        INTERCEPT,
    ],
    build: AgentBuild { create, load: linear::Learner::<SquareCb>::load },
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SquareCb {
    gamma_scale: f64,
    gamma_exponent: f64,
}

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let law = SquareCb { gamma_scale: values.number("gamma_scale"), gamma_exponent: values.number("gamma_exponent") };
    Ok(Box::new(Learner::new(law, Model::create(values, spec)?)))
}

impl SquareCb {
    /// At most 1e30, so that a gap of 0 keeps its share.
    fn gamma(&self, learned: u64) -> f32 {
        let rows = learned.max(1) as f64;
        f64::min(self.gamma_scale * libm::pow(rows, self.gamma_exponent), 1e30) as f32
    }
}

impl Law for SquareCb {
    const NAME: &'static str = "square_cb";

    fn fill(&self, row: &mut Row<'_>, probabilities: &mut [f32]) {
        row.score_by_mean();
        let (best, gamma, count) = (row.best(), self.gamma(row.learned), row.allowed_count() as f32);
        let top = row.score(best);
        let mut rest = 1.0;
        for action in row.allowed().filter(|action| *action != best) {
            let probability = 1.0 / (count + gamma * (top - row.score(action)));
            probabilities[action] = probability;
            rest -= probability;
        }
        probabilities[best] = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::linear::testing::{Play, spec};
    use crate::registry::Value;

    #[test]
    fn probabilities_by_the_formula() {
        // Intercept only, ridge 1: one reward of 2, 1 and 0 each gives means 1, 1/2 and 0; a fourth action is forbidden.
        // gamma = 2 * 3 ^ 1 = 6: p = 1 / (3 + 6 / 2) = 1/6 and 1 / (3 + 6) = 1/9, the best has 13/18.
        let values = Values::defaults(ENTRY.parameters)
            .with("gamma_scale", Value::Number(2.0))
            .with("gamma_exponent", Value::Number(1.0));
        let mut agent = create(&values, &spec(0, 4)).unwrap();
        let rows: [&[f32]; 3] = [&[]; 3];
        Play::new(&rows, 4).teach_agent(agent.as_mut(), &[1, 0, 2], &[2.0, 1.0, 0.0]);
        let mut play = Play::new(&rows[..1], 4);
        play.observation.allowed.forbid(0, 3);
        let law = play.probabilities(agent.as_ref()).row(0);
        for (probability, expected) in law.iter().zip([1.0 / 6.0, 13.0 / 18.0, 1.0 / 9.0, 0.0]) {
            assert!((probability - expected).abs() < 1e-6, "{law:?}");
        }
    }

    #[test]
    fn an_agent_that_knows_nothing_is_uniform() {
        let agent = create(&Values::defaults(ENTRY.parameters), &spec(2, 4)).unwrap();
        assert_eq!(Play::new(&[&[1.0, 2.0]], 4).probabilities(agent.as_ref()).row(0), vec![0.25; 4]);
    }
}
