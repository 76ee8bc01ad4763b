//! Predictions on the host, as metrics of segmentation take them.

use mbls_seg::dataset::VOID;
use mbls_seg::metric::Pictures;
use mbls_train::{Error, Predicted, Result};

/// A batch of predictions as metrics of segmentation take it.
pub(super) struct HostBatch<'a> {
    predicted: &'a Predicted,
    shape: [usize; 4],
    indices: Vec<u64>,
}

/// The pixels of an image that have a class: a row of logits and a label for each.
pub(super) struct PixelRows {
    /// `[pixels, classes]`, row after row.
    pub(super) logits: Vec<f32>,
    /// `[pixels]`.
    pub(super) labels: Vec<u32>,
}

impl<'a> HostBatch<'a> {
    /// Takes the images in the order of the data set.
    ///
    /// # Errors
    ///
    /// Logits that are not `[N, C, H, W]`.
    pub(super) fn of(predicted: &'a Predicted) -> Result<Self> {
        let shape = predicted.shape.as_slice().try_into().map_err(|_| Error::Setting {
            name: "logits",
            value: format!("of shape {:?}", predicted.shape),
            expected: "the shape [N, C, H, W]",
        })?;
        let first = predicted.first as u64;
        Ok(Self { predicted, shape, indices: (first..first + predicted.samples() as u64).collect() })
    }

    /// The batch as metrics take it.
    pub(super) fn pictures(&self) -> Pictures<'_> {
        let Predicted { logits, labels, .. } = self.predicted;
        Pictures { logits: logits.into(), shape: self.shape, labels: labels.into(), indices: &self.indices }
    }

    /// Image by image, the pixels that have a class.
    pub(super) fn rows(&self) -> impl Iterator<Item = PixelRows> {
        let [_, classes, height, width] = self.shape;
        let (area, predicted) = (height * width, self.predicted);
        let images = predicted.logits.chunks(classes * area).zip(predicted.labels.chunks(area));
        images.map(move |(logits, labels)| {
            let valid = || (0..area).filter(|&pixel| labels[pixel] != u32::from(VOID));
            PixelRows {
                logits: valid().flat_map(|pixel| logits.chunks(area).map(move |plane| plane[pixel])).collect(),
                labels: valid().map(|pixel| labels[pixel]).collect(),
            }
        })
    }
}
