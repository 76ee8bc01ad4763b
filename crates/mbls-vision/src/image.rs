//! Pictures, samples and batches of them.

use crate::{Error, Result};
use candle_core::{Device, Tensor};
use mbls_data::Collate;

/// One picture of 8-bit values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Number of channels.
    pub channels: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
    /// The values, channel by channel, row by row.
    pub pixels: Vec<u8>,
}

impl Image {
    /// Channels, height and width.
    pub fn shape(&self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }

    /// The values divided by the one that means 1.
    pub fn scaled(&self, full_scale: u8) -> Vec<f32> {
        let scale = f32::from(full_scale);
        self.pixels.iter().map(|&value| f32::from(value) / scale).collect()
    }
}

/// One picture ready for a network, with its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The values, channel by channel, row by row.
    pub pixels: Vec<f32>,
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// The class.
    pub label: u32,
}

/// Pictures of one shape with their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageBatch {
    /// The values, picture by picture.
    pub pixels: Vec<f32>,
    /// Number of pictures, channels, height, width.
    pub shape: [usize; 4],
    /// The classes.
    pub labels: Vec<u32>,
}

impl ImageBatch {
    /// The pictures as a tensor of shape `[N, C, H, W]`.
    ///
    /// # Errors
    ///
    /// What candle reports; also where `pixels` does not fill `shape`.
    pub fn images(&self, device: &Device) -> candle_core::Result<Tensor> {
        Tensor::from_slice(&self.pixels, &self.shape, device)
    }

    /// The labels as a `u32` tensor of shape `[N]`.
    ///
    /// # Errors
    ///
    /// What candle reports.
    pub fn labels(&self, device: &Device) -> candle_core::Result<Tensor> {
        Tensor::from_slice(&self.labels, self.labels.len(), device)
    }
}

/// Puts samples of one shape into an [`ImageBatch`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ImageCollate;

impl Collate<Sample> for ImageCollate {
    type Batch = ImageBatch;

    fn collate(&self, items: Vec<Sample>) -> Result<ImageBatch> {
        let Some(first) = items.first() else { return Err(Error::value("batch", "at least 1 sample", 0)) };
        let [channels, height, width] = first.shape;
        let size: usize = first.shape.iter().product();
        let mut batch = ImageBatch {
            pixels: Vec::with_capacity(items.len() * size),
            shape: [items.len(), channels, height, width],
            labels: Vec::with_capacity(items.len()),
        };
        for (i, item) in items.iter().enumerate() {
            if item.shape != [channels, height, width] || item.pixels.len() != size {
                let expected = format!("{size} values of shape {:?}, as in sample 0", first.shape);
                let found = format!("{} values of shape {:?}", item.pixels.len(), item.shape);
                return Err(Error::value(format!("sample {i} of the batch"), expected, found));
            }
            batch.pixels.extend_from_slice(&item.pixels);
            batch.labels.push(item.label);
        }
        Ok(batch)
    }
}
