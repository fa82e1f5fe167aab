//! Thompson sampling without features (Thompson 1933, *On the likelihood that one unknown probability exceeds another in
//! view of the evidence of two samples*; Chapelle & Li 2011, *An empirical evaluation of Thompson sampling*, algorithm 2;
//! Agrawal & Goyal 2013, *Further optimal regret bounds for Thompson sampling*, algorithm 2 for Gaussian posteriors).
//!
//! An action is chosen with the probability that it is the best under the posterior. `beta`: success probabilities with
//! Beta posteriors. `gaussian`: mean rewards with posterior N((k m + Σ r) / (k + n), σ² / (k + n)) after n rewards, where
//! m is `prior_mean` and k is `prior_strength`; with σ² = 1, m = 0, k = 1 it is that of Agrawal & Goyal.
//!
//! Differences from the papers:
//! 1. The law is finite: `samples` posterior samples are drawn, p(a) is the share of them that a wins among the allowed
//!    actions of a row, mixed with a uniform law that carries `floor`. The action is drawn from p, so that its propensity
//!    is known exactly. Shares differ from the posterior's by at most 1 / (2 √samples) in standard error.
//! 2. A sample is addressed by (seed, its number, tick), not by consumer: nothing here depends on the consumer but
//!    the mask, so that all rows of a tick share the samples and each draws its own action.
//! 3. `beta` takes rewards rescaled to [0, 1] by their range; a reward between the ends adds its size to the successes
//!    and the rest to the failures, where Agrawal & Goyal 2012 toss a coin. Rewards outside a declared range are clipped
//!    to it and counted. An end that is not declared is that of the rewards seen so far, widened ([`RewardRange`]); the
//!    posteriors of the papers then hold only from when the range is known: declare 0 and 1 where rewards are successes.
//! 4. `gaussian` without `noise_variance` takes σ² to be the variance within arms, pooled over all of them together with
//!    one pseudo-observation of 1, and treats it as known.
//! 5. Consumers of one tick are decided at once, and rewards come when they have matured.
//! 6. `model = "factored"` samples each level of each factor and adds them up; see [`super::arms`].

use super::arms::{Arms, MODEL, Moments};
use super::reward_range::{REWARD_HIGH, REWARD_LOW, RewardRange};
use super::sampling::{self, Normals};
use super::{AgentBuild, discounted_thompson, ranking};
use crate::matrix::Matrix;
use crate::protocol::{Agent, Diverged, Metrics, Observation, Policy, Spec, Transitions, Views};
use crate::random::{Purpose, Seed, Stream};
use crate::registry::{Entry, Parameter, Range, Refusal, Tuning, Values};
use serde::{Deserialize, Serialize};
use std::io;

/// What rewards are like.
pub(super) const LIKELIHOOD: Parameter =
    Parameter::choice("likelihood", "gaussian", &["beta", "gaussian"], "beta: successes; gaussian: any rewards")
        .tuned(Tuning::Choice(&["beta", "gaussian"]));
/// Number of posterior samples.
pub(super) const SAMPLES: Parameter =
    Parameter::integer("samples", 100, 1, 100_000, "posterior samples that make the law of a tick");
/// The uniform share.
pub(super) const FLOOR: Parameter = Parameter::number(
    "floor",
    0.01,
    Range::half_open(0.0, 1.0),
    "share of decisions that is drawn evenly from the allowed actions",
);
const SHAPE: Range = Range::closed(0.01, 1e6);
/// First shape of the Beta prior.
pub(super) const PRIOR_SUCCESSES: Parameter =
    Parameter::number("prior_successes", 1.0, SHAPE, "beta: successes before the first decision");
/// Second shape of the Beta prior.
pub(super) const PRIOR_FAILURES: Parameter =
    Parameter::number("prior_failures", 1.0, SHAPE, "beta: failures before the first decision");
/// Mean of the Gaussian prior.
pub(super) const PRIOR_MEAN: Parameter =
    Parameter::number("prior_mean", 0.0, Range::ANY, "gaussian: expected reward before the first decision");
/// Weight of the Gaussian prior.
pub(super) const PRIOR_STRENGTH: Parameter = Parameter::number(
    "prior_strength",
    1.0,
    Range::closed(1e-6, 1e9),
    "gaussian: number of rewards that the prior mean counts for",
)
.tuned(Tuning::LogUniform { low: 0.1, high: 1000.0 });
/// Noise of the Gaussian likelihood.
pub(super) const NOISE_VARIANCE: Parameter = Parameter::optional_number(
    "noise_variance",
    Range::POSITIVE,
    "gaussian: variance of a reward around the mean of its action; estimated if absent",
);

