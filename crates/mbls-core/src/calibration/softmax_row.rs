//! The softmax of a row, for sums whose small terms matter.

use super::logistic::ln_1p;
use crate::simd::exp;

/// A row's loss, probabilities in place of its logits, the likeliest class with what is left for the
/// others, and how far the label is ahead of the next.
pub(super) fn row_loss(z: &mut [f64], label: usize) -> (f64, (usize, f64), f64) {
    let likeliest = (1..z.len()).fold(0, |best, k| if z[k] > z[best] { k } else { best });
    let (most, own) = (z[likeliest], z[label]);
    let second = (0..z.len()).filter(|&k| k != likeliest).map(|k| z[k]).fold(f64::NEG_INFINITY, f64::max);
    let ahead = if label == likeliest { most - second } else { own - most };
    z.iter_mut().for_each(|z| *z = exp(*z - most));
    // 1 is the likeliest's own: what is small beside it keeps its digits.
    z[likeliest] = 0.0;
    let others: f64 = z.iter().sum();
    let total = 1.0 + others;
    z.iter_mut().for_each(|z| *z /= total);
    z[likeliest] = 1.0 / total;
    (ln_1p(others) + (most - own), (likeliest, others / total), ahead)
}
