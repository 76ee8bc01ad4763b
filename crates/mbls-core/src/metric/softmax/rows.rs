//! Rows of many classes: one class per vector lane.

use super::{LANES, Row, Score, rank};
use crate::simd::{exp, ln};

#[inline(always)]
pub(super) fn summarise<T: Score>(
    logits: &[T],
    classes: usize,
    labels: &[u32],
    inverse_temperature: f64,
    rows: &mut Vec<Row>,
) -> Result<(), usize> {
    for (index, (row, &label)) in logits.chunks_exact(classes).zip(labels).enumerate() {
        let Some(max) = T::finite_max(row) else {
            return Err(index * classes + row.iter().position(|logit| !logit.is_finite()).unwrap_or(0));
        };
        let (sum, squares) = exp_sums(row, max.into(), inverse_temperature);
        let exponent = (row[label as usize].into() - max.into()) * inverse_temperature;
        let e = exp(exponent);
        let (miss, others) = (1.0 - e / sum, (squares - e * e).max(0.0) / (sum * sum));
        rows.push(Row {
            predicted: first_equal(row, max) as u32,
            rank: rank(row, label as usize),
            confidence: 1.0 / sum,
            log_prob: exponent - ln(sum),
            brier: miss * miss + others,
        });
    }
    Ok(())
}

#[inline(always)]
pub(super) fn probabilities<T: Score>(logits: &[T], classes: usize, inverse_temperature: f64, probs: &mut [f64]) {
    for (row, probs) in logits.chunks_exact(classes).zip(probs.chunks_exact_mut(classes)) {
        let max = T::finite_max(row).map_or(0.0, Into::into);
        for (p, &logit) in probs.iter_mut().zip(row) {
            *p = exp((logit.into() - max) * inverse_temperature);
        }
        let inverse = 1.0 / sum(probs);
        probs.iter_mut().for_each(|p| *p *= inverse);
    }
}

/// The first index of a value that is there.
#[inline(always)]
fn first_equal<T: Score>(row: &[T], value: T) -> usize {
    let (chunks, tail) = row.as_chunks::<32>();
    for (index, chunk) in chunks.iter().enumerate() {
        // Whether a chunk has it takes no branch per score.
        if chunk.iter().fold(false, |found, score| found | (*score == value)) {
            return index * 32 + chunk.iter().position(|score| *score == value).unwrap_or(0);
        }
    }
    chunks.len() * 32 + tail.iter().position(|score| *score == value).unwrap_or(0)
}

/// `sum_k e_k` and `sum_k e_k^2` of `e_k = exp(b (l_k - max))`.
#[inline(always)]
fn exp_sums<T: Score>(row: &[T], max: f64, inverse_temperature: f64) -> (f64, f64) {
    let (mut sums, mut squares) = ([0.0; LANES], [0.0; LANES]);
    let mut add = |scores: &[f64; LANES]| {
        for lane in 0..LANES {
            let e = exp((scores[lane] - max) * inverse_temperature);
            sums[lane] += e;
            squares[lane] += e * e;
        }
    };
    let (chunks, tail) = row.as_chunks::<LANES>();
    for chunk in chunks {
        add(&chunk.map(Into::into));
    }
    if !tail.is_empty() {
        // The exponential of minus infinity adds nothing.
        let mut padded = [f64::NEG_INFINITY; LANES];
        for (lane, &score) in padded.iter_mut().zip(tail) {
            *lane = score.into();
        }
        add(&padded);
    }
    (total(sums), total(squares))
}

/// The sum of a row, in the order of [`exp_sums`].
#[inline(always)]
fn sum(values: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (chunks, tail) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            sums[lane] += chunk[lane];
        }
    }
    for (lane, value) in sums.iter_mut().zip(tail) {
        *lane += value;
    }
    total(sums)
}

#[inline(always)]
fn total(s: [f64; LANES]) -> f64 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}
