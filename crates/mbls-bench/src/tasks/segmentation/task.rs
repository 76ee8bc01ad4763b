//! Segmentation, as the trainer sees it.

use super::host_batch::HostBatch;
use super::measures::MEASURES;
use crate::epoch_metrics::{EpochMetrics, EpochReport};
use crate::learning::Learning;
use crate::measure::of_epoch;
use crate::spec::Score;
use candle_core::{DType, Device, ModuleT};
use mbls_core::loss::{LogitBatch, LossOutput};
use mbls_core::metric::Metric;
use mbls_seg::dataset::{SegmentationBatch, VOID};
use mbls_seg::metric::{DistanceBands, SegmentationMetrics, SegmentationReport, SegmentationSettings};
use mbls_train::{Mode, Output, Predicted, Result, Task, TaskState};

/// A model with a loss, measured by overlap and calibration.
pub(super) struct SegmentationTask {
    /// The network: images to logits of their size.
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
    type Metrics = EpochMetrics<SegmentationMetrics>;

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

    fn metrics(&self) -> Self::Metrics {
        EpochMetrics::new(&self.metrics, self.learning.loss.margin())
    }

    fn observe(&self, predicted: &Predicted, metrics: &mut Self::Metrics) -> Result<()> {
        let batch = HostBatch::of(predicted)?;
        let distances = batch.distances(&metrics.no_distances())?;
        Ok(metrics.update((batch.pictures(), &distances))?)
    }

    fn score(&self, value: &EpochReport<SegmentationReport>) -> Option<f64> {
        let mean_iou = value.report.overlap?.mean_iou;
        match self.score {
            Score::MeanIou => mean_iou.with_background,
            Score::PublishedMeanIou => mean_iou.published,
        }
    }

    /// What no pixel says anything of is undefined.
    fn summary(&self, value: &EpochReport<SegmentationReport>) -> Vec<(&'static str, Option<f64>)> {
        of_epoch(&MEASURES, value)
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
    if batch.is_all_void() {
        return Ok(None);
    }
    Ok(Some(LogitBatch::new(&output.logits, &output.labels, Some(VOID.into()))?))
}
