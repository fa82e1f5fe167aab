//! Ridge regression.

use super::design::Design;
use super::factorised::{Factorised, packed};
use super::{Build, Fitter, RewardModel, Rounds, Shape};
use crate::registry::{Entry, Parameter, Range, Refusal, Values};

/// The entry of `ridge`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "ridge",
    summary: "ridge regression on context and action; exact on any number of rounds",
    source: "Hoerl and Kennard 1970",
    parameters: PARAMETERS,
    build,
};

const PARAMETERS: &[Parameter] = &[
    Parameter::number("penalty", 1.0, Range::POSITIVE, "of the squared coefficients, in pseudo-observations"),
    Parameter::choice(
        "model",
        "auto",
        &["auto", "shared", "by_action"],
        "one set of slopes with an intercept for each action, or slopes for each action (auto: where it has 32 or fewer)",
    ),
];

/// Actions up to which each has slopes of its own.
const OWN_SLOPES: usize = 32;
/// Features of one system of equations.
const SIZE: usize = 1_024;
/// Numbers that all systems may hold.
const NUMBERS: usize = 1 << 25;

fn build(values: &Values, shape: &Shape) -> Result<Box<dyn Fitter>, Refusal> {
    let design = Design::new(shape);
    let by_action = match values.text("model") {
        "shared" => false,
        "by_action" => true,
        _ => shape.action_count <= OWN_SLOPES,
    };
    let (size, systems) = if by_action { (design.context, shape.action_count) } else { (design.size, 1) };
    let folds = usize::from(shape.folds);
    if size > SIZE || systems * folds * packed(size, 0) > NUMBERS {
        let help = "take fewer columns of context, or kind = \"table\"";
        return Err(Refusal::new(values, "model", format!("{size} features are too many"), help));
    }
    let empty = Moments { outer: vec![0.0; packed(size, 0)], product: vec![0.0; size], ..Moments::default() };
    Ok(Box::new(RidgeFitter {
        moments: vec![empty; systems * folds],
        nonzero: Vec::new(),
        context: vec![0.0; design.context],
        penalty: values.number("penalty"),
        action_count: shape.action_count,
        design,
        by_action,
        size,
        folds,
    }))
}

/// Sums over the rounds of one system and fold: `x x'` as a packed lower triangle, `x r`, and what the mean needs.
#[derive(Clone, Debug, Default)]
struct Moments {
    outer: Vec<f64>,
    product: Vec<f64>,
    count: f64,
    weight: f64,
    reward: f64,
}

impl Moments {
    fn add(&mut self, other: &Self) {
        self.outer.iter_mut().zip(&other.outer).for_each(|(sum, value)| *sum += value);
        self.product.iter_mut().zip(&other.product).for_each(|(sum, value)| *sum += value);
        self.count += other.count;
        self.weight += other.weight;
        self.reward += other.reward;
    }
}

#[derive(Debug)]
struct RidgeFitter {
    design: Design,
    by_action: bool,
    size: usize,
    folds: usize,
    penalty: f64,
    action_count: usize,
    /// `[system * folds + fold]`.
    moments: Vec<Moments>,
    context: Vec<f64>,
    nonzero: Vec<(usize, f64)>,
}

impl Fitter for RidgeFitter {
    fn take(&mut self, rounds: &Rounds<'_>, weights: Option<&[f64]>) {
        for round in 0..rounds.count() {
            self.design.context_of(rounds, round, &mut self.context);
            let (action, reward) = (rounds.actions[round], rounds.rewards[round]);
            self.nonzero.clear();
            self.nonzero.extend(self.context.iter().copied().enumerate().filter(|(_, value)| *value != 0.0));
            if !self.by_action {
                self.nonzero.extend(self.design.of_action(action).iter().map(|feature| (*feature, 1.0)));
            }
            let system = if self.by_action { action as usize } else { 0 };
            let moments = &mut self.moments[system * self.folds + usize::from(rounds.folds[round])];
            let weight = weights.map_or(1.0, |weights| weights[round]);
            for (place, &(i, x)) in self.nonzero.iter().enumerate() {
                let weighted = weight * x;
                moments.product[i] += weighted * reward;
                let row = packed(i, 0);
                for &(j, other) in &self.nonzero[..=place] {
                    moments.outer[row + j] += weighted * other;
                }
            }
            moments.count += 1.0;
            moments.weight += weight;
            moments.reward += weight * reward;
        }
    }

    fn fit(&self, without: Option<u8>) -> Result<Box<dyn RewardModel>, Refusal> {
        let systems: Vec<Moments> = self
            .moments
            .chunks(self.folds)
            .map(|folds| {
                let mut kept = folds.iter().enumerate().filter(|(fold, _)| without != Some(*fold as u8));
                let mut all = kept.next().map(|(_, moments)| moments.clone()).unwrap_or_default();
                kept.for_each(|(_, moments)| all.add(moments));
                all
            })
            .collect();
        let sum = |of: fn(&Moments) -> f64| systems.iter().map(of).sum::<f64>();
        let (count, weight, reward) = (sum(|m| m.count), sum(|m| m.weight), sum(|m| m.reward));
        let mean = if weight > 0.0 { reward / weight } else { 0.0 };
        // Weights only say how rounds compare: the penalty counts as average rounds.
        let penalty = self.penalty * if count > 0.0 && weight > 0.0 { weight / count } else { 1.0 };
        let coefficients =
            systems.into_iter().map(|moments| self.solve(moments, mean, penalty)).collect::<Result<_, _>>()?;
        Ok(Box::new(Ridge {
            design: self.design.clone(),
            by_action: self.by_action,
            action_count: self.action_count,
            mean,
            coefficients,
        }))
    }