/// `kind = "thompson"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: "thompson",
    summary: "takes each action with the probability that it is the best under the posterior",
    source: "Thompson 1933; Chapelle & Li 2011, An empirical evaluation of Thompson sampling; Agrawal & Goyal 2013",
    parameters: &[
        LIKELIHOOD,
        SAMPLES,
        FLOOR,
        PRIOR_SUCCESSES,
        PRIOR_FAILURES,
        REWARD_LOW,
        REWARD_HIGH,
        PRIOR_MEAN,
        PRIOR_STRENGTH,
        NOISE_VARIANCE,
        MODEL,
    ],
    build: BUILD,
};

/// How a registry makes it.
pub(super) const BUILD: AgentBuild = AgentBuild {
    create: |values, spec| Ok(Box::new(Thompson::new(values, spec)?)),
    load: |from| Ok(Box::new(serde_json::from_reader::<_, Thompson>(from)?)),
};

/// How rewards come about.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Likelihood {
    Beta { prior_successes: f64, prior_failures: f64, range: RewardRange },
    Gaussian { prior_mean: f64, prior_strength: f64, noise_variance: Option<f64> },
}

/// What is believed of an arm.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Posterior {
    Beta { successes: f64, failures: f64 },
    Normal { mean: f64, deviation: f64 },
}

impl Posterior {
    fn sample(self, stream: &mut Stream, normals: &mut Normals) -> f64 {
        match self {
            Self::Beta { successes, failures } => sampling::beta(stream, successes, failures),
            Self::Normal { mean, deviation } => mean + deviation * normals.sample(stream),
        }
    }
}

/// A sampler of posteriors, one per arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thompson {
    likelihood: Likelihood,
    samples: u32,
    floor: f64,
    arms: Arms,
}

impl Thompson {
    /// A sampler that has learned nothing.
    ///
    /// # Errors
    /// Where the declared range of rewards is empty, or a key belongs to the other likelihood.
    pub fn new(values: &Values, spec: &Spec) -> Result<Self, Refusal> {
        let noise_variance = values.optional_number("noise_variance");
        let likelihood = if values.text("likelihood") == "gaussian" {
            let (prior_mean, prior_strength) = (values.number("prior_mean"), values.number("prior_strength"));
            Likelihood::Gaussian { prior_mean, prior_strength, noise_variance }
        } else if noise_variance.is_some() {
            let message = "`noise_variance` means nothing under `likelihood = \"beta\"`";
            return Err(Refusal::new(
                values,
                "noise_variance",
                message,
                "leave it out, or take `likelihood = \"gaussian\"`",
            ));
        } else {
            let (prior_successes, prior_failures) = (values.number("prior_successes"), values.number("prior_failures"));
            Likelihood::Beta { prior_successes, prior_failures, range: RewardRange::new(values)? }
        };
        let samples = u32::try_from(values.integer("samples")).unwrap_or(u32::MAX);
        Ok(Self { likelihood, samples, floor: values.number("floor"), arms: Arms::new(values, spec) })
    }

    fn posteriors(&self) -> Vec<Posterior> {
        let arms = self.arms.arms().iter();
        match self.likelihood {
            Likelihood::Beta { prior_successes, prior_failures, range } => arms
                .map(|arm| {
                    let successes = range.rescale(arm.mean).clamp(0.0, 1.0) * arm.count;
                    let failures = arm.count - successes;
                    Posterior::Beta { successes: prior_successes + successes, failures: prior_failures + failures }
                })
                .collect(),
            Likelihood::Gaussian { prior_mean, prior_strength, noise_variance } => {
                let noise_variance = noise_variance.unwrap_or_else(|| pooled_variance(self.arms.arms()));
                let normal = |arm: &Moments| {
                    let weight = prior_strength + arm.count;
                    let mean = (prior_strength * prior_mean + arm.count * arm.mean) / weight;
                    Posterior::Normal { mean, deviation: (noise_variance / weight).sqrt() }
                };
                arms.map(normal).collect()
            }
        }
    }

    /// All actions in the order of each posterior sample of this tick, sample after sample.
    fn orders(&self, tick: u32, seed: Seed) -> Vec<u16> {
        let (posteriors, actions) = (self.posteriors(), self.arms.actions());
        let range = match self.likelihood {
            Likelihood::Beta { range, .. } => Some(range),
            Likelihood::Gaussian { .. } => None,
        };
        let mut of_arm = vec![0.0; posteriors.len()];
        let mut of_action = vec![0.0; actions];
        let mut orders = vec![0; self.samples as usize * actions];
        for (sample, order) in orders.chunks_mut(actions.max(1)).enumerate() {
            let mut stream = seed.stream(Purpose::Posterior, sample as u32, tick);
            let mut normals = Normals::default();
            for (value, posterior) in of_arm.iter_mut().zip(&posteriors) {
                let sampled = posterior.sample(&mut stream, &mut normals);
                *value = range.map_or(sampled, |range| range.restore(sampled));
            }
            for (action, value) in of_action.iter_mut().enumerate() {
                *value = self.arms.combine(action, &of_arm);
            }
            ranking::sort(&of_action, order);
        }
        orders
    }
}

