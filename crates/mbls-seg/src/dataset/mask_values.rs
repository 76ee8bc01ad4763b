//! Conversion of mask values to classes.

use super::{ClassList, Mask, VOID};
use mbls_data::{Error, Result};
use std::path::Path;

/// The values that occur in a mask, with their counts.
pub(super) type ValueCounts = Vec<(u8, u64)>;

/// Number of pixels of each class in a set of masks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassCounts {
    /// Number of pixels of the classes 0, 1, ...
    pub classes: Vec<u64>,
    /// Number of [`VOID`] pixels.
    pub void: u64,
    /// The most frequent mask value among the void pixels, the smallest one in a tie; `None` if no
    /// pixel is void.
    pub most_void: Option<u8>,
}

impl ClassCounts {
    /// Sums the counts of the values with the same label.
    pub(super) fn new(classes: &ClassList, counts: &[u64; 256]) -> Self {
        let mut sums = Self { classes: vec![0; classes.len()], void: 0, most_void: None };
        for (value, &count) in (0..=u8::MAX).zip(counts) {
            match classes.label(value) {
                Some(VOID) if count > 0 => {
                    sums.void += count;
                    if sums.most_void.is_none_or(|most| counts[usize::from(most)] < count) {
                        sums.most_void = Some(value);
                    }
                }
                Some(VOID) | None => {}
                Some(class) => sums.classes[usize::from(class)] += count,
            }
        }
        sums
    }

    /// Returns the number of pixels, including void.
    pub fn pixels(&self) -> u64 {
        self.classes.iter().sum::<u64>() + self.void
    }
}

/// Replaces each value of a mask by its label, and counts the values.
///
/// # Errors
///
/// [`Error::Format`](mbls_io::Error::Format) for the first pixel, in row-major order, whose value
/// is not allowed.
pub(super) fn mapped(
    path: &Path,
    mut mask: Mask,
    classes: &ClassList,
) -> Result<(Mask, ValueCounts)> {
    let mut counts = [0; 256];
    mask.classes.iter().for_each(|&value| counts[usize::from(value)] += 1);
    let occurs: ValueCounts = (0..=u8::MAX).zip(counts).filter(|&(_, count)| count > 0).collect();
    if occurs.iter().any(|&(value, _)| classes.label(value).is_none()) {
        let at = mask
            .classes
            .iter()
            .position(|&value| classes.label(value).is_none())
            .unwrap_or_default();
        let field =
            format!("value of the pixel in row {}, column {}", at / mask.width, at % mask.width);
        return Err(Error::format(path, field, classes.known_values(), mask.classes[at]));
    }
    if occurs.iter().any(|&(value, _)| classes.label(value) != Some(value)) {
        let table: Vec<u8> =
            (0..=u8::MAX).map(|value| classes.label(value).unwrap_or(VOID)).collect();
        mask.classes.iter_mut().for_each(|value| *value = table[usize::from(*value)]);
    }
    Ok((mask, occurs))
}
