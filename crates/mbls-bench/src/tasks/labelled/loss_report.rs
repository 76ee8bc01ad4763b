//! The report of a loss over its seeds: means, standard deviations, and intervals over test
//! samples.

use super::measures::{MEASURES, TestPredictions};
use super::predictions::SavedPredictions;
use crate::measure::Resampled;
use crate::results::Cell;
use crate::spec::{LossEntry, Suite};
use crate::statistics::summaries;
use anyhow::{Context, Result};
use mbls_core::metric::{Metric, Predictions, ReliabilityBins};
use mbls_report::LossReport;
use std::path::Path;

/// Reports one loss over the runs of its seeds, at least one. Also returns its metrics on resampled
/// test data.
///
/// # Errors
///
/// Predictions that cannot be read.
pub(crate) fn loss_report(
    suite: &Suite,
    loss: &LossEntry,
    cells: &[&Cell],
    out: &Path,
) -> Result<(LossReport, Resampled)> {
    let bins = suite.recipe.bins;
    let predictions = cells.iter().map(|cell| load(cell, out, bins)).collect::<Result<Vec<_>>>()?;
    let reliability = |after: usize| {
        let mut all = ReliabilityBins::new(bins)?;
        predictions.iter().try_for_each(|test| all.update(test.pair()[after]))?;
        all.value().context("there are no predictions to draw")
    };
    let resampled = Resampled::of(&MEASURES, &predictions);
    let report = LossReport {
        id: loss.id.clone(),
        title: loss.title.clone(),
        settings: loss.settings(),
        metrics: summaries(cells, |key| resampled.interval(key)),
        before: reliability(0)?,
        after: reliability(1)?,
    };
    Ok((report, resampled))
}

/// Reads the test predictions of a run.
fn load(cell: &Cell, out: &Path, bins: usize) -> Result<TestPredictions> {
    let saved = SavedPredictions::load(&cell.key.folder(out).join("predictions.safetensors"))?;
    let scaled = saved.test.scaled(&saved.fit_temperature()?)?;
    TestPredictions::new(scaled.map(Predictions::into_owned), bins)
}
