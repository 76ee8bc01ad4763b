//! Rows of few classes: one row per vector lane, with classes processed in order.

use super::exp_sums::add_exps;
use super::number::Number;
use super::transpose::transposed;
use super::{FEW, LANES, Rows, Sums, TopClasses, prefetch};
use crate::simd::{for_each_machine, fused_exp, ln};

pub(super) fn summarise<T: Number>(
    logits: &[T],
    classes: usize,
    labels: &[u32],
    inverse_temperature: f64,
    rows: &mut Rows,
) {
    let mut columns = [[T::ZERO; LANES]; FEW];
    let mut group = Group::default();
    let mut at_label = [T::ZERO; LANES];
    for (logits, labels) in logits.chunks(classes * LANES).zip(labels.chunks(LANES)) {
        prefetch::block_after(logits);
        let columns = transposed(logits, classes, &mut columns);
        for (lane, &class) in labels.iter().enumerate() {
            group.label[lane] = class;
            at_label[lane] = columns[class as usize][lane];
        }
        ranks(columns, &at_label, &mut group);
        let mut sums = Sums::default();
        add_exps(columns, &group.max, inverse_temperature, &mut sums);
        [group.sum, group.squares] = sums;
        finish(inverse_temperature, &mut group);
        group.append_to(rows, labels.len());
    }
}

pub(super) fn top_classes<T: Number>(
    logits: &[T],
    classes: usize,
    inverse_temperature: f64,
    top: &mut TopClasses,
) {
    let mut columns = [[T::ZERO; LANES]; FEW];
    for logits in logits.chunks(classes * LANES) {
        prefetch::block_after(logits);
        let columns = transposed(logits, classes, &mut columns);
        let (mut max, mut predicted, mut sums) = ([T::LOWEST; LANES], [0; LANES], Sums::default());
        maxima(columns, &mut max, &mut predicted);
        add_exps(columns, &max.map(Into::into), inverse_temperature, &mut sums);
        let rows = logits.len() / classes;
        top.predicted.extend_from_slice(&predicted[..rows]);
        top.confidence.extend(sums[0][..rows].iter().map(|sum| 1.0 / sum));
    }
}

for_each_machine! {
    /// Computes the maximum of each lane and the first class that has it.
    fn maxima<T: Number>(columns: &[[T; LANES]], max: &mut [T; LANES], predicted: &mut [u32; LANES]) => maxima_body
}

#[inline(always)]
fn maxima_body<T: Number>(
    columns: &[[T; LANES]],
    max: &mut [T; LANES],
    predicted: &mut [u32; LANES],
) {
    for (k, column) in columns.iter().enumerate() {
        for lane in 0..LANES {
            let larger = column[lane] > max[lane];
            max[lane] = if larger { column[lane] } else { max[lane] };
            predicted[lane] = if larger { k as u32 } else { predicted[lane] };
        }
    }
}

/// Calls `with(first, count, columns)` for each group of up to eight rows: the index of the first
/// row, the number of rows, and their probabilities as columns, one per class. Lanes without a row
/// contain the values of another row.
pub(in crate::metric) fn for_each_group<T: Number>(
    logits: &[T],
    classes: usize,
    inverse_temperature: f64,
    mut with: impl FnMut(usize, usize, &[[f64; LANES]]),
) {
    let mut columns = [[T::ZERO; LANES]; FEW];
    let mut probs = [[0.0; LANES]; FEW];
    for (group, logits) in logits.chunks(classes * LANES).enumerate() {
        prefetch::block_after(logits);
        let columns = transposed(logits, classes, &mut columns);
        let probs = &mut probs[..classes];
        probabilities_of(columns, inverse_temperature, probs);
        with(group * LANES, logits.len() / classes, probs);
    }
}

pub(super) fn probabilities<T: Number>(
    logits: &[T],
    classes: usize,
    inverse_temperature: f64,
    probs: &mut [f64],
) {
    for_each_group(logits, classes, inverse_temperature, |first, count, columns| {
        let rows = probs[first * classes..][..count * classes].chunks_exact_mut(classes);
        for (lane, row) in rows.enumerate() {
            row.iter_mut().zip(columns).for_each(|(p, column)| *p = column[lane]);
        }
    });
}

