//! Runs independent jobs in parallel.

use anyhow::{Context, Result};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Runs `jobs`, at most `side_by_side` at a time, and returns their results in order.
///
/// Each runs in its own thread pool with an equal share of the threads: for small networks, running
/// jobs in parallel is much faster than more threads per job. After a failure no further job
/// starts.
///
/// # Errors
///
/// The first failure.
pub(crate) fn run<T, J>(jobs: Vec<J>, side_by_side: usize) -> Result<Vec<T>>
where
    T: Send,
    J: FnOnce() -> Result<T> + Send,
{
    let runners = side_by_side.clamp(1, jobs.len().max(1));
    let threads = (rayon::current_num_threads() / runners).max(1);
    let results: Vec<Mutex<Option<Result<T>>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    let queue = Mutex::new(jobs.into_iter().zip(&results));
    // Only a panic poisons a lock, and it ends the scope anyway; the guarded values stay
    // consistent.
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let stop = || queue.lock().unwrap_or_else(PoisonError::into_inner).by_ref().for_each(drop);
    thread::scope(|scope| {
        for _ in 0..runners {
            scope.spawn(|| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                while let Some((job, slot)) = next() {
                    let result = match &pool {
                        Ok(pool) => pool.install(job),
                        Err(e) => Err(anyhow::anyhow!("cannot start {threads} threads: {e}")),
                    };
                    if result.is_err() {
                        stop();
                    }
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                }
            });
        }
    });
    let results =
        results.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner));
    // A job that did not start has no result; the failure that stopped it does.
    let (started, skipped): (Vec<_>, Vec<_>) = results.partition(Option::is_some);
    let done = started.into_iter().flatten().collect::<Result<Vec<T>>>()?;
    skipped.is_empty().then_some(done).context("a job did not start")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn results_come_in_order() {
        for side_by_side in [1, 3, 100] {
            let jobs = (0..20).map(|i| move || Ok(i)).collect();
            assert_eq!(run(jobs, side_by_side).unwrap(), (0..20).collect::<Vec<_>>());
        }
        assert!(run(Vec::<fn() -> Result<u8>>::new(), 2).unwrap().is_empty());
    }

    #[test]
    fn nothing_starts_after_a_failure() {
        let started = AtomicUsize::new(0);
        let job = |i: usize| {
            let started = &started;
            move || {
                started.fetch_add(1, Ordering::Relaxed);
                anyhow::ensure!(i != 2, "job {i} failed");
                Ok(i)
            }
        };
        let error = run((0..10).map(job).collect(), 1).unwrap_err();
        assert_eq!(error.to_string(), "job 2 failed");
        assert_eq!(started.into_inner(), 3);
    }
}
