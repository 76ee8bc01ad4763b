//! A loss over its seeds: means, deviations, and intervals over test pictures.

use super::evaluation::{Evaluation, EvaluationFile};
use super::pictures::{PictureResult, batch_mean, mean_iou, overlap, reliability, sum};
use crate::results::Cell;
use crate::suite::LossEntry;
use crate::summary::{interval, summaries};
use anyhow::{Context, Result, ensure};
use mbls_core::bootstrap::Interval;
use mbls_core::metric::{Metric, ReliabilityBins};
use mbls_report::LossReport;
use std::collections::BTreeMap;
use std::path::Path;

/// One loss over the cells of its seeds, at least one.
///
/// # Errors
///
/// Evaluations that cannot be read.
pub(crate) fn loss_report(loss: &LossEntry, cells: &[&Cell], out: &Path) -> Result<LossReport> {
    let evaluations = cells.iter().map(|cell| evaluation(cell, out)).collect::<Result<Vec<_>>>()?;
    let all = |bins: fn(&PictureResult) -> &ReliabilityBins| {
        let all = sum(evaluations.iter().flat_map(|evaluation| &evaluation.pictures).map(bins));
        all.and_then(|all| all.value()).context("there are no pixels to draw")
    };
    Ok(LossReport {
        id: loss.id.clone(),
        title: loss.title.clone(),
        settings: loss.settings(),
        metrics: summaries(cells, &intervals(&evaluations)),
        before: all(|picture| &picture.before)?,
        after: all(|picture| &picture.after)?,
    })
}

/// What was measured of a cell's test pictures.
fn evaluation(cell: &Cell, out: &Path) -> Result<Evaluation> {
    let path = cell.key.folder(out).join("evaluation.json");
    let test = EvaluationFile::read(&path)?.test;
    ensure!(
        test.pictures.len() as u64 == cell.n,
        "{}: pictures: expected {}, found {}",
        path.display(),
        cell.n,
        test.pictures.len()
    );
    Ok(test)
}

/// Bootstrap intervals of the mean over seeds, by measure. Test pictures are resampled, for the errors per batch batches.
fn intervals(evaluations: &[Evaluation]) -> BTreeMap<&'static str, Interval> {
    let pictures = evaluations.iter().map(|evaluation| evaluation.pictures.len()).min().unwrap_or(0);
    let batches = evaluations.iter().map(|evaluation| evaluation.batches.len()).min().unwrap_or(0);
    type Measure<'a> = &'a (dyn Fn(&Evaluation, &[u32]) -> Option<f64> + Sync);
    let of = |n: usize, measure: Measure| {
        interval(n, |indices| {
            let values = evaluations.iter().map(|evaluation| measure(evaluation, indices));
            values.sum::<Option<f64>>().map(|sum| sum / evaluations.len() as f64)
        })
    };
    let found = [
        ("miou", of(pictures, &|e, indices| mean_iou(&e.pictures, indices, false))),
        ("miou_published", of(pictures, &|e, indices| mean_iou(&e.pictures, indices, true))),
        ("accuracy", of(pictures, &|e, indices| overlap(&e.pictures, indices)?.pixel_accuracy())),
        ("ece", of(pictures, &|e, indices| Some(reliability(&e.pictures, indices, |p| &p.before)?.ece()))),
        ("ece_scaled", of(pictures, &|e, indices| Some(reliability(&e.pictures, indices, |p| &p.after)?.ece()))),
        ("ece_per_batch", of(batches, &|e, indices| batch_mean(&e.batches, indices, |batch| batch.ece))),
    ];
    found.into_iter().filter_map(|(name, interval)| Some((name, interval?))).collect()
}
