//! Matrix products through the `gemm` crate.

use crate::cpu::values::Float;
use gemm::Parallelism;

/// Entries to leave between the rows of a matrix that is created for a product. Rows whose distance
/// is a power of two would compete for the same few lines of the first-level cache.
pub(in crate::cpu) const GAP: usize = 16;

/// A strided view of a matrix.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Matrix<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// Creates a view of consecutive rows in `data`.
    pub(in crate::cpu) fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// Creates a view of rows in `data` with row stride `stride`.
    pub(in crate::cpu) fn strided(
        data: &'a [T],
        rows: usize,
        columns: usize,
        stride: usize,
    ) -> Self {
        Self { row_stride: stride, ..Self::new(data, rows, columns) }
    }

    pub(in crate::cpu) fn columns(&self) -> usize {
        self.columns
    }

    /// Returns the transposed view.
    pub(in crate::cpu) fn transpose(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Returns the number of entries that the view may access, counted from the start of `data`.
    fn extent(&self) -> usize {
        if self.rows == 0 || self.columns == 0 {
            0
        } else {
            (self.rows - 1) * self.row_stride + (self.columns - 1) * self.column_stride + 1
        }
    }
}

/// Computes `out <- a b`, or `out <- out + a b` if `add`; `out` is row-major and contiguous. Runs
/// on the calling thread only.
pub(in crate::cpu) fn multiply<T: Float>(out: &mut [T], a: Matrix<T>, b: Matrix<T>, add: bool) {
    let stride = b.columns;
    multiply_strided(out, stride, a, b, add);
}

/// Same as [`multiply`], for rows of `out` that are `stride` apart; the entries between them are
/// unchanged.
pub(in crate::cpu) fn multiply_strided<T: Float>(
    out: &mut [T],
    stride: usize,
    a: Matrix<T>,
    b: Matrix<T>,
    add: bool,
) {
    assert_eq!(a.columns, b.rows, "inner sizes of a product");
    assert!(
        a.extent() <= a.data.len() && b.extent() <= b.data.len(),
        "the operands of a product are within their slices"
    );
    let extent = Matrix::strided(&*out, a.rows, b.columns, stride).extent();
    assert!(stride >= b.columns && extent <= out.len(), "a product is within its slice");
    let beta = if add { T::one() } else { T::zero() };
    // SAFETY: for every row i and column j of a view, i * row_stride + j * column_stride < extent()
    // <= length of its slice, so no access leaves it; the rows of `out` do not overlap. All entries
    // are initialised; `out` is borrowed mutably and thus overlaps neither operand. `T` is f32 or
    // f64, which `gemm` supports. Sizes of slices fit an isize.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out.as_mut_ptr(),
            1,
            stride as isize,
            add,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            beta,
            T::one(),
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_agree_with_the_definition() {
        // Miri is slow: its largest product still needs more than one tile of an AVX2 kernel.
        let large = if cfg!(miri) { (13, 9, 5) } else { (17, 33, 65) };
        for (m, n, k) in [(1, 1, 1), (3, 5, 4), (7, 1, 9), (1, 6, 3), large] {
            let a: Vec<f64> = (0..m * k).map(|i| ((i * 7) % 11) as f64 - 5.0).collect();
            let b: Vec<f64> = (0..k * n).map(|i| ((i * 5) % 13) as f64 - 6.0).collect();
            let turned = |v: &[f64], rows: usize, columns: usize| -> Vec<f64> {
                (0..rows * columns).map(|i| v[i % rows * columns + i / rows]).collect()
            };
            let (at, bt) = (turned(&a, m, k), turned(&b, k, n));
            let expected: Vec<f64> = (0..m * n)
                .map(|i| (0..k).map(|p| a[i / n * k + p] * b[p * n + i % n]).sum())
                .collect();
            for a in [Matrix::new(&a, m, k), Matrix::new(&at, k, m).transpose()] {
                for b in [Matrix::new(&b, k, n), Matrix::new(&bt, n, k).transpose()] {
                    let mut out = vec![1.0; m * n];
                    multiply(&mut out, a, b, true);
                    assert!(out.iter().zip(&expected).all(|(o, e)| *o == e + 1.0), "{m} {n} {k}");
                    multiply(&mut out, a, b, false);
                    assert_eq!(out, expected, "{m} {n} {k}");
                }
            }
        }
    }
}
