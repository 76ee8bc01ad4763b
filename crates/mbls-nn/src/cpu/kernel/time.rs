//! Maxima over time of channels-last sequences `[L, C]`, and their gradients.

use super::sum::gated;
use crate::cpu::values::Float;

/// Number of rows that are summed in `T`: few enough for its rounding to be negligible. Longer sums
/// use `f64`.
const RUN: usize = 16;

/// Returns whether `new` replaces `best`: the first maximum is kept, the last NaN wins, as in
/// PyTorch.
#[allow(clippy::eq_op, reason = "a NaN alone differs from itself")]
#[inline(always)]
fn better<T: Float>(new: T, best: T) -> bool {
    (new > best) | (new != new)
}

/// Sets all values below 0 to 0; NaN stays NaN.
pub(in crate::cpu) fn rectify<T: Float>(values: &mut [T]) {
    values.iter_mut().for_each(|v| *v = gated::<T, true>(*v, *v));
}

/// Memory for the current best of a row of channels and for their positions.
pub(in crate::cpu) struct Best<T> {
    values: [Vec<T>; 2],
    places: [Vec<u32>; 2],
}

impl<T: Float> Best<T> {
    pub(in crate::cpu) fn new(channels: usize) -> Self {
        let (values, places) = (vec![T::zero(); channels], vec![0; channels]);
        Self { values: [values.clone(), values], places: [places.clone(), places] }
    }

    /// Returns the first maximum of each channel over the rows of `y`, and its row.
    fn find(&mut self, y: &[T]) -> (&[T], &[u32]) {
        let ([values, new_values], [places, new_places]) = (&mut self.values, &mut self.places);
        let mut rows = (0..).zip(y.chunks_exact(values.len()));
        if let Some((_, first)) = rows.next() {
            values.copy_from_slice(first);
            places.fill(0);
        }
        for (place, row) in rows {
            take_better((values, places), (row, place), (new_values, new_places));
            std::mem::swap(values, new_values);
            std::mem::swap(places, new_places);
        }
        (values, places)
    }
}

/// Computes the better of `best` and `row`, whose position is `place`. The outputs are separate
/// from the inputs: in place, stores would become conditional and would not be vectorised.
#[inline(never)]
fn take_better<T: Float>(
    (best, at): (&[T], &[u32]),
    (row, place): (&[T], u32),
    (new_best, new_at): (&mut [T], &mut [u32]),
) {
    let results = new_best.iter_mut().zip(new_at.iter_mut());
    for (((new_best, new_at), (&best, &at)), &new) in results.zip(best.iter().zip(at)).zip(row) {
        let take = better(new, best);
        *new_best = if take { new } else { best };
        *new_at = if take { place } else { at };
    }
}

/// Computes the maxima of `pool` consecutive rows of `y` after ReLU, and, unless `places` is empty,
/// the row of each maximum.
pub(in crate::cpu) fn sliding_maxima<T: Float>(
    y: &[T],
    channels: usize,
    pool: usize,
    out: &mut [T],
    places: &mut [u8],
    best: &mut Best<T>,
) {
    let mut places = places.chunks_exact_mut(channels);
    for (t, out) in out.chunks_exact_mut(channels).enumerate() {
        let (values, at) = best.find(&y[t * channels..][..pool * channels]);
        out.iter_mut().zip(values).for_each(|(out, &v)| *out = gated::<T, true>(v, v));
        if let Some(places) = places.next() {
            places.iter_mut().zip(at).for_each(|(place, &at)| *place = at as u8);
        }
    }
}

/// Adds to `dy` the gradient of the rows that [`sliding_maxima`] read, given that of its result
/// `y`.
pub(in crate::cpu) fn spread<T: Float>(
    y: &[T],
    grad: &[T],
    places: &[u8],
    channels: usize,
    pool: usize,
    dy: &mut [T],
) {
    let rows = y
        .chunks_exact(channels)
        .zip(grad.chunks_exact(channels))
        .zip(places.chunks_exact(channels));
    for (t, ((y, grad), places)) in rows.enumerate() {
        for (k, dy) in (0..pool).zip(dy[t * channels..].chunks_exact_mut(channels)) {
            for (((dy, &y), &g), &place) in dy.iter_mut().zip(y).zip(grad).zip(places) {
                *dy += if (usize::from(place) == k) & better(y, T::zero()) { g } else { T::zero() };
            }
        }
    }
}

/// Computes the maxima of the columns of `y` after ReLU, and their rows.
pub(in crate::cpu) fn maxima<T: Float>(
    y: &[T],
    out: &mut [T],
    places: &mut [u32],
    best: &mut Best<T>,
) {
    let (values, at) = best.find(y);
    out.iter_mut().zip(values).for_each(|(out, &v)| *out = gated::<T, true>(v, v));
    places.copy_from_slice(at);
}

/// Adds the sums of the columns of `values` to `sums`; `partial` is scratch memory.
pub(in crate::cpu) fn add_column_sums<T: Float>(
    values: &[T],
    channels: usize,
    sums: &mut [f64],
    partial: &mut Vec<T>,
) {
    for rows in values.chunks(RUN * channels) {
        partial.clear();
        partial.resize(channels, T::zero());
        for row in rows.chunks_exact(channels) {
            partial.iter_mut().zip(row).for_each(|(sum, &v)| *sum += v);
        }
        sums.iter_mut().zip(&*partial).for_each(|(sum, v)| *sum += v.to_f64());
    }
}
