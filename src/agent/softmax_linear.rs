//! A fixed law: the soft-max of scores that are linear in the features.

use crate::math;
use crate::matrix::{LinearMap, Matrix};
use crate::protocol::{
    ActionBits, Decision, LaneDraw, Observation, Policy, Spec, Views, draw_actions, policy_uniforms,
};
use crate::random::{LANES, Seed};
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Values};
use multiversion::multiversion;

/// Keys of `softmax_linear`.
const PARAMETERS: &[Parameter] = &[
    Parameter::of("weights", Kind::Csv, "one row per feature, one column per action, in their order").required(),
    Parameter::of(
        "intercepts",
        Kind::Numbers { default: None, range: Range::ANY },
        "score of each action where all features are 0; 0 where absent",
    ),
    Parameter::number("temperature", 1.0, Range::POSITIVE, "scores are divided by this; low is greedy"),
];

/// The registry's entry.
pub const ENTRY: Entry<super::PolicyBuild> = Entry {
    name: "softmax_linear",
    summary: "a stochastic policy: soft-max of linear scores with given weights",
    source: "multinomial logit choice: McFadden 1974, Conditional logit analysis of qualitative choice behavior",
    parameters: PARAMETERS,
    build,
};

fn build(values: &Values, spec: &Spec) -> Result<Box<dyn Policy>, Refusal> {
    Ok(Box::new(SoftmaxLinear::new(values, spec)?))
}

/// Actions up to which `decide` keeps the scores of a block on the stack.
const FUSED_ACTIONS: usize = 64;

/// pi(a | x) = exp((x·B + b)_a / temperature) / sum over allowed actions.
#[derive(Clone, Debug, PartialEq)]
pub struct SoftmaxLinear {
    /// Scores, already divided by the temperature.
    scores: LinearMap,
}

impl SoftmaxLinear {
    /// Reads the weights for these features and actions.
    ///
    /// # Errors
    /// Where the table or the intercepts do not fit the features and actions.
    pub fn new(values: &Values, spec: &Spec) -> Result<Self, Refusal> {
        let names: Vec<String> = spec.actions.actions.iter().map(|action| action.name.clone()).collect();
        let table = values.csv("weights");
        let Some(table) = table.filter(|table| table.header == names && table.rows.len() == spec.features.len()) else {
            return Err(Refusal::new(
                values,
                "weights",
                table.map_or("`weights` is missing".into(), |table| {
                    format!("`weights` has {} rows under the header {}", table.rows.len(), table.header.join(","))
                }),
                format!("give it the header {} and {} rows, one per feature", names.join(","), spec.features.len()),
            ));
        };
        let intercepts = values.numbers("intercepts");
        if ![0, names.len()].contains(&intercepts.len()) {
            return Err(Refusal::new(
                values,
                "intercepts",
                format!("`intercepts` has {} numbers for {} actions", intercepts.len(), names.len()),
                "give one number for each action, or leave it out",
            ));
        }
        let temperature = values.number("temperature");
        let mut scores = LinearMap::new(spec.features.len(), names.len());
        for (action, intercept) in intercepts.iter().enumerate() {
            *scores.bias_mut(action) = (intercept / temperature) as f32;
        }
        for (feature, row) in table.rows.iter().enumerate() {
            for (action, weight) in row.iter().enumerate() {
                *scores.weight_mut(feature, action) = (weight / temperature) as f32;
            }
        }
        Ok(Self { scores })
    }
}

impl Policy for SoftmaxLinear {
    fn views(&self) -> Views {
        Views::FEATURES
    }

    fn probabilities(&self, observation: &Observation, _seed: Seed, probabilities: &mut Matrix) {
        probabilities.reset(observation.rows(), self.scores.outputs());
        let masked = !observation.allowed.is_all();
        fill(&self.scores, &observation.features, masked.then_some(&observation.allowed), probabilities);
    }

