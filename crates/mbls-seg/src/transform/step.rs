//! What every joint transform has to say and do.

use crate::dataset::SegmentationSample;
use mbls_data::{Error, Result, Seed};

/// The most pixels that a sample may have on its way through a pipeline: as many as may be decoded.
const MAX_PIXELS: usize = 89_478_485;

/// One kind of [`JointTransform`](super::JointTransform).
///
/// [`JointTransform::apply`](super::JointTransform::apply) checks settings and sample before it
/// calls `run`.
pub(super) trait Step {
    /// Whether the settings make sense for any sample.
    fn validate(&self) -> Result<()>;

    /// The least and the largest side that comes of a side in `from`, whatever the other is.
    fn side(&self, from: Sides) -> Sides {
        from
    }

    /// The transformed sample.
    fn run(&self, sample: SegmentationSample, seed: Seed) -> Result<SegmentationSample>;
}

/// The least and the largest height, or width, that a sample can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sides {
    pub(super) least: usize,
    pub(super) most: usize,
}

/// Height and width of a sample on its way; an error where it would be too large.
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

/// An error where a size in settings is none.
pub(super) fn validate_side(name: &str, side: usize) -> Result<()> {
    match side {
        0 => Err(Error::value(format!("{name}: size"), "at least 1", 0)),
        _ => checked(name, [side, 1]).map(|_| ()),
    }
}

/// An error where a number in settings is not in `least..=most`.
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
