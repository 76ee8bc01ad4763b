//! Sums in a fixed order.

use crate::cpu::values::Float;
use crate::parallel::map;

/// Number of independent partial sums, as many as two of the widest vectors hold.
const LANES: usize = 16;
/// Number of entries that are summed in `T`: a few additions per lane, whose rounding is
/// negligible. Longer sums use `f64`.
const RUN: usize = 16 * LANES;

/// Returns the sum of `f` over pairs of entries.
fn sum_pairs<T: Float>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> f64 {
    let mut total = 0.0;
    for (a, b) in a.chunks(RUN).zip(b.chunks(RUN)) {
        let mut lanes = [T::zero(); LANES];
        let (a_full, b_full) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
        let (a_rest, b_rest) = (a_full.remainder(), b_full.remainder());
        for (a, b) in a_full.zip(b_full) {
            for k in 0..LANES {
                lanes[k] += f(a[k], b[k]);
            }
        }
        for ((lane, &a), &b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
            *lane += f(a, b);
        }
        total += lanes.iter().map(|lane| lane.to_f64()).sum::<f64>();
    }
    total
}

/// Returns the sum of all entries.
pub(in crate::cpu) fn sum<T: Float>(a: &[T]) -> f64 {
    sum_pairs(a, a, |a, _| a)
}

/// Returns the sum of squared distances from `centre`.
pub(in crate::cpu) fn squares<T: Float>(a: &[T], centre: T) -> f64 {
    sum_pairs(a, a, |a, _| (a - centre) * (a - centre))
}

/// Returns the sums of `g` and of `g (x - centre)`. `GATED`: only of entries whose `y` is above 0
/// (or NaN).
pub(in crate::cpu) fn gradients<T: Float, const GATED: bool>(
    g: &[T],
    x: &[T],
    y: &[T],
    centre: T,
) -> (f64, f64) {
    let (mut plain, mut product) = (0.0, 0.0);
    for ((g, x), y) in g.chunks(RUN).zip(x.chunks(RUN)).zip(y.chunks(RUN)) {
        let (mut plain_lanes, mut product_lanes) = ([T::zero(); LANES], [T::zero(); LANES]);
        let (g_full, x_full, y_full) =
            (g.chunks_exact(LANES), x.chunks_exact(LANES), y.chunks_exact(LANES));
        let (g_rest, x_rest, y_rest) = (g_full.remainder(), x_full.remainder(), y_full.remainder());
        for ((g, x), y) in g_full.zip(x_full).zip(y_full) {
            for k in 0..LANES {
                let g = gated::<T, GATED>(g[k], y[k]);
                plain_lanes[k] += g;
                product_lanes[k] += g * (x[k] - centre);
            }
        }
        for (k, ((&g, &x), &y)) in g_rest.iter().zip(x_rest).zip(y_rest).enumerate() {
            let g = gated::<T, GATED>(g, y);
            plain_lanes[k] += g;
            product_lanes[k] += g * (x - centre);
        }
        plain += plain_lanes.iter().map(|lane| lane.to_f64()).sum::<f64>();
        product += product_lanes.iter().map(|lane| lane.to_f64()).sum::<f64>();
    }
    (plain, product)
}

/// Returns the gradient through a ReLU with result `y` if `GATED`, otherwise `g`.
#[inline(always)]
pub(in crate::cpu) fn gated<T: Float, const GATED: bool>(g: T, y: T) -> T {
    if GATED && y <= T::zero() { T::zero() } else { g }
}

/// Returns the sum over each channel of a contiguous `[N, C, plane]`.
pub(in crate::cpu) fn per_channel<T: Float>(x: &[T], channels: usize, plane: usize) -> Vec<f64> {
    map(channels, &|c| planes(x, channels, plane, c).map(sum).sum())
}

/// Returns the planes of channel `c` in a contiguous `[N, C, plane]`.
pub(in crate::cpu) fn planes<T>(
    x: &[T],
    channels: usize,
    plane: usize,
    c: usize,
) -> impl Iterator<Item = &[T]> {
    x.chunks_exact(plane).skip(c).step_by(channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_close_to_exact_sums_at_every_length() {
        for n in [0, 1, 15, 16, 17, 255, 256, 257, 4099] {
            let x: Vec<f32> = (0..n).map(|i| ((i * 37 % 101) as f32 - 49.3) / 7.0).collect();
            let exact = |f: &dyn Fn(f64) -> f64| x.iter().map(|&v| f(f64::from(v))).sum::<f64>();
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-6 * (1.0 + n as f64 * 50.0);
            assert!(close(sum(&x), exact(&|v| v)), "{n}");
            assert!(close(squares(&x, 0.5), exact(&|v| (v - 0.5).powi(2))), "{n}");
            let (plain, product) = gradients::<_, false>(&x, &x, &x, 0.5);
            assert!(
                close(plain, exact(&|v| v)) && close(product, exact(&|v| v * (v - 0.5))),
                "{n}"
            );
            let (plain, product) = gradients::<_, true>(&x, &x, &x, 0.5);
            let positive = |v: f64| v.max(0.0);
            assert!(close(plain, exact(&positive)), "{n}");
            assert!(close(product, exact(&|v| positive(v) * (v - 0.5))), "{n}");
        }
    }
}
