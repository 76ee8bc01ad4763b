//! Random crop and flip.

use crate::{Error, Image, Result};
use mbls_data::Seed;
use rand::RngExt;

/// Pads an image with zeros on every side, crops it to its original size at a random position and
/// flips it left to right with probability 1/2: the common augmentation for CIFAR, with `padding` 4.
///
/// The zeros are values before normalisation. All `(2 padding + 1)^2` positions are equally likely.
///
/// # References
///
/// He et al.: Deep Residual Learning for Image Recognition (CVPR 2016), section 4.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PadCropFlip {
    /// Number of rows and columns added on each side.
    pub padding: usize,
    /// Whether half of the images are flipped.
    pub flip: bool,
}

impl PadCropFlip {
    /// Returns the values of an image of `shape` (channels, height, width), cropped and flipped as
    /// determined by `seed`.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) if `pixels` does not fill `shape`, or `padding`
    /// exceeds the image's smaller side.
    pub fn apply<T: Copy + Default>(
        &self,
        pixels: &[T],
        shape: [usize; 3],
        seed: Seed,
    ) -> Result<Vec<T>> {
        let [_, height, width] = shape;
        if shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size)) != Some(pixels.len()) {
            return Err(Error::value(
                "image",
                format!("values of shape {shape:?}"),
                format!("{} values", pixels.len()),
            ));
        }
        let side = height.min(width);
        if self.padding > side {
            return Err(Error::value(
                "padding",
                format!("at most the image's side of {side}"),
                self.padding,
            ));
        }
        let mut rng = seed.derive("pad-crop-flip").rng();
        let mut shift = || rng.random_range(0..=2 * self.padding as u64) as usize;
        let (down, right) = (shift(), shift());
        let flipped = self.flip && rng.random();
        let mut output = vec![T::default(); pixels.len()];
        for (from, to) in pixels.chunks(height * width).zip(output.chunks_mut(height * width)) {
            for y in 0..height {
                // Row and column of the padded image minus the padding; outside of the image
                // nothing is copied.
                let Some(row) = (y + down).checked_sub(self.padding).filter(|&row| row < height)
                else {
                    continue;
                };
                for x in 0..width {
                    let column = if flipped { width - 1 - x } else { x } + right;
                    if let Some(column) =
                        column.checked_sub(self.padding).filter(|&column| column < width)
                    {
                        to[y * width + x] = from[row * width + column];
                    }
                }
            }
        }
        Ok(output)
    }

    /// Returns the image, cropped and flipped as determined by `seed`.
    ///
    /// # Errors
    ///
    /// As for [`PadCropFlip::apply`].
    pub fn image(&self, image: &Image, seed: Seed) -> Result<Image> {
        let &Image { channels, height, width, .. } = image;
        let pixels = self.apply(&image.pixels, [channels, height, width], seed)?;
        Ok(Image { channels, height, width, pixels })
    }
}
