//! What was measured of a finished run.

use super::pictures::{BatchResult, PictureResult};
use crate::results::SCHEMA;
use anyhow::{Context, Result, ensure};
use mbls_core::calibration::TemperatureBound;
use mbls_core::metric::DistanceReport;
use mbls_seg::metric::SegmentationReport;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// `evaluation.json`: everything that was measured of a finished cell's test images.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EvaluationFile {
    /// [`SCHEMA`].
    pub(super) schema: u32,
    /// The classes' names.
    pub(super) classes: Vec<String>,
    /// The images' files.
    pub(super) names: Vec<String>,
    /// What was measured.
    #[serde(flatten)]
    pub(super) test: Evaluation,
}

/// What was measured of the images of one split.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Evaluation {
    /// The temperature.
    pub(super) temperature: f64,
    /// The bound at which its fit stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) temperature_bound: Option<TemperatureBound>,
    /// The distances between logits; none in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) distances: Option<DistanceReport>,
    /// As the network was trained.
    pub(super) before: SegmentationReport,
    /// After temperature scaling.
    pub(super) after: SegmentationReport,
    /// Image by image.
    pub(super) pictures: Vec<PictureResult>,
    /// Batch by batch; those without a pixel that counts are left out.
    pub(super) batches: Vec<BatchResult>,
}

impl EvaluationFile {
    pub(super) fn new(classes: Vec<String>, names: Vec<String>, test: Evaluation) -> Self {
        Self { schema: SCHEMA, classes, names, test }
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A file that is missing or no such result.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file: Self = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not an evaluation", path.display()))?;
        ensure!(
            file.schema == SCHEMA,
            "{}: schema: expected {SCHEMA}, found {}",
            path.display(),
            file.schema
        );
        Ok(file)
    }
}
