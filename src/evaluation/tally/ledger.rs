//! Many sums of each of many units, added to in the order of the rounds.
//!
//! Units come in any order, so that every round touches memory that is not at hand. Eight columns lie side by side for each
//! unit, a line of the cache: a round touches one line for eight sums, instead of one for each.

use rayon::prelude::*;

/// Columns that lie side by side.
const LANES: usize = 8;
type Line = [f64; LANES];

/// Columns of sums.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    columns: usize,
    /// By block of columns and unit.
    blocks: Vec<Vec<Line>>,
}

impl Ledger {
    /// With so many columns, and no units.
    pub(super) fn new(columns: usize) -> Self {
        Self { columns, blocks: vec![Vec::new(); columns.div_ceil(LANES)] }
    }

    /// One more column, of zeros: its number.
    pub(super) fn open(&mut self) -> usize {
        self.columns += 1;
        let units = self.blocks.first().map_or(0, Vec::len);
        self.blocks.resize_with(self.columns.div_ceil(LANES), || vec![[0.0; LANES]; units]);
        self.columns - 1
    }

    /// Adds the entries of each column to the units of the rounds, of which there are `count` now. A column without entries
    /// stays as it is.
    pub(super) fn book(&mut self, entries: &[&[f64]], units: &[u32], count: usize) {
        let zeros = vec![0.0; units.len()];
        self.blocks.par_iter_mut().enumerate().for_each(|(block, lines)| {
            lines.resize(count, [0.0; LANES]);
            let lane = |lane: usize| match entries.get(block * LANES + lane) {
                Some(entries) if !entries.is_empty() => &entries[..units.len()],
                _ => &zeros,
            };
            add(lines, units, std::array::from_fn(lane));
        });
    }

    /// Merges units into groups.
    pub(super) fn merge(&mut self, groups: &[u32], count: usize) {
        for lines in &mut self.blocks {
            let mut merged = vec![[0.0; LANES]; count];
            for (line, group) in lines.iter().zip(groups) {
                let sums = &mut merged[*group as usize];
                sums.iter_mut().zip(line).for_each(|(sum, own)| *sum += own);
            }
            *lines = merged;
        }
    }

    /// The sums of a column, by unit.
    pub(super) fn column(&self, column: usize) -> impl Iterator<Item = f64> {
        self.blocks[column / LANES].iter().map(move |line| line[column % LANES])
    }
}

fn add(lines: &mut [Line], units: &[u32], entries: [&[f64]; LANES]) {
    for (round, unit) in units.iter().enumerate() {
        let line = &mut lines[*unit as usize];
        for lane in 0..LANES {
            line[lane] += entries[lane][round];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_summed_by_unit_and_column_and_merged_by_group() {
        let mut ledger = Ledger::new(3);
        let ones = [1.0; 4];
        ledger.book(&[&ones, &[1.0, 2.0, 3.0, 4.0], &[]], &[0, 1, 0, 2], 3);
        // Columns beyond a block, opened when units are there already.
        let late: Vec<usize> = (0..8).map(|_| ledger.open()).collect();
        assert_eq!((late[0], late[7]), (3, 10));
        let mut entries: Vec<&[f64]> = vec![&[]; 11];
        entries[10] = &[0.5];
        ledger.book(&entries, &[3], 4);
        let column = |ledger: &Ledger, column| ledger.column(column).collect::<Vec<f64>>();
        assert_eq!(column(&ledger, 0), [2.0, 1.0, 1.0, 0.0]);
        assert_eq!(column(&ledger, 1), [4.0, 2.0, 4.0, 0.0]);
        assert_eq!((column(&ledger, 2), column(&ledger, 10)), (vec![0.0; 4], vec![0.0, 0.0, 0.0, 0.5]));
        ledger.merge(&[1, 0, 1, 0], 2);
        assert_eq!((column(&ledger, 1), column(&ledger, 10)), (vec![2.0, 8.0], vec![0.5, 0.0]));
    }
}