/// The statistics of a group of rows, one row per lane.
#[derive(Default)]
struct Group {
    label: [u32; LANES],
    at_label: [f64; LANES],
    max: [f64; LANES],
    predicted: [u32; LANES],
    rank: [u32; LANES],
    sum: [f64; LANES],
    squares: [f64; LANES],
    confidence: [f64; LANES],
    log_prob: [f64; LANES],
    brier: [f64; LANES],
}

impl Group {
    /// Appends the first `count` rows.
    fn append_to(&self, rows: &mut Rows, count: usize) {
        append(&mut rows.predicted, &self.predicted, count);
        append(&mut rows.rank, &self.rank, count);
        append(&mut rows.confidence, &self.confidence, count);
        append(&mut rows.log_prob, &self.log_prob, count);
        append(&mut rows.brier, &self.brier, count);
    }
}

#[inline(always)]
fn append<T: Copy>(to: &mut Vec<T>, lanes: &[T; LANES], count: usize) {
    match count {
        // A copy with a length known at compile time is not a function call.
        LANES => to.extend_from_slice(lanes),
        _ => to.extend_from_slice(&lanes[..count]),
    }
}

for_each_machine! {
    /// Computes the maximum, the first class that has it, and the number of classes that rank
    /// before the label.
    fn ranks<T: Number>(columns: &[[T; LANES]], at_label: &[T; LANES], group: &mut Group) => ranks_body
}

#[inline(always)]
fn ranks_body<T: Number>(columns: &[[T; LANES]], at_label: &[T; LANES], group: &mut Group) {
    let (label, at_label) = (group.label, *at_label);
    let (mut max, mut predicted, mut rank) = ([T::LOWEST; LANES], [0; LANES], [0u32; LANES]);
    for (k, column) in columns.iter().enumerate() {
        let k = k as u32;
        for lane in 0..LANES {
            let score = column[lane];
            let larger = score > max[lane];
            max[lane] = if larger { score } else { max[lane] };
            predicted[lane] = if larger { k } else { predicted[lane] };
            let before = (score > at_label[lane]) | ((score == at_label[lane]) & (k < label[lane]));
            rank[lane] = rank[lane].wrapping_add(before.into());
        }
    }
    for lane in 0..LANES {
        group.max[lane] = max[lane].into();
        group.at_label[lane] = at_label[lane].into();
    }
    (group.predicted, group.rank) = (predicted, rank);
}

for_each_machine! {
    fn finish(inverse_temperature: f64, group: &mut Group) => finish_body
}

#[inline(always)]
fn finish_body(inverse_temperature: f64, group: &mut Group) {
    for lane in 0..LANES {
        let (sum, exponent) =
            (group.sum[lane], (group.at_label[lane] - group.max[lane]) * inverse_temperature);
        let (e, inverse) = (fused_exp(exponent), 1.0 / sum);
        let (miss, others) = (1.0 - e * inverse, group.squares[lane] - e * e);
        let others = if others > 0.0 { others } else { 0.0 };
        group.confidence[lane] = inverse;
        group.log_prob[lane] = exponent - ln(sum);
        group.brier[lane] = miss * miss + others * inverse * inverse;
    }
}

for_each_machine! {
    fn probabilities_of<T: Number>(columns: &[[T; LANES]], inverse_temperature: f64, probs: &mut [[f64; LANES]])
        => probabilities_of_body
}

#[inline(always)]
fn probabilities_of_body<T: Number>(
    columns: &[[T; LANES]],
    inverse_temperature: f64,
    probs: &mut [[f64; LANES]],
) {
    let mut max = [T::LOWEST; LANES];
    for column in columns {
        for lane in 0..LANES {
            max[lane] = if column[lane] > max[lane] { column[lane] } else { max[lane] };
        }
    }
    let mut sum = [0.0; LANES];
    for (p, column) in probs.iter_mut().zip(columns) {
        for lane in 0..LANES {
            let e = fused_exp((column[lane].into() - max[lane].into()) * inverse_temperature);
            p[lane] = e;
            sum[lane] += e;
        }
    }
    let mut inverse = [0.0; LANES];
    for lane in 0..LANES {
        inverse[lane] = 1.0 / sum[lane];
    }
    for p in probs {
        for lane in 0..LANES {
            p[lane] *= inverse[lane];
        }
    }
}
