//! Predictions on the host, as metrics of segmentation take them.

use mbls_seg::metric::Pictures;
use mbls_train::{Error, Predicted, Result};

/// A batch of predictions as metrics of segmentation take it.
pub(super) struct HostBatch<'a> {
    predicted: &'a Predicted,
    shape: [usize; 4],
    indices: Vec<u64>,
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
}
