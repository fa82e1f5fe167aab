//! The synthetic experiment that Open Bandit Pipeline publishes (10,000 rounds, 30 actions, 5 features, beta = -3, a logistic
//! evaluation policy, 20 runs), by our estimators, with what its table lacks: coverage and effective sample size.
//!
//! `ope_synthetic --out DIR [--runs 20] [--coverage-runs 20]` writes `table.csv` and `table.md`. The protocol: contexts are
//! standard normal; logits of the expected reward are linear in context, action and their products, with coefficients
//! uniform on (-1, 1), standardised over all cells; the logging policy is the softmax of beta times the expected reward. The
//! evaluation policy is the softmax of the class probabilities of a multinomial logistic regression of actions on contexts,
//! weighted by reward over propensity, on a log of its own. The reward model is a logistic regression on context and action,
//! cross-fitted on three folds. Its 20 data sets come from another generator, so that only distributions can agree.

use mercato::evaluation::appraisal::{Appraisal, Appraiser, Asked, Ranged, Settings};
use mercato::evaluation::estimator::ESTIMATORS;
use mercato::evaluation::{Evidence, Saved};
use mercato::random::{Purpose, Seed};
use mercato::registry::{Value, Values, find};
use mercato::statistics::{mean_and_variance, normal_quantile};
use rayon::prelude::*;
use std::fmt::Write;
use std::path::Path;

const ACTIONS: usize = 30;
const FEATURES: usize = 5;
const ROUNDS: usize = 10_000;
const BETA: f64 = -3.0;
/// One over twice the weight of the squared coefficients, as the published classifier has it.
const INVERSE_PENALTY: f64 = 100.0;
/// Our name, kind, parameter, and the published mean and standard deviation over runs.
const ROWS: [Row; 11] = [
    ("dm", "dm", None, Some((0.074_390, 0.024_525))),
    ("ips", "ips", None, Some((0.009_481, 0.006_899))),
    ("snips", "snips", None, Some((0.006_665, 0.004_541))),
    ("dr", "dr", None, Some((0.006_175, 0.004_245))),
    ("sndr", "sndr", None, Some((0.006_118, 0.003_997))),
    ("switch_dr", "switch_dr", Some(("tau", 10.0)), Some((0.006_175, 0.004_245))),
    ("dros", "dros", Some(("lambda", 10.0)), Some((0.021_951, 0.013_337))),
    ("dros_lambda_10", "dros", Some(("lambda", 10.0)), None),
    ("switch_dr_chosen", "switch_dr", None, None),
    ("dros_chosen", "dros", None, None),
    ("sub_gaussian_dr_chosen", "sub_gaussian_dr", None, None),
];
/// The published candidates for `dros` after its first, 10; the last stands for no shrinkage.
const FURTHER_LAMBDAS: [f64; 7] = [50.0, 100.0, 500.0, 1_000.0, 5_000.0, 10_000.0, 1e12];
type Row = (&'static str, &'static str, Option<(&'static str, f64)>, Option<(f64, f64)>);
/// Context with a leading 1.
type Context = [f64; FEATURES + 1];

/// Rounds of the logging policy.
struct Log {
    contexts: Vec<Context>,
    actions: Vec<u32>,
    rewards: Vec<f64>,
    propensities: Vec<f64>,
    expected: Vec<f64>,
}

/// Coefficients of one run: of the context, of the action, of their products.
struct Coefficients {
    context: Context,
    action: [f64; ACTIONS + 1],
    products: [[f64; ACTIONS + 1]; FEATURES + 1],
}

fn uniforms(seed: Seed, entity: u32, part: u32) -> impl FnMut() -> f64 {
    let mut stream = seed.stream(Purpose::Problem, entity, part);
    move || f64::from(stream.uniform())
}

fn softmax(logits: &mut [f64]) {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logits.iter_mut().for_each(|logit| *logit = libm::exp(*logit - largest));
    let total: f64 = logits.iter().sum();
    logits.iter_mut().for_each(|logit| *logit /= total);
}

fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-logit))
}

fn dot(first: &[f64], second: &[f64]) -> f64 {
    first.iter().zip(second).map(|(first, second)| first * second).sum()
}

impl Coefficients {
    fn new(seed: Seed) -> Self {
        let mut next = uniforms(seed, 0, 0);
        let mut draw = || 2.0 * next() - 1.0;
        Self {
            context: std::array::from_fn(|_| draw()),
            action: std::array::from_fn(|_| draw()),
            products: std::array::from_fn(|_| std::array::from_fn(|_| draw())),
        }
    }

