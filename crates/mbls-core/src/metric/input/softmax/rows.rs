//! Rows of many classes: one class per vector lane.

use super::exp_sums::add_exps;
use super::number::Number;
use super::{LANES, Rows, Sums, TopClasses, prefetch, rank};
use crate::simd::{for_each_machine, fused_exp, ln};

pub(super) fn summarise<T: Number>(
    logits: &[T],
    classes: usize,
    labels: &[u32],
    inverse_temperature: f64,
    rows: &mut Rows,
) {
    for (row, &label) in logits.chunks_exact(classes).zip(labels) {
        prefetch::block_after(row);
        let max = maximum(row);
        let [sum, squares] = sums_of(row, max.into(), inverse_temperature);
        let exponent = (row[label as usize].into() - max.into()) * inverse_temperature;
        let e = fused_exp(exponent);
        let inverse = 1.0 / sum;
        let (miss, others) = (1.0 - e * inverse, (squares - e * e).max(0.0) * inverse * inverse);
        rows.predicted.push(first_equal(row, max) as u32);
        rows.rank.push(rank(row, label as usize));
        rows.confidence.push(inverse);
        rows.log_prob.push(exponent - ln(sum));
        rows.brier.push(miss * miss + others);
    }
}

pub(super) fn top_classes<T: Number>(
    logits: &[T],
    classes: usize,
    inverse_temperature: f64,
    top: &mut TopClasses,
) {
    for row in logits.chunks_exact(classes) {
        prefetch::block_after(row);
        let max = maximum(row);
        let [sum, _] = sums_of(row, max.into(), inverse_temperature);
        top.predicted.push(first_equal(row, max) as u32);
        top.confidence.push(1.0 / sum);
    }
}

pub(super) fn probabilities<T: Number>(
    logits: &[T],
    classes: usize,
    inverse_temperature: f64,
    probs: &mut [f64],
) {
    for (row, probs) in logits.chunks_exact(classes).zip(probs.chunks_exact_mut(classes)) {
        prefetch::block_after(row);
        probabilities_of(row, maximum(row).into(), inverse_temperature, probs);
    }
}

for_each_machine! {
    fn maximum<T: Number>(row: &[T]) -> T => maximum_body
}

#[inline(always)]
fn maximum_body<T: Number>(row: &[T]) -> T {
    const WIDE: usize = 32;
    let mut max = [T::LOWEST; WIDE];
    let (chunks, tail) = row.as_chunks::<WIDE>();
    for chunk in chunks {
        for lane in 0..WIDE {
            max[lane] = if chunk[lane] > max[lane] { chunk[lane] } else { max[lane] };
        }
    }
    max.iter().chain(tail).fold(T::LOWEST, |a, &b| if b > a { b } else { a })
}

for_each_machine! {
    /// Returns the first index of a value that occurs in the row.
    fn first_equal<T: Number>(row: &[T], value: T) -> usize => first_equal_body
}

#[inline(always)]
fn first_equal_body<T: Number>(row: &[T], value: T) -> usize {
    let (chunks, tail) = row.as_chunks::<32>();
    for (index, chunk) in chunks.iter().enumerate() {
        // Checks a whole chunk without a branch per score.
        if chunk.iter().fold(false, |found, score| found | (*score == value)) {
            return index * 32 + chunk.iter().position(|score| *score == value).unwrap_or(0);
        }
    }
    chunks.len() * 32 + tail.iter().position(|score| *score == value).unwrap_or(0)
}

/// Returns `sum_k e_k` and `sum_k e_k^2` of `e_k = exp(b (l_k - max))`.
fn sums_of<T: Number>(row: &[T], max: f64, inverse_temperature: f64) -> [f64; 2] {
    let (chunks, tail) = row.as_chunks::<LANES>();
    let (max, mut sums) = ([max; LANES], Sums::default());
    add_exps(chunks, &max, inverse_temperature, &mut sums);
    if !tail.is_empty() {
        // The exponential of minus infinity adds 0.
        let mut padded = [T::LOWEST; LANES];
        padded[..tail.len()].copy_from_slice(tail);
        add_exps(&[padded], &max, inverse_temperature, &mut sums);
    }
    sums.map(total)
}

for_each_machine! {
    fn probabilities_of<T: Number>(row: &[T], max: f64, inverse_temperature: f64, probs: &mut [f64]) => probabilities_of_body
}

/// The order of the sum is that of [`sums_of`].
#[inline(always)]
fn probabilities_of_body<T: Number>(
    row: &[T],
    max: f64,
    inverse_temperature: f64,
    probs: &mut [f64],
) {
    let mut sums = [0.0; LANES];
    let ((chunks, tail), (to, last)) = (row.as_chunks::<LANES>(), probs.as_chunks_mut::<LANES>());
    for (chunk, probs) in chunks.iter().zip(to) {
        for lane in 0..LANES {
            let e = fused_exp((chunk[lane].into() - max) * inverse_temperature);
            probs[lane] = e;
            sums[lane] += e;
        }
    }
    for (lane, (&score, p)) in tail.iter().zip(last).enumerate() {
        *p = fused_exp((score.into() - max) * inverse_temperature);
        sums[lane] += *p;
    }
    let inverse = 1.0 / total(sums);
    probs.iter_mut().for_each(|p| *p *= inverse);
}

#[inline(always)]
fn total(s: [f64; LANES]) -> f64 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}
