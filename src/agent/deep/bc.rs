//! Behaviour cloning: the law of the log, as the soft-max of a network over allowed actions.
//!
//! Pomerleau 1989, *ALVINN*; the loss is the cross-entropy `-mean log π(a_logged | s)`. Fitted to a log, the law is an
//! estimate of the law that wrote it, π_b, with a probability for every action: what a log without propensities lacks.
//!
//! Differences from the source:
//! 1. A categorical law over masked actions and no steering angle.
//! 2. `greedy` takes the most probable action; the soft-max, which estimates π_b, is the default.

use super::network::Architecture;
use super::offline::{self, Fitted, Frames, Objective, OfflineLearner, OfflineSettings, Reader};
use super::operation::{chosen, entropy, log_softmax};
use super::parameters::read;
use super::settings;
use crate::agent::AgentBuild;
use crate::protocol::{Agent, Metrics, Spec};
use crate::registry::{Entry, Parameter, Range, Refusal, Values};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// `kind = "bc"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: Cloning::NAME,
    summary: "behaviour cloning: the law of a log by a network; gathers first, fits in the end",
    source: "Pomerleau 1989, ALVINN: an autonomous land vehicle in a neural network",
    parameters: PARAMETERS,
    build: AgentBuild { create, load: OfflineLearner::<Cloning>::load },
};

const PARAMETERS: &[Parameter] = &[
    settings::HIDDEN,
    settings::ACTIVATION,
    settings::ACTIONS,
    settings::ENCODER,
    settings::ENCODER_WIDTH,
    Parameter::boolean("greedy", false, "take the most probable action instead of drawing by the law of the log"),
    offline::EPSILON_JUDGED,
    Parameter::number("entropy_weight", 0.0, Range::NON_NEGATIVE, "reward of spread in the loss: flattens a small log"),
    settings::LEARNING_RATE,
    settings::LEARNING_RATE_END,
    settings::GRADIENT_NORM_MAX,
    offline::BATCH,
    offline::UPDATES,
    offline::MEMORY,
    offline::CONTACT_SHARE,
    settings::NORMALISE,
    offline::NETWORK_SEED,
];

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    let epsilon = values.number(offline::EPSILON_JUDGED.name);
    if epsilon > 0.0 && !values.boolean("greedy") {
        return Err(Refusal::new(
            values,
            offline::EPSILON_JUDGED.name,
            format!("epsilon_judged = {epsilon} belongs to a greedy law, and `greedy` is false"),
            "set `greedy = true`, or leave `epsilon_judged` out",
        ));
    }
    let reader = if values.boolean("greedy") { Reader::Greedy(epsilon) } else { Reader::SoftMax };
    let objective = Cloning { entropy_weight: values.number("entropy_weight") };
    Ok(Box::new(OfflineLearner::new(objective, OfflineSettings::new(values, spec, 1, reader)?)))
}

/// Cross-entropy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Cloning {
    entropy_weight: f64,
}

impl Objective for Cloning {
    const NAME: &'static str = "bc";

    fn networks(&self, architecture: &Architecture) -> Vec<(&'static str, Architecture)> {
        vec![("", architecture.clone())]
    }

    fn loss(&self, batch: &Frames, fitted: Fitted<'_>) -> candle_core::Result<(Tensor, Metrics)> {
        let Fitted { online, .. } = fitted;
        let logs = log_softmax(&online[0].forward(&batch.here)?, &batch.mask)?;
        let likelihood = chosen(&logs, &batch.actions, 1)?.mean_all()?.neg()?;
        let spread = entropy(&logs)?.mean_all()?;
        let of = |tensor: &Tensor| f64::from(read(tensor, |values| values[0]));
        let metrics = vec![("cross_entropy", of(&likelihood)), ("entropy", of(&spread))];
        Ok(((likelihood - (spread * self.entropy_weight)?)?, metrics))
    }
}

#[cfg(test)]
mod tests {
    use super::super::trials::{made_of, seen, spec, train};
    use super::*;
    use crate::matrix::Matrix;
    use crate::protocol::{Decision, Transitions};
    use crate::random::{Purpose, Seed};
    use crate::registry::Value;

    fn quick() -> Values {
        Values::defaults(PARAMETERS)
            .with("hidden", Value::Integers(vec![8]))
            .with("learning_rate", Value::Number(1e-2))
            .with("learning_rate_end_share", Value::Number(0.01))
            .with("batch", Value::Integer(512))
            .with("updates", Value::Integer(1_000))
    }

    /// A log that goes in 3 of 10 decisions here and in 9 of 10 there. A share of n decisions has the standard error
    /// √(p (1 - p) / n); the network cannot know more than the log.
    #[test]
    fn the_law_of_the_log_is_found_within_its_standard_error() {
        let mut agent = made_of(&ENTRY, &quick());
        let (go, rows) = ([0.3f32, 0.9], 200 * 24);
        let states: Vec<usize> = (0..24).map(|row| row % 2).collect();
        for tick in 0..200 {
            let observation = seen(&states, tick);
            let mut stream = Seed::new(11).stream(Purpose::Problem, tick, 0);
            let actions: Vec<u16> = states.iter().map(|state| u16::from(stream.uniform() < go[*state])).collect();
            let batch = Transitions {
                observation: &observation,
                actions: &actions,
                propensities: &[0.5; 24],
                rewards: &[0.0; 24],
                terminated: &[true; 24],
            };
            agent.learn(&batch, Seed::new(1)).unwrap();
        }
        agent.conclude(Seed::new(2)).unwrap();
        let mut law = Matrix::default();
        agent.probabilities(&seen(&[0, 1], 0), Seed::new(1), &mut law);
        for (state, p) in go.into_iter().enumerate() {
            let standard_error = (p * (1.0 - p) / (rows / 2) as f32).sqrt();
            let gap = (law.get(state, 1) - p).abs();
            assert!(gap < 3.0 * standard_error, "{:?}", law.row(state));
            assert_eq!(law.get(state, 2), 0.0);
        }
    }

    #[test]
    fn greedy_takes_the_most_probable_action_and_a_share_of_random_ones_is_for_it_alone() {
        let values = quick().with("contact_share", Value::Number(0.8)).with("updates", Value::Integer(200));
        assert!(create(&values.clone().with("epsilon_judged", Value::Number(0.1)), &spec()).is_err());
        let mut agent = made_of(&ENTRY, &values.with("greedy", Value::Boolean(true)));
        train(&mut agent, 0..2, 2, |_, _| {});
        agent.conclude(Seed::new(2)).unwrap();
        let mut decision = Decision::default();
        agent.snapshot().decide(&seen(&[0, 1], 0), Seed::new(1), &mut decision);
        assert_eq!((decision.actions, decision.propensities), (vec![1, 1], vec![1.0, 1.0]));
    }
}
