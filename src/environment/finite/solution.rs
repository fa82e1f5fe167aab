//! Exact values of a finite process: value iteration, and a policy's chain as a linear system.

use super::process::Process;

/// Actions within this of the best, relative to its size, are ties, and the lowest index is taken.
const TIE: f64 = 1e-12;
const TOLERANCE: f64 = 1e-12;
const MOST_SWEEPS: u32 = 1_000_000;

/// A best policy and its value in every state.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Optimum {
    /// One action per state.
    pub actions: Vec<u16>,
    /// Discounted value over the infinite horizon.
    pub values: Vec<f64>,
}

/// The best policy by value iteration: sweeps stop when no value can be further than 1e-12 (relative to the greatest)
/// from its limit, or no longer changes. The values returned are those of the greedy policy, solved exactly.
pub(super) fn optimal(process: &Process, discount: f64) -> Optimum {
    let mut values = vec![0.0; process.states()];
    let mut next = values.clone();
    for _ in 0..MOST_SWEEPS {
        let (mut change, mut size) = (0.0, 1.0);
        for (state, value) in next.iter_mut().enumerate() {
            *value = (0..process.actions())
                .filter(|action| process.allows(state, *action))
                .map(|action| look_ahead(process, discount, &values, state, action))
                .fold(f64::NEG_INFINITY, f64::max);
            change = f64::max(change, (*value - values[state]).abs());
            size = f64::max(size, value.abs());
        }
        std::mem::swap(&mut values, &mut next);
        if change * discount <= TOLERANCE * size * (1.0 - discount) {
            break;
        }
    }
    let actions = greedy(process, discount, &values);
    let values = evaluate(process, discount, &deterministic(process, &actions)).unwrap_or(values);
    Optimum { actions, values }
}

/// The action of greatest immediate reward plus discounted next value, for every state.
pub(super) fn greedy(process: &Process, discount: f64, values: &[f64]) -> Vec<u16> {
    (0..process.states())
        .map(|state| {
            let mut best = (0, look_ahead(process, discount, values, state, 0));
            for action in (1..process.actions()).filter(|action| process.allows(state, *action)) {
                let value = look_ahead(process, discount, values, state, action);
                if value > best.1 + TIE * f64::max(1.0, best.1.abs()) {
                    best = (action, value);
                }
            }
            best.0 as u16
        })
        .collect()
}

/// Probability 1 for the action of each state.
fn deterministic(process: &Process, actions: &[u16]) -> Vec<f64> {
    let mut law = vec![0.0; process.states() * process.actions()];
    for (state, action) in actions.iter().enumerate() {
        law[state * process.actions() + usize::from(*action)] = 1.0;
    }
    law
}

fn look_ahead(process: &Process, discount: f64, values: &[f64], state: usize, action: usize) -> f64 {
    let later: f64 = process
        .transitions(state, action)
        .iter()
        .map(|transition| transition.probability * values[usize::from(transition.next)])
        .sum();
    process.expected_reward(state, action) + discount * later
}

/// The value of every state under the law pi(a | s) at `s * actions + a`: (I - discount · P) v = r solved by Gaussian
/// elimination with partial pivoting. `None` where the law is not finite or puts weight on an action that is not allowed.
pub(super) fn evaluate(process: &Process, discount: f64, law: &[f64]) -> Option<Vec<f64>> {
    let states = process.states();
    let mut system = vec![vec![0.0; states + 1]; states];
    for (state, row) in system.iter_mut().enumerate() {
        row[state] = 1.0;
        for action in 0..process.actions() {
            let weight = law[state * process.actions() + action];
            if weight == 0.0 {
                continue;
            }
            if !weight.is_finite() || !process.allows(state, action) {
                return None;
            }
            row[states] += weight * process.expected_reward(state, action);
            for transition in process.transitions(state, action) {
                row[usize::from(transition.next)] -= discount * weight * transition.probability;
            }
        }
    }
    eliminate(system)
}

/// Solves a system whose rows hold the coefficients and then the right side; `None` where it is singular.
fn eliminate(mut system: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let size = system.len();
    for pivot in 0..size {
        let best = (pivot..size).max_by(|a, b| system[*a][pivot].abs().total_cmp(&system[*b][pivot].abs()))?;
        system.swap(pivot, best);
        let (above, below) = system.split_at_mut(pivot + 1);
        let pivot_row = &above[pivot];
        if pivot_row[pivot] == 0.0 {
            return None;
        }
        for row in below {
            let factor = row[pivot] / pivot_row[pivot];
            if factor != 0.0 {
                for (value, above) in row[pivot..].iter_mut().zip(&pivot_row[pivot..]) {
                    *value -= factor * above;
                }
            }
        }
    }
    let mut solution = vec![0.0; size];
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|column| system[row][column] * solution[column]).sum();
        solution[row] = (system[row][size] - known) / system[row][row];
    }
    Some(solution)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The same value by sweeping the chain until nothing moves: what the linear solve must agree with.
    pub fn evaluate_by_sweeps(process: &Process, discount: f64, law: &[f64]) -> Vec<f64> {
        let mut values = vec![0.0; process.states()];
        for _ in 0..20_000 {
            let next: Vec<f64> = (0..process.states())
                .map(|state| {
                    (0..process.actions())
                        .map(|action| (action, law[state * process.actions() + action]))
                        .filter(|(_, weight)| *weight > 0.0)
                        .map(|(action, weight)| weight * look_ahead(process, discount, &values, state, action))
                        .sum()
                })
                .collect();
            let change = values.iter().zip(&next).map(|(a, b): (&f64, &f64)| (a - b).abs()).fold(0.0, f64::max);
            values = next;
            if change < 1e-15 {
                break;
            }
        }
        values
    }

    #[test]
    fn elimination_pivots_and_knows_singular_systems() {
        let solution = eliminate(vec![vec![0.0, 2.0, 4.0], vec![1.0, 1.0, 5.0]]).unwrap();
        assert_eq!(solution, vec![3.0, 2.0]);
        assert_eq!(eliminate(vec![vec![1.0, 1.0, 1.0], vec![2.0, 2.0, 2.0]]), None);
    }
}
