//! Batches of texts.

use super::TokenisedText;
use crate::text::{PadConfig, pad};
use crate::{Error, Result};
use candle_core::{Device, Tensor};
use mbls_data::Collate;

/// Sequences of one length with their classes, ready for a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextBatch {
    /// The padded sequences of ids, text by text.
    pub ids: Vec<u32>,
    /// Number of texts and length of each sequence.
    pub shape: [usize; 2],
    /// The classes.
    pub labels: Vec<u32>,
}

impl TextBatch {
    /// Returns the sequences as a `u32` tensor of shape `[N, L]`.
    ///
    /// # Errors
    ///
    /// Any error of candle, such as when `ids` does not fill `shape`.
    pub fn ids(&self, device: &Device) -> candle_core::Result<Tensor> {
        Tensor::from_slice(&self.ids, &self.shape, device)
    }

    /// Returns the labels as a `u32` tensor of shape `[N]`.
    ///
    /// # Errors
    ///
    /// Any error of candle.
    pub fn labels(&self, device: &Device) -> candle_core::Result<Tensor> {
        Tensor::from_slice(&self.labels, self.labels.len(), device)
    }
}

/// Pads sequences to one length and collates them into a [`TextBatch`].
///
/// ```
/// use mbls_data::Collate;
/// use mbls_nlp::dataset::{TextCollate, TokenisedText};
/// use mbls_nlp::text::PadConfig;
///
/// let collate = TextCollate::new(PadConfig { length: 3, value: 0 })?;
/// let items =
///     [&[1, 2, 3, 4][..], &[5]].map(|ids| TokenisedText { ids: ids.to_vec(), label: 1 });
/// let batch = collate.collate(items.to_vec())?;
/// assert_eq!((batch.ids, batch.shape), (vec![2, 3, 4, 0, 0, 5], [2, 3]));
/// # Ok::<(), mbls_nlp::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TextCollate {
    config: PadConfig,
}

impl TextCollate {
    /// Creates a collate function with this padding.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for a length of 0.
    pub fn new(config: PadConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { config })
    }
}

impl Collate<TokenisedText> for TextCollate {
    type Batch = TextBatch;

    fn collate(&self, items: Vec<TokenisedText>) -> Result<TextBatch> {
        let PadConfig { length, value } = self.config;
        let Some(len) = items.len().checked_mul(length).filter(|&len| len > 0) else {
            return Err(Error::value(
                "batch",
                "at least 1 text, of a length that fits memory",
                items.len(),
            ));
        };
        let mut ids = vec![0; len];
        for (row, item) in ids.chunks_mut(length).zip(&items) {
            pad(&item.ids, value, row);
        }
        Ok(TextBatch {
            ids,
            shape: [items.len(), length],
            labels: items.iter().map(|item| item.label).collect(),
        })
    }
}
