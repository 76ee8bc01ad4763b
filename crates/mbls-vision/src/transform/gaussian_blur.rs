//! Gaussian blur.

/// Blurs one plane, along columns first, then along rows: `y_i = sum_k w_k x_(i+k)`, with `w_k`
/// proportional to `exp(-k^2 / (2 sigma^2))`, over `|k| <= floor(4 sigma + 0.5)`, and the border
/// repeated, as in SciPy's `gaussian_filter` with mode `nearest`.
pub(super) fn gaussian_blur(plane: &[f64], width: usize, sigma: f64) -> Vec<f64> {
    let radius = (4.0 * sigma + 0.5) as usize;
    // libm returns the same bits on every machine.
    let weight = |k: usize| libm::exp(-0.5 * (k as f64 / sigma) * (k as f64 / sigma));
    let total = weight(0) + 2.0 * (1..=radius).map(weight).sum::<f64>();
    let weights: Vec<f64> = (0..=radius).map(|k| weight(k) / total).collect();
    let height = plane.len().checked_div(width).unwrap_or(0);
    let vertical = blurred(plane, height, width, &weights, |line, place| place * width + line);
    blurred(&vertical, width, height, &weights, |line, place| line * width + place)
}

/// Blurs `lines` lines of `len` values each; `at(line, place)` returns the index of a value.
fn blurred(
    plane: &[f64],
    len: usize,
    lines: usize,
    weights: &[f64],
    at: impl Fn(usize, usize) -> usize,
) -> Vec<f64> {
    let mut output = vec![0.0; plane.len()];
    for line in 0..lines {
        for place in 0..len {
            let mut sum = weights[0] * plane[at(line, place)];
            for (k, weight) in weights.iter().enumerate().skip(1) {
                let (before, after) = (place.saturating_sub(k), (place + k).min(len - 1));
                sum += weight * (plane[at(line, before)] + plane[at(line, after)]);
            }
            output[at(line, place)] = sum;
        }
    }
    output
}
