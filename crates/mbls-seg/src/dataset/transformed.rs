//! Samples whose images and masks are changed when they are asked for.

use super::SegmentationSample;
use crate::transform::{JointTransform, apply_all, common_size};
use mbls_data::{Dataset, Result, Seed};
use std::sync::Arc;

/// A data set after some [`JointTransform`]s.
///
/// What is random in a sample is a function of the seed that it is asked for with, which a
/// [`DataLoader`](mbls_data::DataLoader) derives from (its seed, epoch, index).
#[derive(Debug)]
pub struct Transformed<D> {
    dataset: Arc<D>,
    transforms: Vec<JointTransform>,
}

impl<D: Dataset<Item = SegmentationSample>> Transformed<D> {
    /// `dataset` after `transforms`, one after the other.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for settings that are not allowed.
    pub fn new(dataset: Arc<D>, transforms: Vec<JointTransform>) -> Result<Self> {
        transforms.iter().try_for_each(JointTransform::validate)?;
        Ok(Self { dataset, transforms })
    }

    /// The data set without the transforms.
    pub fn dataset(&self) -> &Arc<D> {
        &self.dataset
    }

    /// Height and width of every sample, where the transforms decide them; samples of one batch
    /// must have one size.
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
        // The inner data set may draw as well.
        let sample = self.dataset.get(index, seed.derive("sample"))?;
        apply_all(&self.transforms, sample, seed)
    }
}
