//! Classification of pictures, as the trainer sees it.

use candle_core::ModuleT;
use candle_core::{DType, Device};
use mbls_core::loss::{LogitBatch, Loss};
use mbls_core::metric::{ClassificationMetrics, ClassificationReport, Metric, Predictions};
use mbls_train::{Mode, Result, Step, Task};
use mbls_vision::ImageBatch;

/// A model with a loss, measured by all classification metrics.
pub(crate) struct ClassificationTask {
    /// The network: pictures to logits.
    pub(crate) model: Box<dyn ModuleT>,
    /// What it is trained with.
    pub(crate) loss: Box<dyn Loss>,
    /// Where it runs.
    pub(crate) device: Device,
    /// What is measured, before it has seen anything.
    pub(crate) metrics: ClassificationMetrics,
}

impl ClassificationTask {
    /// The names of what [`Task::summary`] reports.
    pub(crate) const SUMMARY: [&'static str; 4] = ["accuracy", "nll", "brier", "ece"];
}

impl Task for ClassificationTask {
    type Batch = ImageBatch;
    type Metrics = ClassificationMetrics;

    fn forward(&self, batch: &ImageBatch, mode: Mode) -> Result<Step> {
        let pixels = batch.images(&self.device)?;
        let labels = batch.labels(&self.device)?;
        let logits = self.model.forward_t(&pixels, mode.is_train())?;
        let loss = self.loss.forward(&LogitBatch::new(&logits, &labels, None)?)?;
        Ok(Step { logits, labels, loss })
    }

    fn metrics(&self) -> ClassificationMetrics {
        self.metrics.clone()
    }

    fn observe(&self, step: &Step, metrics: &mut ClassificationMetrics) -> Result<()> {
        let (logits, classes, labels) = to_slices(step)?;
        Ok(metrics.update(&Predictions::from_logits(&logits, classes, &labels)?)?)
    }

    fn score(&self, value: &ClassificationReport) -> f64 {
        value.accuracy
    }

    fn summary(&self, value: &ClassificationReport) -> Vec<(&'static str, f64)> {
        Self::SUMMARY.into_iter().zip([value.accuracy, value.nll, value.brier, value.ece]).collect()
    }

    fn end_epoch(&mut self, epoch: usize) {
        self.loss.end_epoch(epoch);
    }
}

/// A step's logits, number of classes and labels on the host.
pub(crate) fn to_slices(step: &Step) -> Result<(Vec<f32>, usize, Vec<u32>)> {
    let (_, classes) = step.logits.dims2()?;
    let logits = step.logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    Ok((logits, classes, step.labels.to_vec1::<u32>()?))
}
