//! The size of an image in settings.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A height and a width, or a single number: in settings `size = 224` or `size = [224, 320]`.
///
/// The meaning of a single number depends on the transform: the shorter side for
/// [`Resize`](super::Resize), a square otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number of pixels or [height, width]")]
pub enum Size {
    /// A single number, in pixels.
    Side(usize),
    /// Height, then width, in pixels.
    HeightWidth([usize; 2]),
}

impl Size {
    /// Returns height and width; a single number is a square.
    pub(crate) fn square(self) -> [usize; 2] {
        match self {
            Self::Side(side) => [side, side],
            Self::HeightWidth(size) => size,
        }
    }

    /// Returns an error if a number is 0.
    pub(crate) fn validate(self, name: &str) -> Result<()> {
        match self.square() {
            [0, _] | [_, 0] => Err(Error::value(format!("{name}: size"), "at least 1", 0)),
            _ => Ok(()),
        }
    }
}
