//! The softmax of a row, for sums whose small terms matter.

use crate::calibration::binary::logistic::ln_1p;
use crate::simd::exp;

/// What is known of a row beside its probabilities.
pub(in crate::calibration) struct Row {
    pub(in crate::calibration) loss: f64,
    /// The largest magnitude of its logits.
    pub(in crate::calibration) size: f64,
    pub(in crate::calibration) likeliest: usize,
    /// What the likeliest class leaves for the others.
    pub(in crate::calibration) rest: f64,
    /// How far the label's logit is ahead of the next.
    pub(in crate::calibration) ahead: f64,
}

/// Puts probabilities in place of the logits of a row.
pub(in crate::calibration) fn row_of(z: &mut [f64], label: usize) -> Row {
    let size = z.iter().fold(0.0f64, |most, z| most.max(z.abs()));
    let likeliest = (1..z.len()).fold(0, |best, k| if z[k] > z[best] { k } else { best });
    let (most, own) = (z[likeliest], z[label]);
    let second =
        (0..z.len()).filter(|&k| k != likeliest).map(|k| z[k]).fold(f64::NEG_INFINITY, f64::max);
    let ahead = if label == likeliest { most - second } else { own - most };
    z.iter_mut().for_each(|z| *z = exp(*z - most));
    // 1 is the likeliest's own: what is small beside it keeps its digits.
    z[likeliest] = 0.0;
    let others: f64 = z.iter().sum();
    let total = 1.0 + others;
    z.iter_mut().for_each(|z| *z /= total);
    z[likeliest] = 1.0 / total;
    Row { loss: ln_1p(others) + (most - own), size, likeliest, rest: others / total, ahead }
}
