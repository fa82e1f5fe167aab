//! Logistic regression.

use super::design::Design;
use super::factorised::{Factorised, packed};
use super::sample::Sample;
use super::{Build, Fitter, RewardModel, Rounds, Shape};
use crate::registry::{Entry, Parameter, Range, Refusal, Values};

/// The entry of `logistic`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "logistic",
    summary: "logistic regression on context and action, for rewards from 0 to 1; on a sample of at most 200,000 rounds",
    source: "McCullagh and Nelder 1989, ch. 4; le Cessie and van Houwelingen 1992 (ridge penalty)",
    parameters: PARAMETERS,
    build,
};

const PARAMETERS: &[Parameter] = &[
    Parameter::number("penalty", 1.0, Range::POSITIVE, "half of it times the squared coefficients, the constant aside"),
    Parameter::integer("sample", 200_000, 100, 200_000, "rounds that it is fitted on at most"),
];

/// Features of the system of equations.
const SIZE: usize = 768;
/// Newton steps; a dozen are plenty where there is a penalty.
const STEPS: usize = 50;

fn build(values: &Values, shape: &Shape) -> Result<Box<dyn Fitter>, Refusal> {
    let sample = Sample::new(shape, values.integer("sample").unsigned_abs());
    if sample.design.size > SIZE {
        let message = format!("{} features are too many for logistic regression", sample.design.size);
        return Err(Refusal::new(values, "penalty", message, "take fewer columns of context, or kind = \"table\""));
    }
    if shape.lowest < 0.0 || shape.highest > 1.0 {
        let message = format!(
            "logistic regression needs rewards from 0 to 1, and they go from {} to {}",
            shape.lowest, shape.highest
        );
        return Err(Refusal::new(values, "penalty", message, "take kind = \"ridge\" or \"boosted\""));
    }
    Ok(Box::new(LogisticFitter { sample, penalty: values.number("penalty"), action_count: shape.action_count }))
}

#[derive(Debug)]
struct LogisticFitter {
    sample: Sample,
    penalty: f64,
    action_count: usize,
}

impl Fitter for LogisticFitter {
    fn take(&mut self, rounds: &Rounds<'_>, weights: Option<&[f64]>) {
        self.sample.take(rounds, weights);
    }

    fn fit(&self, without: Option<u8>) -> Result<Box<dyn RewardModel>, Refusal> {
        let rounds = self.sample.without(without);
        let size = self.sample.design.size;
        let total: f64 = rounds.iter().map(|round| self.sample.weights[*round]).sum();
        // Weights only say how rounds compare.
        let scale = if total > 0.0 { rounds.len() as f64 / total } else { 1.0 };
        let mut coefficients = vec![0.0; size];
        let mut step = vec![0.0; size];
        let mut objective = self.objective(&rounds, scale, &coefficients);
        for _ in 0..STEPS {
            let hessian = self.gradient(&rounds, scale, &coefficients, &mut step);
            let Some(factorised) = Factorised::of(hessian, size) else { break };
            factorised.solve(&mut step);
            let mut length = 1.0;
            let better = loop {
                let tried: Vec<f64> =
                    coefficients.iter().zip(&step).map(|(coefficient, step)| coefficient + length * step).collect();
                let value = self.objective(&rounds, scale, &tried);
                if value <= objective || length < 1e-6 {
                    break (tried, value);
                }
                length *= 0.5;
            };
            let gain = objective - better.1;
            if gain < 0.0 {
                break;
            }
            (coefficients, objective) = better;
            if gain <= 1e-12 * (1.0 + objective.abs()) {
                break;
            }
        }
        let design = self.sample.design.clone();
        Ok(Box::new(Logistic { design, action_count: self.action_count, coefficients }))
    }

    fn note(&self) -> Option<String> {
        self.sample.note()
    }
}

impl LogisticFitter {
    /// Negative log-likelihood with the penalty.
    fn objective(&self, rounds: &[usize], scale: f64, coefficients: &[f64]) -> f64 {
        let penalty: f64 = coefficients[1..].iter().map(|value| value * value).sum();
        let losses = rounds.iter().map(|&round| {
            let score =
                score(&self.sample.design, self.sample.context(round), self.sample.actions[round], coefficients);
            scale * self.sample.weights[round] * (softplus(score) - self.sample.rewards[round] * score)
        });
        losses.sum::<f64>() + 0.5 * self.penalty * penalty
    }

