//! Conversion of predictions on the host to inputs of segmentation metrics.

use mbls_core::metric::{LogitDistances, Metric, PixelRows, SegmentationBatch};
use mbls_seg::dataset::VOID;
use mbls_seg::metric::SegmentedImages;
use mbls_train::{Error, Predicted, Result};
use rayon::prelude::*;

/// The labels that are ignored.
pub(super) const IGNORED: [i64; 1] = [VOID as i64];

/// A batch of predictions for segmentation metrics.
pub(super) struct HostBatch<'a> {
    predicted: &'a Predicted,
    shape: [usize; 4],
    indices: Vec<u64>,
}

/// The pixels of an image that have a class: a row of logits and a label each.
pub(super) struct LabelledPixels {
    /// `[pixels, classes]`, row-major.
    pub(super) logits: Vec<f32>,
    /// `[pixels]`.
    pub(super) labels: Vec<u32>,
}

impl<'a> HostBatch<'a> {
    /// Creates a batch; its images are in the order of the data set.
    ///
    /// # Errors
    ///
    /// If the logits are not `[N, C, H, W]`.
    pub(super) fn of(predicted: &'a Predicted) -> Result<Self> {
        let shape = predicted.shape.as_slice().try_into().map_err(|_| Error::Setting {
            name: "logits",
            value: format!("of shape {:?}", predicted.shape),
            expected: "the shape [N, C, H, W]",
        })?;
        let first = predicted.first as u64;
        Ok(Self {
            predicted,
            shape,
            indices: (first..first + predicted.samples() as u64).collect(),
        })
    }

    /// Returns the distances between the logits of each counted pixel, starting from `empty`.
    ///
    /// # Errors
    ///
    /// If a label is neither a class nor void, or logits are not finite.
    pub(super) fn distances(&self, empty: &LogitDistances) -> mbls_core::Result<LogitDistances> {
        let SegmentedImages { logits, shape, labels, .. } = self.pictures();
        let add = |mut distances: LogitDistances, rows: PixelRows| {
            distances.update(rows.logit_rows()?)?;
            Ok(distances)
        };
        let merge = |mut distances: LogitDistances, others| {
            distances.merge(others)?;
            Ok(distances)
        };
        // These are counts, so the order in which threads add them does not matter.
        let chunks = SegmentationBatch::new(logits, shape, labels, &IGNORED)?.par_chunks();
        chunks.try_fold(|| empty.clone(), add).try_reduce(|| empty.clone(), merge)
    }

    /// Returns the batch as the metrics' input.
    pub(super) fn pictures(&self) -> SegmentedImages<'_> {
        let Predicted { logits, labels, .. } = self.predicted;
        SegmentedImages {
            logits: logits.into(),
            shape: self.shape,
            labels: labels.into(),
            indices: &self.indices,
        }
    }

    /// Returns the pixels that have a class, image by image.
    pub(super) fn labelled_pixels(&self) -> impl Iterator<Item = LabelledPixels> {
        let [_, classes, height, width] = self.shape;
        let (area, predicted) = (height * width, self.predicted);
        let images = predicted.logits.chunks(classes * area).zip(predicted.labels.chunks(area));
        images.map(move |(logits, labels)| {
            let valid = || (0..area).filter(|&pixel| labels[pixel] != u32::from(VOID));
            LabelledPixels {
                logits: valid()
                    .flat_map(|pixel| logits.chunks(area).map(move |plane| plane[pixel]))
                    .collect(),
                labels: valid().map(|pixel| labels[pixel]).collect(),
            }
        })
    }
}
