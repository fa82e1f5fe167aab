//! The one array type of the public traits: a batch of rows in lane blocks.
//!
//! Rows are consumers. Storage is `[block][column][16]`: 16 rows stand side by side for each column, so that one
//! instruction handles 16 consumers. Accessors hide the layout; hot loops take whole blocks.

use crate::random::LANES;
use multiversion::multiversion;

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

/// y = bias + x·W for 16 rows at a time.
///
/// Each output is summed in the order of the inputs, starting from its bias, so that a row's result depends neither on
/// its lane nor on the instruction set.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearMap {
    inputs: usize,
    /// `[output][input]`.
    weights: Vec<f32>,
    biases: Vec<f32>,
}

impl LinearMap {
    /// The map to 0.
    #[must_use]
    pub fn new(inputs: usize, outputs: usize) -> Self {
        Self { inputs, weights: vec![0.0; outputs * inputs], biases: vec![0.0; outputs] }
    }

    /// From weights `[output][input]` and biases.
    ///
    /// # Panics
    /// Where there are not `inputs` weights for each bias.
    #[must_use]
    pub fn from_parts(inputs: usize, weights: Vec<f32>, biases: Vec<f32>) -> Self {
        assert_eq!(weights.len(), inputs * biases.len(), "each output has a weight for each input");
        Self { inputs, weights, biases }
    }

    /// Length of x.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Length of y.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.biases.len()
    }

    /// What `output` takes from `input`.
    #[must_use]
    pub fn weight(&self, input: usize, output: usize) -> f32 {
        self.weights[output * self.inputs + input]
    }

    /// What `output` takes from `input`, to be changed.
    pub fn weight_mut(&mut self, input: usize, output: usize) -> &mut f32 {
        &mut self.weights[output * self.inputs + input]
    }

    /// What `output` is where x is 0.
    #[must_use]
    pub fn bias(&self, output: usize) -> f32 {
        self.biases[output]
    }

    /// What `output` is where x is 0, to be changed.
    pub fn bias_mut(&mut self, output: usize) -> &mut f32 {
        &mut self.biases[output]
    }

    /// y of 16 rows from their x: a block of `inputs` columns to a block of `outputs` columns.
    #[inline]
    pub fn apply(&self, x: &[[f32; LANES]], y: &mut [[f32; LANES]]) {
        apply_in_lanes(&self.weights, &self.biases, x, y);
    }
}

/// A function of its own, so that where it is called from cannot change how it is compiled; four outputs at a time hide
/// the latency of an addition.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2", "x86_64+avx2"))]
fn apply_in_lanes(weights: &[f32], biases: &[f32], x: &[[f32; LANES]], y: &mut [[f32; LANES]]) {
    let mut outputs = 0;
    let mut quads = y.chunks_exact_mut(4);
    for quad in &mut quads {
        let row = |output: usize| &weights[(outputs + output) * x.len()..(outputs + output + 1) * x.len()];
        let (rows_0, rows_1, rows_2, rows_3) = (row(0), row(1), row(2), row(3));
        let mut sum_0 = [biases[outputs]; LANES];
        let mut sum_1 = [biases[outputs + 1]; LANES];
        let mut sum_2 = [biases[outputs + 2]; LANES];
        let mut sum_3 = [biases[outputs + 3]; LANES];
        for (index, input) in x.iter().enumerate() {
            add_scaled(&mut sum_0, input, rows_0[index]);
            add_scaled(&mut sum_1, input, rows_1[index]);
            add_scaled(&mut sum_2, input, rows_2[index]);
            add_scaled(&mut sum_3, input, rows_3[index]);
        }
        quad[0] = sum_0;
        quad[1] = sum_1;
        quad[2] = sum_2;
        quad[3] = sum_3;
        outputs += 4;
    }
    for sums in quads.into_remainder() {
        let mut sum = [biases[outputs]; LANES];
        for (input, &weight) in x.iter().zip(&weights[outputs * x.len()..(outputs + 1) * x.len()]) {
            add_scaled(&mut sum, input, weight);
        }
        *sums = sum;
        outputs += 1;
    }
}

#[inline(always)]
fn add_scaled(sum: &mut [f32; LANES], input: &[f32; LANES], weight: f32) {
    for lane in 0..LANES {
        sum[lane] += input[lane] * weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_map_sums_in_the_order_of_its_inputs() {
        let mut map = LinearMap::new(3, 11);
        for output in 0..11 {
            *map.bias_mut(output) = output as f32 * 0.5 - 1.0;
            for input in 0..3 {
                *map.weight_mut(input, output) = (input * 11 + output) as f32 / 7.0;
            }
        }
        let rows: Vec<Vec<f32>> = (0..16).map(|row| (0..3).map(|i| (row * 3 + i) as f32 / 3.0).collect()).collect();
        let slices: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let x = Matrix::from_rows(&slices);
        let mut y = Matrix::new(16, 11);
        map.apply(x.block(0), y.block_mut(0));
        for (row, values) in rows.iter().enumerate() {
            for output in 0..11 {
                let mut expected = map.bias(output);
                for (input, value) in values.iter().enumerate() {
                    expected += value * map.weight(input, output);
                }
                assert_eq!(y.get(row, output).to_bits(), expected.to_bits());
            }
        }
    }

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
