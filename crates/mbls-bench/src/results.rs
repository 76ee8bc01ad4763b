//! The result files: `result.json` of a run and `results.json` of all runs. `docs/benchmarks.md`
//! documents them.

use crate::data::ClassCounts;
use crate::margin_use::MarginUse;
use crate::spec::CellKey;
use anyhow::{Context, Result, ensure};
use mbls_report::FurtherTable;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The version of the layout of both files.
pub(crate) const SCHEMA: u32 = 1;

/// The contents of `results.json`: the finished runs of an output folder.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// The project's commit, with `-dirty` if files differed from it; `unknown` outside of a
    /// repository.
    pub(crate) commit: String,
    /// The device of the last run.
    pub(crate) device: String,
    /// The training and test data of the suites of the last run; empty in files of earlier
    /// versions.
    #[serde(default)]
    pub(crate) data: Vec<DataSummary>,
    /// The sweeps of the last run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sweeps: Vec<SweepSummary>,
    /// The runs, ordered by suite, model, loss and seed.
    pub(crate) cells: Vec<Cell>,
}

/// A summary of a suite's data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DataSummary {
    /// The suite.
    pub(crate) suite: String,
    /// Number of seeds.
    pub(crate) seeds: u64,
    /// The class counts of the parts of seed 0.
    pub(crate) counts: ClassCounts,
    /// Notes on how the data was read, and which of it is not used.
    pub(crate) notes: Vec<String>,
    /// Warnings about the data of any seed.
    pub(crate) warnings: Vec<String>,
}

impl DataSummary {
    /// Returns the lines printed before training: a summary, or with `whole` the full table; notes;
    /// warnings.
    pub(crate) fn lines(&self, whole: bool) -> Vec<String> {
        let mut lines = vec![format!("{}: {}", self.suite, self.counts.summary())];
        if whole {
            lines.push(self.table().markdown());
        }
        lines.extend(self.notes.iter().cloned());
        lines.extend(self.warnings());
        lines
    }

    /// Returns the warnings, prefixed with `Warning:`.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> {
        self.warnings.iter().map(|warning| format!("Warning: {warning}"))
    }

    /// Returns the table for the report.
    pub(crate) fn table(&self) -> FurtherTable {
        self.counts.table(match self.seeds {
            1 => "",
            _ => "For seed 0; if parts are split off at random, other seeds differ.",
        })
    }
}

/// The candidate settings of a loss, compared on the validation part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SweepSummary {
    /// The suite.
    pub(crate) suite: String,
    /// The loss.
    pub(crate) loss: String,
    /// The metric by which they are compared.
    pub(crate) metric: String,
    /// The candidates, in the order of the command line.
    pub(crate) candidates: Vec<CandidateSummary>,
}

/// One of the candidate settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CandidateSummary {
    /// The settings: `lr=0.01`.
    pub(crate) candidate: String,
    /// The metric on the validation part, averaged over seeds; null if a run failed or the metric
    /// is undefined.
    #[serde(with = "mbls_core::number::option")]
    pub(crate) validation: Option<f64>,
    /// Whether this candidate was chosen.
    pub(crate) chosen: bool,
}

/// One run: a training, evaluated on one split.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// The run's position in the matrix.
    #[serde(flatten)]
    pub(crate) key: CellKey,
    /// The evaluated split: always `test`.
    pub(crate) split: String,
    /// Number of test samples.
    pub(crate) n: u64,
    /// Wall-clock time of training in seconds, summed over all processes that worked on it.
    pub(crate) seconds: f64,
    /// Number of epochs trained.
    pub(crate) epochs: usize,
    /// Why training stopped before the last epoch of the profile; absent if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stopped: Option<String>,
    /// The epoch, from 0, whose weights were evaluated: the last one with the best validation
    /// accuracy.
    pub(crate) best_epoch: usize,
    /// Metrics on the test data; shares as fractions.
    #[serde(with = "mbls_core::number::by_name")]
    pub(crate) metrics: BTreeMap<String, f64>,
    /// The same metrics on the validation data, on which settings are chosen and the temperature is
    /// fitted.
    #[serde(with = "mbls_core::number::by_name")]
    pub(crate) validation: BTreeMap<String, f64>,
    /// The margin and its use, if the loss is MbLS; absent in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) margin: Option<MarginUse>,
    /// Results under distribution shift, if the suite tests it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shift: Option<Shift>,
}

/// Results of a network under distribution shift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shift {
    /// Number of test images used.
    pub(crate) pictures: usize,
    /// Results on the unchanged images and on corrupted ones.
    pub(crate) corrupted: Vec<CorruptedTest>,
    /// Out-of-distribution detection with images of other data sets.
    pub(crate) outside: Vec<OutsideTest>,
}

/// Metrics on corrupted images, as fractions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CorruptedTest {
    /// The corruption; `none` for the unchanged images.
    pub(crate) kind: String,
    /// The severity from 1 to 5; 0 for the unchanged images.
    pub(crate) severity: u8,
    pub(crate) accuracy: f64,
    #[serde(with = "mbls_core::number")]
    pub(crate) nll: f64,
    pub(crate) ece: f64,
    pub(crate) aece: f64,
}

/// Out-of-distribution detection: test images against images of another data set, as fractions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OutsideTest {
    /// The out-of-distribution data set.
    pub(crate) data: String,
    /// Number of its images.
    pub(crate) pictures: usize,
    /// The area under the ROC curve with the largest probability as the score.
    pub(crate) auroc_confidence: f64,
    /// The same with the entropy, as the published code computes it.
    pub(crate) auroc_entropy: f64,
    /// The false positive rate at 95 % true positive rate: the share of out-of-distribution images
    /// accepted at the threshold that accepts 95 % of the test images, with the largest probability
    /// as the score.
    pub(crate) fpr95_confidence: f64,
    /// The same with the entropy.
    pub(crate) fpr95_entropy: f64,
}

/// Results under distribution shift with the identity of the run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ShiftFile {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// Everything that determines the result, as JSON.
    pub(crate) identity: String,
    /// The result.
    pub(crate) shift: Shift,
}

impl ShiftFile {
    /// Reads a file of shift results; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// If the file is not such a result.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        let Some(file) = read_json::<Self>(path)? else { return Ok(None) };
        ensure!(
            file.schema == SCHEMA,
            "{}: schema: expected {SCHEMA}, found {}",
            path.display(),
            file.schema
        );
        Ok(Some(file))
    }
}

/// The result of a finished run with its identity.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CellFile {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// Everything that determines the result: the JSON of model, loss, recipe, data, sizes and
    /// seed.
    pub(crate) identity: String,
    /// The result.
    pub(crate) cell: Cell,
}

impl CellFile {
    /// Reads the result of a finished run; `None` if the file does not exist.
    ///
    /// # Errors
    ///
    /// If the file is not a result.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        let Some(file) = read_json::<Self>(path)? else { return Ok(None) };
        ensure!(
            file.schema == SCHEMA,
            "{}: schema: expected {SCHEMA}, found {}",
            path.display(),
            file.schema
        );
        Ok(Some(file))
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not the result of a run", path.display())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Writes `value` as JSON, atomically.
///
/// # Errors
///
/// If the file cannot be written; the old one is intact.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)
        .with_context(|| format!("cannot encode {}", path.display()))?;
    text.push('\n');
    mbls_io::atomic::write(path, text.as_bytes())?;
    Ok(())
}
