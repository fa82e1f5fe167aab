//! Features: values that are linear in a constant and the features, with weights of their own for each action.
//!
//! With `x = (1, features)` and `phi(s, a)` holding x in the place of action a, the mean reward is `phi' rho` and what the
//! target earns next is `phi' B w` where `phi' w` is what it earns from there: both are least squares over the logged rows
//! (those with a known successor for B), with `ridge` on the diagonal. Values follow `w_k = rho + discount B w_{k-1}` for k
//! steps to go, or the fixed point of it, which is that of LSTDQ (Lagoudakis and Parr 2003).

mod algebra;

pub(super) use algebra::eliminate;

use super::returns::{per_trajectory, weighted_sum};
use super::trajectories::{Horizon, LawShape, StateShape, Trajectories};
use super::{Linearised, SequenceFailure};
use algebra::{Cholesky, add, dot, outer, times, transposed_times};
use rayon::prelude::*;

/// Most unknowns: the square of them is kept some 20 times.
const MOST_UNKNOWNS: usize = 1_024;
/// Parts in which rows are summed, whatever the number of threads.
const PARTS: usize = 16;
/// Numbers that the sums of all folds may take; 256 MiB.
const MOST_SUMS: usize = 1 << 25;

/// A linear model of the values of a log.
pub(super) struct Linear<'a> {
    pub log: &'a Trajectories,
    /// Length of x.
    width: usize,
    /// Unknowns: actions × width.
    size: usize,
    ridge: f64,
}

/// Sums over rows.
#[derive(Clone, Default)]
struct Sums {
    rows: f64,
    /// Per action, `x x'` over all its rows, and over those with a known successor.
    every: Vec<f64>,
    followed: Vec<f64>,
    rewards: Vec<f64>,
    /// `phi(row) phi_target(next row)'`.
    next: Vec<f64>,
    start: Vec<f64>,
    trajectories: f64,
}

impl Sums {
    fn merge(&mut self, part: &Self) {
        self.rows += part.rows;
        self.trajectories += part.trajectories;
        add(&mut self.every, &part.every, 1.0);
        add(&mut self.followed, &part.followed, 1.0);
        add(&mut self.rewards, &part.rewards, 1.0);
        add(&mut self.next, &part.next, 1.0);
        add(&mut self.start, &part.start, 1.0);
    }
}

/// The regression, ready for values.
pub(super) struct Regression {
    every: Vec<Cholesky>,
    followed: Vec<Cholesky>,
    /// Weights of the mean reward.
    rewards: Vec<f64>,
    /// B, row-major.
    next: Vec<f64>,
    /// Mean over trajectories of the features of the target's first decision.
    start: Vec<f64>,
}

impl<'a> Linear<'a> {
    /// Checks that the log has features and laws, and that the system is not too large.
    pub fn new(log: &'a Trajectories, ridge: f64) -> Result<Self, SequenceFailure> {
        let StateShape::Features(features) = log.shape.state else { return Err(SequenceFailure::NeedsState) };
        if log.shape.law != LawShape::Every {
            return Err(SequenceFailure::NeedsLaw);
        }
        let (width, size) = (features + 1, (features + 1).saturating_mul(log.shape.action_count));
        if size > MOST_UNKNOWNS {
            return Err(SequenceFailure::TooLarge { unknowns: size, limit: MOST_UNKNOWNS });
        }
        Ok(Self { log, width, size, ridge })
    }

    fn x(&self, row: usize, x: &mut [f64]) {
        x[0] = 1.0;
        x[1..].iter_mut().zip(self.log.features_of(row)).for_each(|(x, feature)| *x = f64::from(*feature));
    }

    /// The features of the target's decision in a row: x in the place of every action, times its probability.
    fn target(&self, row: usize, features: &mut [f64]) {
        let (first, rest) = features.split_at_mut(self.width);
        self.x(row, first);
        let law = self.log.law_of(row);
        for (own, probability) in rest.chunks_exact_mut(self.width).zip(&law[1..]) {
            own.iter_mut().zip(&*first).for_each(|(own, x)| *own = probability * x);
        }
        first.iter_mut().for_each(|own| *own *= law[0]);
    }

