//! Rows of few classes: one row per vector lane, whose classes are added in order.

use super::{FEW, LANES, Row, Score};
use crate::simd::{exp, ln};

#[inline(always)]
pub(super) fn summarise<T: Score>(
    logits: &[T],
    classes: usize,
    labels: &[u32],
    inverse_temperature: f64,
    rows: &mut Vec<Row>,
) -> Result<(), usize> {
    let mut columns = [[T::ZERO; LANES]; FEW];
    for (group, (logits, labels)) in logits.chunks(classes * LANES).zip(labels.chunks(LANES)).enumerate() {
        let columns = transposed(logits, classes, &mut columns);
        let Some(lanes) = Lanes::new(columns, labels, inverse_temperature) else {
            let at = logits.iter().position(|logit| !logit.is_finite()).unwrap_or(0);
            return Err(group * classes * LANES + at);
        };
        rows.extend((0..labels.len()).map(|lane| lanes.row(lane)));
    }
    Ok(())
}

#[inline(always)]
pub(super) fn probabilities<T: Score>(logits: &[T], classes: usize, inverse_temperature: f64, probs: &mut [f64]) {
    let mut columns = [[T::ZERO; LANES]; FEW];
    let mut e = [[0.0; LANES]; FEW];
    for (logits, probs) in logits.chunks(classes * LANES).zip(probs.chunks_mut(classes * LANES)) {
        let columns = transposed(logits, classes, &mut columns);
        let max = maximum(columns);
        let mut sum = [0.0; LANES];
        for (e, column) in e.iter_mut().zip(columns) {
            let scores = column.map(Into::into);
            for lane in 0..LANES {
                e[lane] = exp((scores[lane] - max[lane]) * inverse_temperature);
                sum[lane] += e[lane];
            }
        }
        let inverse = sum.map(|sum| 1.0 / sum);
        for (lane, probs) in probs.chunks_exact_mut(classes).enumerate() {
            for (p, e) in probs.iter_mut().zip(&e) {
                *p = e[lane] * inverse[lane];
            }
        }
    }
}

/// Up to eight rows as columns; lanes without a row repeat the first.
#[inline(always)]
fn transposed<'a, T: Score>(rows: &[T], classes: usize, columns: &'a mut [[T; LANES]; FEW]) -> &'a [[T; LANES]] {
    let columns = &mut columns[..classes];
    for lane in 0..LANES {
        let start = if (lane + 1) * classes <= rows.len() { lane * classes } else { 0 };
        for (column, &score) in columns.iter_mut().zip(&rows[start..start + classes]) {
            column[lane] = score;
        }
    }
    columns
}

#[inline(always)]
fn maximum<T: Score>(columns: &[[T; LANES]]) -> [f64; LANES] {
    let mut max = [f64::NEG_INFINITY; LANES];
    for column in columns {
        let scores = column.map(Into::into);
        for lane in 0..LANES {
            max[lane] = if scores[lane] > max[lane] { scores[lane] } else { max[lane] };
        }
    }
    max
}

/// What rows are made of, a row per lane.
struct Lanes {
    predicted: [f64; LANES],
    rank: [f64; LANES],
    confidence: [f64; LANES],
    log_prob: [f64; LANES],
    brier: [f64; LANES],
}

impl Lanes {
    /// `None` where a logit is not finite.
    #[inline(always)]
    fn new<T: Score>(columns: &[[T; LANES]], labels: &[u32], inverse_temperature: f64) -> Option<Self> {
        let mut label = [0.0; LANES];
        let mut at_label = columns[0].map(Into::into);
        for (lane, &class) in labels.iter().enumerate() {
            label[lane] = f64::from(class);
            at_label[lane] = columns[class as usize][lane].into();
        }

        let (mut max, mut predicted) = ([f64::NEG_INFINITY; LANES], [0.0; LANES]);
        let (mut zero, mut rank) = ([0.0; LANES], [0.0; LANES]);
        for (k, column) in columns.iter().enumerate() {
            let (scores, k) = (column.map(Into::into), k as f64);
            for lane in 0..LANES {
                let score = scores[lane];
                // A number times 0 is 0, all else NaN, which stays in a sum.
                zero[lane] += score * 0.0;
                let larger = score > max[lane];
                max[lane] = if larger { score } else { max[lane] };
                predicted[lane] = if larger { k } else { predicted[lane] };
                let before = (score > at_label[lane]) | ((score == at_label[lane]) & (k < label[lane]));
                rank[lane] += if before { 1.0 } else { 0.0 };
            }
        }
        if zero.iter().any(|zero| *zero != 0.0) {
            return None;
        }

        let (mut sum, mut others, mut e_label) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for (k, column) in columns.iter().enumerate() {
            let (scores, k) = (column.map(Into::into), k as f64);
            for lane in 0..LANES {
                let e = exp((scores[lane] - max[lane]) * inverse_temperature);
                // As factors: a conditional sum becomes a masked store, which the next class has to wait for.
                let is_label = if k == label[lane] { 1.0 } else { 0.0 };
                sum[lane] += e;
                others[lane] += (1.0 - is_label) * (e * e);
                e_label[lane] += is_label * e;
            }
        }

        let (mut confidence, mut log_prob, mut brier) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            confidence[lane] = 1.0 / sum[lane];
            log_prob[lane] = (at_label[lane] - max[lane]) * inverse_temperature - ln(sum[lane]);
            let miss = 1.0 - e_label[lane] / sum[lane];
            brier[lane] = miss * miss + others[lane] / (sum[lane] * sum[lane]);
        }
        Some(Self { predicted, rank, confidence, log_prob, brier })
    }

    #[inline(always)]
    fn row(&self, lane: usize) -> Row {
        Row {
            predicted: self.predicted[lane] as u32,
            rank: self.rank[lane] as u32,
            confidence: self.confidence[lane],
            log_prob: self.log_prob[lane],
            brier: self.brier[lane],
        }
    }
}