/// Variance within arms, all of them taken together with one pseudo-observation of variance 1.
fn pooled_variance(arms: &[Moments]) -> f64 {
    let squares: f64 = arms.iter().map(|arm| arm.squares).sum();
    let degrees: f64 = arms.iter().map(|arm| (arm.count - 1.0).max(0.0)).sum();
    (1.0 + squares) / (1.0 + degrees)
}

impl Policy for Thompson {
    fn views(&self) -> Views {
        Views::default()
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        let actions = observation.allowed.actions();
        let orders = self.orders(observation.tick, seed);
        let mut law = vec![0.0_f32; actions];
        let mut wins = vec![0_u32; actions];
        probabilities.reset(observation.rows(), actions);
        for row in 0..observation.rows() {
            let allowed = observation.allowed.row(row);
            // Most rows share their mask with the row before, and the law with it.
            if row == 0 || allowed != observation.allowed.row(row - 1) {
                wins.fill(0);
                for order in orders.chunks(actions.max(1)) {
                    wins[usize::from(ranking::first_allowed(order, allowed))] += 1;
                }
                let even = self.floor / f64::from(observation.allowed.count(row));
                let share = (1.0 - self.floor) / f64::from(self.samples);
                law.fill(0.0);
                for action in observation.allowed.iter(row) {
                    law[action] = (even + share * f64::from(wins[action])) as f32;
                }
            }
            probabilities.set_row(row, &law);
        }
    }
}

impl Agent for Thompson {
    fn learn(&mut self, batch: &Transitions<'_>, _seed: Seed) -> Result<Metrics, Diverged> {
        let name = if self.arms.forgets() { discounted_thompson::ENTRY.name } else { ENTRY.name };
        match &mut self.likelihood {
            Likelihood::Beta { range, .. } => {
                let declared = *range;
                let mut outside = 0_u64;
                self.arms.learn(name, batch, |reward| {
                    outside += u64::from(declared.is_outside(reward));
                    declared.clip(reward)
                })?;
                range.learn(batch.rewards);
                Ok(range.metrics(outside))
            }
            Likelihood::Gaussian { noise_variance, .. } => {
                self.arms.learn(name, batch, |reward| reward)?;
                let noise_variance = noise_variance.unwrap_or_else(|| pooled_variance(self.arms.arms()));
                Ok(vec![("noise_variance", noise_variance)])
            }
        }
    }

    fn snapshot(&self) -> Box<dyn Policy> {
        Box::new(self.clone())
    }