    fn sums(&self, counts: &[f64]) -> Sums {
        let length = self.log.len().div_ceil(PARTS).max(1);
        let parts: Vec<Sums> = (0..self.log.len().div_ceil(length))
            .into_par_iter()
            .map(|part| {
                let trajectories = part * length..((part + 1) * length).min(self.log.len());
                self.part_sums(trajectories, counts)
            })
            .collect();
        let mut sums = self.empty();
        parts.iter().for_each(|part| sums.merge(part));
        sums
    }

    fn empty(&self) -> Sums {
        let (block, size) = (self.size * self.width, self.size);
        Sums {
            every: vec![0.0; block],
            followed: vec![0.0; block],
            rewards: vec![0.0; size],
            next: vec![0.0; size * size],
            start: vec![0.0; size],
            ..Sums::default()
        }
    }

    fn part_sums(&self, trajectories: impl Iterator<Item = usize>, counts: &[f64]) -> Sums {
        let mut sums = self.empty();
        self.add_sums(trajectories, counts, &mut sums);
        sums
    }

    fn add_sums(&self, trajectories: impl Iterator<Item = usize>, counts: &[f64], sums: &mut Sums) {
        let (width, size) = (self.width, self.size);
        let (mut x, mut next) = (vec![0.0; width], vec![0.0; size]);
        for trajectory in trajectories.filter(|trajectory| counts[*trajectory] > 0.0) {
            let (rows, count) = (self.log.rows_of(trajectory), counts[trajectory]);
            self.target(rows.start, &mut next);
            add(&mut sums.start, &next, count);
            sums.trajectories += count;
            sums.rows += count * rows.len() as f64;
            for row in rows.clone() {
                self.x(row, &mut x);
                let first = self.log.actions[row] as usize * width;
                add(&mut sums.rewards[first..first + width], &x, count * self.log.rewards[row]);
                outer(&mut sums.every[first * width..], &x, &x, count);
                let followed = row + 1 < rows.end;
                if followed || self.log.terminated[trajectory] {
                    outer(&mut sums.followed[first * width..], &x, &x, count);
                }
                if followed {
                    self.target(row + 1, &mut next);
                    outer(&mut sums.next[first * size..], &x, &next, count);
                }
            }
        }
    }

    /// Weights of the values by fold, from all trajectories but its own; `None` where there are no others.
    pub fn levels_without(&self, folds: &[u32], count: u32) -> Result<Vec<Option<Vec<Vec<f64>>>>, SequenceFailure> {
        let once = vec![1.0; self.log.len()];
        let is_in = |fold: u32| (0..self.log.len()).filter(move |trajectory| folds[*trajectory] == fold);
        let own = self.size * (self.size + 2 * self.width);
        let kept: Vec<Sums> = if own.saturating_mul(count as usize) <= MOST_SUMS {
            (0..count).into_par_iter().map(|fold| self.part_sums(is_in(fold), &once)).collect()
        } else {
            Vec::new()
        };
        let levels = |fold: u32| {
            let mut sums = self.empty();
            for other in (0..count).filter(|other| *other != fold) {
                match kept.get(other as usize) {
                    Some(part) => sums.merge(part),
                    None => self.add_sums(is_in(other), &once, &mut sums),
                }
            }
            (sums.trajectories > 0.0).then(|| self.solve(&self.fit_to(sums)?)).transpose()
        };
        (0..count).map(levels).collect()
    }

    /// Fits the regression with trajectory i counted `counts[i]` times.
    pub fn fit(&self, counts: &[f64]) -> Result<Regression, SequenceFailure> {
        self.fit_to(self.sums(counts))
    }

    fn fit_to(&self, mut sums: Sums) -> Result<Regression, SequenceFailure> {
        let (width, size) = (self.width, self.size);
        let ridge = self.ridge * sums.rows;
        let factor = |table: &[f64]| -> Result<Vec<Cholesky>, SequenceFailure> {
            table.chunks_exact(width * width).map(|own| Cholesky::new(own, width, ridge)).collect()
        };
        let (every, followed) = (factor(&sums.every)?, factor(&sums.followed)?);
        for (action, own) in every.iter().enumerate() {
            own.solve(&mut sums.rewards[action * width..][..width]);
        }
        // Column by column of the successors, for the rows of one action.
        let mut column = vec![0.0; width];
        for (action, own) in followed.iter().enumerate() {
            let block = &mut sums.next[action * width * size..][..width * size];
            for place in 0..size {
                (0..width).for_each(|row| column[row] = block[row * size + place]);
                own.solve(&mut column);
                (0..width).for_each(|row| block[row * size + place] = column[row]);
            }
        }
        let start = sums.start.iter().map(|sum| sum / sums.trajectories).collect();
        Ok(Regression { every, followed, rewards: sums.rewards, next: sums.next, start })
    }

