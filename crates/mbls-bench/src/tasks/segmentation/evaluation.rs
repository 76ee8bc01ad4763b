//! The evaluation of a finished run.

use super::pictures::{BatchResult, ImageResult};
use crate::results::SCHEMA;
use anyhow::{Context, Result, ensure};
use mbls_core::calibration::TemperatureBound;
use mbls_core::metric::DistanceReport;
use mbls_seg::metric::SegmentationReport;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The contents of `evaluation.json`: the evaluation of a finished run on its test images.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EvaluationFile {
    /// [`SCHEMA`].
    pub(super) schema: u32,
    /// The names of the classes.
    pub(super) classes: Vec<String>,
    /// The names of the images' files.
    pub(super) names: Vec<String>,
    /// The results.
    #[serde(flatten)]
    pub(super) test: Evaluation,
}

/// The evaluation on the images of one split.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Evaluation {
    /// The temperature.
    pub(super) temperature: f64,
    /// The bound at which the fit of the temperature stopped, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) temperature_bound: Option<TemperatureBound>,
    /// The distances between logits; absent in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) distances: Option<DistanceReport>,
    /// Before temperature scaling.
    pub(super) before: SegmentationReport,
    /// After temperature scaling.
    pub(super) after: SegmentationReport,
    /// The result of each image.
    pub(super) pictures: Vec<ImageResult>,
    /// The result of each batch; batches without a counted pixel are omitted.
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
    /// If the file is missing or not an evaluation.
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
