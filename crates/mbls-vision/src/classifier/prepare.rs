//! Preparation of images for a classifier's network.

use super::ClassifierSettings;
use crate::transform::{ImageTransform, Resize, Size, apply_all};
use crate::{Error, Image, Result};
use mbls_data::Seed;
use serde::Serialize;

/// An image prepared for a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The values, channel by channel, row by row.
    pub(super) pixels: Vec<f32>,
    /// The changes that were needed in addition to the classifier's own transforms.
    pub adaptation: Adaptation,
}

/// Changes made to an image that differs from the training images, so the network accepts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Adaptation {
    /// The original number of channels, if it differed from the network's: colours were converted
    /// to grey with the ITU-R 601 weights, grey was repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
    /// The original height and width, if the transforms did not produce the network's size and the
    /// image was resized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[usize; 2]>,
}

impl ClassifierSettings {
    /// Prepares an image whose values mean 1 at `full_scale`.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for an image whose pixels do not fill its shape,
    /// whose channels cannot be converted to the network's, or that a transform does not accept.
    pub(super) fn prepare(&self, image: &Image, full_scale: u8) -> Result<Prepared> {
        image.validate()?;
        let mut adaptation = Adaptation::default();
        let [channels, height, width] = self.shape;
        let image = if image.channels == channels {
            image.clone()
        } else {
            adaptation.channels = Some(image.channels);
            with_channels(image, channels)?
        };
        let mut image = apply_all(&self.transforms, image, Seed(0))?;
        let size = [image.height, image.width];
        if size != [height, width] {
            adaptation.size = Some(size);
            let resize = Resize { size: Size::HeightWidth([height, width]), antialias: true };
            image = ImageTransform::from(resize).apply(&image, Seed(0))?;
        }
        let mut pixels = image.scaled(full_scale);
        self.normalisation.apply(&mut pixels);
        Ok(Prepared { pixels, adaptation })
    }
}

fn with_channels(image: &Image, channels: usize) -> Result<Image> {
    let plane = image.height * image.width;
    let pixels = match (image.channels, channels) {
        (3, 1) => {
            let (red, others) = image.pixels.split_at(plane);
            let (green, blue) = others.split_at(plane);
            let grey = |((&r, &g), &b): ((&u8, &u8), &u8)| {
                // In integers, as in PIL: a grey pixel keeps its value.
                ((u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471 + 0x8000) >> 16)
                    as u8
            };
            red.iter().zip(green).zip(blue).map(grey).collect()
        }
        (1, _) => image.pixels.repeat(channels),
        (found, _) => {
            return Err(Error::value(
                "channels of the image",
                format!("1, 3 or {channels}"),
                found,
            ));
        }
    };
    Ok(Image { channels, pixels, ..*image })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_grey_and_grey_is_repeated() {
        let image =
            Image { channels: 3, height: 1, width: 3, pixels: vec![255, 7, 0, 0, 7, 0, 0, 7, 255] };
        // PIL's `Image.convert("L")` of red, a grey, blue.
        assert_eq!(with_channels(&image, 1).unwrap().pixels, [76, 7, 29]);
        let grey = Image { channels: 1, height: 1, width: 2, pixels: vec![4, 9] };
        assert_eq!(with_channels(&grey, 3).unwrap().pixels, [4, 9, 4, 9, 4, 9]);
        let error =
            with_channels(&Image { channels: 2, height: 1, width: 1, pixels: vec![0; 2] }, 3)
                .unwrap_err();
        assert_eq!(error.to_string(), "channels of the image: expected 1, 3 or 3, found 2");
    }
}
