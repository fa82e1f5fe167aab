//! Models of how the logging policy chose, for logs that do not say.

use super::sample::Sample;
use super::table::Grid;
use super::{Rounds, Shape};
use crate::evaluation::model::factorised::{Factorised, packed};
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Values};
use std::fmt;

/// All models of propensities.
pub const PROPENSITY_MODELS: &[Entry<PropensityBuild>] = &[
    Entry {
        name: "table",
        summary: "shares of the actions in each combination of keys, shrunk to their shares in the log; exact",
        source: "Rosenbaum and Rubin 1983 (estimated propensities)",
        parameters: TABLE,
        build: build_table,
    },
    Entry {
        name: "multinomial",
        summary: "multinomial logistic regression on the context; on a sample of at most 100,000 rounds",
        source: "Böhning 1992 (a bound on the curvature that never overshoots)",
        parameters: MULTINOMIAL,
        build: build_multinomial,
    },
];

/// Makes a fitter from the values of a file.
pub type PropensityBuild = fn(&Values, &Shape) -> Result<Box<dyn PropensityFitter>, Refusal>;

/// Gathers what propensities are fitted on.
pub trait PropensityFitter: fmt::Debug + Send + Sync {
    /// Takes a batch.
    fn take(&mut self, rounds: &Rounds<'_>);

    /// The law fitted on all rounds.
    ///
    /// # Errors
    /// Where the rounds cannot be fitted.
    fn fit(&self) -> Result<Box<dyn PropensityModel>, Refusal>;
}

/// The logging policy's law as it was fitted.
pub trait PropensityModel: fmt::Debug + Send + Sync {
    /// Writes `rounds × actions`, row-major; every row sums to 1.
    fn predict(&self, rounds: &Rounds<'_>, law: &mut [f64]);
}

const TABLE: &[Parameter] = &[
    Parameter::of("keys", Kind::Texts { default: None }, "columns of the context that make a cell; none if not given"),
    Parameter::number("strength", 1.0, Range::NON_NEGATIVE, "pseudo-observations that the shares in the log count as"),
];

const MULTINOMIAL: &[Parameter] = &[
    Parameter::number("penalty", 1.0, Range::POSITIVE, "half of it times the squared coefficients, intercepts aside"),
    Parameter::integer("sample", 100_000, 100, 100_000, "rounds that it is fitted on at most"),
];

fn build_table(values: &Values, shape: &Shape) -> Result<Box<dyn PropensityFitter>, Refusal> {
    let keys: Vec<String> = values.texts("keys").to_vec();
    if let Some(key) = keys.iter().find(|key| **key == shape.action_name || *key == "action") {
        let message = format!("{key:?} is what the propensities are of, and cannot be a key");
        return Err(Refusal::new(values, "keys", message, "give columns of the context alone"));
    }
    let grid = Grid::new(&keys, shape, values, "keys")?;
    let counts = vec![0.0; grid.size * shape.action_count];
    let strength = values.number("strength");
    Ok(Box::new(Shares { grid, counts, totals: vec![0.0; shape.action_count], strength }))
}

/// `(count + strength × share in the log) / (rounds + strength)` of each action in each cell.
#[derive(Clone, Debug)]
struct Shares {
    grid: Grid,
    counts: Vec<f64>,
    totals: Vec<f64>,
    strength: f64,
}

impl PropensityFitter for Shares {
    fn take(&mut self, rounds: &Rounds<'_>) {
        let actions = self.totals.len();
        for (round, &action) in rounds.actions.iter().enumerate() {
            let cell = self.grid.cell(rounds.columns, round, action);
            self.counts[cell * actions + action as usize] += 1.0;
            self.totals[action as usize] += 1.0;
        }
    }

