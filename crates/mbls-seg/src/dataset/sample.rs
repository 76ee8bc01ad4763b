//! An image with its mask.

use mbls_data::{Error, Result};
use mbls_vision::Image;

/// The label of pixels without a class: borders, unannotated regions and padding. Losses ignore it.
pub const VOID: u8 = 255;

/// The class of each pixel of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
    /// The classes in row-major order; [`VOID`] for pixels without a class.
    pub classes: Vec<u8>,
}

impl Mask {
    /// Returns the number of pixels that have a class.
    pub fn valid_pixels(&self) -> usize {
        self.classes.iter().filter(|&&class| class != VOID).count()
    }

    /// Converts the mask to an image of one channel.
    pub(crate) fn into_image(self) -> Image {
        Image { channels: 1, height: self.height, width: self.width, pixels: self.classes }
    }

    pub(crate) fn from_image(image: Image) -> Self {
        Self { height: image.height, width: image.width, classes: image.pixels }
    }
}

/// An image with its mask.
///
/// ```
/// use mbls_seg::dataset::{Mask, SegmentationSample, VOID};
/// use mbls_vision::Image;
///
/// let image = Image { channels: 3, height: 1, width: 2, pixels: vec![9; 6] };
/// let sample = SegmentationSample {
///     image,
///     mask: Mask { height: 1, width: 2, classes: vec![4, VOID] },
/// };
/// sample.validate()?;
/// assert!(!sample.is_all_void());
/// # Ok::<(), mbls_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentationSample {
    /// The image, with the channels red, green and blue.
    pub image: Image,
    /// The mask, of the same height and width.
    pub mask: Mask,
}

impl SegmentationSample {
    /// Returns height and width.
    pub fn size(&self) -> [usize; 2] {
        [self.image.height, self.image.width]
    }

    /// Returns whether no pixel has a class, which can happen in a crop. A mean over the labelled
    /// pixels of such a sample is undefined.
    pub fn is_all_void(&self) -> bool {
        self.mask.classes.iter().all(|&class| class == VOID)
    }

    /// Checks that the image has three channels, that the mask has its height and width, and that
    /// both have one value for each pixel and channel.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for the first check that fails.
    pub fn validate(&self) -> Result<()> {
        self.image.validate()?;
        if self.image.channels != 3 {
            return Err(Error::value("channels of an image with a mask", 3, self.image.channels));
        }
        let [height, width] = self.size();
        let Mask { height: rows, width: columns, classes } = &self.mask;
        // The pixels of the image are in memory, so the product does not overflow.
        if [*rows, *columns] != [height, width] || classes.len() != height * width {
            let found = format!("{} values of {rows} x {columns}", classes.len());
            return Err(Error::value(
                "mask",
                format!("{height} x {width} values, as many as pixels"),
                found,
            ));
        }
        Ok(())
    }
}
