//! The result files: `result.json` of a cell and `results.json` of all. `docs/benchmarks.md` documents them.

use crate::cell::CellKey;
use crate::data::ClassCounts;
use anyhow::{Context, Result, ensure};
use mbls_core::calibration::{TemperatureBound, TemperatureScaling};
use mbls_core::metric::{ClassificationMetrics, ClassificationReport, Metric, Predictions};
use mbls_report::FurtherTable;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The version of both files' layout.
pub(crate) const SCHEMA: u32 = 1;

/// `results.json`: the finished cells of an output folder.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// The project's commit, with `-dirty` where files differed from it; `unknown` outside of a repository.
    pub(crate) commit: String,
    /// The device of the last run.
    pub(crate) device: String,
    /// What the suites of the last run were trained and tested on; none in files of earlier versions.
    #[serde(default)]
    pub(crate) data: Vec<DataSummary>,
    /// The cells, in the order of suites, models, losses and seeds.
    pub(crate) cells: Vec<Cell>,
}

/// What a suite is trained and tested on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DataSummary {
    /// The suite.
    pub(crate) suite: String,
    /// Number of seeds.
    pub(crate) seeds: u64,
    /// How much of each class the parts of seed 0 have.
    pub(crate) counts: ClassCounts,
    /// How the data was read, and what of it is not used.
    pub(crate) notes: Vec<String>,
    /// What is suspicious, in any seed.
    pub(crate) warnings: Vec<String>,
}

impl DataSummary {
    /// What is said before training: a line of sums, or the `whole` table; notes; warnings.
    pub(crate) fn lines(&self, whole: bool) -> Vec<String> {
        let mut lines = vec![format!("{}: {}", self.suite, self.counts.summary())];
        if whole {
            lines.push(self.table().markdown());
        }
        lines.extend(self.notes.iter().cloned());
        lines.extend(self.warnings());
        lines
    }

    /// The warnings, called so.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> {
        self.warnings.iter().map(|warning| format!("Warning: {warning}"))
    }

    /// The table of the report.
    pub(crate) fn table(&self) -> FurtherTable {
        self.counts.table(match self.seeds {
            1 => "",
            _ => "Of seed 0; where parts are split off, other seeds have others.",
        })
    }
}

/// One training, measured on one split.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// Where it stands in the matrix.
    #[serde(flatten)]
    pub(crate) key: CellKey,
    /// What was measured: always `test`.
    pub(crate) split: String,
    /// Pictures measured.
    pub(crate) n: u64,
    /// Wall time of training, all processes that worked on it together.
    pub(crate) seconds: f64,
    /// Number of epochs trained.
    pub(crate) epochs: usize,
    /// The epoch, from 0, whose weights were measured: the last with the best validation accuracy.
    pub(crate) best_epoch: usize,
    /// The measures, as fractions.
    #[serde(with = "mbls_core::number::by_name")]
    pub(crate) metrics: BTreeMap<String, f64>,
    /// The same on the validation data, on which settings are chosen; the temperature is fitted there.
    #[serde(with = "mbls_core::number::by_name")]
    pub(crate) validation: BTreeMap<String, f64>,
    /// What the network does under shift, where the suite tests that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shift: Option<Shift>,
}

/// A network under shift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shift {
    /// Test pictures used.
    pub(crate) pictures: usize,
    /// On those pictures as they are, and corrupted.
    pub(crate) corrupted: Vec<CorruptedTest>,
    /// Told from pictures of other data sets.
    pub(crate) outside: Vec<OutsideTest>,
}

/// Measures on corrupted pictures, as fractions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CorruptedTest {
    /// The corruption, `none` for the pictures as they are.
    pub(crate) kind: String,
    /// 1 to 5; 0 for the pictures as they are.
    pub(crate) severity: u8,
    pub(crate) accuracy: f64,
    #[serde(with = "mbls_core::number")]
    pub(crate) nll: f64,
    pub(crate) ece: f64,
    pub(crate) aece: f64,
}

/// How well a network tells its own test pictures from others, as fractions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OutsideTest {
    /// The other data set.
    pub(crate) data: String,
    /// Pictures of it.
    pub(crate) pictures: usize,
    /// The area under the ROC curve of the largest probability.
    pub(crate) auroc_confidence: f64,
    /// The same of the entropy, as the published code computes it.
    pub(crate) auroc_entropy: f64,
    /// The share of the others that is accepted where 95 % of its own are, by the largest probability.
    pub(crate) fpr95_confidence: f64,
    /// The same by the entropy.
    pub(crate) fpr95_entropy: f64,
}

/// What a network does under shift, with what it was measured on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ShiftFile {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// Everything that decides the result; see [`crate::shift`].
    pub(crate) identity: String,
    /// The result.
    pub(crate) shift: Shift,
}

impl ShiftFile {
    /// Reads what was measured; `None` where there is no such file.
    ///
    /// # Errors
    ///
    /// A file that is no result.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        let Some(file) = read_json::<Self>(path)? else { return Ok(None) };
        ensure!(file.schema == SCHEMA, "{}: schema: expected {SCHEMA}, found {}", path.display(), file.schema);
        Ok(Some(file))
    }
}

/// A finished cell with what it was trained from.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CellFile {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// Everything that decides the result; see [`crate::cell`].
    pub(crate) identity: String,
    /// The result.
    pub(crate) cell: Cell,
}