    fn note(&self) -> Option<String> {
        self.design.note()
    }
}

impl RidgeFitter {
    /// Coefficients of the reward less its mean, all of them shrunk to 0.
    fn solve(&self, mut moments: Moments, mean: f64, penalty: f64) -> Result<Vec<f64>, Refusal> {
        for (i, product) in moments.product.iter_mut().enumerate() {
            // The constant is feature 0, so its row of the outer products holds the sums of the features.
            *product -= mean * moments.outer[packed(i, 0)];
            moments.outer[packed(i, i)] += penalty;
        }
        let unfit = || Refusal {
            key: String::new(),
            place: None,
            message: "ridge regression: the columns of the context cannot be told apart".to_owned(),
            help: "raise `penalty`, or leave columns out of `context`".to_owned(),
        };
        let factorised = Factorised::of(moments.outer, self.size).ok_or_else(unfit)?;
        factorised.solve(&mut moments.product);
        Ok(moments.product)
    }
}

#[derive(Debug)]
struct Ridge {
    design: Design,
    by_action: bool,
    action_count: usize,
    mean: f64,
    coefficients: Vec<Vec<f64>>,
}

impl RewardModel for Ridge {
    fn predict(&self, rounds: &Rounds<'_>, rewards: &mut [f64]) {
        let mut context = vec![0.0; self.design.context];
        let dot = |context: &[f64], coefficients: &[f64]| -> f64 {
            context.iter().zip(coefficients).map(|(value, coefficient)| value * coefficient).sum()
        };
        for (round, row) in rewards.chunks_mut(self.action_count).enumerate() {
            self.design.context_of(rounds, round, &mut context);
            if self.by_action {
                for (reward, coefficients) in row.iter_mut().zip(&self.coefficients) {
                    *reward = self.mean + dot(&context, coefficients);
                }
                continue;
            }
            let coefficients = &self.coefficients[0];
            let base = self.mean + dot(&context, coefficients);
            for (action, reward) in row.iter_mut().enumerate() {
                let own = self.design.of_action(action as u32).iter().map(|feature| coefficients[*feature]);
                *reward = base + own.sum::<f64>();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Log;
    use super::*;
    use crate::registry::Value;

    fn values(model: &str, penalty: f64) -> Values {
        let values = Values::defaults(PARAMETERS).with("model", Value::Text(model.to_owned()));
        values.with("penalty", Value::Number(penalty))
    }

    fn truth(action: u32, level: u32, number: f64) -> f64 {
        2.0 * f64::from(action) - f64::from(level == 2) + 3.0 * number
    }

    #[test]
    fn a_linear_reward_is_found_whatever_the_weights() {
        let log = Log::drawn(400, 3, |action, level, number, _| truth(action, level, number));
        for model in ["shared", "by_action"] {
            for weights in [None, Some((0..400).map(|round| f64::from(round % 7)).collect::<Vec<f64>>())] {
                let mut fitter = build(&values(model, 1e-9), &log.shape).unwrap();
                log.show(|rounds| fitter.take(rounds, weights.as_deref()));
                for without in [None, Some(2)] {
                    let predicted = log.predictions(fitter.fit(without).unwrap().as_ref());
                    for round in 0..400 {
                        for action in 0..3_u32 {
                            let expected = truth(action, log.levels[round], log.numbers[round]);
                            let got = predicted[round * 3 + action as usize];
                            assert!((got - expected).abs() < 1e-5, "{model}: {got} and {expected}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn one_feature_shrinks_by_hand() {
        // One action, rewards 1 and 3 at the constant alone: mean 2, so every coefficient is 0 whatever the penalty.
        let mut log = Log::drawn(2, 1, |_, _, _, _| 0.0);
        log.shape.columns.clear();
        log.rewards = vec![1.0, 3.0];
        log.actions = vec![0, 0];
        let mut fitter = build(&values("by_action", 5.0), &log.shape).unwrap();
        log.show(|rounds| fitter.take(&Rounds { columns: &[], ..*rounds }, None));
        assert!((log.predictions(fitter.fit(None).unwrap().as_ref())[0] - 2.0).abs() < 1e-12);
        // Two actions with one round each: mean 2; each intercept is (r - 2) / (1 + 5).
        let mut log = Log::drawn(2, 2, |_, _, _, _| 0.0);
        log.shape.columns.clear();
        log.rewards = vec![1.0, 3.0];
        log.actions = vec![0, 1];
        let mut fitter = build(&values("by_action", 5.0), &log.shape).unwrap();
        log.show(|rounds| fitter.take(&Rounds { columns: &[], ..*rounds }, None));
        let predicted = log.predictions(fitter.fit(None).unwrap().as_ref());
        assert!((predicted[0] - (2.0 - 1.0 / 6.0)).abs() < 1e-12 && (predicted[1] - (2.0 + 1.0 / 6.0)).abs() < 1e-12);
    }

    #[test]
    fn an_action_that_was_never_taken_earns_the_mean() {
        let mut log = Log::drawn(100, 3, |_, _, _, u| u);
        log.actions.iter_mut().for_each(|action| *action = (*action).min(1));
        let mut fitter = build(&values("by_action", 1.0), &log.shape).unwrap();
        log.show(|rounds| fitter.take(rounds, None));
        let mean = log.rewards.iter().sum::<f64>() / 100.0;
        assert!((log.predictions(fitter.fit(None).unwrap().as_ref())[2] - mean).abs() < 1e-12);
    }
}
