//! The trait of joint transforms.

use crate::dataset::SegmentationSample;
use mbls_data::{Error, Result, Seed};

/// Largest number of pixels of a sample in a pipeline, the default limit of decoding.
const MAX_PIXELS: usize = 89_478_485;

/// A kind of [`JointTransform`](super::JointTransform).
///
/// [`JointTransform::apply`](super::JointTransform::apply) validates settings and sample before it
/// calls `run`.
pub(super) trait Step {
    /// Checks the settings, independently of a sample.
    fn validate(&self) -> Result<()>;

    /// Returns the range of the resulting height (or width) if it is in `from` before the
    /// transform, whatever the other side is.
    fn side(&self, from: Sides) -> Sides {
        from
    }

    /// Returns the transformed sample.
    fn run(&self, sample: SegmentationSample, seed: Seed) -> Result<SegmentationSample>;
}

/// The range of the height, or of the width, of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sides {
    pub(super) least: usize,
    pub(super) most: usize,
}

/// Returns height and width of a result, or an error if it is too large or empty.
pub(super) fn checked(name: &str, [height, width]: [usize; 2]) -> Result<[usize; 2]> {
    match height.checked_mul(width) {
        Some(pixels) if (1..=MAX_PIXELS).contains(&pixels) => Ok([height, width]),
        _ => {
            let found = format!("{height} x {width}");
            Err(Error::value(
                format!("{name}: size of the result"),
                format!("1..={MAX_PIXELS} pixels"),
                found,
            ))
        }
    }
}

/// Returns an error for a size of 0 or one that is too large.
pub(super) fn validate_side(name: &str, side: usize) -> Result<()> {
    match side {
        0 => Err(Error::value(format!("{name}: size"), "at least 1", 0)),
        _ => checked(name, [side, 1]).map(|_| ()),
    }
}

/// Returns an error unless a setting is in `least..=most`.
pub(super) fn validate_number(
    name: &str,
    setting: &str,
    value: f64,
    [least, most]: [f64; 2],
) -> Result<()> {
    if least <= value && value <= most {
        Ok(())
    } else {
        Err(Error::value(format!("{name}: {setting}"), format!("{least}..={most}"), value))
    }
}

pub(super) fn half() -> f64 {
    0.5
}
