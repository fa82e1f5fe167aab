//! Groups of consumers who look alike: k-means on observed features, learned as consumers come by.
//!
//! The first [`SEEDING_ROWS`] rows are kept; then centres are put on the row nearest to their mean and, one after the other,
//! on the row farthest from all centres so far (Gonzalez 1985), moved by ten rounds of Lloyd's algorithm (1957, published
//! 1982), and from then on by MacQueen's (1967): each row pulls its nearest centre by 1 / (rows of that centre). Until
//! then all rows are in group 0. Nothing is drawn by chance; of equally near centres the first is taken.

use crate::matrix::Matrix;
use crate::random::LANES;
use serde::{Deserialize, Serialize};

/// Rows that the first centres are made of.
pub(super) const SEEDING_ROWS: usize = 512;
const ROUNDS: usize = 10;

/// Centres in the space of some features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Clusters {
    count: usize,
    /// The features that are looked at.
    columns: Vec<usize>,
    /// Rows that wait for the first centres, `[row][column]`.
    waiting: Vec<f32>,
    /// `[cluster][column]`; empty before the first.
    centres: Vec<f32>,
    /// Rows that each centre is the mean of.
    sizes: Vec<f32>,
}

impl Clusters {
    /// No centres yet, at most `count` of them.
    pub(super) fn new(count: usize, columns: Vec<usize>) -> Self {
        Self { count: count.max(1), columns, waiting: Vec::new(), centres: Vec::new(), sizes: Vec::new() }
    }

    /// Whether there are centres.
    pub(super) fn are_known(&self) -> bool {
        !self.sizes.is_empty()
    }

    /// The nearest centre of each row.
    pub(super) fn assign(&self, features: &Matrix, rows: usize, nearest: &mut Vec<u16>) {
        nearest.clear();
        nearest.resize(rows, 0);
        if self.sizes.len() > 1 && !self.columns.is_empty() {
            for (block, nearest) in nearest.chunks_mut(LANES).enumerate() {
                nearest_in_lanes(&self.centres, &self.columns, features.block(block), nearest);
            }
        }
    }

    /// Learns from rows whose nearest centres are given. True where centres have just been found.
    pub(super) fn learn(&mut self, features: &Matrix, nearest: &[u16]) -> bool {
        let width = self.columns.len();
        let known = self.are_known();
        for (row, &cluster) in nearest.iter().enumerate() {
            let values = self.columns.iter().map(|&column| features.get(row, column));
            if known {
                let cluster = usize::from(cluster);
                self.sizes[cluster] += 1.0;
                let pull = 1.0 / self.sizes[cluster];
                let centre = &mut self.centres[cluster * width..(cluster + 1) * width];
                centre.iter_mut().zip(values).for_each(|(centre, value)| *centre += pull * (value - *centre));
            } else if self.waiting.len() < SEEDING_ROWS * width {
                self.waiting.extend(values);
            }
        }
        let is_time = !known && width > 0 && self.waiting.len() >= SEEDING_ROWS * width;
        if is_time {
            self.seed();
        }
        is_time
    }

    /// Puts the first centres among the waiting rows.
    fn seed(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let rows: Vec<&[f32]> = waiting.chunks_exact(self.columns.len()).collect();
        let mut centres = vec![mean(rows.iter().copied(), self.columns.len())];
        let to_mean: Vec<f32> = rows.iter().map(|row| -distance(row, &centres[0])).collect();
        centres[0] = rows[farthest(&to_mean)].to_vec();
        let mut to_nearest: Vec<f32> = rows.iter().map(|row| distance(row, &centres[0])).collect();
        while centres.len() < self.count {
            let next = farthest(&to_nearest);
            if to_nearest[next] <= 0.0 {
                break;
            }
            centres.push(rows[next].to_vec());
            for (near, row) in to_nearest.iter_mut().zip(&rows) {
                *near = near.min(distance(row, rows[next]));
            }
        }
        let mut members = vec![0; rows.len()];
        for _ in 0..ROUNDS {
            for (member, row) in members.iter_mut().zip(&rows) {
                let away: Vec<f32> = centres.iter().map(|centre| -distance(row, centre)).collect();
                *member = farthest(&away);
            }
            for (cluster, centre) in centres.iter_mut().enumerate() {
                let own = || rows.iter().zip(&members).filter(|(_, member)| **member == cluster).map(|(row, _)| *row);
                if own().next().is_some() {
                    *centre = mean(own(), self.columns.len());
                }
            }
        }
        self.sizes = (0..centres.len())
            .map(|cluster| members.iter().filter(|member| **member == cluster).count().max(1) as f32)
            .collect();
        self.centres = centres.concat();
    }
}

