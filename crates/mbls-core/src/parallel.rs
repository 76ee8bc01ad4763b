//! Work that the threads of the current rayon pool share.
//!
//! What runs is a `dyn Fn`: rayon's drivers are some twenty functions, and are compiled for each type that passes them, not
//! for each closure.

use rayon::prelude::*;

/// Returns `run` of each index below `count`, in order.
pub(crate) fn map<R: Send>(count: usize, run: &(dyn Fn(usize) -> R + Sync)) -> Vec<R> {
    (0..count).into_par_iter().map(run).collect()
}

/// Returns `run` of each task, in order.
#[cfg(feature = "candle")]
pub(crate) fn map_tasks<T: Send, R: Send>(tasks: Vec<T>, run: &(dyn Fn(T) -> R + Sync)) -> Vec<R> {
    tasks.into_par_iter().map(run).collect()
}

/// Hands each chunk of `values`, of `size` or at the end fewer, to `run` with its index.
pub(crate) fn each_chunk<T: Send>(values: &mut [T], size: usize, run: &(dyn Fn(usize, &mut [T]) + Sync)) {
    values.par_chunks_mut(size).enumerate().for_each(|(index, chunk)| run(index, chunk));
}
