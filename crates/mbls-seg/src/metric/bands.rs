use mbls_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Consecutive ranges of the distance from a class boundary, in pixels. The first band starts at 0
/// and the last one has no upper end.
///
/// All pixels of an image without a boundary are in the last band.
///
/// ```
/// use mbls_seg::metric::DistanceBands;
///
/// let bands = DistanceBands::default();
/// let names: Vec<String> = (0..bands.len()).map(|band| bands.name(band)).collect();
/// assert_eq!(names, ["0-1", "2-4", "5-9", "10+"]);
/// assert_eq!(
///     [0, 1, 2, 9, 10, u32::MAX].map(|distance| bands.band(distance)),
///     [0, 0, 1, 2, 3, 3]
/// );
/// # Ok::<(), mbls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u32>", into = "Vec<u32>")]
pub struct DistanceBands {
    /// The first distance of each band except the first one.
    starts: Vec<u32>,
}

/// The largest number of bands.
const MAX_BANDS: usize = 256;

impl DistanceBands {
    /// Creates bands: the first starts at 0, each further one at an element of `starts`. Without
    /// `starts` there is one band of all distances.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if `starts` does not strictly increase from 1 or more, or has more than
    /// 255 elements.
    pub fn new(starts: &[u32]) -> Result<Self> {
        let rise = starts.first() != Some(&0) && starts.windows(2).all(|pair| pair[0] < pair[1]);
        if rise && starts.len() < MAX_BANDS {
            return Ok(Self { starts: starts.to_vec() });
        }
        let (value, expected) =
            (format!("{starts:?}"), "rising distances from 1 on, at most 255 of them");
        Err(Error::Setting { name: "distance bands", value, expected })
    }

    /// Returns the number of bands, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "there is always one band")]
    pub fn len(&self) -> usize {
        self.starts.len() + 1
    }

    /// Returns the index of the band that contains a distance in pixels.
    pub fn band(&self, distance: u32) -> usize {
        self.starts.partition_point(|start| *start <= distance)
    }

    /// Returns the smallest and the largest distance of a band; `None` if it has no upper end.
    ///
    /// # Panics
    ///
    /// This and [`name`](Self::name) panic unless `band` is below [`len`](Self::len).
    pub fn range(&self, band: usize) -> (u32, Option<u32>) {
        let from = if band == 0 { 0 } else { self.starts[band - 1] };
        (from, self.starts.get(band).map(|next| next - 1))
    }

    /// Returns the range of a band as text, such as `2-4` or `10+`.
    pub fn name(&self, band: usize) -> String {
        match self.range(band) {
            (from, None) => format!("{from}+"),
            (from, Some(to)) if from == to => from.to_string(),
            (from, Some(to)) => format!("{from}-{to}"),
        }
    }
}

/// The bands 0 to 1, 2 to 4, 5 to 9, and 10 or more.
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
