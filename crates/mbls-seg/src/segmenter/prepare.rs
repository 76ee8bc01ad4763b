//! Preparation of images for the network of a segmenter.

use super::SegmenterSettings;
use super::frame::Frame;
use super::settings::CHANNELS;
use crate::dataset::{Mask, SegmentationCollate, SegmentationSample};
use crate::transform::apply_all;
use mbls_data::{Collate, Error, Result, Seed};
use mbls_vision::Image;

/// An image that is prepared for the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The normalised values in the order channel, row, column.
    pub(super) pixels: Vec<f32>,
    /// Height and width of the network input.
    pub(super) size: [usize; 2],
    pub(super) frame: Frame,
}

impl Prepared {
    /// Returns the height and width of the network input.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }
}

impl SegmenterSettings {
    /// Prepares an image: applies the transforms, then the normalisation. A grey image is expanded
    /// to three channels.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for an image whose pixels do not fill its shape,
    /// that does not have 1 or 3 channels, or that a transform rejects.
    pub(super) fn prepare(&self, image: &Image) -> Result<Prepared> {
        image.validate()?;
        let image = match image.channels {
            CHANNELS => image.clone(),
            1 => Image { channels: CHANNELS, pixels: image.pixels.repeat(CHANNELS), ..*image },
            found => return Err(Error::value("channels of the image", "1 or 3", found)),
        };
        let original = [image.height, image.width];
        // All pixels are labelled, so the void pixels after the transforms are padding.
        let mask = Mask {
            height: image.height,
            width: image.width,
            classes: vec![0; image.height * image.width],
        };
        let sample = apply_all(&self.transforms, SegmentationSample { image, mask }, Seed(0))?;
        let size = sample.size();
        let frame = Frame::find(original, &sample.mask.classes, size[1]).ok_or_else(|| {
            Error::value("transforms", "transforms that keep part of the image", "only padding")
        })?;
        let batch = SegmentationCollate::new(&self.normalisation)?.collate(vec![sample])?;
        Ok(Prepared { pixels: batch.pixels, size, frame })
    }
}
