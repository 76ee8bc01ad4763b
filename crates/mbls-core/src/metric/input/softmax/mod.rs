//! One pass over the logits of a block of rows: what metrics need of the softmax without keeping
//! it.
//!
//! Rows of many classes are read with one class per vector lane, rows of few with one row per lane.
//! Which of the two, and the order of the sums, depends on the number of classes alone, so a row
//! has the same bits in any block and on any machine.

mod columns;
mod exp_sums;
mod exp_sums_f32;
mod number;
mod prefetch;
mod rows;
mod transpose;
mod transpose_f32;

use crate::simd::for_each_machine;

/// What the scores of rows say about their labels and predictions, one number for each row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::metric) struct Rows {
    /// The first class of the largest score.
    pub(in crate::metric) predicted: Vec<u32>,
    /// The number of classes that stand before the label: of larger scores, or of the same and a
    /// lower index.
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

    /// Those at `rows`, in that order.
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
    /// The first class of the largest score.
    pub(in crate::metric) predicted: Vec<u32>,
    /// The probability of that class.
    pub(in crate::metric) confidence: Vec<f64>,
}

impl TopClasses {
    /// Those at `rows`, in that order.
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

/// Sums run in so many lanes, whatever the width of the machine's vectors.
const LANES: usize = 8;

/// Rows of few classes are read so many at a time.
pub(in crate::metric) const GROUP: usize = LANES;

/// Scores that are read at a time: few enough to stay in a core's cache.
pub(in crate::metric) const BLOCK: usize = 1 << 15;

/// The most classes that are read with one row per lane.
pub(in crate::metric) const FEW: usize = 64;

/// What logits say, a row for every label: finite ones, and minus infinity for some classes of a
/// row.
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

/// Prediction and confidence of rows of such logits: those of [`summarise`] to the bit.
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

/// The probabilities of rows of such logits.
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
    /// Whether all logits are finite, and no difference of two is beyond f64.
    pub(in crate::metric) fn all_ordinary<T: Number>(logits: &[T]) -> bool => T::all_ordinary
}

for_each_machine! {
    /// The number of scores that stand before a label's: the larger ones, and the same of a lower index.
    pub(in crate::metric) fn rank<T: Number>(row: &[T], label: usize) -> u32 => rank_body
}

#[inline(always)]
fn rank_body<T: Number>(row: &[T], label: usize) -> u32 {
    let score = row[label];
    // Wrapping, since a check of every sum would keep it out of vectors; there are fewer than 2^32
    // classes.
    let count = |n: u32, before: bool| n.wrapping_add(before.into());
    let lower = row[..label].iter().fold(0, |n, other| count(n, *other >= score));
    row[label..].iter().fold(lower, |n, other| count(n, *other > score))
}

#[cfg(test)]
mod tests;
