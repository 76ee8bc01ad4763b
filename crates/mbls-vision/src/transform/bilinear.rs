//! Bilinear interpolation between four neighbours, bit-identical to OpenCV's.
//!
//! OpenCV's 8-bit `INTER_LINEAR` rounds its weights to multiples of 1 / 2048 and drops fractions in
//! intermediate steps, and it averages 2x2 squares if it halves both sides. Published networks were
//! trained on images resized with it, so its arithmetic is reproduced step by step
//! (`fixtures/transforms/opencv.py`).

/// 1 in the fixed-point weights.
const ONE: f32 = 2048.0;

/// The source of an output value: two neighbours and their weights.
#[derive(Clone, Copy)]
struct Taps {
    places: [usize; 2],
    weights: [u16; 2],
}

/// Returns the taps for resampling `from` values to `to` values. Beyond the ends of a row, the
/// weights select the end value alone; beyond the ends of a column, both taps are the end row,
/// which is not bit-identical.
fn taps(from: usize, to: usize, is_row: bool) -> Vec<Taps> {
    let scale = 1.0 / (to as f64 / from as f64);
    let last = from - 1;
    let tap = |place: usize| {
        let at = ((place as f64 + 0.5) * scale - 0.5) as f32;
        let floor = at.floor();
        // At most half a step before the first value.
        let (low, fraction) = match floor as isize {
            low if is_row && low < 0 => (0, 0.0),
            low if is_row && low as usize >= last => (last as isize, 0.0),
            low => (low, at - floor),
        };
        let weight = |share: f32| (share * ONE).round_ties_even() as u16;
        Taps {
            places: [low, low + 1].map(|place| (place.max(0) as usize).min(last)),
            weights: [weight(1.0 - fraction), weight(fraction)],
        }
    };
    (0..to).map(tap).collect()
}

/// Resizes consecutive planes of `from` rows and columns to `to` rows and columns. No side is 0.
pub(super) fn resize(planes: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
    let [height, width] = from;
    let count = planes.len() / (height * width);
    let mut result = Vec::with_capacity(count * to[0] * to[1]);
    if to.map(|side| 2 * side) == from {
        planes.chunks_exact(2 * width).for_each(|rows| halve(rows, &mut result));
        return result;
    }
    let (rows, columns) = (taps(height, to[0], false), taps(width, to[1], true));
    for plane in planes.chunks_exact(height * width) {
        // The two resized input rows that an output row lies between, with their indices.
        let mut resized = [(usize::MAX, vec![0; to[1]]), (usize::MAX, vec![0; to[1]])];
        for Taps { places, weights } in &rows {
            if resized[1].0 == places[0] {
                resized.swap(0, 1);
            }
            for (place, (held, row)) in places.iter().zip(&mut resized) {
                if held != place {
                    *held = *place;
                    resize_row(&plane[place * width..][..width], &columns, row);
                }
            }
            let [upper, lower] = weights.map(u32::from);
            let part = |weight: u32, value: u16| (weight * u32::from(value)) >> 16;
            let values = resized[0].1.iter().zip(&resized[1].1);
            result.extend(values.map(|(&above, &below)| {
                ((part(upper, above) + part(lower, below) + 2) >> 2) as u8
            }));
        }
    }
    result
}

/// Resamples a row; the results are scaled by 2048 / 16.
fn resize_row(row: &[u8], columns: &[Taps], resized: &mut [u16]) {
    for (value, Taps { places, weights }) in resized.iter_mut().zip(columns) {
        let part = |i: usize| u32::from(row[places[i]]) * u32::from(weights[i]);
        *value = ((part(0) + part(1)) >> 4) as u16;
    }
}

/// Averages 2x2 squares of values in pairs of consecutive rows; halves are rounded up.
fn halve(rows: &[u8], result: &mut Vec<u8>) {
    let (above, below) = rows.split_at(rows.len() / 2);
    let squares = above.chunks_exact(2).zip(below.chunks_exact(2));
    let sum = |pair: &[u8]| u16::from(pair[0]) + u16::from(pair[1]);
    result.extend(squares.map(|(above, below)| ((sum(above) + sum(below) + 2) >> 2) as u8));
}
