//! What every transform of an image has to say and do.

use crate::{Error, Image, Result};
use mbls_data::Seed;

/// One kind of [`ImageTransform`](super::ImageTransform).
///
/// [`ImageTransform::apply`](super::ImageTransform::apply) checks settings, image and output shape
/// before it calls `run`.
pub(crate) trait Step {
    /// Whether the settings make sense for any image.
    fn validate(&self) -> Result<()>;

    /// The shape of what becomes of an image of `shape`; an error where such an image does not fit.
    fn output_shape(&self, shape: [usize; 3]) -> Result<[usize; 3]>;

    /// Height and width of the output, where they do not depend on the image.
    fn fixed_size(&self) -> Option<[usize; 2]> {
        None
    }

    /// The transformed image, of shape `output`.
    fn run(&self, image: &Image, output: [usize; 3], seed: Seed) -> Result<Image>;
}

/// The most values that an image may have on its way through a pipeline: 256 MiB.
const MAX_VALUES: usize = 1 << 28;

/// Number of values of an image of `shape`; an error where a side is 0 or there would be too many.
pub(crate) fn checked_len(shape: [usize; 3]) -> Result<usize> {
    match shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size)) {
        Some(len) if (1..=MAX_VALUES).contains(&len) => Ok(len),
        _ => {
            let expected = format!("sizes of at least 1, at most {MAX_VALUES} values");
            Err(Error::value("shape of a transformed picture", expected, format!("{shape:?}")))
        }
    }
}
