//! Resizing.

use super::step::Step;
use super::{Size, bilinear};
use crate::{Error, Image, Result};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use mbls_data::Seed;
use serde::{Deserialize, Serialize};

/// Resizes with bilinear interpolation.
///
/// A single number as size is the shorter side; the longer one becomes
/// `floor(size * longer / shorter)`, as in torchvision.
///
/// With `antialias`, the width of the triangle filter scales with the reduction, as in PIL and
/// torchvision; results are within one grey level of theirs. Without it, the four neighbours of a
/// point are interpolated whatever the reduction, as in OpenCV's `INTER_LINEAR` and thus the
/// published MbLS code; results are bit-identical to OpenCV's. The result is the same on every
/// machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// The shorter side, or height and width.
    pub size: Size,
    /// Whether to average over all pixels when reducing an image.
    #[serde(default = "yes")]
    pub antialias: bool,
}

pub(super) fn yes() -> bool {
    true
}

impl Step for Resize {
    fn validate(&self) -> Result<()> {
        self.size.validate("resize")
    }

    fn output_shape(&self, [channels, height, width]: [usize; 3]) -> Result<[usize; 3]> {
        let shorter = match self.size {
            Size::Side(shorter) => shorter,
            Size::HeightWidth([height, width]) => return Ok([channels, height, width]),
        };
        let longer = |short: usize, long: usize| {
            let product = shorter.checked_mul(long).and_then(|product| product.checked_div(short));
            product.ok_or_else(|| {
                Error::value("resize: image", "sides of at least 1", format!("{height} x {width}"))
            })
        };
        Ok(if height <= width {
            [channels, shorter, longer(height, width)?]
        } else {
            [channels, longer(width, height)?, shorter]
        })
    }

    fn fixed_size(&self) -> Option<[usize; 2]> {
        match self.size {
            Size::Side(_) => None,
            Size::HeightWidth(size) => Some(size),
        }
    }

    fn run(
        &self,
        image: &Image,
        [channels, height, width]: [usize; 3],
        _seed: Seed,
    ) -> Result<Image> {
        if [height, width] == [image.height, image.width] {
            return Ok(image.clone());
        }
        if !self.antialias {
            let pixels =
                bilinear::resize(&image.pixels, [image.height, image.width], [height, width]);
            return Ok(Image { channels, height, width, pixels });
        }
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let [from_height, from_width] = [side(image.height)?, side(image.width)?];
        let mut resizer = Resizer::new();
        let mut target = TypedImage::<U8>::new(side(width)?, side(height)?);
        let mut pixels = Vec::with_capacity(channels * height * width);
        for plane in image.pixels.chunks(image.height * image.width) {
            let source =
                TypedImageRef::<U8>::from_buffer(from_width, from_height, plane).map_err(boxed)?;
            // `resize`, which is generic over the type, would compile the kernels of all 13 types
            // into this crate.
            resizer.resize_typed(&source, &mut target, &options).map_err(boxed)?;
            pixels.extend(target.pixels().iter().map(|pixel| pixel.0));
        }
        Ok(Image { channels, height, width, pixels })
    }
}

fn side(size: usize) -> Result<u32> {
    u32::try_from(size)
        .map_err(|_| Error::value("resize: side of an image", "fewer than 2^32 pixels", size))
}

fn boxed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}
