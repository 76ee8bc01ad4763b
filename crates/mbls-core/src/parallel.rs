//! Parallel loops on the current rayon pool.
//!
//! Rayon's drivers are about twenty functions, compiled again for every closure and every type they
//! are given. Here the body is a `dyn Fn` of an index, so there is one driver. Each task does
//! enough work to make the dynamic call negligible.

use rayon::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Calls `run` with each index below `count`.
fn each(count: usize, run: &(dyn Fn(usize) + Sync)) {
    (0..count).into_par_iter().for_each(run);
}

/// Returns `run` of each index below `count`, in order.
pub(crate) fn map<R: Send>(count: usize, run: &(dyn Fn(usize) -> R + Sync)) -> Vec<R> {
    let results: Vec<Mutex<Option<R>>> = (0..count).map(|_| Mutex::new(None)).collect();
    each(count, &|index| {
        let result = run(index);
        *lock(&results[index]) = Some(result);
    });
    // Every slot is filled: a panic in a task would have ended the caller.
    results
        .into_iter()
        .filter_map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

/// Returns `run` of each task, in order.
#[cfg(feature = "candle")]
pub(crate) fn map_tasks<T: Send, R: Send>(tasks: Vec<T>, run: &(dyn Fn(T) -> R + Sync)) -> Vec<R> {
    let tasks: Vec<Mutex<Option<T>>> =
        tasks.into_iter().map(|task| Mutex::new(Some(task))).collect();
    let results = map(tasks.len(), &|index| {
        let task = lock(&tasks[index]).take();
        task.map(run)
    });
    results.into_iter().flatten().collect()
}

/// Calls `run` with the index of each chunk and the chunk itself: `size` values, or fewer at the
/// end.
pub(crate) fn each_chunk<T: Send>(
    values: &mut [T],
    size: usize,
    run: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let chunks: Vec<Mutex<&mut [T]>> = values.chunks_mut(size).map(Mutex::new).collect();
    each(chunks.len(), &|index| run(index, &mut lock(&chunks[index])));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
