//! Validation of user-supplied probabilities.

use super::precision::Precision;
use crate::{Error, Result};

/// Validates rows of probabilities, clips values outside of `[0, 1]` due to rounding, and returns
/// their number.
pub(crate) fn check_probs(probs: &mut [f64], classes: usize, precision: Precision) -> Result<u64> {
    let (rounding, tolerance) = (precision.rounding(classes), precision.sum_tolerance(classes));
    let mut clipped = 0;
    for (row, probs) in probs.chunks_exact_mut(classes).enumerate() {
        if let Some(class) = probs.iter().position(|p| !(-rounding..=1.0 + rounding).contains(p)) {
            let (value, expected) = (probs[class], "a number from 0 to 1");
            return Err(Error::Value { what: "probability", value, row, class, expected });
        }
        clipped += clip(probs);
        let sum: f64 = probs.iter().sum();
        if (sum - 1.0).abs() > tolerance {
            return Err(Error::ProbabilitySum { row, sum });
        }
    }
    Ok(clipped)
}

/// Clips numbers to `[0, 1]` and returns how many were outside.
pub(in crate::metric) fn clip(probs: &mut [f64]) -> u64 {
    let mut clipped = 0;
    for p in probs.iter_mut().filter(|p| !(0.0..=1.0).contains(*p)) {
        *p = p.clamp(0.0, 1.0);
        clipped += 1;
    }
    clipped
}
