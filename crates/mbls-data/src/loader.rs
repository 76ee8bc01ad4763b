//! The data loader.

use crate::epoch::{Epoch, Plan};
use crate::{Dataset, Error, Result, Seed};
use rand::seq::SliceRandom;
use std::sync::Arc;

/// Combines items into a batch.
pub trait Collate<I>: Send + Sync {
    /// The batch type, as a training step accepts it.
    type Batch: Send;

    /// Returns the batch of `items`, which are in order and not empty.
    ///
    /// # Errors
    ///
    /// If the items do not fit each other, for example in their shapes.
    fn collate(&self, items: Vec<I>) -> Result<Self::Batch>;
}

/// The order in which a loader visits the items of its data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By index.
    #[default]
    Sequential,
    /// In a random permutation that differs between epochs.
    Shuffled,
}

/// Settings of a [`DataLoader`]. The defaults are batches of 32 items, sequential order, the last
/// batch kept, one worker thread and seed 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoaderConfig {
    /// Number of items per batch; the last batch of an epoch has the remaining items.
    pub batch_size: usize,
    /// The order of the items.
    pub order: Order,
    /// Whether to drop an incomplete last batch.
    pub drop_last: bool,
    /// Number of threads that prepare batches in advance; with 0, the calling thread computes each
    /// batch when it is requested.
    pub workers: usize,
    /// The seed of the order and of the items' randomness.
    pub seed: Seed,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        Self {
            batch_size: 32,
            order: Order::default(),
            drop_last: false,
            workers: 1,
            seed: Seed(0),
        }
    }
}

/// Produces batches of a data set, epoch by epoch, in advance if it has worker threads.
///
/// The order is a function of (seed, epoch). The randomness of an item is a function of (seed,
/// epoch, index). So the batches are the same for any number of workers.
///
/// ```
/// use mbls_data::{Collate, DataLoader, Dataset, LoaderConfig, Result, Seed};
/// use std::sync::Arc;
///
/// struct Numbers;
/// impl Dataset for Numbers {
///     type Item = usize;
///     fn len(&self) -> usize {
///         10
///     }
///     fn get(&self, index: usize, _seed: Seed) -> Result<usize> {
///         Ok(index)
///     }
/// }
/// struct Together;
/// impl Collate<usize> for Together {
///     type Batch = Vec<usize>;
///     fn collate(&self, items: Vec<usize>) -> Result<Vec<usize>> {
///         Ok(items)
///     }
/// }
///
/// let config = LoaderConfig { batch_size: 4, workers: 2, ..LoaderConfig::default() };
/// let loader = DataLoader::new(Arc::new(Numbers), Arc::new(Together), config)?;
/// assert_eq!(loader.len(), 3);
/// let batches = loader.epoch(0).collect::<Result<Vec<_>>>()?;
/// assert_eq!(batches, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
/// # Ok::<(), mbls_data::Error>(())
/// ```
#[derive(Debug)]
pub struct DataLoader<D, C> {
    dataset: Arc<D>,
    collate: Arc<C>,
    config: LoaderConfig,
}

impl<D: Dataset, C: Collate<D::Item>> DataLoader<D, C> {
    /// Creates a loader of `dataset`.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for a batch size of 0.
    pub fn new(dataset: Arc<D>, collate: Arc<C>, config: LoaderConfig) -> Result<Self> {
        if config.batch_size == 0 {
            return Err(Error::value("batch_size", "at least 1", 0));
        }
        Ok(Self { dataset, collate, config })
    }

    /// Returns the number of batches of an epoch.
    pub fn len(&self) -> usize {
        let (items, size) = (self.dataset.len(), self.config.batch_size);
        if self.config.drop_last { items / size } else { items.div_ceil(size) }
    }

    /// Returns whether an epoch has no batches.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the data set.
    pub fn dataset(&self) -> &Arc<D> {
        &self.dataset
    }

    /// Returns the settings.
    pub fn config(&self) -> &LoaderConfig {
        &self.config
    }

    /// Returns the batches of one epoch.
    ///
    /// An error ends the epoch: the iterator returns it in place of its batch and nothing after it.
    /// Dropping the iterator stops the workers and waits for them.
    pub fn epoch(&self, epoch: usize) -> Epoch<C::Batch>
    where
        D: 'static,
        C: 'static,
    {
        self.epoch_from(epoch, 0)
    }

    /// Returns the batches of one epoch from batch `first` on, the same as those of
    /// [`epoch`](Self::epoch). Training that stopped within an epoch resumes here without reading
    /// the earlier items.
    pub fn epoch_from(&self, epoch: usize, first: usize) -> Epoch<C::Batch>
    where
        D: 'static,
        C: 'static,
    {
        let LoaderConfig { batch_size, order, workers, seed, .. } = self.config;
        let mut indices: Vec<usize> = (0..self.dataset.len()).collect();
        if order == Order::Shuffled {
            indices.shuffle(&mut seed.derive("order").at(epoch as u64).rng());
        }
        let plan = Plan {
            dataset: Arc::clone(&self.dataset),
            collate: Arc::clone(&self.collate),
            indices,
            batch_size,
            first: first.min(self.len()),
            batches: self.len(),
            seed: seed.derive("item").at(epoch as u64),
        };
        Epoch::new(plan, workers)
    }
}
