use super::super::trials::{assert_resumes, made_of, play, quick_bandit, saved, seen, spec};
use super::*;
use crate::matrix::Matrix;
use crate::protocol::Policy;
use crate::registry::Value;
use crate::statistics::mean_and_variance;

fn bandit(resampling: Resampling) -> Bootstrapped {
    Bootstrapped { members: 2, resampling, floor: 0.0, seed: Seed::new(5) }
}

#[test]
fn counts_have_the_moments_of_their_laws_and_networks_differ() {
    let counts = |resampling, member| -> Vec<f64> {
        (0..20_000).map(|number| f64::from(bandit(resampling).weight(member, number))).collect()
    };
    let (first, second) = (counts(Resampling::Poisson, 0), counts(Resampling::Poisson, 1));
    let (mean, variance) = mean_and_variance(&first);
    // Standard errors: 1 / √20000, and √((4 - 1) / 20000) as the fourth moment is 4.
    assert!((mean - 1.0).abs() < 4.0 * 0.007_07 && (variance - 1.0).abs() < 4.0 * 0.012_3, "{mean} {variance}");
    let none = first.iter().filter(|count| **count == 0.0).count() as f64 / 20_000.0;
    assert!((none - 0.367_879).abs() < 4.0 * 0.003_41, "{none}");
    let products: Vec<f64> = first.iter().zip(&second).map(|(a, b)| (a - 1.0) * (b - 1.0)).collect();
    assert!(mean_and_variance(&products).0.abs() < 4.0 * 0.007_07);
    let halves = counts(Resampling::Bernoulli, 0);
    assert!(halves.iter().all(|count| [0.0, 2.0].contains(count)));
    assert!((mean_and_variance(&halves).0 - 1.0).abs() < 4.0 * 0.007_07);
    assert!(counts(Resampling::None, 0).iter().all(|count| *count == 1.0));
    // Decisions beyond what 32 bits number have draws of their own.
    assert!((0..200u64).any(|number| {
        f64::from(bandit(Resampling::Poisson).weight(0, number + (1 << 32))) != first[number as usize]
    }));
}

/// Without hidden layers and with indicators of the state, the least error of a network is at the mean reward of each state
/// and action over the decisions that it was dealt, as often as it was.
#[test]
fn each_network_comes_to_the_mean_of_its_own_resample() {
    let values = quick_bandit(&ENTRY)
        .with("hidden", Value::Integers(vec![]))
        .with("members", Value::Integer(3))
        .with("learning_rate", Value::Number(4e-3))
        .with("batch", Value::Integer(256))
        .with("decisions_before", Value::Integer(240))
        .with("updates_per_training", Value::Integer(2_500))
        .with("floor", Value::Number(0.5));
    let mut agent = made_of(&ENTRY, &values);
    play(agent.as_mut(), 0..10, [[0.5, -0.5], [0.0, 1.0]]);
    let checkpoint = Checkpoint::read(&mut saved(agent.as_ref()).as_slice()).unwrap();
    let learner = BanditLearner::<Bootstrapped>::restored(&checkpoint).unwrap();
    let (replay, bandit) = (learner.fitting().replay(), learner.fitting().objective());
    let frames = replay.frames();
    let mut gaps = Vec::new();
    for (member, network) in learner.law().members.iter().enumerate() {
        let mut found = Matrix::default();
        network.evaluate(&seen(&[0, 1], 0), &mut found);
        for (state, action) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let (mut sum, mut count) = (0.0, 0.0);
            for slot in 0..frames.len() {
                if frames.consumers[slot] as usize % 2 == state && usize::from(frames.actions[slot]) == action {
                    let weight = bandit.weight(member, replay.number(slot));
                    sum += weight * frames.rewards[slot];
                    count += weight;
                }
            }
            let gap = (found.get(state, action) - sum / count).abs();
            assert!(count < 5.0 || gap < 0.05, "{member}: {} where {} is known", found.get(state, action), sum / count);
            gaps.push(count);
        }
    }
    assert!(gaps.iter().filter(|count| **count >= 5.0).count() >= 9, "{gaps:?}");
}

#[test]
fn the_law_is_the_share_of_networks_and_finds_the_best_actions() {
    let learner = learner(&quick_bandit(&ENTRY).with("floor", Value::Number(0.1)), &spec()).unwrap();
    let (observation, mut law, mut values) = (seen(&[0, 1], 0), Matrix::default(), Matrix::default());
    learner.probabilities(&observation, Seed::new(1), &mut law);
    for row in 0..2 {
        let mut wins = [0.0; 2];
        for member in &learner.law().members {
            member.evaluate(&observation, &mut values);
            wins[usize::from(values.get(row, 1) > values.get(row, 0))] += 1.0;
        }
        for action in 0..2 {
            let share = 0.9 * wins[action] / 10.0 + 0.05;
            assert!((law.get(row, action) - share).abs() < 1e-6);
        }
        assert_eq!(law.get(row, 2), 0.0);
    }
    let mut agent = made_of(&ENTRY, &quick_bandit(&ENTRY));
    play(agent.as_mut(), 0..60, [[0.8, 0.0], [0.0, 0.8]]);
    agent.snapshot().probabilities(&observation, Seed::new(1), &mut law);
    assert!(law.get(0, 0) > 0.9 && law.get(1, 1) > 0.9, "{:?} {:?}", law.row(0), law.row(1));
}

#[test]
fn it_goes_on_with_the_same_bits() {
    assert_resumes(&ENTRY, &quick_bandit(&ENTRY).with("normalise", Value::Boolean(true)));
    assert_resumes(&ENTRY, &quick_bandit(&ENTRY).with("memory", Value::Integer(100)));
}
