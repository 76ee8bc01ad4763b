//! The interface that every transform implements.

use crate::{Error, Image, Result};
use mbls_data::Seed;

/// One type of [`ImageTransform`](super::ImageTransform).
///
/// [`ImageTransform::apply`](super::ImageTransform::apply) checks settings, image and output shape
/// before it calls `run`.
pub(crate) trait Step {
    /// Checks the settings, independently of any image.
    fn validate(&self) -> Result<()>;

    /// Returns the output shape for an image of `shape`; an error if such an image does not fit.
    fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3]>;

    /// Returns height and width of the output, if they do not depend on the image.
    fn fixed_size(&self) -> Option<[usize; 2]> {
        None
    }

    /// Returns the transformed image, of shape `output`.
    fn run(&self, image: &Image, output: [usize; 3], seed: Seed) -> Result<Image>;
}

/// The maximum number of values of an image within a pipeline: 256 MiB.
const MAX_VALUES: usize = 1 << 28;

/// Returns the number of values of an image of `shape`; an error if a side is 0 or the number is
/// too large.
pub(crate) fn checked_len(shape: [usize; 3]) -> Result<usize> {
    match shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size)) {
        Some(len) if (1..=MAX_VALUES).contains(&len) => Ok(len),
        _ => {
            let expected = format!("sizes of at least 1, at most {MAX_VALUES} values");
            Err(Error::value("shape of a transformed image", expected, format!("{shape:?}")))
        }
    }
}