    /// The provided `decide` in one pass: soft-max and draw of 16 consumers while their scores are in the nearest
    /// cache. The probabilities of the other actions are not kept.
    fn decide(&self, observation: &Observation, seed: Seed, decision: &mut Decision) {
        decision.reset(observation.rows());
        if self.scores.outputs() > FUSED_ACTIONS {
            self.probabilities(observation, seed, &mut decision.probabilities);
            draw_actions(observation, seed, decision);
            return;
        }
        decision.probabilities.reset(0, 0);
        let masked = !observation.allowed.is_all();
        draw(&self.scores, observation, masked, seed, &mut decision.actions, &mut decision.propensities);
    }
}

/// Scores to unnormalised probabilities for 16 rows, in place; returns what to multiply each row by. Rows beyond the
/// last may be anything.
#[inline(always)]
fn soften(scores: &mut [[f32; LANES]], first_row: usize, allowed: Option<&ActionBits>) -> [f32; LANES] {
    if let Some(allowed) = allowed {
        for lane in 0..LANES.min(allowed.rows() - first_row) {
            for (action, lanes) in scores.iter_mut().enumerate() {
                if !allowed.allows(first_row + lane, action) {
                    lanes[lane] = f32::NEG_INFINITY;
                }
            }
        }
    }
    let mut greatest = [f32::NEG_INFINITY; LANES];
    for lanes in scores.iter() {
        for lane in 0..LANES {
            greatest[lane] = if lanes[lane] > greatest[lane] { lanes[lane] } else { greatest[lane] };
        }
    }
    let mut total = [0.0; LANES];
    for lanes in scores.iter_mut() {
        for lane in 0..LANES {
            let weight = math::exp(lanes[lane] - greatest[lane]);
            // The exponential is clamped above 0, and a masked action has probability 0.
            let is_masked = allowed.is_some() & (lanes[lane] == f32::NEG_INFINITY);
            lanes[lane] = if is_masked { 0.0 } else { weight };
            total[lane] += lanes[lane];
        }
    }
    let mut share = [0.0; LANES];
    for lane in 0..LANES {
        share[lane] = 1.0 / total[lane];
    }
    share
}

