//! The report of a loss over its seeds: means, standard deviations, and intervals over test images.

use super::evaluation::{Evaluation, EvaluationFile};
use super::measures::MEASURES;
use super::pictures::{ImageResult, sum};
use crate::measure::Resampled;
use crate::results::Cell;
use crate::spec::LossEntry;
use crate::statistics::summaries;
use anyhow::{Context, Result, ensure};
use mbls_core::metric::{Metric, ReliabilityBins};
use mbls_report::LossReport;
use std::path::Path;

/// Reports one loss over the runs of its seeds, at least one. Also returns its metrics on resampled
/// test images.
///
/// # Errors
///
/// If evaluations cannot be read.
pub(super) fn loss_report(
    loss: &LossEntry,
    cells: &[&Cell],
    out: &Path,
) -> Result<(LossReport, Resampled)> {
    let evaluations = cells.iter().map(|cell| evaluation(cell, out)).collect::<Result<Vec<_>>>()?;
    let all = |bins: fn(&ImageResult) -> &ReliabilityBins| {
        let all = sum(evaluations.iter().flat_map(|evaluation| &evaluation.pictures).map(bins));
        all.and_then(|all| all.value()).context("there are no pixels to draw")
    };
    let resampled = Resampled::of(&MEASURES, &evaluations);
    let report = LossReport {
        id: loss.id.clone(),
        title: loss.title.clone(),
        settings: loss.settings(),
        metrics: summaries(cells, |key| resampled.interval(key)),
        before: all(|image| &image.before)?,
        after: all(|image| &image.after)?,
    };
    Ok((report, resampled))
}

/// Reads the evaluation of a run's test images.
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