    /// Expected rewards, rounds × actions.
    fn expected(&self, contexts: &[Context]) -> Vec<f64> {
        let mut logits = Vec::with_capacity(contexts.len() * ACTIONS);
        for context in contexts {
            let own = dot(context, &self.context);
            for action in 1..=ACTIONS {
                let products: f64 = context.iter().zip(&self.products).map(|(x, row)| x * (row[0] + row[action])).sum();
                logits.push(own + self.action[0] + self.action[action] + products);
            }
        }
        let (mean, variance) = mean_and_variance(&logits);
        logits.iter().map(|logit| sigmoid((logit - mean) / variance.sqrt())).collect()
    }

    fn log(&self, seed: Seed, part: u32) -> Log {
        let mut contexts: Vec<Context> = Vec::with_capacity(ROUNDS);
        for round in 0..ROUNDS as u32 {
            let mut next = uniforms(seed, round, part);
            contexts.push(std::array::from_fn(|index| if index == 0 { 1.0 } else { normal_quantile(next()) }));
        }
        let expected = self.expected(&contexts);
        let (mut actions, mut rewards, mut propensities) = (Vec::new(), Vec::new(), Vec::new());
        for (round, expected) in expected.chunks_exact(ACTIONS).enumerate() {
            let mut next = uniforms(seed, round as u32, part + 1);
            let mut law: Vec<f64> = expected.iter().map(|reward| BETA * reward).collect();
            softmax(&mut law);
            let mut left = next();
            let action = law.iter().position(|probability| {
                left -= probability;
                left < 0.0
            });
            let action = action.unwrap_or(ACTIONS - 1);
            actions.push(action as u32);
            propensities.push(law[action]);
            rewards.push(f64::from(u8::from(next() < expected[action])));
        }
        Log { contexts, actions, rewards, propensities, expected }
    }
}

/// Multinomial logistic regression of actions on contexts, by accelerated gradient steps.
fn evaluation_policy(log: &Log) -> [Context; ACTIONS] {
    let rows: Vec<usize> = (0..ROUNDS).filter(|round| log.rewards[*round] > 0.0).collect();
    let weights: Vec<f64> = rows.iter().map(|round| log.rewards[*round] / log.propensities[*round]).collect();
    // The curvature is at most half of the largest eigenvalue of the weighted contexts, which the trace bounds.
    let curvature: f64 = rows
        .iter()
        .zip(&weights)
        .map(|(round, weight)| 0.5 * weight * dot(&log.contexts[*round], &log.contexts[*round]))
        .sum();
    let step = 2.0 / curvature;
    let mut coefficients = [[0.0; FEATURES + 1]; ACTIONS];
    let mut ahead = coefficients;
    for iteration in 0..600 {
        let mut gradient = [[0.0; FEATURES + 1]; ACTIONS];
        for (round, weight) in rows.iter().zip(&weights) {
            let mut law = ahead.map(|row| dot(&log.contexts[*round], &row));
            softmax(&mut law);
            law[log.actions[*round] as usize] -= 1.0;
            for (gradient, error) in gradient.iter_mut().zip(law) {
                for (gradient, x) in gradient.iter_mut().zip(&log.contexts[*round]) {
                    *gradient += weight * error * x;
                }
            }
        }
        let momentum = f64::from(iteration) / (f64::from(iteration) + 3.0);
        for ((row, ahead), gradient) in coefficients.iter_mut().zip(&mut ahead).zip(&gradient) {
            for index in 0..=FEATURES {
                let penalty = if index == 0 { 0.0 } else { ahead[index] / INVERSE_PENALTY };
                let next = ahead[index] - step * (gradient[index] + penalty);
                ahead[index] = next + momentum * (next - row[index]);
                row[index] = next;
            }
        }
    }
    coefficients
}

/// The softmax of the class probabilities.
fn target(policy: &[Context; ACTIONS], contexts: &[Context]) -> Vec<f64> {
    let law = |context: &Context| {
        let mut law = policy.map(|row| dot(context, &row));
        softmax(&mut law);
        softmax(&mut law);
        law
    };
    contexts.iter().flat_map(law).collect()
}

const SIZE: usize = FEATURES + ACTIONS;

