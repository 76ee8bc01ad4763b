//! Data sets.

use crate::{Error, Result, Seed};
use std::sync::Arc;

/// A finite collection of items that are made on demand.
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
///         if index < self.0 { Ok(index * index) } else { Err(Error::Index { index, len: self.0 }) }
///     }
/// }
///
/// assert_eq!(Squares(5).get(3, Seed(0)).unwrap(), 9);
/// assert!(Squares(5).get(5, Seed(0)).is_err());
/// ```
pub trait Dataset: Send + Sync {
    /// What the data set consists of.
    type Item: Send;

    /// Number of items.
    fn len(&self) -> usize;

    /// The item at `index`: a pure function of the data set, the index and the seed, which drives
    /// whatever is random in it.
    ///
    /// # Errors
    ///
    /// [`Error::Index`] for an index past the end; what the data set reports.
    fn get(&self, index: usize, seed: Seed) -> Result<Self::Item>;

    /// Whether there is no item.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Some items of a data set, in a given order; one may appear more than once.
#[derive(Debug)]
pub struct Subset<D> {
    dataset: Arc<D>,
    indices: Vec<usize>,
}

impl<D: Dataset> Subset<D> {
    /// The items of `dataset` at `indices`.
    ///
    /// # Errors
    ///
    /// [`Error::Index`] where an index is past the end of `dataset`.
    pub fn new(dataset: Arc<D>, indices: Vec<usize>) -> Result<Self> {
        let len = dataset.len();
        match indices.iter().find(|&&index| index >= len) {
            Some(&index) => Err(Error::Index { index, len }),
            None => Ok(Self { dataset, indices }),
        }
    }

    /// The data set that the items are taken from.
    pub fn dataset(&self) -> &Arc<D> {
        &self.dataset
    }

    /// Where the items are in the data set they are taken from.
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
