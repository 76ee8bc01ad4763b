//! The segmentation of an image.

use crate::metric::class_colour;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use mbls_core::calibration::OodVerdict;
use mbls_data::{Error, Result};
use mbls_vision::Image;

/// The class of each pixel of an image, with its calibrated confidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Segmentation {
    /// Number of rows of the image.
    pub height: usize,
    /// Number of columns of the image.
    pub width: usize,
    /// The most probable class of each pixel, in row-major order.
    pub classes: Vec<u8>,
    /// The calibrated probability of the class of each pixel.
    pub confidences: Vec<f32>,
    /// The verdict of each out-of-distribution detector on the image.
    pub ood: Vec<OodVerdict>,
}

/// Opacity of the class colours in an overlay.
const OPACITY: f32 = 0.5;

impl Segmentation {
    /// Returns the mean confidence of all pixels.
    pub fn mean_confidence(&self) -> f64 {
        self.confidences.iter().map(|&confidence| f64::from(confidence)).sum::<f64>()
            / self.confidences.len() as f64
    }

    /// Counts the pixels of each of the first `classes` classes.
    pub fn counts(&self, classes: usize) -> Vec<u64> {
        let mut counts = vec![0; classes];
        for &class in &self.classes {
            if let Some(count) = counts.get_mut(usize::from(class)) {
                *count += 1;
            }
        }
        counts
    }

    /// Encodes the classes as a PNG file with a palette of PASCAL VOC's colours. The palette
    /// indices are the mask values of the classes, `values` in the order of the classes. Pixels
    /// whose confidence is `withheld` get the index 255 (void).
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for a class without a value; [`Error::Other`] for an
    /// image that is too large for the format.
    pub fn mask_png(&self, values: &[u8], withheld: impl Fn(f32) -> bool) -> Result<Vec<u8>> {
        let pixel = |(&class, &confidence): (&u8, &f32)| {
            if withheld(confidence) {
                return Ok(u8::MAX);
            }
            values.get(usize::from(class)).copied().ok_or_else(|| {
                Error::value(
                    "values of the classes",
                    format!("one for class {class}"),
                    values.len(),
                )
            })
        };
        let pixels =
            self.classes.iter().zip(&self.confidences).map(pixel).collect::<Result<Vec<_>>>()?;
        let (width, height) = self.sides()?;
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette((0..=u8::MAX).flat_map(class_colour).collect::<Vec<u8>>());
        let written =
            encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
        written.map_err(|error| Error::Other(error.into()))?;
        Ok(file)
    }

    /// Encodes the confidences as a grey PNG file with the values `round(255 confidence)`: black is
    /// confidence 0, white confidence 1.
    ///
    /// # Errors
    ///
    /// [`Error::Other`] for an image that is too large for the format.
    pub fn confidence_png(&self) -> Result<Vec<u8>> {
        let pixels: Vec<u8> = self.confidences.iter().map(|p| (255.0 * p).round() as u8).collect();
        self.png(&pixels, ExtendedColorType::L8)
    }

    /// Encodes the image, overlaid with the colours of the classes' mask values, as a PNG file.
    /// Value 0, which is the background in most data sets, is black.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for an image of another size or without 1 or 3
    /// channels; [`Error::Other`] for one that is too large for the format.
    pub fn overlay_png(&self, image: &Image, values: &[u8]) -> Result<Vec<u8>> {
        image.validate()?;
        let plane = self.height * self.width;
        if [image.height, image.width] != [self.height, self.width]
            || ![1, 3].contains(&image.channels)
        {
            let expected = format!("[1 or 3, {}, {}]", self.height, self.width);
            return Err(Error::value(
                "shape of the image",
                expected,
                format!("{:?}", image.shape()),
            ));
        }
        let value =
            |pixel: usize, channel: usize| image.pixels[(channel % image.channels) * plane + pixel];
        let colours: Vec<[u8; 3]> = values.iter().map(|&value| class_colour(value)).collect();
        let blend = |(pixel, &class): (usize, &u8)| {
            let colour = colours.get(usize::from(class)).copied().unwrap_or_default();
            std::array::from_fn::<u8, 3, _>(|channel| {
                let [below, above] = [value(pixel, channel), colour[channel]].map(f32::from);
                ((1.0 - OPACITY) * below + OPACITY * above).round() as u8
            })
        };
        let pixels: Vec<u8> = self.classes.iter().enumerate().flat_map(blend).collect();
        self.png(&pixels, ExtendedColorType::Rgb8)
    }

    fn png(&self, pixels: &[u8], colours: ExtendedColorType) -> Result<Vec<u8>> {
        let (width, height) = self.sides()?;
        let mut file = Vec::new();
        let written = PngEncoder::new(&mut file).write_image(pixels, width, height, colours);
        written.map_err(|error| Error::Other(error.into()))?;
        Ok(file)
    }

    fn sides(&self) -> Result<(u32, u32)> {
        let side = |side: usize| u32::try_from(side).map_err(|error| Error::Other(error.into()));
        Ok((side(self.width)?, side(self.height)?))
    }
}
