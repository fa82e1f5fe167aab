//! Products of matrices, on the thread that asks for them.
//!
//! candle's own asks the operating system at every product how many cores there are, which takes longer than the small
//! products of a network; and threads would mix into the work of shards. Sums are taken in an order that depends on shapes
//! and instruction set alone.

use super::values;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

/// A·B, or Aᵀ·B; neither is differentiated.
///
/// # Errors
/// Where shapes do not fit.
pub fn product(a: &Tensor, b: &Tensor, transposed: bool) -> Result<Tensor> {
    a.contiguous()?.apply_op2_no_bwd(&b.contiguous()?, &Product { transposed })
}

/// The sum of each column; not differentiated.
///
/// # Errors
/// Where it is no matrix.
pub fn column_sums(a: &Tensor) -> Result<Tensor> {
    a.contiguous()?.apply_op1_no_bwd(&ColumnSums)
}

/// `onto += x·Wᵀ`: x is `rows × inputs`, W `outputs × inputs`.
pub(super) fn add_product(x: &[f32], weight: &[f32], inputs: usize, outputs: usize, onto: &mut [f32]) -> Result<()> {
    let rows = onto.len() / outputs.max(1);
    let x = view(x, rows, inputs)?;
    let weight = view(weight, outputs, inputs)?;
    general_mat_mul(1.0, &x, &weight.t(), 1.0, &mut view_mut(onto, rows, outputs)?);
    Ok(())
}

fn view(values: &[f32], rows: usize, columns: usize) -> Result<ArrayView2<'_, f32>> {
    ArrayView2::from_shape((rows, columns), values).map_err(candle_core::Error::wrap)
}

fn view_mut(values: &mut [f32], rows: usize, columns: usize) -> Result<ArrayViewMut2<'_, f32>> {
    ArrayViewMut2::from_shape((rows, columns), values).map_err(candle_core::Error::wrap)
}

struct Product {
    transposed: bool,
}

impl CustomOp2 for Product {
    fn name(&self) -> &'static str {
        "product"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((rows, columns), (inner, width)) = (a_layout.shape().dims2()?, b_layout.shape().dims2()?);
        let a = view(values(a, a_layout)?, rows, columns)?;
        let (a, rows, columns) = if self.transposed { (a.reversed_axes(), columns, rows) } else { (a, rows, columns) };
        if columns != inner {
            bail!("a product of {rows} × {columns} and {inner} × {width}");
        }
        let mut found = vec![0.0; rows * width];
        general_mat_mul(
            1.0,
            &a,
            &view(values(b, b_layout)?, inner, width)?,
            0.0,
            &mut view_mut(&mut found, rows, width)?,
        );
        Ok((CpuStorage::F32(found), (rows, width).into()))
    }
}

struct ColumnSums;

impl CustomOp1 for ColumnSums {
    fn name(&self) -> &'static str {
        "column_sums"
    }

    fn cpu_fwd(&self, a: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, columns) = layout.shape().dims2()?;
        let mut sums = vec![0.0_f32; columns];
        if columns > 0 {
            for row in values(a, layout)?.chunks_exact(columns) {
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
        }
        Ok((CpuStorage::F32(sums), columns.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::like;
    use super::*;

    #[test]
    fn products_and_sums_by_hand() {
        let a = like(&(2, 3).into(), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let b = like(&(3, 1).into(), vec![1.0, 0.0, -1.0]).unwrap();
        let found = |tensor: Result<Tensor>| tensor.unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(found(product(&a, &b, false)), [-2.0, -2.0]);
        let c = like(&(2, 1).into(), vec![1.0, 10.0]).unwrap();
        assert_eq!(found(product(&a, &c, true)), [41.0, 52.0, 63.0]);
        assert_eq!(found(column_sums(&a)), [5.0, 7.0, 9.0]);
        assert!(product(&a, &a, false).is_err());
    }
}
