//! Switchback experiments: everybody is in one arm at a time, and the arm changes from period to period.

use super::clustered::by_cluster;
use super::effect::Effect;
use super::{Analysis, AnalysisBuild, Reads, Sample, Unanalysable};
use crate::registry::{Entry, Parameter};

/// The entry of `switchback`.
pub(super) const ENTRY: Entry<AnalysisBuild> = Entry {
    name: "switchback",
    summary: "difference of means over periods where all units switch arms together",
    source: "Bojinov, Simchi-Levi and Zhao 2023",
    parameters: &[Parameter::integer(
        "burn_in_periods",
        0,
        0,
        1_000_000,
        "periods left out after each switch, while the last arm carries over",
    )],
    build: |values| {
        let burn_in = usize::try_from(values.integer("burn_in_periods")).unwrap_or(usize::MAX);
        Ok(Box::new(Switchback { burn_in }))
    },
};

/// Means over periods, without the first ones of each run of periods in one arm; runs are the independent units.
///
/// Assumes that what an arm leaves behind is gone after the burn-in, and that time itself does not favour an arm, as when
/// the arm of each run was drawn at random. With a burn-in that is too short the effect is pulled towards 0.
///
/// Differences from the paper: 1. means of the kept periods in place of Horvitz-Thompson weights; 2. the variance is that
/// of runs as clusters.
#[derive(Debug)]
struct Switchback {
    burn_in: usize,
}

impl Analysis for Switchback {
    fn reads(&self) -> Reads {
        Reads::PERIOD
    }

    fn effects(&self, sample: &Sample<'_>, alpha: f64) -> Result<Vec<Effect>, Unanalysable> {
        sample.check()?;
        let periods = means(sample, sample.periods()?)?;
        let (mut arms, mut outcomes, mut runs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut run, mut begun) = (0, 0);
        for (index, (arm, mean)) in periods.iter().enumerate() {
            if index > 0 && periods[index - 1].0 != *arm {
                run += 1;
                begun = index;
            }
            if index - begun >= self.burn_in {
                arms.push(*arm);
                outcomes.push(*mean);
                runs.push(run);
            }
        }
        let kept = Sample::new(&arms, sample.arm_count, &outcomes);
        for (arm, count) in kept.counts().into_iter().enumerate() {
            if count < 2 {
                return Err(Unanalysable::TooFew { arm, count, what: "periods after the burn-in", needed: 2 });
            }
        }
        by_cluster(&kept, &runs, "runs of periods", alpha)
    }
}

/// Arm and mean outcome of every period, in order.
fn means(sample: &Sample<'_>, periods: &[u32]) -> Result<Vec<(u32, f64)>, Unanalysable> {
    let mut found = Vec::new();
    let mut row = 0;
    while row < periods.len() {
        let end = row + periods[row..].iter().take_while(|period| **period == periods[row]).count();
        let arm = sample.arms[row];
        if let Some(other) = sample.arms[row..end].iter().position(|other| *other != arm) {
            return Err(Unanalysable::MixedPeriod { row: row + other + 1 });
        }
        found.push((arm, sample.outcomes[row..end].iter().sum::<f64>() / (end - row) as f64));
        row = end;
    }
    Ok(found)
}
