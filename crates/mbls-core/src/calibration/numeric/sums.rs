//! Sums in twice the precision of f64, so that rounding does not hide the effect of a step.

use crate::parallel::map;

use crate::calibration::numeric::rows::CHUNK;

/// A sum with its rounding error, by Knuth's exact sum of two numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::calibration) struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    #[inline(always)]
    pub(in crate::calibration) fn add(&mut self, value: f64) {
        let sum = self.high + value;
        let part = sum - self.high;
        self.low += (self.high - (sum - part)) + (value - part);
        self.high = sum;
    }

    pub(in crate::calibration) fn merge(&mut self, other: Self) {
        self.add(other.high);
        self.low += other.low;
    }

    pub(in crate::calibration) fn value(self) -> f64 {
        self.high + self.low
    }
}

/// Returns the sum of some numbers.
pub(in crate::calibration) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let mut sum = Sum::default();
    values.for_each(|value| sum.add(value));
    sum.value()
}

/// Rows whose terms are added in plain f64 before they are added exactly, which bounds the
/// roundings.
const ROWS: usize = 16;

/// Returns the sums over rows of what `add` adds to `len` numbers for each row, given by index.
///
/// Sums are taken per chunk of rows, then over the chunks in order, so they do not depend on the
/// number of threads.
pub(in crate::calibration) fn compensated_sums(
    rows: usize,
    len: usize,
    add: impl Fn(usize, &mut [f64]) + Sync,
) -> Vec<f64> {
    let of_chunk = |chunk: usize| {
        let (mut sums, mut part) = (vec![Sum::default(); len], vec![0.0; len]);
        let (mut row, end) = (chunk * CHUNK, rows.min((chunk + 1) * CHUNK));
        while row < end {
            let next = end.min(row + ROWS);
            part.fill(0.0);
            (row..next).for_each(|row| add(row, &mut part));
            sums.iter_mut().zip(&part).for_each(|(sum, part)| sum.add(*part));
            row = next;
        }
        sums
    };
    // About as many chunks in memory at once as a machine has threads.
    const GROUP: usize = 16;
    let chunks: Vec<usize> = (0..rows.div_ceil(CHUNK)).collect();
    let mut total = vec![Sum::default(); len];
    for chunks in chunks.chunks(GROUP) {
        let parts = map(chunks.len(), &|i| of_chunk(chunks[i]));
        for part in parts {
            total.iter_mut().zip(part).for_each(|(total, sum)| total.merge(sum));
        }
    }
    total.into_iter().map(Sum::value).collect()
}
