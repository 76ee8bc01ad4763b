//! Work that the threads of the current rayon pool share.
//!
//! What runs is a `dyn Fn`: rayon's drivers are some twenty functions, and are compiled for each type that passes them, not
//! for each closure. A chunk is work enough to make the call of no account.

use rayon::prelude::*;

/// Hands each chunk of `values`, of `size` or at the end fewer, to `run` with its index.
pub(crate) fn each_chunk<T: Send>(values: &mut [T], size: usize, run: &(dyn Fn(usize, &mut [T]) + Sync)) {
    values.par_chunks_mut(size).enumerate().for_each(|(index, chunk)| run(index, chunk));
}

/// The same with scratch memory, which `scratch` makes once for several chunks.
pub(crate) fn each_chunk_with<T: Send, S>(
    values: &mut [T],
    size: usize,
    scratch: &(dyn Fn() -> S + Sync),
    run: &(dyn Fn(&mut S, usize, &mut [T]) + Sync),
) {
    values
        .par_chunks_mut(size)
        .enumerate()
        .for_each_init(scratch, |scratch, (index, chunk)| run(scratch, index, chunk));
}

/// What two chunks of one index are handed to, with scratch memory.
type OnPair<'a, S, T, U> = &'a (dyn Fn(&mut S, usize, &mut [T], &mut [U]) + Sync);

/// The same with the chunks of two slices, each of a size of its own.
pub(crate) fn each_pair_with<T: Send, U: Send, S>(
    (values, size): (&mut [T], usize),
    (others, other_size): (&mut [U], usize),
    scratch: &(dyn Fn() -> S + Sync),
    run: OnPair<S, T, U>,
) {
    let pairs = values.par_chunks_mut(size).zip(others.par_chunks_mut(other_size)).enumerate();
    pairs.for_each_init(scratch, |scratch, (index, (chunk, other))| run(scratch, index, chunk, other));
}

/// Returns `run` of each index below `count`, in order.
pub(crate) fn map<R: Send>(count: usize, run: &(dyn Fn(usize) -> R + Sync)) -> Vec<R> {
    (0..count).into_par_iter().map(run).collect()
}

/// Returns `run` of each task with its index, in order; `scratch` makes scratch memory once for several tasks.
pub(crate) fn map_tasks_with<T: Send, S, R: Send>(
    tasks: Vec<T>,
    scratch: &(dyn Fn() -> S + Sync),
    run: &(dyn Fn(&mut S, usize, T) -> R + Sync),
) -> Vec<R> {
    let tasks = tasks.into_par_iter().enumerate();
    tasks.map_init(scratch, |scratch, (index, task)| run(scratch, index, task)).collect()
}