    /// Writes the descent direction's right side; returns the Hessian, packed.
    fn gradient(&self, rounds: &[usize], scale: f64, coefficients: &[f64], gradient: &mut [f64]) -> Vec<f64> {
        let size = coefficients.len();
        let mut hessian = vec![0.0; packed(size, 0)];
        gradient.fill(0.0);
        let mut nonzero: Vec<(usize, f64)> = Vec::with_capacity(size);
        for &round in rounds {
            let (context, action) = (self.sample.context(round), self.sample.actions[round]);
            let probability = sigmoid(score(&self.sample.design, context, action, coefficients));
            let weight = scale * self.sample.weights[round];
            let residual = weight * (self.sample.rewards[round] - probability);
            let curvature = weight * probability * (1.0 - probability);
            nonzero.clear();
            nonzero.extend(context.iter().copied().enumerate().filter(|(_, value)| *value != 0.0));
            nonzero.extend(self.sample.design.of_action(action).iter().map(|feature| (*feature, 1.0)));
            for (place, &(i, x)) in nonzero.iter().enumerate() {
                gradient[i] += residual * x;
                let row = packed(i, 0);
                for &(j, other) in &nonzero[..=place] {
                    hessian[row + j] += curvature * x * other;
                }
            }
        }
        hessian[0] += 1e-9;
        for i in 1..size {
            gradient[i] -= self.penalty * coefficients[i];
            hessian[packed(i, i)] += self.penalty;
        }
        hessian
    }
}

fn score(design: &Design, context: &[f64], action: u32, coefficients: &[f64]) -> f64 {
    let own: f64 = design.of_action(action).iter().map(|feature| coefficients[*feature]).sum();
    own + context.iter().zip(coefficients).map(|(value, coefficient)| value * coefficient).sum::<f64>()
}

fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-score))
}

/// ln(1 + exp(x)) without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

#[derive(Debug)]
struct Logistic {
    design: Design,
    action_count: usize,
    coefficients: Vec<f64>,
}

impl RewardModel for Logistic {
    fn predict(&self, rounds: &Rounds<'_>, rewards: &mut [f64]) {
        let mut context = vec![0.0; self.design.context];
        for (round, row) in rewards.chunks_mut(self.action_count).enumerate() {
            self.design.context_of(rounds, round, &mut context);
            let base: f64 =
                context.iter().zip(&self.coefficients).map(|(value, coefficient)| value * coefficient).sum();
            for (action, reward) in row.iter_mut().enumerate() {
                let own = self.design.of_action(action as u32).iter().map(|feature| self.coefficients[*feature]);
                *reward = sigmoid(base + own.sum::<f64>());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Log;
    use super::*;
    use crate::registry::Value;

    fn values(penalty: f64) -> Values {
        Values::defaults(PARAMETERS).with("penalty", Value::Number(penalty))
    }

    #[test]
    fn rates_of_a_saturated_model_are_the_observed_ones() {
        // No context, two actions: with next to no penalty the fit is the rate of each action.
        let mut log = Log::drawn(40, 2, |_, _, _, _| 0.0);
        log.shape.columns.clear();
        log.actions = (0..40).map(|round| u32::from(round >= 20)).collect();
        log.rewards = (0..40).map(|round| f64::from(!(5..30).contains(&round))).collect();
        let mut fitter = build(&values(1e-6), &log.shape).unwrap();
        log.show(|rounds| fitter.take(&Rounds { columns: &[], ..*rounds }, None));
        let predicted = log.predictions(fitter.fit(None).unwrap().as_ref());
        assert!((predicted[0] - 0.25).abs() < 1e-5 && (predicted[1] - 0.5).abs() < 1e-5, "{:?}", &predicted[..2]);
    }

    #[test]
    fn the_law_of_drawn_rewards_is_found() {
        let law = |action: u32, number: f64| sigmoid(-1.0 + f64::from(action) + 2.0 * (number - 0.5));
        let log = Log::drawn(6_000, 2, |action, _, number, u| f64::from(u < law(action, number)));
        let mut fitter = build(&values(0.1), &log.shape).unwrap();
        log.show(|rounds| fitter.take(rounds, None));
        let predicted = log.predictions(fitter.fit(None).unwrap().as_ref());
        // Standard errors of the fitted probabilities are about .012 at the middle of the numbers.
        let middle = (0..6_000).filter(|round| (log.numbers[*round] - 0.5).abs() < 0.2);
        for round in middle {
            for action in 0..2_u32 {
                let (got, expected) = (predicted[round * 2 + action as usize], law(action, log.numbers[round]));
                assert!((got - expected).abs() < 0.05, "{got} and {expected}");
            }
        }
    }

    #[test]
    fn rewards_beyond_one_are_refused() {
        let mut log = Log::drawn(4, 2, |_, _, _, _| 0.0);
        log.shape.highest = 12.5;
        assert!(build(&values(1.0), &log.shape).unwrap_err().message.contains("12.5"));
    }
}
