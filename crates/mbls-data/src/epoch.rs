//! One pass over a data set.

use crate::{Collate, Dataset, Error, Result, Seed};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

/// Number of finished batches that may wait for the consumer, per worker.
const PREFETCH: usize = 2;

/// Everything needed to compute the batches of an epoch: a pure function of the batch number.
pub(crate) struct Plan<D, C> {
    pub(crate) dataset: Arc<D>,
    pub(crate) collate: Arc<C>,
    pub(crate) indices: Vec<usize>,
    pub(crate) batch_size: usize,
    /// The first batch to compute.
    pub(crate) first: usize,
    /// One past the last batch.
    pub(crate) batches: usize,
    pub(crate) seed: Seed,
}

impl<D: Dataset, C: Collate<D::Item>> Plan<D, C> {
    /// Computes batch `number`; `None` if `stop` was set before it was finished.
    fn batch(&self, number: usize, stop: &AtomicBool) -> Option<Result<C::Batch>> {
        let start = number * self.batch_size;
        let end = (start + self.batch_size).min(self.indices.len());
        let mut items = Vec::with_capacity(end - start);
        for &index in &self.indices[start..end] {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            match caught(|| self.dataset.get(index, self.seed.at(index as u64))) {
                Ok(item) => items.push(item),
                Err(source) => return Some(Err(Error::Item { index, source: Box::new(source) })),
            }
        }
        let failed = |source| Error::Batch { batch: number, source: Box::new(source) };
        Some(caught(|| self.collate.collate(items)).map_err(failed))
    }
}

/// Turns a panic in foreign code into an error, so it reaches the consumer from any thread.
fn caught<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    // Nothing that `f` touched is used again, because the epoch ends with the error.
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Err(Error::Panic(text.unwrap_or_else(|| "without a message".to_owned())))
    })
}

enum Source<B> {
    Here(Box<dyn Fn(usize) -> Option<Result<B>> + Send>),
    Workers(Vec<Worker<B>>),
    Failed(Option<Error>),
}

struct Worker<B> {
    batches: Receiver<Result<B>>,
    thread: JoinHandle<()>,
}

/// The batches of one epoch, in order; created by [`DataLoader::epoch`](crate::DataLoader::epoch).
pub struct Epoch<B> {
    source: Source<B>,
    first: usize,
    next: usize,
    batches: usize,
    stop: Arc<AtomicBool>,
}

impl<B: Send + 'static> Epoch<B> {
    pub(crate) fn new<D, C>(plan: Plan<D, C>, workers: usize) -> Self
    where
        D: Dataset + 'static,
        C: Collate<D::Item, Batch = B> + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let (first, batches) = (plan.first, plan.batches);
        let mut epoch = Self {
            source: Source::Workers(Vec::new()),
            first,
            next: first,
            batches,
            stop: Arc::clone(&stop),
        };
        // Do not start workers that would have no batch to compute.
        let workers = workers.min(batches - first);
        if workers == 0 {
            epoch.source = Source::Here(Box::new(move |number| plan.batch(number, &stop)));
            return epoch;
        }
        let plan = Arc::new(plan);
        for worker in 0..workers {
            match spawn(Arc::clone(&plan), worker, workers, Arc::clone(&stop)) {
                Ok(worker) => {
                    if let Source::Workers(running) = &mut epoch.source {
                        running.push(worker);
                    }
                }
                Err(error) => {
                    epoch.shut_down();
                    epoch.source = Source::Failed(Some(error));
                    return epoch;
                }
            }
        }
        epoch
    }
}

impl<B> Epoch<B> {
    fn shut_down(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Source::Workers(workers) = std::mem::replace(&mut self.source, Source::Failed(None))
        {
            // Drop all receivers first: a worker that waits for room in its channel then fails to
            // send, and ends.
            let threads: Vec<JoinHandle<()>> =
                workers.into_iter().map(|worker| worker.thread).collect();
            for thread in threads {
                // A worker's panic is caught inside the worker and arrives as an error, so there is
                // nothing left to report here.
                let _ = thread.join();
            }
        }
    }
}

/// Starts worker `number` of `workers`, which computes every `workers`-th batch.
fn spawn<D, C>(
    plan: Arc<Plan<D, C>>,
    number: usize,
    workers: usize,
    stop: Arc<AtomicBool>,
) -> Result<Worker<C::Batch>>
where
    D: Dataset + 'static,
    C: Collate<D::Item> + 'static,
{
    let (sender, batches) = sync_channel(PREFETCH);
    let work = move || {
        for batch in (plan.first + number..plan.batches).step_by(workers) {
            let Some(batch) = plan.batch(batch, &stop) else { return };
            let failed = batch.is_err();
            if sender.send(batch).is_err() || failed {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name(format!("loader-{number}")).spawn(work).map_err(
        |error| Error::Other(format!("cannot start loader thread {number}: {error}").into()),
    )?;
    Ok(Worker { batches, thread })
}

impl<B> Iterator for Epoch<B> {
    type Item = Result<B>;

    fn next(&mut self) -> Option<Result<B>> {
        if self.next >= self.batches {
            return None;
        }
        let batch = match &mut self.source {
            Source::Here(make) => make(self.next)?,
            Source::Workers(workers) => {
                let worker = &workers[(self.next - self.first) % workers.len()];
                worker.batches.recv().unwrap_or(Err(Error::WorkerLost { batch: self.next }))
            }
            Source::Failed(error) => Err(error.take()?),
        };
        self.next += 1;
        if batch.is_err() {
            self.next = self.batches;
            self.shut_down();
        }
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // An error may end the epoch at any batch.
        (0, Some(self.batches - self.next))
    }
}

impl<B> Drop for Epoch<B> {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl<B> std::fmt::Debug for Epoch<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Epoch")
            .field("next", &self.next)
            .field("batches", &self.batches)
            .finish_non_exhaustive()
    }
}

impl<B> std::iter::FusedIterator for Epoch<B> {}
