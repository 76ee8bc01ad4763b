//! Segmentation as a task of the trainer.

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
use mbls_seg::metric::{
    DistanceBands, SegmentationMetrics, SegmentationReport, SegmentationSettings,
};
use mbls_train::{Mode, Output, Predicted, Result, Task, TaskState};

/// A model with a loss, evaluated by overlap and calibration.
pub(super) struct SegmentationTask {
    /// The network, from images to logits of the same size.
    pub(super) model: Box<dyn ModuleT + Send + Sync>,
    /// The loss and the dropout.
    pub(super) learning: Learning,
    /// The data type of the network.
    pub(super) dtype: DType,
    /// The device.
    pub(super) device: Device,
    /// Number of classes.
    pub(super) classes: usize,
    /// The metrics of an epoch.
    pub(super) metrics: SegmentationMetrics,
    /// The metric by which the best epoch is selected.
    pub(super) score: Score,
}

impl SegmentationTask {
    /// Returns the metrics of an epoch: overlap and one reliability diagram.
    ///
    /// # Errors
    ///
    /// If the number of classes or bins is invalid.
    pub(super) fn epoch_metrics(
        classes: usize,
        bins: usize,
    ) -> mbls_core::Result<SegmentationMetrics> {
        let settings = SegmentationSettings {
            bins,
            bands: DistanceBands::new(&[])?,
            classwise: false,
            published: false,
            ..SegmentationSettings::default()
        };
        SegmentationMetrics::new(classes, settings)
    }

    /// Returns the batch for the loss; `None` if all pixels are void or of classes with weight 0.
    fn logit_batch(
        &self,
        batch: &SegmentationBatch,
        output: &Output,
    ) -> Result<Option<LogitBatch>> {
        if batch.is_all_void() {
            return Ok(None);
        }
        self.learning.weighted(LogitBatch::new(&output.logits, &output.labels, Some(VOID.into()))?)
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

    /// Returns `None` for a batch with only void pixels.
    fn loss(&self, batch: &SegmentationBatch, output: &Output) -> Result<Option<LossOutput>> {
        self.logit_batch(batch, output)?
            .map(|batch| Ok(self.learning.loss.forward(&batch)?))
            .transpose()
    }

    fn loss_weight(&self, batch: &SegmentationBatch, output: &Output) -> Result<f64> {
        Ok(self.logit_batch(batch, output)?.map_or(0.0, |batch| batch.total_weight()))
    }

    /// Ignores batches with only void pixels.
    fn learn(&mut self, batch: &SegmentationBatch, output: &Output) -> Result<()> {
        match self.logit_batch(batch, output)? {
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

    /// Metrics without any counted pixel are undefined.
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

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Tensor;
    use mbls_core::loss::LossSpec;

    struct Unused;

    impl ModuleT for Unused {
        fn forward_t(&self, x: &Tensor, _train: bool) -> candle_core::Result<Tensor> {
            Ok(x.clone())
        }
    }

    fn task(class_weights: Option<Vec<f64>>) -> SegmentationTask {
        SegmentationTask {
            model: Box::new(Unused),
            learning: Learning {
                loss: LossSpec::CrossEntropy.build().unwrap(),
                dropout: None,
                class_weights,
            },
            dtype: DType::F32,
            device: Device::Cpu,
            classes: 3,
            metrics: SegmentationTask::epoch_metrics(3, 15).unwrap(),
            score: Score::MeanIou,
        }
    }

    /// The logits of the four pixels of an image, by class.
    const LOGITS: [[f32; 4]; 3] =
        [[2.0, 0.0, 0.5, 1.0], [-1.0, 3.0, 0.25, 0.0], [0.5, 1.0, 0.0, -2.0]];

    fn batch(labels: [u32; 4]) -> (SegmentationBatch, Output) {
        let valid = labels.iter().filter(|label| **label != u32::from(VOID)).count();
        let (shape, labels) = ([1, 3, 2, 2], labels.to_vec());
        let batch =
            SegmentationBatch { pixels: vec![0.0; 12], shape, labels, valid_pixels: vec![valid] };
        let logits = Tensor::new(&LOGITS, &Device::Cpu).unwrap().reshape((1, 3, 2, 2)).unwrap();
        let labels = batch.labels(&Device::Cpu).unwrap();
        (batch, Output { logits, labels })
    }

    /// The sum of the weighted losses over the sum of the weights; void pixels are in neither.
    #[test]
    fn the_loss_of_masks_is_the_mean_over_pixels_weighted_by_class() {
        let (masks, output) = batch([0, 2, VOID.into(), 2]);
        for (weights, total) in [(None, 3.0), (Some(vec![3.0, 0.0, 0.5]), 4.0)] {
            let task = task(weights.clone());
            let of_class = |label: usize| weights.as_ref().map_or(1.0, |weights| weights[label]);
            let losses = [(0, 0), (1, 2), (3, 2)].map(|(pixel, label): (usize, usize)| {
                let row = LOGITS.map(|class| f64::from(class[pixel]));
                of_class(label) * (row.iter().map(|l| l.exp()).sum::<f64>().ln() - row[label])
            });
            let loss =
                task.loss(&masks, &output).unwrap().unwrap().total.to_scalar::<f32>().unwrap();
            assert!((f64::from(loss) - losses.iter().sum::<f64>() / total).abs() < 1e-6, "{loss}");
            assert_eq!(task.loss_weight(&masks, &output).unwrap(), total);
        }
        // Only void pixels, and classes with weight 0.
        let void = u32::from(VOID);
        for labels in [[void; 4], [1, 1, void, 1]] {
            let (masks, output) = batch(labels);
            assert!(task(Some(vec![3.0, 0.0, 0.5])).loss(&masks, &output).unwrap().is_none());
        }
    }
}