/// Logistic regression on context and action by Newton steps, on the rounds of these folds.
fn reward_model(log: &Log, used: impl Fn(usize) -> bool) -> [f64; SIZE] {
    let mut coefficients = [0.0; SIZE];
    for _ in 0..12 {
        let mut gradient = coefficients.map(|value| value / INVERSE_PENALTY);
        let mut curvature = [[0.0; SIZE]; SIZE];
        for (index, row) in curvature.iter_mut().enumerate() {
            row[index] = 1.0 / INVERSE_PENALTY;
        }
        for round in (0..ROUNDS).filter(|round| used(*round)) {
            let own = FEATURES + log.actions[round] as usize;
            let mut terms = [(own, 1.0); FEATURES + 1];
            for index in 0..FEATURES {
                terms[index] = (index, log.contexts[round][index + 1]);
            }
            let predicted = sigmoid(terms.iter().map(|(index, x)| coefficients[*index] * x).sum());
            for (index, x) in terms {
                gradient[index] += (predicted - log.rewards[round]) * x;
                for (other, y) in terms {
                    curvature[index][other] += predicted * (1.0 - predicted) * x * y;
                }
            }
        }
        let step = solve(curvature, gradient);
        for (value, step) in coefficients.iter_mut().zip(step) {
            *value -= step;
        }
    }
    coefficients
}

/// Gauss elimination of a positive definite system.
fn solve(mut matrix: [[f64; SIZE]; SIZE], mut right: [f64; SIZE]) -> [f64; SIZE] {
    for pivot in 0..SIZE {
        let row = matrix[pivot];
        for below in pivot + 1..SIZE {
            let factor = matrix[below][pivot] / row[pivot];
            for column in pivot..SIZE {
                matrix[below][column] -= factor * row[column];
            }
            right[below] -= factor * right[pivot];
        }
    }
    for pivot in (0..SIZE).rev() {
        let rest: f64 = (pivot + 1..SIZE).map(|column| matrix[pivot][column] * right[column]).sum();
        right[pivot] = (right[pivot] - rest) / matrix[pivot][pivot];
    }
    right
}

/// Predictions for every action, each round by the model of the other two folds.
fn cross_fitted(log: &Log) -> Vec<f64> {
    let models: Vec<[f64; SIZE]> = (0..3).map(|fold| reward_model(log, |round| round % 3 != fold)).collect();
    let mut predictions = Vec::with_capacity(ROUNDS * ACTIONS);
    for (round, context) in log.contexts.iter().enumerate() {
        let model = &models[round % 3];
        let own = dot(&context[1..], &model[..FEATURES]);
        predictions.extend(model[FEATURES..].iter().map(|action| sigmoid(own + action)));
    }
    predictions
}

fn asked() -> Vec<Asked> {
    let further = FURTHER_LAMBDAS.map(|lambda| ("dros_candidate", "dros", Some(("lambda", lambda)), None));
    let build = |(name, kind, parameter, _): &Row| {
        let entry = find(ESTIMATORS, kind).expect("it is registered");
        let mut values = Values::defaults(entry.parameters);
        if let Some((parameter, value)) = parameter {
            values.set(parameter, Value::Number(*value), None);
        }
        Asked { name: (*name).into(), kind: entry.name, family: (entry.build)(&values).expect("it is legal") }
    };
    ROWS.iter().chain(&further).map(build).collect()
}

/// What the estimators say in one run, and the truth: the target's mean expected reward on the contexts of the log.
fn run(number: u32) -> (Appraisal, f64) {
    let seed = Seed::new(0).derive(4, number);
    let coefficients = Coefficients::new(seed);
    let policy = evaluation_policy(&coefficients.log(seed, 1));
    let log = coefficients.log(seed, 3);
    let (target, model) = (target(&policy, &log.contexts), cross_fitted(&log));
    let truth = dot(&target, &log.expected) / ROUNDS as f64;
    let evidence = Evidence {
        action_count: ACTIONS,
        actions: &log.actions,
        rewards: &log.rewards,
        propensities: &log.propensities,
        target: &target,
        logging: None,
        models: [Some(&model), None, None],
        saved: Saved::default(),
        factors: &[],
        mixture: None,
    };
    let names: Vec<String> = (0..ACTIONS).map(|action| format!("action_{action}")).collect();
    let mut appraiser = Appraiser::new("logistic", asked(), &Settings::default(), &names);
    let units: Vec<u64> = (0..ROUNDS as u64).collect();
    appraiser.take(&evidence, &units).expect("the reward model is there");
    (appraiser.finish(), truth)
}

