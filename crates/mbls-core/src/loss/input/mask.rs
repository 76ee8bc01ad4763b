//! Masked classes, whose logit is minus infinity and whose probability is 0.
//!
//! If a loss is not defined for a masked class, its value is not finite. The check costs a loss
//! with finite values one comparison.

use crate::loss::targets::IGNORED;
use crate::{Error, Result};
use candle_core::{DType, Tensor};

/// Returns an error that names a masked class if one is the reason for a value that is not finite;
/// `logits` and `targets` are those of the batch.
///
/// Values on a device are not checked, to avoid synchronisation.
///
/// # Errors
///
/// [`Error::Value`] if a label, or another class, is masked and no logit is NaN or plus infinity.
pub(in crate::loss) fn check<'a>(
    value: &Tensor,
    logits: impl FnOnce() -> Result<&'a Tensor>,
    targets: &[u32],
) -> Result<()> {
    if !value.device().is_cpu()
        || value.sum_all()?.to_dtype(DType::F64)?.to_scalar::<f64>()?.is_finite()
    {
        return Ok(());
    }
    let logits = logits()?.detach().to_dtype(DType::F64)?.to_vec2::<f64>()?;
    let rows = targets.iter().enumerate().filter(|(_, target)| **target != IGNORED);
    let (mut masked_label, mut masked) = (None, None);
    for (logits, (row, &target)) in logits.iter().zip(rows) {
        if logits.iter().any(|logit| logit.is_nan() || *logit == f64::INFINITY) {
            return Ok(());
        }
        let Some(class) = logits.iter().position(|logit| *logit == f64::NEG_INFINITY) else {
            continue;
        };
        masked = masked.or(Some((row, class)));
        if logits[target as usize] == f64::NEG_INFINITY {
            masked_label = masked_label.or(Some((row, target as usize)));
        }
    }
    let error = |(row, class), expected| {
        Err(Error::Value { what: "logit", value: f64::NEG_INFINITY, row, class, expected })
    };
    match (masked_label, masked) {
        (Some(at), _) => error(at, "a finite number, since the class is the row's label"),
        (None, Some(at)) => {
            error(at, "a finite number, since this loss is not defined for a masked class")
        }
        (None, None) => Ok(()),
    }
}
