//! Units that belong together: whole clusters were randomised, or one unit has several rows.

use super::effect::{Difference, Effect, satterthwaite};
use super::{Analysis, AnalysisBuild, Reads, Sample, Unanalysable};
use crate::registry::Entry;
use crate::statistics::Moments;
use std::collections::BTreeMap;

/// The entry of `clustered`.
pub(super) const ENTRY: Entry<AnalysisBuild> = Entry {
    name: "clustered",
    summary: "difference of means with the variance of whole clusters",
    source: "Liang and Zeger 1986; Cameron and Miller 2015",
    parameters: &[],
    build: |_| Ok(Box::new(Clustered)),
};

/// The difference of the means over rows, with the variance of the sums of deviations by cluster.
///
/// Where every cluster lies in one arm, each arm has `G_a/(G_a-1) sum_g (sum_{i in g} (y_i - mean_a))^2 / n_a^2`, and the
/// degrees of freedom count clusters. Where clusters reach into both arms (one consumer with rows in both), the deviations
/// of the two arms are subtracted within the cluster.
///
/// Assumes independent clusters, and enough of them: below about 20 an arm, or with one cluster that holds most rows,
/// intervals are too short.
#[derive(Debug)]
struct Clustered;

impl Analysis for Clustered {
    fn reads(&self) -> Reads {
        Reads::CLUSTER
    }

    fn effects(&self, sample: &Sample<'_>, alpha: f64) -> Result<Vec<Effect>, Unanalysable> {
        sample.check()?;
        by_cluster(sample, sample.clusters()?, "clusters", alpha)
    }
}

/// Every arm against the control, with clusters as the independent units; `what` names them in a refusal.
pub(super) fn by_cluster(
    sample: &Sample<'_>,
    clusters: &[u64],
    what: &'static str,
    alpha: f64,
) -> Result<Vec<Effect>, Unanalysable> {
    let moments = sample.moments(sample.outcomes);
    by_deviations(sample, clusters, &moments, |row, arm| sample.outcomes[row] - moments[arm].mean, what, alpha)
}

/// The same for levels that are no means, from how each row in its arm moves the level, times the rows of the arm.
pub(super) fn by_deviations(
    sample: &Sample<'_>,
    clusters: &[u64],
    levels: &[Moments],
    deviation: impl Fn(usize, usize) -> f64,
    what: &'static str,
    alpha: f64,
) -> Result<Vec<Effect>, Unanalysable> {
    // Sum of deviations of each cluster in each arm, over the rows of the arm; `None` where it has no rows there.
    let mut deviations: BTreeMap<u64, Vec<Option<f64>>> = BTreeMap::new();
    for (row, cluster) in clusters.iter().enumerate() {
        let arm = sample.arms[row] as usize;
        let sums = deviations.entry(*cluster).or_insert_with(|| vec![None; sample.arm_count]);
        *sums[arm].get_or_insert(0.0) += deviation(row, arm) / levels[arm].count;
    }
    (1..sample.arm_count)
        .map(|arm| {
            let (variance, degrees) = variance(&deviations, arm, what)?;
            Ok(Difference::of(arm, &levels[0], &levels[arm], variance.sqrt()).by_student(degrees, alpha))
        })
        .collect()
}

/// Variance of the difference and its degrees of freedom.
fn variance(
    deviations: &BTreeMap<u64, Vec<Option<f64>>>,
    arm: usize,
    what: &'static str,
) -> Result<(f64, f64), Unanalysable> {
    let pairs = || deviations.values().map(|sums| (sums[0], sums[arm]));
    let counts = [pairs().filter(|pair| pair.0.is_some()).count(), pairs().filter(|pair| pair.1.is_some()).count()];
    for (arm, count) in [0, arm].into_iter().zip(counts) {
        if count < 2 {
            return Err(Unanalysable::TooFew { arm, count, what, needed: 2 });
        }
    }
    let correction = |count: usize| count as f64 / (count as f64 - 1.0);
    let is_nested = pairs().all(|pair| pair.0.is_none() || pair.1.is_none());
    if !is_nested {
        let members = pairs().filter(|pair| pair.0.is_some() || pair.1.is_some());
        let count = members.clone().count();
        let squares: f64 = members
            .map(|(control, treated)| treated.unwrap_or(0.0) - control.unwrap_or(0.0))
            .map(|deviation| deviation * deviation)
            .sum();
        return Ok((correction(count) * squares, count as f64 - 1.0));
    }
    let squares = |sums: &mut dyn Iterator<Item = f64>| sums.map(|sum| sum * sum).sum::<f64>();
    let parts = [
        (correction(counts[0]) * squares(&mut pairs().filter_map(|pair| pair.0)), counts[0] as f64 - 1.0),
        (correction(counts[1]) * squares(&mut pairs().filter_map(|pair| pair.1)), counts[1] as f64 - 1.0),
    ];
    Ok((parts[0].0 + parts[1].0, satterthwaite(parts.into_iter())))
}