    fn fit(&self) -> Result<Box<dyn PropensityModel>, Refusal> {
        let all: f64 = self.totals.iter().sum();
        let actions = self.totals.len();
        let mut law = self.clone();
        for cell in law.counts.chunks_mut(actions) {
            let total: f64 = cell.iter().sum::<f64>() + self.strength;
            for (share, overall) in cell.iter_mut().zip(&self.totals) {
                let overall = if all > 0.0 { overall / all } else { 1.0 / actions as f64 };
                *share = if total > 0.0 { (*share + self.strength * overall) / total } else { overall };
            }
        }
        Ok(Box::new(law))
    }
}

impl PropensityModel for Shares {
    fn predict(&self, rounds: &Rounds<'_>, law: &mut [f64]) {
        let actions = self.totals.len();
        for (round, row) in law.chunks_mut(actions).enumerate() {
            let cell = self.grid.cell(rounds.columns, round, 0);
            row.copy_from_slice(&self.counts[cell * actions..][..actions]);
        }
    }
}

/// Features × actions that are fitted at most.
const SIZE: usize = 1 << 16;
/// Steps; each is cheap, and the bound makes them small.
const STEPS: usize = 300;

fn build_multinomial(values: &Values, shape: &Shape) -> Result<Box<dyn PropensityFitter>, Refusal> {
    let sample = Sample::new(shape, values.integer("sample").unsigned_abs());
    let size = sample.design.context * shape.action_count;
    if size > SIZE {
        let message = format!("{size} coefficients are too many");
        return Err(Refusal::new(values, "penalty", message, "take fewer columns of context, or kind = \"table\""));
    }
    Ok(Box::new(MultinomialFitter { sample, action_count: shape.action_count, penalty: values.number("penalty") }))
}

#[derive(Debug)]
struct MultinomialFitter {
    sample: Sample,
    action_count: usize,
    penalty: f64,
}

impl PropensityFitter for MultinomialFitter {
    fn take(&mut self, rounds: &Rounds<'_>) {
        self.sample.take(rounds, None);
    }