#[inline(always)]
fn product(one: &[f32; LANES], other: &[f32; LANES]) -> [f32; LANES] {
    let mut product = [0.0; LANES];
    for lane in 0..LANES {
        product[lane] = one[lane] * other[lane];
    }
    product
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn fill(scores: &LinearMap, features: &Matrix, allowed: Option<&ActionBits>, probabilities: &mut Matrix) {
    for block in 0..features.blocks() {
        let lanes = probabilities.block_mut(block);
        scores.apply(features.block(block), lanes);
        let share = soften(lanes, block * LANES, allowed);
        for lanes in lanes {
            *lanes = product(lanes, &share);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn draw(
    scores: &LinearMap,
    observation: &Observation,
    masked: bool,
    seed: Seed,
    actions: &mut [u16],
    propensities: &mut [f32],
) {
    let allowed = masked.then_some(&observation.allowed);
    let mut stack = [[0.0; LANES]; FUSED_ACTIONS];
    let lanes = &mut stack[..scores.outputs()];
    for (block, ids) in observation.consumer_ids.chunks(LANES).enumerate() {
        scores.apply(observation.features.block(block), lanes);
        let share = soften(lanes, block * LANES, allowed);
        let mut drawn = LaneDraw::new(policy_uniforms(seed, ids, observation.tick));
        for (action, weights) in (0..).zip(lanes.iter()) {
            drawn.offer(action, &product(weights, &share));
        }
        let rows = block * LANES..block * LANES + ids.len();
        drawn.finish(&mut actions[rows.clone()], &mut propensities[rows]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ActionSpace, Feature};
    use crate::random::Purpose;
    use crate::registry::{NumericTable, Value};

    fn spec(features: usize, actions: usize) -> Spec {
        let names: Vec<String> = (1..actions).map(|action| format!("a{action}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Spec {
            consumers: 1,
            horizon: 1,
            tick_days: 1.0,
            discount: 1.0,
            features: (0..features).map(|index| Feature::raw(format!("x{index}"), "")).collect(),
            actions: ActionSpace::flat("arm", "a0", &names),
            kpis: Vec::new(),
        }
    }

    fn values(features: usize, actions: usize, temperature: f64) -> Values {
        let number = |row: usize, column: usize| {
            f64::from(Seed::new(9).uniforms(Purpose::Problem, row as u32, column as u32, 0)[0]) * 2.0 - 1.0
        };
        let table = NumericTable {
            header: (0..actions).map(|action| format!("a{action}")).collect(),
            rows: (0..features).map(|row| (0..actions).map(|column| number(row, column)).collect()).collect(),
        };
        let intercepts = (0..actions).map(|action| number(1_000, action)).collect();
        Values::defaults(PARAMETERS)
            .with("weights", Value::Csv(table))
            .with("intercepts", Value::Numbers(intercepts))
            .with("temperature", Value::Number(temperature))
    }

    fn observation(rows: usize, features: usize, actions: usize) -> Observation {
        let mut observation = Observation { tick: 3, ..Observation::default() };
        observation.consumer_ids = (40..40 + rows as u32).collect();
        observation.features.reset(rows, features);
        for row in 0..rows {
            for feature in 0..features {
                let u = Seed::new(2).uniforms(Purpose::Problem, row as u32, feature as u32, 0)[0];
                observation.features.set(row, feature, math::normal_quantile(u));
            }
        }
        observation.allowed.reset_to_all(rows, actions);
        observation
    }

    #[test]
    fn probabilities_are_the_soft_max_over_allowed_actions() {
        let (values, spec) = (values(3, 11, 0.7), spec(3, 11));
        let policy = SoftmaxLinear::new(&values, &spec).unwrap();
        let mut seen = observation(21, 3, 11);
        seen.allowed.forbid(20, 4);
        seen.allowed.forbid(20, 10);
        let mut probabilities = Matrix::default();
        policy.probabilities(&seen, Seed::new(1), &mut probabilities);
        let table = values.csv("weights").unwrap();
        for row in 0..21 {
            let x = seen.features.row(row);
            let weights: Vec<f64> = (0..11)
                .map(|action| {
                    let score: f64 = (0..3).map(|feature| f64::from(x[feature]) * table.rows[feature][action]).sum();
                    let score = (score + values.numbers("intercepts")[action]) / 0.7;
                    if seen.allowed.allows(row, action) { libm::exp(score) } else { 0.0 }
                })
                .collect();
            let total: f64 = weights.iter().sum();
            for (action, weight) in weights.iter().enumerate() {
                let probability = f64::from(probabilities.get(row, action));
                assert!((probability - weight / total).abs() < 1e-6);
                assert_eq!(probability == 0.0, *weight == 0.0);
            }
        }
    }

    #[test]
    fn deciding_in_one_pass_gives_the_bits_of_the_provided_way() {
        for actions in [2, 24, 64, 65] {
            let policy = SoftmaxLinear::new(&values(5, actions, 1.0), &spec(5, actions)).unwrap();
            let mut seen = observation(70, 5, actions);
            for masked in [false, true] {
                if masked {
                    for row in 0..70 {
                        seen.allowed.forbid(row, 1 + row % (actions - 1));
                    }
                }
                let (mut fused, mut provided) = (Decision::default(), Decision::default());
                policy.decide(&seen, Seed::new(6), &mut fused);
                provided.reset(70);
                policy.probabilities(&seen, Seed::new(6), &mut provided.probabilities);
                draw_actions(&seen, Seed::new(6), &mut provided);
                assert_eq!(fused.actions, provided.actions);
                let bits = |decision: &Decision| decision.propensities.iter().map(|p| p.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&fused), bits(&provided));
                assert!((0..70).all(|row| seen.allowed.allows(row, usize::from(fused.actions[row]))));
            }
        }
    }

    #[test]
    fn tables_that_do_not_fit_are_refused() {
        let fault = |values: &Values, spec: &Spec| SoftmaxLinear::new(values, spec).unwrap_err().key;
        assert_eq!(fault(&values(3, 4, 1.0), &spec(2, 4)), "weights");
        assert_eq!(fault(&values(3, 4, 1.0), &spec(3, 5)), "weights");
        let short = values(3, 4, 1.0).with("intercepts", Value::Numbers(vec![1.0]));
        assert_eq!(fault(&short, &spec(3, 4)), "intercepts");
    }
}
