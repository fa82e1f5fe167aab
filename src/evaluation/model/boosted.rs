//! Gradient-boosted trees.

mod bins;
mod tree;

use super::sample::Sample;
use super::{Build, Fitter, RewardModel, Rounds, Shape};
use crate::registry::{Entry, Parameter, Range, Refusal, Values};
use bins::Bins;
use tree::{Grower, Tree};

/// The entry of `boosted`.
pub(super) const ENTRY: Entry<Build> = Entry {
    name: "boosted",
    summary: "gradient-boosted trees on context, action and factors, by squared error; on a sample of at most 200,000 rounds",
    source: "Friedman 2001; Chen and Guestrin 2016 (shrunk leaves); Ke et al. 2017 (histograms)",
    parameters: PARAMETERS,
    build,
};

const PARAMETERS: &[Parameter] = &[
    Parameter::integer("trees", 100, 1, 5_000, "number of trees"),
    Parameter::integer("depth", 3, 1, 8, "splits from the root of a tree to a leaf"),
    Parameter::number(
        "rate",
        0.1,
        Range { low: 0.0, high: 1.0, low_open: true, high_open: false },
        "share of each tree that is added",
    ),
    Parameter::number("penalty", 1.0, Range::NON_NEGATIVE, "pseudo-observations that pull each leaf to 0"),
    Parameter::integer("smallest_leaf", 20, 1, 1_000_000, "rounds in a leaf at least"),
    Parameter::integer("sample", 200_000, 100, 200_000, "rounds that it is fitted on at most"),
];

/// Pseudo-observations of the mean reward in the order of the actions.
const ACTION_STRENGTH: f64 = 20.0;

fn build(values: &Values, shape: &Shape) -> Result<Box<dyn Fitter>, Refusal> {
    let size = |name: &str| usize::try_from(values.integer(name)).unwrap_or(1);
    Ok(Box::new(BoostedFitter {
        sample: Sample::new(shape, values.integer("sample").unsigned_abs()),
        factors: shape.factors.clone(),
        action_count: shape.action_count,
        trees: size("trees"),
        rate: values.number("rate"),
        grower: Grower {
            depth: size("depth"),
            penalty: values.number("penalty"),
            smallest_leaf: size("smallest_leaf"),
        },
    }))
}

#[derive(Debug)]
struct BoostedFitter {
    sample: Sample,
    factors: Vec<Vec<u16>>,
    action_count: usize,
    trees: usize,
    rate: f64,
    grower: Grower,
}

impl Fitter for BoostedFitter {
    fn take(&mut self, rounds: &Rounds<'_>, weights: Option<&[f64]>) {
        self.sample.take(rounds, weights);
    }

    fn fit(&self, without: Option<u8>) -> Result<Box<dyn RewardModel>, Refusal> {
        let rounds = self.sample.without(without);
        let weight: f64 = rounds.iter().map(|round| self.sample.weights[*round]).sum();
        let reward: f64 = rounds.iter().map(|round| self.sample.weights[*round] * self.sample.rewards[*round]).sum();
        let mean = if weight > 0.0 { reward / weight } else { 0.0 };
        // Weights only say how rounds compare: a leaf is shrunk as if each were of weight 1 on average.
        let scale = if weight > 0.0 { rounds.len() as f64 / weight } else { 1.0 };
        let features = self.action_features(&rounds, mean);
        let bins = Bins::new(&self.sample, &rounds, &features);
        let binned: Vec<u8> = rounds.iter().flat_map(|round| bins.of_round(&self.sample, *round, &features)).collect();
        let weights: Vec<f64> = rounds.iter().map(|round| scale * self.sample.weights[*round]).collect();
        let mut residuals: Vec<f64> = rounds.iter().map(|round| self.sample.rewards[*round] - mean).collect();
        let mut trees = Vec::with_capacity(self.trees);
        for _ in 0..self.trees {
            let tree = self.grower.grow(&binned, bins.count(), &weights, &residuals);
            if tree.is_leaf() {
                break;
            }
            for (row, residual) in residuals.iter_mut().enumerate() {
                *residual -= self.rate * tree.value(&binned[row * bins.count()..][..bins.count()]);
            }
            trees.push(tree);
        }
        let action_bins = features.iter().map(|features| bins.of_action(features)).collect();
        Ok(Box::new(Boosted { design: self.sample.design.clone(), mean, rate: self.rate, trees, bins, action_bins }))
    }

    fn note(&self) -> Option<String> {
        self.sample.note()
    }
}

