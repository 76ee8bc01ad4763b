//! The result files: `result.json` of a cell and `results.json` of all. `docs/benchmarks.md`
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

/// The version of both files' layout.
pub(crate) const SCHEMA: u32 = 1;

/// `results.json`: the finished cells of an output folder.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// The project's commit, with `-dirty` where files differed from it; `unknown` outside of a
    /// repository.
    pub(crate) commit: String,
    /// The device of the last run.
    pub(crate) device: String,
    /// What the suites of the last run were trained and tested on; none in files of earlier
    /// versions.
    #[serde(default)]
    pub(crate) data: Vec<DataSummary>,
    /// The settings that were tried in the last run, where any were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sweeps: Vec<SweepSummary>,
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

/// The settings that were tried of a loss, compared on the validation part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SweepSummary {
    /// The suite.
    pub(crate) suite: String,
    /// The loss.
    pub(crate) loss: String,
    /// The measure by which they are compared.
    pub(crate) metric: String,
    /// The settings, in the order in which they were given.
    pub(crate) candidates: Vec<CandidateSummary>,
}

/// One of the settings that were tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CandidateSummary {
    /// The settings: `lr=0.01`.
    pub(crate) candidate: String,
    /// The measure on the validation part, its mean over seeds; null where a run failed or has
    /// none.
    #[serde(with = "mbls_core::number::option")]
    pub(crate) validation: Option<f64>,
    /// Whether these settings were chosen.
    pub(crate) chosen: bool,
}

/// One training, measured on one split.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// Where it stands in the matrix.
    #[serde(flatten)]
    pub(crate) key: CellKey,
    /// What was measured: always `test`.
    pub(crate) split: String,
    /// Images measured.
    pub(crate) n: u64,
    /// Wall time of training, all processes that worked on it together.
    pub(crate) seconds: f64,
    /// Number of epochs trained.
    pub(crate) epochs: usize,
    /// Why these are fewer than those of the profile; none where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stopped: Option<String>,
    /// The epoch, from 0, whose weights were measured: the last with the best validation accuracy.
    pub(crate) best_epoch: usize,
    /// The measures, as fractions.
    #[serde(with = "mbls_core::number::by_name")]
    pub(crate) metrics: BTreeMap<String, f64>,
    /// The same on the validation data, on which settings are chosen; the temperature is fitted
    /// there.
    #[serde(with = "mbls_core::number::by_name")]
    pub(crate) validation: BTreeMap<String, f64>,
    /// The margin it was trained with, where the loss is MbLS; absent in files of earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) margin: Option<MarginUse>,
    /// What the network does under shift, where the suite tests that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shift: Option<Shift>,
}

/// A network under shift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shift {
    /// Test images used.
    pub(crate) pictures: usize,
    /// On those images as they are, and corrupted.
    pub(crate) corrupted: Vec<CorruptedTest>,
    /// Told from images of other data sets.
    pub(crate) outside: Vec<OutsideTest>,
}

/// Measures on corrupted images, as fractions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CorruptedTest {
    /// The corruption, `none` for the images as they are.
    pub(crate) kind: String,
    /// 1 to 5; 0 for the images as they are.
    pub(crate) severity: u8,
    pub(crate) accuracy: f64,
    #[serde(with = "mbls_core::number")]
    pub(crate) nll: f64,
    pub(crate) ece: f64,
    pub(crate) aece: f64,
}

/// How well a network tells its own test images from others, as fractions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OutsideTest {
    /// The other data set.
    pub(crate) data: String,
    /// Images of it.
    pub(crate) pictures: usize,
    /// The area under the ROC curve of the largest probability.
    pub(crate) auroc_confidence: f64,
    /// The same of the entropy, as the published code computes it.
    pub(crate) auroc_entropy: f64,
    /// The share of the others that is accepted where 95 % of its own are, by the largest
    /// probability.
    pub(crate) fpr95_confidence: f64,
    /// The same by the entropy.
    pub(crate) fpr95_entropy: f64,
}

/// What a network does under shift, with what it was measured on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ShiftFile {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// Everything that decides the result, as JSON.
    pub(crate) identity: String,
    /// The result.
    pub(crate) shift: Shift,
}

impl ShiftFile {
    /// Reads what was measured; `None` where there is no such file.
    ///
    /// # Errors
    ///
    /// A file that is not a result.
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

/// A finished cell with what it was trained from.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CellFile {
    /// [`SCHEMA`].
    pub(crate) schema: u32,
    /// Everything that decides the result; the JSON of model, loss, recipe, data, sizes and seed.
    pub(crate) identity: String,
    /// The result.
    pub(crate) cell: Cell,
}

impl CellFile {
    /// Reads a finished cell; `None` where there is no such file.
    ///
    /// # Errors
    ///
    /// A file that is not a result.
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
/// Where the file cannot be written; the old one is intact.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)
        .with_context(|| format!("cannot encode {}", path.display()))?;
    text.push('\n');
    mbls_io::atomic::write(path, text.as_bytes())?;
    Ok(())
}
