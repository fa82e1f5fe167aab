//! Interference through friendships: units whose friends share their arm, weighted by how likely that was.

use super::effect::{Difference, Effect, satterthwaite};
use super::{Analysis, AnalysisBuild, Reads, Sample, Unanalysable};
use crate::registry::Entry;
use std::collections::BTreeMap;

/// The entry of `exposure`.
pub(super) const ENTRY: Entry<AnalysisBuild> = Entry {
    name: "exposure",
    summary: "difference of means of units whose friends share their arm, weighted by the inverse probability of that",
    source: "Aronow and Samii 2017; Ugander, Karrer, Backstrom and Kleinberg 2013; Hajek 1971",
    parameters: &[],
    build: |_| Ok(Box::new(ByExposure)),
};

/// `M_a = sum y / p over sum 1 / p`, over the exposed units of each arm, p being the probability of that exposure.
///
/// The variance is that of leaving out whole clusters (the jackknife, CR3): with the share `h_g` of the arm's weight in
/// cluster g and its part `S_g = sum (y - M_a) / p / sum 1 / p`, it is `(G-1)/G sum_g (S_g / (1 - h_g))^2`. The
/// degrees of freedom are one less than the effective number of clusters, `1 / sum h_g^2`. With weights of 1 and clusters of
/// one size it is `clustered`. Units without a cluster are clusters of their own.
///
/// Assumes that nobody but friends touches a unit, that exposure is all that friends do to it, and known probabilities: the design's.
/// It fails where friends' friends matter much (the estimate is pulled towards 0, less than that of `clustered`), and
/// speaks of the units that could be exposed: hubs seldom can.
///
/// Differences from the sources: 1. the ratio of weighted sums (Hajek) in place of Horvitz-Thompson weights, which is
/// biased by the order of one over the clusters and varies far less; 2. variances by cluster, in place of the joint
/// probabilities of all pairs of units: what units of different clusters share through the arms of third ones is left out.
#[derive(Debug)]
struct ByExposure;

impl Analysis for ByExposure {
    fn reads(&self) -> Reads {
        Reads::EXPOSURE
    }

    fn effects(&self, sample: &Sample<'_>, alpha: f64) -> Result<Vec<Effect>, Unanalysable> {
        sample.check()?;
        let (met, probabilities) = sample.exposures()?;
        if let Some(row) =
            (0..met.len()).find(|row| met[*row] && !(probabilities[*row] > 0.0 && probabilities[*row] <= 1.0))
        {
            return Err(Unanalysable::Exposure { row: row + 1, probability: probabilities[row] });
        }
        let cluster = |row: usize| sample.clusters.map_or(row as u64, |clusters| clusters[row]);
        let mut arm_of: BTreeMap<u64, u32> = BTreeMap::new();
        for (row, arm) in sample.arms.iter().enumerate() {
            if *arm_of.entry(cluster(row)).or_insert(*arm) != *arm {
                return Err(Unanalysable::DividedCluster { row: row + 1 });
            }
        }
        let level = |arm: usize| {
            let rows = (0..met.len()).filter(|row| met[*row] && sample.arms[*row] as usize == arm);
            let weighted = rows.map(|row| (cluster(row), 1.0 / probabilities[row], sample.outcomes[row]));
            Level::of(arm, &weighted.collect::<Vec<_>>())
        };
        let control = level(0)?;
        (1..sample.arm_count)
            .map(|arm| {
                let treated = level(arm)?;
                let parts = [&control, &treated].map(|level| (level.variance, level.degrees));
                let difference = Difference {
                    arm,
                    units: [control.units, treated.units],
                    control: control.mean,
                    treated: treated.mean,
                    effect: treated.mean - control.mean,
                    standard_error: (control.variance + treated.variance).sqrt(),
                };
                Ok(difference.by_student(satterthwaite(parts.into_iter()), alpha))
            })
            .collect()
    }
}

/// A weighted mean with the variance of whole clusters.
struct Level {
    units: usize,
    mean: f64,
    variance: f64,
    degrees: f64,
}

impl Level {
    /// Of rows of cluster, weight and outcome.
    fn of(arm: usize, rows: &[(u64, f64, f64)]) -> Result<Self, Unanalysable> {
        let whole: f64 = rows.iter().map(|row| row.1).sum();
        let mean = rows.iter().map(|row| row.1 * row.2).sum::<f64>() / whole;
        let mut parts: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
        for (cluster, weight, outcome) in rows {
            let part = parts.entry(*cluster).or_default();
            part.0 += weight / whole;
            part.1 += weight / whole * (outcome - mean);
        }
        let count = parts.len();
        if count < 2 {
            return Err(Unanalysable::TooFew { arm, count, what: "clusters with an exposed unit", needed: 2 });
        }
        let squares = |value: f64| value * value;
        let variance = parts.values().map(|(share, sum)| squares(sum / (1.0 - share))).sum::<f64>();
        let effective = 1.0 / parts.values().map(|(share, _)| squares(*share)).sum::<f64>();
        Ok(Self {
            units: rows.len(),
            mean,
            variance: variance * (count as f64 - 1.0) / count as f64,
            // One cluster with nearly all weight leaves next to nothing; a Student law has more than no degrees.
            degrees: (effective - 1.0).max(0.1),
        })
    }
}