    /// Weights of the values with 0 to `steps` steps to go.
    fn backwards(&self, regression: &Regression, steps: usize) -> Result<Vec<Vec<f64>>, SequenceFailure> {
        let mut levels = vec![vec![0.0; self.size]];
        for step in 0..steps {
            let mut weights = times(&regression.next, &levels[step]);
            for (weight, reward) in weights.iter_mut().zip(&regression.rewards) {
                *weight = reward + self.log.shape.discount * *weight;
            }
            if weights.iter().any(|weight| !weight.is_finite()) {
                return Err(SequenceFailure::Singular);
            }
            levels.push(weights);
        }
        Ok(levels)
    }

    /// Weights of the values that the log asks for: one level, or one per number of steps to go.
    pub fn solve(&self, regression: &Regression) -> Result<Vec<Vec<f64>>, SequenceFailure> {
        match self.log.shape.horizon {
            Horizon::Logged => self.backwards(regression, self.log.longest),
            Horizon::Endless => Ok(vec![eliminate(self.system(regression, false), &regression.rewards)?]),
        }
    }

    /// `I - discount B`, or its transpose.
    fn system(&self, regression: &Regression, transposed: bool) -> Vec<f64> {
        let size = self.size;
        let mut system = vec![0.0; size * size];
        for row in 0..size {
            for column in 0..size {
                let place = if transposed { column * size + row } else { row * size + column };
                system[place] = -self.log.shape.discount * regression.next[row * size + column];
            }
            system[row * size + row] += 1.0;
        }
        system
    }

    /// Value of the target's decision in a row.
    pub fn value(&self, row: usize, weights: &[f64]) -> f64 {
        let law = self.log.law_of(row);
        (0..law.len()).map(|action| law[action] * self.action_value(row, action, weights)).sum()
    }

    /// Value of an action in a row.
    pub fn action_value(&self, row: usize, action: usize, weights: &[f64]) -> f64 {
        let own = &weights[action * self.width..][..self.width];
        let features = self.log.features_of(row).iter().zip(&own[1..]);
        own[0] + features.map(|(feature, weight)| f64::from(*feature) * weight).sum::<f64>()
    }

    /// Value of the first state of each trajectory.
    fn start_values(&self, levels: &[Vec<f64>]) -> Vec<f64> {
        per_trajectory(self.log, |trajectory| {
            let level = if levels.len() == 1 { 0 } else { self.log.window(trajectory) };
            self.value(self.log.rows_of(trajectory).start, &levels[level])
        })
    }

    /// The estimate where trajectory i counts `counts[i]` times; NaN where it has none.
    pub fn estimate(&self, counts: &[f64]) -> f64 {
        let levels = self.fit(counts).and_then(|regression| self.solve(&regression));
        levels.map_or(f64::NAN, |levels| weighted_sum(&self.start_values(&levels), counts) / counts.iter().sum::<f64>())
    }

    /// The features of what the target does in all its visits, discounted: with k steps to go, or of an only level.
    fn visits(&self, regression: &Regression, levels: usize) -> Result<Vec<Vec<f64>>, SequenceFailure> {
        if levels == 1 {
            return Ok(vec![eliminate(self.system(regression, true), &regression.start)?]);
        }
        let mut visits = vec![vec![0.0; self.size]; levels];
        let mut first = vec![0.0; self.size];
        for trajectory in 0..self.log.len() {
            self.target(self.log.rows_of(trajectory).start, &mut first);
            add(&mut visits[self.log.window(trajectory)], &first, 1.0 / self.log.len() as f64);
        }
        for level in (2..levels).rev() {
            let passed = transposed_times(&regression.next, &visits[level]);
            add(&mut visits[level - 1], &passed, self.log.shape.discount);
        }
        Ok(visits)
    }

