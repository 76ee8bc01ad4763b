//! Images, samples and batches of samples.

use crate::{Error, Result};
use candle_core::{Device, Tensor};
use mbls_data::Collate;

/// One image of 8-bit values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Number of channels: 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
    /// The values, channel by channel, row by row.
    pub pixels: Vec<u8>,
}

impl Image {
    /// Returns channels, height and width.
    pub fn shape(&self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }

    /// Checks that the number of pixels is at least 1 and matches the shape.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) otherwise.
    pub fn validate(&self) -> Result<()> {
        let len = self.shape().iter().try_fold(1usize, |len, &size| len.checked_mul(size));
        if len == Some(self.pixels.len()) && len != Some(0) {
            return Ok(());
        }
        let expected = format!("values of shape {:?}, at least 1", self.shape());
        Err(Error::value("image", expected, format!("{} values", self.pixels.len())))
    }

    /// Returns the values divided by `full_scale`, the value that means 1.
    pub fn scaled(&self, full_scale: u8) -> Vec<f32> {
        let scale = f32::from(full_scale);
        self.pixels.iter().map(|&value| f32::from(value) / scale).collect()
    }
}

/// One image prepared for a network, with its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The values, channel by channel, row by row.
    pub pixels: Vec<f32>,
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// The class.
    pub label: u32,
    /// The second class, if another image was mixed in.
    pub partner: Option<Partner>,
}

/// The second class of a mixed image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Partner {
    /// The class.
    pub label: u32,
    /// The weight of this class in the image, 0..=1.
    pub weight: f32,
}

/// Images of the same shape with their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageBatch {
    /// The values, image by image.
    pub pixels: Vec<f32>,
    /// Number of images, channels, height, width.
    pub shape: [usize; 4],
    /// The classes.
    pub labels: Vec<u32>,
    /// The second class of each image, if any image of the batch is mixed; an image that is not
    /// mixed has its own class with weight 0.
    pub partners: Option<Vec<Partner>>,
}

impl ImageBatch {
    /// Returns the images as a tensor of shape `[N, C, H, W]`.
    ///
    /// # Errors
    ///
    /// Errors of candle; also if `pixels` does not fill `shape`.
    pub fn images(&self, device: &Device) -> candle_core::Result<Tensor> {
        Tensor::from_slice(&self.pixels, &self.shape, device)
    }

    /// Returns the labels as a `u32` tensor of shape `[N]`.
    ///
    /// # Errors
    ///
    /// Errors of candle.
    pub fn labels(&self, device: &Device) -> candle_core::Result<Tensor> {
        Tensor::from_slice(&self.labels, self.labels.len(), device)
    }

    /// Returns the target probability of each class: 1 for the image's own class, shared with its
    /// partner's class if it is mixed.
    ///
    /// ```
    /// use mbls_vision::{ImageBatch, Partner};
    ///
    /// let partners = Some(vec![Partner { label: 0, weight: 0.25 }]);
    /// let batch = ImageBatch { pixels: vec![0.0], shape: [1; 4], labels: vec![2], partners };
    /// let targets = batch.soft_targets(3, &candle_core::Device::Cpu)?;
    /// assert_eq!(targets.to_vec2::<f32>()?, [[0.25, 0.0, 0.75]]);
    /// # Ok::<(), candle_core::Error>(())
    /// ```
    ///
    /// # Shapes
    ///
    /// `[N, classes]`, `f32`.
    ///
    /// # Errors
    ///
    /// If a label is not below `classes`, or the number of partners differs from the number of
    /// images; errors of candle.
    pub fn soft_targets(&self, classes: usize, device: &Device) -> candle_core::Result<Tensor> {
        let partners = match &self.partners {
            Some(partners) if partners.len() != self.labels.len() => {
                candle_core::bail!("{} partners of {} images", partners.len(), self.labels.len())
            }
            partners => partners.as_deref().unwrap_or_default(),
        };
        let mut targets = vec![0f32; self.labels.len().saturating_mul(classes)];
        for (i, &label) in self.labels.iter().enumerate() {
            let partner = partners.get(i).copied().unwrap_or(Partner { label, weight: 0.0 });
            for (label, weight) in [(label, 1.0 - partner.weight), (partner.label, partner.weight)]
            {
                if label as usize >= classes {
                    candle_core::bail!("label of image {i}: expected 0..{classes}, found {label}");
                }
                targets[i * classes + label as usize] += weight;
            }
        }
        Tensor::from_vec(targets, (self.labels.len(), classes), device)
    }
}

/// Collates samples of the same shape into an [`ImageBatch`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ImageCollate;

impl Collate<Sample> for ImageCollate {
    type Batch = ImageBatch;

    fn collate(&self, items: Vec<Sample>) -> Result<ImageBatch> {
        let Some(first) = items.first() else {
            return Err(Error::value("batch", "at least 1 sample", 0));
        };
        let [channels, height, width] = first.shape;
        let size: usize = first.shape.iter().product();
        let mut batch = ImageBatch {
            pixels: Vec::with_capacity(items.len() * size),
            shape: [items.len(), channels, height, width],
            labels: Vec::with_capacity(items.len()),
            partners: None,
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
        if items.iter().any(|item| item.partner.is_some()) {
            let own =
                |item: &Sample| item.partner.unwrap_or(Partner { label: item.label, weight: 0.0 });
            batch.partners = Some(items.iter().map(own).collect());
        }
        Ok(batch)
    }
}
