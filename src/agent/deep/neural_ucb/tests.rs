use super::super::network::{Actions, Input, Network, Scheme};
use super::super::normaliser::Scaling;
use super::super::operation::Activation;
use super::super::parameters::{Parameters, read};
use super::super::trials::{assert_resumes, made_of, play, quick_bandit, saved, seen};
use super::*;
use crate::protocol::{Action, ActionSpace, Decision, Factor};
use crate::registry::Value;
use crate::units::Money;

fn factored() -> Actions {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let action = |levels: Option<Vec<u16>>| Action { name: format!("{levels:?}"), levels, cost: Money::ZERO };
    Actions::factored(&ActionSpace {
        factors: vec![
            Factor { name: "channel", levels: names(&["email", "push"]) },
            Factor { name: "offer", levels: names(&["none", "ten"]) },
        ],
        actions: vec![action(None), action(Some(vec![1, 0])), action(Some(vec![0, 1])), action(Some(vec![1, 1]))],
    })
}

/// Against candle's own gradients, weight by weight.
#[test]
fn lengths_are_those_of_the_gradient() {
    let architectures = [
        (vec![], Activation::Relu, Actions::flat(4)),
        (vec![5], Activation::Relu, factored()),
        (vec![6, 5], Activation::Tanh, Actions::flat(4)),
        (vec![6, 5, 4], Activation::Relu, factored()),
    ];
    for (widths, activation, actions) in architectures {
        let architecture = Architecture {
            features: 3,
            encoder: None,
            widths,
            activation,
            actions,
            outputs: 1,
            dueling: false,
            scheme: Scheme::Kaiming,
        };
        let parameters = Parameters::new(Seed::new(8));
        let network = Network::new(&architecture, &parameters, "").unwrap();
        let slopes = Slopes::new(&architecture, &parameters.weights(), Scaling::default());
        assert_eq!(slopes.len(), parameters.len());
        let features = [0.7, -1.2, 0.4];
        let covariance: Vec<f64> = (0..slopes.len()).map(|index| 0.5 + (index * 7 % 11) as f64 / 4.0).collect();
        let (inverses, mut row) = (inverses(&covariance), RowSlopes::default());
        slopes.open(|room| room.copy_from_slice(&features), &inverses, &mut row);
        let mut rooms = [Vec::new(), Vec::new()];
        for action in 0..4 {
            let output = network.forward(&Input::new(3, 1, features.to_vec()).unwrap()).unwrap();
            let output = output.narrow(1, action, 1).unwrap().sum_all().unwrap();
            let gradients = output.backward().unwrap();
            let all = parameters.variables().into_iter().flat_map(|variable| {
                let count = variable.elem_count();
                gradients.get(&variable).map_or_else(|| vec![0.0; count], |own| read(own, <[f32]>::to_vec))
            });
            let squares: Vec<f64> = all.map(|slope| f64::from(slope) * f64::from(slope)).collect();
            let known: f64 = squares.iter().zip(&covariance).map(|(square, own)| square / own).sum();
            let found = f64::from(slopes.length(&row, action, &inverses, &mut rooms));
            assert!((found / known - 1.0).abs() < 1e-5, "{found} where {known} is known");
            let mut sums = vec![0.0; slopes.len()];
            slopes.add_squares(&row, action, &mut sums, &mut rooms);
            assert!(sums.iter().zip(&squares).all(|(sum, square)| (sum - square).abs() < 1e-5));
            let reward = output.to_scalar::<f32>().unwrap();
            assert!((slopes.reward(&row, action) - reward).abs() < 1e-5);
        }
    }
}

/// Without hidden layers the gradient is the row and a constant 1: with indicators of the state, an action taken n times, m of
/// them in a state, has the bonus γ √(λ (1 / (λ + m) + 1 / (λ + n))) there.
#[test]
fn a_linear_network_has_the_bonus_of_counts() {
    let values = quick_bandit(&ENTRY)
        .with("hidden", Value::Integers(vec![]))
        .with("ridge", Value::Number(2.0))
        .with("exploration", Value::Number(0.5));
    let mut agent = made_of(&ENTRY, &values);
    play(agent.as_mut(), 0..15, [[0.5, 0.0], [0.0, 0.5]]);
    let checkpoint = Checkpoint::read(&mut saved(agent.as_ref()).as_slice()).unwrap();
    let learner = BanditLearner::<NeuralUcb>::restored(&checkpoint).unwrap();
    let (law, frames) = (learner.law(), learner.fitting().replay().frames());
    let observation = seen(&[0, 1], 0);
    let (mut row, mut rooms, mut probabilities) = (RowSlopes::default(), [Vec::new(), Vec::new()], Matrix::default());
    law.probabilities(&observation, Seed::new(1), &mut probabilities);
    for state in 0..2 {
        law.slopes.open(|room| observation.features.copy_row(state, room), &law.inverses, &mut row);
        let mut scores = [0.0; 2];
        for (action, score) in scores.iter_mut().enumerate() {
            let taken = (0..frames.len()).filter(|slot| usize::from(frames.actions[*slot]) == action);
            let all = taken.clone().count() as f64;
            let here = taken.filter(|slot| frames.consumers[*slot] as usize % 2 == state).count() as f64;
            let known = 0.5 * (2.0 * (1.0 / (2.0 + here) + 1.0 / (2.0 + all))).sqrt();
            let length = law.slopes.length(&row, action, &law.inverses, &mut rooms);
            assert!((f64::from(law.width * length.sqrt()) - known).abs() < 1e-5);
            *score = f64::from(law.slopes.reward(&row, action)) + known;
        }
        assert_eq!(probabilities.get(state, usize::from(scores[1] > scores[0])), 1.0);
        assert_eq!(probabilities.get(state, 2), 0.0);
    }
}

#[test]
fn the_best_actions_are_found_without_chance() {
    let mut agent = made_of(&ENTRY, &quick_bandit(&ENTRY));
    play(agent.as_mut(), 0..60, [[0.8, 0.0], [0.0, 0.8]]);
    let mut decision = Decision::default();
    agent.snapshot().decide(&seen(&[0, 1, 1, 0], 99), Seed::new(1), &mut decision);
    assert_eq!((decision.actions, decision.propensities), (vec![0, 1, 1, 0], vec![1.0; 4]));
}

#[test]
fn it_goes_on_with_the_same_bits() {
    assert_resumes(&ENTRY, &quick_bandit(&ENTRY).with("normalise", Value::Boolean(true)));
    assert_resumes(&ENTRY, &quick_bandit(&ENTRY).with("memory", Value::Integer(100)));
}
