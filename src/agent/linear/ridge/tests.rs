use super::*;
use crate::random::{Purpose, Seed};

/// Solves `A y = b` by Gaussian elimination: a way to the answer that shares nothing with the model.
fn solve(a: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let n = b.len();
    let mut rows: Vec<Vec<f64>> = a.iter().zip(b).map(|(row, &b)| row.iter().copied().chain([b]).collect()).collect();
    for pivot in 0..n {
        for row in 0..n {
            if row != pivot {
                let ratio = rows[row][pivot] / rows[pivot][pivot];
                let from = rows[pivot].clone();
                rows[row].iter_mut().zip(from).for_each(|(value, from)| *value -= ratio * from);
            }
        }
    }
    (0..n).map(|row| rows[row][n] / rows[row][row]).collect()
}

fn features(workspace: &mut Workspace, x: &[f64]) {
    workspace.clear(x.len());
    workspace.features.as_flattened_mut()[..x.len()].copy_from_slice(x);
}

fn observe(model: &mut Ridge, link: Link, x: &[f64], target: f64) {
    let mut workspace = Workspace::default();
    features(&mut workspace, x);
    let before = model.predict(&workspace);
    let change = model.update(&mut workspace, link, before, 0.0, target);
    assert!((model.predict(&workspace) - before - change).abs() < 1e-9);
}

fn variance(model: &Ridge, x: &[f64]) -> f64 {
    (0..x.len()).map(|i| x.iter().zip(model.factor_row(i)).map(|(x, m)| x * m).sum::<f64>().powi(2)).sum()
}

#[test]
fn rank_one_updates_equal_the_dense_solution() {
    let dimension = 19;
    let (ridge, rounds) = (0.7, 300);
    let mut model = Ridge::new(dimension, ridge);
    let mut a = vec![vec![0.0; dimension]; dimension];
    (0..dimension).for_each(|i| a[i][i] = ridge);
    let mut b = vec![0.0; dimension];
    let mut stream = Seed::new(5).stream(Purpose::Problem, 0, 0);
    for _ in 0..rounds {
        let x: Vec<f64> = (0..dimension).map(|_| f64::from(stream.uniform()) * 4.0 - 1.5).collect();
        let y = f64::from(stream.uniform()) * 10.0;
        for i in 0..dimension {
            b[i] += y * x[i];
            (0..dimension).for_each(|j| a[i][j] += x[i] * x[j]);
        }
        observe(&mut model, Link::Identity, &x, y);
    }
    for (weight, expected) in model.weights().iter().zip(solve(&a, &b)) {
        assert!((weight - expected).abs() < 1e-10, "{weight} {expected}");
    }
    let x: Vec<f64> = (0..dimension).map(|i| i as f64 / 7.0 - 1.0).collect();
    let expected: f64 = solve(&a, &x).iter().zip(&x).map(|(a, b)| a * b).sum();
    assert!((variance(&model, &x) / expected - 1.0).abs() < 1e-10);
}

#[test]
fn forgetting_equals_the_dense_weighted_solution() {
    let (dimension, ridge) = (5, 0.7);
    let mut model = Ridge::new(dimension, ridge);
    let mut sums = vec![vec![0.0; dimension]; dimension];
    let mut b = vec![0.0; dimension];
    let mut stream = Seed::new(6).stream(Purpose::Problem, 0, 0);
    for step in 0..60 {
        if step % 7 == 0 {
            model.forget(0.8, ridge, &mut Workspace::default());
            sums.iter_mut().flatten().chain(&mut b).for_each(|value| *value *= 0.8);
        }
        let x: Vec<f64> = (0..dimension).map(|_| f64::from(stream.uniform()) * 4.0 - 1.5).collect();
        let y = f64::from(stream.uniform()) * 10.0;
        for i in 0..dimension {
            b[i] += y * x[i];
            (0..dimension).for_each(|j| sums[i][j] += x[i] * x[j]);
        }
        observe(&mut model, Link::Identity, &x, y);
    }
    (0..dimension).for_each(|i| sums[i][i] += ridge);
    for (weight, expected) in model.weights().iter().zip(solve(&sums, &b)) {
        assert!((weight - expected).abs() < 1e-10, "{weight} {expected}");
    }
    let x = [0.3, -1.0, 0.5, 2.0, 1.0];
    let expected: f64 = solve(&sums, &x).iter().zip(&x).map(|(a, b)| a * b).sum();
    assert!((variance(&model, &x) / expected - 1.0).abs() < 1e-10);
}

#[test]
fn one_observation_in_one_dimension_by_hand() {
    // Prior N(0, 1/2); x = 3, y = 6: precision 2 + 9 = 11, mean 18 / 11.
    let mut model = Ridge::new(1, 2.0);
    observe(&mut model, Link::Identity, &[3.0], 6.0);
    assert!((model.weights()[0] - 18.0 / 11.0).abs() < 1e-15);
    assert!((variance(&model, &[1.0]) - 1.0 / 11.0).abs() < 1e-15);
}

#[test]
fn a_logistic_observation_moves_to_the_mode_and_adds_its_curvature() {
    // Prior N(0, 1); x = 2, y = 1: the mode solves w = 2 (1 - sigmoid(2 w)).
    let mut model = Ridge::new(1, 1.0);
    observe(&mut model, Link::Logistic, &[2.0], 1.0);
    let w = model.weights()[0];
    let p = sigmoid(2.0 * w);
    assert!((w - 2.0 * (1.0 - p)).abs() < 1e-12, "{w}");
    assert!((variance(&model, &[1.0]) - 1.0 / (1.0 + 4.0 * p * (1.0 - p))).abs() < 1e-12);
}

#[test]
fn extreme_logistic_steps_end() {
    for linear in [-800.0, -30.0, 0.0, 30.0, 800.0] {
        for variance in [0.0, 1e-9, 1.0, 1e6, 1e30] {
            for target in [0.0, 1.0] {
                let (step, curvature) = logistic_step(linear, variance, target);
                assert!(step >= target - 1.0 && step <= target && curvature > 0.0);
            }
        }
    }
}

#[test]
fn a_model_survives_writing_bit_for_bit_and_broken_ones_are_refused() {
    let mut model = Ridge::new(3, 0.3);
    observe(&mut model, Link::Identity, &[0.1, 0.2, 0.7], 1.0 / 3.0);
    let text = serde_json::to_string(&model).unwrap();
    assert_eq!(serde_json::from_str::<Ridge>(&text).unwrap(), model);
    assert!(serde_json::from_str::<Ridge>(r#"{"weights":[0.0,1.0],"factor":[1.0,0.0]}"#).is_err());
}
