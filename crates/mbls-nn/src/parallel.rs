//! Work that the threads of the current rayon pool share.
//!
//! Rayon's drivers are some twenty functions, which are compiled for each closure that they are
//! given and each type that passes them. Here what runs is a `dyn Fn` of an index, so that there is
//! one driver. A chunk or a task is work enough to make the call of no account.

use rayon::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Calls `run` with each index below `count`.
fn each(count: usize, run: &(dyn Fn(usize) + Sync)) {
    (0..count).into_par_iter().for_each(run);
}

/// Hands each chunk of `values`, of `size` or at the end fewer, to `run` with its index.
pub(crate) fn each_chunk<T: Send>(
    values: &mut [T],
    size: usize,
    run: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let (len, first) = (values.len(), Shared(values.as_mut_ptr()));
    each(len.div_ceil(size), &|index| {
        let (first, start) = (&first, index * size);
        // SAFETY: the chunk lies within `values`, which is borrowed until `each` returns; chunks of
        // different indices do not overlap, and `each` calls with each index once.
        let chunk =
            unsafe { std::slice::from_raw_parts_mut(first.0.add(start), size.min(len - start)) };
        run(index, chunk);
    });
}

/// A pointer that threads share.
struct Shared<T>(*mut T);

// SAFETY: what it points to is handed to one thread at a time, and may be, because `T` is `Send`.
unsafe impl<T: Send> Sync for Shared<T> {}

/// Hands each chunk to `run` with scratch memory, which `scratch` makes once for several chunks.
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
    pairs.for_each_init(scratch, |scratch, (index, (chunk, other))| {
        run(scratch, index, chunk, other)
    });
}

/// Returns `run` of each index below `count`, in order.
pub(crate) fn map<R: Send>(count: usize, run: &(dyn Fn(usize) -> R + Sync)) -> Vec<R> {
    let results: Vec<Mutex<Option<R>>> = (0..count).map(|_| Mutex::new(None)).collect();
    each(count, &|index| {
        let result = run(index);
        *lock(&results[index]) = Some(result);
    });
    // Each has one, or a panic has ended the caller.
    results
        .into_iter()
        .filter_map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

/// Returns `run` of each task with its index, in order; `scratch` makes scratch memory once for
/// several tasks.
pub(crate) fn map_tasks_with<T: Send, S: Send, R: Send>(
    tasks: Vec<T>,
    scratch: &(dyn Fn() -> S + Sync),
    run: &(dyn Fn(&mut S, usize, T) -> R + Sync),
) -> Vec<R> {
    let tasks: Vec<Mutex<Option<T>>> =
        tasks.into_iter().map(|task| Mutex::new(Some(task))).collect();
    let unused = Mutex::new(Vec::new());
    let results = map(tasks.len(), &|index| {
        let task = lock(&tasks[index]).take()?;
        let own = lock(&unused).pop();
        let mut own = own.unwrap_or_else(scratch);
        let result = run(&mut own, index, task);
        lock(&unused).push(own);
        Some(result)
    });
    results.into_iter().flatten().collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each chunk and each task once, in its place, whatever the number of threads.
    #[test]
    fn all_is_visited_once_and_in_order() {
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for (len, size) in [(0, 3), (1, 3), (7, 3), (9, 3), (1000, 7), (5, 100)] {
                let mut values = vec![0usize; len];
                pool.install(|| {
                    each_chunk(&mut values, size, &|i, chunk| {
                        chunk.iter_mut().for_each(|v| *v += i + 1)
                    })
                });
                assert_eq!(values, (0..len).map(|at| at / size + 1).collect::<Vec<_>>());
                let squares = pool.install(|| map(len, &|i| i * i));
                assert_eq!(squares, (0..len).map(|i| i * i).collect::<Vec<_>>());
                let tasks: Vec<String> = (0..len).map(|i| i.to_string()).collect();
                let done = pool.install(|| {
                    map_tasks_with(tasks.clone(), &String::new, &|scratch, i, task: String| {
                        scratch.clear();
                        scratch.push_str(&task);
                        (i, scratch.clone())
                    })
                });
                assert_eq!(done, tasks.into_iter().enumerate().collect::<Vec<_>>());
            }
        }
    }
}
