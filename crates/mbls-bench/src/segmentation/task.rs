//! Segmentation, as the trainer sees it.

use super::recipe::Score;
use candle_core::{DType, Device, ModuleT};
use mbls_core::loss::{LogitBatch, Loss};
use mbls_nn::Dropout;
use mbls_seg::dataset::{SegmentationBatch, VOID};
use mbls_seg::metric::{DistanceBands, SegmentationMetrics, SegmentationReport, SegmentationSettings};
use mbls_train::{Mode, Result, Step, Task};

/// A model with a loss, measured by overlap and calibration.
pub(crate) struct SegmentationTask {
    /// The network: pictures to logits of their size.
    pub(super) model: Box<dyn ModuleT + Send + Sync>,
    /// Its dropout, whose masks depend on the number of passes; none where it has none.
    pub(super) dropout: Option<Dropout>,
    /// What it is trained with.
    pub(super) loss: Box<dyn Loss>,
    /// The type that the network is computed in.
    pub(super) dtype: DType,
    /// Where it runs.
    pub(super) device: Device,
    /// Number of classes.
    pub(super) classes: usize,
    /// What is measured from epoch to epoch.
    pub(super) metrics: SegmentationMetrics,
    /// What the best epoch is the best of.
    pub(super) score: Score,
}

impl SegmentationTask {
    /// The names of what [`Task::summary`] reports.
    pub(crate) const SUMMARY: [&'static str; 4] = ["miou", "accuracy", "nll", "ece"];

    /// What is measured from epoch to epoch: overlap and one reliability diagram.
    ///
    /// # Errors
    ///
    /// Numbers of classes or bins that metrics refuse.
    pub(super) fn epoch_metrics(classes: usize, bins: usize) -> mbls_core::Result<SegmentationMetrics> {
        let settings = SegmentationSettings {
            bins,
            bands: DistanceBands::new(&[])?,
            classwise: false,
            published: false,
            ..SegmentationSettings::default()
        };
        SegmentationMetrics::new(classes, settings)
    }
}

impl Task for SegmentationTask {
    type Batch = SegmentationBatch;
    type Metrics = SegmentationMetrics;

    /// A batch of void alone has no loss.
    fn forward(&self, batch: &SegmentationBatch, mode: Mode) -> Result<Step> {
        let pixels = batch.images(&self.device)?.to_dtype(self.dtype)?;
        let labels = batch.labels(&self.device)?;
        let logits = self.model.forward_t(&pixels, mode.is_train())?.to_dtype(DType::F32)?;
        let loss = match batch.is_all_void() {
            true => None,
            false => Some(self.loss.forward(&LogitBatch::new(&logits, &labels, Some(VOID.into()))?)?),
        };
        Ok(Step { logits, labels, loss })
    }

    fn metrics(&self) -> SegmentationMetrics {
        self.metrics.clone()
    }

    fn observe(&self, step: &Step, metrics: &mut SegmentationMetrics) -> Result<()> {
        Ok(metrics.update_tensors(&step.logits, &step.labels, &next_indices(metrics, step)?)?)
    }

    fn score(&self, value: &SegmentationReport) -> f64 {
        self.score.of(value)
    }

    /// NaN for what no pixel says anything of.
    fn summary(&self, value: &SegmentationReport) -> Vec<(&'static str, f64)> {
        let (overlap, calibration) = (value.overlap.as_ref(), value.calibration.as_ref());
        let values = [
            overlap.and_then(|overlap| overlap.mean_iou.with_background),
            overlap.map(|overlap| overlap.pixel_accuracy),
            calibration.map(|calibration| calibration.nll),
            calibration.map(|calibration| calibration.ece),
        ];
        Self::SUMMARY.into_iter().zip(values.map(|value| value.unwrap_or(f64::NAN))).collect()
    }

    fn end_epoch(&mut self, epoch: usize) {
        self.loss.end_epoch(epoch);
        if let Some(dropout) = &self.dropout {
            // The same masks after an interruption: each epoch has places of its own.
            dropout.set_position((epoch as u64 + 1) << 32);
        }
    }
}

/// The indices of a step's pictures, which come in order.
pub(super) fn next_indices(metrics: &SegmentationMetrics, step: &Step) -> Result<Vec<u64>> {
    let (first, pictures) = (metrics.pictures() as u64, step.logits.dim(0)? as u64);
    Ok((first..first + pictures).collect())
}
