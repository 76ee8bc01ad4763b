use mbls_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Ranges of distances from a class boundary, in pixels: from 0, each up to the next, the last
/// without an end.
///
/// An image without a boundary lies in the last band as a whole.
///
/// ```
/// use mbls_seg::metric::DistanceBands;
///
/// let bands = DistanceBands::default();
/// let names: Vec<String> = (0..bands.len()).map(|band| bands.name(band)).collect();
/// assert_eq!(names, ["0-1", "2-4", "5-9", "10+"]);
/// assert_eq!([0, 1, 2, 9, 10, u32::MAX].map(|distance| bands.band(distance)), [0, 0, 1, 2, 3, 3]);
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u32>", into = "Vec<u32>")]
pub struct DistanceBands {
    /// Where each band but the first begins.
    starts: Vec<u32>,
}

/// The most bands.
const MAX_BANDS: usize = 256;

impl DistanceBands {
    /// Bands of which each but the first begins at one of `starts`; one band of all distances for
    /// none.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] where they do not rise from 1 or more, and for more than 255 of them.
    pub fn new(starts: &[u32]) -> Result<Self> {
        let rise = starts.first() != Some(&0) && starts.windows(2).all(|pair| pair[0] < pair[1]);
        if rise && starts.len() < MAX_BANDS {
            return Ok(Self { starts: starts.to_vec() });
        }
        let (value, expected) =
            (format!("{starts:?}"), "rising distances from 1 on, at most 255 of them");
        Err(Error::Setting { name: "distance bands", value, expected })
    }

    /// The number of bands, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.starts.len() + 1
    }

    /// Returns the index of the band that a distance in pixels lies in.
    pub fn band(&self, distance: u32) -> usize {
        self.starts.partition_point(|start| *start <= distance)
    }

    /// The least and the largest distance of a band, `None` for no end.
    ///
    /// # Panics
    ///
    /// As indexing does, this and [`name`](Self::name) panic where `band` is not below
    /// [`len`](Self::len).
    pub fn range(&self, band: usize) -> (u32, Option<u32>) {
        let from = if band == 0 { 0 } else { self.starts[band - 1] };
        (from, self.starts.get(band).map(|next| next - 1))
    }

    /// A band's range as text.
    pub fn name(&self, band: usize) -> String {
        match self.range(band) {
            (from, None) => format!("{from}+"),
            (from, Some(to)) if from == to => from.to_string(),
            (from, Some(to)) => format!("{from}-{to}"),
        }
    }
}

/// 0 to 1, 2 to 4, 5 to 9, 10 and more.
impl Default for DistanceBands {
    fn default() -> Self {
        Self { starts: vec![2, 5, 10] }
    }
}

impl TryFrom<Vec<u32>> for DistanceBands {
    type Error = Error;

    fn try_from(starts: Vec<u32>) -> Result<Self> {
        Self::new(&starts)
    }
}

impl From<DistanceBands> for Vec<u32> {
    fn from(bands: DistanceBands) -> Self {
        bands.starts
    }
}
