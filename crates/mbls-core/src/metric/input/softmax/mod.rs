//! One pass over the logits of a block of rows that computes what metrics need from the softmax,
//! without storing probabilities.
//!
//! Rows with many classes are processed with one class per vector lane, rows with few classes with
//! one row per lane. This choice and the order of the sums depend only on the number of classes, so
//! results for a row are bit-identical in any block and on any machine.

mod columns;
mod exp_sums;
mod exp_sums_f32;
mod number;
mod prefetch;
mod rows;
mod transpose;
mod transpose_f32;

use crate::simd::for_each_machine;

/// Statistics of the scores, labels and predictions, one entry per row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::metric) struct Rows {
    /// The first class with the largest score.
    pub(in crate::metric) predicted: Vec<u32>,
    /// The number of classes that rank before the label: those with larger scores, and those with
    /// the same score and a lower index.
    pub(in crate::metric) rank: Vec<u32>,
    /// The probability of the predicted class.
    pub(in crate::metric) confidence: Vec<f64>,
    /// The logarithm of the label's probability.
    pub(in crate::metric) log_prob: Vec<f64>,
    /// `sum_k (p_k - [k = label])^2`.
    pub(in crate::metric) brier: Vec<f64>,
}

impl Rows {
    pub(in crate::metric) fn with_capacity(rows: usize) -> Self {
        Self {
            predicted: Vec::with_capacity(rows),
            rank: Vec::with_capacity(rows),
            confidence: Vec::with_capacity(rows),
            log_prob: Vec::with_capacity(rows),
            brier: Vec::with_capacity(rows),
        }
    }

    /// Returns the statistics at the indices `rows`, in that order.
    pub(in crate::metric) fn select(&self, rows: &[u32]) -> Self {
        fn of<T: Copy>(values: &[T], rows: &[u32]) -> Vec<T> {
            rows.iter().map(|&row| values[row as usize]).collect()
        }
        Self {
            predicted: of(&self.predicted, rows),
            rank: of(&self.rank, rows),
            confidence: of(&self.confidence, rows),
            log_prob: of(&self.log_prob, rows),
            brier: of(&self.brier, rows),
        }
    }
}

/// Prediction and confidence of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::metric) struct TopClasses {
    /// The first class with the largest score.
    pub(in crate::metric) predicted: Vec<u32>,
    /// The probability of that class.
    pub(in crate::metric) confidence: Vec<f64>,
}

impl TopClasses {
    /// Returns the entries at the indices `rows`, in that order.
    pub(in crate::metric) fn select(&self, rows: &[u32]) -> Self {
        let of = |row: &u32| (self.predicted[*row as usize], self.confidence[*row as usize]);
        let (predicted, confidence) = rows.iter().map(of).unzip();
        Self { predicted, confidence }
    }
}

pub(in crate::metric) use columns::for_each_group;
pub(in crate::metric) use number::Number;

/// `sum_k e_k` and `sum_k e_k^2`, per lane.
type Sums = [[f64; LANES]; 2];

/// The number of lanes of all sums, independent of the width of the machine's vectors.
const LANES: usize = 8;

/// The number of rows that are processed together if there are few classes.
pub(in crate::metric) const GROUP: usize = LANES;

/// The number of scores in a block, small enough for a core's cache.
pub(in crate::metric) const BLOCK: usize = 1 << 15;

/// The maximum number of classes that are processed with one row per lane.
pub(in crate::metric) const FEW: usize = 64;

/// Computes the statistics of rows of logits, with one label per row. Logits are finite, or minus
/// infinity for some classes of a row.
///
/// `p_k = exp(b (l_k - max l)) / sum_j exp(b (l_j - max l))` with the inverse temperature `b`.
pub(in crate::metric) fn summarise<T: Number>(
    logits: &[T],
    classes: usize,
    labels: &[u32],
    inverse_temperature: f64,
) -> Rows {
    let mut rows = Rows::with_capacity(labels.len());
    if classes <= FEW {
        columns::summarise(logits, classes, labels, inverse_temperature, &mut rows);
    } else {
        rows::summarise(logits, classes, labels, inverse_temperature, &mut rows);
    }
    rows
}

/// Computes prediction and confidence of rows of such logits, bit-identical to [`summarise`].
pub(in crate::metric) fn top_classes<T: Number>(
    logits: &[T],
    classes: usize,
    inverse_temperature: f64,
) -> TopClasses {
    let mut top = TopClasses::default();
    if classes <= FEW {
        columns::top_classes(logits, classes, inverse_temperature, &mut top);
    } else {
        rows::top_classes(logits, classes, inverse_temperature, &mut top);
    }
    top
}

/// Computes the probabilities of rows of such logits.
pub(in crate::metric) fn probabilities<T: Number>(
    logits: &[T],
    classes: usize,
    inverse_temperature: f64,
) -> Vec<f64> {
    let mut probs = vec![0.0; logits.len()];
    if classes <= FEW {
        columns::probabilities(logits, classes, inverse_temperature, &mut probs);
    } else {
        rows::probabilities(logits, classes, inverse_temperature, &mut probs);
    }
    probs
}

for_each_machine! {
    /// Returns whether all logits are finite and all differences of two logits are within the range
    /// of f64.
    pub(in crate::metric) fn all_ordinary<T: Number>(logits: &[T]) -> bool => T::all_ordinary
}

for_each_machine! {
    /// Returns the number of scores that rank before the label's: larger scores, and equal scores
    /// with a lower index.
    pub(in crate::metric) fn rank<T: Number>(row: &[T], label: usize) -> u32 => rank_body
}

#[inline(always)]
fn rank_body<T: Number>(row: &[T], label: usize) -> u32 {
    let score = row[label];
    // Wrapping, because checking every sum would prevent vectorisation; there are fewer than 2^32
    // classes.
    let count = |n: u32, before: bool| n.wrapping_add(before.into());
    let lower = row[..label].iter().fold(0, |n, other| count(n, *other >= score));
    row[label..].iter().fold(lower, |n, other| count(n, *other > score))
}

#[cfg(test)]
mod tests;
