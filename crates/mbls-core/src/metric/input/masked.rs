//! Logits of minus infinity mask classes, which then have probability 0.

use super::score_type::ScoreType;
use super::softmax;
use crate::{Error, Result};

/// Whether logits may be masked, or so large that their differences are not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extremes {
    /// No such logits, the usual case.
    None,
    /// There may be such logits.
    Some,
}

/// Returns an error if a logit is NaN or plus infinity, or if a row has no finite logit.
pub(crate) fn check_logits<T: ScoreType>(logits: &[T], classes: usize) -> Result<Extremes> {
    if softmax::all_ordinary(logits) {
        return Ok(Extremes::None);
    }
    for (index, row) in logits.chunks_exact(classes).enumerate() {
        check_row(index, row.iter().map(|&logit| logit.into()))?;
    }
    Ok(Extremes::Some)
}

/// Returns an error if a logit of the row is NaN or plus infinity, or if none is finite.
pub(crate) fn check_row(row: usize, logits: impl Iterator<Item = f64>) -> Result<()> {
    let mut unmasked = false;
    for (class, value) in logits.enumerate() {
        if !value.is_finite() && value != f64::NEG_INFINITY {
            return Err(Error::Value {
                what: "logit",
                value,
                row,
                class,
                expected: "a finite number",
            });
        }
        unmasked |= value.is_finite();
    }
    if unmasked {
        return Ok(());
    }
    let expected = "a finite number in some class, but all classes of the row are masked";
    Err(Error::Value { what: "logit", value: f64::NEG_INFINITY, row, class: 0, expected })
}
