//! Batches, independent of the data set and collate types.

use crate::{Collate, DataLoader, Dataset, Epoch};

/// A source of batches of type `B`, epoch by epoch, as a training loop needs them.
///
/// Every [`DataLoader`] implements it. `&dyn Batches<B>` names only the batch type, not the types
/// of the data set and the collate function.
///
/// ```
/// use mbls_data::{Batches, Collate, DataLoader, Dataset, LoaderConfig, Result, Seed};
/// use std::sync::Arc;
///
/// # struct Numbers;
/// # impl Dataset for Numbers {
/// #     type Item = usize;
/// #     fn len(&self) -> usize {
/// #         10
/// #     }
/// #     fn get(&self, index: usize, _seed: Seed) -> Result<usize> {
/// #         Ok(index)
/// #     }
/// # }
/// # struct Together;
/// # impl Collate<usize> for Together {
/// #     type Batch = Vec<usize>;
/// #     fn collate(&self, items: Vec<usize>) -> Result<Vec<usize>> {
/// #         Ok(items)
/// #     }
/// # }
/// fn largest(batches: &dyn Batches<Vec<usize>>) -> Result<usize> {
///     batches
///         .epoch(0)
///         .try_fold(0, |largest, batch| Ok(batch?.into_iter().fold(largest, usize::max)))
/// }
///
/// let config = LoaderConfig { batch_size: 4, ..LoaderConfig::default() };
/// let loader = DataLoader::new(Arc::new(Numbers), Arc::new(Together), config)?;
/// assert_eq!(largest(&loader)?, 9);
/// # Ok::<(), mbls_data::Error>(())
/// ```
pub trait Batches<B> {
    /// Returns the number of batches of an epoch.
    fn len(&self) -> usize;

    /// Returns whether an epoch has no batches.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the batches of `epoch` from batch `first` on, the same as those of the whole epoch
    /// without its first `first` batches.
    fn epoch_from(&self, epoch: usize, first: usize) -> Epoch<B>;

    /// Returns the batches of `epoch`.
    fn epoch(&self, epoch: usize) -> Epoch<B> {
        self.epoch_from(epoch, 0)
    }
}

impl<D, C> Batches<C::Batch> for DataLoader<D, C>
where
    D: Dataset + 'static,
    C: Collate<D::Item> + 'static,
{
    fn len(&self) -> usize {
        self.len()
    }

    fn epoch_from(&self, epoch: usize, first: usize) -> Epoch<C::Batch> {
        self.epoch_from(epoch, first)
    }
}
