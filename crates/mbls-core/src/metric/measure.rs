use super::predictions::check_shape;
use super::softmax::BLOCK;
use super::{Label, Metric, Precision, Predictions, Score};
use crate::{Error, Result};
use rayon::prelude::*;

/// Measures rows of logits in one pass over them, on all threads of the current rayon pool.
///
/// The result is `empty`, a metric that has seen nothing, with all rows added: the same bits for any number of threads. Beside
/// the metric's state it needs memory for a few thousand rows, not for all.
///
/// ```
/// use mbls_core::metric::{Metric, ReliabilityBins, measure_logits};
///
/// let logits = [2.0f32, 0.0, 0.0, 1.0, 0.0, 3.0];
/// let bins = measure_logits(&ReliabilityBins::new(15)?, &logits, 2, &[0, 0, 1])?;
/// assert_eq!(bins.value().expect("three rows").n, 3);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # Shapes
///
/// `logits` `[rows, classes]` in row-major order, of any type that is a [`Score`]; `labels` `[rows]` of
/// any integer type.
///
/// # Errors
///
/// Those of [`Predictions::from_logits`] and of the metric, for the first row that has one.
pub fn measure_logits<M, T>(empty: &M, logits: &[T], classes: usize, labels: &[impl Label]) -> Result<M>
where
    M: for<'a> Metric<Input<'a> = &'a Predictions<'a>> + Sync,
    T: Score,
{
    measure_logits_at(empty, logits, classes, labels, 1.0)
}

/// Measures rows of logits divided by a temperature, as [`measure_logits`] does.
///
/// # Errors
///
/// Those of [`Predictions::from_logits_at`] and of the metric, for the first row that has one.
pub fn measure_logits_at<M, T>(
    empty: &M,
    logits: &[T],
    classes: usize,
    labels: &[impl Label],
    temperature: f64,
) -> Result<M>
where
    M: for<'a> Metric<Input<'a> = &'a Predictions<'a>> + Sync,
    T: Score,
{
    let labels = &check_shape("logits", logits.len(), classes, labels)?;
    measure(empty, logits, classes, labels, |logits, labels| {
        Predictions::from_logits_at(logits, classes, labels, temperature)
    })
}

/// Measures rows of probabilities, as [`measure_logits`] does.
///
/// # Errors
///
/// Those of [`Predictions::from_probs`] and of the metric, for the first row that has one.
pub fn measure_probs<M, T>(empty: &M, probs: &[T], classes: usize, labels: &[impl Label]) -> Result<M>
where
    M: for<'a> Metric<Input<'a> = &'a Predictions<'a>> + Sync,
    T: Score,
{
    measure_probs_in(empty, probs, classes, labels, T::PRECISION)
}

/// Measures rows of probabilities that were computed in a precision of their own, as [`measure_logits`] does.
///
/// # Errors
///
/// Those of [`Predictions::from_probs_in`] and of the metric, for the first row that has one.
pub fn measure_probs_in<M, T>(
    empty: &M,
    probs: &[T],
    classes: usize,
    labels: &[impl Label],
    precision: Precision,
) -> Result<M>
where
    M: for<'a> Metric<Input<'a> = &'a Predictions<'a>> + Sync,
    T: Score,
{
    let labels = &check_shape("probabilities", probs.len(), classes, labels)?;
    measure(empty, probs, classes, labels, |probs, labels| {
        Predictions::from_probs_in(probs, classes, labels, precision)
    })
}

fn measure<'a, M, T>(
    empty: &M,
    scores: &'a [T],
    classes: usize,
    labels: &'a [u32],
    predict: impl Fn(&'a [T], &'a [u32]) -> Result<Predictions<'a>> + Sync,
) -> Result<M>
where
    M: for<'b> Metric<Input<'b> = &'b Predictions<'b>> + Sync,
    T: Score,
{
    let rows = (BLOCK / classes).max(1);
    let add = |mut metric: M, block: usize| {
        let first = block * rows;
        let last = (first + rows).min(labels.len());
        let predictions = predict(&scores[first * classes..last * classes], &labels[first..last]);
        match predictions.and_then(|predictions| metric.update(&predictions)) {
            Ok(()) => Ok(metric),
            Err(error) => Err(in_block(error, first)),
        }
    };
    let merge = |mut a: M, b: M| a.merge(b).map(|()| a);
    let blocks = labels.len().div_ceil(rows);
    let all = (0..blocks).into_par_iter().try_fold(|| empty.clone(), add).try_reduce(|| empty.clone(), merge);
    // Which of several errors comes first among threads is chance.
    all.or_else(|_| (0..blocks).try_fold(empty.clone(), add))
}

/// The error with the row it has among all.
fn in_block(mut error: Error, first: usize) -> Error {
    match &mut error {
        Error::Value { row, .. } | Error::ProbabilitySum { row, .. } | Error::Label { row, .. } => *row += first,
        _ => {}
    }
    error
}