    /// The estimate from every trajectory once, with its influences (of which `ridge` keeps a little back).
    pub fn linearised(&self) -> Result<Linearised, SequenceFailure> {
        let regression = self.fit(&vec![1.0; self.log.len()])?;
        let levels = self.solve(&regression)?;
        let visits = self.visits(&regression, levels.len())?;
        let starts = self.start_values(&levels);
        let value = starts.iter().sum::<f64>() / starts.len() as f64;
        let slopes = self.slopes(&regression, &levels, &visits);
        let influence = per_trajectory(self.log, |trajectory| {
            starts[trajectory] - value + self.log.len() as f64 * self.surprise(trajectory, &regression, &slopes)
        });
        let mean = influence.iter().sum::<f64>() / influence.len() as f64;
        let influence = influence.into_iter().map(|own| own - mean).collect();
        Ok(Linearised { value, influence, ..Linearised::default() })
    }

    fn slopes(&self, regression: &Regression, levels: &[Vec<f64>], visits: &[Vec<f64>]) -> Slopes {
        let size = self.size;
        let mut slopes =
            Slopes { of_reward: vec![0.0; size], of_next: vec![0.0; size * size], of_mean: vec![0.0; size] };
        let solve = |factors: &[Cholesky], vector: &[f64]| {
            let mut solved = vector.to_vec();
            factors.iter().zip(solved.chunks_exact_mut(self.width)).for_each(|(own, part)| own.solve(part));
            solved
        };
        slopes.of_mean.resize(size * self.width, 0.0);
        for (level, visits) in visits.iter().enumerate() {
            let weights = &levels[level.saturating_sub(1)];
            add(&mut slopes.of_reward, &solve(&regression.every, visits), 1.0);
            let followed = solve(&regression.followed, visits);
            outer(&mut slopes.of_next, &followed, weights, 1.0);
            let mean = times(&regression.next, weights);
            for action in 0..self.log.shape.action_count {
                let own = action * self.width..(action + 1) * self.width;
                outer(&mut slopes.of_mean[own.start * self.width..], &followed[own.clone()], &mean[own], 1.0);
            }
        }
        slopes
    }

    /// What the rows of a trajectory earned and met beyond what the regression says, by how much it matters.
    fn surprise(&self, trajectory: usize, regression: &Regression, slopes: &Slopes) -> f64 {
        let (width, size) = (self.width, self.size);
        let (mut x, mut next) = (vec![0.0; width], vec![0.0; size]);
        let rows = self.log.rows_of(trajectory);
        let mut sum = 0.0;
        for row in rows.clone() {
            self.x(row, &mut x);
            let action = self.log.actions[row] as usize;
            let first = action * width;
            let expected = self.action_value(row, action, &regression.rewards);
            sum += dot(&slopes.of_reward[first..first + width], &x) * (self.log.rewards[row] - expected);
            let followed = row + 1 < rows.end;
            if followed {
                self.target(row + 1, &mut next);
            }
            if followed || self.log.terminated[trajectory] {
                for (place, x_own) in x.iter().enumerate() {
                    let came =
                        if followed { dot(&slopes.of_next[(first + place) * size..][..size], &next) } else { 0.0 };
                    let mean = dot(&slopes.of_mean[(first + place) * width..][..width], &x);
                    sum += self.log.shape.discount * x_own * (came - mean);
                }
            }
        }
        sum
    }

    /// Of every row, the discounted visits that the target pays to its state and action, in rows: what to weight its
    /// reward with, so that the sum over rows is the value.
    pub fn visit_weights(&self, counts: &[f64]) -> Result<Vec<f64>, SequenceFailure> {
        let regression = self.fit(counts)?;
        let mut visits = eliminate(self.system(&regression, true), &regression.start)?;
        regression.every.iter().zip(visits.chunks_exact_mut(self.width)).for_each(|(own, part)| own.solve(part));
        let of_row = |row: usize| self.action_value(row, self.log.actions[row] as usize, &visits);
        Ok((0..self.log.rows()).into_par_iter().map(of_row).collect())
    }
}

/// Derivatives of the value.
struct Slopes {
    of_reward: Vec<f64>,
    of_next: Vec<f64>,
    /// Per action, `width × width`.
    of_mean: Vec<f64>,
}
