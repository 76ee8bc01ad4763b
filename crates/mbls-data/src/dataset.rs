//! Data sets.

use crate::{Error, Result, Seed};
use std::sync::Arc;

/// A finite collection of items, computed on demand.
///
/// ```
/// use mbls_data::{Dataset, Error, Result, Seed};
///
/// struct Squares(usize);
///
/// impl Dataset for Squares {
///     type Item = usize;
///     fn len(&self) -> usize {
///         self.0
///     }
///     fn get(&self, index: usize, _seed: Seed) -> Result<usize> {
///         if index < self.0 {
///             Ok(index * index)
///         } else {
///             Err(Error::Index { index, len: self.0 })
///         }
///     }
/// }
///
/// assert_eq!(Squares(5).get(3, Seed(0)).unwrap(), 9);
/// assert!(Squares(5).get(5, Seed(0)).is_err());
/// ```
pub trait Dataset: Send + Sync {
    /// The type of the items.
    type Item: Send;

    /// Returns the number of items.
    fn len(&self) -> usize;

    /// Returns the item at `index`: a pure function of the data set, the index and the seed, which
    /// determines everything random in the item.
    ///
    /// # Errors
    ///
    /// [`Error::Index`] for an index past the end; any error that the data set reports.
    fn get(&self, index: usize, seed: Seed) -> Result<Self::Item>;

    /// Returns whether the data set has no items.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Selected items of a data set, in a given order; an item may appear more than once.
#[derive(Debug)]
pub struct Subset<D> {
    dataset: Arc<D>,
    indices: Vec<usize>,
}

impl<D: Dataset> Subset<D> {
    /// Selects the items of `dataset` at `indices`.
    ///
    /// # Errors
    ///
    /// [`Error::Index`] if an index is past the end of `dataset`.
    pub fn new(dataset: Arc<D>, indices: Vec<usize>) -> Result<Self> {
        let len = dataset.len();
        match indices.iter().find(|&&index| index >= len) {
            Some(&index) => Err(Error::Index { index, len }),
            None => Ok(Self { dataset, indices }),
        }
    }

    /// Returns the data set that the items come from.
    pub fn dataset(&self) -> &Arc<D> {
        &self.dataset
    }

    /// Returns the indices of the items in the original data set.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
}

impl<D: Dataset> Dataset for Subset<D> {
    type Item = D::Item;

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn get(&self, index: usize, seed: Seed) -> Result<D::Item> {
        let inner =
            self.indices.get(index).ok_or(Error::Index { index, len: self.indices.len() })?;
        self.dataset.get(*inner, seed)
    }
}
