//! Stratified and post-stratified comparisons.

use super::effect::{Difference, Effect, satterthwaite};
use super::{Analysis, AnalysisBuild, Reads, Sample, Unanalysable};
use crate::registry::Entry;
use crate::statistics::Moments;
use std::collections::BTreeMap;

/// The entry of `stratified`.
pub(super) const ENTRY: Entry<AnalysisBuild> = Entry {
    name: "stratified",
    summary: "difference of means within strata, weighted by their size: stratified or post-stratified",
    source: "Miratrix, Sekhon and Yu 2013",
    parameters: &[],
    build: |_| Ok(Box::new(Stratified)),
};

/// `sum_h W_h (mean_1h - mean_0h)`, `W_h` the stratum's share of all units, with variance
/// `sum_h W_h^2 (s_1h^2/n_1h + s_0h^2/n_0h)`: that of a stratified design, and of post-stratification given how the units
/// fell.
///
/// Assumes strata known before the experiment, each with at least two units of every arm. With many small strata the
/// variances are noise; a stratum that the treatment itself changes makes the answer wrong.
#[derive(Debug)]
struct Stratified;

impl Analysis for Stratified {
    fn reads(&self) -> Reads {
        Reads::STRATUM
    }

    fn effects(&self, sample: &Sample<'_>, alpha: f64) -> Result<Vec<Effect>, Unanalysable> {
        sample.check()?;
        let strata = moments_by_stratum(sample, sample.strata()?);
        for (stratum, arms) in &strata {
            for (arm, moments) in arms.iter().enumerate() {
                if moments.count < 2.0 {
                    return Err(Unanalysable::EmptyStratum { stratum: *stratum, arm, count: moments.count as usize });
                }
            }
        }
        let counts = sample.counts();
        Ok((1..sample.arm_count).map(|arm| compare(&strata, &counts, arm, alpha)).collect())
    }
}

type ByStratum = BTreeMap<u32, Vec<Moments>>;

fn compare(strata: &ByStratum, counts: &[usize], arm: usize, alpha: f64) -> Effect {
    let all = counts.iter().sum::<usize>() as f64;
    let shares = strata.values().map(|arms| (arms, arms.iter().map(|moments| moments.count).sum::<f64>() / all));
    let level = |arm: usize| shares.clone().map(|(arms, share)| share * arms[arm].mean).sum::<f64>();
    let parts = shares.clone().flat_map(|(arms, share)| {
        [0, arm].map(|arm| (share * share * arms[arm].variance() / arms[arm].count, arms[arm].count - 1.0))
    });
    let variance: f64 = parts.clone().map(|(variance, _)| variance).sum();
    let (control, treated) = (level(0), level(arm));
    Difference {
        arm,
        units: [counts[0], counts[arm]],
        control,
        treated,
        effect: treated - control,
        standard_error: variance.sqrt(),
    }
    .by_student(satterthwaite(parts), alpha)
}

fn moments_by_stratum(sample: &Sample<'_>, strata: &[u32]) -> ByStratum {
    let mut found = ByStratum::new();
    for (row, stratum) in strata.iter().enumerate() {
        let arms = found.entry(*stratum).or_insert_with(|| vec![Moments::default(); sample.arm_count]);
        let moments = &mut arms[sample.arms[row] as usize];
        moments.count += 1.0;
        moments.mean += sample.outcomes[row];
    }
    for moments in found.values_mut().flatten() {
        moments.mean /= moments.count.max(1.0);
    }
    for (row, stratum) in strata.iter().enumerate() {
        if let Some(arms) = found.get_mut(stratum) {
            let moments = &mut arms[sample.arms[row] as usize];
            let deviation = sample.outcomes[row] - moments.mean;
            moments.squares += deviation * deviation;
        }
    }
    found
}