    fn save(&self, to: &mut dyn io::Write) -> io::Result<()> {
        Ok(serde_json::to_writer(to, self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::arms::tests::experience;
    use super::super::contact;
    use super::super::index_bandit::tests::{MEANS, flat, free, regret};
    use super::super::reward_range::tests::declared;
    use super::*;
    use crate::registry::Value;
    use crate::statistics::normal_cdf;

    const SEED: Seed = Seed::new(9);

    fn precise(likelihood: &str) -> Values {
        Values::defaults(ENTRY.parameters)
            .with("likelihood", Value::Text(likelihood.into()))
            .with("samples", Value::Integer(20_000))
            .with("floor", Value::Number(0.0))
    }

    fn law(agent: &Thompson, actions: usize) -> Vec<f32> {
        let mut law = Matrix::default();
        agent.probabilities(&free(1, actions, 4), SEED, &mut law);
        law.row(0)
    }

    /// P(X > Y) of independent X ~ Beta(a, b), Y ~ Beta(c, d) with whole a: Σ_{i<a} B(c+i, b+d) / ((b+i) B(1+i, b) B(c, d)),
    /// where the roles are those of Cook 2005, *Exact calculation of beta inequalities*.
    fn exceeds(a: u32, b: f64, c: f64, d: f64) -> f64 {
        let log_beta = |x: f64, y: f64| libm::lgamma(x) + libm::lgamma(y) - libm::lgamma(x + y);
        (0..a)
            .map(f64::from)
            .map(|i| libm::exp(log_beta(c + i, b + d) - libm::log(b + i) - log_beta(1.0 + i, b) - log_beta(c, d)))
            .sum()
    }

    #[test]
    fn beta_shares_are_the_closed_form() {
        assert!((exceeds(1, 1.0, 1.0, 1.0) - 0.5).abs() < 1e-12);
        assert!((exceeds(2, 1.0, 1.0, 1.0) - 2.0 / 3.0).abs() < 1e-12);
        let mut agent = Thompson::new(&declared(precise("beta"), 0.0, 1.0), &flat(1)).unwrap();
        let actions = [0, 0, 0, 0, 0, 1, 1, 1];
        let rewards = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0];
        experience(&actions, &rewards, |batch| agent.learn(batch, SEED)).unwrap();
        // Beta(3, 4) and Beta(3, 2).
        let expected = exceeds(3, 2.0, 3.0, 4.0);
        let standard_error = (expected * (1.0 - expected) / 20_000.0).sqrt();
        let law = law(&agent, 2);
        assert!((f64::from(law[1]) - expected).abs() < 4.0 * standard_error, "{} against {expected}", law[1]);
        assert!((law[0] + law[1] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn gaussian_shares_are_the_closed_form() {
        let values = precise("gaussian").with("noise_variance", Value::Number(4.0));
        let mut agent = Thompson::new(&values, &flat(1)).unwrap();
        experience(&[0, 0, 0, 1], &[1.0, 3.0, 2.0, 2.0], |batch| agent.learn(batch, SEED)).unwrap();
        // N(6/4, 4/4) and N(2/2, 4/2).
        let expected = normal_cdf((1.0 - 1.5) / 3f64.sqrt());
        let standard_error = (expected * (1.0 - expected) / 20_000.0).sqrt();
        let law = law(&agent, 2);
        assert!((f64::from(law[1]) - expected).abs() < 4.0 * standard_error, "{} against {expected}", law[1]);
    }

    #[test]
    fn the_noise_is_estimated_within_arms() {
        let mut agent = Thompson::new(&precise("gaussian"), &flat(1)).unwrap();
        let rewards = [10.0, 14.0, -3.0, -3.0, 0.0];
        let metrics = experience(&[0, 0, 1, 1, 1], &rewards, |batch| agent.learn(batch, SEED)).unwrap();
        // Squares 8 and 6, degrees 1 and 2, and the pseudo-observation.
        assert_eq!(metrics.len(), 1);
        assert!((metrics[0].1 - 15.0 / 4.0).abs() < 1e-12);
    }

    #[test]
    fn the_floor_reaches_every_allowed_action_and_only_these() {
        let values = Values::defaults(ENTRY.parameters).with("floor", Value::Number(0.3));
        let mut agent = Thompson::new(&values, &flat(3)).unwrap();
        let rewards = [0.0, 0.0, 50.0, 100.0];
        let actions: Vec<u16> = (0..4000).map(|index| index % 4).collect();
        let rewards: Vec<f32> = actions.iter().map(|action| rewards[usize::from(*action)]).collect();
        experience(&actions, &rewards, |batch| agent.learn(batch, SEED)).unwrap();
        let mut observation = free(2, 4, 0);
        observation.allowed.forbid(1, 3);
        let mut law = Matrix::default();
        agent.probabilities(&observation, SEED, &mut law);
        let near = |row: Vec<f32>, expected: [f32; 4]| row.iter().zip(expected).all(|(p, q)| (p - q).abs() < 1e-6);
        assert!(near(law.row(0), [0.075, 0.075, 0.075, 0.775]));
        assert!(near(law.row(1), [0.1, 0.1, 0.8, 0.0]));
    }

    #[test]
    fn factored_prefers_the_sum_of_good_parts() {
        let values = precise("gaussian").with("model", Value::Text("factored".into()));
        let mut agent = Thompson::new(&values.with("samples", Value::Integer(200)), &contact::tests::market()).unwrap();
        // E-mail at 12 with ten is never tried.
        let actions: Vec<u16> = (0..1000).map(|index| [0, 1, 2, 3, 5][index % 5]).collect();
        let rewards: Vec<f32> =
            actions.iter().map(|action| [0.0, 0.0, 1.0, 1.0, 0.0, 0.5][usize::from(*action)]).collect();
        experience(&actions, &rewards, |batch| agent.learn(batch, SEED)).unwrap();
        assert!(law(&agent, 6)[4] > 0.99);
    }

    #[test]
    fn regret_is_near_the_lower_bound() {
        let values = Values::defaults(ENTRY.parameters)
            .with("likelihood", Value::Text("beta".into()))
            .with("samples", Value::Integer(1))
            .with("floor", Value::Number(0.0));
        let mut agent = Thompson::new(&values, &flat(9)).unwrap();
        let regret = regret(&mut agent, &MEANS, 4_000, SEED);
        // Lai & Robbins' constant times ln 4,000 is 75.2 for these arms (see `kl_ucb`); drawing at random loses 1,640.
        assert!(regret < 1.5 * 75.2, "{regret}");
    }

    #[test]
    fn keys_of_the_other_likelihood_are_refused() {
        let values = precise("beta").with("noise_variance", Value::Number(1.0));
        assert_eq!(Thompson::new(&values, &flat(1)).unwrap_err().key, "noise_variance");
    }
}
