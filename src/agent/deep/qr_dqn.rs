//! QR-DQN: quantiles of the return of each action by a network, learned as DQN learns values.
//!
//! Dabney et al. 2018, *Distributional reinforcement learning with quantile regression*, algorithm 1: N outputs for each
//! action at the levels `(i + 1/2) / N`; targets are `r + γ θ'_j(s', a*)` for every quantile j of the action a* of the
//! greatest mean; the loss is the quantile Huber loss, summed over i and averaged over j. It decides by the mean.
//!
//! Differences from the paper:
//! 1. All of those of `dqn`, whose keys it has: `double`, `dueling`, `steps` and `prioritised` (by the error of the mean)
//!    can be combined with it, and Adam takes gradients that are clipped by their norm.
//! 2. The loss is divided by `huber_width`, as the authors' own program does, so that it goes over into that of quantile
//!    regression where the width is small.

use super::dqn::{self, value_settings};
use super::operation::quantile_huber;
use super::parameters::read;
use super::value_learner::{ValueLearner, ValueLoss};
use crate::agent::AgentBuild;
use crate::protocol::{Agent, Spec};
use crate::random::Seed;
use crate::registry::{Entry, Parameter, Refusal, Tuning, Values};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// `kind = "qr_dqn"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: QuantileDqn::NAME,
    summary: "quantiles of returns by a network, learned as `dqn` does; looks ahead",
    source: "Dabney et al. 2018, Distributional reinforcement learning with quantile regression",
    parameters: &PARAMETERS,
    build: AgentBuild { create, load: ValueLearner::<QuantileDqn>::load },
};

const QUANTILES: Parameter = Parameter::integer("quantiles", 32, 1, 512, "quantiles of the return of each action")
    .tuned(Tuning::Integers(&[8, 32, 64]));

/// The keys of `dqn` and one more.
const PARAMETERS: [Parameter; dqn::PARAMETERS.len() + 1] = {
    let mut all = [QUANTILES; dqn::PARAMETERS.len() + 1];
    let mut place = 0;
    while place < dqn::PARAMETERS.len() {
        all[place + 1] = dqn::PARAMETERS[place];
        place += 1;
    }
    all
};

fn create(values: &Values, spec: &Spec) -> Result<Box<dyn Agent>, Refusal> {
    Ok(Box::new(learner(values, spec)?))
}

fn learner(values: &Values, spec: &Spec) -> Result<ValueLearner<QuantileDqn>, Refusal> {
    let quantiles = values.integer(QUANTILES.name) as usize;
    let loss = QuantileDqn { quantiles, huber_width: values.number("huber_width") as f32 };
    let (settings, shape) = value_settings(values, spec, quantiles)?;
    Ok(ValueLearner::new(loss, settings, shape, Seed::new(values.integer("network_seed") as u64)))
}

/// The loss of so many quantiles for each action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct QuantileDqn {
    quantiles: usize,
    huber_width: f32,
}

impl ValueLoss for QuantileDqn {
    const NAME: &'static str = "qr_dqn";

    fn loss(&self, predictions: &Tensor, targets: &[f32], weights: &[f32]) -> candle_core::Result<(Tensor, Vec<f32>)> {
        let mean = |values: &[f32]| values.iter().sum::<f32>() / self.quantiles as f32;
        let errors = read(predictions, |values| {
            let rows = values.chunks_exact(self.quantiles).zip(targets.chunks_exact(self.quantiles));
            rows.map(|(own, target)| (mean(own) - mean(target)).abs()).collect()
        });
        Ok((quantile_huber(predictions, targets, weights, self.huber_width)?, errors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::deep::trials::{SPEC_ACTIONS, made_of, seen, spec, train};
    use crate::matrix::Matrix;
    use crate::protocol::{Decision, TrainingPlan, Transitions};
    use crate::random::Purpose;
    use crate::registry::Value;

    fn quick() -> Values {
        Values::defaults(ENTRY.parameters)
            .with("hidden", Value::Integers(vec![16]))
            .with("quantiles", Value::Integer(4))
            .with("learning_rate", Value::Number(5e-3))
            .with("learning_rate_end_share", Value::Number(0.02))
            .with("batch", Value::Integer(32))
            .with("decisions_before", Value::Integer(100))
            .with("updates_per_target", Value::Integer(20))
            .with("memory", Value::Integer(2_000))
    }

    /// Rewards are uniform on [0, 1) for one action and 2 or 6 with even chances for the other, nothing follows: quantiles
    /// at 1/8, 3/8, 5/8 and 7/8 are those numbers, and 2, 2, 6, 6.
    #[test]
    fn the_quantiles_of_known_laws_are_found() {
        let values = quick().with("discount", Value::Number(0.0)).with("huber_width", Value::Number(0.02));
        let mut agent = learner(&values, &spec()).unwrap();
        agent.begin_training(&TrainingPlan { markets: 1, ticks: 1_500, consumers: 24 });
        for tick in 0..1_500 {
            let observation = seen(&[0; 24], tick);
            let mut stream = Seed::new(4).stream(Purpose::Problem, tick, 0);
            let actions: Vec<u16> = (0..24).map(|row| row % 2).collect();
            let reward = |action: &u16| {
                let uniform = stream.uniform();
                if *action == 0 { uniform } else { 2.0 + 4.0 * f32::from(u8::from(uniform < 0.5)) }
            };
            let rewards: Vec<f32> = actions.iter().map(reward).collect();
            let batch = Transitions {
                observation: &observation,
                actions: &actions,
                propensities: &[0.5; 24],
                rewards: &rewards,
                terminated: &[true; 24],
            };
            agent.learn(&batch, Seed::new(7).derive(0, tick)).unwrap();
        }
        let mut found = Matrix::default();
        agent.outputs().evaluate(&seen(&[0], 0), &mut found);
        let known = [0.125, 0.375, 0.625, 0.875, 2.0, 2.0, 6.0, 6.0];
        for (place, known) in known.into_iter().enumerate() {
            assert!((found.get(0, place) - known).abs() < 0.08, "{:?}", found.row(0));
        }
        assert_eq!(found.columns(), 4 * SPEC_ACTIONS);
    }

    #[test]
    fn the_best_law_of_two_states_is_found_and_a_resumed_run_has_the_same_bits() {
        let run = |pause: Option<u32>| {
            let mut agent = made_of(&ENTRY, &quick());
            train(&mut agent, 0..40, 40, |market, agent| {
                if pause == Some(market) {
                    let mut bytes = Vec::new();
                    agent.save(&mut bytes).unwrap();
                    *agent = (ENTRY.build.load)(&mut bytes.as_slice()).unwrap();
                }
            });
            let mut bytes = Vec::new();
            agent.save(&mut bytes).unwrap();
            (agent, bytes)
        };
        let (agent, whole) = run(None);
        assert!(run(Some(7)).1 == whole);
        let mut decision = Decision::default();
        agent.snapshot().decide(&seen(&[0, 1], 0), Seed::new(1), &mut decision);
        assert_eq!((decision.actions, decision.propensities), (vec![1, 0], vec![1.0, 1.0]));
    }
}
