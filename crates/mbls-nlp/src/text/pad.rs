//! Sequences of one length.

use mbls_data::{Error, Result};
use serde::{Deserialize, Serialize};

/// The length that sequences are brought to, and what stands where there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PadConfig {
    /// Entries of every sequence.
    pub length: usize,
    /// What stands before a shorter sequence.
    pub value: u32,
}

impl Default for PadConfig {
    /// 1,000 tokens, as published.
    fn default() -> Self {
        Self { length: 1000, value: 0 }
    }
}

impl PadConfig {
    /// Whether there is a length.
    ///
    /// # Errors
    ///
    /// [`Error::Value`](mbls_io::Error::Value).
    pub fn validate(&self) -> Result<()> {
        match self.length {
            0 => Err(Error::value("length of padded sequences", "at least 1", 0)),
            _ => Ok(()),
        }
    }
}

/// Puts a sequence into `row`: its end where it is longer, `value` before it where it is shorter.
///
/// # References
///
/// keras_preprocessing 1.1.2, `pad_sequences` with its defaults.
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
