//! Maxima over time of sequences `[L, C]`, channels last, and their gradients.

use super::sum::gated;
use crate::cpu::values::Float;

/// Rows whose sum is taken in `T`: few enough for its rounding to be negligible; beyond that `f64`.
const RUN: usize = 16;

/// Whether `new` takes the place of `best`: the first maximum stays, the last NaN wins, as in PyTorch.
#[allow(clippy::eq_op, reason = "a NaN alone differs from itself")]
#[inline(always)]
fn better<T: Float>(new: T, best: T) -> bool {
    (new > best) | (new != new)
}

/// Sets all that is below 0 to 0; NaN stays.
pub(in crate::cpu) fn rectify<T: Float>(values: &mut [T]) {
    values.iter_mut().for_each(|v| *v = gated::<T, true>(*v, *v));
}

/// The rectified maxima of `pool` neighbouring rows of `y`, and in `places`, unless it is empty, which of them each is.
pub(in crate::cpu) fn sliding_maxima<T: Float>(
    y: &[T],
    channels: usize,
    pool: usize,
    out: &mut [T],
    places: &mut [u8],
    at: &mut Vec<u32>,
) {
    at.resize(channels, 0);
    let mut places = places.chunks_exact_mut(channels);
    for (t, best) in out.chunks_exact_mut(channels).enumerate() {
        let rows = &y[t * channels..][..pool * channels];
        best.copy_from_slice(&rows[..channels]);
        let place = places.next();
        match &place {
            Some(_) => at.fill(0),
            None => {
                for row in rows.chunks_exact(channels).skip(1) {
                    best.iter_mut().zip(row).for_each(|(b, &v)| *b = if better(v, *b) { v } else { *b });
                }
            }
        }
        if let Some(place) = place {
            for (k, row) in (0u32..).zip(rows.chunks_exact(channels)).skip(1) {
                for ((b, at), &v) in best.iter_mut().zip(at.iter_mut()).zip(row) {
                    let take = better(v, *b);
                    *b = if take { v } else { *b };
                    *at = if take { k } else { *at };
                }
            }
            place.iter_mut().zip(&*at).for_each(|(place, &at)| *place = at as u8);
        }
        rectify(best);
    }
}

/// The gradient of the rows that [`sliding_maxima`] saw, from that of its result `y`, added to `dy`.
pub(in crate::cpu) fn spread<T: Float>(y: &[T], grad: &[T], places: &[u8], channels: usize, pool: usize, dy: &mut [T]) {
    let rows = y.chunks_exact(channels).zip(grad.chunks_exact(channels)).zip(places.chunks_exact(channels));
    for (t, ((y, grad), places)) in rows.enumerate() {
        for (k, dy) in (0..pool).zip(dy[t * channels..].chunks_exact_mut(channels)) {
            for (((dy, &y), &g), &place) in dy.iter_mut().zip(y).zip(grad).zip(places) {
                *dy += if (usize::from(place) == k) & !(y <= T::zero()) { g } else { T::zero() };
            }
        }
    }
}

/// The rectified maxima of the columns of `y` and their rows.
pub(in crate::cpu) fn maxima<T: Float>(y: &[T], channels: usize, out: &mut [T], places: &mut [u32]) {
    out.copy_from_slice(&y[..channels]);
    places.fill(0);
    for (t, row) in (0u32..).zip(y.chunks_exact(channels)).skip(1) {
        for ((best, at), &v) in out.iter_mut().zip(places.iter_mut()).zip(row) {
            let take = better(v, *best);
            *best = if take { v } else { *best };
            *at = if take { t } else { *at };
        }
    }
    rectify(out);
}

/// Adds the sums of the columns of `values` to `sums`; `partial` is memory for them.
pub(in crate::cpu) fn add_column_sums<T: Float>(values: &[T], channels: usize, sums: &mut [f64], partial: &mut Vec<T>) {
    for rows in values.chunks(RUN * channels) {
        partial.clear();
        partial.resize(channels, T::zero());
        for row in rows.chunks_exact(channels) {
            partial.iter_mut().zip(row).for_each(|(sum, &v)| *sum += v);
        }
        sums.iter_mut().zip(&*partial).for_each(|(sum, v)| *sum += v.to_f64());
    }
}
