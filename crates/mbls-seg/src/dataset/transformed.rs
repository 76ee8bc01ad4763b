//! Data sets that transform images and masks on access.

use super::SegmentationSample;
use crate::transform::{JointTransform, apply_all, common_size};
use mbls_data::{Dataset, Result, Seed};
use std::sync::Arc;

/// A data set with [`JointTransform`]s applied on access.
///
/// The randomness of a sample is a function of the seed that is passed to
/// [`get`](mbls_data::Dataset::get), which a [`DataLoader`](mbls_data::DataLoader) derives from its
/// own seed, the epoch and the index.
#[derive(Debug)]
pub struct Transformed<D> {
    dataset: Arc<D>,
    transforms: Vec<JointTransform>,
}

impl<D: Dataset<Item = SegmentationSample>> Transformed<D> {
    /// Creates a data set that applies `transforms` to `dataset`, in this order.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for invalid settings of a transform.
    pub fn new(dataset: Arc<D>, transforms: Vec<JointTransform>) -> Result<Self> {
        transforms.iter().try_for_each(JointTransform::validate)?;
        Ok(Self { dataset, transforms })
    }

    /// Returns the data set without the transforms.
    pub fn dataset(&self) -> &Arc<D> {
        &self.dataset
    }

    /// Returns the height and width of every sample if the transforms determine them. Samples of
    /// one batch must have the same size.
    pub fn common_size(&self) -> Option<[usize; 2]> {
        common_size(&self.transforms)
    }
}

impl<D: Dataset<Item = SegmentationSample>> Dataset for Transformed<D> {
    type Item = SegmentationSample;

    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn get(&self, index: usize, seed: Seed) -> Result<SegmentationSample> {
        // The inner data set may use its seed as well.
        let sample = self.dataset.get(index, seed.derive("sample"))?;
        apply_all(&self.transforms, sample, seed)
    }
}
