//! From finished cells to the report: means and deviations over seeds, bootstrap intervals over test pictures.

use crate::cell::CellKey;
use crate::data::TaskKind;
use crate::predictions::SavedPredictions;
use crate::results::{Cell, DataSummary, Results};
use crate::suite::{LossEntry, Suite};
use crate::{segmentation, under_shift};
use anyhow::{Context, Result};
use mbls_core::bootstrap::{Interval, percentile_interval};
use mbls_core::calibration::TemperatureBound;
use mbls_core::metric::{
    Accuracy, AdaptiveConvention, AdaptiveEce, BrierScore, ClasswiseConvention, ClasswiseEce, Metric,
    NegativeLogLikelihood, PredictionMetric, Predictions, ReliabilityBins,
};
use mbls_report::{LossReport, Report, SuiteReport, Summary};
use std::collections::BTreeMap;
use std::path::Path;

const RESAMPLES: usize = 1000;
const LEVEL: f64 = 0.95;
const BOOTSTRAP_SEED: u64 = 0;

/// The report of all cells of `results` that belong to `suites`.
///
/// # Errors
///
/// Predictions that cannot be read.
pub(crate) fn report(results: &Results, suites: &[&Suite], out: &Path) -> Result<Report> {
    let mut reports = Vec::new();
    for suite in suites {
        let cells: Vec<_> = results.cells.iter().filter(|cell| cell.key.suite == suite.name).collect();
        if let Some(first) = cells.first() {
            let data = results.data.iter().find(|data| data.suite == suite.name);
            let said = data.into_iter().flat_map(|data| data.notes.iter().cloned().chain(data.warnings()));
            let tables = match suite.data.task() {
                TaskKind::Segmentation => segmentation::tables(suite, &cells, out)?,
                TaskKind::Pictures | TaskKind::Texts => under_shift::tables(suite, &cells),
            };
            let losses = suite.loss.iter().filter_map(|loss| loss_report(suite, loss, &cells, out).transpose());
            reports.push(SuiteReport {
                name: suite.name.clone(),
                title: suite.title.clone(),
                description: suite.description.clone(),
                notes: notes(suite, &cells).into_iter().chain(said).collect(),
                model: first.key.model.to_string(),
                n_test: first.n,
                seeds: cells.iter().filter(|cell| cell.key.loss == first.key.loss).count(),
                losses: losses.collect::<Result<_>>()?,
                further: data.map(DataSummary::table).into_iter().chain(tables).collect(),
            });
        }
    }
    let provenance = [("commit", results.commit.clone()), ("device", results.device.clone())];
    Ok(Report {
        title: "mbls benchmark".to_owned(),
        provenance: provenance.map(|(name, value)| (name.to_owned(), value)).into(),
        suites: reports,
    })
}

/// The suite's notes, and what one has to know of the numbers of its cells.
fn notes(suite: &Suite, cells: &[&Cell]) -> Vec<String> {
    let mut notes = suite.notes.clone();
    for cell in cells {
        let measure = |name: &str| cell.metrics.get(name).copied().unwrap_or_default();
        let of = format!("{}, seed {}", cell.key.loss, cell.key.seed);
        let bound = measure("temperature_bound");
        if bound != 0.0 {
            let bound = if bound < 0.0 { TemperatureBound::Lower } else { TemperatureBound::Upper };
            notes.push(format!("{of}: the temperature is {bound}."));
        }
        let rows = measure("infinite_nll_rows");
        if rows > 0.0 {
            notes.push(format!("{of}: the NLL of {rows} test samples is infinite: their label has the probability 0."));
        }
    }
    notes
}

/// One loss over its seeds; `None` where it was not run.
fn loss_report(suite: &Suite, loss: &LossEntry, cells: &[&Cell], out: &Path) -> Result<Option<LossReport>> {
    let cells: Vec<_> = cells.iter().copied().filter(|cell| cell.key.loss == loss.id).collect();
    if cells.is_empty() {
        return Ok(None);
    }
    if suite.data.task() == TaskKind::Segmentation {
        return segmentation::loss_report(loss, &cells, out).map(Some);
    }
    let bins = suite.recipe.bins;
    let predictions = cells.iter().map(|cell| load(&cell.key, out)).collect::<Result<Vec<_>>>()?;
    let reliability = |after: usize| {
        let mut all = ReliabilityBins::new(bins)?;
        predictions.iter().try_for_each(|pair| all.update(&pair[after]))?;
        all.value().context("there are no predictions to draw")
    };
    Ok(Some(LossReport {
        id: loss.id.clone(),
        title: loss.title.clone(),
        settings: loss.settings(),
        metrics: summaries(&cells, &intervals(&predictions, bins)?),
        before: reliability(0)?,
        after: reliability(1)?,
    }))
}