impl CellFile {
    /// Reads a finished cell; `None` where there is no such file.
    ///
    /// # Errors
    ///
    /// A file that is no result.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        let Some(file) = read_json::<Self>(path)? else { return Ok(None) };
        ensure!(file.schema == SCHEMA, "{}: schema: expected {SCHEMA}, found {}", path.display(), file.schema);
        Ok(Some(file))
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match std::fs::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).with_context(|| format!("{} is no result of a cell", path.display()))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Writes `value` as JSON, atomically.
///
/// # Errors
///
/// Where the file cannot be written; the old one is intact.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).with_context(|| format!("cannot encode {}", path.display()))?;
    text.push('\n');
    mbls_io::atomic::write(path, text.as_bytes())?;
    Ok(())
}

/// Every measure of predictions before and after temperature scaling, under the names of `results.json`: `temperature_bound` and
/// `infinite_nll_rows` only where they are not 0.
///
/// # Errors
///
/// Empty predictions.
pub(crate) fn measures(
    predictions: &[Predictions; 2],
    temperature: &TemperatureScaling,
    bins: usize,
) -> Result<BTreeMap<String, f64>> {
    let [before, after] = [report(&predictions[0], bins)?, report(&predictions[1], bins)?];
    let mut measures = BTreeMap::from(
        [
            ("accuracy", before.accuracy),
            ("nll", before.nll),
            ("brier", before.brier),
            ("ece", before.ece),
            ("aece", before.aece),
            ("cece", before.cece),
            ("mce", before.mce),
            ("temperature", temperature.temperature()),
            ("nll_scaled", after.nll),
            ("brier_scaled", after.brier),
            ("ece_scaled", after.ece),
            ("aece_scaled", after.aece),
            ("cece_scaled", after.cece),
            ("mce_scaled", after.mce),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let counts = [("infinite_nll_rows", &before), ("infinite_nll_rows_scaled", &after)];
    let counts = counts.map(|(name, report)| (name, report.infinite_nll_rows as f64));
    let bound = ("temperature_bound", bound_sign(temperature.bound()));
    let noted = counts.into_iter().chain([bound]).filter(|(_, value)| *value != 0.0);
    measures.extend(noted.map(|(name, value)| (name.to_owned(), value)));
    Ok(measures)
}

/// -1 for a temperature at its lower bound, 1 at the upper, 0 elsewhere.
pub(crate) fn bound_sign(bound: Option<TemperatureBound>) -> f64 {
    match bound {
        Some(TemperatureBound::Lower) => -1.0,
        Some(TemperatureBound::Upper) => 1.0,
        None => 0.0,
    }
}

/// All classification metrics of predictions.
///
/// # Errors
///
/// Empty predictions.
pub(crate) fn report(predictions: &Predictions, bins: usize) -> Result<ClassificationReport> {
    let mut metrics = ClassificationMetrics::new(bins)?;
    metrics.update(predictions)?;
    metrics.value().context("there are no predictions to measure")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A label of probability 0 makes the NLL infinite, which JSON has no number for.
    #[test]
    fn infinite_measures_are_read_back() {
        let labels = [0, 1];
        let predictions = || Predictions::from_logits(&[3.0, f32::NEG_INFINITY, 2.0, f32::NEG_INFINITY], 2, &labels);
        let temperature = TemperatureScaling::fit_logits(&[3.0, 0.0, 2.0, 0.0], 2, &[0, 0]).unwrap();
        let measured = measures(&[predictions().unwrap(), predictions().unwrap()], &temperature, 15).unwrap();
        assert_eq!((measured["nll"], measured["infinite_nll_rows"]), (f64::INFINITY, 1.0));
        assert_eq!(measured["temperature_bound"], -1.0);
        let test = CorruptedTest {
            kind: "none".to_owned(),
            severity: 0,
            accuracy: 0.5,
            nll: f64::INFINITY,
            ece: 0.5,
            aece: 0.5,
        };
        let cell = Cell {
            key: CellKey { suite: "digits".into(), model: "resnet20".parse().unwrap(), loss: "ce".into(), seed: 0 },
            split: "test".to_owned(),
            n: 2,
            seconds: 1.0,
            epochs: 1,
            best_epoch: 0,
            metrics: measured.clone(),
            validation: measured.clone(),
            shift: Some(Shift { pictures: 2, corrupted: vec![test], outside: Vec::new() }),
        };
        let text = serde_json::to_string(&CellFile { schema: SCHEMA, identity: String::new(), cell }).unwrap();
        assert!(text.contains(r#""nll":"inf""#), "{text}");
        let read: CellFile = serde_json::from_str(&text).unwrap();
        assert_eq!((&read.cell.metrics, &read.cell.validation), (&measured, &measured));
        assert_eq!(read.cell.shift.unwrap().corrupted[0].nll, f64::INFINITY);
        // What older files lack is not there.
        let plain = TemperatureScaling::fit_logits(&[3.0, 0.0].repeat(4), 2, &[0, 0, 0, 1]).unwrap();
        let finite = || Predictions::from_logits(&[3.0, 0.0, 2.0, 0.0], 2, &labels).unwrap();
        let measured = measures(&[finite(), finite()], &plain, 15).unwrap();
        assert_eq!(measured.len(), 14, "{measured:?}");
    }
}
