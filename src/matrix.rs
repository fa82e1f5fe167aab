//! The one array type of the public traits: a batch of rows in lane blocks.
//!
//! Rows are consumers. Storage is `[block][column][16]`: 16 rows stand side by side for each column, so that one
//! instruction handles 16 consumers. Accessors hide the layout; hot loops take whole blocks.

use crate::random::LANES;

/// A batch of `rows` × `columns` values in `f32`. Lanes beyond the last row are padding, kept at 0 by `reset`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    values: Vec<[f32; LANES]>,
}

impl Matrix {
    /// A matrix of zeros.
    #[must_use]
    pub fn new(rows: usize, columns: usize) -> Self {
        let mut matrix = Self::default();
        matrix.reset(rows, columns);
        matrix
    }

    /// A matrix from dense rows of equal length.
    ///
    /// # Panics
    /// Where the rows differ in length.
    #[must_use]
    pub fn from_rows(rows: &[&[f32]]) -> Self {
        let columns = rows.first().map_or(0, |row| row.len());
        let mut matrix = Self::new(rows.len(), columns);
        for (index, row) in rows.iter().enumerate() {
            matrix.set_row(index, row);
        }
        matrix
    }

    /// Gives it this shape, all zeros, keeping its allocation.
    pub fn reset(&mut self, rows: usize, columns: usize) {
        self.rows = rows;
        self.columns = columns;
        self.values.clear();
        self.values.resize(rows.div_ceil(LANES) * columns, [0.0; LANES]);
    }

    /// Gives it this shape; values are unspecified (old ones or zeros) and are to be overwritten.
    pub fn reshape(&mut self, rows: usize, columns: usize) {
        self.rows = rows;
        self.columns = columns;
        self.values.resize(rows.div_ceil(LANES) * columns, [0.0; LANES]);
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The value at (row, column).
    #[inline]
    #[must_use]
    pub fn get(&self, row: usize, column: usize) -> f32 {
        self.values[row / LANES * self.columns + column][row % LANES]
    }

    /// Writes the value at (row, column).
    #[inline]
    pub fn set(&mut self, row: usize, column: usize, value: f32) {
        self.values[row / LANES * self.columns + column][row % LANES] = value;
    }

    /// Copies a row into a dense slice of `columns` values.
    #[inline]
    pub fn copy_row(&self, row: usize, dense: &mut [f32]) {
        let lane = row % LANES;
        for (value, lanes) in dense.iter_mut().zip(self.block(row / LANES)) {
            *value = lanes[lane];
        }
    }

    /// Writes a dense row.
    ///
    /// # Panics
    /// Where the slice is not `columns` long.
    #[inline]
    pub fn set_row(&mut self, row: usize, dense: &[f32]) {
        assert_eq!(dense.len(), self.columns, "a row has one value per column");
        let lane = row % LANES;
        for (lanes, value) in self.block_mut(row / LANES).iter_mut().zip(dense) {
            lanes[lane] = *value;
        }
    }

    /// A row as a new vector (for tests and cold code).
    #[must_use]
    pub fn row(&self, row: usize) -> Vec<f32> {
        let mut dense = vec![0.0; self.columns];
        self.copy_row(row, &mut dense);
        dense
    }

    /// Number of 16-row blocks.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.rows.div_ceil(LANES)
    }

    /// One block: `columns` entries of 16 lanes.
    #[inline]
    #[must_use]
    pub fn block(&self, block: usize) -> &[[f32; LANES]] {
        &self.values[block * self.columns..(block + 1) * self.columns]
    }

    /// One block, to be written.
    #[inline]
    pub fn block_mut(&mut self, block: usize) -> &mut [[f32; LANES]] {
        &mut self.values[block * self.columns..(block + 1) * self.columns]
    }

    /// Copies shape and values, keeping the allocation.
    pub fn copy_from(&mut self, other: &Self) {
        self.rows = other.rows;
        self.columns = other.columns;
        self.values.clear();
        self.values.extend_from_slice(&other.values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_lanes_name_the_same_values() {
        let mut matrix = Matrix::new(19, 3);
        for row in 0..19 {
            for column in 0..3 {
                matrix.set(row, column, (row * 10 + column) as f32);
            }
        }
        assert_eq!(matrix.row(17), vec![170.0, 171.0, 172.0]);
        assert_eq!(matrix.block(1)[2][1], 172.0);
        assert_eq!(matrix.blocks(), 2);
        let mut copy = Matrix::default();
        copy.copy_from(&matrix);
        assert_eq!(copy, matrix);
        copy.reset(2, 2);
        assert_eq!(copy, Matrix::from_rows(&[&[0.0, 0.0], &[0.0, 0.0]]));
    }
}
