//! Transposition of rows to columns.

use super::number::Number;
use super::{FEW, LANES};

/// Transposes up to eight rows to columns. Lanes without a row repeat the first row.
#[inline(always)]
pub(super) fn transposed<'a, T: Number>(
    rows: &[T],
    classes: usize,
    columns: &'a mut [[T; LANES]; FEW],
) -> &'a [[T; LANES]] {
    let columns = &mut columns[..classes];
    if rows.len() < LANES * classes || !T::transpose(rows, classes, columns) {
        transpose_each(rows, classes, columns);
    }
    columns
}

fn transpose_each<T: Number>(rows: &[T], classes: usize, columns: &mut [[T; LANES]]) {
    for lane in 0..LANES {
        let start = if (lane + 1) * classes <= rows.len() { lane * classes } else { 0 };
        for (column, &score) in columns.iter_mut().zip(&rows[start..start + classes]) {
            column[lane] = score;
        }
    }
}
