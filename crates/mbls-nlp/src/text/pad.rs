//! Padding of sequences.

use mbls_data::{Error, Result};
use serde::{Deserialize, Serialize};

/// Length and value of padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PadConfig {
    /// Length of every padded sequence.
    pub length: usize,
    /// Id that is put before a shorter sequence.
    pub value: u32,
}

impl Default for PadConfig {
    /// A length of 1,000 tokens, as in the published experiments, and the value 0.
    fn default() -> Self {
        Self { length: 1000, value: 0 }
    }
}

impl PadConfig {
    /// Checks the length.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value) for a length of 0.
    pub fn validate(&self) -> Result<()> {
        match self.length {
            0 => Err(Error::value("length of padded sequences", "at least 1", 0)),
            _ => Ok(()),
        }
    }
}

/// Copies a sequence to `row`: a longer sequence is truncated at the front, a shorter one is padded
/// with `value` at the front.
///
/// # References
///
/// keras_preprocessing 1.1.2, `pad_sequences` with default arguments.
///
/// ```
/// use mbls_nlp::text::pad;
///
/// let mut row = [9; 3];
/// pad(&[1, 2, 3, 4], 0, &mut row);
/// assert_eq!(row, [2, 3, 4]);
/// pad(&[1], 0, &mut row);
/// assert_eq!(row, [0, 0, 1]);
/// ```
pub fn pad(sequence: &[u32], value: u32, row: &mut [u32]) {
    let kept = &sequence[sequence.len().saturating_sub(row.len())..];
    let (before, place) = row.split_at_mut(row.len() - kept.len());
    before.fill(value);
    place.copy_from_slice(kept);
}
