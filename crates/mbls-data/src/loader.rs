//! The loader.

use crate::epoch::{Epoch, Plan};
use crate::{Dataset, Error, Result, Seed};
use rand::seq::SliceRandom;
use std::sync::Arc;

/// How items become a batch.
pub trait Collate<I>: Send + Sync {
    /// What a training step takes.
    type Batch: Send;

    /// The batch of `items`, which are in order and at least one.
    ///
    /// # Errors
    ///
    /// Where the items do not fit one another.
    fn collate(&self, items: Vec<I>) -> Result<Self::Batch>;
}

/// The order in which a loader goes through its data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By index.
    #[default]
    Sequential,
    /// A random permutation, another one in each epoch.
    Shuffled,
}

/// Settings of a [`DataLoader`]; by default 32 items a batch, in order, to the last one, prepared
/// by one thread, from seed 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoaderConfig {
    /// Items of a batch; the last one of an epoch has what is left.
    pub batch_size: usize,
    /// The order of the items.
    pub order: Order,
    /// Whether an incomplete last batch is left out.
    pub drop_last: bool,
    /// Threads that prepare batches in advance; 0 prepares each in the calling thread when it is
    /// asked for.
    pub workers: usize,
    /// What the order and the items' randomness are derived from.
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

/// Makes batches of a data set, epoch by epoch, in advance where worker threads are asked for.
///
/// The order is a function of (seed, epoch); what is random in an item is a function of (seed,
/// epoch, its index): batches are the same for any number of workers.
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
    /// A loader of `dataset`.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for batches of no items.
    pub fn new(dataset: Arc<D>, collate: Arc<C>, config: LoaderConfig) -> Result<Self> {
        if config.batch_size == 0 {
            return Err(Error::value("batch_size", "at least 1", 0));
        }
        Ok(Self { dataset, collate, config })
    }

    /// Number of batches of an epoch.
    pub fn len(&self) -> usize {
        let (items, size) = (self.dataset.len(), self.config.batch_size);
        if self.config.drop_last { items / size } else { items.div_ceil(size) }
    }

    /// Whether an epoch has no batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The data set.
    pub fn dataset(&self) -> &Arc<D> {
        &self.dataset
    }

    /// The settings.
    pub fn config(&self) -> &LoaderConfig {
        &self.config
    }

    /// The batches of one epoch.
    ///
    /// An error ends the epoch: the iterator gives it in the place of its batch and nothing after
    /// it. Dropping the iterator stops the workers and waits for them.
    pub fn epoch(&self, epoch: usize) -> Epoch<C::Batch>
    where
        D: 'static,
        C: 'static,
    {
        self.epoch_from(epoch, 0)
    }

    /// The batches of one epoch from batch `first` on, as [`epoch`](Self::epoch) has them: a
    /// training that was stopped within an epoch goes on there, and nothing before is read.
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