impl BoostedFitter {
    /// Per action: its shrunk mean reward in these rounds (so that trees can split actions in the order of what they
    /// earn), then its level of each factor.
    fn action_features(&self, rounds: &[usize], mean: f64) -> Vec<Vec<f64>> {
        let mut sums = vec![(0.0, 0.0); self.action_count];
        for &round in rounds {
            let sums = &mut sums[self.sample.actions[round] as usize];
            sums.0 += self.sample.weights[round];
            sums.1 += self.sample.weights[round] * self.sample.rewards[round];
        }
        let factors = self.factors.iter().map(Vec::len).max().unwrap_or(0);
        let own = |action: usize| {
            let levels = self.factors.get(action);
            // An action without levels (no contact) stands below all others.
            (0..factors)
                .map(move |factor| levels.and_then(|levels| levels.get(factor)).map_or(-1.0, |level| f64::from(*level)))
        };
        let shrunk = |(weight, reward): (f64, f64)| (reward + ACTION_STRENGTH * mean) / (weight + ACTION_STRENGTH);
        sums.into_iter()
            .enumerate()
            .map(|(action, sums)| std::iter::once(shrunk(sums)).chain(own(action)).collect())
            .collect()
    }
}

#[derive(Debug)]
struct Boosted {
    design: super::design::Design,
    mean: f64,
    rate: f64,
    trees: Vec<Tree>,
    bins: Bins,
    action_bins: Vec<Vec<u8>>,
}

impl RewardModel for Boosted {
    fn predict(&self, rounds: &Rounds<'_>, rewards: &mut [f64]) {
        let mut context = vec![0.0; self.design.context];
        let mut binned = vec![0; self.bins.count()];
        for (round, row) in rewards.chunks_mut(self.action_bins.len()).enumerate() {
            self.design.context_of(rounds, round, &mut context);
            self.bins.of_context(&context, &mut binned);
            let start = self.bins.context_count();
            for (reward, action) in row.iter_mut().zip(&self.action_bins) {
                binned[start..].copy_from_slice(action);
                *reward = self.mean + self.trees.iter().map(|tree| self.rate * tree.value(&binned)).sum::<f64>();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Log;
    use super::*;
    use crate::registry::Value;

    fn fitted(log: &Log, values: &Values) -> Vec<f64> {
        let mut fitter = build(values, &log.shape).unwrap();
        log.show(|rounds| fitter.take(rounds, None));
        log.predictions(fitter.fit(None).unwrap().as_ref())
    }

    #[test]
    fn one_stump_at_full_rate_is_the_mean_on_either_side() {
        // Two actions with rewards 0 and 1, no shrinking: the first split is the actions, and the leaves are their means.
        let log = Log::drawn(400, 2, |action, _, _, u| if action == 0 { 0.0 } else { f64::from(u < 0.75) });
        let values = Values::defaults(PARAMETERS).with("trees", Value::Integer(1)).with("depth", Value::Integer(1));
        let values = values.with("rate", Value::Number(1.0)).with("penalty", Value::Number(0.0));
        let predicted = fitted(&log, &values);
        let taken = |wanted: u32| log.actions.iter().filter(move |action| **action == wanted).count() as f64;
        let mean = log.rewards.iter().sum::<f64>() / taken(1);
        assert!(predicted[0].abs() < 1e-12 && (predicted[1] - mean).abs() < 1e-12, "{:?}, {mean}", &predicted[..2]);
    }

    #[test]
    fn an_interaction_that_no_sum_of_parts_has_is_found() {
        let truth = |action: u32, number: f64| f64::from((action == 1) == (number > 0.5));
        let log = Log::drawn(3_000, 2, |action, _, number, _| truth(action, number));
        let predicted = fitted(&log, &Values::defaults(PARAMETERS));
        let error = |round: usize, action: u32| {
            (predicted[round * 2 + action as usize] - truth(action, log.numbers[round])).abs()
        };
        let clear: Vec<usize> = (0..3_000).filter(|round| (log.numbers[*round] - 0.5).abs() > 0.1).collect();
        let mean =
            clear.iter().map(|round| error(*round, 0) + error(*round, 1)).sum::<f64>() / (2 * clear.len()) as f64;
        assert!(mean < 0.05, "{mean}");
    }

    #[test]
    fn rewards_without_structure_are_worth_their_mean() {
        let log = Log::drawn(2_000, 3, |_, _, _, _| 2.5);
        assert!(fitted(&log, &Values::defaults(PARAMETERS)).iter().all(|reward| (reward - 2.5).abs() < 1e-9));
    }
}
