//! A bandit per cluster of consumers who look alike, each learning with the help of the others.
//!
//! Gentile, Li & Zappella 2014, *Online clustering of bandits*: consumers in one cluster share what is learned. There a
//! cluster is found by how a consumer answered; here, by how a consumer looks, because a policy is judged on consumers who
//! have never answered it: k-means on features (MacQueen 1967, *Some methods for classification and analysis of
//! multivariate observations*), then Gaussian Thompson sampling per cluster (as in [`super::thompson`]) with means that
//! are shrunk to those of all consumers.
//!
//! A cluster's mean reward of an action is what the action earns over all, plus what the cluster earns more, plus what is
//! special about both; how much of the special is believed depends on how much clusters were found to differ.
//!
//! Differences from the sources:
//! 1. Clusters are a function of `features`, as said; consumers move between them as they change.
//! 2. Thompson's law is finite: `samples` posterior samples of a tick, shared by all consumers of a cluster, give each
//!    action its share of wins among those that a row allows; `floor` mixes in the uniform law over them.
//! 3. The variance of rewards is that within clusters and actions, together with one pseudo-observation of 1, taken as
//!    known.
//! 4. Until 512 rows were seen all consumers are one cluster; what was learned till then counts as learned over all.

use super::AgentBuild;
use super::clusters::Clusters;
use super::hierarchy::{Hierarchy, Variances, count_wins};
use super::naming;
use super::thompson::FLOOR;
use crate::matrix::Matrix;
use crate::protocol::{Agent, Diverged, Metrics, Observation, Policy, Spec, Transitions, Views};
use crate::random::Seed;
use crate::registry::{Entry, Kind, Parameter, Range, Refusal, Tuning, Values};
use serde::{Deserialize, Serialize};
use std::io;

/// Number of posterior samples of a sampler whose samples a group shares.
pub(super) const SAMPLES: Parameter =
    Parameter::integer("samples", 64, 1, 4096, "posterior samples that make the law of one decision");
/// Mean of the prior of every action.
pub(super) const PRIOR_MEAN: Parameter =
    Parameter::number("prior_mean", 0.0, Range::ANY, "expected reward before the first decision");
/// Weight of that prior.
pub(super) const PRIOR_STRENGTH: Parameter = Parameter::number(
    "prior_strength",
    1.0,
    Range::closed(1e-6, 1e9),
    "number of rewards that the prior mean counts for",
)
.tuned(Tuning::LogUniform { low: 0.1, high: 1000.0 });

/// `kind = "clustered"`.
pub const ENTRY: Entry<AgentBuild> = Entry {
    name: "clustered",
    summary: "Thompson sampling per cluster of consumers who look alike, shrunk to what all of them show",
    source: "Gentile, Li & Zappella 2014, Online clustering of bandits; MacQueen 1967",
    parameters: &[
        Parameter::integer("clusters", 8, 1, 64, "number of clusters, at most")
            .tuned(Tuning::LogInteger { low: 2, high: 32 }),
        Parameter::of(
            "features",
            Kind::Texts { default: None },
            "names of the features that consumers are clustered by; all if absent",
        ),
        SAMPLES,
        FLOOR,
        PRIOR_MEAN,
        PRIOR_STRENGTH,
    ],
    build: AgentBuild {
        create: |values, spec| Ok(Box::new(Clustered::new(values, spec)?)),
        load: |from| Ok(Box::new(serde_json::from_reader::<_, Clustered>(from)?)),
    },
};

/// Largest size of a feature that is learned from.
const SIZE_MAX: f32 = 1e12;

/// A bandit per cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clustered {
    clusters: Clusters,
    /// One group per cluster, one arm per action.
    hierarchy: Hierarchy,
    samples: usize,
    floor: f64,
}

impl Clustered {
    /// An agent that has learned nothing.
    ///
    /// # Errors
    /// Where a feature that is named does not exist.
    pub fn new(values: &Values, spec: &Spec) -> Result<Self, Refusal> {
        let place = |name: &String| {
            spec.features.iter().position(|feature| feature.name == *name).ok_or_else(|| {
                let names = spec.features.iter().map(|feature| feature.name.as_str());
                let message = format!("there is no feature `{name}` to cluster by");
                Refusal::new(values, "features", message, naming::way_out(name, names))
            })
        };
        let named = values.texts("features").iter().map(place).collect::<Result<Vec<usize>, Refusal>>()?;
        let columns = if named.is_empty() { (0..spec.features.len()).collect() } else { named };
        let count = values.integer("clusters").max(1) as usize;
        let (prior_mean, prior_strength) = (values.number("prior_mean"), values.number("prior_strength"));
        Ok(Self {
            clusters: Clusters::new(count, columns),
            hierarchy: Hierarchy::new(count, spec.actions.len(), prior_mean, prior_strength),
            samples: values.integer("samples").max(1) as usize,
            floor: values.number("floor"),
        })
    }

    fn variances(&self) -> Variances {
        let (squares, degrees, _) = self.hierarchy.within();
        Variances { noise: (1.0 + squares) / (1.0 + degrees), person: 0.0 }
    }
}

impl Policy for Clustered {
    fn views(&self) -> Views {
        Views { features: true, ..Views::default() }
    }