/// The estimate of a row. That of `dros` is the published choice (Lepski's method with the constants of Tucker and Lee 2021)
/// among its candidates: from no shrinkage on, the last that lies within the intervals of all before it.
fn estimate(result: &(Appraisal, f64), row: usize) -> Ranged {
    let estimates = &result.0.estimates;
    if ROWS[row].0 != "dros" {
        return estimates[row].value;
    }
    let places = (ROWS.len()..estimates.len()).rev().chain([row]);
    let candidates: Vec<Ranged> = places.map(|place| estimates[place].value).collect();
    let apart = |place: usize| {
        let (last, half) = (&candidates[place], |ranged: &Ranged| ranged.high - ranged.value);
        let far =
            |before: &Ranged| (before.value - last.value).abs() > half(last) + (6_f64.sqrt() - 1.0) * half(before);
        candidates[..place].iter().any(far)
    };
    let end = (1..candidates.len()).find(|place| apart(*place)).unwrap_or(candidates.len());
    candidates[end - 1]
}

fn tables(results: &[(Appraisal, f64)], runs: usize) -> (String, String) {
    let mut csv = "estimator,relative_error,standard_deviation,published,published_standard_deviation,\
                   difference_in_standard_errors,value,run_to_run_spread,coverage,coverage_runs,effective_sample_size\n"
        .to_owned();
    let mut text = "| estimator | relative error | published | apart by, standard errors | coverage of 95 % | effective sample size |\n\
                    |---|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for (index, (name, _, _, published)) in ROWS.iter().enumerate() {
        let estimate = |result: &(Appraisal, f64)| estimate(result, index);
        let errors: Vec<f64> =
            results[..runs].iter().map(|result| (estimate(result).value / result.1 - 1.0).abs()).collect();
        let values: Vec<f64> = results[..runs].iter().map(|result| estimate(result).value).collect();
        let (error, variance) = mean_and_variance(&errors);
        let (value, spread) = mean_and_variance(&values);
        let covers = |result: &&(Appraisal, f64)| (estimate(result).low..=estimate(result).high).contains(&result.1);
        let coverage = results.iter().filter(covers).count() as f64 / results.len() as f64;
        let sizes: Vec<f64> = results[..runs].iter().map(|result| result.0.diagnostics.effective_sample_size).collect();
        let size = mean_and_variance(&sizes).0;
        let (deviation, count) = (variance.sqrt(), runs as f64);
        let (mut theirs, mut apart) = ("-".to_owned(), "-".to_owned());
        let mut columns = ",,".to_owned();
        if let Some((mean, theirs_deviation)) = published {
            let errors = (error - mean) / ((variance + theirs_deviation * theirs_deviation) / count).sqrt();
            (theirs, apart) = (format!("{mean:.4} ± {theirs_deviation:.4}"), format!("{errors:.2}"));
            columns = format!("{mean},{theirs_deviation},{errors:.3}");
        }
        let _ = writeln!(
            csv,
            "{name},{error:.6},{deviation:.6},{columns},{value:.6},{:.6},{coverage:.3},{},{size:.1}",
            spread.sqrt(),
            results.len()
        );
        let _ = writeln!(
            text,
            "| {name} | {error:.4} ± {deviation:.4} | {theirs} | {apart} | {:.1} % | {size:.0} |",
            100.0 * coverage
        );
    }
    (csv, text)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let given = |key: &str| words.windows(2).find(|pair| pair[0] == key).map(|pair| pair[1].clone());
    let out = given("--out").ok_or("usage: ope_synthetic --out DIR [--runs 20] [--coverage-runs 20]")?;
    let runs: usize = given("--runs").map_or(Ok(20), |text| text.parse())?;
    let coverage_runs: usize = given("--coverage-runs").map_or(Ok(runs), |text| text.parse())?;
    let results: Vec<(Appraisal, f64)> = (0..coverage_runs.max(runs) as u32).into_par_iter().map(run).collect();
    let (csv, text) = tables(&results, runs);
    std::fs::create_dir_all(&out)?;
    std::fs::write(Path::new(&out).join("table.csv"), csv)?;
    std::fs::write(Path::new(&out).join("table.md"), text)?;
    Ok(())
}
