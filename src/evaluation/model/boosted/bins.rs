//! Features as bins: at most 32 a feature, about equally full.

use super::Sample;

/// Most bins of a feature.
pub(super) const BINS: usize = 32;

/// Upper edges of the bins of each feature: first the context (the constant left out), then the action.
#[derive(Debug)]
pub(super) struct Bins {
    context: Vec<Vec<f64>>,
    action: Vec<Vec<f64>>,
}

impl Bins {
    pub(super) fn new(sample: &Sample, rounds: &[usize], action_features: &[Vec<f64>]) -> Self {
        let context = (1..sample.design.context)
            .map(|feature| edges(rounds.iter().map(|round| sample.context(*round)[feature]).collect()))
            .collect();
        let features = action_features.first().map_or(0, Vec::len);
        let action =
            (0..features).map(|feature| edges(action_features.iter().map(|own| own[feature]).collect())).collect();
        Self { context, action }
    }

    /// Number of features.
    pub(super) fn count(&self) -> usize {
        self.context.len() + self.action.len()
    }

    /// Number of features of the context.
    pub(super) fn context_count(&self) -> usize {
        self.context.len()
    }

    /// Bins of a context, the constant first; bins of the action are left alone.
    pub(super) fn of_context(&self, context: &[f64], bins: &mut [u8]) {
        for ((bin, edges), value) in bins.iter_mut().zip(&self.context).zip(&context[1..]) {
            *bin = bin_of(edges, *value);
        }
    }

    /// Bins of an action.
    pub(super) fn of_action(&self, features: &[f64]) -> Vec<u8> {
        self.action.iter().zip(features).map(|(edges, value)| bin_of(edges, *value)).collect()
    }

    /// All bins of a round of the sample.
    pub(super) fn of_round(&self, sample: &Sample, round: usize, action_features: &[Vec<f64>]) -> Vec<u8> {
        let mut bins = vec![0; self.context.len()];
        self.of_context(sample.context(round), &mut bins);
        bins.extend(self.of_action(&action_features[sample.actions[round] as usize]));
        bins
    }
}

fn bin_of(edges: &[f64], value: f64) -> u8 {
    edges.partition_point(|edge| *edge < value) as u8
}

/// Edges half-way between values; of many values, between those at equal ranks.
fn edges(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    let mut distinct = values.clone();
    distinct.dedup();
    let mut edges: Vec<f64> = if distinct.len() <= BINS {
        distinct.windows(2).map(|pair| 0.5 * (pair[0] + pair[1])).collect()
    } else {
        (1..BINS).map(|bin| values[bin * values.len() / BINS]).collect()
    };
    edges.dedup();
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_have_a_bin_each_and_many_are_cut_at_equal_ranks() {
        let few = edges(vec![3.0, 1.0, 1.0, 2.0]);
        assert_eq!(few, [1.5, 2.5]);
        assert_eq!([0.0, 1.0, 2.0, 9.0].map(|value| bin_of(&few, value)), [0, 0, 1, 2]);
        let many = edges((0..3_200).map(f64::from).collect());
        assert_eq!(many.len(), BINS - 1);
        let counts = (0..3_200).fold([0; BINS], |mut counts, value| {
            counts[usize::from(bin_of(&many, f64::from(value)))] += 1;
            counts
        });
        assert!(counts.iter().all(|count| (99..=101).contains(count)), "{counts:?}");
    }
}