    fn probabilities(&self, observation: &Observation, seed: Seed, probabilities: &mut Matrix) {
        let actions = observation.allowed.actions();
        probabilities.reset(observation.rows(), actions);
        let samples = self.hierarchy.sample(&self.variances(), self.samples, observation.tick, seed);
        let mut nearest = Vec::new();
        self.clusters.assign(&observation.features, observation.rows(), &mut nearest);
        let (mut law, mut open) = (vec![0.0; actions], Vec::with_capacity(actions));
        for (row, &cluster) in nearest.iter().enumerate() {
            open.clear();
            open.extend(observation.allowed.iter(row).map(|action| action as u16));
            law.fill(0.0);
            count_wins(samples.of_group(usize::from(cluster)), &open, samples.blocks, self.samples, &mut law);
            let (even, share) = (self.floor / open.len() as f64, (1.0 - self.floor) / self.samples as f64);
            for &action in &open {
                let law = &mut law[usize::from(action)];
                *law = (even + share * f64::from(*law)) as f32;
            }
            probabilities.set_row(row, &law);
        }
    }
}

impl Agent for Clustered {
    fn learn(&mut self, batch: &Transitions<'_>, _seed: Seed) -> Result<Metrics, Diverged> {
        let diverged = |quantity: &str| Diverged { agent: ENTRY.name.to_owned(), quantity: quantity.to_owned() };
        if !batch.rewards.iter().all(|reward| reward.is_finite()) {
            return Err(diverged("reward"));
        }
        let (features, rows) = (&batch.observation.features, batch.rewards.len());
        let sound = |row| (0..features.columns()).all(|column| features.get(row, column).abs() <= SIZE_MAX);
        if !(0..rows).all(sound) {
            return Err(diverged("feature"));
        }
        let mut nearest = Vec::new();
        self.clusters.assign(features, rows, &mut nearest);
        for ((&cluster, &action), &reward) in nearest.iter().zip(batch.actions).zip(batch.rewards) {
            self.hierarchy.add(usize::from(cluster), usize::from(action), f64::from(reward), 0.0);
        }
        if self.clusters.learn(features, &nearest) {
            self.hierarchy.clear_groups();
        }
        let variances = self.variances();
        let (_, group_variance) = self.hierarchy.levels_and_variance(&variances);
        Ok(vec![("noise_variance", variances.noise), ("cluster_variance", group_variance)])
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
    use super::super::arms::tests::experience_at;
    use super::super::clusters::tests::rows;
    use super::super::index_bandit::tests::{flat, free};
    use super::super::thompson;
    use super::*;
    use crate::protocol::{Decision, Feature};
    use crate::random::Purpose;
    use crate::registry::Value;

    /// Success of no contact and three contacts for each of three kinds of consumers.
    const CHANCES: [[f32; 4]; 3] = [[0.2, 0.6, 0.3, 0.3], [0.2, 0.3, 0.6, 0.3], [0.2, 0.3, 0.3, 0.6]];

    fn spec() -> Spec {
        let features = ["x", "y", "noise"].map(|name| Feature::raw(name, "none")).to_vec();
        Spec { features, ..flat(3) }
    }

    /// Mean chance of success of what an agent does in the last ticks of 100, 60 consumers each.
    fn chance(agent: &mut dyn Agent) -> f64 {
        let seed = Seed::new(12);
        let (mut decision, mut sum) = (Decision::default(), 0.0);
        for tick in 0..100 {
            let observation = Observation { features: rows(60, tick), ..free(60, 4, tick) };
            agent.decide(&observation, seed, &mut decision);
            let of_row = |(row, action): (usize, &u16)| CHANCES[row % 3][usize::from(*action)];
            let chances: Vec<f32> = decision.actions.iter().enumerate().map(of_row).collect();
            let hit = |(row, chance): (usize, &f32)| seed.uniforms(Purpose::Problem, row as u32, tick, 0)[0] < *chance;
            let rewards: Vec<f32> = chances.iter().enumerate().map(|pair| f32::from(u8::from(hit(pair)))).collect();
            experience_at(&observation, &decision.actions, &rewards, |batch| agent.learn(batch, seed)).unwrap();
            if tick >= 70 {
                sum += chances.iter().map(|chance| f64::from(*chance)).sum::<f64>();
            }
        }
        sum / (30.0 * 60.0)
    }

    #[test]
    fn clusters_that_features_show_are_worth_a_fifth_of_all_consumers() {
        let values = Values::defaults(ENTRY.parameters)
            .with("clusters", Value::Integer(3))
            .with("features", Value::Texts(vec!["x".into(), "y".into()]));
        let mut agent = Clustered::new(&values, &spec()).unwrap();
        let mut parent =
            (thompson::ENTRY.build.create)(&Values::defaults(thompson::ENTRY.parameters), &spec()).unwrap();
        // One action for all succeeds with 0.4, the best one for each kind with 0.6.
        let (own, parent) = (chance(&mut agent), chance(parent.as_mut()));
        assert!(own > 0.55 && own > parent + 0.15, "{own} against {parent}");
    }

    #[test]
    fn an_unknown_feature_is_refused() {
        let values = Values::defaults(ENTRY.parameters).with("features", Value::Texts(vec!["nois".into()]));
        let refusal = Clustered::new(&values, &spec()).unwrap_err();
        assert!(refusal.help.starts_with("did you mean `noise`?"), "{}", refusal.help);
    }
}
