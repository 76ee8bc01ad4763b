//! Parallel loops on the threads of the current rayon pool.
//!
//! Rayon's drivers are about twenty functions, which are compiled for each closure and each item
//! type. Here the body is a `dyn Fn` of an index, so only one driver is compiled. A chunk or a task
//! is large enough to make the cost of the dynamic call negligible.

use rayon::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Calls `run` with each index below `count`.
fn each(count: usize, run: &(dyn Fn(usize) + Sync)) {
    (0..count).into_par_iter().for_each(run);
}

/// Calls `run` with each chunk of `values` and its index. Chunks have `size` elements, the last one
/// possibly fewer.
pub(crate) fn each_chunk<T: Send>(
    values: &mut [T],
    size: usize,
    run: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    let (len, first) = (values.len(), Shared(values.as_mut_ptr()));
    each(len.div_ceil(size), &|index| {
        let (first, start) = (&first, index * size);
        // SAFETY: the chunk is within `values`, which is borrowed until `each` returns. Chunks of
        // different indices do not overlap, and `each` calls the closure once per index.
        let chunk =
            unsafe { std::slice::from_raw_parts_mut(first.0.add(start), size.min(len - start)) };
        run(index, chunk);
    });
}

/// A pointer that threads share.
struct Shared<T>(*mut T);

// SAFETY: each element is passed to one thread at a time, which is allowed because `T` is `Send`.
unsafe impl<T: Send> Sync for Shared<T> {}

/// Same as [`each_chunk`], with scratch memory, which `scratch` creates once for several chunks.
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

/// A function that receives two chunks with the same index, and scratch memory.
type OnPair<'a, S, T, U> = &'a (dyn Fn(&mut S, usize, &mut [T], &mut [U]) + Sync);

/// Same as [`each_chunk_with`], with the chunks of two slices, each with its own chunk size.
pub(crate) fn each_pair_with<T: Send, U: Send, S>(
    (values, size): (&mut [T], usize),
    (others, other_size): (&mut [U], usize),
    scratch: &(dyn Fn() -> S + Sync),
    run: OnPair<S, T, U>,
) {
    let pairs = values.par_chunks_mut(size).zip(others.par_chunks_mut(other_size)).enumerate();
    pairs.for_each_init(scratch, |scratch, (index, (chunk, other))| {
        run(scratch, index, chunk, other);
    });
}

/// Returns the results of `run` for each index below `count`, in order.
pub(crate) fn map<R: Send>(count: usize, run: &(dyn Fn(usize) -> R + Sync)) -> Vec<R> {
    let results: Vec<Mutex<Option<R>>> = (0..count).map(|_| Mutex::new(None)).collect();
    each(count, &|index| {
        let result = run(index);
        *lock(&results[index]) = Some(result);
    });
    // Every slot is filled, or a panic has already unwound the caller.
    results
        .into_iter()
        .filter_map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

/// Returns the results of `run` for each task and its index, in order. `scratch` creates scratch
/// memory once for several tasks.
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

    /// Each chunk and each task is visited once, in its place, for any number of threads.
    #[test]
    fn all_is_visited_once_and_in_order() {
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for (len, size) in [(0, 3), (1, 3), (7, 3), (9, 3), (1000, 7), (5, 100)] {
                let mut values = vec![0usize; len];
                pool.install(|| {
                    each_chunk(&mut values, size, &|i, chunk| {
                        chunk.iter_mut().for_each(|v| *v += i + 1);
                    });
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
