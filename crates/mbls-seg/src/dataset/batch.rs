//! Batches of images with masks.

use super::SegmentationSample;
#[cfg(doc)]
use super::VOID;
use candle_core::{Device, Tensor};
use mbls_data::{Collate, Error, Result};
use mbls_vision::transform::Normalise;

/// Images of one size with their masks, ready for a network.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentationBatch {
    /// The normalised values in the order image, channel, row, column.
    pub pixels: Vec<f32>,
    /// Number of images, channels, height, width.
    pub shape: [usize; 4],
    /// The classes in the order image, row, column; [`VOID`] for pixels without a class.
    pub labels: Vec<u32>,
    /// Number of pixels of each image that have a class.
    pub valid_pixels: Vec<usize>,
}

impl SegmentationBatch {
    /// Returns the images as an `f32` tensor of shape `[N, 3, H, W]`.
    ///
    /// # Errors
    ///
    /// Any error of candle, such as when `pixels` does not fill `shape`.
    pub fn images(&self, device: &Device) -> candle_core::Result<Tensor> {
        Tensor::from_slice(&self.pixels, &self.shape, device)
    }

    /// Returns the classes as a `u32` tensor of shape `[N, H, W]`, [`VOID`] for pixels without a
    /// class.
    ///
    /// # Errors
    ///
    /// Any error of candle, such as when `labels` does not fill `shape`.
    pub fn labels(&self, device: &Device) -> candle_core::Result<Tensor> {
        let [images, _, height, width] = self.shape;
        Tensor::from_slice(&self.labels, (images, height, width), device)
    }

    /// Returns whether no pixel has a class. A loss averaged over labelled pixels is then
    /// undefined: skip the step and count it.
    pub fn is_all_void(&self) -> bool {
        self.valid_pixels.iter().all(|&pixels| pixels == 0)
    }

    /// Returns the number of images in which no pixel has a class.
    pub fn all_void_images(&self) -> usize {
        self.valid_pixels.iter().filter(|&&pixels| pixels == 0).count()
    }
}

/// Collates samples of one size into a [`SegmentationBatch`] and normalises them per channel:
/// `x' = (x / 255 - mean) / std`.
///
/// ```
/// use mbls_data::Collate;
/// use mbls_seg::dataset::{Mask, SegmentationCollate, SegmentationSample, VOID};
/// use mbls_vision::{Image, transform::Normalise};
///
/// let collate = SegmentationCollate::new(&Normalise::imagenet())?;
/// let image =
///     Image { channels: 3, height: 1, width: 2, pixels: vec![0, 255, 0, 255, 0, 255] };
/// let sample = SegmentationSample {
///     image,
///     mask: Mask { height: 1, width: 2, classes: vec![4, VOID] },
/// };
/// let batch = collate.collate(vec![sample])?;
/// assert_eq!((batch.shape, &batch.labels[..]), ([1, 3, 1, 2], &[4, 255][..]));
/// assert!((batch.pixels[0] + 0.485 / 0.229).abs() < 1e-6);
/// # Ok::<(), mbls_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SegmentationCollate {
    /// Normalised value of each 8-bit value, channel by channel.
    table: Vec<f32>,
}

impl SegmentationCollate {
    /// Creates a collate function with a normalisation of three channels.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for another number of channels.
    pub fn new(normalisation: &Normalise) -> Result<Self> {
        if normalisation.channels() != 3 {
            return Err(Error::value(
                "normalisation of images with masks",
                "3 channels",
                normalisation.channels(),
            ));
        }
        let mut table: Vec<f32> =
            (0..3).flat_map(|_| (0..=u8::MAX).map(|value| f32::from(value) / 255.0)).collect();
        normalisation.apply(&mut table);
        Ok(Self { table })
    }
}

impl Collate<SegmentationSample> for SegmentationCollate {
    type Batch = SegmentationBatch;

    fn collate(&self, items: Vec<SegmentationSample>) -> Result<SegmentationBatch> {
        let Some(first) = items.first() else {
            return Err(Error::value("batch", "at least 1 sample", 0));
        };
        let [height, width] = first.size();
        // A valid sample is in memory, so the product below does not overflow. Nothing is allocated
        // before the sample is validated.
        first.validate()?;
        let plane = height * width;
        let mut batch = SegmentationBatch {
            pixels: Vec::with_capacity(items.len() * 3 * plane),
            shape: [items.len(), 3, height, width],
            labels: Vec::with_capacity(items.len() * plane),
            valid_pixels: Vec::with_capacity(items.len()),
        };
        for (i, item) in items.iter().enumerate() {
            item.validate()?;
            if item.size() != [height, width] {
                let found = format!("{} x {}", item.image.height, item.image.width);
                let expected = format!("{height} x {width}, as of sample 0");
                return Err(Error::value(
                    format!("size of sample {i} of the batch"),
                    expected,
                    found,
                ));
            }
            for (plane, table) in item.image.pixels.chunks(plane).zip(self.table.chunks(256)) {
                batch.pixels.extend(plane.iter().map(|&value| table[usize::from(value)]));
            }
            batch.labels.extend(item.mask.classes.iter().map(|&class| u32::from(class)));
            batch.valid_pixels.push(item.mask.valid_pixels());
        }
        Ok(batch)
    }
}
