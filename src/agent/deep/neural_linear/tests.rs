use super::super::trials::{CONSUMERS, assert_resumes, made_of, play, quick_bandit, saved, seen, spec};
use super::*;
use crate::registry::Value;
use crate::statistics::normal_cdf;

/// The solution of `A x = b`, by elimination without pivots: A is positive definite.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let count = b.len();
    for pivot in 0..count {
        let (row, right) = (a[pivot].clone(), b[pivot]);
        for other in (0..count).filter(|other| *other != pivot) {
            let factor = a[other][pivot] / row[pivot];
            a[other].iter_mut().zip(&row).for_each(|(value, own)| *value -= factor * own);
            b[other] -= factor * right;
        }
    }
    (0..count).map(|index| b[index] / a[index][index]).collect()
}

/// With m and v the mean and variance of the ridge posterior on the last layer as it is now, from everything that was done,
/// one action is better than the other with probability Φ((m₁ - m₀) / (α √(v₀ + v₁))).
#[test]
fn the_law_is_that_of_the_posterior_of_the_last_layer_as_it_is_now() {
    let (alpha, ridge, samples) = (4.0, 0.5, 4_096.0);
    let values = quick_bandit(&ENTRY)
        .with("alpha", Value::Number(alpha))
        .with("ridge", Value::Number(ridge))
        .with("samples", Value::Integer(4_096))
        .with("floor", Value::Number(0.0));
    let mut agent = made_of(&ENTRY, &values);
    play(agent.as_mut(), 0..35, [[1.0, 0.0], [0.0, 1.0]]);
    let checkpoint = Checkpoint::read(&mut saved(agent.as_ref()).as_slice()).unwrap();
    let learner = BanditLearner::<NeuralLinear>::restored(&checkpoint).unwrap();
    let mut layer = Matrix::default();
    learner.law().layer.evaluate(&seen(&[0, 1], 0), &mut layer);
    let with_one = |row: usize| -> Vec<f64> { [1.0].into_iter().chain(layer.row(row)).map(f64::from).collect() };
    let rows = [with_one(0), with_one(1)];
    let width = rows[0].len();
    let frames = learner.fitting().replay().frames();
    assert_eq!(frames.len(), 35 * CONSUMERS as usize);
    let posterior = |action: u16, state: usize| {
        let mut precision = vec![vec![0.0; width]; width];
        (0..width).for_each(|index| precision[index][index] = ridge);
        let mut sums = vec![0.0; width];
        for slot in (0..frames.len()).filter(|slot| frames.actions[*slot] == action) {
            let row = &rows[frames.consumers[slot] as usize % 2];
            for (own, left) in precision.iter_mut().zip(row) {
                own.iter_mut().zip(row).for_each(|(sum, right)| *sum += left * right);
            }
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value * f64::from(frames.rewards[slot]));
        }
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mean = dot(&rows[state], &solve(precision.clone(), sums));
        (mean, dot(&rows[state], &solve(precision, rows[state].clone())))
    };
    let mut law = Matrix::default();
    agent.probabilities(&seen(&[0, 1], 99), Seed::new(1), &mut law);
    for state in 0..2 {
        let ((m_0, v_0), (m_1, v_1)) = (posterior(0, state), posterior(1, state));
        let known = normal_cdf((m_1 - m_0) / (alpha * (v_0 + v_1).sqrt()));
        let error = (known * (1.0 - known) / samples).sqrt();
        let found = f64::from(law.get(state, 1));
        assert!((found - known).abs() < 4.0 * error + 1e-4, "{state}: {found} where {known} is known");
        assert_eq!(law.get(state, 2), 0.0);
    }
}

#[test]
fn the_best_actions_are_found_and_the_floor_stays() {
    let mut agent = made_of(&ENTRY, &quick_bandit(&ENTRY));
    play(agent.as_mut(), 0..60, [[0.8, 0.0], [0.0, 0.8]]);
    let mut law = Matrix::default();
    agent.snapshot().probabilities(&seen(&[0, 1], 99), Seed::new(1), &mut law);
    assert!(law.get(0, 0) > 0.9 && law.get(1, 1) > 0.9, "{:?} {:?}", law.row(0), law.row(1));
    assert!(law.get(0, 1) >= 0.005 && law.get(1, 0) >= 0.005);
}

#[test]
fn it_goes_on_with_the_same_bits_and_needs_a_layer() {
    assert_resumes(&ENTRY, &quick_bandit(&ENTRY).with("normalise", Value::Boolean(true)));
    assert_resumes(&ENTRY, &quick_bandit(&ENTRY).with("memory", Value::Integer(100)));
    let refusal = create(&quick_bandit(&ENTRY).with("hidden", Value::Integers(vec![])), &spec()).unwrap_err();
    assert!(refusal.message.contains("last hidden layer"), "{}", refusal.message);
}