    fn fit(&self) -> Result<Box<dyn PropensityModel>, Refusal> {
        let (features, actions) = (self.sample.design.context, self.action_count);
        // The curvature is at most half of x x' for each action (Böhning 1992): one factor serves every step.
        let mut bound = vec![0.0; packed(features, 0)];
        let rounds = self.sample.actions.len();
        for round in 0..rounds {
            let context = self.sample.context(round);
            for i in (0..features).filter(|i| context[*i] != 0.0) {
                for j in 0..=i {
                    bound[packed(i, j)] += 0.5 * context[i] * context[j];
                }
            }
        }
        for i in 0..features {
            bound[packed(i, i)] += if i == 0 { 1e-6 } else { self.penalty };
        }
        let unfit = || Refusal {
            key: "penalty".to_owned(),
            place: None,
            message: "multinomial regression: the columns of the context cannot be told apart".to_owned(),
            help: "raise `penalty`, or leave columns out of `context`".to_owned(),
        };
        let factor = Factorised::of(bound, features).ok_or_else(unfit)?;
        let mut coefficients = vec![0.0; actions * features];
        let mut gradients = vec![0.0; actions * features];
        let mut law = vec![0.0; actions];
        for _ in 0..STEPS {
            gradients.fill(0.0);
            for round in 0..rounds {
                let context = self.sample.context(round);
                softmax(&coefficients, context, &mut law);
                law[self.sample.actions[round] as usize] -= 1.0;
                for (gradient, residual) in gradients.chunks_mut(features).zip(&law) {
                    gradient.iter_mut().zip(context).for_each(|(sum, value)| *sum -= residual * value);
                }
            }
            let mut largest = 0.0_f64;
            for (gradient, own) in gradients.chunks_mut(features).zip(coefficients.chunks_mut(features)) {
                gradient.iter_mut().zip(own.iter()).skip(1).for_each(|(sum, value)| *sum -= self.penalty * value);
                factor.solve(gradient);
                for (value, step) in own.iter_mut().zip(gradient.iter()) {
                    *value += step;
                    largest = largest.max(step.abs());
                }
            }
            if largest < 1e-6 {
                break;
            }
        }
        Ok(Box::new(Multinomial { design: self.sample.design.clone(), coefficients, action_count: actions }))
    }
}

fn softmax(coefficients: &[f64], context: &[f64], law: &mut [f64]) {
    for (score, own) in law.iter_mut().zip(coefficients.chunks(context.len())) {
        *score = own.iter().zip(context).map(|(coefficient, value)| coefficient * value).sum();
    }
    let highest = law.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    law.iter_mut().for_each(|score| *score = libm::exp(*score - highest));
    let total: f64 = law.iter().sum();
    law.iter_mut().for_each(|share| *share /= total);
}

#[derive(Debug)]
struct Multinomial {
    design: super::design::Design,
    coefficients: Vec<f64>,
    action_count: usize,
}

impl PropensityModel for Multinomial {
    fn predict(&self, rounds: &Rounds<'_>, law: &mut [f64]) {
        let mut context = vec![0.0; self.design.context];
        for (round, row) in law.chunks_mut(self.action_count).enumerate() {
            self.design.context_of(rounds, round, &mut context);
            softmax(&self.coefficients, &context, row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Log;
    use super::*;
    use crate::registry::{Value, find};

    fn predicted(log: &Log, kind: &str, change: impl FnOnce(Values) -> Values) -> Vec<f64> {
        let entry = find(PROPENSITY_MODELS, kind).unwrap();
        let mut fitter = (entry.build)(&change(Values::defaults(entry.parameters)), &log.shape).unwrap();
        log.show(|rounds| fitter.take(rounds));
        let mut law = vec![0.0; log.actions.len() * log.shape.action_count];
        log.show(|rounds| fitter.fit().unwrap().predict(rounds, &mut law));
        law
    }

    #[test]
    fn shares_are_counted_by_cell() {
        let mut log = Log::drawn(6, 2, |_, _, _, _| 0.0);
        log.actions = vec![0, 0, 1, 1, 1, 1];
        log.levels = vec![0, 0, 0, 1, 1, 2];
        let law = predicted(&log, "table", |values| {
            values.with("keys", Value::Texts(vec!["place".into()])).with("strength", Value::Number(3.0))
        });
        // Shares in the log: 1/3 and 2/3. Level 0: (2 + 1) / 6; level 2: (0 + 1) / 4.
        assert!((law[0] - 0.5).abs() < 1e-15 && (law[10] - 0.25).abs() < 1e-15 && (law[11] - 0.75).abs() < 1e-15);
    }

    #[test]
    fn a_logit_choice_is_found_and_its_score_equations_hold() {
        let mut log = Log::drawn(3_000, 2, |_, _, _, u| u);
        // Action 1 with probability sigmoid(4 (x - 1/2)), from the uniform that was kept as the reward.
        for round in 0..3_000 {
            let p = 1.0 / (1.0 + libm::exp(-4.0 * (log.numbers[round] - 0.5)));
            log.actions[round] = u32::from(log.rewards[round] < p);
        }
        let law = predicted(&log, "multinomial", |values| values.with("penalty", Value::Number(1e-3)));
        let sums = (0..3_000).fold([0.0; 2], |[all, by_number], round| {
            let residual = f64::from(log.actions[round]) - law[round * 2 + 1];
            assert!((law[round * 2] + law[round * 2 + 1] - 1.0).abs() < 1e-12);
            [all + residual, by_number + residual * log.numbers[round]]
        });
        // At the maximum of the likelihood residuals are orthogonal to the features.
        assert!(sums.iter().all(|sum| sum.abs() < 0.05), "{sums:?}");
        let found = (0..3_000).map(|round| {
            let p = 1.0 / (1.0 + libm::exp(-4.0 * (log.numbers[round] - 0.5)));
            (law[round * 2 + 1] - p).abs()
        });
        assert!(found.sum::<f64>() / 3_000.0 < 0.03);
    }
}
