//! Finds the significantly best loss of each column.

use crate::measure::Resampled;
use mbls_report::{Column, Direction, LossReport};
use std::collections::BTreeMap;

/// Returns the best loss of each column: column keys to loss ids. A loss is the best if the paired
/// bootstrap interval of its difference from the second best excludes 0, with the difference of the
/// means on the same side. Tied losses have no best.
pub(crate) fn best(
    columns: &[Column],
    losses: &[(LossReport, Resampled)],
) -> BTreeMap<String, String> {
    columns
        .iter()
        .filter_map(|column| Some((column.key.to_owned(), best_of(column, losses)?)))
        .collect()
}

fn best_of(column: &Column, losses: &[(LossReport, Resampled)]) -> Option<String> {
    let mut ranked: Vec<(f64, &(LossReport, Resampled))> = losses
        .iter()
        .filter_map(|loss| Some((loss.0.metrics.get(column.key)?.mean, loss)))
        .filter(|(mean, _)| mean.is_finite())
        .collect();
    match column.better {
        Direction::Lower => ranked.sort_by(|a, b| a.0.total_cmp(&b.0)),
        Direction::Higher => ranked.sort_by(|a, b| b.0.total_cmp(&a.0)),
        Direction::Neither => return None,
    }
    let [(first, (best, resampled)), (second, (_, next)), ..] = &ranked[..] else { return None };
    let difference = resampled.difference(next, column.key)?;
    // Bootstrap intervals of calibration errors are biased: they may be on the other side of 0.
    let beyond =
        if first < second { difference.high < 0.0 } else { first > second && difference.low > 0.0 };
    beyond.then(|| best.id.clone())
}
