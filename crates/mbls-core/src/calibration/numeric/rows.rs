//! Sums over rows that do not depend on the number of threads.

use crate::parallel::map;

/// Rows per task.
pub(in crate::calibration) const CHUNK: usize = 1024;
/// Chunks whose sums are in memory at once.
const GROUP: usize = 16;

/// Returns the sums over rows of what `add` adds to `len` numbers for each row, given by index and
/// features `[rows, width]`.
///
/// Sums are taken per chunk of rows, then over the chunks in order.
pub(in crate::calibration) fn sums_over_rows(
    features: &[f64],
    width: usize,
    len: usize,
    add: impl Fn(usize, &[f64], &mut [f64]) + Sync,
) -> Vec<f64> {
    let chunks: Vec<&[f64]> = features.chunks(CHUNK * width).collect();
    let mut total = vec![0.0; len];
    for (group, chunks) in chunks.chunks(GROUP).enumerate() {
        let part = |chunk: usize| {
            let mut sums = vec![0.0; len];
            let first = (group * GROUP + chunk) * CHUNK;
            chunks[chunk]
                .chunks_exact(width)
                .enumerate()
                .for_each(|(row, x)| add(first + row, x, &mut sums));
            sums
        };
        for sums in map(chunks.len(), &part) {
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
    }
    total
}
