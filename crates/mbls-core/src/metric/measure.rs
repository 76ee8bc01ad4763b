use super::contract::PredictionMetric;
use super::input::{BLOCK, Label, LabelledScores, Precision, ScoreType, at_place};
use crate::Result;
use rayon::prelude::*;

/// Evaluates a metric on rows in one pass, on all threads of the current rayon pool.
///
/// The result has the settings of `metric` and contains these rows only, not the rows that `metric`
/// has already seen. It is bit-identical for any number of threads. Apart from the metric's state,
/// memory is needed for a few thousand rows only.
///
/// ```
/// use mbls_core::metric::{LabelledScores, Metric, ReliabilityBins, measure};
///
/// let rows = LabelledScores::probs(&[0.75, 0.25, 0.25, 0.75], 2, &[0, -1]).ignoring(&[-1]);
/// let bins = measure(&ReliabilityBins::new(15)?, rows)?;
/// assert_eq!(bins.value().expect("one row").n, 1);
/// # Ok::<(), mbls_core::Error>(())
/// ```
///
/// # Errors
///
/// Returns the errors of [`LabelledScores::predictions`] and of the metric, for the first row that
/// has one.
pub fn measure<M: PredictionMetric + Sync>(metric: &M, rows: LabelledScores<'_>) -> Result<M> {
    rows.check_shape()?;
    let block_rows = (BLOCK / rows.classes()).max(1);
    let add = |mut state: M, block: usize| {
        let first = block * block_rows;
        let predictions = rows.range(first..(first + block_rows).min(rows.rows())).predictions();
        match predictions.and_then(|predictions| state.update(&predictions)) {
            Ok(()) => Ok(state),
            Err(error) => Err(at_place(error, |row| first + row)),
        }
    };
    let merge = |mut a: M, b: M| a.merge(b).map(|()| a);
    let blocks = rows.rows().div_ceil(block_rows);
    let all = (0..blocks)
        .into_par_iter()
        .try_fold(|| metric.empty(), add)
        .try_reduce(|| metric.empty(), merge);
    // Which of several errors a thread hits first is random, so search sequentially for the first
    // row.
    all.or_else(|_| (0..blocks).try_fold(metric.empty(), add))
}

/// Evaluates a metric on rows of logits, as [`measure`] does.
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
/// `logits` `[rows, classes]` in row-major order, of any [`ScoreType`]; `labels` `[rows]` of any
/// integer type.
///
/// # Errors
///
/// Returns the errors of [`Predictions::from_logits`](crate::metric::Predictions::from_logits) and
/// of the metric, for the first row that has one.
pub fn measure_logits<M, T>(
    metric: &M,
    logits: &[T],
    classes: usize,
    labels: &[impl Label],
) -> Result<M>
where
    M: PredictionMetric + Sync,
    T: ScoreType,
{
    measure_logits_at(metric, logits, classes, labels, 1.0)
}

/// Evaluates a metric on rows of logits divided by a temperature, as [`measure_logits`] does.
///
/// # Errors
///
/// Returns the errors of
/// [`Predictions::from_logits_at`](crate::metric::Predictions::from_logits_at) and of the metric,
/// for the first row that has one.
pub fn measure_logits_at<M, T>(
    metric: &M,
    logits: &[T],
    classes: usize,
    labels: &[impl Label],
    temperature: f64,
) -> Result<M>
where
    M: PredictionMetric + Sync,
    T: ScoreType,
{
    measure(metric, LabelledScores::logits(logits, classes, labels).at_temperature(temperature))
}

/// Evaluates a metric on rows of probabilities, as [`measure_logits`] does.
///
/// # Errors
///
/// Returns the errors of [`Predictions::from_probs`](crate::metric::Predictions::from_probs) and of
/// the metric, for the first row that has one.
pub fn measure_probs<M, T>(
    metric: &M,
    probs: &[T],
    classes: usize,
    labels: &[impl Label],
) -> Result<M>
where
    M: PredictionMetric + Sync,
    T: ScoreType,
{
    measure_probs_in(metric, probs, classes, labels, T::PRECISION)
}

/// Evaluates a metric on rows of probabilities that were computed in a given precision, as
/// [`measure_logits`] does.
///
/// # Errors
///
/// Returns the errors of [`Predictions::from_probs_in`](crate::metric::Predictions::from_probs_in)
/// and of the metric, for the first row that has one.
pub fn measure_probs_in<M, T>(
    metric: &M,
    probs: &[T],
    classes: usize,
    labels: &[impl Label],
    precision: Precision,
) -> Result<M>
where
    M: PredictionMetric + Sync,
    T: ScoreType,
{
    measure(metric, LabelledScores::probs(probs, classes, labels).in_precision(precision))
}
