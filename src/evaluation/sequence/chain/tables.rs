//! Sums and means over the rows of each cell, of all trajectories or of all but those of a fold.

use super::super::returns::CHUNK_TRAJECTORIES;
use super::{Chain, Solution};
use rayon::prelude::*;

/// Parts of the trajectories that are summed side by side, at most; part of every result, as is their order.
const PARTS: usize = 8;
/// Numbers that the sums of all folds may take; 256 MiB.
const MOST_SUMS: usize = 1 << 25;

/// Means over the rows of each cell.
#[derive(Clone)]
pub(in super::super) struct Tables {
    /// Total count of the rows of each cell.
    pub counts: Vec<f64>,
    /// The same of rows whose successor is known, those after which nothing comes included.
    pub followed: Vec<f64>,
    pub(super) rewards: Vec<f64>,
    /// `links × width`: means of what comes after.
    pub(super) successors: Vec<f64>,
    /// Share of the trajectories that start in each cell, by the target's law.
    pub starts: Vec<f64>,
}

impl Tables {
    fn columns(&mut self) -> [&mut Vec<f64>; 5] {
        [&mut self.counts, &mut self.followed, &mut self.rewards, &mut self.successors, &mut self.starts]
    }

    fn add(&mut self, other: &Self) {
        let others = [&other.counts, &other.followed, &other.rewards, &other.successors, &other.starts];
        for (column, other) in self.columns().into_iter().zip(others) {
            column.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
        }
    }
}

impl Chain<'_> {
    fn empty(&self) -> Tables {
        let cells = self.states * self.width;
        Tables {
            counts: vec![0.0; cells],
            followed: vec![0.0; cells],
            rewards: vec![0.0; cells],
            successors: vec![0.0; self.links.len() * self.width],
            starts: vec![0.0; cells],
        }
    }

    /// Means over rows, where the rows of trajectory i count `counts[i]` times.
    pub fn tables(&self, counts: &[f64]) -> Tables {
        // Parts are worth it where there is more to add up than to put together.
        let size = self.links.len().max(self.states) * self.width;
        let parts = (self.log.rows() * self.width / (4 * size)).clamp(1, PARTS);
        let length = self.log.len().div_ceil(parts).next_multiple_of(CHUNK_TRAJECTORIES);
        let part = |first: usize| {
            let mut sums = self.empty();
            (first..(first + length).min(self.log.len()))
                .for_each(|trajectory| self.count(trajectory, counts[trajectory], &mut sums));
            sums
        };
        let sums: Vec<Tables> =
            (0..self.log.len().div_ceil(length)).into_par_iter().map(|own| part(own * length)).collect();
        let mut sums = sums.into_iter();
        let mut all = sums.next().unwrap_or_else(|| self.empty());
        sums.for_each(|part| all.add(&part));
        self.means(all, counts.iter().sum())
    }

    /// By fold, the values from all trajectories but those of the fold; `None` where there are no others.
    pub fn solutions(&self, folds: &[u32], count: u32) -> Vec<Option<Solution>> {
        let is_in = |fold: u32| (0..self.log.len()).filter(move |trajectory| folds[*trajectory] == fold);
        let sums = |fold: u32| {
            let mut sums = self.empty();
            is_in(fold).for_each(|trajectory| self.count(trajectory, 1.0, &mut sums));
            sums
        };
        let size = self.links.len().max(self.states) * self.width;
        let kept: Vec<Tables> = if size.saturating_mul(count as usize) <= MOST_SUMS {
            (0..count).into_par_iter().map(sums).collect()
        } else {
            Vec::new()
        };
        let solution = |fold: u32| {
            let others = self.log.len() - is_in(fold).count();
            let mut all = self.empty();
            for other in (0..count).filter(|other| *other != fold) {
                match kept.get(other as usize) {
                    Some(own) => all.add(own),
                    None => is_in(other).for_each(|trajectory| self.count(trajectory, 1.0, &mut all)),
                }
            }
            (others > 0).then(|| self.solve(&self.means(all, others as f64)))
        };
        if kept.is_empty() {
            (0..count).map(solution).collect()
        } else {
            (0..count).into_par_iter().map(solution).collect()
        }
    }

    fn means(&self, mut tables: Tables, total: f64) -> Tables {
        tables.starts.iter_mut().for_each(|start| *start /= total);
        for cell in 0..tables.counts.len() {
            if tables.counts[cell] > 0.0 {
                tables.rewards[cell] /= tables.counts[cell];
            }
            if tables.followed[cell] > 0.0 {
                let links = self.links_of(cell);
                let own = &mut tables.successors[links.start * self.width..links.end * self.width];
                own.iter_mut().for_each(|successor| *successor /= tables.followed[cell]);
            }
        }
        tables
    }

    fn count(&self, trajectory: usize, count: f64, tables: &mut Tables) {
        if count <= 0.0 {
            return;
        }
        let rows = self.log.rows_of(trajectory);
        let start = self.state(rows.start, 0) * self.width;
        for (share, probability) in tables.starts[start..].iter_mut().zip(self.law(rows.start)) {
            *share += count * probability;
        }
        for (step, row) in rows.clone().enumerate() {
            let (cell, weight) = (self.cell(row, step), count * self.weight(row));
            tables.counts[cell] += weight;
            tables.rewards[cell] += weight * self.log.rewards[row];
            if row + 1 < rows.end {
                tables.followed[cell] += weight;
                let own = &mut tables.successors[self.link_of_row[row] as usize * self.width..][..self.width];
                for (successor, probability) in own.iter_mut().zip(self.law(row + 1)) {
                    *successor += weight * probability;
                }
            } else if self.log.terminated[trajectory] {
                tables.followed[cell] += weight;
            }
        }
    }
}
