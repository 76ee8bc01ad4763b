//! The softmax of a row, for sums in which small terms matter.

use crate::calibration::binary::logistic::ln_1p;
use crate::simd::exp;

/// Properties of a row besides its probabilities.
pub(in crate::calibration) struct Row {
    pub(in crate::calibration) loss: f64,
    /// The largest magnitude of its logits.
    pub(in crate::calibration) size: f64,
    pub(in crate::calibration) likeliest: usize,
    /// The total probability of all classes but the likeliest.
    pub(in crate::calibration) rest: f64,
    /// The label's logit minus the largest other logit.
    pub(in crate::calibration) ahead: f64,
}

/// Replaces the logits of a row by its probabilities.
pub(in crate::calibration) fn row_of(z: &mut [f64], label: usize) -> Row {
    let size = z.iter().fold(0.0f64, |most, z| most.max(z.abs()));
    let likeliest = (1..z.len()).fold(0, |best, k| if z[k] > z[best] { k } else { best });
    let (most, own) = (z[likeliest], z[label]);
    let second =
        (0..z.len()).filter(|&k| k != likeliest).map(|k| z[k]).fold(f64::NEG_INFINITY, f64::max);
    let ahead = if label == likeliest { most - second } else { own - most };
    z.iter_mut().for_each(|z| *z = exp(*z - most));
    // The likeliest class contributes exactly 1; it is added last, so small terms keep their
    // digits.
    z[likeliest] = 0.0;
    let others: f64 = z.iter().sum();
    let total = 1.0 + others;
    z.iter_mut().for_each(|z| *z /= total);
    z[likeliest] = 1.0 / total;
    Row { loss: ln_1p(others) + (most - own), size, likeliest, rest: others / total, ahead }
}
