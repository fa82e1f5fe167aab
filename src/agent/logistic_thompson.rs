//! Logistic Thompson sampling: posterior samples of the probability that a decision pays.
//!
//! Chapelle & Li, *An empirical evaluation of Thompson sampling*, NIPS 2011, section 4, algorithm 3: logistic regression
//! with a Gaussian posterior, moved by Laplace's approximation as data come in.
//!
//! Each row moves the weights to the mode of (posterior so far × the row's likelihood) and adds the curvature
//! `p (1 - p) x x'` at that mode to the precision.
//!
//! Differences from the paper:
//! 1. The precision is a full matrix, kept as the inverse of a Cholesky factor; the paper keeps its diagonal.
//! 2. The approximation is made row by row, not batch by batch: it does not depend on how rows are cut into batches.
//! 3. A reward of money is not modelled: the label is `reward > threshold`, and actions are ranked by the probability of
//!    that. Where baskets differ between actions, use `lin_thompson`.
//! 4. The law is finite and has a floor, as in `lin_thompson`; forms of the model as there, on the logit scale.

use super::lin_thompson::{FLOOR, SAMPLES, Sampler};
use super::linear::{INTERCEPT, Law, Learner, Link, MODEL, Model, RIDGE, Row};
use super::{AgentBuild, linear};
use crate::protocol::{Agent, Spec};
use crate::registry::{Entry, Parameter, Range, Refusal, Tuning, Values};
use serde::{Deserialize, Serialize};

/// Logistic Thompson sampling.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: LogisticThompson::NAME,
    summary: "posterior sampling of the probability that a decision pays",
    source: "Chapelle & Li 2011, algorithm 3",
    parameters: &[
        Parameter::number("alpha", 1.0, Range::NON_NEGATIVE, "multiplies the posterior standard deviation")
            .tuned(Tuning::LogUniform { low: 0.01, high: 10.0 }),
        MODEL,
        RIDGE,
        INTERCEPT,
        SAMPLES,
        FLOOR,
        Parameter::number("threshold", 0.0, Range::ANY, "a reward above this counts as a success (currency)"),
    ],
    build: AgentBuild { create, load: linear::Learner::<LogisticThompson>::load },
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct LogisticThompson {
    sampler: Sampler,
    threshold: f64,
}

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let law = LogisticThompson { sampler: Sampler::new(values), threshold: values.number("threshold") };
    Ok(Box::new(Learner::new(law, Model::create(values, spec)?)))
}

impl Law for LogisticThompson {
    const NAME: &'static str = "logistic_thompson";
    const LINK: Link = Link::Logistic;

    fn target(&self, reward: f32) -> f64 {
        f64::from(u8::from(f64::from(reward) > self.threshold))
    }

    fn fill(&self, row: &mut Row<'_>, probabilities: &mut [f32]) {
        self.sampler.fill(row, probabilities);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::linear::testing::{Play, spec};
    use crate::random::{Purpose, Seed};
    use crate::registry::Value;

    #[test]
    fn the_posterior_finds_the_coefficients_that_made_the_data() {
        // logit p = -0.5 + 1.5 x; with 4,000 rows of x ~ U(-2, 2) the standard errors are about .04 and .04.
        let values = Values::defaults(ENTRY.parameters).with("model", Value::Text("disjoint".into()));
        let mut model = Model::create(&values, &spec(1, 1)).unwrap();
        let law = LogisticThompson { sampler: Sampler::new(&values), threshold: 0.0 };
        let count = 4_000;
        let mut stream = Seed::new(9).stream(Purpose::Problem, 0, 0);
        let x: Vec<[f32; 1]> = (0..count).map(|_| [stream.uniform() * 4.0 - 2.0]).collect();
        let rewards: Vec<f32> = x
            .iter()
            .map(|[x]| if stream.uniform() < crate::math::sigmoid(1.5 * x - 0.5) { 30.0 } else { -0.1 })
            .collect();
        let rows: Vec<&[f32]> = x.iter().map(|x| &x[..]).collect();
        let play = Play::new(&rows, 1);
        play.teach_with(&mut model, LogisticThompson::LINK, &vec![0; count], &rewards, |reward| law.target(reward));
        let (mut scratch, mut means) = (model.scratch(1), model.action_room());
        for (x, expected) in [(0.0, -0.5), (1.0, 1.0), (-1.0, -2.0)] {
            model.open_row(&Play::new(&[&[x]], 1).observation.features, 0, 1, &mut scratch);
            model.means(&mut scratch, &mut means);
            assert!((means[0][0] - expected).abs() < 0.25, "at {x}: {} for {expected}", means[0][0]);
        }
    }
}
