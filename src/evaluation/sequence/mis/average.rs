//! The average reward of a step, by the stationary distribution of the target's chain (Liu et al. 2018, section 3).

use super::super::chain::{Chain, Tables};
use super::super::linear::eliminate;
use super::super::returns::per_trajectory;
use super::super::{Linearised, Prepared, SequenceFailure};

/// Most states: the stationary distribution is solved for as a dense system.
const MOST_STATES: usize = 2_000;
/// Most that the share of a state may change in a step.
const LEAK: f64 = 1e-8;

/// The average reward under a chain of states.
pub(super) struct Average<'a>(pub Chain<'a>);

/// A chain at rest.
struct Rest {
    tables: Tables,
    share: Vec<f64>,
    average: f64,
}

impl Average<'_> {
    fn rest(&self, chain: &Chain<'_>, counts: &[f64]) -> Result<Rest, SequenceFailure> {
        let tables = chain.tables(counts);
        let states = tables.counts.len();
        if states > MOST_STATES {
            return Err(SequenceFailure::TooLarge { unknowns: states, limit: MOST_STATES });
        }
        // `share' (I - P) = 0` with shares that sum to 1 in the place of one equation, over the states that were left.
        let mut system = chain.transitions(&tables);
        for (state, row) in system.chunks_exact_mut(states).enumerate() {
            row.iter_mut().for_each(|to| *to = -*to);
            row[state] += 1.0;
        }
        let mut transposed = vec![0.0; states * states];
        for row in 0..states {
            for column in 0..states {
                transposed[column * states + row] = system[row * states + column];
            }
        }
        let mut right = vec![0.0; states];
        transposed[(states - 1) * states..].iter_mut().for_each(|one| *one = 1.0);
        right[states - 1] = 1.0;
        let share = eliminate(transposed, &right)?;
        // A process that ends, or a state that the log only ends in, has no distribution at rest.
        let transitions = chain.transitions(&tables);
        let at_rest = |state: usize| {
            let came: f64 = (0..states).map(|from| share[from] * transitions[from * states + state]).sum();
            (came - share[state]).abs() < LEAK
        };
        if !(0..states).all(at_rest) {
            return Err(SequenceFailure::Singular);
        }
        let average = share.iter().enumerate().map(|(state, share)| share * chain.reward(&tables, state)).sum();
        Ok(Rest { tables, share, average })
    }

    /// What a state is worth above the average (with the sum over the shares 0).
    fn advantages(&self, rest: &Rest) -> Result<Vec<f64>, SequenceFailure> {
        let states = rest.share.len();
        // `h = r - average + P h` is solved by `(I - P + 1 share') h = r - average`.
        let mut system = self.0.transitions(&rest.tables);
        for (state, row) in system.chunks_exact_mut(states).enumerate() {
            row.iter_mut().zip(&rest.share).for_each(|(to, share)| *to = share - *to);
            row[state] += 1.0;
        }
        let right: Vec<f64> = (0..states).map(|state| self.0.reward(&rest.tables, state) - rest.average).collect();
        eliminate(system, &right)
    }
}

impl Prepared for Average<'_> {
    fn value(&self, counts: &[f64]) -> f64 {
        self.rest(&self.0, counts).map_or(f64::NAN, |rest| rest.average)
    }

    fn linearised(&self) -> Result<Linearised, SequenceFailure> {
        let log = self.0.log;
        let counts = vec![1.0; log.len()];
        let rest = self.rest(&self.0, &counts)?;
        let advantages = self.advantages(&rest)?;
        let influence = per_trajectory(log, |trajectory| {
            let rows = log.rows_of(trajectory);
            let share = |row: usize, total: &[f64]| {
                let state = self.0.cell(row, 0);
                if total[state] > 0.0 { rest.share[state] * log.weight(row) / total[state] } else { 0.0 }
            };
            let sum: f64 = rows
                .clone()
                .map(|row| {
                    let state = self.0.cell(row, 0);
                    let reward = self.0.reward(&rest.tables, state);
                    let mut sum = share(row, &rest.tables.counts) * (log.rewards[row] - reward);
                    if row + 1 < rows.end {
                        let expected = advantages[state] - reward + rest.average;
                        sum += share(row, &rest.tables.followed) * (advantages[self.0.cell(row + 1, 0)] - expected);
                    }
                    sum
                })
                .sum();
            log.len() as f64 * sum
        });
        let logging = Chain::of_logging(log)?;
        let logged = self.rest(&logging, &counts)?.share;
        let ratio = |(target, logging): (&f64, &f64)| if *logging > 0.0 { target / logging } else { 0.0 };
        let ratios = rest.share.iter().zip(&logged).map(ratio).collect();
        Ok(Linearised { value: rest.average, influence, ratios, ..Linearised::default() })
    }
}
