//! Segmentation, as the trainer sees it.

use super::recipe::Score;
use crate::learning::Learning;
use candle_core::{DType, Device, ModuleT};
use mbls_core::loss::{LogitBatch, LossOutput};
use mbls_core::metric::Metric;
use mbls_seg::dataset::{SegmentationBatch, VOID};
use mbls_seg::metric::{DistanceBands, Pictures, SegmentationMetrics, SegmentationReport, SegmentationSettings};
use mbls_train::{Error, Mode, Output, Predicted, Result, Task, TaskState};

/// A model with a loss, measured by overlap and calibration.
pub(crate) struct SegmentationTask {
    /// The network: pictures to logits of their size.
    pub(super) model: Box<dyn ModuleT + Send + Sync>,
    /// Its loss and its dropout.
    pub(super) learning: Learning,
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

    fn forward(&self, batch: &SegmentationBatch, mode: Mode) -> Result<Output> {
        let pixels = batch.images(&self.device)?.to_dtype(self.dtype)?;
        let logits = self.model.forward_t(&pixels, mode.is_train())?.to_dtype(DType::F32)?;
        // Labels are read on the host.
        Ok(Output { logits, labels: batch.labels(&Device::Cpu)? })
    }

    /// A batch of void alone has no loss.
    fn loss(&self, batch: &SegmentationBatch, output: &Output) -> Result<Option<LossOutput>> {
        logit_batch(batch, output)?.map(|batch| Ok(self.learning.loss.forward(&batch)?)).transpose()
    }

    /// From a batch of void alone nothing is learnt.
    fn learn(&mut self, batch: &SegmentationBatch, output: &Output) -> Result<()> {
        match logit_batch(batch, output)? {
            Some(batch) => Ok(self.learning.loss.observe(&batch)?),
            None => Ok(()),
        }
    }

    fn metrics(&self) -> SegmentationMetrics {
        self.metrics.clone()
    }

    fn observe(&self, predicted: &Predicted, metrics: &mut SegmentationMetrics) -> Result<()> {
        Ok(metrics.update(HostBatch::of(predicted)?.pictures())?)
    }

    fn score(&self, value: &SegmentationReport) -> Option<f64> {
        self.score.of(value)
    }

    /// What no pixel says anything of is undefined.
    fn summary(&self, value: &SegmentationReport) -> Vec<(&'static str, Option<f64>)> {
        let (overlap, calibration) = (value.overlap.as_ref(), value.calibration.as_ref());
        let values = [
            overlap.and_then(|overlap| overlap.mean_iou.with_background),
            overlap.map(|overlap| overlap.pixel_accuracy),
            calibration.map(|calibration| calibration.nll),
            calibration.map(|calibration| calibration.ece),
        ];
        Self::SUMMARY.into_iter().zip(values).collect()
    }

    fn begin_epoch(&mut self, epoch: usize) {
        self.learning.begin_epoch(epoch);
    }

    fn end_epoch(&mut self, epoch: usize) {
        self.learning.end_epoch(epoch);
    }

    fn state(&self) -> TaskState {
        self.learning.state()
    }

    fn restore(&mut self, state: &TaskState) -> Result<()> {
        self.learning.restore(state)
    }
}

/// The batch as losses take it; `None` where all of it is void.
fn logit_batch(batch: &SegmentationBatch, output: &Output) -> Result<Option<LogitBatch>> {
    match batch.is_all_void() {
        true => Ok(None),
        false => Ok(Some(LogitBatch::new(&output.logits, &output.labels, Some(VOID.into()))?)),
    }
}

/// A batch of predictions as metrics of segmentation take it.
pub(super) struct HostBatch<'a> {
    predicted: &'a Predicted,
    shape: [usize; 4],
    indices: Vec<u64>,
}

impl<'a> HostBatch<'a> {
    /// Takes the images in the order of the data set.
    ///
    /// # Errors
    ///
    /// Logits that are not `[N, C, H, W]`.
    pub(super) fn of(predicted: &'a Predicted) -> Result<Self> {
        let shape = predicted.shape.as_slice().try_into().map_err(|_| Error::Setting {
            name: "logits",
            value: format!("of shape {:?}", predicted.shape),
            expected: "the shape [N, C, H, W]",
        })?;
        let first = predicted.first as u64;
        Ok(Self { predicted, shape, indices: (first..first + predicted.samples() as u64).collect() })
    }

    /// The batch as metrics take it.
    pub(super) fn pictures(&self) -> Pictures<'_> {
        let Predicted { logits, labels, .. } = self.predicted;
        Pictures { logits: logits.into(), shape: self.shape, labels: labels.into(), indices: &self.indices }
    }
}