/// Every measure of the cells of one loss over its seeds.
pub(crate) fn summaries(cells: &[&Cell], intervals: &BTreeMap<&str, Interval>) -> BTreeMap<String, Summary> {
    let mut metrics = BTreeMap::new();
    for name in cells.iter().flat_map(|cell| cell.metrics.keys()) {
        let values: Vec<f64> = cells.iter().filter_map(|cell| cell.metrics.get(name).copied()).collect();
        let (mean, std) = mean_and_deviation(&values);
        metrics.insert(name.clone(), Summary { mean, std, interval: intervals.get(name.as_str()).copied() });
    }
    metrics
}

/// The bootstrap interval of a measure over samples; `None` where it is undefined for any resample.
pub(crate) fn interval(n: usize, measure: impl Fn(&[u32]) -> Option<f64> + Sync) -> Option<Interval> {
    percentile_interval(n, RESAMPLES, LEVEL, BOOTSTRAP_SEED, measure)
}

/// A cell's test predictions before and after temperature scaling.
fn load(key: &CellKey, out: &Path) -> Result<[Predictions<'static>; 2]> {
    let saved = SavedPredictions::load(&key.folder(out).join("predictions.safetensors"))?;
    let scaled = crate::classification::scaled(&saved.test, &crate::classification::fit_temperature(&saved)?)?;
    Ok(scaled.map(Predictions::into_owned))
}

/// Mean, and sample standard deviation where there is more than one value.
fn mean_and_deviation(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    // Of infinite values there is none.
    (mean, (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()).filter(|std| std.is_finite()))
}

/// Bootstrap intervals of the mean over seeds, by measure. Test pictures are resampled, models and temperatures are not; the
/// temperature itself has none, because it is fitted on other pictures.
fn intervals(predictions: &[[Predictions; 2]], bins: usize) -> Result<BTreeMap<&'static str, Interval>> {
    let bootstrap = |after: usize, measure: &(dyn Fn(&Predictions) -> Option<f64> + Sync)| {
        let rows = predictions.iter().map(|pair| pair[after].rows()).min().unwrap_or(0);
        interval(rows, |indices| {
            let values = predictions.iter().map(|pair| measure(&pair[after].select(indices)));
            values.sum::<Option<f64>>().map(|sum| sum / predictions.len() as f64)
        })
    };
    let reliability = ReliabilityBins::new(bins)?;
    let adaptive = AdaptiveEce::new(bins, AdaptiveConvention::Definition)?;
    let classwise = ClasswiseEce::new(bins, ClasswiseConvention::Definition)?;
    let ece = |p: &Predictions| Some(value(reliability.clone(), p)?.ece());
    let found = [
        ("accuracy", bootstrap(0, &|p| value(Accuracy::new(), p))),
        ("nll", bootstrap(0, &|p| value(NegativeLogLikelihood::new(), p))),
        ("brier", bootstrap(0, &|p| value(BrierScore::new(), p))),
        ("ece", bootstrap(0, &ece)),
        ("aece", bootstrap(0, &|p| value(adaptive.clone(), p))),
        ("cece", bootstrap(0, &|p| value(classwise.clone(), p))),
        ("mce", bootstrap(0, &|p| Some(value(reliability.clone(), p)?.mce()))),
        ("ece_scaled", bootstrap(1, &ece)),
    ];
    Ok(found.into_iter().filter_map(|(name, interval)| Some((name, interval?))).collect())
}

/// The value of a metric on predictions; `None` where it is undefined.
fn value<M>(mut metric: M, predictions: &Predictions) -> Option<M::Value>
where
    M: PredictionMetric,
{
    metric.update(predictions).ok()?;
    metric.value()
}
