//! Ratio metrics, such as revenue per visit, where the unit of randomisation is not the unit of the denominator.

use super::clustered::by_deviations;
use super::effect::{Difference, Effect, satterthwaite};
use super::{Analysis, AnalysisBuild, Reads, Sample, Unanalysable};
use crate::registry::Entry;
use crate::statistics::Moments;

/// The entry of `ratio`.
pub(super) const ENTRY: Entry<AnalysisBuild> = Entry {
    name: "ratio",
    summary: "difference of ratios of sums (such as orders per visit) by the delta method",
    source: "Deng, Knoblich and Lu 2018, section 3",
    parameters: &[],
    build: |_| Ok(Box::new(Ratio)),
};

/// `R_a = sum y / sum d` of each arm, compared with the variance of `(y - R_a d) / mean d` over units.
///
/// Where units belong to clusters (one consumer with several rows, or a community that was randomised as one), the same is
/// summed over each cluster first: the delta method on sums by cluster, with the variance of `clustered`.
///
/// Assumes independent units, or clusters, and a mean denominator far from 0 in standard errors; the ratio is biased by the order of
/// 1/n. It compares ratios of sums, not means of ratios: units with large denominators count for more.
#[derive(Debug)]
struct Ratio;

impl Analysis for Ratio {
    fn reads(&self) -> Reads {
        Reads::DENOMINATOR
    }

    fn effects(&self, sample: &Sample<'_>, alpha: f64) -> Result<Vec<Effect>, Unanalysable> {
        sample.check()?;
        let denominators = sample.denominators()?;
        let (tops, bottoms) = (sample.moments(sample.outcomes), sample.moments(denominators));
        for (arm, bottom) in bottoms.iter().enumerate() {
            if bottom.mean <= 0.0 {
                return Err(Unanalysable::Denominator { arm, sum: bottom.mean * bottom.count });
            }
        }
        let ratios: Vec<f64> = tops.iter().zip(&bottoms).map(|(top, bottom)| top.mean / bottom.mean).collect();
        let residuals: Vec<f64> = (0..sample.arms.len())
            .map(|row| {
                let arm = sample.arms[row] as usize;
                (sample.outcomes[row] - ratios[arm] * denominators[row]) / bottoms[arm].mean
            })
            .collect();
        let spreads = sample.moments(&residuals);
        let level = |arm: usize| Moments { mean: ratios[arm], ..spreads[arm] };
        if let Some(clusters) = sample.clusters {
            let levels: Vec<Moments> = (0..sample.arm_count).map(level).collect();
            return by_deviations(sample, clusters, &levels, |row, _| residuals[row], "clusters", alpha);
        }
        let parts = |arm: usize| (spreads[arm].variance() / spreads[arm].count, spreads[arm].count - 1.0);
        let effect = |arm: usize| {
            let parts = [parts(0), parts(arm)];
            let standard_error = (parts[0].0 + parts[1].0).sqrt();
            Difference::of(arm, &level(0), &level(arm), standard_error)
                .by_student(satterthwaite(parts.into_iter()), alpha)
        };
        Ok((1..sample.arm_count).map(effect).collect())
    }
}