fn distance(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).fold(0.0, |sum, (one, other)| sum + (one - other) * (one - other))
}

fn mean<'a>(rows: impl Iterator<Item = &'a [f32]>, width: usize) -> Vec<f32> {
    let (mut sums, mut count) = (vec![0.0_f64; width], 0.0);
    for row in rows {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        count += 1.0;
    }
    sums.iter().map(|sum| (sum / count) as f32).collect()
}

/// Place of the greatest, of equals the first.
fn farthest(distances: &[f32]) -> usize {
    (0..distances.len()).fold(0, |best, place| if distances[place] > distances[best] { place } else { best })
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn nearest_in_lanes(centres: &[f32], columns: &[usize], features: &[[f32; LANES]], nearest: &mut [u16]) {
    let mut best = [f32::INFINITY; LANES];
    let mut found = [0.0; LANES];
    for (cluster, centre) in centres.chunks_exact(columns.len()).enumerate() {
        let mut sum = [0.0; LANES];
        for (&column, &value) in columns.iter().zip(centre) {
            let seen = &features[column];
            for lane in 0..LANES {
                sum[lane] += (seen[lane] - value) * (seen[lane] - value);
            }
        }
        for lane in 0..LANES {
            let nearer = sum[lane] < best[lane];
            best[lane] = if nearer { sum[lane] } else { best[lane] };
            found[lane] = if nearer { cluster as f32 } else { found[lane] };
        }
    }
    nearest.iter_mut().zip(found).for_each(|(nearest, found)| *nearest = found as u16);
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::random::{Purpose, Seed};

    const CENTRES: [[f32; 2]; 3] = [[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]];

    /// Rows around three centres, in turn; a third column is noise that nobody looks at.
    pub(in crate::agent) fn rows(count: u32, tick: u32) -> Matrix {
        let dense: Vec<[f32; 3]> = (0..count)
            .map(|row| {
                let [u, v, w, _] = Seed::new(8).uniforms(Purpose::Problem, row, tick, 7);
                let [x, y] = CENTRES[row as usize % 3];
                [x + 2.0 * (u - 0.5), y + 2.0 * (v - 0.5), 900.0 * w]
            })
            .collect();
        let slices: Vec<&[f32]> = dense.iter().map(<[f32; 3]>::as_slice).collect();
        Matrix::from_rows(&slices)
    }

    #[test]
    fn three_clouds_are_found_and_told_apart() {
        let mut clusters = Clusters::new(3, vec![0, 1]);
        let mut nearest = Vec::new();
        for tick in 0..20 {
            let features = rows(100, tick);
            clusters.assign(&features, 100, &mut nearest);
            let found = clusters.learn(&features, &nearest);
            assert_eq!(found, tick == 5, "512 rows are there in the sixth batch");
        }
        clusters.assign(&rows(100, 50), 100, &mut nearest);
        assert!((3..100).all(|row| nearest[row] == nearest[row % 3]));
        assert!(nearest[0] != nearest[1] && nearest[1] != nearest[2] && nearest[0] != nearest[2]);
        // Means of 1,912 / 3 uniforms of width 2: standard error 0.023.
        for (kind, centre) in CENTRES.iter().enumerate() {
            let found = &clusters.centres[usize::from(nearest[kind]) * 2..][..2];
            assert!(distance(found, centre).sqrt() < 0.1, "{found:?}");
        }
    }

    #[test]
    fn fewer_kinds_than_centres_are_no_fault() {
        let mut clusters = Clusters::new(5, vec![0]);
        let features = Matrix::from_rows(&[&[1.0_f32][..], &[2.0]].repeat(300));
        assert!(clusters.learn(&features, &[0; 600]));
        assert_eq!(clusters.sizes, vec![256.0, 256.0]);
        let mut nearest = Vec::new();
        clusters.assign(&Matrix::from_rows(&[&[1.1_f32][..], &[1.9]]), 2, &mut nearest);
        assert_ne!(nearest[0], nearest[1]);
    }
}
