//! An image with its mask.

use mbls_data::{Error, Result};
use mbls_vision::Image;

/// The class of pixels that belong to none: borders, what was not annotated, what was added around
/// an image. It is what losses ignore.
pub const VOID: u8 = 255;

/// The class of each pixel of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
    /// The classes, row by row; [`VOID`] where there is none.
    pub classes: Vec<u8>,
}

impl Mask {
    /// Number of pixels that have a class.
    pub fn valid_pixels(&self) -> usize {
        self.classes.iter().filter(|&&class| class != VOID).count()
    }

    /// As an image of one channel.
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
/// let sample = SegmentationSample { image, mask: Mask { height: 1, width: 2, classes: vec![4, VOID] } };
/// sample.validate()?;
/// assert!(!sample.is_all_void());
/// # Ok::<(), mbls_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentationSample {
    /// The image: red, green, blue.
    pub image: Image,
    /// Its mask, of the same height and width.
    pub mask: Mask,
}

impl SegmentationSample {
    /// Height and width.
    pub fn size(&self) -> [usize; 2] {
        [self.image.height, self.image.width]
    }

    /// Whether no pixel has a class, as can be in a crop: such a sample says nothing about a
    /// network, and a mean over its pixels is undefined.
    pub fn is_all_void(&self) -> bool {
        self.mask.classes.iter().all(|&class| class == VOID)
    }

    /// Whether the image has three channels, the mask its height and width, and the values fill
    /// them.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value).
    pub fn validate(&self) -> Result<()> {
        self.image.validate()?;
        if self.image.channels != 3 {
            return Err(Error::value("channels of a picture with a mask", 3, self.image.channels));
        }
        let [height, width] = self.size();
        let Mask { height: rows, width: columns, classes } = &self.mask;
        // The image's pixels are in memory: the product does not overflow.
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
