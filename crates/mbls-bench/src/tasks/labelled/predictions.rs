//! Saved predictions of a finished run: `predictions.safetensors` with `validation.logits`,
//! `validation.labels`, `test.logits`, `test.labels`. Everything in the report can be recomputed
//! from them.

use super::task::{ClassificationTask, LabelledBatch};
use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use mbls_core::calibration::TemperatureScaling;
use mbls_core::metric::{DistanceReport, LogitDistances, LogitRows, Metric, Predictions};
use mbls_data::Batches;
use std::path::Path;

/// Logits and labels of a data set, in its order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LabelledLogits {
    /// `[rows, classes]`, row-major.
    pub(crate) logits: Vec<f32>,
    /// Number of classes.
    pub(crate) classes: usize,
    /// `[rows]`.
    pub(crate) labels: Vec<u32>,
}

impl LabelledLogits {
    /// Returns the predictions before and after temperature scaling.
    ///
    /// # Errors
    ///
    /// Logits that are not finite.
    pub(crate) fn scaled(&self, temperature: &TemperatureScaling) -> Result<[Predictions<'_>; 2]> {
        let Self { logits, classes, labels } = self;
        let after =
            Predictions::from_logits_at(logits, *classes, labels, temperature.temperature())?;
        Ok([Predictions::from_logits(logits, *classes, labels)?, after])
    }

    /// Returns the distribution of the distances between logits, compared with a margin if there is
    /// one.
    ///
    /// # Errors
    ///
    /// Logits that are not finite.
    pub(crate) fn distances(&self, margin: Option<f64>) -> Result<Option<DistanceReport>> {
        let mut distances = LogitDistances::new(margin)?;
        distances.update(LogitRows::new(&self.logits, self.classes)?)?;
        Ok(distances.value())
    }
}

/// Predictions on the validation and test data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SavedPredictions {
    /// On the validation data.
    pub(crate) validation: LabelledLogits,
    /// On the test data.
    pub(crate) test: LabelledLogits,
}

impl SavedPredictions {
    /// Fits the temperature with the lowest NLL on the validation part.
    ///
    /// # Errors
    ///
    /// Logits that are not finite.
    pub(crate) fn fit_temperature(&self) -> Result<TemperatureScaling> {
        let LabelledLogits { logits, classes, labels } = &self.validation;
        Ok(TemperatureScaling::fit_logits(logits, *classes, labels)?)
    }

    /// Writes the predictions to `path`, atomically.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let mut tensors = Vec::new();
        for (split, saved) in [("validation", &self.validation), ("test", &self.test)] {
            let rows = saved.labels.len();
            tensors.push((
                format!("{split}.logits"),
                Tensor::from_slice(&saved.logits, (rows, saved.classes), &Device::Cpu)?,
            ));
            tensors.push((
                format!("{split}.labels"),
                Tensor::from_slice(&saved.labels, rows, &Device::Cpu)?,
            ));
        }
        let bytes =
            safetensors::serialize(tensors.iter().map(|(name, tensor)| (name, tensor)), None)
                .with_context(|| format!("cannot encode {}", path.display()))?;
        Ok(mbls_io::atomic::write(path, &bytes)?)
    }

    /// Reads the predictions from `path`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or lacks a tensor.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let mut tensors = candle_core::safetensors::load(path, &Device::Cpu)
            .with_context(|| format!("cannot read the predictions {}", path.display()))?;
        let mut take = |name: &str| {
            tensors
                .remove(name)
                .with_context(|| format!("{}: the tensor \"{name}\" is missing", path.display()))
        };
        let mut split = |name: &str| {
            let (logits, labels) =
                (take(&format!("{name}.logits"))?, take(&format!("{name}.labels"))?);
            let (rows, classes) = logits.dims2()?;
            ensure!(
                labels.dims() == [rows],
                "{}: {name}.labels: expected [{rows}], found {:?}",
                path.display(),
                labels.dims()
            );
            let logits = logits.flatten_all()?.to_vec1()?;
            anyhow::Ok(LabelledLogits { logits, classes, labels: labels.to_vec1()? })
        };
        Ok(Self { validation: split("validation")?, test: split("test")? })
    }
}

/// Returns the logits of all samples of `data`, in order.
///
/// # Errors
///
/// If samples cannot be read or do not fit the network.
pub(crate) fn predict<B: LabelledBatch>(
    task: &ClassificationTask<B>,
    data: &dyn Batches<B>,
) -> mbls_train::Result<LabelledLogits> {
    let mut all = LabelledLogits::default();
    mbls_train::predict(task, data, |predicted| -> mbls_train::Result<()> {
        all.logits.extend_from_slice(&predicted.logits);
        all.labels.extend_from_slice(&predicted.labels);
        all.classes = predicted.shape.last().copied().unwrap_or(0);
        Ok(())
    })?;
    Ok(all)
}
