//! Means and standard deviations over seeds, and bootstrap intervals.

use crate::results::Cell;
use mbls_core::bootstrap::{Interval, resampled_values};
use mbls_report::Summary;
use std::collections::BTreeMap;

const RESAMPLES: usize = 1000;
const LEVEL: f64 = 0.95;
const BOOTSTRAP_SEED: u64 = 0;

/// Summarises every metric of a loss over the seeds of its runs, with the available intervals.
pub(crate) fn summaries(
    cells: &[&Cell],
    interval: impl Fn(&str) -> Option<Interval>,
) -> BTreeMap<String, Summary> {
    let mut metrics = BTreeMap::new();
    for name in cells.iter().flat_map(|cell| cell.metrics.keys()) {
        let values: Vec<f64> =
            cells.iter().filter_map(|cell| cell.metrics.get(name).copied()).collect();
        let (mean, std) = mean_and_deviation(&values);
        metrics.insert(name.clone(), Summary { mean, std, interval: interval(name) });
    }
    metrics
}

/// Returns a metric on bootstrap resamples of `n` units; `None` if it is undefined for any
/// resample. The resamples depend only on `n`, so metrics with equal `n` share them.
pub(crate) fn resampled(
    n: usize,
    measure: impl Fn(&[u32]) -> Option<f64> + Sync,
) -> Option<Vec<f64>> {
    resampled_values(n, RESAMPLES, BOOTSTRAP_SEED, measure)
}

/// Returns the bootstrap interval of a metric's values on resamples.
pub(crate) fn interval(values: Vec<f64>) -> Option<Interval> {
    Interval::of_values(values, LEVEL)
}

/// Returns the mean, and the sample standard deviation if there is more than one value.
fn mean_and_deviation(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    // Infinite values have no standard deviation.
    (mean, (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()).filter(|std| std.is_finite()))
}

/// Returns the mean of the defined values; `None` if there are none.
pub(crate) fn mean_of_defined(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.flatten().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Returns the mean; `None` if a value is undefined or there are none.
pub(crate) fn mean_of_all(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<Option<f64>> = values.collect();
    if values.iter().any(Option::is_none) { None } else { mean_of_defined(values.into_iter()) }
}
